"""Meissa's way to show how to read (arXiv:2603.09018): the ShareGPT layout of LLaMA-Factory, with function calls.

    {"images": ["a.png", "b.png"], "system": "...", "tools": "[...]", "conversations": [
        {"from": "human", "value": "<image>\\n..."},
        {"from": "function_call", "value": "<think>\\n...\\n</think>\\n\\n{\\"name\\": \\"ZoomInSubfigure\\", \\"arguments\\": {...}}"},
        {"from": "observation", "value": "<image>\\nZoomed in ... [Output Image ID: img_round_0]"},
        {"from": "function_call", "value": "...{\\"name\\": \\"Terminate\\", \\"arguments\\": {\\"ans\\": \\"C\\"}}"},
        {"from": "observation", "value": "..."}, {"from": "gpt", "value": "<think>...</think>\\n[FINAL] C"}]}

    ZoomInSubfigure           {"image", "param": [x0, y0, x1, y1]}, also as text   -> zoom
    SegmentRegionAroundPoint  {"image", "param": "x=\\"215\\" y=\\"285\\""}              -> segment, method region
    Terminate                 {"ans"}                                              -> the answer
    image                     img_original, img_last, or img_round_N: what call N, from 0, showed

As in data/README.md and environments/interleaved_thinking_images of github.com/Schuture/Meissa. Numbers are thousandths
of the image named. Meissa's own zoom shows a margin of a tenth around the box, and says in px which region it shows:
where a record says so, that region is taken. What follows Terminate only repeats the answer. Several calls in one turn
are a JSON list, as LLaMA-Factory takes them.
"""  # noqa: E501

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from agent.coordinates import THOUSANDTHS
from envs.datasets import OnBad, Row, place, refuse
from envs.dialects import not_json
from envs.episode import Act, Answer, Episode, ToolCall, Turn
from envs.row_talk import SPEAKERS, Exchange, exchanges
from sft.formats import Format, Script
from sft.formats.reading import MARK, Record, Said, images_of, scripts
from sft.formats.writing import about, asked, cannot, turns, words, written
from tools.geometry import Box, Point
from tools.study import Source

WHO = {**SPEAKERS, "function_call": "answers", "observation": "asks"}
HELD = {"zoom": {"image", "box", "factor"}, "segment": {"image", "method", "point"}}
NAMES = {"zoom": "ZoomInSubfigure", "segment": "SegmentRegionAroundPoint"}
CALL = 'a call is {"name": "...", "arguments": {...}} in JSON, after its <think>...</think>'
SYSTEM = (
    "You read a medical image. Images are called img_original, img_last and img_round_N, the output of call N from 0; "
    "coordinates are thousandths of the image named. End with Terminate."
)
TOOLS = [
    {"name": "ZoomInSubfigure", "description": "Show a region [x0, y0, x1, y1] of an image enlarged."},
    {"name": "SegmentRegionAroundPoint", "description": 'Outline what is around a point x="..." y="..." of an image.'},
    {"name": "Terminate", "description": "Give the final answer."},
]
_THOUGHT = re.compile(r"\s*<think>(.*?)</think>\s*", re.DOTALL)
_FINAL = re.compile(r"\[FINAL\]\s*(.*)", re.DOTALL)
_ID = re.compile(r"\[Output Image ID:\s*(img_round_\d+)\]")
_REGION = re.compile(r"Zoomed in successfully to region (\[[\d., ]+\])")
_NUMBER = r'"?(-?\d+(?:\.\d+)?)"?'
_POINT = re.compile(rf"\s*x\s*=\s*{_NUMBER}[\s,]*y\s*=\s*{_NUMBER}\s*")


def sharegpt() -> Format:
    """The layout of Meissa's demonstrations."""
    return Format(read, write)


def read(path: Path, root: Path | None = None, on_bad: OnBad = refuse) -> Iterator[Script]:
    return scripts(path, root, "sharegpt", _record, on_bad)


def write(episodes: Iterable[Episode], path: Path, images: Path) -> int:
    return written(episodes, path, images, _written)


def _record(row: Row) -> Record:
    talk = exchanges(row, WHO)
    pictures, shown = images_of(row, talk)
    if shown[0] != 1:
        raise row.bad(f"shows {shown[0]} images with its question; img_original is one")
    numbers = _numbers(talk)

    def reply(number: int, seen: Sequence[Source]) -> Said:
        regions = _REGION.findall(talk[number + 1].asked) if number + 1 < len(talk) else []
        return _said(row, number, talk[number], seen, numbers, regions)

    return Record(row.maybe("question") or talk[0].question, pictures, shown, reply, row.get("options"))


def _numbers(talk: Sequence[Exchange]) -> dict[str, int]:
    """Which picture each name stands for; where an observation does not name its own, they are numbered by calls."""
    numbers, count, calls = {"img_original": 0}, 1, 0
    for exchange in talk[1:]:
        named, images = _ID.findall(exchange.asked), exchange.asked.count(MARK)
        names = named if len(named) == images else [f"img_round_{calls + n}" for n in range(images)]
        numbers |= {name: count + n for n, name in enumerate(names)}
        count, calls = count + images, calls + max(1, images)
    return numbers


def _said(
    row: Row, number: int, exchange: Exchange, seen: Sequence[Source], numbers: Mapping[str, int], regions: list[str]
) -> Said:
    thinks = _THOUGHT.match(exchange.answered)
    thought, body = thinks[1].strip() if thinks else "", exchange.answered[thinks.end() if thinks else 0 :].strip()
    if exchange.reply.get("from", exchange.reply.get("role")) != "function_call":
        final = _FINAL.search(body)
        return thought, (Answer(text=final[1] if final else body),)
    try:
        calls = json.loads(body, parse_constant=not_json)
    except (ValueError, RecursionError):
        raise row.bad(f"reply {number + 1}: {CALL}") from None
    calls = calls if isinstance(calls, list) else [calls]
    told = regions if len(regions) == len(calls) else [""] * len(calls)
    actions = tuple(_action(row, number, *pair, seen, numbers) for pair in zip(calls, told, strict=True))
    if not actions:
        raise row.bad(f"reply {number + 1}: {CALL}")
    return thought, actions


def _action(
    row: Row, number: int, call: Any, region: str, seen: Sequence[Source], numbers: Mapping[str, int]
) -> ToolCall | Answer:
    if not isinstance(call, dict) or not isinstance(call.get("arguments"), dict):
        raise row.bad(f"reply {number + 1}: {CALL}")
    name, arguments = call.get("name"), call["arguments"]
    if name == "Terminate":
        if not isinstance(arguments.get("ans"), str):
            raise row.bad(f"reply {number + 1}: Terminate takes the answer as text, in 'ans'")
        return Answer(text=arguments["ans"].strip())
    if name not in NAMES.values():
        known = ", ".join([*NAMES.values(), "Terminate"])
        raise row.bad(f"reply {number + 1}: we have no counterpart of the tool {str(name)[:60]!r}, only of: {known}")
    at = _image(row, number, arguments.get("image", "img_last"), len(seen), numbers)
    if name == "SegmentRegionAroundPoint":
        param = _point(row, number, arguments.get("param"))
        at_point = place(row, seen[at], param, "0-1000", shape=Point).shape.numbers
        return ToolCall(name="segment", arguments={"image": f"img{at}", "method": "region", "point": at_point})
    box = _box(row, number, region or arguments.get("param"))
    shape = place(row, seen[at], box, "px" if region else "0-1000", shape=Box).shape
    return ToolCall(name="zoom", arguments={"image": f"img{at}", "box": shape.numbers})


def _image(row: Row, number: int, name: Any, seen: int, numbers: Mapping[str, int]) -> int:
    at = seen - 1 if name == "img_last" else numbers.get(str(name), seen)
    if at >= seen:
        there = ", ".join(["img_last", *(known for known, n in numbers.items() if n < seen)])
        raise row.bad(f"reply {number + 1}: no image {str(name)[:40]!r} has been shown; there are: {there}")
    return at


def _box(row: Row, number: int, param: Any) -> list[float]:
    try:
        numbers = json.loads(param) if isinstance(param, str) else param
    except ValueError:
        numbers = None
    if not isinstance(numbers, list):
        raise row.bad(f"reply {number + 1}: {str(param)[:60]!r} is not [x0, y0, x1, y1]")
    return numbers


def _point(row: Row, number: int, param: Any) -> list[float]:
    found = _POINT.fullmatch(str(param))
    if found is None:
        raise row.bad(f'reply {number + 1}: {str(param)[:60]!r} is not x="..." y="..."')
    return [float(found[1]), float(found[2])]


def _written(episode: Episode, names: list[str]) -> dict[str, Any]:
    talk = [{"from": "human", "value": f"{MARK}\n{asked(episode)}"}]
    shown = 0
    for number, turn in enumerate(turns(episode, THOUSANDTHS, HELD), start=1):
        told = []
        for act in turn.acts:
            told.append(f"{MARK}\n{words(act, THOUSANDTHS)} [Output Image ID: img_round_{shown}]")
            shown += len(act.observation.images)
        talk.append({"from": "function_call", "value": _reply(episode, number, turn)})
        talk.append({"from": "observation", "value": "\n".join(told)})
    talk[-1] = {"from": "observation", "value": "The answer is taken; tell it."}
    talk.append({"from": "gpt", "value": f"[FINAL] {episode.answer}"})
    schemas = json.dumps(TOOLS)
    return {**about(episode, names), "conversations": talk, "system": SYSTEM, "tools": schemas}


def _reply(episode: Episode, number: int, turn: Turn) -> str:
    calls = [_call(episode, number, act) for act in turn.acts]
    thought = f"<think>\n{turn.thought}\n</think>\n\n" if turn.thought else ""
    return thought + json.dumps(calls[0] if len(calls) == 1 else calls, ensure_ascii=False)


def _call(episode: Episode, number: int, act: Act) -> dict[str, Any]:
    action: Any = act.action
    if isinstance(action, Answer):
        return {"name": "Terminate", "arguments": {"ans": action.text}}
    given = action.arguments
    at = int(given["image"].removeprefix("img"))
    image = "img_original" if at == 0 else f"img_round_{at - 1}"
    if action.name == "segment" and (given.get("method") != "region" or given.get("point") is None):
        raise cannot(episode, f"turn {number}: of segment there is room for the method region with a point alone")
    x, *rest = given["box" if action.name == "zoom" else "point"]
    param = [x, *rest] if action.name == "zoom" else f'x="{x}" y="{rest[0]}"'
    return {"name": NAMES[action.name], "arguments": {"image": image, "param": param}}
