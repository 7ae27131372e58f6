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
from sft.strategies import CLOSE, FACTOR, HUNDREDTHS, begins, close_look
from sft.strategies.measure import FIBRES, FIBRES_FACTOR, MASS, MASS_FACTOR
from tools.geometry import Box, Point
from tools.image import Image
from tools.zoom import zoom

THINGS = ("nodule", "mass", "fibres")
"""What a token can hold the middle of."""
CLOSER = {
    "nodule": ((CLOSE, FACTOR),),
    "mass": ((MASS, MASS_FACTOR),),
    "fibres": ((MASS, MASS_FACTOR), (FIBRES, FIBRES_FACTOR)),
}
"""The close looks that an expert takes at each, the closest last: their side in hundredths of the view, how many times
they are enlarged."""
OFF = 0.35
"""How far a close look misses its middle at most, as a share of its side."""
MOST = 8
"""So many things of a view are counted."""
UNKNOWN = -100
"""A target that is not scored, as in torch's cross entropy."""


class Look(NamedTuple):
    """One view, and what its tokens should tell; n tokens, in the order of rows."""

    view: Image
    holds: np.ndarray
    """[n, things] 1.0 where the middle of such a thing lies under the token."""
    place: np.ndarray
    """[n, 4] of that middle: across and down the token, across and down the view, each from 0 to 1; NaN: no thing."""
    told_of: np.ndarray
    """[n, 2] of the middle of a thing that the token tells of, across and down the view: those in the first column
    of the first in reading order, in the second of the second, and after the last of the first again. So a language
    model need not find the token that holds a thing, which it learns far later than to look at a fixed column."""
    rank: np.ndarray
    """[n] which of the things it is that the token holds, in reading order from 0; UNKNOWN where it holds none. So
    the first, the next, and the one after it can be asked for."""
    digits: np.ndarray
    """[n, 8] of the same place, in hundredths of the view as replies write it: tens and units of how
    far across and down it lies, then of where a close look at it begins."""
    kind: int
    """The type of the lesion of a close look; UNKNOWN on others."""
    half_angle: float
    """Between two fibres, radians, of a close look; NaN on others."""


def looks(question: Question, truth: Truth, limits: Limits, rng: np.random.Generator) -> Iterator[Look]:
    """The first view of a question, and close looks at up to two things on it; none where no place is known."""
    view, things = question.images[0], _things(question, truth)
    if things:
        yield _look(view, things, limits)
    for chosen in rng.permutation(len(things))[:2]:
        thing = things[chosen]
        for look in CLOSER[thing.name]:
            closest = look == CLOSER[thing.name][-1]
            yield _close(view, thing if closest else thing._replace(half_angle=math.nan), rng, limits, *look)


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


def _close(view: Image, thing: _Thing, rng: np.random.Generator, limits: Limits, side: int, factor: int) -> Look:
    """A close look that has the thing nearly in its middle."""
    x, y = rng.uniform(-OFF, OFF, 2) * side / HUNDREDTHS
    call = close_look(view, Point(x=thing.middle.x + x * view.width, y=thing.middle.y + y * view.height), side, factor)
    shown = zoom(view, Box.model_validate(call.arguments["box"]), factor).images[0]
    at = shown.from_source.point(view.to_source.point(thing.middle))
    return _look(shown, [thing._replace(middle=at)], limits, thing.kind, thing.half_angle)


def _look(
    view: Image, things: Sequence[_Thing], limits: Limits, kind: int = UNKNOWN, half_angle: float = math.nan
) -> Look:
    columns, rows = (size // limits.patch for size in limits.size(view))
    holds = np.zeros((rows * columns, len(THINGS)), np.float32)
    place = np.full((rows * columns, 4), np.nan, np.float32)
    rank = np.full(rows * columns, UNKNOWN, np.int64)
    lies = [(_share(thing.middle.x, view.width), _share(thing.middle.y, view.height), thing.name) for thing in things]
    in_order = sorted(lies, key=lambda one: (int(one[1] * rows), one[0]))
    for number, (x, y, name) in reversed([*enumerate(in_order)]):  # the first of two under one token stays
        token = int(y * rows) * columns + int(x * columns)
        holds[token, THINGS.index(name)] = 1
        place[token] = (x * columns % 1, y * rows % 1, x, y)
        rank[token] = number if number < MOST else UNKNOWN
    told_of = np.array([in_order[token % columns % len(things)][:2] for token in range(rows * columns)], np.float32)
    digits = np.array([_digits(x, y) for x, y in told_of.tolist()])
    return Look(view, holds, place, told_of, rank, digits, kind, half_angle)


def _digits(x: float, y: float) -> list[int]:
    at = [min(round(share * HUNDREDTHS), HUNDREDTHS - 1) for share in (x, y)]
    return [digit for number in (*at, begins(x), begins(y)) for digit in divmod(number, 10)]


def _share(at: float, length: float) -> float:
    return min(max(at / length, 0), 0.9999)
