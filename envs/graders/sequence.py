"""The number of an image, slice or frame."""

import re

from envs.episode import Question, Truth
from envs.graders.number import allowed
from envs.graders.quantities import quantities
from envs.graders.wording import numerals, plain
from envs.grading import Given, Grade

SCORER = "sequence/1"
_IMAGE = re.compile(r"\b(?:img|image)\s?(\d{1,6})\b", re.IGNORECASE)
_OF_ALL = re.compile(r"(?<=\d)\s*(?:of|out of|/)\s*\d+", re.IGNORECASE)
ORDINALS = ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"]
_ORDINAL = re.compile(
    rf"\b({'|'.join(ORDINALS)})\b|\b(\d{{1,6}})(?:st|nd|rd|th)\b|第\s*(\d{{1,6}}|[一二三四五六七八九十])", re.IGNORECASE
)


def sequence(question: Question, truth: Truth, given: Given) -> Grade:
    """Right where it is the true number, or no further from it than the truth allows.

    "17", "frame 17", "slice 17 of 40"; "img2" is a 2 where several images are shown, for then it is they that are
    numbered: where one is shown, img2 is a view of any slice. Numbers are those the policy was told, which begin at 0;
    an ordinal counts from 1, as it does in English, so the third image is number 2. Raises ValueError for a truth that
    is no such number.
    """
    true = _index(truth.answer, images=True)
    if true is None:
        raise ValueError(f"question {question.id!r}: the truth {truth.answer!r} is no number of an image")
    said = _index(given.text, images=len(question.images) != 1 or _IMAGE.search(truth.answer) is not None)
    if said is None:
        return Grade(scorer=SCORER, problem="no number of an image, slice or frame, or several that differ")
    error = float(abs(said - true))
    right = error <= allowed(true, truth, usual=0.0)
    strict = right and re.fullmatch(r"(?:img)?\d+", given.text.strip()) is not None
    return Grade(
        scorer=SCORER, score=float(right), right=right, parsed=True, strict=float(strict), metrics={"abs_error": error}
    )


def _index(text: str, images: bool) -> int | None:
    """The one number that a text tells, else the one of an image, where `images` may be meant, else the one ordinal."""
    text = _OF_ALL.sub("", plain(text))
    found = [q for q in quantities(_IMAGE.sub(" ", _ORDINAL.sub(" ", text))) if not q.unit]
    if not all(q.countable for q in found):
        return None
    named = {int(q.value) for q in found} or ({int(n) for n in _IMAGE.findall(text)} if images else set())
    named = named or {_place(*found.groups()) for found in _ORDINAL.finditer(text)}
    return named.pop() if len(named) == 1 and min(named) >= 0 else None


def _place(word: str | None, digits: str | None, chinese: str | None) -> int:
    """What an ordinal counts to, from 0."""
    if word:
        return ORDINALS.index(word.lower())
    number = digits or numerals(str(chinese))
    return int(number) - 1
