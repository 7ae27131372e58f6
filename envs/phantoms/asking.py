"""Put a made-up study into a question and its truth."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from envs.episode import Finding, Kind, Question
from envs.phantoms.lesions import Lesion
from envs.phantoms.series import Setting
from tools.geometry import Box, Point
from tools.image import Image, Place
from tools.study import Source, Study

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def asked(
    setting: Setting, number: int, text: str, kind: Kind, sources: Sequence[Source], images: Sequence[Image],
    tags: dict[str, str], choices: tuple[str, ...] = (),
) -> Question:  # fmt: skip
    """The question, with the tags of its family beside its own."""
    shared = {"family": setting.family, "task": kind, "difficulty": f"{setting.difficulty:g}"}
    return Question(
        id=f"{setting.origin}/{number}",
        text=text,
        study=Study(sources=tuple(sources)),
        images=tuple(images),
        kind=kind,
        choices=choices,
        origin=setting.origin,
        tags=shared | tags,
    )


def one_of(rng: np.random.Generator, wordings: Sequence[str], **words: Any) -> str:
    """One of several wordings, filled in."""
    return wordings[int(rng.integers(len(wordings)))].format(**words)


def shuffled(rng: np.random.Generator, choices: Sequence[str]) -> tuple[str, ...]:
    return tuple(choices[n] for n in rng.permutation(len(choices)))


def chosen(choices: Sequence[str], right: str) -> dict[str, Any]:
    """The answer of a truth: the letter, or the words of the choice."""
    return {"answer": LETTERS[choices.index(right)], "accepted": (right,)}


def place(source: Source, shape: Box | Point, index: int = 0) -> Place:
    return Place(source=source.id, index=index, shape=shape)


def findings(source: Source, lesions: Iterable[Lesion], factor: int) -> tuple[Finding, ...]:
    """Small lesions, each under the name of its type."""
    return tuple(Finding(name=lesion.kind, place=place(source, lesion.box(factor))) for lesion in lesions)


def written(regions: Sequence[Place]) -> str:
    """Places as an answer in px of the source would write them."""
    return str([region.shape.numbers for region in regions])
