"""Ways to find a structure by its values. Each gives which pixels belong, (H, W) bool, and how they were found.

Values are float64 (H, W); a seed is a (row, column) in the structure. NaN belongs to nothing. What cannot be done
raises ValueError, with the reason.
"""

from typing import NamedTuple

import numpy as np

from tools.outline import regions
from tools.ruler import digits

Seed = tuple[int, int]

WALKER_PX = 512 * 512
"""The most pixels the random walker takes on: a few seconds."""


class Limits(NamedTuple):
    """The smallest and the largest value that belong; None: no limit."""

    low: float | None
    high: float | None
    unit: str

    @property
    def given(self) -> bool:
        return self.low is not None or self.high is not None

    def hold(self, values: np.ndarray) -> np.ndarray:
        low, high = (-np.inf if self.low is None else self.low), (np.inf if self.high is None else self.high)
        return (values >= low) & (values <= high)

    def __str__(self) -> str:
        if self.low is not None and self.high is not None:
            return f"values of {digits(self.low)} to {digits(self.high)} {self.unit}"
        if self.high is not None:
            return f"values of at most {digits(self.high)} {self.unit}"
        return f"values of at least {digits(self.low or 0.0)} {self.unit}"


def by_threshold(values: np.ndarray, limits: Limits, seed: Seed | None) -> tuple[np.ndarray, str]:
    """All within the limits, or what of it is connected to the seed. Without limits: on the seed's side of Otsu's."""
    limits, how = (limits, "") if limits.given else (_otsu(values, limits, seed), "Otsu's threshold, ")
    marked = limits.hold(values)
    return marked if seed is None else _connected(marked, seed), f"{how}{limits}"


def by_growing(values: np.ndarray, limits: Limits, seed: Seed | None) -> tuple[np.ndarray, str]:
    """What is connected to the seed within the limits. Without limits: within 2.5 SD of the mean of what was found
    before, begun with 5 by 5 pixels and renewed five times (as ITK's ConfidenceConnectedImageFilter does)."""
    from scipy.ndimage import binary_fill_holes

    if seed is None:
        raise ValueError("method 'region' needs a point inside the structure; none was given")
    if limits.given:
        return _connected(limits.hold(values), seed), f"connected {limits}"
    row, column = seed
    marked = np.zeros(values.shape, bool)
    marked[max(row - 2, 0) : row + 3, max(column - 2, 0) : column + 3] = True
    for _ in range(5):
        inside = values[marked & np.isfinite(values)]
        if not inside.size:
            raise ValueError("there is no value at the point; give another")
        reach = 2.5 * float(inside.std())
        low, high = float(inside.mean()) - reach, float(inside.mean()) + reach
        limits = limits._replace(low=min(low, float(values[seed])), high=max(high, float(values[seed])))
        marked = _connected(limits.hold(values), seed)
    return binary_fill_holes(marked), f"connected {limits}, holes filled"


def by_walking(values: np.ndarray, limits: Limits, seed: Seed | None) -> tuple[np.ndarray, str]:
    """Where a random walk meets the seed, or the middle, before the edge of the part looked at.

    Grady, "Random walks for image segmentation", IEEE TPAMI 28 (2006).
    """
    from skimage.segmentation import random_walker

    height, width = values.shape
    if height * width > WALKER_PX or min(height, width) < 5:
        allowed = "boxes of 5 by 5 to 512 by 512 pixels of the source"
        raise ValueError(f"the walker takes {allowed}; this one is {width} by {height}")
    if limits.given:
        raise ValueError("the walker takes no limits; leave out low and high, or use method 'region'")
    _expect_contrast(values)
    row, column = seed or (height // 2, width // 2)
    reach = min(height, width) // 20
    seeds = np.zeros((height, width), np.int32)
    seeds[max(row - reach, 0) : row + reach + 1, max(column - reach, 0) : column + reach + 1] = 1
    seeds[[0, -1], :] = seeds[:, [0, -1]] = 2
    if not (seeds == 1).any():
        raise ValueError("the point lies on the edge of the box; give a larger box")
    reached = random_walker(np.nan_to_num(values), seeds, beta=130, mode="cg_j", tol=1e-4, prob_tol=1.0)
    return reached == 1, "a random walk against the box's edge"


def _otsu(values: np.ndarray, limits: Limits, seed: Seed | None) -> Limits:
    from skimage.filters import threshold_otsu

    _expect_contrast(values)
    between = float(threshold_otsu(values[np.isfinite(values)]))
    if seed is not None and values[seed] <= between:
        return limits._replace(high=between)
    return limits._replace(low=float(np.nextafter(between, np.inf)))


def _expect_contrast(values: np.ndarray) -> None:
    finite = values[np.isfinite(values)]
    if not finite.size or finite.min() == finite.max():
        raise ValueError("all values here are the same, so there is nothing to outline; look elsewhere")


def _connected(marked: np.ndarray, seed: Seed) -> np.ndarray:
    labels, _ = regions(marked)
    return (labels == labels[seed]) & marked
