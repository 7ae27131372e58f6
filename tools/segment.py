"""Outline a structure by its values."""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from tools.crop import whole_pixels
from tools.geometry import Box, Point
from tools.image import Image
from tools.mask import Mask
from tools.outline import extent
from tools.pixels import Pixels, unit_of, values_in
from tools.tool import Observation, Spot, ToolError
from tools.tracing import Limits, by_growing, by_threshold, by_walking

METHODS = {"threshold": by_threshold, "region": by_growing, "walker": by_walking}
LEAK = 0.95
"""What fills more than this share of the part looked at has no border in it."""


def segment(
    image: Image,
    method: Annotated[
        Literal["threshold", "region", "walker"],
        Field(description="values from low to high; those connected to point; a walk from point to the box's edge"),
    ] = "threshold",
    point: Annotated[Point | None, Field(description="[x, y] inside the structure")] = None,
    box: Annotated[Box | None, Field(description="[x0, y0, x1, y1] look only here; else in all that is shown")] = None,
    low: Annotated[float | None, Field(description="smallest value that belongs; else found by itself")] = None,
    high: Annotated[float | None, Field(description="largest value that belongs")] = None,
) -> Observation:
    """Outline a structure by the values of the source (HU for CT), and give its area, diameters, values and box.

    It works at the resolution of the file, in the part shown. What each method does is said in tools/tracing.py.
    """
    part = whole_pixels(image, box or image.box)
    if method == "walker" and box is None:
        raise ToolError("segment: method 'walker' needs a box around the structure; none was given")
    if low is not None and high is not None and low > high:
        raise ToolError(f"segment: low {low:g} is above high {high:g}; give the smaller value as low")
    limits = Limits(low, high, unit_of(image))
    try:
        marked, how = METHODS[method](values_in(image, part), limits, _seed(image, point, part))
    except ValueError as error:
        raise ToolError(f"segment: {error}") from None
    _expect_border(marked, how)
    plane = np.zeros(image.data.plane_shape(image.axis), bool)
    plane[int(part.y0) : int(part.y1), int(part.x0) : int(part.x1)] = marked
    view = image.look(mask=Mask.of(plane))
    found = extent(view, Pixels(part, marked))
    what = "One region" if found.regions == 1 else f"{found.regions} separate regions"
    box_of = "Its box is" if found.regions == 1 else "The box of the largest is"
    text = f"{what} by {how}: {found.words}. {box_of} {{0}}.{_cut_off(marked)}"
    spot = Spot(image=view.id, shape=view.from_source.box(found.largest))
    return Observation(text=text, images=(view,), spots=(spot,), facts=found.facts)


def _seed(image: Image, point: Point | None, part: Box) -> tuple[int, int] | None:
    """The (row, column) of a point in the part looked at."""
    if point is None:
        return None
    p = image.to_source.point(point)
    if not part.contains(p):
        raise ValueError("the point lies outside the box; give a point inside it")
    return min(int(p.y - part.y0), int(part.height) - 1), min(int(p.x - part.x0), int(part.width) - 1)


def _expect_border(marked: np.ndarray, how: str) -> None:
    if not marked.any():
        raise ToolError(f"segment: nothing found by {how}; give other limits or another point")
    if marked.mean() > LEAK:
        fill = f"{how} fill {marked.mean():.0%} of the part looked at"
        raise ToolError(f"segment: {fill}, so no border was found; give narrower limits or a larger part")


def _cut_off(marked: np.ndarray) -> str:
    edge = marked[0].any() or marked[-1].any() or marked[:, 0].any() or marked[:, -1].any()
    return " It reaches the edge of the part looked at and may go on outside." if edge else ""
