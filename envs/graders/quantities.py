"""Numbers with their units, read out of the words around them."""

import re
import unicodedata
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from envs.graders.wording import numerals, plain

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
        "μs": 1e-6, "ms": 1e-3, "s": 1.0, "sec": 1.0, "min": 60.0, "h": 3600.0,
        "毫秒": 1e-3, "秒": 1.0, "分钟": 60.0,
    },
    "angle": {"°": 1.0, "deg": 1.0, "degree": 1.0, "degrees": 1.0, "度": 1.0},
    "mass": {"ug": 1e-6, "μg": 1e-6, "mg": 1e-3, "g": 1.0, "kg": 1000.0, "毫克": 1e-3, "克": 1.0, "千克": 1000.0},
    "attenuation": {"hu": 1.0, "hounsfield units": 1.0, "hounsfield unit": 1.0},
    "pixels": {"px": 1.0, "pixel": 1.0, "pixels": 1.0, "像素": 1.0},
    "pixel area": {"px2": 1.0},
    "share": {"%": 1.0, "percent": 1.0},
    "rate": {"bpm": 1.0},
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

_SPREAD = re.compile(r"(?:±|\+/-|\+-)\s*\d+(?:[.,]\d+)*")
_NUMBER = re.compile(
    r"(?:(?<![^\W\u3040-\u9fff])(?<![.^])|(?<=\d[x×]))[-+]?(?:\d+(?:[.,]\d+)*|\.\d+)(?:e[-+]?\d{1,3})?", re.IGNORECASE
)
"""Not inside of a word, but for one in Chinese or Japanese, which has no gaps."""
_THOUSANDS = re.compile(r"[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?")
_THOUSANDS_BY_POINT = re.compile(r"[1-9]\d{0,2}(?:(?:\.\d{3})+,\d+|(?:\.\d{3}){2,})")
_UNIT = re.compile(
    r"\s*-?\s*(?:(sq|cu)(?:uare|bic|\.)?\s+)?(hounsfield units?|[^\W\d_]+(?:\^?[23](?![\d.,]*\d))?|%|°)(/[^\W\d_]+)?",
    re.IGNORECASE,
)
_JOINED = re.compile(r"\s*(?:-|–|—|~|to|and|or|through|x|×|/|至|到|或|和)\s*", re.IGNORECASE)
_LIMIT = re.compile(
    r"(?:[<>≤≥]=?|\b(?:(?:less|more|greater|fewer|smaller|larger) than|at least|at most|up to|under|over)"
    r"|小于|大于|超过|至少|至多|不到)\s*(?:about |approximately )?$",
    re.IGNORECASE,
)
_GOES_ON = re.compile(r"(?!x\s?\d)[a-z]", re.IGNORECASE)
_RESULT = re.compile(r"[=≈]|\banswer(?: is)?\b|答案[是为]?", re.IGNORECASE)


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

    @property
    def countable(self) -> bool:
        """Whether it is a number of things: whole, and neither a measurement nor the end of a range."""
        return self.exact and not self.unit and self.value >= 0 and self.value.is_integer()

    def in_unit_of(self, other: "Quantity") -> float | None:
        """The value in another's unit; where only one names a unit, that is taken to be both's. None: no way there."""
        if not self.unit or not other.unit or self.unit == other.unit:
            return self.value
        if self.dimension != other.dimension:
            return None
        return self.value * _UNITS[self.unit][1] / _UNITS[other.unit][1]


def quantities(text: str) -> list[Quantity]:
    """Every number of a text, in order; words for numbers count where there are no digits.

    What follows the last "=" or "answer" stands for all. A spread ("40 ± 2 mm") is left out. "3,5" is 3.5, and
    "1,234" is more than a thousand. The numbers of a range share the unit of its end.
    """
    text = re.sub("minus |−", "-", plain(text))
    if not re.search(r"\d", text):
        text = numerals(text)
    text = _SPREAD.sub("", text)
    last = max((digit.start() for digit in re.finditer(r"\d", text)), default=0)
    told = [found.end() for found in _RESULT.finditer(text) if found.end() <= last]
    return list(_joined(text[told[-1] :] if told else text))


def one(text: str) -> Quantity | None:
    """The quantity that a text is, with no other words; None where it is something else."""
    text = unicodedata.normalize("NFKC", text).strip().replace("−", "-")
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
        (
            [q for q in found if q.unit and q.dimension == like.dimension],
            [q for q in found if not q.unit],
            found,
        )
        if like.unit
        else ([q for q in found if q.unit], found)
    )
    chosen = next((some for some in ranked if some), [])
    values = [v if (v := q.in_unit_of(like)) is not None else q.value for q in chosen]
    if not chosen or not all(q.exact for q in chosen) or max(values) - min(values) > SAME * max(map(abs, values)):
        return None
    return chosen[-1]


class _Written(NamedTuple):
    """A number and its unit at [start, end) of a text."""

    start: int
    end: int
    value: float
    unit: str


def _written(text: str) -> Iterator[_Written]:
    """The numbers of a text, but for those that are part of a word, as in 2nd or 3D."""
    for found in _NUMBER.finditer(text):
        value = _value(found[0])
        unit, end = _unit(text, found.end())
        if value is not None and (unit or not _GOES_ON.match(text, end)):
            yield _Written(found.start(), end, value, unit)


def _joined(text: str) -> Iterator[Quantity]:
    """The numbers of a text; those of a range are not exact, and each has the unit of the last."""
    found = list(_written(text))
    joints = [_JOINED.fullmatch(text, a.end, b.start) is not None for a, b in pairwise(found)]
    told: list[Quantity] = []
    for number, before, after in reversed(list(zip(found, [False, *joints], [*joints, False], strict=False))):
        unit = number.unit or (told[-1].unit if after else "")
        limit = _LIMIT.search(text, max(0, number.start - 40), number.start) is not None
        told.append(Quantity(number.value, unit, exact=not (before or after or limit)))
    return reversed(told)


def _value(written: str) -> float | None:
    """The number that digits with points and commas stand for; None where they stand for none, as in 1.2.3."""
    mantissa, e, exponent = written.lower().partition("e")
    digits = mantissa.lstrip("+-")
    if _THOUSANDS.fullmatch(digits):
        mantissa = mantissa.replace(",", "")
    elif _THOUSANDS_BY_POINT.fullmatch(digits):
        mantissa = mantissa.replace(".", "")
    elif len(re.findall("[.,]", digits)) > 1:
        return None
    value = float(mantissa.replace(",", ".") + e + exponent)
    return value if abs(value) <= LARGEST else None


def _unit(text: str, start: int) -> tuple[str, int]:
    """The unit that follows a number, and where it ends; empty, and `start`, where the next word is none."""
    found = _UNIT.match(text, start)
    if found is None:
        return "", start
    power, name, per = found.groups()
    name = name.casefold().replace("^", "")
    name = _LONG.get(name, name)
    if power:
        name += "2" if power.casefold().startswith("sq") else "3"
    if name not in _UNITS:
        return "", start
    return (name + per.casefold() if per else name), found.end()
