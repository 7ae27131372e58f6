"""Compare an image with an earlier one."""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from tools.changes import largest_changes
from tools.geometry import Box
from tools.grey import Grey
from tools.image import Image, source_aspect
from tools.overlay import laid_on, moved_said
from tools.pixels import unit_of, values_in
from tools.registration import likeness, warped
from tools.ruler import digits, rounded
from tools.study import Source
from tools.tool import Observation, Spot, ToolError

LISTED = 5
"""The most changes that are named, the largest first."""
LARGEST = 1e30
"""Values beyond are taken as this: their squares still have to be numbers of 32 bits in a sum of 64."""
POOR = 0.5
"""Below this correlation a difference says little."""


def compare(
    image: Image,
    other: Image,
    align: Annotated[
        Literal["none", "shift", "affine"],
        Field(description="how other may be moved; affine: also turned, stretched"),
    ] = "shift",
) -> Observation:
    """Show what has changed on an image since an `other`, earlier one, which is first moved to fit on it: brighter
    where values have risen, darker where they have fallen, and the boxes of the largest changes.

    The planes are laid centre on centre, turned as on their views, true to mm where both have a scale. The difference
    is taken of the values, at the resolution of `image`, in the part of it that is shown.
    """
    if (image.data.id, image.axis, image.index) == (other.data.id, other.axis, other.index):
        raise ToolError("compare: both are views of the same picture; name an earlier one as other")
    fixed, moving = _plane(image), _plane(other)
    try:
        found = laid_on(image, other, fixed, moving, align)
    except ValueError as error:
        raise ToolError(f"compare: {error}") from None
    laid, covered = warped(moving, found.map, (fixed.shape[1], fixed.shape[0]))
    covered &= _part(fixed.shape, image.window)
    if not covered.any():
        raise ToolError("compare: other does not reach the part shown; compare the whole images, or use align 'none'")
    laid, fitted = _alike(image, other, fixed, laid, covered)
    difference = np.where(covered, fixed - laid, np.float32(0))
    words, facts = moved_said(image, found)
    match = likeness(fixed, laid, covered)
    facts["correlation"] = rounded(match)
    poor = " The two have little in common." if match < POOR else ""
    moved = f"{words}; correlation {digits(match)}.{poor}{fitted}"
    told = _told(_view(image, other, difference, covered), moved, difference, fixed, covered)
    return told.model_copy(update={"facts": {**facts, **told.facts}})


def _plane(image: Image) -> np.ndarray:
    """(H, W), float32: the values of the whole plane."""
    height, width = image.data.plane_shape(image.axis)
    values = np.nan_to_num(values_in(image, Box(x0=0, y0=0, x1=width, y1=height)), posinf=0.0, neginf=0.0)
    return np.clip(values, -LARGEST, LARGEST).astype(np.float32)


def _part(shape: tuple[int, ...], window: Box) -> np.ndarray:
    inside = np.zeros(shape, bool)
    inside[int(window.y0) : int(window.y1), int(window.x0) : int(window.x1)] = True
    return inside


def _alike(
    image: Image, other: Image, fixed: np.ndarray, laid: np.ndarray, covered: np.ndarray
) -> tuple[np.ndarray, str]:
    """The other's values as this image would show them: the same where both have one unit, else fitted by a line."""
    if image.data.unit and image.data.unit == other.data.unit:
        return laid, ""
    a, b = laid[covered].astype(np.float64), fixed[covered].astype(np.float64)
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return laid, ""
    gain = float(np.mean((a - a.mean()) * (b - b.mean())) / a.var())
    offset = float(b.mean() - gain * a.mean())
    if abs(gain - 1) < 0.01 and abs(offset) < 0.01 * np.ptp(b):
        return laid, ""
    return laid * np.float32(gain) + np.float32(offset), f" Its values were taken times {gain:.3g} plus {offset:.3g}."


def _view(image: Image, other: Image, difference: np.ndarray, covered: np.ndarray) -> Image:
    """The difference in the place of the image: the same part, the same size, grey where nothing changed."""
    source = image.data
    two = [a for a in range(len(source.axes)) if source.axes == "yx" or a != image.axis]
    derived = Source.of(
        difference,
        spacing_mm=source.spacing_mm and tuple(source.spacing_mm[a] for a in two),
        spacing_note=source.spacing_note,
        aspect=source_aspect(source, image.axis),
        regions=source.regions if source.axes == "yx" or image.axis == 0 else (),
        orientation=source.orientation and tuple(source.orientation[a] for a in two),
        unit=source.unit,
        modality=source.modality,
        role="difference",
    )
    reach = float(np.percentile(np.abs(difference[covered]), 99.9)) or 1.0
    return Image.of(
        derived, image.axis, image.index, limit=image.limit, source=image.source, layer=f"difference to {other.id}",
        window=image.window, width=image.width, height=image.height, mirrored=image.mirrored, turns=image.turns,
        grey=Grey(level=0, width=2 * reach, name="difference"),
    )  # fmt: skip


def _told(view: Image, moved: str, difference: np.ndarray, fixed: np.ndarray, covered: np.ndarray) -> Observation:
    """The changes, in words."""
    found, least = largest_changes(difference, fixed, covered)
    unit = unit_of(view)
    listed = [f"{{{n}}} {'+' if c.mean > 0 else '-'}{digits(abs(c.mean))}" for n, c in enumerate(found[:LISTED])]
    if listed:
        more = f", and {len(found) - LISTED} smaller" if len(found) > LISTED else ""
        text = f"Mean change in {unit}: {', '.join(listed)}{more}."
    else:
        text = f"No change of {digits(least)} {unit} or more was found." if least else "No change stands out."
    spots = tuple(Spot(image=view.id, shape=view.from_source.box(change.box)) for change in found[:LISTED])
    return Observation(text=f"{moved} {text}", images=(view,), spots=spots, facts={"changes": len(found)})
