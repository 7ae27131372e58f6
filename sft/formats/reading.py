"""What all layouts share when they are read: the replies of a record are tried on its pictures, and become a script."""

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, get_args

from envs.datasets import Convention, OnBad, Row, asked, choices, kind_of, opened, row_id, rows
from envs.dialects.tags import write
from envs.env import TOOLS
from envs.episode import Answer, Kind, Reply, ToolCall
from envs.row_images import PARTS
from envs.row_talk import Exchange
from envs.rows import good
from sft.formats import Script
from tools.crop import whole_pixels
from tools.geometry import Box
from tools.image import Image, first_view
from tools.lookup import find
from tools.study import Source, Study
from tools.tool import Call, Size, Tool, ToolError

MARK = "<image>"
"""What stands in a text for the next picture of a record's list."""
PLACES: tuple[Kind, ...] = ("boxes", "points", "mask")
"""Kinds of answers that name places: no layout has room for their truth."""
MOST_ZOOM = 16
"""The largest factor that the tool zoom takes."""

Said = tuple[str, tuple[ToolCall | Answer, ...]]
"""A thought, and the actions in our words, places in the numbers of the record's pictures."""


class Record(NamedTuple):
    """One demonstration, as a layout has read it so far."""

    text: str
    """The question."""
    pictures: Sequence[Any]
    """Every picture in the order shown: paths, or bytes."""
    shown: Sequence[int]
    """[replies] how many pictures stand before each reply."""
    reply: Callable[[int, Sequence[Source]], Said]
    """Reply n, given the pictures seen so far. Raises DataError."""
    options: Any = None
    coordinates: Convention = "px"
    """What the numbers of places count."""
    sized: bool = True
    """Whether how large a zoom shows a region is told by its picture alone, not by an argument."""


def scripts(
    path: Path, root: Path | None, layout: str, record: Callable[[Row], Record], on_bad: OnBad
) -> Iterator[Script]:
    """The scripts of a file's rows; one that is none is a DataError for `on_bad`."""
    return good(rows(path), lambda row: [_script(row, root or path.parent, layout, record(row))], on_bad)


def images_of(row: Row, talk: Sequence[Exchange]) -> tuple[list[Any], list[int]]:
    """The pictures of a conversation, and how many stand before each reply. Raises DataError where they do not fit."""
    pictures, shown = row.listed("images", "image_path"), [exchange.asked.count(MARK) for exchange in talk]
    if sum(shown) != len(pictures):
        raise row.bad(f"shows {sum(shown)} images in its conversation and names {len(pictures)}")
    return pictures, shown


def _script(row: Row, root: Path, layout: str, record: Record) -> Script:
    pictures = [_picture(row, root, picture) for picture in record.pictures]
    first = record.shown[0]
    if not first:
        raise row.bad("shows no image with its question")
    views = [first_view(picture) for picture in pictures[:first]]
    canvas = tuple(_canvas(picture, record.coordinates) for picture in pictures)
    replies: list[Reply] = []
    used: dict[str, None] = {}
    for number, after in enumerate([*record.shown[1:], 0]):
        seen = len(views)
        thought, actions = record.reply(number, pictures[:seen])
        if len(actions) > 1 and any(isinstance(action, Answer) for action in actions):
            raise row.bad(f"reply {number + 1}: answers beside calls, before it has seen what they show")
        if isinstance(actions[-1], Answer):
            replies.append(_reply(row, number, thought, actions, canvas[:seen]))
            question, truth = _task(row, layout, record, Study(sources=tuple(pictures[:first])), actions[-1].text)
            return Script(question, truth, tuple(replies), tuple(used))
        calls: list[ToolCall | Answer] = []
        refusal = ""
        for action in actions:
            assert isinstance(action, ToolCall)
            wanted = pictures[len(views)] if record.sized and len(views) < len(pictures) else None
            try:
                call, shown = _tried(action, views, canvas[:seen], wanted)
            except ToolError as error:
                call, shown, refusal = action, (), str(error)
            calls.append(call)
            used[call.name] = None
            views += shown
        if len(views) - seen != after:
            told = f"shows {len(views) - seen} images with our tools and {after} in the record"
            raise row.bad(f"reply {number + 1}: {refusal or told}")
        replies.append(_reply(row, number, thought, tuple(calls), canvas[:seen]))
    raise row.bad("ends without an answer")


def _picture(row: Row, root: Path, picture: Any) -> Source:
    sources = opened(row, root, [(picture, "")]).sources
    if len(sources) != 1 or sources[0].axes != "yx":
        raise row.bad(f"{str(picture)[:80]} is not one picture")
    return sources[0]


def _canvas(picture: Source, coordinates: Convention) -> Size:
    parts = PARTS.get(coordinates)
    return (picture.shape[1], picture.shape[0]) if parts is None else (parts, parts)


def _tried(
    action: ToolCall, views: Sequence[Image], canvas: Sequence[Size], wanted: Source | None
) -> tuple[ToolCall, tuple[Image, ...]]:
    """The call, and what it shows; a zoom is given the factor that shows it as large as `wanted`. Raises ToolError."""
    images = {f"img{n}": view for n, view in enumerate(views)}
    sizes = {f"img{n}": size for n, size in enumerate(canvas)}
    call = _tool(action.name).call(action.arguments, images, sizes)
    if wanted is not None and action.name == "zoom":
        action = action.model_copy(update={"arguments": {**action.arguments, "factor": _factor(call, wanted)}})
        call = _tool(action.name).call(action.arguments, images, sizes)
    return action, call.run().images


@cache
def _tool(name: str) -> Tool:
    if name not in TOOLS:
        raise ToolError(f"no tool {name[:60]!r}; there are: {', '.join(TOOLS)}")
    return Tool(find("tools", name))


def _factor(call: Call, wanted: Source) -> float:
    """How many times a zoom must enlarge to be as large as a picture; as near as it may where it cannot be."""
    view, box = call.arguments["image"], call.arguments["box"]
    shown = view.from_source.box(whole_pixels(view, box))
    most = max(1.0, min(MOST_ZOOM, view.limit / max(shown.width, shown.height)))
    usual = min(max(wanted.shape[1] / shown.width, 1.0), most)
    return _simplest(shown, (wanted.shape[1], wanted.shape[0]), most) or _simplest(shown, _sized(shown, usual), most)


def _simplest(shown: Box, size: Size, most: float) -> float:
    """The number with the fewest digits that enlarges to a size, px; 0 where none between 1 and `most` does."""
    sides = [(size[0], shown.width), (size[1], shown.height)]
    low = max(1.0, *((pixels - 0.5) / side for pixels, side in sides))
    high = min(most, *((pixels + 0.5) / side for pixels, side in sides))
    for digits in range(7):
        factor = round((low + high) / 2, digits)
        if low <= factor <= high and _sized(shown, factor) == size:
            return int(factor) if not digits else factor
    return 0


def _sized(shown: Box, factor: float) -> Size:
    """As the tool zoom rounds it."""
    return max(1, round(shown.width * factor)), max(1, round(shown.height * factor))


def _reply(
    row: Row, number: int, thought: str, actions: tuple[ToolCall | Answer, ...], canvas: tuple[Size, ...]
) -> Reply:
    try:
        return Reply(text=write(thought, actions), canvas=canvas)
    except ValueError as error:
        raise row.bad(f"reply {number + 1}: {error}") from None


def _task(row: Row, layout: str, record: Record, study: Study, stated: str) -> Any:
    """The question and its truth, which is the record's own answer where it has one, else the one that it leads to."""
    options = choices(row, record.options) if record.options else ()
    answer, said = row.maybe("answer") or stated, row.maybe("question_type")
    kind: Any = said if said in get_args(Kind) and said not in PLACES else kind_of(answer, options)
    return asked(
        row,
        id=row.maybe("id", "question_id") or row_id(row),
        text=record.text,
        study=study,
        choices=options,
        answer=answer,
        kind=kind_of(answer, options) if (kind == "choice") != bool(options) else kind,
        origin=f"{layout}/{row.path.stem}",
    )
