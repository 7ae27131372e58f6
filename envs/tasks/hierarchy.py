"""Questions that hang together: is there one, and if so, where? Both are of one study, and share a report.

Report n has the questions 2 n (the parent) and 2 n + 1 (its child, whose truth is that there is none where the parent's
is no).
"""

from collections.abc import Iterator

import numpy as np

from envs.episode import Question, Truth
from envs.phantoms.asking import asked, chosen, findings, one_of
from envs.phantoms.film import film, first_view, kind_drawn, pixel_mm, scattered, source
from envs.phantoms.series import Background, Setting, checked, series

LEVELS = 2
CLEAR_PX = 3
NONE = "there is none"
QUADRANTS = ("upper left", "upper right", "lower left", "lower right")
WORDINGS = (
    (
        "Is any of the {alike} nodules {kind}?",
        "{alike} nodules are to be seen. Is one of them {kind}?",
        "Is there a {kind} nodule among the {alike}?",
    ),
    (
        "In which quadrant of the picture is the {kind} nodule?",
        "Where does the {kind} nodule lie?",
        "Which quadrant of the picture holds the nodule that is {kind}?",
    ),
)


def hierarchy(
    split: str = "train",
    count: int = 100,
    start: int = 0,
    difficulty: float = 0.5,
    background: Background = "mixed",
    view_px: int = 128,
) -> Iterator[tuple[Question, Truth]]:
    """Ask whether a type of lesion is there, then where; `count` questions. Raises ValueError for a bad setting."""
    return series(_hierarchy, checked("hierarchy", split, difficulty, background, view_px), count, start)


def _hierarchy(setting: Setting, number: int, rng: np.random.Generator) -> tuple[Question, Truth]:
    report, level = divmod(number, LEVELS)
    wording, rng = rng, setting.rng(report)  # one study for all questions of a report
    plate = film(rng, setting)
    kind, mm, there = kind_drawn(rng), pixel_mm(rng), bool(rng.integers(2))
    kinds = [kind_drawn(rng, but=kind) for _ in range(plate.hardness.alike)]
    if there:
        kinds[0] = kind
    lesions = scattered(rng, plate, setting, kinds, CLEAR_PX)
    picture = source(plate.painted(rng, lesions), plate.unit, spacing_mm=(mm, mm), modality=plate.tags["modality"])
    text = one_of(wording, WORDINGS[level], alike=len(lesions), kind=kind)
    parent = f"{setting.origin}/{report * LEVELS}" if level else ""
    tags = plate.tags | {"report": f"{setting.origin}/report{report}", "parent": parent, "level": str(level)}
    choices = (*QUADRANTS, NONE) if level else ()
    question = asked(
        setting, number, text, "choice" if level else "yes_no", [picture], [first_view(picture, setting)], tags, choices
    )
    seen = findings(picture, lesions, plate.factor)
    regions = (seen[0].place,) if there else ()
    if level == 0:
        return question, Truth(answer="yes" if there else "no", regions=regions, findings=seen)
    middle = setting.view_px / 2
    where = QUADRANTS[2 * (lesions[0].y > middle) + (lesions[0].x > middle)] if there else NONE
    return question, Truth(**chosen(choices, where), regions=regions, findings=seen)
