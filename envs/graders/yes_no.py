"""Yes or no."""

import re

from envs.episode import Question, Truth
from envs.graders.wording import bare
from envs.grading import Given, Grade

SCORER = "yes_no/1"
WORDS = {
    **dict.fromkeys(["yes", "y", "yeah", "yep", "true", "是", "是的", "有", "有的", "对", "对的", "存在"], True),
    **dict.fromkeys(["no", "n", "nope", "false", "否", "不", "不是", "不是的", "没有", "无", "不对", "不存在"], False),
}
"""What says yes or no when it stands alone."""
STRICT = ("yes", "no", "是", "否", "不是", "有", "没有")
"""What is written as asked, also to a question in Chinese."""
_CLAUSE = re.compile(
    r"[.,;:!?。、\n()\"'“”]+|\s-+\s|[–—]|\b(?:and|or|but|then|maybe|wait|actually|sorry)\b|和|或|但", re.IGNORECASE
)
_GOES_ON = re.compile(r"(yes|no)\s+(?:there|it|i|this|that|they|the|he|she|we)\b", re.IGNORECASE)


def yes_no(question: Question, truth: Truth, given: Given) -> Grade:
    """Right where the first words say what the truth says, and nothing after them the opposite.

    A word counts where it stands alone between marks, or before "there", "it" ...: "no, none is seen", "yes there is".
    Nothing is concluded from other words: "normal" and "nodule" are not no, nor is "no nodule", which may say that
    an image is normal. Raises ValueError for a truth that is neither.
    """
    said, true = read(given.text), read(truth.answer)
    if true is None:
        raise ValueError(f"question {question.id!r}: the truth {truth.answer!r} is neither yes nor no")
    if said is None:
        return Grade(scorer=SCORER, problem="neither yes nor no, or both")
    right = said == true
    strict = right and given.text.strip().casefold() in STRICT
    return Grade(scorer=SCORER, score=float(right), right=right, parsed=True, strict=float(strict))


def read(text: str) -> bool | None:
    """What a text says; None where that is neither yes nor no, or both."""
    clauses = [clause for part in _CLAUSE.split(bare(text)) if (clause := part.strip().casefold())]
    votes = [_vote(clause) for clause in clauses]
    told = {vote for vote in votes if vote is not None}
    ends = votes and (votes[0] is not None or votes[-1] is not None)
    return told.pop() if ends and len(told) == 1 else None


def _vote(clause: str) -> bool | None:
    goes_on = _GOES_ON.match(clause)
    return WORDS.get(goes_on[1] if goes_on else clause)
