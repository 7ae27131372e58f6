"""What has changed since the prior film? Both are shown at first, and small: too small to tell types or mm."""

import math
from collections.abc import Iterator
from typing import Literal

import numpy as np

from envs.episode import Kind, Question, Truth
from envs.phantoms.asking import asked, one_of, place, written
from envs.phantoms.film import SPAN, Film, film, first_view, kind_drawn, pixel_mm, scattered, source
from envs.phantoms.masses import Ellipse, bounds
from envs.phantoms.series import Background, Setting, among, checked, series
from tools.ruler import digits
from tools.study import Source

WHATS = ("type", "growth", "mixed")
FACTOR = 4
SHIFT = 2
"""The most that a film which is not registered lies off the other, px of the first view, each way."""
PIXEL_MM = (0.1, 1.0)
FLAT = 30
"""How much of a background is left under a mass, in greys."""
WORDINGS = {
    "type": (
        "One of the {alike} nodules has changed its type since the prior film. Box it on the current film (img1).",
        "img0 is the prior film, img1 the current one. Which nodule has changed? Box it on img1.",
        "Compare the {alike} nodules with the prior film and box, on the current one, the one that is of another type.",
    ),
    "growth": (
        "By how many mm has the diameter of the bright mass grown since the prior film?",
        "How much wider, in mm, is the mass now than on the prior film?",
        "Measure the growth of the mass in diameter, in mm.",
    ),
}


def change(
    split: str = "train",
    count: int = 100,
    start: int = 0,
    difficulty: float = 0.5,
    background: Background = "mixed",
    view_px: int = 128,
    what: Literal["type", "growth", "mixed"] = "mixed",
    registered: bool | None = None,
) -> Iterator[tuple[Question, Truth]]:
    """Ask for the box of what has changed, or for growth in mm; `registered` False: the prior film lies off by a shift
    that its tags state; None: either. Raises ValueError for a setting that is not allowed.
    """
    among("change", "what", what, WHATS)

    def make(setting: Setting, number: int, rng: np.random.Generator) -> tuple[Question, Truth]:
        drawn, still = WHATS[int(rng.integers(2))], bool(rng.integers(2))
        shift = rng.integers(-SHIFT, SHIFT + 1, 2) * (not (still if registered is None else registered))
        asked_for = drawn if what == "mixed" else what
        return (_type if asked_for == "type" else _growth)(setting, number, rng, (int(shift[0]), int(shift[1])))

    return series(make, checked("change", split, difficulty, background, view_px), count, start)


def _type(setting: Setting, number: int, rng: np.random.Generator, shift: tuple[int, int]) -> tuple[Question, Truth]:
    before, now = _pair(rng, setting, shift, span=SPAN)
    lesions = scattered(rng, now, setting, [kind_drawn(rng) for _ in range(now.hardness.alike)])
    prior = [lesion._replace(x=lesion.x - shift[0], y=lesion.y - shift[1]) for lesion in lesions]
    prior[0] = prior[0]._replace(kind=kind_drawn(rng, but=lesions[0].kind))
    mm = pixel_mm(rng)
    sources = _sources(before, before.painted(rng, prior), now.painted(rng, lesions), mm)
    region = place(sources[1], lesions[0].box(FACTOR))
    text = one_of(rng, WORDINGS["type"], alike=len(lesions))
    question = _asked(setting, number, text, "boxes", sources, now.tags | _tags("type", shift))
    return question, Truth(answer=written([region]), regions=(region,))


def _growth(setting: Setting, number: int, rng: np.random.Generator, shift: tuple[int, int]) -> tuple[Question, Truth]:
    before, now = _pair(rng, setting, shift, span=FLAT)
    px, mm = now.clean.shape[0], round(math.exp(rng.uniform(*np.log(PIXEL_MM))), 4)
    x, y = rng.uniform(0.2, 0.8, 2) * px
    small = rng.uniform(0.035, 0.055) * px
    large = small * rng.uniform(1.4, 2.0)
    new = Ellipse(x, y, large, large).inside((px, px))
    old = Ellipse(x - shift[0] * FACTOR, y - shift[1] * FACTOR, small, small).inside((px, px))
    sources = _sources(before, before.massive(rng, old), now.massive(rng, new), mm)
    tags = now.tags | _tags("growth", shift)
    question = _asked(setting, number, one_of(rng, WORDINGS["growth"]), "number", sources, tags)
    grown = f"{digits(2 * (large - small) * mm)} mm"
    return question, Truth(answer=grown, regions=(place(sources[1], bounds(new)),), tolerance=0.1)


def _pair(rng: np.random.Generator, setting: Setting, shift: tuple[int, int], span: float) -> tuple[Film, Film]:
    """Two films of one background: the prior one, and the current one, on which all lies `shift` px of the first view
    farther right and down.
    """
    large = film(rng, setting, FACTOR, span, margin=SHIFT)
    px = setting.view_px * FACTOR
    x, y = ((SHIFT + off) * FACTOR for off in shift)
    before = large._replace(clean=large.clean[y : y + px, x : x + px])
    return before, large._replace(clean=large.clean[SHIFT * FACTOR :, SHIFT * FACTOR :][:px, :px])


def _sources(film: Film, prior: np.ndarray, current: np.ndarray, mm: float) -> tuple[Source, Source]:
    shared = {"spacing_mm": (mm, mm), "modality": film.tags["modality"]}
    return source(prior, film.unit, role="prior", **shared), source(current, film.unit, role="current", **shared)


def _tags(what: str, shift: tuple[int, int]) -> dict[str, str]:
    """With how far the current film lies right of and below the prior one, px of the source."""
    return {"what": what, "shift_px": f"{shift[0] * FACTOR} {shift[1] * FACTOR}"}


def _asked(
    setting: Setting, number: int, text: str, kind: Kind, sources: tuple[Source, Source], tags: dict[str, str]
) -> Question:
    views = [first_view(source, setting) for source in sources]
    return asked(setting, number, text, kind, sources, views, tags)
