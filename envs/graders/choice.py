"""One of several choices."""

import re
import unicodedata
from collections.abc import Sequence

from envs.episode import Question, Truth
from envs.graders.words import plain
from envs.grading import Given, Grade

SCORER = "choice/1"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
DENIALS = frozenset(
    ("not", "no", "never", "without", "neither", "nor", "except", "excluding", "excludes", "unlikely", "不", "非", "无")
)
NEAR = 4
"""How many words before a choice may deny it."""
_ALONE = re.compile(r"\W*([A-Za-z])\W*")
_LEAD = re.compile(r"\s*(?:\(([A-Za-z])\)|([A-Za-z])\s*[.):、])\s*(.*)", re.DOTALL)
_SAID = re.compile(
    r"(?:answer|option|choice)\s*(?:is|:)?\s*:?\s*\(?([A-Z])\)?(?=\s*(?:$|[.,;)]))|(?:答案是?|选择?)\s*:?\s*([A-Z])",
    re.I,
)
_BRACKETED = re.compile(r"\(([A-Z])\)")


def choice(question: Question, truth: Truth, given: Given) -> Grade:
    """Right where the answer names the true choice and no other, by its letter or in its words.

    A letter counts where it stands alone, leads ("B. text"), is bracketed, or is said to be the answer: the article of
    "a lesion" is none. Nothing is taken to be the nearest choice. `strict`: the letter alone.
    """
    true = chosen(truth.answer, question.choices)
    if true is None:
        raise ValueError(f"question {question.id!r}: the truth {truth.answer!r} is none of its choices")
    told = chosen(given.text, question.choices)
    if told is None:
        return Grade(scorer=SCORER)
    right = told == true
    strict = float(right and given.text.strip() == LETTERS[true])
    return Grade(scorer=SCORER, score=float(right), right=right, parsed=True, strict=strict)


def chosen(text: str, choices: Sequence[str]) -> int | None:
    """The number of the choice that a text names; None for none, for several, and for one that it denies."""
    text = unicodedata.normalize("NFKC", text)
    texts = [plain(_unlettered(option, n)) for n, option in enumerate(choices)]
    if plain(text) in texts:
        return texts.index(plain(text)) if texts.count(plain(text)) == 1 else None
    if alone := _ALONE.fullmatch(text):
        return _number(alone[1], choices)
    lead = _LEAD.match(text)
    if lead and (number := _number(lead[1] or lead[2], choices)) is not None:
        return None if (_letters(lead[3], choices) | _named(lead[3], texts)) - {number} else number
    named = _letters(text, choices) | _named(text, texts)
    return named.pop() if len(named) == 1 else None


def _unlettered(option: str, number: int) -> str:
    """A choice without the letter that it may be written with, as in "B: text"."""
    lead = _LEAD.match(option)
    own = lead is not None and (lead[1] or lead[2]).upper() == LETTERS[number] and bool(lead[3].strip())
    return lead[3] if lead is not None and own else option


def _number(letter: str, choices: Sequence[str]) -> int | None:
    number = LETTERS.find(letter.upper())
    return number if 0 <= number < len(choices) else None


def _letters(text: str, choices: Sequence[str]) -> set[int]:
    """The choices whose letters a text brackets, or says to be the answer."""
    said = [a or b for a, b in _SAID.findall(text)] + _BRACKETED.findall(text)
    return {number for letter in said if (number := _number(letter, choices)) is not None}


def _named(text: str, texts: Sequence[tuple[str, ...]]) -> set[int]:
    """The choices whose words a text holds; one inside a longer one that it holds there does not count."""
    words = plain(text)
    spots = [
        (start, start + len(option), n)
        for n, option in enumerate(texts)
        for start in range(len(words) - len(option) + 1)
        if option and words[start : start + len(option)] == option
    ]
    longest = [spot for spot in spots if not any(_inside(spot, other) for other in spots)]
    denied = any(DENIALS & set(words[max(0, start - NEAR) : start]) for start, _, _ in longest)
    return set() if denied else {n for _, _, n in longest}


def _inside(spot: tuple[int, int, int], other: tuple[int, int, int]) -> bool:
    """Whether one stretch of words lies in another, longer one."""
    return other[0] <= spot[0] and spot[1] <= other[1] and other[1] - other[0] > spot[1] - spot[0]
