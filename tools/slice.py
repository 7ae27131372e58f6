"""Show another plane of a volume."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from tools.image import Image
from tools.ruler import digits
from tools.sides import SIDES, edges_said, plane_name
from tools.study import Source
from tools.tool import Observation, ToolError

Axis = Annotated[
    Literal["axial", "coronal", "sagittal", "0", "1", "2"] | None,
    BeforeValidator(lambda given: str(given) if isinstance(given, int) else given),
    Field(description='the planes to go through; "0", "1" or "2" as stored where the orientation is not known'),
]


def slice(image: Image, index: Annotated[int, Field(description="from 0")], axis: Axis = None) -> Observation:
    """Show slice number `index` of a volume: of the planes now shown, or of those across another `axis`.

    Within one axis the region shown, its size, turning and grey window are kept; along another axis the whole plane
    is shown, upright, in the same greys. Marks and outlines belong to their slice and stay there.
    """
    source = image.data
    if source.axes == "tyx":
        raise ToolError("slice: this is a film, which has no slices; use frame")
    if source.axes != "zyx":
        raise ToolError("slice: this is a single picture, which has no slices; use zoom to look closer")
    number = image.axis if axis is None else _axis(source, axis)
    last = source.count(number) - 1
    if not 0 <= index <= last:
        raise ToolError(f"slice: there is no slice {index} of the {_planes(source, number)}; there are 0 to {last}")
    view = _view(image, number, index)
    text = f"Slice {index} of 0 to {last} of the {_planes(source, number)}{_position(source, number, index)}."
    return Observation(text=f"{text} {edges_said(view)}", images=(view,))


def _axis(source: Source, axis: str) -> int:
    """The number of an axis. Raises ToolError for a name that the volume does not have."""
    if axis.isdigit():
        return int(axis)
    names = [plane_name(source, number) for number in range(3)]
    if axis not in names:
        why = "because the file does not state its orientation"
        raise ToolError(f'slice: no planes of this volume are known to be {axis}, {why}; use axis "0", "1" or "2"')
    return names.index(axis)


def _view(image: Image, axis: int, index: int) -> Image:
    if axis == image.axis:
        return image.look(index=index, marks=(), mask=None)
    return Image.of(image.data, axis, index, limit=image.limit, grey=image.grey)


def _planes(source: Source, axis: int) -> str:
    return f"{plane_name(source, axis)} planes" if plane_name(source, axis) else f"planes across axis {axis}"


def _position(source: Source, axis: int, index: int) -> str:
    """How far from slice 0, and which way the numbers run."""
    step = source.spacing_mm[axis] if source.spacing_mm else 0.0
    away = f", {digits(index * step)} mm from slice 0" if step > 0 else ""
    side = source.orientation[axis] if source.orientation else ""
    return away + (f"; higher numbers lie towards the patient's {SIDES[side]}" if side in SIDES else "")
