"""Cut a region out of an image."""

import math

from tools.geometry import Box
from tools.image import Image
from tools.tool import Observation


def crop(image: Image, box: Box) -> Observation:
    """Show the region `box` of an image at the full resolution of the source."""
    view = image.look(window=whole_pixels(image, box))
    return Observation(text=described(view), images=(view,))


def whole_pixels(image: Image, box: Box) -> Box:
    """The pixels of the plane that a box of a view touches, inside the part shown."""
    cut = image.to_source.box(box)
    # a box that was rounded on its way here may pass the edge of a pixel by a hair
    x0, y0 = math.floor(cut.x0 + 1e-6), math.floor(cut.y0 + 1e-6)
    x1, y1 = math.ceil(cut.x1 - 1e-6), math.ceil(cut.y1 - 1e-6)
    touched = Box(x0=x0, y0=y0, x1=max(x1, x0 + 1), y1=max(y1, y0 + 1))
    return touched.intersection(image.window) or image.window


def described(view: Image) -> str:
    """What a view shows, in words."""
    width, height = view.upright_size
    larger = min(width / view.window.width, height / view.window.height)
    return f"{view.window.width:.0f} by {view.window.height:.0f} pixels of the source, shown {larger:.3g} times as large"
