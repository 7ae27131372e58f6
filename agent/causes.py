"""Why an answer is wrong: what went amiss first."""

from typing import Literal

from envs.episode import FAULTS, Episode, Truth
from envs.grading import Grade
from envs.looks import Region, looks
from tools.geometry import Box
from tools.image import Place

Cause = Literal[
    "right", "right answer, wrong place", "fault", "limit", "parse", "tool refusal", "not looked", "wrong place",
    "right place, wrong answer", "wrong answer",
]  # fmt: skip
"""`right` also where the place cannot be told; `wrong answer` where there is no place that evidence lies at."""

COVERED = 0.5
"""The share of the evidence that must be looked at, at least."""


def cause(episode: Episode, truth: Truth, grade: Grade) -> Cause:
    """What became of an answer, in the order in which things go wrong."""
    if episode.stop in FAULTS:
        return "fault"
    if episode.answer is None:
        return "limit"
    if not grade.parsed:
        return "parse"
    looked = [look.region for look in looks(episode)]
    found = any(covers(region, place) for region in looked for place in truth.regions)
    if grade.right:
        return "right answer, wrong place" if truth.regions and looked and not found else "right"
    if not truth.regions:
        return "wrong answer"
    if found:
        return "right place, wrong answer"
    if any(turn.refused for turn in episode.turns):
        return "tool refusal"
    return "wrong place" if looked else "not looked"


def covers(region: Region, place: Place) -> bool:
    """Whether a part of a plane holds at least half of a place."""
    if region.plane != (place.source, place.axis, place.index):
        return False
    if not isinstance(place.shape, Box):
        return region.box.contains(place.shape)
    common = region.box.intersection(place.shape)
    return common is not None and common.area >= COVERED * place.shape.area
