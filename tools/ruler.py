"""Lengths and areas on a plane: in mm where the file gives a scale, else in pixels of the source."""

import math
from collections.abc import Iterable
from typing import NamedTuple, Self

import numpy as np

from tools.geometry import Box, Point
from tools.image import Image, source_aspect

PLAIN_NOTES = ("", "in the patient", "in the patient; across the slices from their positions")
"""What a scale may refer to without a word being said about it."""
HAIR = 1e-6
"""Less than anybody can point at, px; more than coordinates lose on their way."""


class Ruler(NamedTuple):
    """The size of a pixel of the plane, (x, y), in `unit`."""

    x: float
    y: float
    unit: str
    """mm; px, the width of a pixel of the source, where the file gives no scale."""
    note: str
    """What the mm refer to, or why there are none."""

    @classmethod
    def on(cls, image: Image, where: Box) -> Self:
        """The ruler for a part of the plane, px of the plane."""
        scale = image.scale(where)
        if scale.mm is None:
            return cls(1.0, source_aspect(image.data, image.axis), "px", scale.note)
        return cls(*scale.mm, "mm", scale.note)

    def lay(self, points: Iterable[Point]) -> np.ndarray:
        """Points of the plane, [n, 2], in the ruler's unit."""
        return np.array([(p.x * self.x, p.y * self.y) for p in points], np.float64).reshape(-1, 2)

    def length(self, value: float) -> str:
        """A length in words, with its unit."""
        return f"{digits(value)} {self.unit}"

    def area(self, value: float) -> str:
        """An area in words, with its unit."""
        return f"{digits(value)} {self.unit}²"

    @property
    def caveat(self) -> str:
        """What must be said with a length: what the mm refer to, or why there are none; often nothing."""
        if self.unit == "px":
            return f", in {'pixels' if self.y == 1 else 'pixel widths'} of the source because {self.note}"
        return "" if self.note in PLAIN_NOTES else f", {self.note}"


def around(points: Iterable[Point]) -> Box:
    """The smallest box around points; a hair wide where they lie on one line."""
    xs, ys = zip(*((p.x, p.y) for p in points), strict=True)
    x, y = min(min(xs), max(xs) - HAIR), min(min(ys), max(ys) - HAIR)
    x0, y0 = max(x, 0.0), max(y, 0.0)  # a plane begins at 0: beyond it nothing has a scale
    return Box(x0=x0, y0=y0, x1=max(max(xs), x0 + HAIR), y1=max(max(ys), y0 + HAIR))


def rounded(value: float) -> float:
    """A finding to four significant digits: finer than a pixel of any plane that is read."""
    return float(f"{value:.4g}")


def digits(value: float) -> str:
    """A finding in words, in powers of ten only if very small or beyond 15 digits."""
    return f"{shown:.15g}" if math.isfinite(shown := rounded(value)) else "too large to state"
