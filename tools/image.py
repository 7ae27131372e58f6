"""One view: which part of which plane of a source is shown, how large, and in what greys."""

from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import PrivateAttr

from tools.geometry import Affine, Box, Frozen, Point, oriented, scaling, shift
from tools.grey import CT_PRESETS, LARGEST, Grey
from tools.mask import Mask
from tools.study import Scale, Source, content_id

VIEW_PX = 1024
"""The longest side of a view where nothing else is asked for."""

RENDERING = b"1"
"""Raise this whenever the same recipe gives other pixels: it is part of every image's id."""


class Mark(Frozen):
    """Something drawn on a view, in px of the plane."""

    shape: Box | Point
    label: str = ""


class Place(Frozen):
    """A box or a point of a source, px of the plane at `index` along `axis`."""

    source: str
    axis: int = 0
    index: int = 0
    shape: Box | Point


class Image(Frozen):
    """A recipe for a picture. The pixels follow when they are first looked at.

    The part `window` of a plane is cut out, enlarged or reduced, mirrored, turned, and drawn on. So any length or
    place on the view can be stated in the plane's pixels or in mm, and cutting again cuts the source, not the view.
    """

    id: str
    """Hash of the recipe: the same view of the same source has the same id."""
    source: str
    """The id of the source whose pixels all coordinates end up in."""
    axis: int = 0
    index: int = 0
    """The plane shown: number `index` along `axis`."""
    window: Box
    """The part of the plane shown, whole px of the plane."""
    width: int
    height: int
    """Size of the view, px, after turning."""
    mirrored: bool = False
    """Mirrored left to right, before turning."""
    turns: Literal[0, 1, 2, 3] = 0
    """Quarter turns clockwise."""
    grey: Grey | None = None
    """None for colour."""
    marks: tuple[Mark, ...] = ()
    mask: Mask | None = None
    """Pixels of the plane that are outlined on the view."""
    layer: str = ""
    """What is shown in place of the source itself, in the same frame: "difference ..."; empty: the source."""
    limit: int = VIEW_PX
    """The longest side that views of this view may have, px."""
    spacing_mm: tuple[float, float] | None = None
    """Size of one pixel OF THE PLANE in the part shown, (x, y), mm; None where the file does not say."""
    hash: str = ""
    """Hash of the pixels, uint8; empty until they have been shown."""

    _source: Source | None = PrivateAttr(default=None)
    _path: Path | None = PrivateAttr(default=None)
    _pixels: np.ndarray | None = PrivateAttr(default=None)

    @classmethod
    def of(cls, source: Source, /, axis: int = 0, index: int = 0, *, limit: int = VIEW_PX, **recipe: Any) -> "Image":
        """The whole of a plane, upright by the radiological convention where its orientation is known.

        A recipe with the `source` id of another says that its coordinates are those of that one, as a difference has.
        """
        height, width = source.plane_shape(axis)
        recipe.setdefault("window", Box(x0=0, y0=0, x1=width, y1=height))
        if "mirrored" not in recipe and "turns" not in recipe:
            recipe["mirrored"], recipe["turns"] = upright(source, axis)
        if "grey" not in recipe:
            recipe["grey"] = None if source.color else usual_grey(source, axis, index)
        return cls._make(source, {"source": source.id, "axis": axis, "index": index, "limit": limit, **recipe})

    def look(self, **changes: Any) -> "Image":
        """The same view with some of the recipe changed. A new window or size is fitted to `limit`."""
        kept = {n: getattr(self, n) for n in type(self).model_fields if n not in ("id", "spacing_mm", "hash")}
        resized = {"window", "turns", "width", "height"} & changes.keys()
        if resized:
            kept.pop("width"), kept.pop("height")
        return self._make(self.data, {**kept, **changes})

    @classmethod
    def _make(cls, source: Source, recipe: dict[str, Any]) -> "Image":
        scale = source.scale(recipe["axis"], recipe["window"])
        recipe["spacing_mm"] = scale.mm
        if "width" not in recipe:
            width, height = fitted(recipe["window"], source_aspect(source, recipe["axis"]), recipe["limit"])
            sideways = recipe.get("turns", 0) % 2
            recipe["width"], recipe["height"] = (height, width) if sideways else (width, height)
        draft = cls(id="", **recipe)
        id = content_id(RENDERING, source.id.encode(), draft.model_dump_json().encode())
        image = draft.model_copy(update={"id": id})
        image._source = source
        return image

    @property
    def data(self) -> Source:
        """The array behind the view. Raises FileNotFoundError for an image read back from a record."""
        if self._source is None:
            raise FileNotFoundError(f"image {self.id} was read back from a record, without its source")
        return self._source

    @property
    def upright_size(self) -> tuple[int, int]:
        """(width, height) of the view before it is turned."""
        return (self.height, self.width) if self.turns % 2 else (self.width, self.height)

    @cached_property
    def to_source(self) -> Affine:
        """From px of this view to px of the plane: the only change of frame."""
        return self.from_source.inverse()

    @cached_property
    def from_source(self) -> Affine:
        """From px of the plane to px of this view."""
        width, height = self.upright_size
        cut = shift(-self.window.x0, -self.window.y0)
        sized = cut.then(scaling(width / self.window.width, height / self.window.height))
        return sized.then(oriented(width, height, self.turns, self.mirrored))

    @property
    def box(self) -> Box:
        """The whole view, px of the view."""
        return Box(x0=0, y0=0, x1=self.width, y1=self.height)

    def place(self, shape: Box | Point) -> Place:
        """A box or a point of this view, as a place of the source."""
        moved = self.to_source.box(shape) if isinstance(shape, Box) else self.to_source.point(shape)
        return Place(source=self.source, axis=self.axis, index=self.index, shape=moved)

    def scale(self, where: Box | None = None) -> Scale:
        """The size of a pixel of the plane in the part `where`, px of the plane; the part shown where None."""
        return self.data.scale(self.axis, where or self.window)

    @property
    def mm_per_pixel(self) -> tuple[float, float] | None:
        """Size of one pixel OF THIS VIEW, (x, y), mm."""
        if self.spacing_mm is None:
            return None
        width, height = self.upright_size
        x, y = self.spacing_mm[0] * self.window.width / width, self.spacing_mm[1] * self.window.height / height
        return (y, x) if self.turns % 2 else (x, y)

    @property
    def pixels(self) -> np.ndarray:
        """(height, width) grey or (height, width, 3) RGB, uint8; drawn when first looked at."""
        if self._pixels is None:  # a cached_property would draw all images one after another: it has one lock
            self._pixels = self._drawn()
        return self._pixels

    def _drawn(self) -> np.ndarray:
        if self._source is None and self._path is not None:
            from PIL import Image as PILImage

            with PILImage.open(self._path) as picture:
                return np.asarray(picture)
        from tools.render import rendered

        return rendered(self, self.data)

    def shown(self) -> "Image":
        """This image with its pixels drawn and their hash in the record."""
        if self.hash:
            return self
        return self.model_copy(update={"hash": pixel_hash(self.pixels)})


def pixel_hash(pixels: np.ndarray) -> str:
    """Hash of (H, W) or (H, W, 3) uint8 pixels and their shape."""
    return content_id(repr(pixels.shape).encode(), np.ascontiguousarray(pixels))


def fitted(window: Box, aspect: float, limit: int) -> tuple[int, int]:
    """(width, height) of a view of `window`, px: square in mm, no detail lost, no side longer than `limit`.

    `aspect` is the height of a pixel of the plane over its width.
    """
    width, height = (window.width, window.height * aspect) if aspect >= 1 else (window.width / aspect, window.height)
    shrink = min(1.0, limit / max(width, height))
    return max(1, round(width * shrink)), max(1, round(height * shrink))


def source_aspect(source: Source, axis: int) -> float:
    """The height of a pixel of a plane over its width; 1 where the file does not say."""
    if source.spacing_mm is None:
        return source.aspect if source.axes == "yx" or axis == 0 else 1.0
    y, x = (s for a, s in enumerate(source.spacing_mm) if source.axes == "yx" or a != axis)
    return y / x if min(y, x) > 0 else 1.0


def first_view(source: Source, limit: int = VIEW_PX) -> Image:
    """What is shown of a source before anything is asked.

    All of a picture; the start of a film; the middle of a volume, an axial plane where its orientation is known.
    """
    axis = 0
    if source.axes == "zyx" and source.orientation is not None:
        axis = next((a for a, side in enumerate(source.orientation) if side in "SI"), 0)
    index = source.count(axis) // 2 if source.axes == "zyx" else 0
    return Image.of(source, axis, index, limit=limit)


def usual_grey(source: Source, axis: int, index: int) -> Grey:
    """The grey window a reader would start with: the file's own, soft tissue for CT, else nearly all values."""
    if source.presets:
        return source.presets[0]
    if source.unit == "HU":
        return CT_PRESETS["soft tissue"]
    if source.dtype in ("|u1", "uint8") and (source.slope, source.intercept) == (1.0, 0.0):
        return Grey.between(0, 255, "full range")
    return percentile_grey(source.values(axis, index))


def percentile_grey(values: np.ndarray, low: float = 1, high: float = 99) -> Grey:
    """The window between two percentiles of the finite values."""
    finite = np.clip(values[np.isfinite(values)], -LARGEST, LARGEST)
    if not finite.size:
        return Grey.between(0, 1)
    bottom, top = np.percentile(finite, (low, high))
    if bottom == top:
        bottom, top = finite.min(), finite.max()
    return Grey.between(float(bottom), float(top), f"percentile {low:g} to {high:g}")


def upright(source: Source, axis: int) -> tuple[bool, int]:
    """(mirrored, turns) that show a plane as radiologists do: the patient's right or front at the left, head up.

    Axial planes have the front at the top, coronal and sagittal planes the head. Unknown orientation: as stored.
    """
    if source.orientation is None:
        return False, 0
    down, right = (o for a, o in enumerate(source.orientation) if source.axes == "yx" or a != axis)
    wanted = [("L", "P")] if {*"LRAP"} >= {down, right} else [("L", "I"), ("P", "I")]
    ways = [(mirrored, turns) for mirrored in (False, True) for turns in range(4)]
    return next((way for way in ways if turned_letters(right, down, *way) in wanted), (False, 0))


def turned_letters(right: str, down: str, mirrored: bool, turns: int) -> tuple[str, str]:
    """The sides of the patient to the (right, bottom) of a picture after it is mirrored, then turned clockwise."""
    opposite = dict(zip("LRAPSI", "RLPAIS", strict=True))
    if mirrored:
        right = opposite.get(right, right)
    for _ in range(turns):
        right, down = opposite.get(down, down), right
    return right, down
