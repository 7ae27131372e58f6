"""Look closely at small nodules: what all families of them share."""

from collections.abc import Callable, Generator, Sequence
from typing import NamedTuple

from envs.episode import Episode, Finding, ToolCall
from envs.phantoms.lesions import KINDS
from sft.strategies import Case, Step, close_look, in_reading_order, shown
from tools.geometry import Box, Point
from tools.image import Image

FAR = 0.1
"""How far from every nodule a look must be to show none, as a share of the view."""
ONE = ("I look closely at the bright spot.", "One bright spot: I zoom in on it.")
ALL = ("I look closely at all {number}.", "{number} bright spots: I zoom in on each.")
EACH = ("I look at one after the other: spot 1.", "One by one, I zoom in on each. Spot 1.")
NEXT = ("Next, spot {number}.", "Now spot {number}.")
EMPTY = "empty"
"""What a look is at that has missed its nodule."""
VERDICT = ("Is {name} {asked}? It is {kind}: {said}.", "Is it {asked}? {name} is {kind}: {said}.")


class Seen(NamedTuple):
    """A nodule that has been looked at closely."""

    kind: str
    name: str
    """Of the view that shows it."""
    view: Image
    box: Box
    """px of that view."""


Told = Callable[[list[Seen]], str]
"""What those of the type that is asked for come to, as far as they have been found."""


def looked_at(case: Case) -> Generator[Step, Episode, list[Seen]]:
    """Look closely at all nodules in one turn, in reading order."""
    findings = in_reading_order(case, case.truth.findings)
    thought = case.one_of(ONE if len(findings) == 1 else ALL, number=len(findings))
    episode = yield thought, tuple(_call(case, finding) for finding in findings)
    return [_seen(f, name, view) for f, (name, view) in zip(findings, shown(episode), strict=True)]


def searched(
    case: Case, asked: str, one: bool = False, tell: Told | None = None
) -> Generator[Step, Episode, tuple[list[Seen], str]]:
    """Look for nodules of the type `asked`: at all in one turn, or at one a turn, until `one` is found or to the last.

    Gives those of the type, and what is to be said of the views: each is named, or, where the others were judged in
    the turns before, the last one judged. A look that misses its nodule, which is then none of the type, is said to
    be at nothing, and the next one follows.
    """
    if not case.likely(case.careful):
        seen = yield from looked_at(case)
        return _those(seen, asked), ", ".join(f"{view.name} {view.kind}" for view in seen) + "."
    seen, those, thought = [], [], case.one_of(EACH)
    for number, finding in enumerate(in_reading_order(case, case.truth.findings), start=1):
        going_on = f" {case.one_of(NEXT, number=number)}" if number > 1 else ""
        missed = finding.name != asked and case.likely(case.misses)
        call = close_look(case.view, empty_place(case)) if missed else _call(case, finding)
        episode = yield thought + going_on, (call,)
        ((name, view),) = shown(episode)
        seen += [] if missed else [_seen(finding, name, view)]
        those = _those(seen, asked)
        said = ("yes" if finding.name == asked else "no") + (f", {tell(those)}" if tell else "")
        thought = case.one_of(VERDICT, name=name, asked=asked, kind=EMPTY if missed else finding.name, said=said)
        if one and those:
            break
    return those, thought


def _those(seen: Sequence[Seen], asked: str) -> list[Seen]:
    return [one for one in seen if one.kind == asked]


def _call(case: Case, finding: Finding) -> ToolCall:
    return close_look(case.view, case.middle(finding.place))


def _seen(finding: Finding, name: str, view: Image) -> Seen:
    shape = finding.place.shape
    inside = view.from_source.box(shape).intersection(view.box) if isinstance(shape, Box) else None
    assert inside is not None
    return Seen(finding.name, name, view, inside)


def kind_asked(case: Case) -> str:
    """The type that the question is about."""
    return next(kind for kind in KINDS if kind in case.episode.question.text)


def named(those: Sequence[Seen]) -> str:
    return " and ".join(one.name for one in those)


def empty_place(case: Case) -> Point:
    """A place of the first view with no nodule near, px. The middle of the view where there is none."""
    view = case.view
    taken = [case.middle(finding.place) for finding in case.truth.findings]
    for x, y in case.rng.uniform(0.1, 0.9, (50, 2)):
        at = Point(x=x * view.width, y=y * view.height)
        if all(max(abs(at.x - p.x) / view.width, abs(at.y - p.y) / view.height) > FAR for p in taken):
            return at
    return Point(x=view.width / 2, y=view.height / 2)
