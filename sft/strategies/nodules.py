"""Look closely at small nodules: what all families of them share."""

from collections.abc import Generator, Sequence
from typing import NamedTuple

from envs.episode import Episode, Finding, ToolCall
from sft.strategies import Case, Step, close_look, in_reading_order, shown
from tools.geometry import Box, Point
from tools.image import Image

AT_ONCE = 0.9
"""How often all nodules are looked at in one turn, and not in one turn each."""
FAR = 0.1
"""How far from every nodule a look must be to show none, as a share of the view."""
ONE = ("I look closely at the bright spot.", "One bright spot: I zoom in on it.")
ALL = ("I look closely at all {number}.", "{number} bright spots: I zoom in on each.")
EACH = ("I look at one after the other.", "One by one, I zoom in on each.")
NEXT = ("{name}: {kind}. Now the next.", "{name}: {kind}. I go on.")


class Seen(NamedTuple):
    """A nodule that has been looked at closely."""

    kind: str
    name: str
    """Of the view that shows it."""
    view: Image
    box: Box
    """px of that view."""


def looked_at(case: Case, findings: Sequence[Finding], until: str = "") -> Generator[Step, Episode, list[Seen]]:
    """Look at nodules in reading order: at all in one turn, or at one a turn until one of the type `until` is met."""
    findings = in_reading_order(case, findings)
    calls = tuple(close_look(case.view, case.middle(finding.place)) for finding in findings)
    if len(findings) > 1 and not case.likely(AT_ONCE):
        return (yield from _one_by_one(case, findings, calls, until))
    episode = yield case.one_of(ONE if len(findings) == 1 else ALL, number=len(findings)), calls
    return [_seen(f, name, view) for f, (name, view) in zip(findings, shown(episode), strict=True)]


def _one_by_one(
    case: Case, findings: Sequence[Finding], calls: Sequence[ToolCall], until: str
) -> Generator[Step, Episode, list[Seen]]:
    seen: list[Seen] = []
    thought = case.one_of(EACH)
    for finding, call in zip(findings, calls, strict=True):
        episode = yield thought, (call,)
        seen.append(_seen(finding, *shown(episode)[0]))
        if finding.name == until:
            break
        thought = case.one_of(NEXT, name=seen[-1].name, kind=finding.name)
    return seen


def _seen(finding: Finding, name: str, view: Image) -> Seen:
    shape = finding.place.shape
    inside = view.from_source.box(shape).intersection(view.box) if isinstance(shape, Box) else None
    assert inside is not None
    return Seen(finding.name, name, view, inside)


def listed(seen: Sequence[Seen]) -> str:
    """What each close look shows, in words."""
    return ", ".join(f"{one.name} {one.kind}" for one in seen)


def empty_place(case: Case) -> Point:
    """A place of the first view with no nodule near, px. The middle of the view where there is none."""
    view = case.view
    taken = [case.middle(finding.place) for finding in case.truth.findings]
    for x, y in case.rng.uniform(0.1, 0.9, (50, 2)):
        at = Point(x=x * view.width, y=y * view.height)
        if all(max(abs(at.x - p.x) / view.width, abs(at.y - p.y) / view.height) > FAR for p in taken):
            return at
    return Point(x=view.width / 2, y=view.height / 2)
