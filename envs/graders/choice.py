"""One of several choices."""

import re
from collections.abc import Iterable, Sequence

from envs.episode import Question, Truth
from envs.graders.wording import bare, plain, words
from envs.graders.yes_no import WORDS, read
from envs.grading import Given, Grade
from envs.row_questions import ALPHABET, unlettered

SCORER = "choice/1"

_LETTER = re.compile(r"[(\[]?([A-Z])[)\]]?[.:]?", re.IGNORECASE)
_LEADING = re.compile(
    r"(?:[(\[]([A-Za-z])[)\]]|([A-Z])[.:)、](?!\w\.)|([a-z])[.:)、](?=\s))[\s.:-]*(?P<rest>.*)", re.DOTALL
)
_SPACED = re.compile(r"([A-Z])[\s,-]+(?P<rest>.*)", re.DOTALL)
_MARKED = re.compile(r"\(([A-Z])\)|(?<![\w.])([A-Z])[.):](?=\s|$)")
_TOLD = re.compile(
    r"\b(?:answer|option|choice|think|choose|pick|select)(?:\s+(?:it\s+)?is|\s+would\s+be|\s+option)*\s*:?\s*\(?([A-Z])\)?"
    r"(?=$|[.,;)]|\s+(?:because|since|as)\b)|(?:答案|选项|选择?)\s*[是为]?\s*:?\s*\(?([A-Z])\b"
    r"|(?<![\w.])\(?([A-Z])\)?\s+is\s+(?:the\s+)?(?:correct|right|best)\b"
)
_DENIED = re.compile(r"(?:is|was|are|seems)?\s*(?:not|wrong|incorrect|false|excluded|ruled out|错)\b", re.IGNORECASE)
DENIALS = {
    "no", "not", "nor", "neither", "without", "except", "wrong", "incorrect", "rather", "unlikely", "isn", "doesn",
    "cannot", "不", "非", "无", "没", "错",
}  # fmt: skip
"""Words of a sentence which may take back the choice that it names."""


def choice(question: Question, truth: Truth, given: Given) -> Grade:
    """Right where one choice is named, and it is true.

    By its letter ("B", "(b)", "B. text", "the answer is B"), or by its text, alone or as the only choice that occurs
    in a sentence that denies nothing. A letter that is a word of a sentence ("I see a lesion", "A lesion") names
    nothing, nor does a text that is merely like a choice. "Left lung and pleura" does not name "left lung". Raises
    ValueError for a truth that is no choice.
    """
    choices = unlettered(question.choices)
    true = {place for answer in (truth.answer, *truth.accepted) for place in named(answer, choices)}
    if not true:
        raise ValueError(f"question {question.id!r}: the truth {truth.answer!r} is none of its choices")
    said = named(given.text, choices)
    if not said:
        return Grade(scorer=SCORER, problem="no choice is named, or several are")
    right = bool(said & true)
    strict = right and re.fullmatch("[A-Z]", given.text.strip()) is not None
    return Grade(scorer=SCORER, score=float(right), right=right, parsed=True, strict=float(strict))


def named(text: str, choices: Sequence[str]) -> set[int]:
    """The place of the choice that a text names; several places where their texts are the same. Empty: none."""
    said = bare(text)
    whole = (said.casefold(), plain(text).casefold())  # "Option 1" may be the text of a choice
    exact = {n for n, choice in enumerate(choices) if plain(choice).casefold() in whole}
    if (alone := _LETTER.fullmatch(said)) and (place := _places(alone.groups(), choices)):
        return place
    if exact:
        return exact
    letter = _by_letter(plain(text), said, choices)
    if letter is not None:
        return letter
    return _alike(words(said), choices) or _by_verdict(text, choices) or _by_text(words(said), choices)


def _by_letter(text: str, said: str, choices: Sequence[str]) -> set[int] | None:
    """The place of the one letter that names a choice; empty where there are several, None where there is none."""
    letters = [letter for found in _TOLD.finditer(text) for letter in found.groups()]
    if (leading := _LEADING.fullmatch(said)) and (first := _places(leading.groups()[:3], choices)):
        begins = _beginning(words(leading["rest"]), choices)
        if _DENIED.match(leading["rest"]) or (begins and not first <= begins):
            return set()
        letters += [*leading.groups()[:3], *(letter for found in _MARKED.finditer(text) for letter in found.groups())]
    if (spaced := _SPACED.fullmatch(said)) and (same := _alike(words(spaced["rest"]), choices)):
        if spaced[1] != "A" and not _places([spaced[1]], choices) <= same:
            return set()
        letters += [ALPHABET[n] for n in _places([spaced[1]], choices) & same]
    places = _places(letters, choices)
    return None if not places else places if len(places) == 1 else set()


def _by_verdict(text: str, choices: Sequence[str]) -> set[int]:
    """The place of the choice that is a yes or a no, where the text says that."""
    said = read(text)
    return {n for n, choice in enumerate(choices) if said is not None and read(choice) == said}


def _by_text(said: list[str], choices: Sequence[str]) -> set[int]:
    """The place of the one choice whose text occurs among words that deny nothing."""
    found, left = set(), list(said)
    for text in sorted({tuple(_content(words(choice))) for choice in choices}, key=len, reverse=True):
        size = len(text)
        if not text or (size == 1 and (re.fullmatch("[a-z]", text[0]) or text[0] in WORDS)):
            continue  # a letter, and a "no", may be any word of a sentence
        for start in range(len(left) - size + 1):
            if tuple(left[start : start + size]) == text:
                found.add(text)
                left[start : start + size] = [""] * size  # what is part of a longer choice is not named again
    return _alike([*found.pop()], choices) if len(found) == 1 and not DENIALS & set(left) else set()


def _places(letters: Iterable[str | None], choices: Sequence[str]) -> set[int]:
    """The places of the choices that have these letters; every letter may be one where no choices are given."""
    return {ALPHABET.index(letter.upper()) for letter in letters if letter} & set(range(len(choices) or len(ALPHABET)))


def _alike(said: list[str], choices: Sequence[str]) -> set[int]:
    """The places of the choices whose text these words are."""
    text = _content(said)
    return {n for n, choice in enumerate(choices) if text and _content(words(choice)) == text}


def _beginning(said: list[str], choices: Sequence[str]) -> set[int]:
    """The places of the longest choice that these words begin with."""
    fitting = [text for choice in choices if (text := _content(words(choice))) and said[: len(text)] == text]
    return _alike(max(fitting, key=len), choices) if fitting else set()


def _content(said: list[str]) -> list[str]:
    """Words without an article in front."""
    return said[1:] if len(said) > 1 and said[0] in ("a", "an", "the") else said
