"""Points on what was asked for."""

import math
from collections.abc import Sequence

import numpy as np

from envs import answers
from envs.episode import Question, Truth
from envs.graders.boxes import plane
from envs.graders.matching import MOST, pairs, precision_recall_f1
from envs.grading import Given, Grade
from tools.geometry import Box, Point
from tools.image import Place

SCORER = "points/1"
RADIUS_PX = 10.0
"""How far off a point may be where the truth does not say: the radius of MedMultiPoints' matching accuracy."""


def points(question: Question, truth: Truth, given: Given) -> Grade:
    """The score is the F1 of points matched one to one; right where all are matched and none is too many.

    A point is on its mark within `truth.within` px of the source (10 where it is not said), both ends included; where
    the truth is a box, inside the box. No point is right where there is none.
    """
    if given.places is None or len(given.places) > MOST:
        return Grade(scorer=SCORER)
    reach = RADIUS_PX if truth.within is None else truth.within
    off = table(given.places, truth.regions)
    near = off <= reach + 1e-9
    matched = pairs(np.where(near, 1 + 1 / (1 + np.where(near, off, 0)), 0.0))
    precision, recall, f1 = precision_recall_f1(len(matched), *off.shape)
    metrics = {"precision": precision, "recall": recall, "f1": f1}
    if matched:
        metrics["distance_px"] = float(np.mean([off[pair] for pair in matched]))
    strict = answers.strict(given.text, "points") is not None
    return Grade(scorer=SCORER, score=f1, right=f1 == 1.0, parsed=True, strict=f1 if strict else 0.0, metrics=metrics)


def table(given: Sequence[Place], true: Sequence[Place]) -> np.ndarray:
    """(G, T) px of the source from every point to every mark: 0 inside a box, infinite elsewhere and beside a box."""
    off = np.full((len(given), len(true)), np.inf)
    for row, a in enumerate(given):
        for column, b in enumerate(true):
            if plane(a) == plane(b) and isinstance(a.shape, Point):
                off[row, column] = _distance(a.shape, b.shape)
    return off


def _distance(point: Point, mark: Box | Point) -> float:
    if isinstance(mark, Box):
        return 0.0 if mark.contains(point) else math.inf
    return math.hypot(point.x - mark.x, point.y - mark.y)
