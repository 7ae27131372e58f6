"""From stored values to the grey levels of a view."""

from functools import lru_cache
from typing import Literal

import cv2
import numpy as np
from pydantic import Field, FiniteFloat

from tools.geometry import Frozen

LARGEST = float(np.finfo(np.float64).max) / 4
"""Values beyond are taken as this, up or down: windows between values that are not have a level and a width."""


class Grey(Frozen):
    """A grey window, in the unit of its source."""

    level: FiniteFloat
    """The value shown as middle grey."""
    width: FiniteFloat = Field(gt=0)
    """The span of values between black and white."""
    function: Literal["LINEAR", "LINEAR_EXACT", "SIGMOID"] = "LINEAR_EXACT"
    """How values become grey: DICOM PS3.3 C.11.2.1.2 and C.11.2.1.3."""
    name: str = ""

    @classmethod
    def between(cls, low: float, high: float, name: str = "") -> "Grey":
        """The window that shows `low` as black and `high` as white."""
        low, high = max(-LARGEST, min(low, LARGEST)), max(-LARGEST, min(high, LARGEST))
        width = max(high - low, np.spacing(max(abs(low), abs(high), 1e-12)) * 4)
        return cls(level=(low + high) / 2, width=width, name=name)

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Grey levels, uint8, of values in the unit of the source; NaN is black."""
        values = np.asarray(values, np.float64)
        with np.errstate(over="ignore"):  # far outside a narrow window
            if self.function == "SIGMOID":  # PS3.3 C.11.2.1.3.1
                share = 1 / (1 + np.exp(-4 * (values - self.level) / self.width))
            elif self.function == "LINEAR_EXACT" or self.width <= 1:  # PS3.3 C.11.2.1.3.2
                share = (values - self.level) / self.width + 0.5
            else:  # PS3.3 C.11.2.1.2.1
                share = (values - (self.level - 0.5)) / (self.width - 1) + 0.5
        return np.rint(np.fmin(np.fmax(share, 0), 1) * 255).astype(np.uint8)  # fmax takes 0 over NaN


CT_PRESETS = {
    # The values every CT viewer ships; these are OHIF 3's windowLevelPresets.
    "soft tissue": Grey(level=40, width=400, name="soft tissue"),
    "lung": Grey(level=-600, width=1500, name="lung"),
    "liver": Grey(level=90, width=150, name="liver"),
    "bone": Grey(level=480, width=2500, name="bone"),
    "brain": Grey(level=40, width=80, name="brain"),
}


def to_grey(stored: np.ndarray, grey: Grey, slope: float, intercept: float, inverted: bool) -> np.ndarray:
    """(H, W) stored values to (H, W) grey levels, uint8. Whole numbers of up to 16 bits go through a table."""
    if stored.dtype in (np.uint8, np.int8, np.uint16, np.int16):
        unsigned = np.ascontiguousarray(stored).view(f"u{stored.dtype.itemsize}")
        table = _table(stored.dtype.str, grey, slope, intercept, inverted)
        return cv2.LUT(unsigned, table)
    shown = grey.apply(stored.astype(np.float64) * slope + intercept)
    return 255 - shown if inverted else shown


@lru_cache(maxsize=64)
def _table(dtype: str, grey: Grey, slope: float, intercept: float, inverted: bool) -> np.ndarray:
    """[2^bits] the grey level of every stored value, in the order of its unsigned bit pattern."""
    kind = np.dtype(dtype)
    patterns = np.arange(2 ** (8 * kind.itemsize), dtype=f"u{kind.itemsize}").view(kind)
    shown = grey.apply(patterns.astype(np.float64) * slope + intercept)
    return 255 - shown if inverted else shown
