"""How large an outlined structure is."""

from typing import NamedTuple

import cv2
import numpy as np

from tools.caliper import diameters
from tools.geometry import Box
from tools.image import Image
from tools.pixels import Facts, Pixels, statistics
from tools.ruler import Ruler, rounded


class Extent(NamedTuple):
    """The size of a structure that may lie in several regions."""

    words: str
    """Its area, the diameters of its largest region, and the values in it."""
    facts: Facts
    regions: int
    """How many connected regions it has; pixels that meet at a corner are connected."""
    largest: Box
    """The box around the largest, px of the plane."""


def extent(image: Image, pixels: Pixels) -> Extent:
    """The size of some pixels, of which there is at least one."""
    labels, parts = regions(pixels.inside)
    biggest = int(parts[:, cv2.CC_STAT_AREA].argmax())
    x, y, width, height = (float(n) for n in parts[biggest, :4])
    x0, y0 = pixels.box.x0 + x, pixels.box.y0 + y
    largest = Box(x0=x0, y0=y0, x1=x0 + width, y1=y0 + height)
    ruler = Ruler.on(image, largest)
    longest, across = diameters(labels == biggest + 1, (ruler.x, ruler.y))
    area = float(pixels.inside.sum()) * ruler.x * ruler.y
    inside, values = statistics(image, pixels)
    of = "" if len(parts) == 1 else " of the largest"
    words = (
        f"area {ruler.area(area)}, longest diameter{of} {ruler.length(longest)}, "
        f"{ruler.length(across)} across it{ruler.caveat}; {inside}"
    )
    facts: Facts = {f"area_{ruler.unit}2": rounded(area), f"diameter_{ruler.unit}": rounded(longest)}
    facts |= {f"across_{ruler.unit}": rounded(across), "regions": len(parts), **values}
    return Extent(words, facts, len(parts), largest)


def regions(inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(H, W) labels 1 ... n of the connected parts, 0 outside; and [n, 5] of each: x, y, width, height, area."""
    _, labels, parts, _ = cv2.connectedComponentsWithStats(inside.astype(np.uint8), connectivity=8)
    return labels, parts[1:]
