"""Numbers with their units, read out of the words around them."""

import math
import re
from collections.abc import Iterator
from typing import NamedTuple

from envs.graders.wording import bare, numerals, plain

DIMENSIONS: dict[str, dict[str, float]] = {
    "length": {
        "um": 1e-3, "μm": 1e-3, "micron": 1e-3, "microns": 1e-3, "mm": 1.0, "cm": 10.0, "dm": 100.0, "m": 1000.0,
        "inch": 25.4, "inches": 25.4, "微米": 1e-3, "毫米": 1.0, "厘米": 10.0, "公分": 10.0, "米": 1000.0,
    },
    "area": {"um2": 1e-6, "μm2": 1e-6, "mm2": 1.0, "cm2": 100.0, "m2": 1e6, "平方毫米": 1.0, "平方厘米": 100.0},
    "volume": {
        "mm3": 1e-3, "ul": 1e-3, "μl": 1e-3, "cm3": 1.0, "cc": 1.0, "ml": 1.0, "dl": 100.0, "l": 1000.0, "m3": 1e6,
        "毫升": 1.0, "升": 1000.0, "立方毫米": 1e-3, "立方厘米": 1.0,
    },
    "time": {
        "us": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "sec": 1.0, "min": 60.0, "h": 3600.0,
        "毫秒": 1e-3, "秒": 1.0, "分钟": 60.0,
    },
    "angle": {"°": 1.0, "deg": 1.0, "degree": 1.0, "degrees": 1.0, "度": 1.0, "rad": math.degrees(1)},
    "mass": {"ug": 1e-6, "μg": 1e-6, "mg": 1e-3, "g": 1.0, "kg": 1000.0, "毫克": 1e-3, "克": 1.0, "千克": 1000.0},
    "attenuation": {"hu": 1.0},
    "pixels": {"px": 1.0, "pixel": 1.0, "pixels": 1.0, "像素": 1.0},
    "pixel area": {"px2": 1.0},
    "share": {"%": 1.0, "percent": 1.0},
    "rate": {"bpm": 1.0, "/min": 1.0},
    "uptake": {"suv": 1.0},
    "pressure": {"mmhg": 1.0},
}  # fmt: skip
"""What can be converted into what: the size of each unit within its dimension. Nothing leads from one to another."""

_PREFIXES = {"micro": "μ", "milli": "m", "centi": "c", "deci": "d", "kilo": "k", "": ""}
_NAMES = {"meter": "m", "metre": "m", "liter": "l", "litre": "l", "second": "s", "gram": "g"}
_LONG = {p + n + s: short + unit for p, short in _PREFIXES.items() for n, unit in _NAMES.items() for s in ("", "s")}
_UNITS = {unit: (name, size) for name, units in DIMENSIONS.items() for unit, size in units.items()}

LARGEST = 1e15
"""What is larger is no measurement."""
SAME = 0.01
"""Numbers that differ by no more than this share are one number, rounded: "3.31 cm (33 mm)"."""

_SPREAD = r"(?:±|\+/-|\+-)\s*\d+(?:[.,]\d+)*"
_DIGITS = r"(?:\d+(?:[.,]\d+)*|\.\d+)(?:e[-+]?\d{1,3})?"
_NUMBER = re.compile(rf"(?<![\w.])(?:(?<![\d)])[-+]|(?<=[(])[-+])?{_DIGITS}(?![\d.]*[.,]?\d)", re.IGNORECASE)
_UNIT = re.compile(r"\s*-?\s*(?:(square|cubic|sq\.?|cu\.?)\s+)?([^\W\d_]+(?:\s?\^?[23](?!\d|[.,]\d))?|%|°|/min)(/[^\W\d_]+)?", re.IGNORECASE)
_JOINED = re.compile(r"\s*(?:-|–|—|~|to|and|or|through|x|×|/|至|到|或|和)\s*", re.IGNORECASE)
_LIMIT = re.compile(
    r"(?:[<>≤≥]=?|less than|more than|greater than|fewer than|smaller than|larger than|at least|at most|up to|under|over"
    r"|小于|大于|超过|至少|至多|不到|不超过)\s*(?:about |approximately )?$",
    re.IGNORECASE,
)
_RESULT = re.compile(r".*(?:[=≈]|\banswer(?:\s+is)?\s*:?|答案[是为]?\s*:?)\s*(?=.*\d)", re.IGNORECASE | re.DOTALL)


class Quantity(NamedTuple):
    """A number as it was written, and what it counts."""

    value: float
    unit: str = ""
    """As in `DIMENSIONS`; empty where none is named."""
    exact: bool = True
    """False for the end of a range and for a limit: "3-4 cm", "< 5 mm"."""

    @property
    def dimension(self) -> str:
        return _UNITS[self.unit][0] if self.unit in _UNITS else self.unit

    def in_unit_of(self, other: "Quantity") -> float | None:
        """The value in another's unit; where only one names a unit, that is taken to be both's. None: no way there."""
        if not self.unit or not other.unit or self.unit == other.unit:
            return self.value
        if self.dimension != other.dimension:
            return None
        return self.value * _UNITS[self.unit][1] / _UNITS[other.unit][1]


def quantities(text: str) -> list[Quantity]:
    """Every number of a text, in order; words for numbers count where there are no digits.

    What follows the last "=" or "answer:" stands for all. A spread ("40 ± 2 mm") is left out. "3,5" is 3.5, and
    "1,234" is a thousand and more. A number right before a range's end shares its unit.
    """
    text = plain(text).replace("−", "-").replace("minus ", "-")
    if not re.search(r"\d", text):
        text = numerals(text)
    told = _RESULT.match(text)
    text = re.sub(_SPREAD, "", text[told.end() :] if told else text)
    return list(_joined(text))


def one(text: str) -> Quantity | None:
    """The quantity that a text is, with no other words; None where it is something else."""
    text = bare(text).replace("−", "-")
    found = _NUMBER.match(text)
    value = _value(found[0]) if found else None
    if found is None or value is None:
        return None
    unit, end = _unit(text, found.end())
    return Quantity(value, unit) if end == len(text) else None


def agreed(found: list[Quantity], like: Quantity) -> Quantity | None:
    """The one number that a text tells, in the unit of `like`; None where it tells none, or several that differ.

    Numbers whose unit is of the same dimension come first, then those without a unit, then any other.
    """
    ranked = (
        [q for q in found if q.unit and q.dimension == like.dimension],
        [q for q in found if not q.unit],
        found,
    ) if like.unit else ([q for q in found if q.unit], found)
    chosen = next((some for some in ranked if some), [])
    values = [v if (v := q.in_unit_of(like)) is not None else q.value for q in chosen]
    if not chosen or not all(q.exact for q in chosen) or max(values) - min(values) > SAME * max(map(abs, values)):
        return None
    return chosen[-1]


def _joined(text: str) -> Iterator[Quantity]:
    """The numbers of a text; the ends of a range are not exact, and the first has the unit of the last."""
    found = [(match, value) for match in _NUMBER.finditer(text) if (value := _value(match[0])) is not None]
    ends = [_unit(text, match.end()) for match, _ in found]
    units = [unit for unit, _ in ends]
    ranged = [False] * len(found)
    for n in reversed(range(len(found) - 1)):
        if _JOINED.fullmatch(text, ends[n][1], found[n + 1][0].start()):
            units[n] = units[n] or units[n + 1]
            ranged[n] = ranged[n + 1] = True
    for (match, value), unit, part in zip(found, units, ranged, strict=True):
        limit = _LIMIT.search(text, max(0, match.start() - 40), match.start())
        yield Quantity(value, unit, exact=not part and limit is None)


def _value(written: str) -> float | None:
    """The number that digits with points and commas stand for; None where they stand for none, as in 1.2.3."""
    mantissa, e, exponent = written.lower().partition("e")
    sign, digits = mantissa[: mantissa[0] in "+-"], mantissa.lstrip("+-")
    grouped = re.fullmatch(r"[1-9]\d{0,2}(?:,\d{3})+(\.\d+)?|[1-9]\d{0,2}(?:\.\d{3}){2,}(,\d+)?|[1-9]\d{0,2}(?:\.\d{3})+,\d+", digits)
    if grouped:
        decimal = "." if "." in digits and digits.rfind(".") > digits.rfind(",") and digits.count(".") == 1 else ","
        if "," not in digits or (digits.count(",") >= 1 and "." not in digits):
            digits = digits.replace(",", "").replace(".", "")
        else:
            other = "," if decimal == "." else "."
            digits = digits.replace(other, "").replace(decimal, ".")
    elif len(re.findall(r"[.,]", digits)) > 1:
        return None
    value = float(sign + digits.replace(",", ".") + e + exponent)
    return value if abs(value) <= LARGEST else None


def _unit(text: str, start: int) -> tuple[str, int]:
    """The unit that follows a number, and where it ends; empty, and `start`, where the next word is none."""
    found = _UNIT.match(text, start)
    if found is None:
        return "", start
    power, name, per = found.groups()
    name = name.casefold().replace(" ", "").replace("^", "")
    name = _LONG.get(name, name)
    if power:
        name += "2" if power.casefold().startswith("sq") else "3"
    if name not in _UNITS:
        return "", start
    return (name + per.casefold() if per else name), found.end()
