"""An episode on its way from the process that played it: its record, and the pixels that nobody has sent yet."""

from collections.abc import Collection, Mapping, MutableMapping
from typing import NamedTuple

import numpy as np

from agent.trace import every_image
from envs.episode import Episode
from tools.image import Image, pixel_hash


class ParcelError(ValueError):
    """A parcel whose pixels are not those of its record, or are missing."""


class Parcel(NamedTuple):
    record: str
    """The episode as JSON."""
    pixels: Mapping[str, np.ndarray]
    """By their hash: (H, W) or (H, W, 3), uint8."""


def packed(episode: Episode, sent: Collection[str] = ()) -> Parcel:
    """A parcel without the pixels that were `sent` before, by their hashes."""
    new = {image.hash: image for image in every_image(episode) if image.hash and image.hash not in sent}
    return Parcel(episode.model_dump_json(), {name: image.pixels for name, image in new.items()})


def unpacked(parcel: Parcel, known: MutableMapping[str, np.ndarray]) -> Episode:
    """The episode, its images with their pixels; what came is added to the `known`. Raises ParcelError."""
    for name, pixels in parcel.pixels.items():
        if pixel_hash(pixels) != name:
            raise ParcelError(f"the pixels of {name} came as {pixel_hash(pixels)}")
        known[name] = pixels
    episode = Episode.model_validate_json(parcel.record)
    for image in (*every_image(episode), *episode.question.images):
        _give(image, known)
    return episode


def _give(image: Image, known: Mapping[str, np.ndarray]) -> None:
    if image.hash and image.hash not in known:
        raise ParcelError(f"the pixels of {image.hash} never came")
    if image.hash:
        image._pixels = known[image.hash]
