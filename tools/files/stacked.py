"""Sources whose planes are read one at a time."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Condition
from typing import Any

import numpy as np
from cachetools import LRUCache, cached

from tools.files.file import FileError
from tools.study import Read, Source

VOLUME_BYTES = 2**32
"""The largest stack that is read whole, for planes across it."""

VOLUMES = 64
"""How many volumes, or single pictures, are taken from one file or folder."""

Frame = Callable[[int], np.ndarray]
"""Given an index, the plane there: (H, W) or (H, W, 3)."""


def picture(read: Callable[[], np.ndarray], **fields: Any) -> Source:
    """A source of one plane. It is read here, so that a broken file is refused when it is opened."""
    first = [read()]  # handed to the cache of planes below, and let go
    plane = first[0]
    known = {"axes": "yx", "shape": plane.shape[:2], "color": plane.ndim == 3, "dtype": plane.dtype.str}
    source = Source.lazy(lambda axis, index: first.pop() if first else read(), **{**fields, **known})
    source.plane()
    first.clear()
    return source


def stacked(frame: Frame, count: int, id: str) -> Read:
    """Read planes across the first axis one by one; others from all frames, which are then kept for a while.

    `id` is the id of the source. Raises FileError, when asked for, for a stack too large to be read whole.
    """

    def read(axis: int, index: int) -> np.ndarray:
        if axis == 0:
            return frame(index)
        return np.ascontiguousarray(_whole(id, frame, count)[(slice(None),) * axis + (index,)])

    return read


@cached(
    LRUCache(VOLUME_BYTES, getsizeof=lambda array: array.nbytes),
    key=lambda id, frame, count: id,
    condition=Condition(),
)
def _whole(id: str, frame: Frame, count: int) -> np.ndarray:
    """(N, H, W) or (N, H, W, 3): all frames."""
    first = frame(0)
    if first.nbytes * count > VOLUME_BYTES:
        size = f"{first.nbytes * count / 2**30:.1f} GiB"
        raise FileError(
            f"a stack of {size} is larger than the {VOLUME_BYTES / 2**30:.0f} GiB that can be cut across its slices"
        )
    whole = np.empty((count, *first.shape), first.dtype)

    def fill(index: int) -> None:
        whole[index] = frame(index)

    with ThreadPoolExecutor() as pool:  # decoding lets go of Python's lock
        list(pool.map(fill, range(count)))
    return whole


def spread(count: int) -> list[int]:
    """Which of `count` volumes are taken: all of them, or `VOLUMES` evenly spread from the first to the last."""
    return sorted({round(n) for n in np.linspace(0, count - 1, min(count, VOLUMES))})
