"""How experts read: one file for each family of made-up studies, and what they share.

A strategy is a generator: it yields its next step, a thought and what is done, and is sent the episode as it then is.
Places are written in px of the view, in whole hundredths of it: no close look need be placed more exactly.
"""

import re
from collections.abc import Generator, Sequence
from typing import NamedTuple

import numpy as np

from envs.episode import Answer, Episode, Finding, ToolCall, Truth
from envs.phantoms.asking import LETTERS
from tools.geometry import Box, Point
from tools.image import Image, Place

Step = tuple[str, tuple[ToolCall | Answer, ...]]
Plan = Generator[Step, Episode, None]

HUNDREDTHS = 100
BANDS = 8
"""Spots are taken in reading order: in so many bands from top to bottom, and in each from left to right."""
CLOSE, FACTOR = 10, 6
"""A close look at a small nodule: its side in hundredths of the view, and how many times it is enlarged."""


class Case(NamedTuple):
    """One question, to one who knows the answer."""

    episode: Episode
    """As it opened."""
    truth: Truth
    rng: np.random.Generator
    careful: float = 0.1
    """How often it takes its time: one look a turn, and what is large is looked at closer, too. Easier to learn."""
    misses: float = 0.0
    """How often one look of several misses, and shows nothing."""

    @property
    def view(self) -> Image:
        """The first view."""
        return self.episode.opening.images[0]

    def one_of(self, wordings: Sequence[str], **words: object) -> str:
        return wordings[int(self.rng.integers(len(wordings)))].format(**words)

    def likely(self, share: float) -> bool:
        return float(self.rng.random()) < share

    def middle(self, place: Place) -> Point:
        """The middle of a place, px of the first view."""
        shape = place.shape
        return self.view.from_source.point(shape.center if isinstance(shape, Box) else shape)


def in_reading_order(case: Case, findings: Sequence[Finding]) -> list[Finding]:
    def order(finding: Finding) -> tuple[int, float]:
        at = case.middle(finding.place)
        return int(at.y * BANDS / case.view.height), at.x

    return sorted(findings, key=order)


def close_look(view: Image, at: Point, side: int = CLOSE, factor: int = FACTOR, name: str = "img0") -> ToolCall:
    """A zoom on a point, px of the view, on a square of so many hundredths that lies within the view."""

    x, y = begins(at.x / view.width, side), begins(at.y / view.height, side)
    box = [*_px(view, x, y), *_px(view, x + side, y + side)]
    return ToolCall(name="zoom", arguments={"image": name, "box": box, "factor": factor})


def begins(share: float, side: int = CLOSE) -> int:
    """Where a close look at a place begins, along one side of the view: of a share of it, in hundredths."""
    return min(max(round(share * HUNDREDTHS - side / 2), 0), HUNDREDTHS - side)


def point(view: Image, at: Point) -> list[float]:
    """A point of a view in px, to a hundredth of the view."""
    return _px(view, round(at.x / view.width * HUNDREDTHS), round(at.y / view.height * HUNDREDTHS))


def box(view: Image, shape: Box) -> list[float]:
    """A box of a view in px, to hundredths of the view."""
    return [*point(view, Point(x=shape.x0, y=shape.y0)), *point(view, Point(x=shape.x1, y=shape.y1))]


def _px(view: Image, x: int, y: int) -> list[float]:
    return [round(x * view.width / HUNDREDTHS, 4), round(y * view.height / HUNDREDTHS, 4)]


def shown(episode: Episode) -> list[tuple[str, Image]]:
    """The views that the last turn was answered with, each with its name."""
    last = len(episode.turns[-1].images)
    return list(episode.images.items())[len(episode.images) - last :]


def outline(view: Image, at: Point, name: str = "img0") -> ToolCall:
    """An outline of what lies at a point, px of the view."""
    return ToolCall(name="segment", arguments={"image": name, "method": "region", "point": point(view, at)})


def told(episode: Episode, pattern: str) -> str:
    """A number with its unit, from what the last turn was answered with; nothing where it is not there."""
    found = re.search(pattern, episode.turns[-1].acts[0].observation.text)
    return found[1] if found else "not found"


def picked(choices: Sequence[str], meant: str) -> tuple[str, str]:
    """(letter, thought): the choices are read out as they stand in the question, up to the one that is meant.

    So a small policy need not find a letter by what follows it, which is far harder than to read on.
    """
    place = choices.index(meant)
    return LETTERS[place], "\n".join(f"{LETTERS[n]}. {choice}" for n, choice in enumerate(choices[: place + 1]))


def answer(thought: str, text: str) -> Step:
    return thought, (Answer(text=text),)
