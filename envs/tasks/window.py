"""What lies where the first grey window of a CT shows only black or only white? Its values are cut off, not dim."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np

from envs.episode import Question, Truth
from envs.phantoms.asking import asked, chosen, one_of, place, shuffled
from envs.phantoms.film import first_view, kind_drawn, noise, pixel_mm
from envs.phantoms.ground import ground
from envs.phantoms.lesions import KINDS, covers
from envs.phantoms.masses import Ellipse, bounds
from envs.phantoms.series import Background, Setting, among, checked, series
from tools.study import Source

WHATS = ("quadrant", "type", "value", "mixed")
QUADRANTS = ("upper left", "upper right", "lower left", "lower right")
FACTOR = 4
HU_WITHIN = 20.0
NOISE_HU = (8, 25)
BODY_HU = (-120, 140)
"""The background, inside the soft tissue window, which runs from -160 to 240."""


class Field(NamedTuple):
    """A part of the picture that lies outside the soft tissue window, HU, with all that is in it."""

    name: str
    looks: str
    """As it is shown at first."""
    value: float
    lesion: tuple[float, float]
    """The values a lesion may have."""
    gap: tuple[float, float]
    """How much a lesion differs from the field at least, easy and hard."""


FIELDS = (
    Field("lung", "black", -880, (-780, -320), (250, 100)),
    Field("bone", "white", 480, (650, 1500), (400, 170)),
)
WORDINGS = {
    "quadrant": (
        "There is a nodule in the part that looks {looks}. In which quadrant of the picture does it lie?",
        "In which quadrant is the nodule inside the {name}?",
        "The {name} hides one nodule: in which quadrant of the picture?",
    ),
    "type": (
        "There is a nodule in the part that looks {looks}. Of what type is it?",
        "Classify the nodule inside the {name}.",
        "What type is the nodule that the {name} hides?",
    ),
    "value": (
        "There is a nodule in the part that looks {looks}. What is its mean value, in HU?",
        "How many HU does the nodule inside the {name} have?",
        "Measure the density, in HU, of the nodule that the {name} hides.",
    ),
}


def window(
    split: str = "train",
    count: int = 100,
    start: int = 0,
    difficulty: float = 0.5,
    background: Background = "mixed",
    view_px: int = 128,
    what: Literal["quadrant", "type", "value", "mixed"] = "mixed",
) -> Iterator[tuple[Question, Truth]]:
    """Ask for the quadrant, the type or the HU of a lesion that is cut off. Raises ValueError for a bad setting."""
    among("window", "what", what, WHATS)

    def make(setting: Setting, number: int, rng: np.random.Generator) -> tuple[Question, Truth]:
        drawn = WHATS[int(rng.integers(3))]
        return _window(setting, number, rng, drawn if what == "mixed" else what)

    return series(make, checked("window", split, difficulty, background, view_px), count, start)


def _window(setting: Setting, number: int, rng: np.random.Generator, what: str) -> tuple[Question, Truth]:
    px = setting.view_px * FACTOR
    body = ground(rng, setting, px, FACTOR)
    field = FIELDS[int(rng.integers(len(FIELDS)))]
    values = BODY_HU[0] + (BODY_HU[1] - BODY_HU[0]) * body.values
    middle, radii = rng.uniform(0.47, 0.53, 2) * px, rng.uniform(0.34, 0.40, 2) * px
    values[Ellipse(*middle, *radii).inside((px, px))] = field.value
    kind = "solid" if what == "value" else kind_drawn(rng)
    quadrant, inside = _lesion(rng, px, kind)
    values[inside] = _value(rng, field, setting)
    stored = (values + setting.between(*NOISE_HU) * noise(rng, (px, px))).astype(np.int16)
    mm = pixel_mm(rng)
    picture = Source.of(stored, unit="HU", modality="CT", spacing_mm=(mm, mm), spacing_note="made up")
    choices = {"quadrant": QUADRANTS, "type": shuffled(rng, KINDS), "value": ()}[what]
    tags = body.tags | {"modality": "CT", "what": what, "field": field.name}
    text = one_of(rng, WORDINGS[what], looks=field.looks, name=field.name)
    views = [first_view(picture, setting)]
    question = asked(setting, number, text, "choice" if choices else "number", [picture], views, tags, choices)
    regions = (place(picture, bounds(inside)),)
    if what == "value":
        return question, Truth(answer=f"{stored[inside].mean():.0f} HU", regions=regions, within=HU_WITHIN)
    right = kind if what == "type" else QUADRANTS[quadrant]
    return question, Truth(**chosen(choices, right), regions=regions)


def _lesion(rng: np.random.Generator, px: int, kind: str) -> tuple[int, np.ndarray]:
    """The quadrant (0 to 3) that a lesion lies in, and its pixels: (px, px), bool."""
    quadrant, radius = int(rng.integers(4)), rng.uniform(0.035, 0.055) * px
    x, y = px / 2 + np.where([quadrant % 2, quadrant // 2], 1, -1) * rng.uniform(0.08, 0.14, 2) * px
    inside = np.zeros((px, px), bool)
    part = [np.s_[int(middle - radius) : int(middle + radius) + 2] for middle in (y, x)]
    v, u = (np.abs(np.arange(px)[cut] + 0.5 - middle) / radius for cut, middle in zip(part, (y, x), strict=True))
    inside[part[0], part[1]] = covers(kind, u[None, :], v[:, None])
    return quadrant, inside


def _value(rng: np.random.Generator, field: Field, setting: Setting) -> float:
    """The HU of a lesion: far from the field's, the farther the easier."""
    low, high = field.lesion
    return float(rng.uniform(max(low, field.value + setting.between(*field.gap)), high))
