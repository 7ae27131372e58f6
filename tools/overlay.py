"""How one picture lies on another."""

from typing import NamedTuple

import cv2
import numpy as np

from tools.geometry import Affine, Point, oriented, scaling, shift
from tools.image import Image, source_aspect
from tools.registration import best_shift, refined, standard, warped
from tools.ruler import Ruler, digits

WORK_PX = 768
"""The longest side at which pictures are fitted to each other."""
STILL_PX = 0.1
"""A picture that need not be moved farther than this has not moved."""


class Overlay(NamedTuple):
    """Where the plane of another image lies on that of this one."""

    laid: Affine
    """From px of its plane to px of this plane, before it was moved."""
    moved: Affine
    """How it was moved from there, px of this plane."""
    how: str
    """How the sizes were matched, in words."""

    @property
    def map(self) -> Affine:
        return self.laid.then(self.moved)


def laid_on(image: Image, other: Image, fixed: np.ndarray, moving: np.ndarray, align: str) -> Overlay:
    """Lay `moving`, the (H, W) plane of `other`, centre on centre on `fixed`, that of `image`, and move it to fit.

    `align` says how: "none", "shift" or "affine". Raises ValueError where no fit is found.
    """
    laid, how = _laid(image, other)
    if align == "none":
        return Overlay(laid, Affine(), how)
    height, width = fixed.shape
    shrink = min(1.0, WORK_PX / max(height, width))
    small = (max(1, round(width * shrink)), max(1, round(height * shrink)))
    reduced = scaling(small[0] / width, small[1] / height)
    on_fixed, covered = warped(moving, laid.then(reduced), small)
    if not covered.any():
        raise ValueError("the two images do not meet; use align 'none' on parts of the same size")
    at, on_fixed = standard(cv2.resize(fixed, small, interpolation=cv2.INTER_AREA)), standard(on_fixed)
    moved = best_shift(at, on_fixed, covered)
    motion = cv2.MOTION_AFFINE if align == "affine" else cv2.MOTION_TRANSLATION
    try:
        moved = refined(at, on_fixed, covered, moved, motion)
    except ValueError:
        if align == "affine":  # a shift to whole px stands by itself
            raise
    return Overlay(laid, reduced.then(moved).then(reduced.inverse()), how)


def moved_said(image: Image, found: Overlay) -> tuple[str, dict[str, float | str]]:
    """How the middle of the other image was moved, as seen on the view: in words, and for machines."""
    center = image.window.center
    end = found.moved.point(center)
    dx, dy = end.x - center.x, end.y - center.y
    facts: dict[str, float | str] = {"shift_x_px": round(dx, 2), "shift_y_px": round(dy, 2)}
    ruler = Ruler.on(image, image.window)
    length = float(np.hypot(dx * ruler.x, dy * ruler.y))
    if ruler.unit == "mm":
        facts = {"shift_mm": round(length, 3), **facts}
    laid = f" ({found.how})" if found.how else ""
    if np.hypot(dx, dy) < STILL_PX:
        return f"The other image was laid centre on centre{laid} and not moved", facts
    turn = oriented(0, 0, image.turns, image.mirrored)
    seen = turn.point(Point(x=dx, y=dy))
    ways = [_way(seen.x, "right", "left"), _way(seen.y, "down", "up")]
    in_mm = f" ({digits(length)} mm in all)" if ruler.unit == "mm" else ""
    return (
        f"The other image was laid centre on centre{laid}, then moved {' and '.join(filter(None, ways))}{in_mm}",
        facts,
    )


def _way(distance: float, ahead: str, back: str) -> str:
    if abs(distance) < STILL_PX:
        return ""
    return f"{abs(distance):.3g} px {ahead if distance > 0 else back}"


def _laid(image: Image, other: Image) -> tuple[Affine, str]:
    """Centre on centre, each as it is turned on its view; true to mm where both have a scale."""
    here, there = image.scale(), other.scale()
    turn = _turn(other).then(_turn(image).inverse())
    size, other_size = image.data.plane_shape(image.axis), other.data.plane_shape(other.axis)
    if here.mm and there.mm:
        grown = scaling(*there.mm).then(turn).then(scaling(1 / here.mm[0], 1 / here.mm[1]))
        how = "" if np.allclose(here.mm, there.mm) and turn == Affine() else "true to mm"
    else:
        aspect, other_aspect = source_aspect(image.data, image.axis), source_aspect(other.data, other.axis)
        square = scaling(1, other_aspect).then(turn).then(scaling(1, 1 / aspect))
        reach = square.point(Point(x=other_size[1], y=other_size[0]))
        stretch = size[1] / abs(reach.x)
        grown = square.then(scaling(stretch, stretch))
        how = "pixel on pixel" if abs(stretch - 1) < 1e-9 else f"stretched {stretch:.3g} times to the same width"
        how += ", because not both have a scale"
    center = shift(-other_size[1] / 2, -other_size[0] / 2), shift(size[1] / 2, size[0] / 2)
    return center[0].then(grown).then(center[1]), how


def _turn(image: Image) -> Affine:
    return oriented(0, 0, image.turns, image.mirrored)
