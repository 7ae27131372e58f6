"""At which frame of a film does it happen? The film opens on its first frame, before anything has."""

from collections.abc import Iterator
from typing import Literal

import numpy as np

from envs.episode import Question, Truth
from envs.phantoms.asking import asked, one_of, place
from envs.phantoms.film import DARK, MASS, first_view, noise
from envs.phantoms.ground import Hardness, ground
from envs.phantoms.masses import Ellipse, bounds
from envs.phantoms.series import Background, Setting, among, checked, series
from tools.grey import Grey
from tools.study import Source

EVENTS = ("appears", "disappears", "mixed")
FRAMES = (12, 40)
"""How many, easy and hard."""
FLAT = 30
"""How much of a background is left, in greys."""
SWAY_PX = 2
"""How far the picture moves with each breath."""
WORDINGS = {
    "appears": (
        "A bright spot appears in this film and stays. On which frame is it seen first?",
        "At which frame does the bright spot appear?",
        "Find the first frame with the bright spot.",
    ),
    "disappears": (
        "The bright spot of this film goes out for good. Which is the first frame without it?",
        "At which frame has the bright spot disappeared?",
        "Find the first frame on which the bright spot is gone.",
    ),
}


def clip(
    split: str = "train",
    count: int = 100,
    start: int = 0,
    difficulty: float = 0.5,
    background: Background = "mixed",
    view_px: int = 128,
    event: Literal["appears", "disappears", "mixed"] = "mixed",
) -> Iterator[tuple[Question, Truth]]:
    """Ask for the frame from which on a spot is there, or gone. Raises ValueError for a setting not allowed."""
    among("clip", "event", event, EVENTS)

    def make(setting: Setting, number: int, rng: np.random.Generator) -> tuple[Question, Truth]:
        drawn = EVENTS[int(rng.integers(2))]
        return _clip(setting, number, rng, drawn if event == "mixed" else event)

    return series(make, checked("clip", split, difficulty, background, view_px), count, start)


def _clip(setting: Setting, number: int, rng: np.random.Generator, event: str) -> tuple[Question, Truth]:
    hardness, px, frames = Hardness.of(setting), setting.view_px, round(setting.between(*FRAMES))
    values, sway, tags = _frames(rng, setting, frames)
    turn = int(rng.integers(1, frames))
    x, y = (int(n) for n in rng.integers(px // 5, px - px // 5, 2))
    radius = float(rng.uniform(0.03, 0.05) * px)
    shown = range(turn, frames) if event == "appears" else range(turn)
    spots = {index: Ellipse(x + sway[index], y, radius, radius).inside((px, px)) for index in {*shown, turn}}
    for index in shown:
        values[index] += MASS * hardness.strength * spots[index]
    times = tuple(round(0.04 * n, 2) for n in range(frames))
    film = Source.of(
        np.maximum(values, 0, out=values).astype(np.uint8), axes="tyx", times_s=times, modality=tags["modality"],
        presets=(Grey.between(0, 255),),
    )  # fmt: skip
    question = asked(
        setting, number, one_of(rng, WORDINGS[event]), "sequence", [film], [first_view(film, setting)],
        tags | {"event": event},
    )  # fmt: skip
    return question, Truth(answer=str(turn), regions=(place(film, bounds(spots[turn]), turn),), within=0.0)


def _frames(rng: np.random.Generator, setting: Setting, frames: int) -> tuple[np.ndarray, list[int], dict[str, str]]:
    """(frames, px, px), float32: a background that sways, and noise; how far it has, px; and its tags."""
    px = setting.view_px
    drawn = ground(rng, setting, px + 2 * SWAY_PX, 1)
    flat = DARK + FLAT * drawn.values[:px]
    phase = rng.uniform(0, 2 * np.pi)
    sway = np.rint(SWAY_PX * np.sin(phase + np.arange(frames) / 3)).astype(int).tolist()
    values = Hardness.of(setting).noise * noise(rng, (frames, px, px))
    for index, moved in enumerate(sway):
        values[index] += flat[:, SWAY_PX - moved :][:, :px]
    return values, sway, drawn.tags
