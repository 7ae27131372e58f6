"""ViTAR's way to show how to read (arXiv:2510.10052): a JSON object a reply, and one tool, which draws boxes.

    {"images": ["a.png", "b.png"], "answer": "B", "conversations": [
        {"from": "human", "value": "<image>Which lobe?"},
        {"from": "gpt", "value": "{\\"thought\\": ..., \\"actions\\": [{\\"name\\": \\"mark\\", \\"arguments\\": {\\"box\\": [[40, 52, 61, 70]]}}]}"},
        {"from": "human", "value": "<image>I have marked ..."},
        {"from": "gpt", "value": "{\\"thought\\": ..., \\"actions\\": [{\\"name\\": \\"Terminate\\", \\"arguments\\": {\\"answer\\": \\"B\\"}}]}"}]}

The replies are those of the released system (github.com/JLINEkai/ViTAR); its demonstrations are not released, so what
stands around the replies is inferred from how LLaMA-Factory and ms-swift take a conversation. Boxes are px of the first
picture, which is the one marked, however often.
"""  # noqa: E501

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from envs.datasets import OnBad, Row, place, refuse
from envs.dialects import vitar as dialect
from envs.episode import Answer, Episode, Malformed, ToolCall
from envs.row_talk import exchanges
from sft.formats import Format, Script
from sft.formats.reading import MARK, Record, Said, images_of, scripts
from sft.formats.writing import AS_SHOWN, about, asked, cannot, turns, words, written
from tools.geometry import Box
from tools.study import Source


def vitar() -> Format:
    """The layout of ViTAR's demonstrations."""
    return Format(read, write)


def read(path: Path, root: Path | None = None, on_bad: OnBad = refuse) -> Iterator[Script]:
    return scripts(path, root, "vitar", _record, on_bad)


def write(episodes: Iterable[Episode], path: Path, images: Path) -> int:
    return written(episodes, path, images, _written)


def _record(row: Row) -> Record:
    talk = exchanges(row)
    pictures, shown = images_of(row, talk)

    def reply(number: int, seen: Sequence[Source]) -> Said:
        said = dialect.strict(talk[number].answered)
        return said.thought, tuple(_action(row, number, action, seen[0]) for action in said.actions)

    text = row.maybe("question") or talk[0].question
    return Record(text, pictures, shown, reply, row.get("options"))


def _action(row: Row, number: int, action: ToolCall | Answer | Malformed, picture: Source) -> ToolCall | Answer:
    if isinstance(action, Malformed):
        raise row.bad(f"reply {number + 1}: {action.problem}")
    if isinstance(action, Answer):
        return action
    boxes, known = action.arguments.get("box"), ", ".join(action.arguments)
    if action.name != "mark" or action.arguments.keys() != {"box"}:
        raise row.bad(
            f"reply {number + 1}: we have no counterpart of {action.name[:60]!r} with {known}, only of mark with box"
        )
    if not isinstance(boxes, list) or not boxes or not all(isinstance(box, list) for box in boxes):
        raise row.bad(f"reply {number + 1}: {str(boxes)[:60]} is not a list of boxes [x0, y0, x1, y1]")
    numbers = [place(row, picture, box, "px", shape=Box).shape.numbers for box in boxes]
    return ToolCall(name="mark", arguments={"image": "img0", "boxes": numbers})


def _written(episode: Episode, names: list[str]) -> dict[str, Any]:
    talk: list[dict[str, str]] = [{"from": "human", "value": f"{MARK}{asked(episode)}"}]
    for number, turn in enumerate(turns(episode, AS_SHOWN, {"mark": {"image", "boxes"}}), start=1):
        actions = [_said(episode, number, act.action) for act in turn.acts]
        said = json.dumps({"thought": turn.thought, "actions": actions}, ensure_ascii=False)
        told = [f"{MARK * len(act.observation.images)}{words(act, AS_SHOWN)}" for act in turn.acts]
        talk += [{"from": "gpt", "value": said}, {"from": "human", "value": "\n".join(told)}]
    return {**about(episode, names), "conversations": talk[:-1]}


def _said(episode: Episode, number: int, action: Any) -> dict[str, Any]:
    if isinstance(action, Answer):
        return {"name": "Terminate", "arguments": {"answer": action.text}}
    if action.arguments.get("image") != "img0":
        raise cannot(
            episode, f"turn {number} marks {action.arguments.get('image')}, and there is room for marks on img0 alone"
        )
    return {"name": "mark", "arguments": {"box": action.arguments["boxes"]}}
