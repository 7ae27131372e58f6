"""M3D's overlap of boxes in space; reproduces the published formula with its traps; not for claims."""

import re
from collections.abc import Sequence
from math import prod

from envs.compat.rates import mean

_BOX = re.compile(r"\[" + ", ".join([r"([-+]?\d*\.\d+|[-+]?\d+)"] * 6) + r"\]")


def m3d_iou(predictions: Sequence[str], answers: Sequence[str]) -> dict[str, float]:
    """Mean of intersection over the volume of the box around both; boxes are [x1, y1, z1, x2, y2, z2], as shares.

    github.com/BAAI-DCAI/M3D, Bench/utils.py. Traps: the box around both is larger than their union, so all but equal
    boxes score less than their IoU; a reply without a box scores -1, which one box cannot make up for; what is written
    without a space after each comma is no box.
    """
    return {"iou": mean([_overlap(_box(said), _box(true)) for said, true in zip(predictions, answers, strict=True)])}


def _box(text: str) -> list[float] | None:
    found = _BOX.search(text)
    return [float(number) for number in found.groups()] if found else None


def _overlap(a: list[float] | None, b: list[float] | None) -> float:
    if a is None or b is None:
        return -1.0
    common = prod(max(0.0, min(a[n + 3], b[n + 3]) - max(a[n], b[n])) for n in range(3))
    around = prod(max(a[n + 3], b[n + 3]) - min(a[n], b[n]) for n in range(3))
    return common / (around + 1e-6)
