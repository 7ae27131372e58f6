"""Ophiuchus' way to show how to read (arXiv:2512.14157): numbered images, a tool's name and its input in JSON.

    {"question": "...", "answer": "C", "images": ["a.png", "b.png"], "conversations": [
        {"role": "system", "content": "..."},
        {"role": "user", "content": "<image>\\n### Question:\\n... Options: (A) ...\\n(B) ...\\nThe index of the given image is 1 (...)"},
        {"role": "assistant", "content": "<think> ... </think> Action: Zoom-in\\n```json\\n[{\\"index\\": 1, \\"bbox_2d\\": [...]}]\\n```"},
        {"role": "user", "content": "<image>\\nThe index of the given image is 2 (width: 192, height: 192). ..."},
        {"role": "assistant", "content": "<think> ... </think> Action: Answer\\n<answer> C </answer>"}]}

As in data/example/data_case/biomedparser-SFT.json of github.com/SII-zyj/Ophiuchus, where the action may also stand in
<tool_call>. Images count from 1, boxes are px of the image named. Its two segmenters, SAM2 and BiomedParse, are models
that we have no counterpart of: a record that calls one is refused.
"""  # noqa: E501

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from envs.datasets import OnBad, Row, place, refuse
from envs.dialects import not_json
from envs.episode import Act, Answer, Episode, ToolCall, Turn
from envs.row_talk import Exchange, exchanges
from sft.formats import Format, Script
from sft.formats.reading import MARK, Record, Said, images_of, scripts
from sft.formats.writing import AS_SHOWN, about, asked, turns, written
from tools.geometry import Box
from tools.image import Image
from tools.study import Source

FORM = 'it must be "<think> ... </think> Action: Zoom-in" and fenced JSON, or "Action: Answer <answer> ... </answer>"'
_THINK = r"\s*(?:<think>(?P<thought>.*?)</think>)?\s*Action\s*:\s*"
_CALL = re.compile(
    _THINK + r"(?:<tool_call>)?\s*(?P<tool>[\w-]+)\s*```json\s*(?P<json>.*?)\s*```\s*(?:</tool_call>)?\s*", re.DOTALL
)
_ANSWER = re.compile(_THINK + r"Answer\s*<answer>(?P<answer>.*?)</answer>\s*", re.DOTALL)
_OPTIONS = re.compile(r"Options:\s*(.*?)\s*(?:The index of the given image|\Z)", re.DOTALL)
_OPTION = re.compile(r"\(([A-Z])\)\s*(.*?)\s*(?=\([A-Z]\)|\Z)", re.DOTALL)
_HEADING = re.compile(r"#+\s*Question:\s*")
_AFTER = re.compile(r"\s*(?:Options:|The index of the given image)")


def ophiuchus() -> Format:
    """The layout of Ophiuchus' demonstrations."""
    return Format(read, write)


def read(path: Path, root: Path | None = None, on_bad: OnBad = refuse) -> Iterator[Script]:
    return scripts(path, root, "ophiuchus", _record, on_bad)


def write(episodes: Iterable[Episode], path: Path, images: Path) -> int:
    return written(episodes, path, images, _written)


def _record(row: Row) -> Record:
    talk = exchanges(row)
    pictures, shown = images_of(row, talk)

    def reply(number: int, seen: Sequence[Source]) -> Said:
        return _said(row, number, talk[number].answered, seen)

    text = row.maybe("question") or _AFTER.split(_HEADING.sub("", talk[0].question))[0]
    return Record(text, pictures, shown, reply, row.get("options") or _options(talk[0]))


def _options(first: Exchange) -> dict[str, str]:
    """The choices by letter; empty where none are listed."""
    listed = _OPTIONS.search(first.asked)
    return dict(_OPTION.findall(listed[1])) if listed else {}


def _said(row: Row, number: int, text: str, seen: Sequence[Source]) -> Said:
    if answer := _ANSWER.fullmatch(text):
        return (answer["thought"] or "").strip(), (Answer(text=answer["answer"].strip()),)
    call = _CALL.fullmatch(text)
    if call is None:
        raise row.bad(f"reply {number + 1}: {FORM}")
    if call["tool"] != "Zoom-in":
        raise row.bad(f"reply {number + 1}: we have no counterpart of the tool {call['tool'][:60]!r}, only of Zoom-in")
    try:
        regions = json.loads(call["json"], parse_constant=not_json)
    except (ValueError, RecursionError) as error:
        raise row.bad(f"reply {number + 1}: not JSON ({error})") from None
    if not isinstance(regions, list) or not regions:
        raise row.bad(f"reply {number + 1}: {FORM}")
    return (call["thought"] or "").strip(), tuple(_zoom(row, number, region, seen) for region in regions)


def _zoom(row: Row, number: int, region: Any, seen: Sequence[Source]) -> ToolCall:
    if not isinstance(region, dict) or region.keys() != {"index", "bbox_2d"} or not isinstance(region["bbox_2d"], list):
        raise row.bad(f'reply {number + 1}: {str(region)[:60]} is not {{"index": i, "bbox_2d": [x0, y0, x1, y1]}}')
    index = region["index"]
    if type(index) is not int or not 1 <= index <= len(seen):
        raise row.bad(
            f"reply {number + 1}: there is no image {str(index)[:20]} yet; they are numbered 1 to {len(seen)}"
        )
    box = place(row, seen[index - 1], region["bbox_2d"], "px", shape=Box).shape.numbers
    return ToolCall(name="zoom", arguments={"image": f"img{index - 1}", "box": box})


def _written(episode: Episode, names: list[str]) -> dict[str, Any]:
    first = f"### Question:\n{asked(episode)}\n"
    talk = [{"role": "user", "content": f"{MARK}\n{first}{_numbered(1, episode.opening.images[0])}"}]
    shown = 1
    for turn in turns(episode, AS_SHOWN, {"zoom": {"image", "box", "factor"}}):
        told = [f"{MARK}\n{_numbered(shown + n, image)}" for n, image in enumerate(turn.images, start=1)]
        shown += len(turn.images)
        talk += [{"role": "assistant", "content": _reply(turn)}, {"role": "user", "content": "\n".join(told)}]
    return {**about(episode, names), "conversations": talk[:-1]}


def _numbered(index: int, image: Image) -> str:
    return f"The index of the given image is {index} (width: {image.width}, height: {image.height})."


def _reply(turn: Turn) -> str:
    thought = f"<think> {turn.thought} </think> "
    if isinstance(last := turn.acts[-1].action, Answer):
        return f"{thought}Action: Answer\n<answer> {last.text} </answer>"
    return f"{thought}Action: Zoom-in\n```json\n{json.dumps([_region(act) for act in turn.acts])}\n```"


def _region(act: Act) -> dict[str, Any]:
    assert isinstance(act.action, ToolCall)  # an answer comes alone
    arguments = act.action.arguments
    return {"index": int(arguments["image"].removeprefix("img")) + 1, "bbox_2d": arguments["box"]}
