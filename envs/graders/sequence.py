"""Which image, slice or frame?"""

import re

from envs.episode import Question, Truth
from envs.graders.count import counted
from envs.graders.words import folded
from envs.grading import Given, Grade

SCORER = "sequence/1"
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_STRICT = re.compile(r"(?:img)?(\d{1,9})")
_NAMED = re.compile(r"\b(?:img|image|slice|frame|picture)\s*#?\s*(\d{1,9})\b")
_ORDINAL = re.compile(rf"\b({'|'.join(ORDINALS)})\b")


def sequence(question: Question, truth: Truth, given: Given) -> Grade:
    """Right where the number told, from 0, is at most `truth.within` (else 0) away from the true one.

    "img2", "2", "slice 2" and "frame 2" are number 2; so is "the third image", as it is the third one shown. `strict`:
    the number or the name alone. Two different ones are unread.
    """
    told, true = indexed(given.text), indexed(truth.answer)
    if true is None:
        raise ValueError(f"question {question.id!r}: the truth {truth.answer!r} is no number of an image")
    if told is None:
        return Grade(scorer=SCORER)
    right = abs(told - true) <= (truth.within or 0)
    strict = float(right and _STRICT.fullmatch(given.text.strip()) is not None)
    metrics = {"abs_error": float(abs(told - true))}
    return Grade(scorer=SCORER, score=float(right), right=right, parsed=True, strict=strict, metrics=metrics)


def indexed(text: str) -> int | None:
    """The number of an image, slice or frame, from 0."""
    said = folded(text)
    if alone := _STRICT.fullmatch(said):
        return int(alone[1])
    named = {int(number) for number in _NAMED.findall(said)} | {ORDINALS.index(word) for word in _ORDINAL.findall(said)}
    if named:
        return named.pop() if len(named) == 1 else None
    return counted(text)
