"""Pair what was given with what is true, each at most once."""

import numpy as np

MOST = 300
"""So many places of an answer are matched; more are no answer."""


def pairs(worth: np.ndarray) -> list[tuple[int, int]]:
    """The (row, column) pairs of a (G, T) table that are worth most together; pairs worth nothing are left out.

    Kuhn, Naval Research Logistics Quarterly 2 (1955) 83-97, as scipy solves it.
    """
    from scipy.optimize import linear_sum_assignment

    if not worth.size:
        return []
    rows, columns = linear_sum_assignment(worth, maximize=True)
    return [(int(row), int(column)) for row, column in zip(rows, columns, strict=True) if worth[row, column] > 0]


def precision_recall_f1(hits: int, given: int, true: int) -> tuple[float, float, float]:
    """Nothing given where nothing is true is all right."""
    if not given and not true:
        return 1.0, 1.0, 1.0
    precision, recall = hits / given if given else 0.0, hits / true if true else 0.0
    return precision, recall, 2 * hits / (given + true)
