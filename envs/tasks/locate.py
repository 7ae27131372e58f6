"""Where are the lesions of one type? All look alike on the first view."""

from collections.abc import Iterator
from typing import Literal

import numpy as np

from envs.episode import Question, Truth
from envs.phantoms.asking import asked, findings, one_of, place, written
from envs.phantoms.film import film, first_view, kind_drawn, pixel_mm, scattered, source
from envs.phantoms.series import Background, Setting, among, checked, series

ANSWERS = ("boxes", "points", "mixed")
MOST = 3
"""The most lesions that are asked for at once."""
WORDINGS = {
    "one": (
        "There are {alike} nodules on this film, and one of them is {kind}. {do} it.",
        "Of the {alike} nodules, {do_small} the only one that is {kind}.",
        "Exactly one nodule of {alike} is {kind}: {do_small} it.",
    ),
    "all": (
        "There are {alike} nodules on this film. {do} every one that is {kind}.",
        "{do} all {kind} nodules; {alike} nodules are to be seen in all.",
        "Which of the {alike} nodules are {kind}? {do} each of them.",
    ),
}
DO = {"boxes": "Box", "points": "Point at"}


def locate(
    split: str = "train",
    count: int = 100,
    start: int = 0,
    difficulty: float = 0.5,
    background: Background = "mixed",
    view_px: int = 128,
    answer: Literal["boxes", "points", "mixed"] = "mixed",
) -> Iterator[tuple[Question, Truth]]:
    """Ask for the boxes or points of one lesion of a type, or of all. Raises ValueError for a setting not allowed."""
    among("locate", "answer", answer, ANSWERS)

    def make(setting: Setting, number: int, rng: np.random.Generator) -> tuple[Question, Truth]:
        kind: Literal["boxes", "points"] = "boxes" if rng.integers(2) else "points"
        return _locate(setting, number, rng, kind if answer == "mixed" else answer)

    return series(make, checked("locate", split, difficulty, background, view_px), count, start)


def _locate(
    setting: Setting, number: int, rng: np.random.Generator, answer: Literal["boxes", "points"]
) -> tuple[Question, Truth]:
    plate = film(rng, setting)
    kind, mm, alike = kind_drawn(rng), pixel_mm(rng), plate.hardness.alike
    several = bool(rng.integers(2))
    wanted = int(rng.integers(1, min(MOST, alike - 1) + 1)) if several else 1
    kinds = [kind] * wanted + [kind_drawn(rng, but=kind) for _ in range(alike - wanted)]
    lesions = scattered(rng, plate, setting, kinds)
    picture = source(plate.painted(rng, lesions), plate.unit, spacing_mm=(mm, mm), modality=plate.tags["modality"])
    text = one_of(rng, WORDINGS["all" if several else "one"], alike=alike, kind=kind, do=DO[answer],
                  do_small=DO[answer].lower())  # fmt: skip
    boxes = [lesion.box(plate.factor) for lesion in lesions[:wanted]]
    regions = tuple(place(picture, box if answer == "boxes" else box.center) for box in boxes)
    tags = plate.tags | {"asked": "all" if several else "one"}
    question = asked(setting, number, text, answer, [picture], [first_view(picture, setting)], tags)
    within = float(plate.factor) if answer == "points" else None
    seen = findings(picture, lesions, plate.factor)
    return question, Truth(answer=written(regions), regions=regions, within=within, findings=seen)
