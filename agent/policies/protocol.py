"""A reader that follows fixed rules: no model, nothing learned. It works through the same tools as any other policy.

It measures what it is pointed at, in words such as "from (629, 320) to (689, 435)", "at (120, 88)" or
"in [10, 20, 60, 80]", px of the picture as stored. A question that no rule is made for it refuses.
"""

import re
from collections.abc import Callable, Generator
from typing import Any

from agent.loop import Policy
from envs.episode import Act, Action, Answer, Episode, Reply, ToolCall
from tools.geometry import Box, Point
from tools.image import Image
from tools.lookup import find

WHO = "I am a set of rules, not a model."
CAN = (
    "I can measure between two points (x, y), size or count what is bright or dark at a point or in a box "
    "[x0, y0, x1, y1], read values there, compare two images, and open a slice or a frame"
)

Step = tuple[str, Action]
Reading = Generator[Step, Episode, None]
"""Yields a thought and an action, and is sent the episode as it is after them."""

_NUMBER = r"(-?\d+(?:\.\d+)?)"
_POINT = re.compile(rf"\(\s*{_NUMBER}\s*,\s*{_NUMBER}\s*\)")
_BOX = re.compile(rf"\[\s*{_NUMBER}\s*,\s*{_NUMBER}\s*,\s*{_NUMBER}\s*,\s*{_NUMBER}\s*\]")
_SLICE = re.compile(r"\b(axial|coronal|sagittal)?\s*slice\s+(\d+)", re.IGNORECASE)
_FRAME = re.compile(rf"\bframe\s+(\d+)|\bat\s+{_NUMBER}\s*s\b", re.IGNORECASE)


def protocol(dialect: str = "tags") -> Policy:
    """A policy of rules. It says so, and answers "cannot answer: ..." where it has no rule."""
    write = find("envs.dialects", dialect)().write

    async def policy(episode: Episode) -> Reply:
        reading = read(episode.model_copy(update={"turns": ()}))
        thought, action = next(reading)
        for done in range(1, len(episode.turns) + 1):
            thought, action = reading.send(episode.model_copy(update={"turns": episode.turns[:done]}))
        return Reply(text=write(thought, (action,)))

    return policy


def read(episode: Episode) -> Reading:
    """Go to the slice or frame that is asked for, then apply the rule that the question calls for."""
    text = episode.question.text
    if empty := _empty_box(text):
        yield (
            f"{WHO} Nothing lies in the box of the question.",
            Answer(text=f"cannot answer: the box {empty} is empty: x0 and x1 must differ, and y0 and y1."),
        )
        return
    rule = _rule(text, episode)
    opened = _SLICE.search(text) or _FRAME.search(text)
    if rule is None and not opened:
        yield f"{WHO} No rule of mine fits this question.", Answer(text=f"cannot answer: {WHO} {CAN}.")
        return
    if opened:
        episode = yield f"{WHO} The question names a place to look at; I open it.", _opening(text)
        if refusal := _refusal(episode):
            yield f"It cannot be opened: {refusal}", Answer(text=f"cannot answer: {refusal}")
            return
    if rule is None:
        yield "That is what was asked for.", Answer(text=_last(episode).observation.words())
        return
    yield from rule(episode, text)


def _rule(text: str, episode: Episode) -> Callable[[Episode, str], Reading] | None:
    """The first rule whose words and places are in the question."""
    said = text.casefold()
    points, boxes = len(_POINT.findall(text)), len(_BOX.findall(text))

    def about(*words: str) -> bool:
        return any(word in said for word in words)

    if points == 2 and not boxes:
        return _distance
    if points == 3 and about("angle"):
        return _angle
    if about("how many", "count", "number of"):
        return _count
    if points + boxes == 1 and about("hu", "hounsfield", "dens", "attenuation", "intens", "mean", "value", "bright is"):
        return _values
    if points + boxes == 1 and about("large", "big", "wide", "size", "diameter", "area", "long", "measure"):
        return _extent
    if len(episode.question.images) == 2 and about("new", "change", "differ", "compar", "grown", "shift", "moved"):
        return _comparison
    return None


def _distance(episode: Episode, text: str) -> Reading:
    """Zoom to both ends, measure between them."""
    name, image = _view(episode)
    start, end = _points(text, image)
    around = _margin(
        Box(x0=min(start.x, end.x), y0=min(start.y, end.y), x1=max(start.x, end.x) + 1, y1=max(start.y, end.y) + 1)
    )
    thought = "The question gives both ends. I look at them closely first."
    episode = yield (
        f"{_who(episode)}{thought}",
        ToolCall(name="zoom", arguments={"image": name, "box": _inside(around, image)}),
    )
    if not _refusal(episode):
        name, image = _view(episode)
        start, end = _points(text, image)
    call = ToolCall(name="measure", arguments={"image": name, "start": _rounded(start), "end": _rounded(end)})
    episode = yield "Both ends lie in this view; I measure from one to the other.", call
    yield from _told(episode, "The length is the distance between the two ends.")


def _angle(episode: Episode, text: str) -> Reading:
    name, image = _view(episode)
    points = [_rounded(point) for point in _points(text, image)]
    call = ToolCall(name="measure", arguments={"image": name, "kind": "angle", "points": points})
    episode = yield f"{_who(episode)}The question gives three points; the angle is at the middle one.", call
    yield from _told(episode, "That is the angle at the middle point.")


def _values(episode: Episode, text: str) -> Reading:
    """The values in a box, or in a small box around a point."""
    name, image = _view(episode)
    box = _box(text, image)
    call = ToolCall(name="measure", arguments={"image": name, "kind": "values", "box": _inside(box, image)})
    episode = yield f"{_who(episode)}I read the stored values there, not the grey levels shown.", call
    yield from _told(episode, "These are the values of the source.")


def _extent(episode: Episode, text: str) -> Reading:
    """Segment what is at a point or in a box; its size is that of the segment."""
    episode = yield from _segmented(episode, text)
    yield from _told(episode, "The segment's outline follows what is there; its size answers the question.")


def _count(episode: Episode, text: str) -> Reading:
    """Segment what stands out, then count the parts."""
    episode = yield from _segmented(episode, text)
    if _refusal(episode):
        yield from _told(episode, "")
        return
    name, _ = _view(episode)
    episode = yield (
        "Each part of the segment that hangs together is one.",
        ToolCall(name="count", arguments={"image": name}),
    )
    yield from _told(episode, "That is how many parts there are.")


def _comparison(episode: Episode, text: str) -> Reading:
    """Lay the prior on the current, look at what differs."""
    roles = {s.id: s.role for s in episode.question.study.sources}
    names = list(episode.images)[:2]
    current = next((n for n in names if roles.get(episode.images[n].source) == "current"), names[0])
    prior = next(n for n in names if n != current)
    call = ToolCall(name="compare", arguments={"image": current, "other": prior})
    episode = yield f"{WHO} I lay {prior} on {current} and look at the difference.", call
    yield from _told(episode, "What is left after laying one on the other has changed.")


def _segmented(episode: Episode, text: str) -> Generator[Step, Episode, Episode]:
    name, image = _view(episode)
    where: dict[str, Any] = {"method": "threshold"}
    if _POINT.search(text):
        where = {"method": "region", "point": _rounded(_points(text, image)[0])}
    elif _BOX.search(text):
        where = {"method": "threshold", "box": _inside(_box(text, image), image)}
    call = ToolCall(name="segment", arguments={"image": name, **where})
    return (yield f"{_who(episode)}I outline what stands out there.", call)


def _told(episode: Episode, thought: str) -> Reading:
    """Answer with what the last tool found, or say why it found nothing."""
    if refusal := _refusal(episode):
        yield f"The tool refused: {refusal}", Answer(text=f"cannot answer: {refusal}")
    else:
        yield thought, Answer(text=_last(episode).observation.words())


def _opening(text: str) -> ToolCall:
    if asked := _SLICE.search(text):
        axis = {"axis": asked[1].casefold()} if asked[1] else {}
        return ToolCall(name="slice", arguments={"image": "img0", "index": int(asked[2]), **axis})
    asked = _FRAME.search(text)
    assert asked is not None
    when = {"index": int(asked[1])} if asked[1] else {"seconds": float(asked[2])}
    return ToolCall(name="frame", arguments={"image": "img0", **when})


def _who(episode: Episode) -> str:
    return "" if episode.turns else f"{WHO} "


def _last(episode: Episode) -> Act:
    return episode.turns[-1].acts[-1]


def _refusal(episode: Episode) -> str:
    act = _last(episode)
    return act.observation.words() if act.refused else ""


def _view(episode: Episode) -> tuple[str, Image]:
    """The view to go on with: what was seen last, or the first one shown."""
    shown = len(episode.question.images)
    names = list(episode.images)
    name = names[-1] if len(names) > shown else names[0]
    return name, episode.images[name]


def _points(text: str, image: Image) -> list[Point]:
    """The points of the question, px of the view."""
    return [image.from_source.point(Point(x=float(x), y=float(y))) for x, y in _POINT.findall(text)]


def _box(text: str, image: Image) -> Box:
    """The box of the question, or 5 px around its point, px of the view."""
    if found := _BOX.search(text):
        x0, y0, x1, y1 = (float(n) for n in found.groups())
        return image.from_source.box(Box(x0=min(x0, x1), y0=min(y0, y1), x1=max(x0, x1), y1=max(y0, y1)))
    (x, y), *_ = _POINT.findall(text)
    return image.from_source.box(Box(x0=float(x) - 2, y0=float(y) - 2, x1=float(x) + 3, y1=float(y) + 3))


def _empty_box(text: str) -> str:
    """The first box of the question that holds nothing, as it is written there."""
    for box in _BOX.finditer(text):
        x0, y0, x1, y1 = map(float, box.groups())
        if x0 == x1 or y0 == y1:
            return box[0]
    return ""


def _margin(box: Box) -> Box:
    """A box with as much again around it."""
    pad = max(box.width, box.height) / 2
    return Box(x0=box.x0 - pad, y0=box.y0 - pad, x1=box.x1 + pad, y1=box.y1 + pad)


def _inside(box: Box, image: Image) -> list[float]:
    inside = box.intersection(image.box) or box
    return [round(number, 1) for number in inside.numbers]


def _rounded(point: Point) -> list[float]:
    return [round(point.x, 1), round(point.y, 1)]
