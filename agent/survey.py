"""What a task holds, and what those would score who answer without looking."""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from envs.answers import written
from envs.datasets import split_hash, task_hash
from envs.episode import Kind, Question, Truth
from envs.grading import Given, Grade
from tools.geometry import Box, Frozen, Point
from tools.image import Image, Place
from tools.lookup import find
from tools.mask import Mask
from tools.study import Study

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


class Guessed(Frozen):
    """What a guess earns on one question."""

    number: int
    study: str
    grade: Grade


class Survey(Frozen):
    """The data of an evaluation."""

    count: int
    hash: str
    """Over all questions, pictures and truths: runs on other data are not compared."""
    kinds: dict[Kind, int]
    studies: int
    tags: tuple[dict[str, str], ...]
    """Of every question."""
    baselines: dict[str, tuple[Guessed, ...]]


def survey(tasks: Iterable[tuple[Question, Truth]], tick: Callable[[], None] = lambda: None) -> Survey:
    """Go once through the questions.

    Raises ValueError for none, for two of one id, and for one whose truth is missing or would itself be graded wrong.
    """
    kept: list[tuple[Question, Truth]] = []
    frames: list[tuple[str, Image | None]] = []
    hashes: dict[str, str] = {}
    for question, truth in tasks:
        if truth is None:
            raise ValueError(f"question {question.id!r} has no truth to be judged by")
        if question.id in hashes:
            raise ValueError(f"two questions have the id {question.id!r}")
        if not itself(question, truth).right:
            raise ValueError(f"question {question.id!r}: its truth {truth.answer!r} is no right answer to it")
        hashes[question.id] = task_hash(question, truth)
        frame = question.images[0] if question.images else None
        frames.append((question.study.id, frame and frame.model_copy()))
        if frames[-1][1] is not None:
            frames[-1][1]._source = None  # the pixels are not needed: a data set need not fit into memory
        kept.append((question.model_copy(update={"study": Study(sources=()), "images": ()}), truth))
        tick()
    if not kept:
        raise ValueError("the task holds no question")
    return Survey(
        count=len(kept),
        hash=split_hash(hashes.values()),
        kinds=dict(Counter(question.kind for question, _ in kept)),
        studies=len({study for study, _ in frames}),
        tags=tuple(question.tags for question, _ in kept),
        baselines=_baselines(kept, frames),
    )


def itself(question: Question, truth: Truth) -> Grade:
    """What the truth earns as an answer."""
    mask = Mask.of(np.logical_or.reduce([part.array for part in truth.masks])) if truth.masks else None
    place = truth.regions[0] if truth.regions else None
    answer = Given(text=truth.answer, places=truth.regions, mask=mask, mask_place=place)
    grade: Grade = find("envs.graders", question.kind)(question, truth, answer)
    return grade


def _baselines(kept: list[tuple[Question, Truth]], frames: list[tuple[str, Image | None]]) -> dict[str, Any]:
    """What each guess earns, on the questions that it applies to."""
    constant = _groups(kept, lambda q: q.kind, lambda q, t: t.answer)
    alike = _groups(kept, _wording, _said)
    named: dict[str, Callable[[Question, Truth, Image | None], Given | None]] = {
        "constant answer": lambda q, t, _: _text(_usual(constant.get(q.kind), q.kind)),
        "what others asked in the same words answer": lambda q, t, _: _text(
            _usual(alike.get(_wording(q)), q.kind, _said(q, t))
        ),
        "whole-image box": lambda q, t, frame: _box(q, frame, 1.0),
        "centre box": lambda q, t, frame: _box(q, frame, 0.5),
        "centre point": lambda q, t, frame: _middle(q, frame),
    }
    found = {}
    for name, guess in named.items():
        graded = []
        for number, ((question, truth), (study, frame)) in enumerate(zip(kept, frames, strict=True)):
            if (given := guess(question, truth, frame)) is not None:
                grade: Grade = find("envs.graders", question.kind)(question, truth, given)
                graded.append(Guessed(number=number, study=study, grade=grade))
        if graded:
            found[name] = tuple(graded)
    return found


class _Group(NamedTuple):
    """The true answers of questions that are alike."""

    sorted: list[str]
    """By the number in them."""
    often: list[tuple[str, int]]
    """The most frequent answer and the next, with how often they are true."""


def _groups(
    kept: Iterable[tuple[Question, Truth]], key: Callable[[Question], str], said: Callable[[Question, Truth], str]
) -> dict[str, _Group]:
    """The answers by some key. Places have no usual answer."""
    answers: dict[str, list[str]] = {}
    for question, truth in kept:
        if question.kind not in ("boxes", "points", "mask"):
            answers.setdefault(key(question), []).append(said(question, truth))
    return {
        name: _Group(
            sorted(given, key=lambda answer: (_value(answer), answer)),
            sorted(Counter(given).items(), key=lambda pair: (-pair[1], pair[0]))[:2],
        )
        for name, given in answers.items()
    }


def _usual(group: _Group | None, kind: Kind, own: str | None = None) -> str | None:
    """The answer that is true most often, of numbers the middle one; `own` does not count, so as not to tell itself."""
    if group is None or len(group.sorted) - (own is not None) < 1:
        return None
    if kind == "number":
        middle = (len(group.sorted) - (own is not None)) // 2
        return group.sorted[middle + (own is not None and middle >= group.sorted.index(own))]
    (first, often), *rest = group.often
    return rest[0][0] if own == first and rest and often - 1 < rest[0][1] else first


def _said(question: Question, truth: Truth) -> str:
    """The true answer; of choices its words, since their letters may be dealt anew for every question."""
    place = ord(truth.answer) - ord("A") if len(truth.answer) == 1 else -1
    shuffled = question.kind == "choice" and 0 <= place < len(question.choices)
    return question.choices[place] if shuffled else truth.answer


def _wording(question: Question) -> str:
    """The question as it is asked of any study: without its numbers, the choices in any order."""
    return "|".join([question.kind, _NUMBER.sub("#", question.text), *sorted(question.choices)])


def _value(text: str) -> float:
    number = _NUMBER.search(text)
    return float(number[0]) if number else 0.0


def _text(answer: str | None) -> Given | None:
    return None if answer is None else Given(text=answer)


def _box(question: Question, frame: Image | None, share: float) -> Given | None:
    """A box in the middle of the first view, `share` as wide and high."""
    if question.kind != "boxes" or frame is None:
        return None
    w, h = frame.width * share / 2, frame.height * share / 2
    x, y = frame.width / 2, frame.height / 2
    return _placed(frame, Box(x0=x - w, y0=y - h, x1=x + w, y1=y + h))


def _middle(question: Question, frame: Image | None) -> Given | None:
    if question.kind != "points" or frame is None:
        return None
    return _placed(frame, frame.box.center)


def _placed(frame: Image, shape: Box | Point) -> Given:
    place: Place = frame.place(shape)
    return Given(text=written([("img0", frame, place)]), places=(place,))
