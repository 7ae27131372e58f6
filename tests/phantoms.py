"""Made-up pictures with a true answer, and a short way to use a tool on them."""

from typing import Any

import numpy as np
import pytest

from tools.image import Image
from tools.lookup import find
from tools.study import Source
from tools.tool import Observation, Tool, ToolError


def use(tool: str, image: Image, **arguments: Any) -> Observation:
    """What a tool answers; another image is given as `other`."""
    images = {"img0": image}
    if isinstance(other := arguments.get("other"), Image):
        images["img1"] = other
        arguments["other"] = "img1"
    return Tool(find("tools", tool)).call({"image": "img0", **arguments}, images).run()


def view(tool: str, image: Image, **arguments: Any) -> Image:
    """The view that a tool shows."""
    return use(tool, image, **arguments).images[0]


def refusal(tool: str, image: Image, **arguments: Any) -> str:
    """The words with which a tool refuses."""
    with pytest.raises(ToolError) as refused:
        use(tool, image, **arguments)
    return str(refused.value)


def discs(
    *discs: tuple[float, float, float], size: tuple[int, int] = (200, 160), low: float = 0, high: float = 100
) -> np.ndarray:
    """(height, width) float32: `high` inside of discs (x, y, radius), px, `low` outside; `size` is (width, height)."""
    width, height = size
    rows, columns = np.mgrid[:height, :width] + 0.5
    drawn = np.full((height, width), low, np.float32)
    for x, y, radius in discs:
        drawn[(columns - x) ** 2 + (rows - y) ** 2 <= radius**2] = high
    return drawn


def ct(values: np.ndarray, **fields: Any) -> Source:
    """A source in HU, with a scale unless told otherwise."""
    return Source.of(values, **{"unit": "HU", "modality": "CT", "spacing_mm": (0.5,) * values.ndim, **fields})
