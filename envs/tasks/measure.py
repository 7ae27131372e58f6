"""How large is it? The first view shows how many pixels, and not how large a pixel is: only a ruler tells mm.

Pixels are 0.1 to 1 mm, log-uniformly, so a length that is told from a first view is right within the tolerance in about
9 of 100 cases, and an area in 4. The angle is that of two crossing fibres as small as a small lesion: the first view is
the same to the last bit whatever the angle.
"""

import math
from collections.abc import Iterator
from typing import Literal

import numpy as np

from envs.episode import Question, Truth
from envs.phantoms.asking import asked, one_of, place
from envs.phantoms.film import film, first_view, pixel_mm, source
from envs.phantoms.lesions import FINE, coarse, mirrored, places, shares
from envs.phantoms.masses import Ellipse, bounds
from envs.phantoms.series import Background, Setting, among, checked, series
from tools.geometry import Box
from tools.ruler import digits

WHATS = ("axis", "area", "angle", "mixed")
PIXEL_MM = (0.1, 1.0)
STRETCH = 1.5
"""The most that a pixel is longer one way than the other."""
FLAT = 30
"""How much of a background is left under what is outlined, in greys."""
ANGLES = (30, 150)
ANGLE_WITHIN = 6.0
"""Degrees: about what half a pixel is at the end of a fibre."""
FIBRE_FACTOR = 6
HALF_FIBRE = 0.8
"""Half the thickness of a fibre, px of the source."""
WORDINGS = {
    "axis": (
        "How long is the mass along its longest axis, in mm?",
        "What is the longest diameter of the bright mass, in mm?",
        "Measure the long axis of the mass in mm.",
    ),
    "area": (
        "What is the area of the bright mass, in mm²?",
        "How many mm² does the mass cover?",
        "Measure the area of the mass in mm².",
    ),
    "angle": (
        "Two fibres cross. What is the angle between their upper halves, in degrees?",
        "How wide, in degrees, do the two crossing fibres open upwards?",
        "Measure the angle at the top of the crossing of the two fibres, in degrees.",
    ),
}


def measure(
    split: str = "train",
    count: int = 100,
    start: int = 0,
    difficulty: float = 0.5,
    background: Background = "mixed",
    view_px: int = 128,
    what: Literal["axis", "area", "angle", "mixed"] = "mixed",
) -> Iterator[tuple[Question, Truth]]:
    """Ask for a length in mm, an area in mm² or an angle in degrees. Raises ValueError for a setting not allowed."""
    among("measure", "what", what, WHATS)

    def make(setting: Setting, number: int, rng: np.random.Generator) -> tuple[Question, Truth]:
        drawn = WHATS[int(rng.integers(3))]
        asked_for = drawn if what == "mixed" else what
        return _fibres(setting, number, rng) if asked_for == "angle" else _mass(setting, number, rng, asked_for)

    return series(make, checked("measure", split, difficulty, background, view_px), count, start)


def _mass(setting: Setting, number: int, rng: np.random.Generator, what: str) -> tuple[Question, Truth]:
    plate = film(rng, setting, span=FLAT)
    mm = _stretched(rng)
    mass = _ellipse(rng, plate.clean.shape[0], mm)
    inside = mass.inside(plate.clean.shape, mm)
    picture = source(plate.massive(rng, inside), plate.unit, spacing_mm=mm[::-1], modality=plate.tags["modality"])
    lengths = {"axis": 2 * mass.a, "area": math.pi * mass.a * mass.b}
    unit = {"axis": "mm", "area": "mm²"}[what]
    tags = plate.tags | {"what": what}
    question = asked(
        setting, number, one_of(rng, WORDINGS[what]), "number", [picture], [first_view(picture, setting)], tags
    )
    region = place(picture, bounds(inside))
    return question, Truth(answer=f"{digits(lengths[what])} {unit}", regions=(region,), tolerance=0.1)


def _stretched(rng: np.random.Generator) -> tuple[float, float]:
    """The size of a pixel, (x, y), mm."""
    mm = math.exp(rng.uniform(*np.log(PIXEL_MM)))
    stretch = STRETCH ** rng.uniform(-0.5, 0.5)
    return round(mm * stretch, 4), round(mm / stretch, 4)


def _ellipse(rng: np.random.Generator, px: int, mm: tuple[float, float]) -> Ellipse:
    long_mm = px * math.sqrt(mm[0] * mm[1]) * rng.uniform(0.05, 0.12)
    x, y = rng.uniform(0.2, 0.8, 2) * px
    return Ellipse(x, y, long_mm, long_mm * rng.uniform(0.45, 0.8), rng.uniform(0, math.pi))


def _fibres(setting: Setting, number: int, rng: np.random.Generator) -> tuple[Question, Truth]:
    plate = film(rng, setting, FIBRE_FACTOR)
    degrees, mm = int(rng.integers(ANGLES[0], ANGLES[1] + 1)), pixel_mm(rng)
    ((x, y),) = places(rng, setting.view_px, 1)
    drawn = fibres(degrees, FIBRE_FACTOR, round(plate.hardness.strength * plate.unit * FIBRE_FACTOR**2))
    values, x0, y0 = plate.exposed(rng), (x - 1) * FIBRE_FACTOR, (y - 1) * FIBRE_FACTOR
    values[y0 : y0 + 2 * FIBRE_FACTOR, x0 : x0 + 2 * FIBRE_FACTOR] += drawn
    picture = source(plate.stored(values), plate.unit, spacing_mm=(mm, mm), modality=plate.tags["modality"])
    tags = plate.tags | {"what": "angle"}
    question = asked(
        setting, number, one_of(rng, WORDINGS["angle"]), "number", [picture], [first_view(picture, setting)], tags
    )
    inner = bounds(drawn > 0)
    box = Box(x0=inner.x0 + x0, y0=inner.y0 + y0, x1=inner.x1 + x0, y1=inner.y1 + y0)
    return question, Truth(answer=f"{degrees} degrees", regions=(place(picture, box),), within=ANGLE_WITHIN)


def fibres(degrees: float, factor: int, total: int) -> np.ndarray:
    """(2 factor, 2 factor), int16: two lines that cross in the middle and open upwards by an angle.

    Each quarter has the sum `total`, so no block of the first view tells the angle.
    """
    half, along = math.radians(degrees / 2), (np.arange(factor * FINE) + 0.5) / FINE
    u, v = along[None, :], along[:, None]
    covered = (np.abs(u * math.cos(half) - v * math.sin(half)) <= HALF_FIBRE) & (np.hypot(u, v) <= factor)
    return mirrored(shares(coarse(covered, factor), total))
