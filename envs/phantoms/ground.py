"""What a lesion lies on: a made-up scene, or a part of a real picture."""

from typing import NamedTuple

import cv2
import numpy as np

from envs.phantoms.pictures import Picture, pictures_for
from envs.phantoms.scenes import scene
from envs.phantoms.series import Setting
from tools.geometry import Frozen

CROP = (0.45, 1.0)
"""How much of the shorter side of a real picture is taken."""


class Ground(NamedTuple):
    values: np.ndarray
    """(px, px), float32, in [0, 1]."""
    coarse: np.ndarray
    """(px / factor, px / factor), float32: the same as a first view shows it."""
    tags: dict[str, str]
    """What it is: "background", "modality", and the "picture" where it is real."""


def ground(rng: np.random.Generator, setting: Setting, px: int, factor: int) -> Ground:
    """A background of px by px, of which the first view is `factor` times smaller."""
    found = pictures_for(setting) if setting.background != "synthetic" else ()
    real = bool(rng.integers(2)) or setting.background == "real"
    if not (found and real):
        coarse = scene(rng, px // factor)
        values = cv2.resize(coarse, (px, px), interpolation=cv2.INTER_LINEAR)
        return Ground(values, coarse, {"background": "synthetic", "modality": "CR"})
    picture = found[int(rng.integers(len(found)))]
    values = _part(rng, picture, px)
    coarse = cv2.resize(values, (px // factor, px // factor), interpolation=cv2.INTER_AREA)
    return Ground(values, coarse, {"background": "real", "picture": picture.name, "modality": picture.modality})


def _part(rng: np.random.Generator, picture: Picture, px: int) -> np.ndarray:
    """A square of a picture, turned and mirrored at random: which way it lies says nothing of the patient."""
    height, width = picture.values.shape
    side = int(rng.uniform(*CROP) * min(height, width))
    y, x = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
    part = picture.values[y : y + side, x : x + side]
    part = np.rot90(part[:, ::-1] if rng.integers(2) else part, int(rng.integers(4)))
    return cv2.resize(np.ascontiguousarray(part), (px, px), interpolation=cv2.INTER_LINEAR)


class Hardness(Frozen):
    """What `difficulty` changes, from 0 to 1."""

    strength: float
    """How much brighter a lesion is, on average over its box, in greys of 0 to 255."""
    noise: float
    """The standard deviation of the noise, in the same greys."""
    ratio: float
    """How many times more a lesion stands out from its surroundings than anything in the background."""
    alike: int
    """How many lesions look alike, where there are several."""

    @classmethod
    def of(cls, setting: Setting) -> "Hardness":
        return cls(
            strength=setting.between(44, 32),
            noise=setting.between(3, 8),
            ratio=setting.between(5, 3),
            alike=round(setting.between(3, 8)),
        )
