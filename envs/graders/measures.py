"""Numbers with units, as answers write them."""

import re
import unicodedata
from typing import NamedTuple

UNITS: dict[str, tuple[str, float]] = {
    # what it measures, and how many of the first unit of that it is
    **dict.fromkeys(("mm", "millimeter", "millimeters", "millimetre", "millimetres", "毫米"), ("length", 1.0)),
    **dict.fromkeys(("cm", "centimeter", "centimeters", "centimetre", "centimetres", "厘米"), ("length", 10.0)),
    **dict.fromkeys(("m", "meter", "meters", "metre", "metres", "米"), ("length", 1000.0)),
    **dict.fromkeys(("um", "μm", "micron", "microns", "micrometer", "micrometers"), ("length", 1e-3)),
    **dict.fromkeys(("mm2", "mm^2", "平方毫米"), ("area", 1.0)),
    **dict.fromkeys(("cm2", "cm^2", "平方厘米"), ("area", 100.0)),
    **dict.fromkeys(("mm3", "mm^3"), ("volume", 1e-3)),
    **dict.fromkeys(("ml", "cc", "cm3", "cm^3", "milliliter", "milliliters", "毫升"), ("volume", 1.0)),
    **dict.fromkeys(("l", "liter", "liters", "litre", "litres", "升"), ("volume", 1000.0)),
    **dict.fromkeys(("s", "sec", "second", "seconds", "秒"), ("time", 1.0)),
    **dict.fromkeys(("ms", "millisecond", "milliseconds"), ("time", 1e-3)),
    **dict.fromkeys(("min", "minute", "minutes"), ("time", 60.0)),
    **dict.fromkeys(("°", "deg", "degree", "degrees", "度"), ("angle", 1.0)),
    **dict.fromkeys(("hu", "hounsfield"), ("attenuation", 1.0)),
    **dict.fromkeys(("px", "pixel", "pixels", "像素"), ("pixels", 1.0)),
    **dict.fromkeys(("%", "percent"), ("share", 1.0)),
    **dict.fromkeys(("bpm",), ("rate", 1.0)),
    **dict.fromkeys(("mg",), ("mass", 1e-3)),
    **dict.fromkeys(("g", "gram", "grams"), ("mass", 1.0)),
    **dict.fromkeys(("kg",), ("mass", 1000.0)),
}
"""Words after a number that are its unit; any other word is just the next one."""

_NUMBER = re.compile(
    r"(?<![\w.,])(?:[-+\u2212](?=[\d.]))?(?:\d+(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+(?:[.,]\d+)?|\.\d+)(?:e[-+]?\d{1,3})?(?![\d])"
)
_UNIT = re.compile(r"\s*-?\s*([^\W\d_]+(?:\^?[23](?!\d))?|%|°)")
_BETWEEN = re.compile(r"\s*(?:[^\W\d_]+[23]?|%|°)?\s*(?:-|–|—|~|to|至|到)\s*$")
LARGEST = 1e15
"""Numbers beyond are no measurement."""


class Measure(NamedTuple):
    """A number with its unit."""

    value: float
    unit: str
    """Empty where none is written."""
    whole: bool
    """Whether the text holds nothing else."""
    digits: str
    """As it was written."""

    @property
    def dimension(self) -> str:
        return UNITS[self.unit][0] if self.unit else ""

    def to(self, unit: str) -> float | None:
        """The value in another unit; its own where one of the two has none; None where they measure other things."""
        if not unit or not self.unit:
            return self.value
        return self.value * UNITS[self.unit][1] / UNITS[unit][1] if self.dimension == UNITS[unit][0] else None


def measures(text: str) -> list[Measure]:
    """Every number of a text, in order; a range such as "3 to 4 cm" is no number, and neither is "x0"."""
    text = unicodedata.normalize("NFKC", text).casefold()
    found: list[Measure] = []
    end = 0
    for match in _NUMBER.finditer(text):
        ranged = bool(found) and _BETWEEN.fullmatch(text, end, match.start()) is not None
        if ranged:
            found.pop()
        else:
            value, unit = _value(match[0]), _UNIT.match(text, match.end())
            name = unit[1] if unit and unit[1] in UNITS else ""
            last = unit.end() if unit and name else match.end()
            if abs(value) <= LARGEST:
                found.append(Measure(value, name, not (text[: match.start()] + text[last:]).strip(" .,;!"), match[0]))
        end = match.end()
    return found


def measure(text: str) -> Measure | None:
    """The last number of a text that has a unit, else the last one."""
    found = measures(text)
    return next((m for m in reversed(found) if m.unit), found[-1] if found else None)


def same(a: Measure, b: Measure) -> bool:
    """Whether two state the same, each in a unit of its own."""
    moved = a.to(b.unit)
    return bool(a.unit) == bool(b.unit) and moved is not None and abs(moved - b.value) <= 1e-9 * max(1.0, abs(b.value))


def _value(digits: str) -> float:
    """ "1,234.5" is a thousand and more, "3,5" is three and a half."""
    digits = digits.replace("\u2212", "-")
    grouped = re.fullmatch(r"[-+]?\d+(,\d{3})+(\.\d+)?(e[-+]?\d+)?", digits)
    return float(digits.replace(",", "" if grouped else "."))
