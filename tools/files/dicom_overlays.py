"""What a DICOM file lays over its picture."""

from typing import TYPE_CHECKING

import numpy as np

from tools.files.dicom_values import malformed
from tools.files.file import File
from tools.mask import Mask

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

GROUPS = range(0x6000, 0x6020, 2)


def overlays(file: File, header: "Dataset", width: int, height: int) -> tuple[Mask, ...]:
    """The overlay planes of a picture of this size, placed on it. DICOM PS3.3 C.9.2.

    Left out: planes that are empty, of several frames, or kept in unused bits of the pixels (retired in 2004).
    """
    drawn = (_plane(file, header, group, width, height) for group in GROUPS if (group, 0x3000) in header)
    return tuple(Mask.of(plane) for plane in drawn if plane is not None and plane.any())


def _plane(file: File, header: "Dataset", group: int, width: int, height: int) -> np.ndarray | None:
    """(H, W), bool, of the size of the picture."""
    try:
        rows, columns = int(header[group, 0x10].value), int(header[group, 0x11].value)
        data = header[group, 0x3000].value
        top, left = (int(v) - 1 for v in header[group, 0x50].value)  # counted from 1
    except malformed():
        return None
    file.check_plane(columns, rows)
    if len(data) * 8 < rows * columns:
        return None
    bits = np.unpackbits(np.frombuffer(data, np.uint8), count=rows * columns, bitorder="little").reshape(rows, columns)
    plane = np.zeros((height, width), bool)
    y0, x0, y1, x1 = max(top, 0), max(left, 0), min(top + rows, height), min(left + columns, width)
    if y0 < y1 and x0 < x1:
        plane[y0:y1, x0:x1] = bits[y0 - top : y1 - top, x0 - left : x1 - left]
    return plane
