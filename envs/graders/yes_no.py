"""Yes or no?"""

import re

from envs.episode import Question, Truth
from envs.graders.words import folded
from envs.grading import Given, Grade

SCORER = "yes_no/1"
YES = ("yes", "是", "是的", "有", "对", "存在")
NO = ("no", "否", "不是", "没有", "无", "不", "不存在")
_WORDS = "|".join(sorted((*YES, *NO), key=len, reverse=True))
_VERDICT = re.compile(rf"(?:^|[.,;:!?。,;:!?、\n]\s*|\banswer is\s+|答案是\s*)({_WORDS})(?=\s*(?:$|[.,;:!?。,;:!?、]))")


def yes_no(question: Question, truth: Truth, given: Given) -> Grade:
    """Right where the one verdict of the answer is the true one.

    A verdict is a "yes" or "no" that stands for itself: alone, or set off by punctuation. The "no" of "no mass is
    seen", "normal" and "nodule" are none; both verdicts in one answer are unread. `strict`: the word alone.
    """
    told, true = verdict(given.text), verdict(truth.answer)
    if true is None:
        raise ValueError(f"question {question.id!r}: the truth {truth.answer!r} is neither yes nor no")
    if told is None:
        return Grade(scorer=SCORER)
    right = told == true
    strict = float(right and folded(given.text) in (*YES, *NO))
    return Grade(scorer=SCORER, score=float(right), right=right, parsed=True, strict=strict)


def verdict(text: str) -> bool | None:
    """True for yes, False for no, None where the text says neither or both."""
    found = {word in YES for word in _VERDICT.findall(folded(text))}
    return found.pop() if len(found) == 1 else None
