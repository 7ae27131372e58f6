"""Is the answer right?"""

import re

from envs.episode import Episode, Truth

TOLERANCE = 0.1
"""How far off a number may be, as a share of the true one, where the truth names no tolerance."""

_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")


def correct(episode: Episode, truth: Truth) -> float:
    """1 if the answer matches: the same words whatever their case, or for a number one within the tolerance.

    A number answered without a unit is taken to be in the truth's; with another unit it is wrong.
    """
    given = episode.answer
    if given is None:
        return 0.0
    if episode.question.kind in ("number", "count"):
        return float(_same_number(given, truth))
    return float(given.strip().casefold() == truth.answer.strip().casefold())


def _same_number(given: str, truth: Truth) -> bool:
    told, true = _NUMBER.search(given), _NUMBER.search(truth.answer)
    if told is None or true is None:
        return False
    told_unit, true_unit = given[told.end() :].split(), truth.answer[true.end() :].split()
    if told_unit and true_unit and told_unit[0] != true_unit[0]:
        return False
    allowed = TOLERANCE if truth.tolerance is None else truth.tolerance
    return abs(float(told[0]) - float(true[0])) <= allowed * abs(float(true[0])) + 1e-9
