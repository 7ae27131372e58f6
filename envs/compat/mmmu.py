"""MMMU's scorer of multiple choice; reproduces the published formula with its traps; not for claims."""

from collections.abc import Sequence

from envs.compat.rates import mean
from envs.row_questions import ALPHABET

LONG = 5
"""Words of a reply from which on choices are looked for by their text."""


def mmmu(predictions: Sequence[str], answers: Sequence[str], choices: Sequence[Sequence[str]]) -> dict[str, float]:
    """Letters in brackets, else between spaces, else in a long reply the texts of choices; the last one counts.

    github.com/MMMU-Benchmark/MMMU, mmmu/utils/eval_utils.py. There a reply that names none is given a choice at
    random; here it is wrong, so scores are lower. Traps: the article of "A lesion" is an A; of all choices named the
    last is the answer; the text of a choice need only be part of a word.
    """
    said = [_letter(reply, options) for reply, options in zip(predictions, choices, strict=True)]
    return {
        "accuracy": mean([letter == answer for letter, answer in zip(said, answers, strict=True)]),
        "parsable": mean([letter is not None for letter in said]),
    }


def _letter(reply: str, choices: Sequence[str]) -> str | None:
    for mark in ",.!?;:'":
        reply = reply.strip(mark)
    reply = f" {reply} "
    letters = ALPHABET[: len(choices)]
    by_letter = _last(reply, {letter: f"({letter})" for letter in letters})
    by_letter = by_letter or _last(reply, {letter: f" {letter} " for letter in letters})
    if by_letter or len(reply.split()) <= LONG:
        return by_letter
    return _last(reply.lower(), dict(zip(letters, map(str.lower, choices), strict=True)))


def _last(reply: str, marks: dict[str, str]) -> str | None:
    """The letter whose mark begins last in a reply."""
    places = {letter: reply.rfind(mark) for letter, mark in marks.items() if mark in reply}
    return max(places, key=lambda letter: places[letter]) if places else None
