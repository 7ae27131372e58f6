"""Pictures: PNG, JPEG, TIFF, BMP, WebP."""

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np

from tools.files.file import File
from tools.files.stacked import picture, stacked
from tools.study import Source, content_id

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP")
NO_SCALE = "a picture file states no size on the patient (its dpi is for printing)"
TURNS = {2: (0, True), 3: (2, False), 4: (2, True), 5: (3, True), 6: (1, False), 7: (1, True), 8: (3, False)}
"""(quarter turns clockwise, mirrored left to right before that) that show a picture upright, by its orientation tag.
EXIF 2.32 section 4.6.4, tag 0x0112."""


class Page(NamedTuple):
    """What the header says of one page."""

    size: tuple[int, int]
    mode: str
    inverted: bool
    """Small values are white, and the values are kept as they are."""


def raster(file: File) -> tuple[Source, ...]:
    """The picture in a file; the pages of a TIFF file as one stack where they are alike, else one by one."""
    with file.reading("the picture"):
        pages = _pages(file)
    if len(set(pages)) > 1:
        return tuple(_page(file, n, page, f"page {n + 1} of {len(pages)}") for n, page in enumerate(pages))
    if len(pages) == 1:
        return (_page(file, 0, pages[0], ""),)
    first = _read(file, 0)
    fields: dict[str, Any] = {"dtype": first.dtype.str, "color": first.ndim == 3, "inverted": pages[0].inverted}
    shape = (len(pages), *first.shape[:2])
    read = stacked(lambda index: _read(file, index), len(pages), file.id)
    return (Source.lazy(read, id=file.id, axes="zyx", shape=shape, spacing_note=NO_SCALE, **fields),)


def _page(file: File, n: int, page: Page, role: str) -> Source:
    id = content_id(file.id.encode(), str(n).encode())
    return picture(lambda: _read(file, n), id=id, role=role, inverted=page.inverted, spacing_note=NO_SCALE)


def _opened(file: File) -> "AbstractContextManager[Image]":
    from PIL import Image

    try:
        return Image.open(file.path, formats=FORMATS)
    except Image.DecompressionBombError:  # it has a limit of its own, above ours
        raise file.too_large(f"more than {2 * (Image.MAX_IMAGE_PIXELS or 0) / 1e6:.0f} megapixels") from None


def _pages(file: File) -> list[Page]:
    """The pages, from the headers alone."""
    pages = []
    with _opened(file) as opened:
        for n in range(getattr(opened, "n_frames", 1) if opened.format == "TIFF" else 1):
            opened.seek(n)
            file.check_plane(*opened.size)
            # TIFF 6.0 section 8, PhotometricInterpretation 0: white is zero; Pillow turns pictures of 8 bits round
            inverted = opened.format == "TIFF" and opened.mode not in "1L" and opened.tag_v2.get(262) == 0  # type: ignore[attr-defined]
            pages.append(Page(opened.size, opened.mode, inverted))
    return pages


def _read(file: File, n: int) -> np.ndarray:
    """(H, W) or (H, W, 3), upright, in the type it is stored in."""
    with file.reading("the picture"), _opened(file) as opened:
        opened.seek(n)
        pixels = _deep_colors(file, n) if _is_deep(opened, file.head) else _pixels(opened)
        turns, mirrored = TURNS.get(opened.getexif().get(0x0112, 1), (0, False))
    return np.ascontiguousarray(np.rot90(pixels[:, ::-1] if mirrored else pixels, -turns))


def _pixels(opened: "Image") -> np.ndarray:
    opened.load()
    if opened.mode in ("L", "I", "F") or opened.mode.startswith("I;16"):
        values = np.asarray(opened)
        return values.astype(values.dtype.newbyteorder("="), copy=False)
    if opened.mode == "1":
        return np.asarray(opened.convert("L"))
    if opened.mode in ("LA", "La"):
        return _flat(np.asarray(opened.convert("LA")))[..., 0]
    if opened.mode in ("RGBA", "RGBa", "PA") or "transparency" in opened.info:
        return _flat(np.asarray(opened.convert("RGBA")))
    return np.asarray(opened.convert("RGB"))


def _is_deep(opened: "Image", head: bytes) -> bool:
    """Whether a colour picture has 16 bits a sample, of which Pillow would keep 8."""
    if opened.format == "PNG":
        return head[24] == 16 and head[25] in (2, 4, 6)  # PNG section 11.2.2: bit depth, colour type
    return opened.format == "TIFF" and opened.tag_v2.get(258, ())[:3] == (16, 16, 16)  # type: ignore[attr-defined]


def _deep_colors(file: File, n: int) -> np.ndarray:
    found, pages = cv2.imdecodemulti(np.fromfile(file.path, np.uint8), cv2.IMREAD_UNCHANGED)
    if not found:
        raise ValueError("not decoded")
    blue_first = pages[n]
    return _flat(blue_first[..., [2, 1, 0, 3][: blue_first.shape[2]]])


def _flat(pixels: np.ndarray) -> np.ndarray:
    """A picture with opacity as its last value, laid on black."""
    if pixels.shape[2] == 3:
        return pixels
    colors, opacity = pixels[..., :-1], pixels[..., -1:]
    full = np.iinfo(pixels.dtype).max
    if (opacity == full).all():
        return np.ascontiguousarray(colors)
    return np.rint(colors * (opacity / full)).astype(pixels.dtype)
