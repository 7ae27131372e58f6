"""Measure on an image: lengths, angles, areas, values."""

import math
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from tools.caliper import angle, path_length, polygon_area
from tools.geometry import Box, Point
from tools.image import Image
from tools.outline import extent
from tools.pixels import Facts, Pixels, at, finite, in_box, in_polygon, named, outlined, statistics, unit_of, values_in
from tools.ruler import Ruler, around, digits, rounded
from tools.tool import Observation, Spot, ToolError

Kind = Literal["distance", "angle", "polygon", "box", "ellipse", "values"]


def measure(
    image: Image,
    start: Annotated[Point | None, Field(description="[x, y] where a distance begins")] = None,
    end: Annotated[Point | None, Field(description="[x, y] where it ends")] = None,
    points: Annotated[
        tuple[Point, ...], Field(description="1: the value there; 3: an angle; 4 or more: a polygon")
    ] = (),
    box: Annotated[Box | None, Field(description="[x0, y0, x1, y1] a region, or the box around an ellipse")] = None,
    kind: Annotated[Kind | None, Field(description="only where the places alone do not say what to measure")] = None,
) -> Observation:
    """Measure on an image: the distance from `start` to `end`, the angle at the middle one of three `points`, or the
    size of a `box`, ellipse or polygon and the values inside it; without places, the outlined region.

    A distance may follow more than two points. The angle of four points is the one between the line through the
    first two and the line through the last two (Cobb). Lengths are in mm where the file gives a scale, else in pixels
    of the source, and it is said why. Numbers have four significant digits. What is measured is the source: how
    it is shown changes nothing, except that width and height are those of the view.
    """
    given = [_placed(image, p) for p in (start, end, *points) if p is not None]
    if (start is None) != (end is None):
        raise ToolError("measure: a distance needs both start and end; one was given")
    kind = kind or _kind(image, given, box)
    if kind == "values":
        return _values(image, given, box)
    if kind in ("box", "ellipse"):
        if box is None:
            raise ToolError(f"measure: {kind!r} needs a box; none was given")
        return _boxed(image, _placed_box(image, box), kind)
    try:
        return {"distance": _distance, "angle": _angle, "polygon": _polygon}[kind](image, given)
    except ValueError as error:
        raise ToolError(f"measure: {error}") from None


def _placed(image: Image, point: Point) -> Point:
    """A point of the view in px of the plane: on the plane also where rounding would put it a hair beside."""
    p, shown = image.to_source.point(point), image.window
    return Point(x=min(max(p.x, shown.x0), shown.x1), y=min(max(p.y, shown.y0), shown.y1))


def _placed_box(image: Image, box: Box) -> Box:
    p, q = _placed(image, Point(x=box.x0, y=box.y0)), _placed(image, Point(x=box.x1, y=box.y1))
    return Box(x0=min(p.x, q.x), y0=min(p.y, q.y), x1=max(p.x, q.x), y1=max(p.y, q.y))


def _kind(image: Image, points: Sequence[Point], box: Box | None) -> Kind:
    """What the places given ask for."""
    if box is not None:
        return "box"
    if not points and outlined(image) is None:
        raise ToolError("measure: nothing to measure; give start and end, points, or a box")
    return "polygon" if len(points) > 3 else ("values", "values", "distance", "angle")[len(points)]


def _distance(image: Image, points: Sequence[Point]) -> Observation:
    _expect("distance", "two points or more", len(points) >= 2, points)
    ruler = Ruler.on(image, around(points))
    length = path_length(ruler.lay(points))
    if length == 0:
        raise ToolError("measure: the points are all the same, so there is no distance")
    found: Facts = {f"length_{ruler.unit}": rounded(length)}
    in_cm = f" ({digits(length / 10)} cm)" if ruler.unit == "mm" and length >= 10 else ""
    return Observation(text=f"The distance is {ruler.length(length)}{in_cm}{ruler.caveat}.", facts=found)


def _angle(image: Image, points: Sequence[Point]) -> Observation:
    _expect("angle", "three points, or four for two lines", len(points) in (3, 4), points)
    ruler = Ruler.on(image, around(points))
    laid = ruler.lay(points)
    if len(points) == 3:
        found, what = angle(laid[0] - laid[1], laid[2] - laid[1]), "The angle at the middle point"
    else:
        turned = angle(laid[1] - laid[0], laid[3] - laid[2])
        found, what = min(turned, 180 - turned), "The angle between the two lines"
    square = "" if ruler.unit == "mm" or ruler.y != 1 else f", taking pixels as square because {ruler.note}"
    return Observation(text=f"{what} is {digits(found)} degrees{square}.", facts={"angle_degrees": rounded(found)})


def _polygon(image: Image, points: Sequence[Point]) -> Observation:
    _expect("polygon", "three points or more", len(points) >= 3, points)
    ruler = Ruler.on(image, around(points))
    laid = ruler.lay(points)
    area, around_it = polygon_area(laid), path_length(ruler.lay([*points, points[0]]))
    words = f"The polygon has an area of {ruler.area(area)} and a perimeter of {ruler.length(around_it)}{ruler.caveat}"
    found: Facts = {f"area_{ruler.unit}2": rounded(area), f"perimeter_{ruler.unit}": rounded(around_it)}
    return _with_values(image, in_polygon(points), words, found)


def _boxed(image: Image, box: Box, kind: str) -> Observation:
    """The size of a box of the plane or of the ellipse in it; width and height as they lie on the view."""
    ruler = Ruler.on(image, box)
    width, height = box.width * ruler.x, box.height * ruler.y
    area = width * height * (math.pi / 4 if kind == "ellipse" else 1)
    if image.turns % 2:
        width, height = height, width
    size = f"{ruler.length(width)} wide and {ruler.length(height)} high, with an area of {ruler.area(area)}"
    found: Facts = {f"area_{ruler.unit}2": rounded(area)}
    found |= {f"width_{ruler.unit}": rounded(width), f"height_{ruler.unit}": rounded(height)}
    return _with_values(image, in_box(box, kind == "ellipse"), f"The {kind} is {size}{ruler.caveat}", found)


def _values(image: Image, points: Sequence[Point], box: Box | None) -> Observation:
    """The values in whichever region is given."""
    if box is not None:
        pixels = in_box(_placed_box(image, box))
    elif len(points) == 1:
        return _value_at(image, points[0])
    elif points:
        _expect("values", "a box, one point, or three points or more", len(points) >= 3, points)
        pixels = in_polygon(points)
    elif (shown := outlined(image)) is not None:
        size = extent(image, shown)
        return Observation(text=f"The outlined structure: {size.words}.", facts=size.facts)
    else:
        raise ToolError("measure: 'values' needs a box, points, or a view with an outline; none was given")
    words, found = statistics(image, pixels)
    return Observation(text=f"In this region: {words}.", facts=found)


def _value_at(image: Image, point: Point) -> Observation:
    last = Point(x=min(point.x, image.window.x1 - 1), y=min(point.y, image.window.y1 - 1))  # the far edge is no pixel
    value = float(values_in(image, at(last).box)[0, 0])
    spot = Spot(image=image.id, shape=image.from_source.point(point))
    if not math.isfinite(value):
        return Observation(text="There is no value at {0}.", spots=(spot,))
    text = f"The value at {{0}} is {digits(value)} {unit_of(image)}."
    return Observation(text=text, facts=finite({named(image, "value"): rounded(value)}), spots=(spot,))


def _with_values(image: Image, pixels: Pixels, words: str, found: Facts) -> Observation:
    inside, facts = statistics(image, pixels)
    return Observation(text=f"{words}; {inside}.", facts={**found, **facts})


def _expect(kind: str, what: str, met: bool, points: Sequence[Point]) -> None:
    if not met:
        raise ToolError(f"measure: {kind!r} takes {what}; {len(points)} were given")
