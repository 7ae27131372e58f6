"""How large is it? A mass is large enough to be outlined as it is; crossing fibres have to be seen close up."""

import math

from envs.episode import ToolCall
from sft.strategies import Case, Plan, answer, close_look, outline, point, shown, told
from tools.geometry import Box, Point

ARM = 0.9
"""How far out on a fibre its angle is taken, as a share of its length."""
FIBRES, FIBRES_FACTOR = 4, 16
"""A close look at fibres: its side in hundredths of the view, and how many times it is enlarged."""
MASS = 30
OUTLINE = ("The mass is large enough to be outlined as it is.", "No closer look is needed: I outline the mass.")
CLOSER = ("I zoom in on the mass first.", "First a closer look at the mass.")
CROSSING = ("I look closely at the crossing.", "I zoom in on the fibres.")
ANGLE = ("From one upper end over the middle to the other.", "I measure the angle between the upper ends.")


def measure(case: Case) -> Plan:
    yield from _angle(case) if case.episode.question.tags["what"] == "angle" else _mass(case)


def _mass(case: Case) -> Plan:
    at, name, view = case.middle(case.truth.regions[0]), "img0", case.view
    thought = case.one_of(OUTLINE)
    if case.likely(0.1):
        episode = yield case.one_of(CLOSER), (close_look(view, at, MASS, 2),)
        ((name, close),) = shown(episode)
        at, view = close.from_source.point(view.to_source.point(at)), close
        thought = "Now I outline it."
    episode = yield thought, (outline(view, at, name),)
    what = case.episode.question.tags["what"]
    name = "area" if what == "area" else "longest diameter"
    found = told(episode, rf"{name} ([\d.]+ mm²?)")
    yield answer(f"It says: {name} {found}.", found)  # in the tool's words: they are easier to copy


def _angle(case: Case) -> Plan:
    place = case.truth.regions[0]
    assert isinstance(place.shape, Box)
    episode = yield case.one_of(CROSSING), (close_look(case.view, case.middle(place), FIBRES, FIBRES_FACTOR),)
    ((name, view),) = shown(episode)
    middle, half = place.shape.center, math.radians(float(case.truth.answer.split()[0])) / 2
    arm = place.shape.height / 2 / max(math.cos(half), math.sin(half)) * ARM
    ends = [Point(x=middle.x + side * arm * math.sin(half), y=middle.y - arm * math.cos(half)) for side in (-1, 1)]
    points = [point(view, view.from_source.point(at)) for at in (ends[0], middle, ends[1])]
    episode = yield case.one_of(ANGLE), (ToolCall(name="measure", arguments={"image": name, "points": points}),)
    found = told(episode, r"is ([\d.]+ degrees)")
    yield answer(f"The angle at the middle point is {found}.", found)
