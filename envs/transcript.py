"""An episode in words, line by line: what the terminal shows."""

import re
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from envs.episode import Act, Answer, Episode, Malformed, Turn
from tools.image import Image

LABEL_WIDTH = 9
_UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class Line(NamedTuple):
    """One thing that happened."""

    kind: Literal["think", "rethink", "act", "seen", "refused", "answer"]
    label: str
    text: str
    note: str = ""
    """Time taken, tokens written."""


def transcript(episode: Episode) -> str:
    """The whole episode as plain text."""
    out = [f"question  {safe(episode.question.text)}"]
    for number in range(len(episode.turns)):
        for row, line in enumerate(lines(episode, number)):
            text = line.text.replace("\n", "\n" + " " * (LABEL_WIDTH + 4))
            lead = f"{number + 1 if row == 0 else '':>2} {line.label:{LABEL_WIDTH}}"
            out.append(f"{lead} {text}  {line.note}".rstrip())
    out.append(ending(episode))
    return "\n".join(out)


def lines(episode: Episode, number: int) -> Iterator[Line]:
    """What happened in turn `number` (from 0)."""
    turn = episode.turns[number]
    shown = len(episode.opening.images) + sum(len(t.images) for t in episode.turns[:number])
    if turn.thought:
        phase: Any = "rethink" if any(span.phase == "rethink" for span in turn.spans) else "think"
        yield Line(phase, phase, safe(turn.thought), _took(turn))
    if not turn.strict and turn.repaired:
        yield Line("refused", "repaired", safe(turn.problem))
    for act in turn.acts:
        yield from _act_lines(act, shown)
        shown += len(act.observation.images)


def _act_lines(act: Act, shown: int) -> Iterator[Line]:
    if isinstance(act.action, Answer):
        yield Line("answer", "answer", safe(act.action.text))
        if act.refused:
            yield Line("refused", "refused", safe(act.observation.words()))
        return
    if isinstance(act.action, Malformed):
        yield Line("refused", "unread", safe(act.observation.words()))
        return
    yield Line("act", safe(act.action.name)[:24], safe(spoken(act.action.arguments)), f"{act.seconds * 1000:.0f} ms")
    new = "".join(f"img{shown + n}: {_size(image)}. " for n, image in enumerate(act.observation.images))
    words = safe(act.observation.words())
    yield Line("refused", "refused", words) if act.refused else Line("seen", "", f"→ {new}{words}")


def ending(episode: Episode) -> str:
    """How the episode ended, in one line."""
    turns = f"{len(episode.turns)} turn{'' if len(episode.turns) == 1 else 's'}"
    if episode.stop == "answered":
        reward = f", reward {episode.verdict.reward:.3g}" if episode.verdict else ""
        return f"answered in {turns}{reward}"
    if episode.stop is None:
        return f"broken off after {turns}"
    problem = f": {safe(episode.problem).strip().splitlines()[-1]}" if episode.problem else ""
    return f"no answer after {turns}: {episode.stop.replace('_', ' ')}{problem}"


def spoken(arguments: dict[str, Any]) -> str:
    """Arguments of a call, short."""
    return ", ".join(f"{name} {_spoken(value)}" for name, value in arguments.items())


def safe(text: str) -> str:
    """The text without what could steer a terminal: control characters and changes of direction show as a box."""
    return _UNSAFE.sub("\ufffd", text)


def _spoken(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_spoken(v) for v in value) + "]"
    return str(value)


def _size(image: Image) -> str:
    return f"{image.width} x {image.height}"


def _took(turn: Turn) -> str:
    tokens = f" · {turn.reply.num_tokens} tok" if turn.reply.num_tokens else ""
    return f"{turn.seconds:.1f} s{tokens}" if turn.seconds >= 0.05 or tokens else ""
