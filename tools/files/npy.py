"""Arrays saved by numpy: .npy."""

from tokenize import TokenError

import numpy as np

from tools.files.file import File
from tools.study import Source, array_reader

SHAPES = "(H, W), (Z, H, W), (H, W, 3) or (N, H, W, 3) of uint8, and the same behind axes of length 1"


def npy(file: File) -> tuple[Source, ...]:
    """The array in a file, read from the disk as it is looked at. Shapes as in `SHAPES`."""
    with file.reading("the array", TokenError):  # numpy reads the header as Python
        array = np.load(file.path, mmap_mode="r", allow_pickle=False)
        array = array.reshape(_shape(array))
    color = array.ndim > 2 and array.shape[-1] == 3 and array.dtype == np.uint8
    plane = array.shape[-3:-1] if color else array.shape[-2:]
    if array.dtype.kind not in "buif" or array.dtype.itemsize > 8:
        raise file.refuse(f"an array of {array.dtype}; it must hold whole or real numbers of up to 64 bits")
    if array.ndim - color not in (2, 3):
        raise file.refuse(f"an array of the shape {array.shape}; it must be {SHAPES}")
    file.check_plane(plane[1], plane[0])
    axes = "yx" if array.ndim - color == 2 else "zyx"
    fields = {"id": file.id, "axes": axes, "color": color, "shape": array.shape[: array.ndim - color]}
    kind = np.dtype(np.uint8) if array.dtype.kind == "b" else array.dtype.newbyteorder("=")
    planes = array_reader(array, axes)
    note = "a .npy file states no pixel size"
    return (
        Source.lazy(
            lambda axis, index: planes(axis, index).astype(kind, copy=False),
            dtype=kind.str,
            spacing_note=note,
            **fields,
        ),
    )


def _shape(array: np.ndarray) -> tuple[int, ...]:
    """Without the leading axes of length 1 that stand for a batch or a channel."""
    shape = array.shape
    while len(shape) > 3 and shape[0] == 1:
        shape = shape[1:]
    return shape
