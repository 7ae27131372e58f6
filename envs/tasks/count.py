"""How many lesions are of one type? How many there are in all is the same at each difficulty, so that says nothing."""

from collections.abc import Iterator

import numpy as np

from envs.episode import Question, Truth
from envs.phantoms.asking import asked, findings, one_of
from envs.phantoms.film import film, first_view, kind_drawn, pixel_mm, scattered, source
from envs.phantoms.series import Background, Setting, checked, series

WORDINGS = (
    "How many of the {alike} nodules are {kind}?",
    "There are {alike} nodules. Count those that are {kind}.",
    "Of {alike} nodules on this film, how many are {kind}?",
    "Give the number of {kind} nodules among the {alike} to be seen.",
)


def count(
    split: str = "train",
    count: int = 100,
    start: int = 0,
    difficulty: float = 0.5,
    background: Background = "mixed",
    view_px: int = 128,
) -> Iterator[tuple[Question, Truth]]:
    """Ask how many lesions are of a type: from none to all, each as likely. Raises ValueError for a bad setting."""
    return series(_count, checked("count", split, difficulty, background, view_px), count, start)


def _count(setting: Setting, number: int, rng: np.random.Generator) -> tuple[Question, Truth]:
    plate = film(rng, setting)
    kind, mm, alike = kind_drawn(rng), pixel_mm(rng), plate.hardness.alike
    those = int(rng.integers(alike + 1))
    kinds = [kind] * those + [kind_drawn(rng, but=kind) for _ in range(alike - those)]
    lesions = scattered(rng, plate, setting, kinds)
    picture = source(plate.painted(rng, lesions), plate.unit, spacing_mm=(mm, mm), modality=plate.tags["modality"])
    text = one_of(rng, WORDINGS, alike=alike, kind=kind)
    question = asked(setting, number, text, "count", [picture], [first_view(picture, setting)], plate.tags)
    seen = findings(picture, lesions, plate.factor)
    return question, Truth(answer=str(those), regions=tuple(finding.place for finding in seen[:those]), findings=seen)
