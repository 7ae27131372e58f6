"""Boxes and points as an answer writes them.

    [[40, 52, 61, 70]]                              boxes of img0
    [{"image": "img1", "box": [40, 52, 61, 70]}]    a box of another image
    [{"image": "img0", "point": [50, 61]}]          points likewise
    []                                              there is none

The repairing reader also takes what Qwen models were taught ("bbox_2d", "point_2d"), a single box without the list,
fences, and JSON with slips.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

from pydantic import ValidationError

from envs.dialects import mended_json, not_json
from tools.geometry import Box, Point, scaling
from tools.image import Image, Place
from tools.tool import Size

KEYS: dict[str, tuple[str, ...]] = {"box": ("box", "bbox_2d", "bbox"), "point": ("point", "point_2d")}
_JSON = re.compile(r"[\[{].*[\]}]", re.DOTALL)

Shapes = Literal["boxes", "points"]


class Named(NamedTuple):
    """A place on a named image, in the numbers that the policy writes."""

    image: str
    shape: Box | Point


def strict(text: str, kind: Shapes) -> tuple[Named, ...] | None:
    """The places that an answer names; None where it is not a JSON list of them, and nothing else."""
    try:
        listed = json.loads(text, parse_constant=not_json)
        return tuple(_named(item, kind, KEYS[_one(kind)][:1]) for item in listed) if isinstance(listed, list) else None
    except (ValueError, RecursionError, TypeError):
        return None


def repairing(text: str, kind: Shapes) -> tuple[Named, ...] | None:
    """The places that an answer probably names. The same as `strict` wherever that reads the text."""
    exact = strict(text, kind)
    found = _JSON.search(text)
    if exact is not None or found is None:
        return exact
    meant = mended_json(found[0])
    if isinstance(meant, dict) or (isinstance(meant, list) and meant and not isinstance(meant[0], list | dict)):
        meant = [meant]
    try:
        return tuple(_named(item, kind, KEYS[_one(kind)]) for item in meant) if isinstance(meant, list) else None
    except ValueError:
        return None


def placed(
    named: tuple[Named, ...], images: Mapping[str, Image], canvas: Mapping[str, Size] | None
) -> tuple[Place, ...] | None:
    """The places in px of their sources; None where an image is named that was not shown."""
    if any(item.image not in images for item in named):
        return None
    return tuple(_place(item, images[item.image], canvas) for item in named)


def _place(named: Named, image: Image, canvas: Mapping[str, Size] | None) -> Place:
    width, height = (canvas or {}).get(named.image, (image.width, image.height))
    scale = scaling(image.width / width, image.height / height)
    shape = named.shape
    return image.place(scale.box(shape) if isinstance(shape, Box) else scale.point(shape))


def _named(item: Any, kind: Shapes, keys: tuple[str, ...]) -> Named:
    """One place. Raises ValueError where it is none."""
    image, numbers = "img0", item
    if isinstance(item, dict):
        image = item.get("image", "img0")
        numbers = next((item[key] for key in keys if key in item), None)
    if not isinstance(image, str) or not isinstance(numbers, list) or not all(_number(n) for n in numbers):
        raise ValueError("not a place")
    try:
        return Named(image, (Box if kind == "boxes" else Point).model_validate(numbers))
    except ValidationError as error:
        raise ValueError(str(error)) from None


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _one(kind: Shapes) -> str:
    return "box" if kind == "boxes" else "point"


def written(places: Iterable[tuple[str, Image, Place]]) -> str:
    """The answer that names these places, each in px of the image of that name, to a hundredth."""
    items = []
    for name, image, place in places:
        shape = place.shape
        moved = image.from_source.box(shape) if isinstance(shape, Box) else image.from_source.point(shape)
        items.append({"image": name, key(shape): [round(number, 2) for number in moved.numbers]})
    return json.dumps(items)


def key(shape: Box | Point) -> str:
    """What a place is called in an answer."""
    return "box" if isinstance(shape, Box) else "point"
