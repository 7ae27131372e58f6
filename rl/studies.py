"""Small made-up studies with a true answer, one for each kind of question, for readers who cheat and one who does not.

Bright discs on a film of 128 by 128 px, none of them in the top left corner, where those look who look at nothing.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from envs.episode import Kind, Question, Truth
from tools.geometry import Box
from tools.image import Image, Place
from tools.mask import Mask
from tools.study import Source, Study

SIZE = 128
MM = 0.5
"""Size of a pixel."""
SLICES = 8
GROUND, BRIGHT = 60, 120
"""Values of a film, and what a disc adds to them: so every px of a disc is above `BRIGHT`, and no other."""
PARTS = ("upper left", "upper right", "lower left", "lower right")
CENTERS = ((40, 52), (96, 32), (32, 96), (96, 96))
"""(x, y) of a disc in each of `PARTS`, px."""

Disc = tuple[int, int, int]
"""x, y and radius, px."""


def studies(seed: int = 0) -> Iterator[tuple[Question, Truth]]:
    """A question of each kind that has one right answer, with its truth."""
    rng = np.random.default_rng([seed])
    one, several = _discs(rng, 1), _discs(rng, 3)
    part = PARTS[CENTERS.index(one[0][:2])]
    mm = 2 * one[0][2] * MM
    yield _asked("number", "What is the diameter of the bright disc, in mm?", one, rng, f"{mm:g} mm")
    yield _asked("choice", "Where is the bright disc?", one, rng, "ABCD"[PARTS.index(part)], choices=PARTS)
    yield _asked("yes_no", "Is the bright disc wider than 5 mm?", one, rng, "yes")
    yield _asked("yes_no", "Is the bright disc wider than 30 mm?", one, rng, "no")
    yield _asked("open", "In which part of the picture is the bright disc?", one, rng, part)
    yield _asked("count", "How many bright discs are there?", several, rng, str(len(several)))
    yield _asked("boxes", "Where are the bright discs?", several, rng, "")
    yield _asked("points", "Where are the centres of the bright discs?", several, rng, "")
    yield _asked("mask", "Outline the bright disc.", one, rng, "")
    yield _on_a_slice(one[0], int(rng.integers(SLICES // 2)), rng)


def leaking(question: Question, truth: Truth) -> Question:
    """The same question about a study that holds its own answer: in the words that describe it, and as an outline."""
    (source,) = question.study.sources
    told = source.model_copy(update={"role": truth.answer})
    first, *_ = question.images
    outlined = [first.look(mask=mask) for mask in truth.masks]
    return question.model_copy(update={"study": Study(sources=(told,)), "images": (first, *outlined)})


def _discs(rng: np.random.Generator, number: int) -> list[Disc]:
    places = rng.choice(len(CENTERS), number, replace=False)
    return [(*CENTERS[place], int(rng.integers(8, 15))) for place in places]


def _asked(
    kind: Kind, text: str, discs: list[Disc], rng: np.random.Generator, answer: str, **more: Any
) -> tuple[Question, Truth]:
    source = Source.of(_film(rng, discs), spacing_mm=(MM, MM), spacing_note="made up")
    boxes = [Box(x0=x - r, y0=y - r, x1=x + r, y1=y + r) for x, y, r in discs]
    shapes = [box.center if kind == "points" else box for box in boxes]
    truth = Truth(
        answer=answer,
        regions=tuple(Place(source=source.id, shape=shape) for shape in shapes),
        masks=tuple(Mask.of(_inside(disc)) for disc in discs) if kind == "mask" else (),
        within=float(min(r for *_, r in discs)) if kind == "points" else None,
    )
    return _question(source, Image.of(source), kind, text, **more), truth


def _on_a_slice(disc: Disc, index: int, rng: np.random.Generator) -> tuple[Question, Truth]:
    x, y, r = disc
    films = [_film(rng, [disc] if number == index else []) for number in range(SLICES)]
    source = Source.of(np.stack(films), spacing_mm=(1.0, MM, MM), spacing_note="made up")
    place = Place(source=source.id, index=index, shape=Box(x0=x - r, y0=y - r, x1=x + r, y1=y + r))
    text = "On which slice, from 0, is there a bright disc?"
    return _question(source, Image.of(source, 0, SLICES - 1), "sequence", text), Truth(
        answer=str(index), regions=(place,)
    )


def _question(source: Source, image: Image, kind: Kind, text: str, **more: Any) -> Question:
    return Question(
        id=f"lint/{kind}/{text}", text=text, study=Study(sources=(source,)), images=(image,), kind=kind, **more
    )


def _inside(disc: Disc) -> np.ndarray:
    """(SIZE, SIZE), bool."""
    x, y, radius = disc
    rows, columns = np.mgrid[:SIZE, :SIZE] + 0.5
    return (columns - x) ** 2 + (rows - y) ** 2 <= radius**2


def _film(rng: np.random.Generator, discs: list[Disc]) -> np.ndarray:
    """(SIZE, SIZE), uint8: noise, and brighter discs."""
    film = rng.normal(GROUND, 5, (SIZE, SIZE))
    for disc in discs:
        film[_inside(disc)] += BRIGHT
    return film.clip(0, 255).astype(np.uint8)
