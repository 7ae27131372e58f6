"""LLaVA-Med's scorer of VQA-RAD, SLAKE and PathVQA; reproduces the published formula with its traps; not for claims."""

import re
import string
from collections import Counter
from collections.abc import Sequence

from envs.compat.rates import mean

_MARKS = str.maketrans({mark: " " for mark in string.punctuation if mark != "'"})


def llava_med(predictions: Sequence[str], answers: Sequence[str], kinds: Sequence[str]) -> dict[str, float]:
    """Accuracy of closed questions, recall and F1 of the words of open ones; `kinds` are OPEN or CLOSED.

    github.com/microsoft/LLaVA-Med, llava/eval/run_eval.py, commit ad758b6; words are normalised more simply than there
    (small letters, no punctuation, no articles). Traps: a closed question is taken for yes or no, so one that is
    answered by "left" is wrong unless the reply holds a "no" somewhere, also in "nodule"; the true answer need only
    occur, so "yes and no" is right twice; recall pays for naming everything. As released (`closed_released`), a wrong
    yes or no is left out of the denominator (issue 35).
    """
    closed: list[bool | None] = []
    opened: list[tuple[float, float]] = []
    for prediction, answer, kind in zip(predictions, answers, kinds, strict=True):
        said, true = _plain(prediction), _plain(answer)
        if kind.upper() == "CLOSED":
            closed.append(_closed(said, true))
        else:
            opened.append(_open(Counter(said.split()), Counter(true.split())))
    return {
        "closed": mean([bool(hit) for hit in closed]),
        "closed_released": mean([hit for hit in closed if hit is not None]),
        "open_recall": mean([recall for recall, _ in opened]),
        "open_f1": mean([f1 for _, f1 in opened]),
    }


def _closed(said: str, true: str) -> bool | None:
    """None for a yes or no that is wrong, which as released is not counted."""
    if "yes" not in said and "no" not in said:
        return False
    return true in said or None


def _open(said: Counter[str], true: Counter[str]) -> tuple[float, float]:
    """(recall, F1); a word that both have counts as often as it was said."""
    hits = sum(count for word, count in said.items() if word in true)
    missed = sum(count for word, count in true.items() if word not in said)
    if not hits:
        return 0.0, 0.0
    precision, recall = hits / said.total(), hits / (hits + missed)
    return recall, 2 * precision * recall / (precision + recall)


def _plain(text: str) -> str:
    words = text.lower().translate(_MARKS)
    return " ".join(re.sub(r"\b(?:a|an|the)\b", " ", words).split())
