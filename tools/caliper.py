"""Lengths, angles and areas of points laid out in one unit: [n, 2] arrays (x, y)."""

import math
from itertools import combinations

import cv2
import numpy as np


def path_length(points: np.ndarray) -> float:
    """From the first point through all others to the last."""
    return float(np.hypot(*np.diff(points, axis=0).T).sum())


def angle(a: np.ndarray, b: np.ndarray) -> float:
    """Between two arms [2], degrees, in [0, 180]. Raises ValueError for an arm of no length."""
    if not a.any() or not b.any():
        raise ValueError("two of the points are the same, so there is no angle")
    return math.degrees(math.atan2(abs(a[0] * b[1] - a[1] * b[0]), float(a @ b)))


def polygon_area(corners: np.ndarray) -> float:
    """Raises ValueError for corners on one line, or out of order."""
    if _crosses(corners):
        raise ValueError("the sides of the polygon cross; give its corners in order around it")
    (x, y), (next_x, next_y) = (corners - corners[0]).T, (np.roll(corners, -1, axis=0) - corners[0]).T
    area = abs(float(np.sum(x * next_y - next_x * y))) / 2
    if area <= 1e-9 * path_length(corners) ** 2:
        raise ValueError("the corners of the polygon lie on one line, so it has no area")
    return area


def diameters(inside: np.ndarray, pixel: tuple[float, float]) -> tuple[float, float]:
    """The longest diameter of the pixels that are True in (H, W), and the width across it.

    `pixel` is the size of one, (x, y). Taken between the middles of the pixels' outer sides, which is right on
    average: between their centres a pixel too little is found, between their corners too much.
    """
    hull = cv2.convexHull((_sides(inside) * pixel).astype(np.float32))[:, 0].astype(np.float64)  # [n, 2]
    between = hull[:, None] - hull  # [n, n, 2]
    lengths = np.hypot(between[..., 0], between[..., 1])
    i, j = np.unravel_index(np.argmax(lengths), lengths.shape)
    along = between[i, j] / lengths[i, j]
    return float(lengths[i, j]), float(np.ptp(hull @ (-along[1], along[0])))


def _sides(inside: np.ndarray) -> np.ndarray:
    """[n, 2] (x, y): the middles of the outermost sides of the pixels of each row and each column."""
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    by_row, by_column = inside[rows], inside[:, columns].T
    left, right = by_row.argmax(axis=1), inside.shape[1] - by_row[:, ::-1].argmax(axis=1)
    top, bottom = by_column.argmax(axis=1), inside.shape[0] - by_column[:, ::-1].argmax(axis=1)
    xs = np.concatenate([left, right, columns + 0.5, columns + 0.5])
    ys = np.concatenate([rows + 0.5, rows + 0.5, top, bottom])
    return np.stack([xs, ys], axis=1)


def _crosses(corners: np.ndarray) -> bool:
    """Whether two sides that are not neighbours cut each other."""
    n = len(corners)
    sides = [(corners[i], corners[(i + 1) % n]) for i in range(n)]
    return any(_cut(*sides[i], *sides[j]) for i, j in combinations(range(n), 2) if j - i not in (1, n - 1))


def _cut(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> bool:
    def side(p: np.ndarray, q: np.ndarray, r: np.ndarray) -> float:
        return float((q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0]))

    return side(a, b, c) * side(a, b, d) < 0 and side(c, d, a) * side(c, d, b) < 0
