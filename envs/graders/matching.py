"""Boxes and points against those that are true: one to one, on the same plane."""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from tools.geometry import Box, Point
from tools.image import Place

SLACK = 1e-9


def same_plane(said: Sequence[Place], true: Sequence[Place]) -> np.ndarray:
    """(said, true), bool: whether both lie on one plane of one source."""
    ours, theirs = ([(place.source, place.axis, place.index) for place in places] for places in (said, true))
    return np.array([[a == b for b in theirs] for a in ours], bool).reshape(len(said), len(true))


def overlaps(said: Sequence[Place], true: Sequence[Place]) -> np.ndarray:
    """(said, true): IoU of boxes, 0 where they lie on different planes."""
    a, b = (np.array([place.shape.numbers for place in places], float).reshape(-1, 4) for places in (said, true))
    with np.errstate(all="ignore"):  # a box may be larger than floats can tell
        low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
        common = (high - low).clip(0).prod(-1)
        area_a, area_b = ((boxes[:, 2:] - boxes[:, :2]).prod(-1) for boxes in (a, b))
        iou = common / (area_a[:, None] + area_b[None] - common)
    return np.where(same_plane(said, true), np.nan_to_num(iou, nan=0.0).clip(0, 1), 0.0)


def distances(said: Sequence[Place], true: Sequence[Place]) -> np.ndarray:
    """(said, true), px: how far points lie from points or from the centres of boxes; infinite on different planes."""
    a, b = (np.array([_point(place).numbers for place in places], float).reshape(-1, 2) for places in (said, true))
    with np.errstate(all="ignore"):
        apart = np.hypot(*np.moveaxis(a[:, None] - b[None], -1, 0))
    return np.where(same_plane(said, true), np.nan_to_num(apart, nan=np.inf, posinf=np.inf), np.inf)


def matched(worth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The pairs (said, true), one to one, whose worth is greatest in all. Hungarian method."""
    return linear_sum_assignment(worth, maximize=True)


def rates(hits: int, said: int, true: int) -> tuple[float, float, float]:
    """(precision, recall, F1). Where there is nothing to find, saying so is perfect, and anything said is not."""
    if said == true == 0:
        return 1.0, 1.0, 1.0
    return hits / said if said else 0.0, hits / true if true else 0.0, 2 * hits / (said + true)


def _point(place: Place) -> Point:
    return place.shape.center if isinstance(place.shape, Box) else place.shape
