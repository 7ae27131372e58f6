"""An answer in words."""

from collections import Counter

from envs.episode import Question, Truth
from envs.graders.quantities import one
from envs.graders.synonyms import content
from envs.graders.wording import bare, words
from envs.grading import Given, Grade

SCORER = "open/1"
SAME = 1e-6
"""How far measurements may differ that are the same, as a share: rounding of a conversion."""


def open(question: Question, truth: Truth, given: Given) -> Grade:
    """Right where it says what the truth says, or another answer that it accepts, word by word.

    Case, punctuation, articles, words for numbers, units ("3 cm" is "30 mm") and a few synonyms make no difference,
    nor does the order of a list. Left is not right, and "no effusion" not "effusion". A part of the true answer earns
    nothing, nor does one that names more: how much of the words agrees is told beside the score, and never paid.
    `strict` knows no synonyms. Raises ValueError for a truth without words.
    """
    answers = [answer for answer in (truth.answer, *truth.accepted) if content(answer)]
    if not answers:
        raise ValueError(f"question {question.id!r}: the truth {truth.answer!r} holds no words")
    said = content(given.text)
    if not said:
        return Grade(scorer=SCORER, problem="no words")
    right = any(_same(given.text, answer) for answer in answers)
    strict = any(words(given.text) == words(answer) for answer in answers)
    f1, recall = zip(*(_shared(_tokens(said), _tokens(content(answer))) for answer in answers), strict=True)
    metrics = {"token_f1": max(f1), "token_recall": max(recall)}
    return Grade(
        scorer=SCORER, score=float(right), right=right, parsed=True, strict=float(right and strict), metrics=metrics
    )


def _same(said: str, true: str) -> bool:
    """Whether two answers are the same list of phrases, or the same measurement."""
    if content(said) == content(true):
        return True
    a, b = one(bare(said)), one(bare(true))
    if a is None or b is None or bool(a.unit) != bool(b.unit):
        return False
    value = a.in_unit_of(b)
    return value is not None and abs(value - b.value) <= SAME * abs(b.value)


def _tokens(phrases: tuple[tuple[str, ...], ...]) -> Counter[str]:
    return Counter(word for phrase in phrases for word in phrase)


def _shared(said: Counter[str], true: Counter[str]) -> tuple[float, float]:
    """(F1, recall) of the words that two answers share. Rajpurkar et al., arXiv:1606.05250, section 6.1."""
    common = (said & true).total()
    return 2 * common / (said.total() + true.total()), common / true.total()
