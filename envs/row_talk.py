"""Conversations, as rows of data sets hold them: what is asked, what is answered, and the regions both speak of."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from envs.rows import Row
from tools.image import Image, Mark, Place, first_view
from tools.study import Study

SPEAKERS = {"human": "asks", "user": "asks", "gpt": "answers", "assistant": "answers", "system": "sets the scene"}


class Exchange(NamedTuple):
    """A question of a conversation, and its answer."""

    asked: str
    answered: str
    message: dict[str, Any]
    """All that the row says of the question."""
    reply: dict[str, Any]
    """All that the row says of the answer."""

    @property
    def question(self) -> str:
        """What is asked, without the marks for the images."""
        return re.sub(r"\s*<image>\s*", " ", self.asked).strip()


def exchanges(row: Row, speakers: Mapping[str, str] = SPEAKERS) -> list[Exchange]:
    """The exchanges of "conversations" ([{"from", "value"}]) or of "messages" ([{"role", "content"}]).

    `speakers` says what each who may speak does. What the system says is left out. Raises DataError where questions and
    answers do not take turns.
    """
    said = [_said(row, item, speakers) for item in row.listed("conversations", "messages")]
    said = [turn for turn in said if turn[0] != "sets the scene"]
    if not said or [speaker for speaker, *_ in said] != ["asks", "answers"] * (len(said) // 2):
        raise row.bad("its conversation is not question and answer in turn")
    return [Exchange(a[1], b[1], a[2], b[2]) for a, b in zip(said[::2], said[1::2], strict=True)]


def numbered(text: str, pattern: re.Pattern[str], places: Callable[[str], Sequence[Place]]) -> tuple[str, list[Place]]:
    """A text that calls each place by the number it is drawn with, and the places.

    `places` reads the match of the pattern; it may stand for several.
    """
    found: list[Place] = []

    def called(match: re.Match[str]) -> str:
        found.extend(new := places(match[0]))
        return " " + " and ".join(f"[region {n}]" for n in range(len(found) - len(new) + 1, len(found) + 1))

    return pattern.sub(called, text), found


def drawn(study: Study, places: Sequence[Place]) -> list[Image]:
    """The first view of each source, with those of the places that lie on it drawn and numbered from 1.

    So a question can speak of a region in no coordinates at all, and every policy understands it.
    """
    views = []
    for source in study.sources:
        view = first_view(source)
        here = ((n, place) for n, place in enumerate(places, start=1) if place.source == source.id)
        views.append(view.look(marks=tuple(Mark(shape=place.shape, label=str(n)) for n, place in here)))
    return views


def _said(row: Row, item: Any, speakers: Mapping[str, str]) -> tuple[str, str, dict[str, Any]]:
    """Who speaks, what, and the whole message."""
    if not isinstance(item, dict):
        raise row.bad(f"its conversation holds {type(item).__name__}, not a message")
    who, text = str(item.get("from", item.get("role"))), item.get("value", item.get("content"))
    if who not in speakers:
        raise row.bad(f"{who[:40]!r} speaks in its conversation; those who may: {', '.join(speakers)}")
    if isinstance(text, bool) or not isinstance(text, str | int | float):
        raise row.bad(f"a message of its conversation holds {type(text).__name__}, not text")
    return speakers[who], str(text).strip(), item
