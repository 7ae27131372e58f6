"""Where are all nodules? The first view shows that, so no closer look is needed: a short question to begin with.

It is none of the families of `phantoms`, whose questions a first view cannot answer.
"""

from collections.abc import Iterator

import numpy as np

from envs.episode import Question, Truth
from envs.phantoms.asking import asked, findings, one_of, place, written
from envs.phantoms.film import film, first_view, kind_drawn, pixel_mm, scattered, source
from envs.phantoms.series import Background, Setting, checked, series

WORDINGS = (
    "Point at each of the {alike} nodules, whatever their type.",
    "Where are the {alike} nodules? Point at all of them.",
    "Point at all {alike} bright spots.",
)
WITHIN_PX = 3
"""How far off a point may be, px of the first view."""


def spots(
    split: str = "train",
    count: int = 100,
    start: int = 0,
    difficulty: float = 0.5,
    background: Background = "mixed",
    view_px: int = 128,
) -> Iterator[tuple[Question, Truth]]:
    """Ask for points on all nodules, one or more. Raises ValueError for a setting that is not allowed."""
    return series(_spots, checked("spots", split, difficulty, background, view_px), count, start)


def _spots(setting: Setting, number: int, rng: np.random.Generator) -> tuple[Question, Truth]:
    plate = film(rng, setting)
    alike, mm = int(rng.integers(2, plate.hardness.alike + 1)), pixel_mm(rng)
    lesions = scattered(rng, plate, setting, [kind_drawn(rng) for _ in range(alike)])
    picture = source(plate.painted(rng, lesions), plate.unit, spacing_mm=(mm, mm), modality=plate.tags["modality"])
    text = one_of(rng, WORDINGS, alike=alike)
    question = asked(setting, number, text, "points", [picture], [first_view(picture, setting)], plate.tags)
    regions = tuple(place(picture, lesion.box(plate.factor).center) for lesion in lesions)
    seen = findings(picture, lesions, plate.factor)
    within = float(WITHIN_PX * plate.factor)
    return question, Truth(answer=written(regions), regions=regions, within=within, findings=seen)
