"""On which side of the patient is the lesion? The first view is turned and mirrored at random: only a tool says how."""

from collections.abc import Iterator

import numpy as np

from envs.episode import Question, Truth
from envs.phantoms.asking import asked, chosen, one_of, place
from envs.phantoms.film import film, first_view, kind_drawn, pixel_mm, scattered, source
from envs.phantoms.series import Background, Setting, checked, series
from tools.sides import OPPOSITE, SIDES

CLEAR_PX = 8
"""How far from both middle lines of the first view a lesion lies."""
PLANES = (("I", "L"), ("P", "L"))
"""(down, right) of a coronal and an axial picture as radiologists see it; a file may hold it any way round."""
CHOICES = ("left", "right")
WORDINGS = (
    "On which side of the patient is the nodule? The view may be turned or mirrored.",
    "Is the nodule on the patient's left or right? Do not trust the way the picture is shown.",
    "The picture may be shown turned or mirrored. On the patient's which side does the nodule lie?",
)


def side(
    split: str = "train",
    count: int = 100,
    start: int = 0,
    difficulty: float = 0.5,
    background: Background = "mixed",
    view_px: int = 128,
) -> Iterator[tuple[Question, Truth]]:
    """Ask for the side of the patient that a lesion is on. Raises ValueError for a setting that is not allowed."""
    return series(_side, checked("side", split, difficulty, background, view_px), count, start)


def _side(setting: Setting, number: int, rng: np.random.Generator) -> tuple[Question, Truth]:
    plate = film(rng, setting)
    (lesion,) = scattered(rng, plate, setting, [kind_drawn(rng)], CLEAR_PX)
    down, right = _stored(rng)
    mm = pixel_mm(rng)
    picture = source(
        plate.painted(rng, [lesion]), plate.unit, spacing_mm=(mm, mm), modality=plate.tags["modality"],
        orientation=(down, right),
    )  # fmt: skip
    view = first_view(picture, setting, mirrored=bool(rng.integers(2)), turns=int(rng.integers(4)))
    across, grows = (lesion.x, right) if right in "LR" else (lesion.y, down)
    letter = grows if across > setting.view_px / 2 else OPPOSITE[grows]
    question = asked(setting, number, one_of(rng, WORDINGS), "choice", [picture], [view], plate.tags, CHOICES)
    return question, Truth(**chosen(CHOICES, SIDES[letter]), regions=(place(picture, lesion.box(plate.factor)),))


def _stored(rng: np.random.Generator) -> tuple[str, str]:
    """The sides of the patient towards which rows and columns grow: any of the eight ways of a plane."""
    down, right = PLANES[int(rng.integers(len(PLANES)))]
    down, right = (OPPOSITE[s] if rng.integers(2) else s for s in (down, right))
    return (right, down) if rng.integers(2) else (down, right)
