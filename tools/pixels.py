"""Sets of pixels of a plane, and the values in them."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tools.geometry import Box, Point
from tools.image import Image
from tools.ruler import around, digits, rounded

Facts = dict[str, float | str]


class Pixels(NamedTuple):
    """Some pixels of a plane."""

    box: Box
    """The part of the plane they lie in, whole px."""
    inside: np.ndarray
    """(H, W) of `box`, bool: which of it they are."""


def in_box(box: Box, ellipse: bool = False) -> Pixels:
    """Those whose centres lie in a box of the plane, or in the ellipse in it; the middle one if there are none."""
    whole = _whole(box)
    u = (np.arange(whole.x0, whole.x1) + 0.5 - box.center.x) / (box.width / 2)
    v = (np.arange(whole.y0, whole.y1)[:, None] + 0.5 - box.center.y) / (box.height / 2)
    inside = u**2 + v**2 <= 1 if ellipse else (u >= -1) & (u < 1) & (v >= -1) & (v < 1)
    return Pixels(whole, inside) if inside.any() else at(box.center)


def in_polygon(corners: Sequence[Point]) -> Pixels:
    """Those whose centres lie in a polygon of the plane; the middle one if there are none."""
    from skimage.draw import polygon2mask

    box = around(corners)
    whole = _whole(box)
    drawn = [(p.y - whole.y0 - 0.5, p.x - whole.x0 - 0.5) for p in corners]  # for skimage a pixel's centre is whole
    inside = polygon2mask((int(whole.height), int(whole.width)), drawn)
    return Pixels(whole, inside) if inside.any() else at(box.center)


def outlined(image: Image) -> Pixels | None:
    """Those outlined on a view; None where nothing is."""
    if image.mask is None or (box := image.mask.box) is None:
        return None
    return Pixels(box, image.mask.array[int(box.y0) : int(box.y1), int(box.x0) : int(box.x1)])


def at(point: Point) -> Pixels:
    """The one pixel of the plane that holds a point."""
    x0, y0 = math.floor(point.x), math.floor(point.y)
    return Pixels(Box(x0=x0, y0=y0, x1=x0 + 1, y1=y0 + 1), np.ones((1, 1), bool))


def values_in(image: Image, part: Box) -> np.ndarray:
    """(H, W), float64: the values of a part of the plane, in the source's unit; of colours the mean of the three."""
    values = image.data.values(image.axis, image.index, part)
    return values.mean(axis=2) if image.data.color else values


def statistics(image: Image, pixels: Pixels) -> tuple[str, Facts]:
    """The finite values of some pixels, in words and for machines. The SD is the root of the mean square deviation."""
    values = values_in(image, pixels.box)[pixels.inside]
    values = values[np.isfinite(values)]
    if not values.size:
        return "no pixel inside has a value", {}
    with np.errstate(over="ignore", invalid="ignore"):  # near the limits of floats a sum or a square has no value
        found = {"mean": values.mean(), "sd": values.std(), "median": np.median(values)}
    found |= {"min": values.min(), "max": values.max()}
    mean, sd, median, low, high = (digits(float(v)) for v in found.values())
    words = f"values: mean {mean}, SD {sd}, median {median}, from {low} to {high} {unit_of(image)}"
    return words, finite({named(image, name): rounded(float(v)) for name, v in found.items()})


def finite(found: dict[str, float]) -> Facts:
    """The findings that are numbers: one that is too large for a float is no fact."""
    return {name: value for name, value in found.items() if math.isfinite(value)}


def unit_of(image: Image) -> str:
    """What the values are given in, in words."""
    if image.data.color:
        return "(mean of red, green and blue)"
    return image.data.unit or "(no unit)"


def named(image: Image, what: str) -> str:
    """The name of a fact about values: it ends in their unit where they have one."""
    return f"{what}_{image.data.unit}" if image.data.unit else what


def _whole(box: Box) -> Box:
    return Box(x0=math.floor(box.x0), y0=math.floor(box.y0), x1=math.ceil(box.x1), y1=math.ceil(box.y1))
