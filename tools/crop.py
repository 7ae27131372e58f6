"""Cut a region out of an image."""

import math

from tools.geometry import Box
from tools.image import Image
from tools.ruler import HAIR
from tools.tool import Observation


def crop(image: Image, box: Box) -> Observation:
    """Show the region `box` of an image at the full resolution of the source."""
    view = image.look(window=whole_pixels(image, box))
    return Observation(text=described(view), images=(view,))


def whole_pixels(image: Image, box: Box) -> Box:
    """The pixels of the plane that a box of a view touches, inside the part shown."""
    cut, shown = image.to_source.box(box), image.window
    # a box that was rounded on its way here may pass the edge of a pixel by a hair
    x0 = min(max(math.floor(cut.x0 + HAIR), shown.x0), shown.x1 - 1)
    y0 = min(max(math.floor(cut.y0 + HAIR), shown.y0), shown.y1 - 1)
    x1 = max(min(math.ceil(cut.x1 - HAIR), shown.x1), x0 + 1)
    y1 = max(min(math.ceil(cut.y1 - HAIR), shown.y1), y0 + 1)
    return Box(x0=x0, y0=y0, x1=x1, y1=y1)


def described(view: Image) -> str:
    """What a view shows, in words."""
    width, height = view.upright_size
    larger = min(width / view.window.width, height / view.window.height)
    size = f"{view.window.width:.0f} by {view.window.height:.0f}"
    return f"{size} pixels of the source, shown {larger:.3g} times as large"
