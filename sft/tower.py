"""Teach a vision tower where things lie, before any word is learned.

Next-token training alone is slow to find a lesion of 2 px. So the tower's own output tokens first have to tell, through
a head that is thrown away: whether something of interest lies under the token, where exactly, and what it is. The
targets are made from the findings of made-up studies, which are exact.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from agent.chats.qwen import Limits
from envs.episode import Question, Truth
from envs.phantoms.lesions import KINDS
from sft.sources import Source, Unusable
from tools.geometry import Box, Point
from tools.image import Image
from tools.zoom import zoom

THINGS = ("nodule", "mass", "fibres")
"""What a token can hold the middle of."""
CLOSE_PX, CLOSE_FACTOR = 8, 8
"""A close look: this many px of the first view, so many times enlarged."""
OFF_PX = 2.5
"""How far a close look misses its middle at most, px of the first view."""
UNKNOWN = -100
"""A target that is not scored, as in torch's cross entropy."""


class Look(NamedTuple):
    """One view, and what its tokens should tell; n tokens, in the order of rows."""

    view: Image
    holds: np.ndarray
    """[n, things] 1.0 where the middle of such a thing lies under the token."""
    place: np.ndarray
    """[n, 4] of that middle: across and down the token, across and down the view, each from 0 to 1; NaN: no thing."""
    following: np.ndarray
    """[n, 2] of the middle of the next such thing in reading order, across and down the view; after the last, the
    first. So every token knows of something, wherever a language model looks first."""
    kind: int
    """The type of the lesion of a close look; UNKNOWN on others."""
    half_angle: float
    """Between two fibres, radians, of a close look; NaN on others."""


def looks(question: Question, truth: Truth, limits: Limits, rng: np.random.Generator) -> Iterator[Look]:
    """The first view of a question, and up to two close looks at what lies on it; none where no place is known."""
    view, things = question.images[0], _things(question, truth)
    if things:
        yield _look(view, things, limits)
    small = [thing for thing in things if thing.name != "mass"]
    for chosen in rng.permutation(len(small))[:2]:
        yield _close(view, small[chosen], rng, limits)


def looked_at(source: Source, number: int, limits: Limits, seed: Sequence[int]) -> list[Look]:
    """The looks of one question of a source. Raises Unusable where it has none."""
    found = [*looks(*source.asked(number), limits, np.random.default_rng(seed))]
    if not found:
        raise Unusable("what it is about has no place")
    return found


class _Thing(NamedTuple):
    name: str
    """One of THINGS."""
    middle: Point
    """px of the view."""
    kind: int = UNKNOWN
    half_angle: float = math.nan


def _things(question: Question, truth: Truth) -> list[_Thing]:
    """All that lies on the first view."""
    image = question.images[0]

    def middle(box: Box | Point) -> Point:
        return image.from_source.point(box.center if isinstance(box, Box) else box)

    if truth.findings:
        named = [(f, KINDS.index(f.name) if f.name in KINDS else UNKNOWN) for f in truth.findings]
        return [_Thing("nodule", middle(finding.place.shape), kind) for finding, kind in named]
    if not truth.regions:
        return []
    at = middle(truth.regions[0].shape)
    if question.tags.get("what") == "angle":
        return [_Thing("fibres", at, half_angle=math.radians(float(truth.answer.split()[0])) / 2)]
    return [_Thing("mass", at)]


def _close(view: Image, thing: _Thing, rng: np.random.Generator, limits: Limits) -> Look:
    """A close look that has the thing nearly in its middle."""
    x, y = thing.middle.x + rng.uniform(-OFF_PX, OFF_PX), thing.middle.y + rng.uniform(-OFF_PX, OFF_PX)
    near = Box(x0=x - CLOSE_PX / 2, y0=y - CLOSE_PX / 2, x1=x + CLOSE_PX / 2, y1=y + CLOSE_PX / 2)
    inside = near.intersection(view.box)
    assert inside is not None
    shown = zoom(view, inside, CLOSE_FACTOR).images[0]
    at = shown.from_source.point(view.to_source.point(thing.middle))
    return _look(shown, [thing._replace(middle=at)], limits, thing.kind, thing.half_angle)


def _look(
    view: Image, things: Sequence[_Thing], limits: Limits, kind: int = UNKNOWN, half_angle: float = math.nan
) -> Look:
    columns, rows = (size // limits.patch for size in limits.size(view))
    holds = np.zeros((rows * columns, len(THINGS)), np.float32)
    place = np.full((rows * columns, 4), np.nan, np.float32)
    for thing in sorted(things, key=lambda thing: -thing.middle.y):  # the upper one of two under one token stays
        x, y = (min(max(thing.middle.x / view.width, 0), 0.9999), min(max(thing.middle.y / view.height, 0), 0.9999))
        token = int(y * rows) * columns + int(x * columns)
        holds[token, THINGS.index(thing.name)] = 1
        place[token] = (x * columns % 1, y * rows % 1, x, y)
    return Look(view, holds, place, _following(holds, place), kind, half_angle)


def _following(holds: np.ndarray, place: np.ndarray) -> np.ndarray:
    """[n, 2] the place, in the view, of what the next token that holds something holds."""
    held = np.flatnonzero(holds.any(axis=1))
    after = np.searchsorted(held, np.arange(len(holds)), side="right")
    return place[held[after % len(held)], 2:]
