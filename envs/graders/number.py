"""A number with its unit."""

from envs.episode import Question, Truth
from envs.graders.measures import Measure, measure
from envs.grading import Given, Grade

SCORER = "number/1"
TOLERANCE = 0.1
"""How far off a number may be, as a share of the true one, where the truth names no tolerance."""
BANDS = (5, 10, 20, 50)
"""Tolerances that are told beside, percent: those of DeepTumorVQA v2 (arXiv:2605.09679)."""


def number(question: Question, truth: Truth, given: Given) -> Grade:
    """Right within `truth.within` of its unit, or within `truth.tolerance` as a share; 10 % where neither is said.

    The last number with a unit counts, or the last one. Units of one kind are converted; without a unit the answer is
    taken to be in the truth's, and then it is not strict; a unit of another kind is wrong. A range is no number.
    """
    told, true = measure(given.text), measure(truth.answer)
    if true is None:
        raise ValueError(f"question {question.id!r}: the truth {truth.answer!r} holds no number")
    if told is None:
        return Grade(scorer=SCORER)
    value = told.to(true.unit)
    if value is None:
        return Grade(scorer=SCORER, parsed=True)
    right = abs(value - true.value) <= allowed(truth, true, TOLERANCE)
    exact = told.whole and bool(told.unit) == bool(true.unit)
    metrics = errors(value, true.value)
    return Grade(
        scorer=SCORER, score=float(right), right=right, parsed=True, strict=float(right and exact), metrics=metrics
    )


def allowed(truth: Truth, true: Measure, usual: float) -> float:
    """How far off the answer may be, in the truth's unit; both ends belong to it."""
    if truth.within is not None:
        return truth.within + 1e-9
    return (usual if truth.tolerance is None else truth.tolerance) * abs(true.value) + 1e-9


def errors(value: float, true: float) -> dict[str, float]:
    """How far off; mean relative accuracy is max(0, 1 - |error| / |true|), as in DeepTumorVQA v2."""
    off = abs(value - true)
    share = off / abs(true) if true else float(off > 0)
    bands = {f"within_{band}": float(share <= band / 100 + 1e-9) for band in BANDS}
    return {"abs_error": off, "rel_error": share, "mra": max(0.0, 1 - share), **bands}
