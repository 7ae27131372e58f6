"""Made-up anatomy: soft shapes on clouds, as coarse as a first view."""

import cv2
import numpy as np

OCTAVES = ((4, 0.30), (12, 0.14), (40, 0.05))
"""How many waves of cloud lie across a picture, and how much each adds."""


def scene(rng: np.random.Generator, px: int) -> np.ndarray:
    """(px, px), float32, in [0, 1]: a chest, a limb or plain tissue."""
    draw = (_chest, _limb, _tissue)[int(rng.integers(3))]
    drawn = cv2.GaussianBlur(draw(rng, px), (0, 0), px / 60) + _clouds(rng, px)
    return np.clip(drawn, 0, 1, out=drawn)


def _clouds(rng: np.random.Generator, px: int) -> np.ndarray:
    clouds = np.zeros((px, px), np.float32)
    for waves, share in OCTAVES:
        grid = rng.random((waves, waves), dtype=np.float32) - 0.5
        clouds += share * cv2.resize(grid, (px, px), interpolation=cv2.INTER_CUBIC)
    return clouds


def _chest(rng: np.random.Generator, px: int) -> np.ndarray:
    """Two dark lungs, ribs over them, and what lies between."""
    canvas = np.full((px, px), 0.62, np.float32)
    middle, height = rng.uniform(0.46, 0.54) * px, rng.uniform(0.28, 0.38) * px
    for side in (-1, 1):
        lung = middle + side * rng.uniform(0.20, 0.25) * px
        _ellipse(canvas, (lung, 0.5 * px), (0.16 * px, height), rng.uniform(-6, 6), 0.25)
    for rib in np.arange(0.12, 0.95, rng.uniform(0.09, 0.13)):
        _ellipse(canvas, (middle, (rib + 0.2) * px), (0.42 * px, 0.2 * px), 0, 0.5, (200, 340), max(1, px // 50))
    return canvas


def _limb(rng: np.random.Generator, px: int) -> np.ndarray:
    """One or two bones, with dark marrow, across soft tissue."""
    canvas = np.full((px, px), 0.3, np.float32)
    turn = rng.uniform(0, 180)
    for _ in range(int(rng.integers(1, 3))):
        center, wide = rng.uniform(0.25, 0.75, 2) * px, rng.uniform(0.06, 0.12) * px
        _ellipse(canvas, center, (0.9 * px, wide), turn, 0.8)
        _ellipse(canvas, center, (0.9 * px, 0.6 * wide), turn, 0.55)
    return canvas


def _tissue(rng: np.random.Generator, px: int) -> np.ndarray:
    """Round organs of several densities."""
    canvas = np.full((px, px), 0.4, np.float32)
    for _ in range(int(rng.integers(3, 7))):
        center, axes = rng.uniform(0.1, 0.9, 2) * px, rng.uniform(0.08, 0.3, 2) * px
        _ellipse(canvas, center, axes, rng.uniform(0, 180), float(rng.uniform(0.2, 0.7)))
    return canvas


def _ellipse(
    canvas: np.ndarray, center: object, axes: object, turn: float, value: float, arc: tuple[int, int] = (0, 360),
    line: int = -1,
) -> None:  # fmt: skip
    x, y = np.rint(np.asarray(center)).astype(int).tolist()
    a, b = np.rint(np.asarray(axes)).astype(int).tolist()
    cv2.ellipse(canvas, (x, y), (max(a, 1), max(b, 1)), turn, *arc, value, line)
