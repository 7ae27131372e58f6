"""Made-up films with one bright disc of known size: the smallest task with a true answer in mm."""

from collections.abc import Iterator

import numpy as np

from envs.episode import Question, Truth
from tools.geometry import Box
from tools.image import Image, Place
from tools.study import Source, Study

SPLITS = {"train": 0, "validation": 1, "test": 2}
WORDINGS = ("What is the diameter of the bright disc, in mm?",)


def discs(
    split: str = "train", count: int = 100, start: int = 0, view_px: int = 256
) -> Iterator[tuple[Question, Truth]]:
    """Ask for the diameter, mm, of a disc on a 256 by 256 film, first shown `view_px` wide; from number `start`.

    Raises ValueError for an unknown split.
    """
    if split not in SPLITS:
        raise ValueError(f"no split {split!r}; there are: {', '.join(SPLITS)}")
    for number in range(start, start + count):
        yield _disc(f"discs/{split}", number, np.random.default_rng([SPLITS[split], number]), view_px)


def _disc(origin: str, number: int, rng: np.random.Generator, view_px: int) -> tuple[Question, Truth]:
    radius = int(rng.integers(10, 40))
    x, y = (int(n) for n in rng.integers(radius + 1, 255 - radius, size=2))
    mm = round(float(rng.uniform(0.2, 0.8)), 3)
    source = Source.of(_film(rng, x, y, radius), spacing_mm=(mm, mm), spacing_note="made up")
    image = Image.of(source, limit=view_px)
    question = Question(
        id=f"{origin}/{number}",
        text=WORDINGS[0],
        study=Study(sources=(source,)),
        images=(image,),
        kind="number",
        origin=origin,
        tags={"family": "discs"},
    )
    disc = Box(x0=x - radius, y0=y - radius, x1=x + radius, y1=y + radius)
    return question, Truth(answer=f"{2 * radius * mm:.1f} mm", regions=(Place(source=source.id, shape=disc),))


def _film(rng: np.random.Generator, x: int, y: int, radius: int) -> np.ndarray:
    """(256, 256), uint8: noise around 60, and a disc around (x, y), px, that is 120 brighter."""
    rows, columns = np.mgrid[:256, :256] + 0.5
    film = rng.normal(60, 10, (256, 256))
    film[(columns - x) ** 2 + (rows - y) ** 2 <= radius**2] += 120
    return film.clip(0, 255).astype(np.uint8)
