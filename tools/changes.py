"""Find what has changed in a difference of two pictures."""

from typing import NamedTuple

import cv2
import numpy as np

from tools.geometry import Box
from tools.outline import regions

NOISE = 5.0
"""A change stands out by this many robust standard deviations of the difference ..."""
FAINT = 0.05
"""... and by this share of the range of values in the picture."""
NORMAL = 1.4826
"""The standard deviation of a normal distribution over its median absolute deviation."""


class Change(NamedTuple):
    box: Box
    """px of the plane."""
    mean: float
    """How much the values have risen in it."""
    size: float
    """Its area, px, times its mean."""


def largest_changes(difference: np.ndarray, fixed: np.ndarray, covered: np.ndarray) -> tuple[list[Change], float]:
    """The changes in (H, W) float32, the largest first, and the least change of a value that counts as one.

    `fixed` is the picture from which the other was taken; `covered` says where there are both: outside, the
    difference is 0.
    """
    blur = max(1.0, max(difference.shape) / 400)
    smooth = cv2.GaussianBlur(difference, (0, 0), blur)
    seen = smooth[covered]
    spread = NORMAL * float(np.median(np.abs(seen - np.median(seen))))
    least = max(NOISE * spread, FAINT * float(np.ptp(np.percentile(fixed[covered], (1, 99)))))
    if least == 0:  # flat pictures without noise
        return [], 0.0
    found = [change for sign in (1, -1) for change in _parts(difference, sign * smooth > least, 9 * blur**2)]
    return sorted(found, key=lambda change: -change.size), least


def _parts(difference: np.ndarray, changed: np.ndarray, smallest: float) -> list[Change]:
    labels, parts = regions(changed)
    found = []
    for n, (x, y, width, height, area) in enumerate(parts.tolist(), start=1):
        if area >= smallest:
            part = np.s_[y : y + height, x : x + width]
            mean = float(difference[part][labels[part] == n].mean())
            found.append(Change(Box(x0=x, y0=y, x1=x + width, y1=y + height), mean, area * abs(mean)))
    return found
