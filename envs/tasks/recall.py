"""Lists in words, of which one line is asked for; nothing is to be seen. It teaches to copy what was read.

It is none of the families of `phantoms`, which are about what is seen. But a reader has to copy numbers that tools
tell, and to find the letters of choices. A small model learns to copy in minutes from short lists of words, each of
which comes once; on long lists, and on numbers, it had hardly begun to after twice as long.
"""

from collections.abc import Iterator
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from envs.episode import Kind, Question, Truth
from envs.phantoms.asking import asked, chosen, one_of
from envs.phantoms.lesions import KINDS
from envs.phantoms.series import Setting, checked, series

Task = tuple[Question, Truth]
WORDINGS = {
    "word": (
        "Say this {times} times, then the word that follows {what}.",
        "Which word follows {what}? Say all of this {times} times first.",
    ),
    "value": ("Read this aloud, then tell the {what}.", "What is the {what}? Read all of this first."),
    "tally": ("How many of these are {what}?", "Count those that are {what}."),
    "which": ("Which of these views are {what}?", "Name the views that are {what}."),
    "choice": ("Which of these is {what}?", "Find {what} among these."),
}
SIDES = ("upper", "lower", "left", "right", "middle", "prior", "current")
MEASURES = {
    "longest diameter": "mm", "area": "mm²", "angle": "degrees", "mean": "HU", "median": "HU", "SD": "HU",
    "volume": "ml", "distance": "mm", "width": "mm",
}  # fmt: skip
NAMES = (
    "solid", "cavitated", "clustered", "stellate", "upper left", "upper right", "lower left", "lower right", "none",
    "bright", "dark", "round", "left", "right",
)  # fmt: skip
WORDS = (
    "solid", "bright", "round", "dark", "grey", "thin", "thick", "narrow", "wider", "upper", "lower", "left", "right",
    "middle", "prior", "current", "film", "view", "image", "bone", "lung", "chest", "organ", "tissue", "rib",
    "marrow", "fibre", "lesion", "nodule", "mass", "border", "edge", "corner", "center", "angle", "area", "length",
    "width", "mean", "median", "level", "scale", "noise", "frame", "slice", "window", "plane", "axis", "zoom", "crop",
    "measure", "answer", "reading", "truth", "number", "list", "first", "last", "early", "late", "large", "small",
    "four", "seven", "eight", "none", "most", "other",
)  # fmt: skip
LINES = (3, 7)
"""How many a list has, both included."""
FEWEST_WORDS = 4
TIMES = (2, 4)
"""How often they are said, both included."""
MOST_VIEWS = 6
Way = Literal["word", "value", "choice", "tally", "which"]
WAYS: tuple[Way, ...] = ("word", "value", "choice", "tally", "which")


def recall(
    split: str = "train",
    count: int = 100,
    start: int = 0,
    ways: Annotated[tuple[Way, ...], Field(min_length=1)] = WAYS,
    words: Annotated[int, Field(ge=FEWEST_WORDS, le=len(WORDS))] = 24,
) -> Iterator[Task]:
    """Ask for one line of a list; where it is of words, it has at most so many, and is to be said several times.

    Raises ValueError for a setting that is not allowed.
    """

    def make(setting: Setting, number: int, rng: np.random.Generator) -> Task:
        way = ways[int(rng.integers(len(ways)))]
        match way:
            case "word":
                return _word(setting, number, rng, words)
            case "value":
                return _value(setting, number, rng)
            case "choice":
                return _choice(setting, number, rng)
        return _views(setting, number, rng, way)

    return series(make, checked("recall", split, 0.5, "mixed", 128), count, start)


def _word(setting: Setting, number: int, rng: np.random.Generator, most: int) -> Task:
    words = [WORDS[n] for n in rng.permutation(len(WORDS))[: int(rng.integers(FEWEST_WORDS, most + 1))]]
    at, times = int(rng.integers(len(words) - 1)), int(rng.integers(TIMES[0], TIMES[1] + 1))
    text = f"{one_of(rng, WORDINGS['word'], what=words[at], times=times)}\n{' '.join(words)}"
    question = asked(setting, number, text, "open", [], [], {"what": "word", "named": words[at], "times": str(times)})
    return question, Truth(answer=words[at + 1])


def _value(setting: Setting, number: int, rng: np.random.Generator) -> Task:
    every = [(f"{side} {measure}", unit) for side in SIDES for measure, unit in MEASURES.items()]
    lines = {every[n][0]: f"{_number(rng)} {every[n][1]}" for n in rng.permutation(len(every))[: _length(rng)]}
    what = list(lines)[int(rng.integers(len(lines)))]
    text = "\n".join([one_of(rng, WORDINGS["value"], what=what), *(f"{name} {told}" for name, told in lines.items())])
    question = asked(setting, number, text, "number", [], [], {"what": "value", "named": what})
    return question, Truth(answer=lines[what], tolerance=0.0)


def _choice(setting: Setting, number: int, rng: np.random.Generator) -> Task:
    choices = tuple(NAMES[n] for n in rng.permutation(len(NAMES))[: _length(rng)])
    what = choices[int(rng.integers(len(choices)))]
    text = one_of(rng, WORDINGS["choice"], what=what)
    question = asked(setting, number, text, "choice", [], [], {"what": "choice", "named": what}, choices)
    return question, Truth(**chosen(choices, what))


def _views(setting: Setting, number: int, rng: np.random.Generator, way: Literal["tally", "which"]) -> Task:
    """What several close looks have shown, as one who has looked says it; those of one type are counted or named."""
    names = [f"img{n + 1}" for n in range(int(rng.integers(2, MOST_VIEWS + 1)))]
    kinds = [KINDS[int(n)] for n in rng.integers(len(KINDS), size=len(names))]
    what = kinds[int(rng.integers(len(kinds)))] if way == "which" else KINDS[int(rng.integers(len(KINDS)))]
    those = [name for name, kind in zip(names, kinds, strict=True) if kind == what]
    listed = ", ".join(f"{name} {kind}" for name, kind in zip(names, kinds, strict=True))
    text = f"{one_of(rng, WORDINGS[way], what=what)}\n{listed}"
    kind: Kind = "count" if way == "tally" else "open"
    question = asked(setting, number, text, kind, [], [], {"what": way, "named": what})
    return question, Truth(answer=str(len(those)) if way == "tally" else " and ".join(those))


def _length(rng: np.random.Generator) -> int:
    return int(rng.integers(LINES[0], LINES[1] + 1))


def _number(rng: np.random.Generator) -> str:
    """From 0.01 to 9999, to four digits: as tools tell numbers."""
    return f"{10 ** rng.uniform(-2, 4):.4g}"
