"""Studies that are not what they seem, to learn what an answer rests on: blank, of somebody else, blurred, noisy.

An altered source has the shape, the scale and the unit of the real one, so that every tool and place still works.
The strengths are the ladder of SURE-VQA (arXiv:2411.19688): a Gaussian blur of 5, 7 or 11 px; brightness times 1.1
to 2, 2.5 to 4, 4.5 to 6; Gaussian noise of mean 0 to 0.06, 0.09 to 0.15, 0.18 to 0.25. Brightness and noise are
shares of the grey window that the first view is shown in.
"""

from collections.abc import Callable
from typing import Literal

import cv2
import numpy as np

from envs.episode import Question
from tools.geometry import Box
from tools.image import Image
from tools.study import Source, content_id

Change = Callable[[Source, np.ndarray, np.random.Generator], np.ndarray]
"""Given a source, one of its planes (float64, 0 shown black, 1 shown white) and randomness: a new plane."""

Corruption = Literal["blur", "brightness", "noise"]
LEVELS = (1, 2, 3)
BLUR_PX = (5, 7, 11)
BRIGHTNESS = ((1.1, 2.0), (2.5, 4.0), (4.5, 6.0))
NOISE_MEAN = ((0.0, 0.06), (0.09, 0.15), (0.18, 0.25))
NOISE_SD = 0.1
"""SURE-VQA states no spread; this is the default of MONAI's RandGaussianNoise."""


def altered(question: Question, change: Change, layer: str, seed: int = 0) -> Question:
    """The question, asked of views in which every plane is changed; `layer` says how in the record."""
    return question.model_copy(update={"images": tuple(view_of(i, change, layer, seed) for i in question.images)})


def view_of(image: Image, change: Change, layer: str, seed: int = 0) -> Image:
    """The same view of the same place, of a source whose planes are changed."""
    source = image.data
    begin, width = (0.0, 255.0) if image.grey is None else (image.grey.level - image.grey.width / 2, image.grey.width)

    def read(axis: int, index: int) -> np.ndarray:
        rng = np.random.default_rng([seed, int(source.id[:8], 16), axis, index])
        shown = (source.values(axis, index) - begin) / width
        changed = change(source, 1 - shown if source.inverted else shown, rng)
        values = (1 - changed if source.inverted else changed) * width + begin
        return values.clip(0, 255).astype(np.uint8) if source.color else values.astype(np.float32)

    fields = {name: getattr(source, name) for name in type(source).model_fields}
    how = f"{layer}, seed {seed}, black {begin}, width {width}, inverted {source.inverted}"
    fields |= {"id": content_id(source.id.encode(), how.encode()), "slope": 1.0, "intercept": 0.0}
    fields |= {"dtype": "|u1" if source.color else "<f4", "overlays": ()}
    recipe = {n: getattr(image, n) for n in type(image).model_fields if n not in ("id", "spacing_mm", "hash")}
    return Image.of(Source.lazy(read, **fields), recipe.pop("axis"), recipe.pop("index"), **recipe | {"layer": layer})


def blank(source: Source, shown: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Middle grey everywhere."""
    return np.full_like(shown, 0.5)


def of(other: Image) -> Change:
    """Somebody else's plane, stretched to the size of this one."""

    def change(source: Source, shown: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        height, width = shown.shape[:2]
        picture = cv2.resize(other.pixels, (width, height), interpolation=cv2.INTER_AREA) / 255
        if picture.ndim == 3 and not source.color:
            return picture.mean(axis=2)
        return np.repeat(picture[..., None], 3, axis=2) if source.color and picture.ndim == 2 else picture

    return change


def corruption(name: Corruption, level: int) -> Change:
    """A step of the ladder; `level` is 1, 2 or 3. Raises ValueError for another."""
    if level not in LEVELS:
        raise ValueError(f"no level {level} of {name}; there are: 1, 2, 3")

    def blur(source: Source, shown: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        size = BLUR_PX[level - 1]
        return cv2.GaussianBlur(shown, (size, size), 0)

    def brightness(source: Source, shown: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return np.minimum(shown * rng.uniform(*BRIGHTNESS[level - 1]), 1.0)

    def noise(source: Source, shown: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return shown + rng.normal(rng.uniform(*NOISE_MEAN[level - 1]), NOISE_SD, shown.shape)

    return {"blur": blur, "brightness": brightness, "noise": noise}[name]


def elsewhere(image: Image) -> Image:
    """A view of the same size of another part of the same plane: as far from the part shown as the plane allows."""
    height, width = image.data.plane_shape(image.axis)
    part = image.window
    x0 = 0.0 if part.center.x > width / 2 else width - part.width
    y0 = 0.0 if part.center.y > height / 2 else height - part.height
    moved = Box(x0=x0, y0=y0, x1=x0 + part.width, y1=y0 + part.height)
    return image.look(window=moved, width=image.width, height=image.height, layer="elsewhere")
