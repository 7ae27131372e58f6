"""Large lesions, drawn pixel by pixel."""

import math
from typing import NamedTuple

import numpy as np

from tools.geometry import Box


class Ellipse(NamedTuple):
    x: float
    y: float
    """The middle, px."""
    a: float
    b: float
    """Half its axes, mm (px where a pixel is said to be 1 mm)."""
    turn: float = 0.0
    """Of the axis a, from x to y, radians, in mm."""

    def inside(self, shape: tuple[int, ...], mm: tuple[float, float] = (1.0, 1.0)) -> np.ndarray:
        """(H, W), bool: the pixels whose centres lie in it; `mm` is the size of one, (x, y)."""
        u = (np.arange(shape[1], dtype=np.float32)[None, :] + 0.5 - self.x) * mm[0]
        v = (np.arange(shape[0], dtype=np.float32)[:, None] + 0.5 - self.y) * mm[1]
        cos, sin = math.cos(self.turn), math.sin(self.turn)
        uu, vv = (cos / self.a) ** 2 + (sin / self.b) ** 2, (sin / self.a) ** 2 + (cos / self.b) ** 2
        away = uu * u**2 + vv * v**2
        if self.turn:
            away += (2 * cos * sin * (self.a**-2 - self.b**-2) * u) * v
        return away <= 1


def bounds(inside: np.ndarray) -> Box:
    """The smallest box around the pixels of (H, W) that are True."""
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    return Box(x0=columns[0], y0=rows[0], x1=columns[-1] + 1, y1=rows[-1] + 1)
