"""Enlarge a region of an image."""

from typing import Annotated

from pydantic import Field

from tools.crop import described, whole_pixels
from tools.geometry import Box
from tools.image import Image
from tools.tool import Observation


def zoom(image: Image, box: Box, factor: Annotated[float, Field(ge=1, le=16)] = 2.0) -> Observation:
    """Show the region `box` of an image enlarged `factor` times, cut from the source so that detail is gained."""
    window = whole_pixels(image, box)
    shown = image.from_source.box(window)
    most = image.limit / max(shown.width, shown.height)
    larger = min(factor, most)
    size = {"width": max(1, round(shown.width * larger)), "height": max(1, round(shown.height * larger))}
    view = image.look(window=window, **size)
    less = f"; {factor:g} times was too much, as no view is larger than {image.limit}" if factor > most else ""
    return Observation(text=f"{described(view)}{less}", images=(view,))
