"""How large is it? A mass is large enough to be outlined as it is; crossing fibres have to be seen close up."""

import math
from collections.abc import Generator
from typing import NamedTuple

import numpy as np

from envs.episode import Episode, ToolCall
from sft.strategies import HUNDREDTHS, Case, Plan, Step, answer, close_look, outline, point, shown, told
from tools.caliper import angle
from tools.geometry import Box, Point
from tools.image import Image

ARMS = (0.9, 0.85, 0.8, 0.75, 0.7)
"""How far out on the fibres their angle may be taken, as a share of their length."""
FIBRES, FIBRES_FACTOR = 6, 12
"""A close look at fibres: its side in hundredths of the view, and how many times it is enlarged."""
MASS, MASS_FACTOR = 30, 2
OUTLINE = ("The mass is large enough to be outlined as it is.", "No closer look is needed: I outline the mass.")
CLOSER = ("I zoom in on the {thing} first.", "First a closer look at the {thing}.")
CROSSING = ("I look closely at the crossing.", "I zoom in on the fibres.")
ANGLE = ("From one upper end over the middle to the other.", "I measure the angle between the upper ends.")


class Near(NamedTuple):
    """A view, and a point of it, px."""

    view: Image
    at: Point
    name: str = "img0"


def measure(case: Case) -> Plan:
    yield from _angle(case) if case.episode.question.tags["what"] == "angle" else _mass(case)


def _mass(case: Case) -> Plan:
    near, thought = Near(case.view, case.middle(case.truth.regions[0])), case.one_of(OUTLINE)
    if case.likely(case.careful):
        near, thought = (yield from _closer(case, near.at, "mass")), "Now I outline it."
    episode = yield thought, (outline(*near),)
    what = case.episode.question.tags["what"]
    name = "area" if what == "area" else "longest diameter"
    found = told(episode, rf"{name} ([\d.]+ mm²?)")
    yield answer(f"It says: {name} {found}.", found)  # in the tool's words: they are easier to copy


def _angle(case: Case) -> Plan:
    place = case.truth.regions[0]
    assert isinstance(place.shape, Box)
    near, side, factor = Near(case.view, case.middle(place)), FIBRES, FIBRES_FACTOR
    if case.likely(case.careful):
        near = yield from _closer(case, near.at, "fibres")
        side, factor = math.ceil(side * HUNDREDTHS / MASS), factor // MASS_FACTOR
    episode = yield case.one_of(CROSSING), (close_look(near.view, near.at, side, factor, near.name),)
    ((name, view),) = shown(episode)
    points = _truest(view, place.shape, math.radians(float(case.truth.answer.split()[0])) / 2)
    episode = yield case.one_of(ANGLE), (ToolCall(name="measure", arguments={"image": name, "points": points}),)
    found = told(episode, r"is ([\d.]+ degrees)")
    yield answer(f"The angle at the middle point is {found}.", found)


def _truest(view: Image, fibres: Box, half: float) -> list[list[float]]:
    """The upper ends of fibres and their middle between, px of the view: out where whole hundredths are truest."""
    middle, reach = fibres.center, fibres.height / 2 / max(math.cos(half), math.sin(half))

    def at(arm: float) -> list[list[float]]:
        x, y = arm * reach * math.sin(half), arm * reach * math.cos(half)
        ends = [Point(x=middle.x + side * x, y=middle.y - y) for side in (-1, 1)]
        return [point(view, view.from_source.point(one)) for one in (ends[0], middle, ends[1])]

    return min(map(at, ARMS), key=lambda points: abs(math.radians(_between(points)) - 2 * half))


def _between(points: list[list[float]]) -> float:
    """The angle at the second of three points, degrees."""
    first, middle, last = map(np.array, points)
    return angle(first - middle, last - middle)


def _closer(case: Case, at: Point, thing: str) -> Generator[Step, Episode, Near]:
    episode = yield case.one_of(CLOSER, thing=thing), (close_look(case.view, at, MASS, MASS_FACTOR),)
    ((name, view),) = shown(episode)
    return Near(view, view.from_source.point(case.view.to_source.point(at)), name)
