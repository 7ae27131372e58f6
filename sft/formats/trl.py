"""TRL's conversations with images, as its SFTTrainer takes them, also with tools (TRL 1.16, "Dataset formats").

    {"images": ["a.png", "b.png"], "tools": [...], "messages": [
        {"role": "system", "content": [{"type": "text", "text": "..."}]},
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "..."}]},
        {"role": "assistant", "content": [{"type": "text", "text": "<think>...</think><tool_call>{...}</tool_call>"}]},
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "..."}]},
        {"role": "assistant", "content": [{"type": "text", "text": "<think>...</think><answer>B</answer>"}]}]}

An image part stands for the next of `images`, or brings its own ("image"). What tools show may be told by "tool" or by
"user"; it is written as "user", because TRL fills no images into "tool". A reply may hold its calls in "tool_calls", as
the template of Qwen3-VL has them; one without calls and without <answer> is the answer. The calls are our tools', with
our arguments. The layout does not say what coordinates count: the key "coordinates" does (px, 0-1, 0-1000 or 0-999),
else they are px of the images.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast, get_args

from agent.conversation import Quote, Told, conversation
from envs.datasets import Convention, OnBad, Row, refuse
from envs.dialects import tags
from envs.episode import Answer, Episode, Malformed
from envs.prompt import FRAMES, LANGUAGE, ROLE
from envs.row_talk import SPEAKERS, exchanges
from sft.formats import Format, Script
from sft.formats.reading import MARK, Record, Said, scripts
from sft.formats.writing import AS_SHOWN, about, turns, written
from tools.lookup import find
from tools.study import Source
from tools.tool import Tool

WHO = {**SPEAKERS, "tool": "asks"}
MANY = 1000
"""As many images as an episode can have."""
_THOUGHT = re.compile(r"\s*<think>(.*?)</think>\s*", re.DOTALL)


def trl() -> Format:
    """The layout of TRL's conversational data sets."""
    return Format(read, write)


def read(path: Path, root: Path | None = None, on_bad: OnBad = refuse) -> Iterator[Script]:
    return scripts(path, root, "trl", _record, on_bad)


def write(episodes: Iterable[Episode], path: Path, images: Path) -> int:
    return written(episodes, path, images, _written)


def _record(row: Row) -> Record:
    listed = iter(row.listed("images") if row.get("images") else [])
    pictures: list[Any] = []
    messages: list[dict[str, Any]] = []
    for message in row.listed("messages"):
        if not isinstance(message, dict):
            raise row.bad(f"its messages hold {type(message).__name__}, not a message")
        text = _text(row, message, listed, pictures)
        if messages and message.get("role") == messages[-1]["role"] == "tool":  # the results of one turn's calls
            text = f"{messages.pop()['content']}\n{text}"
        messages.append({"role": message.get("role"), "content": text})
    if next(listed, None) is not None:
        raise row.bad(f"names more images than the {len(pictures)} that its messages show")
    talk = exchanges(row._replace(cells={"messages": messages}), WHO)
    shown = [exchange.asked.count(MARK) for exchange in talk]

    def reply(number: int, seen: Sequence[Source]) -> Said:
        return _said(row, number, talk[number].answered)

    text = row.maybe("question") or talk[0].question
    return Record(text, pictures, shown, reply, row.get("options"), _coordinates(row), sized=False)


def _coordinates(row: Row) -> Convention:
    said = row.maybe("coordinates") or "px"
    if said not in get_args(Convention):
        raise row.bad(f"coordinates are {said[:20]!r}; they must be one of {', '.join(get_args(Convention))}")
    return cast(Convention, said)


def _text(row: Row, message: Mapping[str, Any], listed: Iterator[Any], pictures: list[Any]) -> str:
    """What a message says, with a mark for each image; its pictures join the others."""
    content, calls, pieces = message.get("content") or [], message.get("tool_calls") or [], []
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    if not isinstance(parts, list) or not isinstance(calls, list):
        raise row.bad("a message holds its content as text or a list of parts, and its tool_calls as a list")
    for part in parts:
        kind = part.get("type") if isinstance(part, dict) else type(part).__name__
        if kind == "text" and isinstance(part.get("text"), str):
            pieces.append(part["text"].replace(MARK, ""))
        elif kind == "image":
            if (picture := part.get("image") or next(listed, None)) is None:
                raise row.bad(f"shows more images in its messages than the {len(pictures)} that it names")
            pictures.append(picture)
            pieces.append(MARK)
        else:
            raise row.bad(f"a message holds {kind!r}; there may be text and image")
    pieces += [_called(row, call) for call in calls]
    return "".join(pieces)


def _called(row: Row, call: Any) -> str:
    """A call of `tool_calls` as a reply would write it."""
    function = call.get("function", call) if isinstance(call, dict) else None
    if not isinstance(function, dict):
        raise row.bad('a call of "tool_calls" is {"type": "function", "function": {"name", "arguments"}}')
    arguments = function.get("arguments")
    if isinstance(arguments, dict):  # Arrow gives every call the arguments of all the others, empty
        arguments = {name: value for name, value in arguments.items() if value is not None}
    body = json.dumps({"name": function.get("name"), "arguments": arguments}, ensure_ascii=False).replace("</", "<\\/")
    return f"<tool_call>{body}</tool_call>"


def _said(row: Row, number: int, text: str) -> Said:
    if "<tool_call>" not in text and "<answer>" not in text:
        thought = _THOUGHT.match(text)
        answer = text[thought.end() if thought else 0 :].strip()
        return thought[1].strip() if thought else "", (Answer(text=answer),)
    said = tags.strict(text)
    actions = tuple(action for action in said.actions if not isinstance(action, Malformed))
    if len(actions) < len(said.actions):
        raise row.bad(f"reply {number + 1}: {said.problem}")
    return said.thought, actions


def _written(episode: Episode, names: list[str]) -> dict[str, Any]:
    system = "\n\n".join([ROLE, FRAMES, LANGUAGE, tags.HOW])  # the tools stand in their own column
    moved = episode.model_copy(update={"turns": turns(episode, AS_SHOWN, most_images=MANY), "system": system})
    messages = []
    for item in conversation(moved, AS_SHOWN):
        role = item.role if isinstance(item, Told) else "assistant"
        parts = [_part(part) for part in item.parts] if isinstance(item, Told) else [_part(item.text)]
        messages.append({"role": role, "content": parts})
    tools = [{"type": "function", "function": Tool(find("tools", name)).schema} for name in episode.tools]
    return {**about(episode, names), "coordinates": "px", "messages": messages, "tools": tools}


def _part(part: Any) -> dict[str, str]:
    if isinstance(part, str | Quote):
        return {"type": "text", "text": part if isinstance(part, str) else part.text}
    return {"type": "image"}
