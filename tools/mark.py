"""Draw on an image."""

from typing import Annotated

from pydantic import Field

from tools.geometry import Box, Point
from tools.image import Image, Mark
from tools.tool import Observation, ToolError

VISIBLE_PX = 3
"""The smallest side of a box that can be told from its own outline, px of the view."""

Label = Annotated[str, Field(max_length=40)]


def mark(
    image: Image,
    boxes: Annotated[tuple[Box, ...], Field(description="regions to draw red rectangles around")] = (),
    points: Annotated[tuple[Point, ...], Field(description="places to draw red crosses at")] = (),
    labels: Annotated[tuple[Label, ...], Field(description="a word for each box, then for each point")] = (),
) -> Observation:
    """Draw red rectangles around `boxes` and crosses at `points` of an image, with `labels` if given.

    Marks stay where they are on the source: they are kept by zoom, crop, window and orient.
    """
    shapes: list[Box | Point] = [*boxes, *points]
    if not shapes:
        raise ToolError("mark: nothing to mark; give at least one box or point")
    if labels and len(labels) != len(shapes):
        raise ToolError(f"mark: {len(labels)} labels for {len(shapes)} places; give none, or one for each")
    for box in boxes:
        if min(box.width, box.height) < VISIBLE_PX:
            size = f"{box.width:.3g} by {box.height:.3g}"
            raise ToolError(f"mark: a box of {size} pixels on the image is too small to be seen; zoom in first")
    named = zip(shapes, labels or [""] * len(shapes), strict=True)
    drawn = tuple(Mark(shape=image.place(shape).shape, label=label) for shape, label in named)
    view = image.look(marks=image.marks + drawn)
    counted = [_counted(len(boxes), "box", "boxes"), _counted(len(points), "point", "points")]
    return Observation(text=f"Marked {' and '.join(filter(None, counted))}.", images=(view,))


def _counted(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}" if number else ""
