"""A number with its unit."""

import math

from envs.episode import Question, Truth
from envs.graders.quantities import Quantity, agreed, one, quantities
from envs.grading import Given, Grade

SCORER = "number/1"
TOLERANCE = 0.1
"""How far off a number may be, as a share of the true one, where the truth names no tolerance."""
BANDS = (5, 10, 20, 50)
"""Errors, %, within which answers are counted: those of DeepTumorVQA v2, arXiv:2605.09679."""


def number(question: Question, truth: Truth, given: Given) -> Grade:
    """Right within the tolerance, both sides included; where the truth names two, the wider one holds.

    Units of a dimension are converted (33 mm is 3.3 cm); any other unit is wrong, and none is the truth's. A range, a
    limit ("< 5 mm") and numbers that contradict each other are no answer. Any other answer scores by its relative
    error, as DeepTumorVQA's mean relative accuracy does: 1 - error, not under 0. Raises ValueError for a truth without
    a number.
    """
    true = [q for answer in (truth.answer, *truth.accepted) if (q := _told(answer)) is not None]
    if not true:
        raise ValueError(f"question {question.id!r}: the truth {truth.answer!r} holds no number")
    graded = [_compared(given.text, one, truth) for one in true]
    return max(graded, key=lambda grade: (grade.right, grade.score))


def _compared(text: str, true: Quantity, truth: Truth) -> Grade:
    said = agreed(quantities(text), true)
    if said is None:
        return Grade(scorer=SCORER, problem="no number, a range, or several that differ")
    value = said.in_unit_of(true)
    if value is None:
        return Grade(scorer=SCORER, parsed=True, problem=f"{said.unit} cannot be compared with {true.unit}")
    error = abs(value - true.value)
    right = error <= allowed(true.value, truth, TOLERANCE)
    score = 1.0 if right else accuracy(error, true.value)
    alone = one(text)
    strict = alone is not None and bool(alone.unit) >= bool(true.unit)
    return Grade(
        scorer=SCORER, score=score, right=right, parsed=True, strict=score * strict, metrics=errors(error, true.value)
    )


def _told(answer: str) -> Quantity | None:
    """The quantity that a true answer names."""
    exact = one(answer)
    return exact or agreed(quantities(answer), Quantity(0.0))


def allowed(true: float, truth: Truth, usual: float) -> float:
    """The largest error that is right, in the truth's unit, with room for rounding in the last digit of a float."""
    share = usual if truth.tolerance is None and truth.within is None else truth.tolerance or 0.0
    return max(share * abs(true), truth.within or 0.0) + 1e-9 * max(1.0, abs(true))


def accuracy(error: float, true: float) -> float:
    """Mean relative accuracy of one answer: max(0, 1 - |p - g| / |g|). DeepTumorVQA v2, arXiv:2605.09679."""
    return float(error == 0) if true == 0 else max(0.0, 1 - error / abs(true))


def errors(error: float, true: float) -> dict[str, float]:
    """What is told of an error; of a true 0 there is no relative one."""
    share = error / abs(true) if true else 0.0 if error == 0 else math.inf
    within = {f"within_{percent}": float(share <= percent / 100 + 1e-9) for percent in BANDS}
    relative = {"rel_error": share} if math.isfinite(share) else {}
    return {"abs_error": error, **relative, "mra": accuracy(error, true), **within}
