"""MedSG-Bench's scorer; reproduces the published formula with its traps; not for claims."""

import re
from collections.abc import Sequence

from envs.compat.rates import mean

LEVELS = (30, 50, 70)
"""IoU, %."""
MOST_DIGITS = 15
"""Before and after the point of one number: no picture has more pixels."""
_NUMBER = rf"(\d{{1,{MOST_DIGITS}}}(?:\.\d{{0,{MOST_DIGITS}}})?)"
_PAIR = rf"{_NUMBER}\s*[,，]\s*{_NUMBER}"
# as published, but for a form in which no text can be split in too many ways to try
_BOX = re.compile(rf"{_PAIR}\s*(?:\)\s*)?(?:[,，]\s*)?(?:\(\s*)?{_PAIR}")


def medsg(predictions: Sequence[str], answers: Sequence[Sequence[float] | str]) -> dict[str, float]:
    """Mean IoU of the first box of a reply, and how many reach 0.3, 0.5 and 0.7; an answer is [x1, y1, x2, y2], px.

    arXiv:2505.11852; eval/MedSG_Bench.py of its repository. Traps: any four numbers in a row are a box, also three of
    which one is split; boxes after the first cost nothing; a box around the whole image earns its share
    of it. A reply without a box counts as IoU 0.
    """
    ious = [_iou(_first(said), _first(true)) for said, true in zip(predictions, answers, strict=True)]
    return {"iou": mean(ious), **{f"iou_{level}": mean([iou >= level / 100 for iou in ious]) for level in LEVELS}}


def _first(said: Sequence[float] | str) -> list[float] | None:
    if not isinstance(said, str):
        return [float(number) for number in said]
    found = _BOX.search(said)
    return [float(number) for number in found.groups()] if found else None


def _iou(a: list[float] | None, b: list[float] | None) -> float:
    """0 where one of the two is missing or turned inside out."""
    if a is None or b is None:
        return 0.0
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return width * height / (areas - width * height)
