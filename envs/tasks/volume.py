"""On which slice of a volume is the lesion largest, and how large is it there? The first slice shown is free of it."""

import math
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import numpy as np

from envs.episode import Question, Truth
from envs.phantoms.asking import asked, one_of, place
from envs.phantoms.film import DARK, MASS, first_view, noise
from envs.phantoms.ground import Hardness, ground
from envs.phantoms.masses import Ellipse, bounds
from envs.phantoms.series import Background, Setting, among, checked, series
from tools.grey import Grey
from tools.ruler import digits
from tools.study import Source

WHATS = ("slice", "diameter", "mixed")
SLICES = (16, 40)
"""How many, easy and hard."""
PIXEL_MM = (0.1, 1.0)
DRIFT = 1
"""How many px the background moves from slice to slice."""
FLAT = 30
"""How much of a background is left, in greys."""
WORDINGS = {
    "slice": (
        "There is one bright nodule in this volume. On which slice is it largest?",
        "On which slice does the nodule reach its largest extent?",
        "Scroll to the nodule: which slice shows it at its widest?",
    ),
    "diameter": (
        "There is one bright nodule in this volume. What is its diameter on the slice where it is largest, in mm?",
        "How wide, in mm, is the nodule on the slice that shows it at its widest?",
        "Measure the largest diameter of the nodule within a slice, in mm.",
    ),
}


class Ball(NamedTuple):
    x: float
    y: float
    """The middle, px."""
    slice: int
    radius: float
    """px of a slice."""
    slices: float
    """How many slices it reaches up and down from its middle."""

    def across(self, slice: int) -> float:
        """Its radius on a slice, px; 0 where it does not reach it."""
        return self.radius * math.sqrt(max(0.0, 1 - ((slice - self.slice) / self.slices) ** 2))


def volume(
    split: str = "train",
    count: int = 100,
    start: int = 0,
    difficulty: float = 0.5,
    background: Background = "mixed",
    view_px: int = 128,
    what: Literal["slice", "diameter", "mixed"] = "mixed",
) -> Iterator[tuple[Question, Truth]]:
    """Ask for a slice number or a diameter in mm. Raises ValueError for a setting that is not allowed."""
    among("volume", "what", what, WHATS)

    def make(setting: Setting, number: int, rng: np.random.Generator) -> tuple[Question, Truth]:
        drawn = WHATS[int(rng.integers(2))]
        return _volume(setting, number, rng, drawn if what == "mixed" else what)

    return series(make, checked("volume", split, difficulty, background, view_px), count, start)


def _volume(setting: Setting, number: int, rng: np.random.Generator, what: str) -> tuple[Question, Truth]:
    slices = round(setting.between(*SLICES))
    ball = _ball(rng, slices, setting.view_px)
    values, tags = _stack(rng, setting, slices)
    strength = np.int16(MASS * Hardness.of(setting).strength)
    for index in range(slices):
        if (radius := ball.across(index)) > 0:
            values[index] += strength * Ellipse(ball.x, ball.y, radius, radius).inside(values.shape[1:])
    mm = round(math.exp(rng.uniform(*np.log(PIXEL_MM))), 4)
    thick = round(mm * ball.radius / ball.slices, 4)
    stack = Source.of(
        values, spacing_mm=(thick, mm, mm), spacing_note="made up", modality=tags["modality"],
        presets=(Grey.between(0, 255),),
    )  # fmt: skip
    answer: dict[str, Any] = {"answer": str(ball.slice), "within": 1.0}
    if what == "diameter":
        answer = {"answer": f"{digits(2 * ball.radius * mm)} mm", "tolerance": 0.1}
    largest = bounds(Ellipse(ball.x, ball.y, ball.radius, ball.radius).inside(values.shape[1:]))
    question = asked(
        setting, number, one_of(rng, WORDINGS[what]), "sequence" if what == "slice" else "number", [stack],
        [first_view(stack, setting)], tags | {"what": what},
    )  # fmt: skip
    return question, Truth(**answer, regions=(place(stack, largest, ball.slice),))


def _ball(rng: np.random.Generator, slices: int, px: int) -> Ball:
    """Where it lies is drawn from all slices far enough from the ends, of which the first is shown."""
    reach = float(rng.uniform(2.5, min(5.5, slices / 4)))
    off = math.ceil(reach)
    middle = int(rng.integers(off, slices - off))
    x, y = rng.uniform(0.2, 0.8, 2) * px
    return Ball(float(x), float(y), middle, float(rng.uniform(0.06, 0.12) * px), reach)


def _stack(rng: np.random.Generator, setting: Setting, slices: int) -> tuple[np.ndarray, dict[str, str]]:
    """(slices, px, px), int16: a background that drifts from slice to slice, and noise; and its tags."""
    px = setting.view_px
    drawn = ground(rng, setting, px + DRIFT * slices, 1)
    flat = DARK + FLAT * drawn.values
    values = Hardness.of(setting).noise * noise(rng, (slices, px, px))
    for index in range(slices):
        values[index] += flat[DRIFT * index :, DRIFT * index :][:px, :px]
    return np.maximum(values, 0, out=values).astype(np.int16), drawn.tags
