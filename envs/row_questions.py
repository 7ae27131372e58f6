"""A row of a data set as a question and its truth; the forms in which choices and answers are written."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from envs.episode import Kind, Question, Truth, storable
from envs.rows import Row, read_literal
from tools.image import Image, Place, first_view
from tools.mask import Mask
from tools.study import Study

Task = tuple[Question, Truth]

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
YES_NO = {"yes": "yes", "no": "no", "是": "yes", "是的": "yes", "有": "yes", "不是": "no", "否": "no", "没有": "no"}
"""Answers that are a yes or a no and nothing else, casefolded."""
_LETTER = re.compile(r"\(?([A-Z])\)?[.:)]?")


def asked(
    row: Row,
    *,
    id: str,
    text: str,
    study: Study,
    answer: str,
    origin: str,
    choices: Sequence[str] = (),
    lettered: bool | None = None,
    kind: Kind | None = None,
    accepted: Sequence[str] = (),
    images: Sequence[Image] | None = None,
    places: Sequence[Place] = (),
    masks: Sequence[Mask] = (),
    tolerance: float | None = None,
    within: float | None = None,
    tags: Mapping[str, str] | None = None,
) -> Task:
    """A question and its truth; the question's id is `origin`/`id`.

    The kind follows from the answer where none is given: choice, yes_no, or open. Of choices, `answer` is the letter
    (`lettered`), the text (False) or either (None); the truth has the letter, and accepts the text. `images` are the
    views shown first; where None, the usual one of each source. Raises DataError for an answer that is not among the
    choices.
    """
    kind = kind or kind_of(answer, choices)
    right = _right(row, kind, storable(answer).strip(), choices, lettered)
    try:
        question = Question(
            id=f"{origin}/{storable(id)}",
            text=storable(text),
            study=study,
            images=tuple(first_view(source) for source in study.sources) if images is None else tuple(images),
            kind=kind,
            choices=tuple(storable(choice) for choice in choices),
            origin=origin,
            tags=dict(tags or {}),
        )
        truth = Truth(
            answer=right[0],
            accepted=tuple(dict.fromkeys(storable(text) for text in (*right[1:], *accepted))),
            regions=tuple(places),
            masks=tuple(masks),
            tolerance=tolerance,
            within=within,
        )
    except ValidationError as error:
        raise row.invalid("", error) from None
    return question, truth


def kind_of(answer: str, choices: Sequence[str] = ()) -> Kind:
    """What kind of answer this is, by its own words."""
    if choices:
        return "choice"
    return "yes_no" if answer.strip(" .").casefold() in YES_NO else "open"


def tags(
    *,
    modality: Any = None,
    anatomy: Any = None,
    task: Any = None,
    language: Any = None,
    answer_type: Any = None,
    **more: Any,
) -> dict[str, str]:
    """Tags to report results by, from what a row says; what it does not say is left out."""
    said = {"modality": modality, "anatomy": anatomy, "task": task, "language": language, "answer_type": answer_type}
    return {name: storable(str(value)).strip() for name, value in (said | more).items() if value not in (None, "")}


def choices(row: Row, value: Any) -> tuple[str, ...]:
    """The choices, without letters in front, from what a row holds.

    A list, also one written as text; an object {"A": ..., "B": ...}; a list of {"letter", "content"}. Empty ones at the
    end are left out. Raises DataError where it is none of these or has gaps.
    """
    if isinstance(value, str):
        value = read_literal(value)
    if isinstance(value, list | tuple) and value and all(isinstance(item, dict) for item in value):
        value = {item.get("letter"): item.get("content") for item in value}
    if isinstance(value, dict):
        value = _in_order(row, value)
    if not isinstance(value, list | tuple):
        raise row.bad(f"choices are a list or an object by letter, not {type(value).__name__}")
    texts = ["" if text is None or text != text else str(text).strip() for text in value]  # NaN: an empty cell
    while texts and not texts[-1]:
        texts.pop()
    if "" in texts:
        raise row.bad(f"choice {texts.index('') + 1} of {len(texts)} is empty")
    return unlettered(texts)


def unlettered(texts: Sequence[str]) -> tuple[str, ...]:
    """Choices without "A:", "(B)" or "C." in front, where every one has its own letter there."""
    found = [
        re.fullmatch(rf"(?:\({letter}\)|{letter}[.:)])\s*(\S.*)", text, re.DOTALL)
        for letter, text in zip(ALPHABET, texts, strict=False)
    ]
    bare = tuple(match[1] for match in found if match)
    return bare if len(bare) == len(texts) else tuple(texts)


def letters(row: Row, answer: str, choices: Sequence[str], lettered: bool | None = None) -> tuple[str, ...]:
    """The letters of the choices that an answer names by its letter (`lettered`), its text (False), or either (None).

    Raises DataError where it names none, or different ones by letter and by text.
    """
    said, letter = _plain(answer), _LETTER.fullmatch(answer.strip())
    by_text = tuple(letter for letter, text in zip(ALPHABET, choices, strict=False) if _plain(text) == said)
    by_letter = (letter[1],) if letter and letter[1] in ALPHABET[: len(choices)] else ()
    if lettered is None and by_text and by_letter and by_letter[0] not in by_text:
        raise row.bad(f"the answer {answer!r} is the letter of one choice and the text of another")
    found = {True: by_letter, False: by_text, None: by_text or by_letter}[lettered]
    if not found:
        there = ", ".join(f"{letter}: {text}" for letter, text in zip(ALPHABET, choices, strict=False))
        raise row.bad(f"the answer {answer[:60]!r} is not among its choices {there}"[:400])
    return found


def _right(row: Row, kind: Kind, answer: str, choices: Sequence[str], lettered: bool | None) -> tuple[str, ...]:
    """The answer as the truth has it, then others that are as right."""
    if kind == "choice":
        found = letters(row, answer, choices, lettered)
        text = storable(choices[ALPHABET.index(found[0])])
        return found if _LETTER.fullmatch(text) else (*found, text)  # "B" must not be right where it is the text of A
    if kind == "yes_no":
        known = YES_NO.get(answer.strip(" .").casefold())
        if known is None:
            raise row.bad(f"the answer {answer[:60]!r} is neither yes nor no")
        return (known,) if answer.casefold() == known else (known, answer)
    return (answer,)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split()).rstrip(".")


def _in_order(row: Row, value: Mapping[Any, Any]) -> list[Any]:
    """The values of an object by letter, from A on."""
    expected = list(ALPHABET[: len(value)])
    if sorted(map(str, value)) != expected:
        raise row.bad(f"choices have the letters {', '.join(map(str, value))}; they must be {', '.join(expected)}")
    return [value[letter] for letter in expected]
