"""MedMultiPoints' scorer; reproduces the published formula with its traps; not for claims."""

import json
import math
import re
from collections.abc import Sequence
from typing import Any

from envs.compat.rates import mean
from envs.dialects import mended_json

RADIUS_PX = 10
LARGEST = 1e9
"""What is larger is taken for no number."""
_FENCED = re.compile(r"```json\s*(.*?)\s*```", re.DOTALL | re.IGNORECASE)


def medmultipoints(predictions: Sequence[str], answers: Sequence[str], repair: bool = False) -> dict[str, float]:
    """Errors of counts and points, and how many points lie less than 10 px from a true one, over fenced JSON replies.

    arXiv:2505.16647; evaluate_qwen.py of github.com/simula/PointDetectCount, commit 4fbf242; its mean average precision
    is left out. Traps: each point said is held against the nearest true one, so a point that is missing costs nothing
    and one told twice is right twice; a reply without points, also one that is broken JSON, is a zero case and is left
    out of the averages. With `repair` broken JSON is mended first.
    """
    said, true = ([_places(_read(text, repair)) for text in texts] for texts in (predictions, answers))
    distances, zero = [], 0
    for ours, theirs in zip(said, true, strict=True):
        if theirs and ours:
            distances.append([min(math.dist(a, b) for b in theirs) for a in ours])
        elif theirs:
            zero += 1
    counts = [
        (_count(_read(reply, repair)), count)
        for reply, answer in zip(predictions, answers, strict=True)
        if (count := _count(_read(answer, repair))) is not None
    ]
    off = [abs((said_count or 0) - true_count) for said_count, true_count in counts]
    return {
        "count_mae": mean(off),
        "count_mse": mean([error**2 for error in off]),
        "point_mae": mean([mean(apart) for apart in distances]),
        "point_rmse": mean([math.sqrt(mean([d**2 for d in apart])) for apart in distances]),
        "matching_accuracy": mean([mean([d < RADIUS_PX for d in apart]) for apart in distances]),
        "zero_cases": float(zero),
    }


def _read(text: str, repair: bool) -> Any:
    found = _FENCED.search(text)
    try:
        return json.loads(found[1]) if found else []
    except (ValueError, RecursionError):
        return mended_json(found[1]) if found and repair else []


def _places(read: Any) -> list[tuple[float, float]]:
    """The points of a reply: of a list of {"point_2d": [x, y]}, or of {"point_2d": [[x, y], ...]}."""
    items = read if isinstance(read, list) else [read]
    points = [item.get("point_2d") for item in items if isinstance(item, dict)]
    flat = [
        point
        for one in points
        if isinstance(one, list)
        for point in (one if one and isinstance(one[0], list) else [one])
    ]
    return [(float(p[0]), float(p[1])) for p in flat if isinstance(p, list) and len(p) == 2 and all(map(_number, p))]


def _number(value: Any) -> bool:
    """Whether it can be reckoned with: JSON as Python reads it also holds NaN, and whole numbers of any size."""
    return isinstance(value, int | float) and abs(value) <= LARGEST


def _count(read: Any) -> int | None:
    """What is written under "counts" or "count"; of a list of places, how many they are."""
    if isinstance(read, dict):
        told = (value for key, value in read.items() if "count" in key and isinstance(value, int))
        return next(filter(_number, told), None)
    return len(read) if isinstance(read, list) and read else None
