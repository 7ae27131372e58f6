"""A demonstration in the coordinates of a family: what was written in px, as the family would write it."""

import json
import math
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from agent.coordinates import Coordinates
from envs import answers
from envs.dialects import Dialect
from envs.episode import Action, Answer, Episode, Kind, Phase, Span, ToolCall, Turn
from tools.geometry import Box, Point, scaling
from tools.tool import Size, Tool


def translated(episode: Episode, coordinates: Coordinates, tools: Mapping[str, Tool], dialect: Dialect) -> Episode:
    """The episode with its replies written anew, their boxes and points in whole numbers of the family's canvases.

    Replies that were sampled stay as they are, and so do those with an action that could not be read.
    """
    images = [*episode.opening.images]
    turns: list[Turn] = []
    for turn in episode.turns:
        seen = len(images)
        images += turn.images
        canvas = tuple(coordinates.canvas(image) for image in images)
        written = turn.reply.canvas or tuple((image.width, image.height) for image in images)
        sizes = {f"img{n}": pair for n, pair in enumerate(zip(written, canvas, strict=False))}
        actions = tuple(_action(act.action, sizes, tools, episode.question.kind) for act in turn.acts)
        turns.append(turn if turn.reply.token_ids else _written(turn, actions, canvas[:seen], dialect))
    return episode.model_copy(update={"turns": tuple(turns)})


def _written(turn: Turn, actions: tuple[Action, ...], canvas: tuple[Size, ...], dialect: Dialect) -> Turn:
    said = tuple(action for action in actions if isinstance(action, ToolCall | Answer))
    if len(said) < len(actions):
        return turn
    text = dialect.write(turn.thought, said)
    reply = turn.reply.model_copy(update={"text": text, "canvas": canvas})
    acts = tuple(act.model_copy(update={"action": action}) for act, action in zip(turn.acts, said, strict=True))
    return turn.model_copy(update={"reply": reply, "acts": acts, "spans": _spans(turn, text, dialect)})


def _spans(turn: Turn, text: str, dialect: Dialect) -> tuple[Span, ...]:
    """The phases of the text, in which a rethought stays one."""
    thought: Phase = "rethink" if any(span.phase == "rethink" for span in turn.spans) else "think"
    spans = dialect.strict(text).spans
    return tuple(span.model_copy(update={"phase": thought}) if span.phase == "think" else span for span in spans)


def _action(action: Action, sizes: Mapping[str, tuple[Size, Size]], tools: Mapping[str, Tool], kind: Kind) -> Action:
    """A call with its places moved; as it is where it names no tool, no image, or arguments of another kind."""
    if isinstance(action, Answer):
        return _answer(action, sizes, kind)
    tool = tools.get(action.name) if isinstance(action, ToolCall) else None
    if not isinstance(action, ToolCall) or tool is None or not tool.image_arguments:
        return action
    name = str(action.arguments.get(tool.image_arguments[0]))
    try:
        given = tool.arguments.model_validate(action.arguments)
    except ValidationError:
        return action
    if name not in sizes:
        return action

    def numbers(value: Any) -> Any:
        if isinstance(value, Box | Point):
            return _moved(value, *sizes[name])
        return [numbers(part) for part in value]

    places = {name: numbers(getattr(given, name)) for name in action.arguments if _is_place(getattr(given, name))}
    return action.model_copy(update={"arguments": {**action.arguments, **places}})


def _answer(answer: Answer, sizes: Mapping[str, tuple[Size, Size]], kind: Kind) -> Answer:
    """An answer with its boxes or points moved; as it is where it names none, or an image that there is not.

    What else is said of a place, such as a label, stays with it.
    """
    named = answers.strict(answer.text, kind) if kind in ("boxes", "points") else None
    if named is None or any(item.image not in sizes for item in named):
        return answer
    moved = [
        {**_said(item), "image": one.image, answers.key(one.shape): _moved(one.shape, *sizes[one.image])}
        for item, one in zip(json.loads(answer.text), named, strict=True)
    ]
    return answer.model_copy(update={"text": json.dumps(moved)})


def _said(item: Any) -> dict[str, Any]:
    return item if isinstance(item, dict) else {}


def _moved(shape: Box | Point, written: Size, canvas: Size) -> list[int]:
    """A place in whole numbers of another canvas."""
    scale = scaling(canvas[0] / written[0], canvas[1] / written[1])
    if isinstance(shape, Box):
        return _whole(scale.box(shape))
    at = scale.point(shape)
    return [round(at.x), round(at.y)]


def _is_place(value: Any) -> bool:
    parts = value if isinstance(value, list | tuple) else [value]
    return bool(parts) and all(isinstance(part, Box | Point) for part in parts)


def _whole(box: Box) -> list[int]:
    """A box in whole numbers, as near as they come without its vanishing."""
    x0, y0 = min(round(box.x0), math.ceil(box.x1) - 1), min(round(box.y0), math.ceil(box.y1) - 1)
    return [x0, y0, max(round(box.x1), x0 + 1), max(round(box.y1), y0 + 1)]
