"""What a reader who knows the answer writes, and one who does not, turn by turn."""

import json
from typing import Any, NamedTuple

from envs.dialects.tags import write
from envs.episode import Answer, Kind, Question, ToolCall, Truth
from rl.studies import BRIGHT, PARTS, SLICES
from tools.geometry import Box, Point

MARGIN = 10
"""How far around a point it is looked, px."""

GUESSES: dict[Kind, tuple[str, ...]] = {
    "number": ("16 mm",),
    "count": ("4",),
    "choice": ("A", "B"),
    "yes_no": ("yes", "no"),
    "open": ("nowhere",),
    "sequence": (str(SLICES // 2),),
    "mask": ("img0",),
    "boxes": ('[{"image": "img0", "box": [2, 2, 22, 22]}]',),
    "points": ('[{"image": "img0", "point": [2, 2]}]',),
}
"""Answers to each kind of question that can be given without looking. Numbers are near the true ones, and not right."""

EVERYTHING: dict[Kind, str] = {
    "number": ", ".join(f"{half / 2:g} mm" for half in range(1, 80)),
    "count": ", ".join(map(str, range(1, 10))),
    "choice": ", ".join(f"{letter}. {part}" for letter, part in zip("ABCD", PARTS, strict=True)),
    "yes_no": "yes and no",
    "open": ", ".join(PARTS),
    "sequence": ", ".join(map(str, range(SLICES))),
    "boxes": json.dumps([[x, y, x + 16, y + 16] for x in range(0, 128, 16) for y in range(0, 128, 16)]),
    "points": json.dumps([[x, y] for x in range(4, 128, 8) for y in range(4, 128, 8)]),
}
"""Answers that name all there is to choose from."""

Script = tuple[str, ...]
"""The replies of a reader, in order."""


class Case(NamedTuple):
    """A question, and what is replied to it by those who know the answer."""

    question: Question
    truth: Truth

    @property
    def right(self) -> str:
        """The answer, as it is to be written."""
        shapes = [place.shape.numbers for place in self.truth.regions]
        match self.question.kind:
            case "mask":
                return "img1"
            case "boxes":
                return json.dumps([{"image": "img0", "box": numbers} for numbers in shapes])
            case "points":
                return json.dumps([{"image": "img0", "point": numbers} for numbers in shapes])
        return self.truth.answer

    @property
    def wrong(self) -> str:
        """An answer of the kind asked for that is not right."""
        return next(guess for guess in GUESSES[self.question.kind] if guess != self.truth.answer)

    @property
    def looking(self) -> Script:
        """Looking where the evidence is, in one turn."""
        calls = [call for place in self.truth.regions for call in self._at(place.shape)]
        return (write("I look closer.", tuple(calls)),)

    @property
    def work(self) -> Script:
        """What has to be done before the right answer can be written at all: an outline has to be made."""
        return self.looking if self.question.kind == "mask" else ()

    def _at(self, shape: Box | Point) -> list[ToolCall]:
        center = shape.center if isinstance(shape, Box) else shape
        box = shape.numbers if isinstance(shape, Box) else around(center)
        if self.question.kind == "mask":
            return [tool("segment", low=BRIGHT, box=around(center, 2 * MARGIN))]
        if self.question.kind != "sequence":
            return [tool("zoom", box=box)]
        (place,) = self.truth.regions
        return [tool("slice", index=place.index), tool("zoom", image="img1", box=box)]


def around(point: Point, margin: float = MARGIN) -> list[float]:
    """The box that reaches so far from a point, px."""
    return [point.x - margin, point.y - margin, point.x + margin, point.y + margin]


def tool(name: str, **arguments: Any) -> ToolCall:
    """A call that looks at img0 unless it names another image."""
    return ToolCall(name=name, arguments={"image": "img0", **arguments})


def call(name: str, **arguments: Any) -> str:
    """A reply that calls one tool."""
    return write("", (tool(name, **arguments),))


def answer(text: str, thought: str = "") -> str:
    """A reply that answers."""
    return write(thought, (Answer(text=text),))
