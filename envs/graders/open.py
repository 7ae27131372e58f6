"""Free text: the same words, whatever their order and writing."""

from envs.episode import Question, Truth
from envs.graders.measures import measure, same
from envs.graders.words import folded, meant, plain, token_scores
from envs.grading import Given, Grade

SCORER = "open/1"


def open(question: Question, truth: Truth, given: Given) -> Grade:
    """Right where the answer says the same words as one of those accepted: no more, no fewer, in any order.

    Synonyms of a small table, number words, spelling and punctuation make no difference; left and right, a negation,
    and a unit do. A part of the truth, or a list of everything, is wrong. `strict` knows no synonyms.
    """
    if not plain(given.text):
        return Grade(scorer=SCORER)
    answers = (truth.answer, *truth.accepted)
    exact = any(folded(given.text) == folded(answer) or plain(given.text) == plain(answer) for answer in answers)
    right = exact or any(_same(given.text, answer) for answer in answers)
    best = max((token_scores(meant(given.text), meant(answer)) for answer in answers), key=lambda s: s["token_f1"])
    return Grade(scorer=SCORER, score=float(right), right=right, parsed=True, strict=float(exact), metrics=best)


def _same(given: str, true: str) -> bool:
    if sorted(meant(given)) == sorted(meant(true)):
        return bool(meant(true))
    a, b = measure(given), measure(true)
    return a is not None and b is not None and a.whole and b.whole and same(a, b)
