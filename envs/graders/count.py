"""How many?"""

from envs.episode import Question, Truth
from envs.graders.measures import measures
from envs.graders.number import allowed
from envs.graders.words import NUMBERS, plain
from envs.grading import Given, Grade

SCORER = "count/1"


def count(question: Question, truth: Truth, given: Given) -> Grade:
    """Right where the last whole number told is the true one, exactly unless the truth says how far off it may be.

    Number words count too ("three", "三"); a fraction or a number with a unit is unread. `strict`: digits alone.
    """
    told, true = counted(given.text), counted(truth.answer)
    if true is None:
        raise ValueError(f"question {question.id!r}: the truth {truth.answer!r} is no whole number")
    if told is None:
        return Grade(scorer=SCORER)
    (number,) = measures(str(true))
    right = abs(told - true) <= allowed(truth, number, 0.0)
    strict = float(right and given.text.strip().isdecimal())
    metrics = {"abs_error": float(abs(told - true))}
    return Grade(scorer=SCORER, score=float(right), right=right, parsed=True, strict=strict, metrics=metrics)


def counted(text: str) -> int | None:
    """The last whole number of a text; None where there is none, or where the last number is no count."""
    if found := measures(text):
        last = found[-1]
        return int(last.value) if last.value >= 0 and last.value.is_integer() and not last.unit else None
    words = [NUMBERS[word] for word in plain(text) if word in NUMBERS]
    return int(words[-1]) if words else None
