"""Small lesions of four types that a first view cannot tell from each other, to the last bit.

A lesion is 2 by 2 px of the first view, whose pixels are means over blocks of `factor` by `factor` px of the source. It
is mirror symmetric both ways about the corner where its four blocks meet, and all types have the same sum: so each of
its four pixels is the same for every type.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from tools.geometry import Box

KINDS = ("solid", "cavitated", "stellate", "clustered")
CELL = 10
"""Lesions lie in cells of this many px of the first view, one in a cell and off its edges, so that none touch."""
OFF = 3
FINE = 8
"""How many steps of a pixel its coverage is computed in."""


class Lesion(NamedTuple):
    kind: str
    x: int
    y: int
    """Its middle, px of the first view."""
    strength: float
    """How much it adds to each of its four pixels of the first view."""

    def box(self, factor: int) -> Box:
        """The box around it, px of the source."""
        return Box(
            x0=(self.x - 1) * factor, y0=(self.y - 1) * factor, x1=(self.x + 1) * factor, y1=(self.y + 1) * factor
        )


def paint(values: np.ndarray, lesions: Iterable[Lesion], factor: int) -> None:
    """Add lesions to (H, W) whole numbers."""
    for lesion in lesions:
        x, y = (lesion.x - 1) * factor, (lesion.y - 1) * factor
        values[y : y + 2 * factor, x : x + 2 * factor] += glyph(lesion.kind, factor, round(lesion.strength * factor**2))


def places(rng: np.random.Generator, view_px: int, count: int, clear: int = 0) -> list[tuple[int, int]]:
    """Middles (x, y) of `count` lesions that do not touch; at least `clear` px off both middle lines of the view."""
    across = np.arange(view_px // CELL)
    off_middle = np.abs(across * CELL + CELL / 2 - view_px / 2) >= (clear + CELL / 2 - OFF if clear else 0)
    free = across[off_middle]
    cells = rng.permutation(len(free) ** 2)[:count]
    jitter = rng.integers(OFF, CELL - OFF + 1, (count, 2))
    return [
        (int(free[cell % len(free)] * CELL + dx), int(free[cell // len(free)] * CELL + dy))
        for cell, (dx, dy) in zip(cells, jitter, strict=True)
    ]


@lru_cache(maxsize=4096)
def glyph(kind: str, factor: int, total: int) -> np.ndarray:
    """(2 factor, 2 factor), int16: a lesion whose four quarters have the sum `total` each."""
    return mirrored(shares(_quarter(kind, factor), total))


def mirrored(quarter: np.ndarray) -> np.ndarray:
    """A quarter, which begins at the middle, mirrored both ways."""
    half = np.concatenate([quarter[::-1], quarter])
    return np.concatenate([half[:, ::-1], half], axis=1)


def _quarter(kind: str, factor: int) -> np.ndarray:
    """(factor, factor): how much of each pixel a type covers, in its lower right quarter."""
    along = (np.arange(factor * FINE) + 0.5) / (factor * FINE)
    return coarse(covers(kind, along[None, :], along[:, None]), factor)


def coarse(inside: np.ndarray, size: int) -> np.ndarray:
    """(size, size): how much of each pixel is True in (size * FINE, size * FINE)."""
    return inside.reshape(size, FINE, size, FINE).mean(axis=(1, 3))


def covers(kind: str, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Where a type is bright, at distances from its middle across and down, in halves of its width."""
    away = np.hypot(u, v)
    if kind == "solid":
        return away <= 1
    if kind == "cavitated":
        return (away <= 1) & (away >= 0.6)
    if kind == "stellate":
        return (np.minimum(u, v) <= 0.25) & (np.maximum(u, v) <= 1)
    return np.hypot(u - 0.64, v - 0.64) <= 0.36  # clustered


def shares(weights: np.ndarray, total: int) -> np.ndarray:
    """Whole numbers in proportion to weights, with exactly this sum: the largest remainders are rounded up."""
    exact = weights / weights.sum() * total
    whole = np.floor(exact).astype(np.int16)
    last = np.argsort((whole - exact).ravel(), kind="stable")[: total - int(whole.sum())]
    whole.ravel()[last] += 1
    return whole
