"""Draw a view: cut, resize, window, orient, then draw on it."""

from threading import Condition

import cv2
import numpy as np
from cachetools import LRUCache, cached
from cachetools.keys import hashkey
from PIL import Image as PILImage
from PIL import ImageDraw, ImageFont

from tools.geometry import Box
from tools.grey import to_grey
from tools.image import Image, Mark
from tools.study import Source

YELLOW, RED, GREEN = (255, 220, 0), (255, 48, 48), (64, 224, 96)
CACHED_BYTES = 2**28
LINE_PX = 3
"""Width of a drawn box, px of the view: as ViTAR's mark tool draws it."""


def rendered(image: Image, source: Source) -> np.ndarray:
    """(height, width) or (height, width, 3), uint8."""
    pixels = _greys(image, source, (_sized if source.in_memory else _kept_sized)(image, source))
    if image.mask is not None:
        pixels = _outlined(pixels, _resized_mask(image.mask.array, image), GREEN)
    for overlay in source.overlays:
        pixels = _painted(pixels, _resized_mask(overlay.array, image), YELLOW)
    pixels = _oriented(pixels, image.turns, image.mirrored)
    return _marked(pixels, image) if image.marks else pixels


@cached(
    LRUCache(CACHED_BYTES, getsizeof=lambda stored: stored.nbytes),
    key=lambda image, source: hashkey(source.id, image.axis, image.index, image.window, image.upright_size),
    condition=Condition(),
)
def _kept_sized(image: Image, source: Source) -> np.ndarray:
    """The same, kept: the same view is often shown in other greys."""
    return _sized(image, source)


def _sized(image: Image, source: Source) -> np.ndarray:
    """The stored values at the size of the view."""
    stored = _resized(_cut(source.plane(image.axis, image.index), image.window), image.upright_size).view()
    stored.flags.writeable = False
    return stored


def _cut(plane: np.ndarray, window: Box) -> np.ndarray:
    return plane[int(window.y0) : int(window.y1), int(window.x0) : int(window.x1)]


def _resized(stored: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Area means along a side that shrinks, then cubic along one that grows."""
    height, width = stored.shape[:2]
    if (width, height) == size:
        return stored
    if stored.dtype not in (np.uint8, np.uint16, np.int16, np.float32, np.float64):
        stored = stored.astype(np.float32)
    shrunk = (min(width, size[0]), min(height, size[1]))
    if shrunk != (width, height):
        stored = cv2.resize(stored, shrunk, interpolation=cv2.INTER_AREA)
    return stored if shrunk == size else cv2.resize(stored, size, interpolation=cv2.INTER_CUBIC)


def _greys(image: Image, source: Source, stored: np.ndarray) -> np.ndarray:
    if image.grey is not None:
        return to_grey(stored, image.grey, source.slope, source.intercept, source.inverted)
    if stored.dtype == np.uint8:
        return np.ascontiguousarray(stored)
    top = np.iinfo(np.dtype(source.dtype)).max if np.dtype(source.dtype).kind in "ui" else 1.0
    return np.rint(np.clip(stored.astype(np.float64) / top, 0, 1) * 255).astype(np.uint8)


def _oriented(pixels: np.ndarray, turns: int, mirrored: bool) -> np.ndarray:
    return np.ascontiguousarray(np.rot90(pixels[:, ::-1] if mirrored else pixels, -turns))


def _resized_mask(marked: np.ndarray, image: Image) -> np.ndarray:
    """(H, W), bool: the mask as it lies on the view before turning."""
    cut = _cut(marked.astype(np.uint8), image.window)
    return cv2.resize(cut, image.upright_size, interpolation=cv2.INTER_NEAREST).astype(bool)


def _outlined(pixels: np.ndarray, marked: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    inner = cv2.erode(marked.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=0).astype(bool)
    return _painted(pixels, marked & ~inner, color)


def _painted(pixels: np.ndarray, marked: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    painted = _rgb(pixels)
    painted[marked] = color
    return painted


def _rgb(pixels: np.ndarray) -> np.ndarray:
    """A copy with three colours."""
    return np.repeat(pixels[..., None], 3, axis=2) if pixels.ndim == 2 else pixels.copy()


def _marked(pixels: np.ndarray, image: Image) -> np.ndarray:
    canvas = PILImage.fromarray(_rgb(pixels))
    draw = ImageDraw.Draw(canvas)
    for mark in image.marks:
        _draw(draw, mark, image)
    return np.asarray(canvas)


def _draw(draw: ImageDraw.ImageDraw, mark: Mark, image: Image) -> None:
    if isinstance(mark.shape, Box):
        box = image.from_source.box(mark.shape)
        x0, y0 = round(box.x0), round(box.y0)
        corners = (x0, y0, max(x0, round(box.x1) - 1), max(y0, round(box.y1) - 1))
        draw.rectangle(corners, outline=RED, width=LINE_PX)
    else:
        point = image.from_source.point(mark.shape)
        x0, y0 = round(point.x), round(point.y)
        draw.line((x0 - 6, y0, x0 + 6, y0), fill=RED, width=LINE_PX)
        draw.line((x0, y0 - 6, x0, y0 + 6), fill=RED, width=LINE_PX)
    if mark.label:
        draw.text((x0 + 5, y0 + 4), mark.label, fill=RED, font=ImageFont.load_default(14))
