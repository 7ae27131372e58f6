"""Change the greys of an image."""

from typing import Annotated

from pydantic import Field

from tools.grey import CT_PRESETS, Grey
from tools.image import Image, percentile_grey
from tools.pixels import unit_of, values_in
from tools.ruler import digits
from tools.tool import Observation, ToolError

Percent = Annotated[float, Field(ge=0, le=100)]


def window(
    image: Image,
    level: Annotated[float | None, Field(description="the value shown as middle grey")] = None,
    width: Annotated[float | None, Field(gt=0, description="the span of values from black to white")] = None,
    preset: Annotated[
        str | None,
        Field(description="lung, soft tissue, bone, brain, liver (CT only), percentile, full, or one of the file's"),
    ] = None,
    low: Annotated[Percent, Field(description="percentile shown as black, for preset percentile")] = 1,
    high: Annotated[Percent, Field(description="percentile shown as white")] = 99,
) -> Observation:
    """Show an image in another grey window: `level` and `width` in the unit of its values (HU for CT), or a `preset`.

    "percentile" and "full" go by the values in the part shown: two percentiles, or the smallest and the largest.
    """
    if image.grey is None:
        raise ToolError("window: this is a colour picture, which has no grey window; use zoom or crop")
    if preset is None:
        grey = _stated(image.grey, level, width)
    elif level is not None or width is not None:
        raise ToolError("window: give either a preset or a level and a width")
    else:
        grey = _named(image, preset.strip().lower(), low, high)
    view = image.look(grey=grey)
    return Observation(text=_said(view, grey), images=(view,), facts={"level": grey.level, "width": grey.width})


def _stated(now: Grey, level: float | None, width: float | None) -> Grey:
    """What is left out stays as it is now."""
    if level is None and width is None:
        raise ToolError(f"window: give a level and a width, or a preset; now level {now.level:g}, width {now.width:g}")
    return Grey(level=now.level if level is None else level, width=now.width if width is None else width)


def _named(image: Image, preset: str, low: float, high: float) -> Grey:
    own = {grey.name.lower(): grey for grey in reversed(image.data.presets)}
    if preset in own:
        return own[preset]
    if preset in ("percentile", "full"):
        if low >= high:
            raise ToolError(f"window: low {low:g} is not below high {high:g}; give two percentiles from 0 to 100")
        low, high = (0, 100) if preset == "full" else (low, high)
        return percentile_grey(values_in(image, image.window), low, high).model_copy(update={"name": preset})
    if preset not in CT_PRESETS:
        known = [*filter(None, own), *(CT_PRESETS if image.data.unit == "HU" else ()), "percentile", "full"]
        raise ToolError(f"window: no preset {preset!r}; there are: {', '.join(dict.fromkeys(known))}")
    if image.data.unit != "HU":
        here = f"here they are in {image.data.unit}" if image.data.unit else "here they have no unit"
        raise ToolError(f"window: {preset!r} is for CT, whose values are in HU; {here}; use percentile or full")
    return CT_PRESETS[preset]


def _said(view: Image, grey: Grey) -> str:
    low, high = grey.level - grey.width / 2, grey.level + grey.width / 2
    name = f" {grey.name}" if grey.name else ""
    span = f"level {digits(grey.level)}, width {digits(grey.width)}, from {digits(low)} to {digits(high)}"
    return f"Grey window{name}: {span} {unit_of(view)}."
