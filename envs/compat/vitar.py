"""ViTAR's two scorers: the answer letter by letter, and its first letter.

Reproduces the published formula (github.com/JLINEkai/ViTAR, commit 1448fb2) with its traps; not for claims.
"""

import re
from collections.abc import Sequence

from envs.compat import mean

_TERMINATE = re.compile(
    r'\{\s*"name"\s*:\s*"Terminate"\s*,\s*"arguments"\s*:\s*\{[^}]*?"answer"\s*:\s*"(?P<answer>[^"]+)"'
)


def vitar(predictions: Sequence[str], answers: Sequence[str]) -> dict[str, float]:
    """`exact`: the same text but for case, spaces and underscores. `letter`: the same first letter.

    The trap of `letter_overall`: replies in which no `Terminate` is found are left out, not wrong; per data set, as in
    `letter`, they are wrong. The traps of `exact`: "A. pneumonia" is not "A"; the first of several answers counts; an
    answer ends at its first quote, also at an escaped one.
    """
    said = [answered(text) for text in predictions]
    exact = [
        _plain(text if answer is None else answer) == _plain(true)
        for text, answer, true in zip(predictions, said, answers, strict=True)
    ]
    letters = [answer and answer.upper()[0] == true for answer, true in zip(said, answers, strict=True)]
    return {
        "exact": mean(exact),
        "letter": mean(bool(letter) for letter in letters),
        "letter_overall": mean(letter for letter in letters if letter is not None),
        "unparsed": mean(answer is None for answer in said),
    }


def answered(text: str) -> str | None:
    """What the first `Terminate` of a reply answers; None where none is found."""
    found = _TERMINATE.search(text)
    return found["answer"] if found else None


def _plain(text: str) -> str:
    return text.lower().replace(" ", "").replace("_", "")
