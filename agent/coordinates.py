"""How a model writes a place on an image: each image has a canvas, its size in the numbers that the model writes.

The convention is never guessed from how large the numbers are: [0, 0, 1, 1] is a legal box in every one of them.
"""

from collections.abc import Callable
from typing import NamedTuple

from tools.geometry import Box, Point, scaling
from tools.image import Image
from tools.tool import Size


class Coordinates(NamedTuple):
    """A convention for writing places."""

    said: str
    """The sentence that tells the policy."""
    canvas: Callable[[Image], Size]
    """(width, height) of an image in the numbers written."""
    caption: Callable[[str, Image], str]
    """What stands before an image, given its name: the name, and its size where a place cannot be written without."""


def in_pixels(size: Callable[[Image], Size]) -> Coordinates:
    """Pixels of the image as the model is given it, which is `size(image)` large."""

    def caption(name: str, image: Image) -> str:
        width, height = size(image)
        return f"{name} ({width} x {height}): "

    said = "Coordinates are whole pixels; each image is announced by its name and its size, (width x height)."
    return Coordinates(said, size, caption)


THOUSANDTHS = Coordinates(
    "Coordinates are whole thousandths of the image: 0 to 1000 from left to right and from top to bottom.",
    lambda image: (1000, 1000),
    lambda name, image: f"{name}: ",
)


def moved(shape: Box | Point, image: Image, canvas: Size) -> Box | Point:
    """A place in px of an image, in the numbers of a canvas of this size."""
    scale = scaling(canvas[0] / image.width, canvas[1] / image.height)
    return scale.box(shape) if isinstance(shape, Box) else scale.point(shape)
