"""ViTAR's two scorers, as released; reproduces the published formulas with their traps; not for claims."""

import re
from collections.abc import Sequence

from envs.compat.rates import mean

_TERMINATE = r'"name"\s*:\s*"Terminate"\s*,\s*"arguments"\s*:\s*\{[^}]*?"answer"\s*:\s*"'
_ANSWER = re.compile(_TERMINATE + r'([^"]+)"')
_EXACT = re.compile(_TERMINATE + r'([^"]*)"')


def vitar(predictions: Sequence[str], answers: Sequence[str]) -> dict[str, float]:
    """`exact`, the reward of its training, and `letter`, the accuracy of its evaluation.

    github.com/JLINEkai/ViTAR, commits 1448fb2 and a9048b1. Traps: of several Terminates the first counts; an answer is
    lost at an escaped quote; `exact` is letter by letter but for case, spaces and underscores, so "A. pneumonia" is not
    "A", and a reply that is no JSON is taken whole; `letter` is the first character, so "Aorta" is "A", and replies
    without a Terminate are left out of its denominator: `letter_of_all` counts them.
    """
    letters = [_letter(reply) for reply in predictions]
    hits = [letter == answer for letter, answer in zip(letters, answers, strict=True)]
    told = [hit for hit, letter in zip(hits, letters, strict=True) if letter is not None]
    exact = [_plain(_said(reply)) == _plain(answer) for reply, answer in zip(predictions, answers, strict=True)]
    return {
        "exact": mean(exact), "letter": mean(told), "letter_of_all": mean(hits),
        "parsable": mean([letter is not None for letter in letters]),
    }  # fmt: skip


def _letter(reply: str) -> str | None:
    found = _ANSWER.search(reply)
    return found[1].upper()[0] if found else None


def _said(reply: str) -> str:
    found = _EXACT.search(reply)
    return found[1] if found else reply


def _plain(text: str) -> str:
    return text.strip().lower().replace(" ", "").replace("_", "")
