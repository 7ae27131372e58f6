"""What type is the lesion? Its first view is the same for all four types: only a closer look can tell."""

from collections.abc import Iterator

import numpy as np

from envs.episode import Question, Truth
from envs.phantoms.asking import asked, chosen, findings, one_of, shuffled
from envs.phantoms.film import film, first_view, kind_drawn, pixel_mm, scattered, source
from envs.phantoms.lesions import KINDS
from envs.phantoms.series import Background, Setting, checked, series

WORDINGS = (
    "There is one nodule on this film. Of what type is it?",
    "What type of nodule is this?",
    "Look closely at the bright nodule: which type describes it?",
    "Classify the nodule.",
)


def shape(
    split: str = "train",
    count: int = 100,
    start: int = 0,
    difficulty: float = 0.5,
    background: Background = "mixed",
    view_px: int = 128,
) -> Iterator[tuple[Question, Truth]]:
    """Ask for the type of one lesion. Raises ValueError for a setting that is not allowed."""
    return series(_shape, checked("shape", split, difficulty, background, view_px), count, start)


def _shape(setting: Setting, number: int, rng: np.random.Generator) -> tuple[Question, Truth]:
    plate = film(rng, setting)
    kind, mm = kind_drawn(rng), pixel_mm(rng)
    (lesion,) = scattered(rng, plate, setting, [kind])
    picture = source(plate.painted(rng, [lesion]), plate.unit, spacing_mm=(mm, mm), modality=plate.tags["modality"])
    choices = shuffled(rng, KINDS)
    question = asked(
        setting, number, one_of(rng, WORDINGS), "choice", [picture], [first_view(picture, setting)], plate.tags, choices
    )
    seen = findings(picture, [lesion], plate.factor)
    return question, Truth(**chosen(choices, kind), regions=(seen[0].place,), findings=seen)
