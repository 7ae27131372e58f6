"""Is the answer right?"""

import re

from envs.episode import Episode, Truth

TOLERANCE = 0.1
"""How far off a number may be, as a share of the true one, where the truth names no tolerance."""

UNITS = frozenset(
    [
        "px",
        "pixels",
        "mm",
        "cm",
        "m",
        "um",
        "µm",
        "mm²",
        "cm²",
        "ml",
        "l",
        "cc",
        "%",
        "°",
        "degrees",
        "hu",
        "s",
        "ms",
        "bpm",
        "mg",
        "g",
        "kg",
    ]
)
"""Words after a number that are its unit; any other word is just the next one."""

_NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+)?")
_UNIT = re.compile(r"\s*([^\W\d_]+[²³]?|%|°)")


def correct(episode: Episode, truth: Truth) -> float:
    """1 if the answer matches: the same words whatever their case, or for a number one within the tolerance.

    A number answered without a unit is taken to be in the truth's; with another unit it is wrong.
    """
    given = episode.answer
    if given is None:
        return 0.0
    if episode.question.kind in ("number", "count"):
        return float(_same_number(given, truth, episode.question.kind))
    return float(given.strip().casefold() == truth.answer.strip().casefold())


def _same_number(given: str, truth: Truth, kind: str) -> bool:
    """Whether the number told last is the true one; a count must be exact where the truth names no tolerance."""
    told, true = _measure(given), _measure(truth.answer)
    if told is None or true is None or (told[1] and true[1] and told[1] != true[1]):
        return False
    usual = 0.0 if kind == "count" else TOLERANCE
    allowed = usual if truth.tolerance is None else truth.tolerance
    return abs(told[0] - true[0]) <= allowed * abs(true[0]) + 1e-9


def _measure(text: str) -> tuple[float, str] | None:
    """(number, unit) of the last number in a text that has a unit, else of the last one."""
    found = [(float(number[0]), _unit(text[number.end() :])) for number in _NUMBER.finditer(text)]
    return next((pair for pair in reversed(found) if pair[1] in UNITS), found[-1] if found else None)


def _unit(rest: str) -> str:
    unit = _UNIT.match(rest)
    return unit[1].casefold() if unit and unit[1].casefold() in UNITS else ""
