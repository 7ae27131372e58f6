"""A whole number of things."""

import re

from envs.episode import Question, Truth
from envs.graders.number import allowed
from envs.graders.quantities import quantities
from envs.graders.wording import bare
from envs.grading import Given, Grade

SCORER = "count/1"
_NONE = re.compile(
    r"none|nil|nothing|(?:there (?:are|is) )?no [a-z -]{1,40}|there (?:are|is) none|没有|无", re.IGNORECASE
)
_UNKNOWN = re.compile(r"\b(?:idea|way|answer|information)\b", re.IGNORECASE)


def count(question: Question, truth: Truth, given: Given) -> Grade:
    """Right where it is the true number, or within the tolerance where the truth names one.

    Digits or words ("three", 三); "none" and "no nodules" are 0. Lengths and the like beside it do not count; a
    fraction, a range, a limit and numbers that differ are no answer. Raises ValueError for a truth that is none.
    """
    true = _whole(truth.answer)
    if true is None:
        raise ValueError(f"question {question.id!r}: the truth {truth.answer!r} is no whole number")
    said = _whole(given.text)
    if said is None:
        return Grade(scorer=SCORER, problem="no whole number, a range, or several that differ")
    error = float(abs(said - true))
    accepted = said in map(_whole, truth.accepted)
    right = accepted or error <= allowed(true, truth, usual=0.0)
    strict = right and re.fullmatch(r"\d+", given.text.strip()) is not None
    metrics = {"abs_error": 0.0 if accepted else error}
    return Grade(scorer=SCORER, score=float(right), right=right, parsed=True, strict=float(strict), metrics=metrics)


def _whole(text: str) -> int | None:
    """The one number of things that a text tells; None where there is none."""
    said = bare(text)
    if _NONE.fullmatch(said) and not _UNKNOWN.search(said):
        return 0
    things = [q for q in quantities(text) if not q.unit]
    return int(things[0].value) if len(set(things)) == 1 and things[0].countable else None
