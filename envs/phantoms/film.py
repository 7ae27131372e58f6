"""A film to draw lesions on: a background and noise, in whole numbers, with nothing on it that looks like a lesion."""

from collections.abc import Iterable
from statistics import NormalDist
from typing import Any, NamedTuple

import cv2
import numpy as np

from envs.phantoms.ground import Hardness, ground
from envs.phantoms.lesions import KINDS, Lesion, paint, places
from envs.phantoms.series import Setting
from tools.grey import Grey
from tools.image import Image
from tools.study import Source

DARK, SPAN = 16, 90
"""The darkest background and the most that another part may be brighter, in greys of 0 to 255."""
MASS = 2.0
"""How many times brighter a mass is than a small lesion, which adds little to the means of its first view."""
NORMAL = np.array([NormalDist().inv_cdf((n + 0.5) / 256) for n in range(256)], np.float32)
"""The normal distribution in 256 steps, each as likely."""
DEPTHS = (8, 12)
"""Bits a pixel."""


class Film(NamedTuple):
    clean: np.ndarray
    """(px, px), float32: the background without noise, in greys of 0 to 255."""
    unit: int
    """Steps of the stored values in one grey."""
    factor: int
    """How many times smaller the first view is."""
    hardness: Hardness
    tags: dict[str, str]

    def exposed(self, rng: np.random.Generator) -> np.ndarray:
        """(px, px), int16: the background with noise, as whole numbers to draw on."""
        values = (self.clean + self.hardness.noise * noise(rng, self.clean.shape)) * self.unit
        return np.maximum(values, 0, out=values).astype(np.int16)

    def painted(self, rng: np.random.Generator, lesions: Iterable[Lesion]) -> np.ndarray:
        """The stored values with small lesions on them."""
        values = self.exposed(rng)
        paint(values, lesions, self.factor)
        return self.stored(values)

    def massive(self, rng: np.random.Generator, inside: np.ndarray) -> np.ndarray:
        """The stored values with a mass on them, where `inside` (px, px) is True."""
        return self.stored(self.exposed(rng) + np.int16(MASS * self.hardness.strength * self.unit) * inside)

    def stored(self, values: np.ndarray) -> np.ndarray:
        """Values as a file would hold them: uint8 or uint16."""
        return values.astype(np.uint8 if self.unit == 1 else np.uint16)

    def lesion(self, rng: np.random.Generator, kind: str, place: tuple[int, int]) -> Lesion:
        """A lesion of a type: how bright it is says nothing of it."""
        return Lesion(kind, *place, self.hardness.strength * self.unit * float(rng.uniform(0.85, 1.15)))


def film(rng: np.random.Generator, setting: Setting, factor: int = 4, span: float = SPAN, margin: int = 0) -> Film:
    """A film of `factor` times the size of the first view, and `margin` px of that view more all around.

    The background is flattened until lesions stand out `ratio` times more than anything in it.
    """
    hardness = Hardness.of(setting)
    drawn = ground(rng, setting, (setting.view_px + 2 * margin) * factor, factor)
    unit = 2 ** (DEPTHS[int(rng.integers(len(DEPTHS)))] - 8)
    flat = min(span, hardness.strength / hardness.ratio / max(stands_out(drawn.coarse), 1e-6))
    return Film(DARK + flat * drawn.values, unit, factor, hardness, drawn.tags)


def stands_out(coarse: np.ndarray) -> float:
    """The most that 2 by 2 px of a first view are brighter or darker than what lies around them."""
    inner = cv2.blur(coarse, (2, 2), anchor=(0, 0))
    outer = cv2.blur(coarse, (6, 6), anchor=(2, 2))
    return float(np.abs(inner - outer).max()) * 36 / 32


def noise(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Normal noise of this shape, float32."""
    return NORMAL[np.frombuffer(rng.bytes(int(np.prod(shape))), np.uint8)].reshape(shape)


def source(values: np.ndarray, unit: int, **fields: Any) -> Source:
    """A film in memory. The grey window is stated: one found from the values could tell what was drawn."""
    return Source.of(values, presets=(Grey.between(0, 256 * unit - 1),), spacing_note="made up", **fields)


def scattered(
    rng: np.random.Generator, film: Film, setting: Setting, kinds: "list[str]", clear: int = 0
) -> list[Lesion]:
    """Lesions of these types, at random places."""
    found = places(rng, setting.view_px, len(kinds), clear)
    return [film.lesion(rng, kind, place) for kind, place in zip(kinds, found, strict=True)]


def kind_drawn(rng: np.random.Generator, but: str = "") -> str:
    """A type of lesion, other than `but`."""
    allowed = [kind for kind in KINDS if kind != but]
    return allowed[int(rng.integers(len(allowed)))]


def pixel_mm(rng: np.random.Generator) -> float:
    """The size of a pixel of a film, mm."""
    return round(float(rng.uniform(0.1, 0.5)), 3)


def first_view(source: Source, setting: Setting, **recipe: Any) -> Image:
    return Image.of(source, limit=setting.view_px, **recipe)
