"""Endless numbered questions: number n of a split is the same whoever makes it, and in whatever order."""

from collections.abc import Callable, Iterable, Iterator
from typing import Literal

import numpy as np

from envs.episode import Question, Truth
from envs.tasks.discs import SPLITS
from tools.geometry import Frozen

Background = Literal["synthetic", "real", "mixed"]
BACKGROUNDS = ("synthetic", "real", "mixed")
VIEW_PX = (64, 512)
"""The smallest and the largest first view, px."""


class Setting(Frozen):
    """What all families are set by."""

    family: str
    split: str
    difficulty: float
    """0 easy to 1 hard: see `Hardness`."""
    background: Background
    view_px: int
    """The longest side of the views, px."""

    @property
    def origin(self) -> str:
        return f"{self.family}/{self.split}"

    def rng(self, number: int) -> np.random.Generator:
        """The randomness of question `number`: of this family and split, at every difficulty the same."""
        return np.random.default_rng([SPLITS[self.split], int.from_bytes(self.family.encode()), number])

    def between(self, easy: float, hard: float) -> float:
        """The value at this difficulty of what goes from `easy` to `hard`."""
        return easy + (hard - easy) * self.difficulty


Make = Callable[[Setting, int, np.random.Generator], tuple[Question, Truth]]
"""Make question number n from its randomness."""


def checked(family: str, split: str, difficulty: float, background: str, view_px: int) -> Setting:
    """The checked settings. Raises ValueError for one that is not allowed."""
    among(family, "split", split, SPLITS)
    among(family, "background", background, BACKGROUNDS)
    if not 0 <= difficulty <= 1:
        raise ValueError(f"{family}: difficulty {difficulty:g} is not between 0 (easy) and 1 (hard)")
    if not VIEW_PX[0] <= view_px <= VIEW_PX[1]:
        raise ValueError(f"{family}: view_px {view_px} is not between {VIEW_PX[0]} and {VIEW_PX[1]}")
    return Setting(family=family, split=split, difficulty=difficulty, background=background, view_px=view_px)


def among(family: str, what: str, given: str, allowed: Iterable[str]) -> None:
    """Raise ValueError, in words, for a setting that is not one of those allowed."""
    if given not in allowed:
        raise ValueError(f"{family}: no {what} {given!r}; there are: {', '.join(allowed)}")


def series(make: Make, setting: Setting, count: int, start: int) -> Iterator[tuple[Question, Truth]]:
    """Questions number `start` to `start + count - 1`. Raises ValueError for a negative one."""
    if count < 0 or start < 0:
        raise ValueError(f"{setting.family}: count {count} and start {start} cannot be negative")
    return (make(setting, number, setting.rng(number)) for number in range(start, start + count))
