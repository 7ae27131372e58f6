"""All made-up families, mixed."""

from collections.abc import Iterator, Sequence

import numpy as np

from envs.episode import Question, Truth
from envs.phantoms.series import Background, Setting, among, checked, series
from tools.lookup import find

FAMILIES = ("shape", "locate", "count", "measure", "window", "volume", "clip", "change", "side", "hierarchy")


def phantoms(
    families: Sequence[str] = FAMILIES,
    weights: Sequence[float] | None = None,
    split: str = "train",
    count: int = 100,
    start: int = 0,
    difficulty: float = 0.5,
    background: Background = "mixed",
    view_px: int = 128,
) -> Iterator[tuple[Question, Truth]]:
    """Questions of several families, drawn by `weights` (None: each as often).

    Question n of the mix is question n of its family. Raises ValueError for a setting that is not allowed.
    """
    for family in families:
        among("phantoms", "family", family, FAMILIES)
    shares = _shares(families, weights)

    def make(setting: Setting, number: int, rng: np.random.Generator) -> tuple[Question, Truth]:
        family = families[int(rng.choice(len(families), p=shares))]
        return next(find("envs.tasks", family)(split, 1, number, difficulty, background, view_px))

    return series(make, checked("phantoms", split, difficulty, background, view_px), count, start)


def _shares(families: Sequence[str], weights: Sequence[float] | None) -> np.ndarray:
    """[families] how often each is drawn; they sum to 1."""
    given = np.ones(len(families)) if weights is None else np.asarray(weights, float)
    if not families or given.shape != (len(families),):
        raise ValueError(f"phantoms: {len(given)} weights for {len(families)} families; give one for each")
    if not (np.isfinite(given).all() and (given >= 0).all() and given.sum() > 0):
        raise ValueError(f"phantoms: weights {given.tolist()} are not shares; give numbers from 0, not all 0")
    return given / given.sum()
