"""The mean of what was counted."""

from collections.abc import Sequence


def mean(values: Sequence[float | bool]) -> float:
    """0 where there is nothing to count."""
    return sum(values) / len(values) if values else 0.0
