"""A set of pixels of one plane, small enough to travel in a record."""

import base64
import zlib

import numpy as np

from tools.geometry import Box, Frozen


class Mask(Frozen):
    """Which pixels of a plane are marked."""

    height: int
    width: int
    """Size of the plane, px."""
    bits: str
    """`base64(zlib(packbits))` of the (height, width) array, row by row, most significant bit first."""

    @classmethod
    def of(cls, marked: np.ndarray) -> "Mask":
        """A mask from a (H, W) array; what is not zero is marked."""
        height, width = marked.shape
        packed = zlib.compress(np.packbits(marked.astype(bool)).tobytes(), 6)
        return cls(height=height, width=width, bits=base64.b64encode(packed).decode("ascii"))

    @property
    def array(self) -> np.ndarray:
        """(H, W), bool."""
        packed = np.frombuffer(zlib.decompress(base64.b64decode(self.bits)), np.uint8)
        return np.unpackbits(packed, count=self.height * self.width).reshape(self.height, self.width).astype(bool)

    @property
    def box(self) -> Box | None:
        """The smallest box around the marked pixels, px; None if none is marked."""
        rows, columns = np.nonzero(self.array)
        if not len(rows):
            return None
        return Box(x0=columns.min(), y0=rows.min(), x1=columns.max() + 1, y1=rows.max() + 1)
