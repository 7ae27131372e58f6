"""What was brought to be read: a study of sources, each one array with what its header says about it."""

from collections.abc import Callable
from threading import Condition
from typing import Any, Literal

import numpy as np
import xxhash
from cachetools import LRUCache, cached
from cachetools.keys import hashkey
from pydantic import PrivateAttr, model_validator

from tools.geometry import Box, Frozen
from tools.grey import Grey
from tools.mask import Mask

Read = Callable[[int, int], np.ndarray]
"""Given an axis and an index along it, the plane there: (H, W) or (H, W, 3), stored values."""

CACHED_BYTES = 2**30


class Scale(Frozen):
    """How large a pixel of a plane is, in some part of it."""

    mm: tuple[float, float] | None
    """Size of one pixel, (x, y), mm; None where the file gives no length."""
    note: str
    """What the size refers to, or why there is none: one phrase that can follow "because"."""


class Region(Frozen):
    """A part of a picture with a scale of its own. DICOM PS3.3 C.8.5.5: Sequence of Ultrasound Regions (0018,6011)."""

    box: Box
    """px of the plane."""
    scale: Scale


class Source(Frozen):
    """One array in its stored type, and what its file says about it. Measured on, never altered.

    Axes: "yx" one picture; "zyx" a volume, plane after plane; "tyx" a film, frame after frame. A colour source
    has three more values in each pixel, which `shape` leaves out.
    """

    id: str
    """Hash of the content: the same for the same file, wherever it lies."""
    axes: Literal["yx", "zyx", "tyx"]
    shape: tuple[int, ...]
    """Length of each axis."""
    color: bool = False
    dtype: str
    """Type of the stored values, as numpy writes it."""
    slope: float = 1.0
    intercept: float = 0.0
    """value = slope * stored + intercept, in `unit`. DICOM PS3.3 C.11.1.1.2."""
    unit: str = ""
    """Unit of the values: "HU", "SUV" ...; empty where the file names none."""
    inverted: bool = False
    """True where small values are shown bright: MONOCHROME1."""
    spacing_mm: tuple[float, ...] | None = None
    """Distance between neighbours along each of `axes`, mm; 0.0 along an axis that has none (the time of a film, slices
    that lie unevenly); None: the file does not say."""
    spacing_note: str = ""
    """What the spacing refers to, or why there is none."""
    aspect: float = 1.0
    """The height of a pixel over its width, where the file states that and no size."""
    regions: tuple[Region, ...] = ()
    """Parts with a scale of their own. Where there are any, nothing outside them has a scale."""
    orientation: tuple[str, ...] | None = None
    """The side of the patient towards which each axis grows: L R A P S I (F, H are written I, S); None: unknown."""
    times_s: tuple[float, ...] | None = None
    """Time of each frame of a film, s."""
    presets: tuple[Grey, ...] = ()
    """The grey windows that the file proposes, the first is the default."""
    overlays: tuple[Mask, ...] = ()
    """Drawings that the file lays over its picture. DICOM PS3.3 C.9.2."""
    modality: str = ""
    """DICOM modality code: CT, MR, US ...; empty where unknown."""
    role: str = ""
    """What this source is in its study: "current", "prior", "axial" ..."""
    header: dict[str, str] = {}
    """Header fields that are safe to show: never a name, an id, a date or a place."""

    _read: Read | None = PrivateAttr(default=None)
    _in_memory: bool = PrivateAttr(default=False)

    @model_validator(mode="after")
    def _consistent(self) -> "Source":
        if len(self.shape) != len(self.axes):
            raise ValueError(f"axes {self.axes} do not fit the shape {self.shape}")
        if self.spacing_mm is not None and len(self.spacing_mm) != len(self.axes):
            raise ValueError(f"{len(self.spacing_mm)} spacings for the axes {self.axes}")
        return self

    @classmethod
    def lazy(cls, read: Read, **fields: Any) -> "Source":
        """A source whose planes are read when first looked at, then kept."""
        source = cls.model_validate(fields)
        source._read = read
        return source

    @classmethod
    def of(cls, array: np.ndarray, *, color: bool = False, **fields: Any) -> "Source":
        """A source from an array in memory: (H, W), (N, H, W), and the same with 3 more where `color`."""
        shape = array.shape[: array.ndim - color]
        axes = fields.setdefault("axes", "yx" if len(shape) == 2 else "zyx")
        fields.setdefault("id", content_id(str((array.shape, array.dtype.str)).encode(), np.ascontiguousarray(array)))
        source = cls.lazy(array_reader(array, str(axes)), shape=shape, color=color, dtype=array.dtype.str, **fields)
        source._in_memory = True
        return source

    @property
    def in_memory(self) -> bool:
        """Whether the array was there before anything was read: then no cache keeps it, or a part of it, alive."""
        return self._in_memory

    def plane_shape(self, axis: int = 0) -> tuple[int, int]:
        """(H, W) of the planes across an axis."""
        if self.axes == "yx":
            return self.shape[0], self.shape[1]
        height, width = (n for a, n in enumerate(self.shape) if a != axis)
        return height, width

    def count(self, axis: int = 0) -> int:
        """How many planes lie along an axis; 1 for a picture."""
        return 1 if self.axes == "yx" else self.shape[axis]

    def plane(self, axis: int = 0, index: int = 0) -> np.ndarray:
        """The plane at `index` along `axis`: (H, W) or (H, W, 3), stored values, not to be written to."""
        read = self._read  # asked for once: a private field of a record is slow to reach
        if read is None:
            raise FileNotFoundError(f"source {self.id} was read back from a record, without its file")
        return (_frozen if self._in_memory else _plane)(self.id, axis, index, read)

    def values(self, axis: int = 0, index: int = 0, box: Box | None = None) -> np.ndarray:
        """A plane, or the whole pixels that `box` touches of it, in `unit`, float64."""
        stored = self.plane(axis, index)
        if box is not None:
            stored = stored[int(box.y0) : int(np.ceil(box.y1)), int(box.x0) : int(np.ceil(box.x1))]
        return stored.astype(np.float64) * self.slope + self.intercept

    def scale(self, axis: int = 0, where: Box | None = None) -> Scale:
        """The size of a pixel of the planes across `axis`, in the part `where` (px of the plane) or everywhere."""
        if self.regions and (self.axes == "yx" or axis == 0):
            whole = where or Box(x0=0, y0=0, x1=self.plane_shape(axis)[1], y1=self.plane_shape(axis)[0])
            inside = [r for r in self.regions if r.box.intersection(whole) == whole]
            if not inside:
                return Scale(mm=None, note="this part of the picture does not lie inside one region with a scale")
            return min(inside, key=lambda r: r.box.area).scale  # the innermost: a region may lie on another
        if self.spacing_mm is None:
            return Scale(mm=None, note=self.spacing_note or "the file does not state a pixel size")
        if self.axes == "yx":
            y, x = self.spacing_mm
        else:
            y, x = (s for a, s in enumerate(self.spacing_mm) if a != axis)
        if min(y, x) <= 0:
            return Scale(mm=None, note=self.spacing_note or "the file does not state a pixel size")
        return Scale(mm=(x, y), note=self.spacing_note)


class Study(Frozen):
    """Everything that belongs to one question, in order."""

    sources: tuple[Source, ...]

    @property
    def id(self) -> str:
        """Hash of what the sources hold."""
        return content_id(*(source.id.encode() for source in self.sources))


def content_id(*parts: bytes | np.ndarray) -> str:
    """32 hex digits, the same on every machine and in every process."""
    digest = xxhash.xxh3_128()
    for part in parts:
        digest.update(part)  # type: ignore[arg-type]  # an array is a buffer
    return digest.hexdigest()


def array_reader(array: np.ndarray, axes: str) -> Read:
    """Read planes off an array in memory."""
    if axes == "yx":
        return lambda axis, index: array
    return lambda axis, index: array[(slice(None),) * axis + (index,)]


@cached(
    LRUCache(CACHED_BYTES, getsizeof=lambda plane: plane.nbytes),
    key=lambda source, axis, index, read: hashkey(source, axis, index),
    condition=Condition(),  # many episodes may ask for one plane at once: it is decoded once
)
def _plane(source: str, axis: int, index: int, read: Read) -> np.ndarray:
    return _frozen(source, axis, index, read)


def _frozen(source: str, axis: int, index: int, read: Read) -> np.ndarray:
    plane = read(axis, index).view()
    plane.flags.writeable = False
    return plane
