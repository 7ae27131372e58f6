"""Whether a question is one that a policy was trained on: it has to be worded as the made-up families word theirs."""

import re
import sys
from collections.abc import Iterator, Sequence
from string import Formatter
from typing import Any

from envs.episode import Question
from tools.lookup import find


def in_scope(question: Question, families: Sequence[str]) -> bool:
    """Whether a family words its questions like this one; capitals and the last sign do not matter."""
    said = _plain(question.text)
    return any(re.fullmatch(_pattern(wording), said) for family in families for wording in wordings(family))


def wordings(family: str) -> Iterator[str]:
    """All ways in which a family asks."""
    yield from _flat(sys.modules[find("envs.tasks", family).__module__].WORDINGS)


def _flat(wordings: Any) -> Iterator[str]:
    if isinstance(wordings, str):
        yield wordings
    else:
        for part in wordings.values() if isinstance(wordings, dict) else wordings:
            yield from _flat(part)


def _pattern(wording: str) -> str:
    """A wording as a regular expression: what is filled in is a word or two."""
    parts = Formatter().parse(_plain(wording))
    return "".join(re.escape(text) + (r"\S+( \S+)?" if name else "") for text, name, *_ in parts)


def _plain(text: str) -> str:
    return " ".join(text.casefold().rstrip(" .?!").split())
