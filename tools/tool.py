"""A tool is a plain function; this reads from its signature what the policy must be told.

    def zoom(image: Image, box: Box, factor: float = 2.0) -> Observation: ...

The name, the first paragraph of the docstring and the annotations are the whole contract. The policy names an
image ("img0") and the function is given it; points and boxes are given in px of the function's first image.
"""

import inspect
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, NamedTuple, get_type_hints

from pydantic import BaseModel, ConfigDict, FiniteFloat, ValidationError, create_model

from tools.geometry import Box, Frozen, Point, scaling
from tools.image import Image, Place

Size = tuple[int, int]

THINNEST_PX = 0.001
"""A box thinner than this is empty: it would vanish among the digits of a large coordinate."""


STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)
"""What the arguments of every tool are held to."""


class Spot(Frozen):
    """A place that an observation speaks of, px of the image with this id."""

    image: str
    shape: Box | Point


class Observation(Frozen):
    """What the policy is shown: words, and images in the order they are named."""

    text: str = ""
    """The words; `{0}`, `{1}` ... stand for `spots`, which each policy is told in the coordinates it speaks."""
    images: tuple[Image, ...] = ()
    spots: tuple[Spot, ...] = ()
    facts: dict[str, FiniteFloat | str] = {}
    """What was found, for machines: a length goes by its unit, as in `{"length_mm": 33.05}`."""

    def words(self, move: Callable[[Spot], Box | Point] = lambda spot: spot.shape) -> str:
        """The text with its spots filled in: moved by `move`, then rounded to whole numbers."""
        text = self.text
        for number, spot in enumerate(self.spots):
            coordinates: Any = move(spot).numbers
            text = text.replace(f"{{{number}}}", str([round(n) for n in coordinates]))
        return text


class ToolError(Exception):
    """The policy asked for something that cannot be done; it is told why and goes on.

    Any other exception out of a tool is our bug and is left to fly.
    """


class Call(NamedTuple):
    """A tool with its checked arguments, ready to run."""

    function: Callable[..., Observation]
    arguments: dict[str, Any]
    places: dict[str, tuple[Place, ...]]
    """The boxes and points among the arguments, by argument, in px of the source."""

    def run(self) -> Observation:
        """Call the function and draw what it shows. Raises ToolError."""
        seen = self.function(**self.arguments)
        return seen.model_copy(update={"images": tuple(image.shown() for image in seen.images)})


class Tool:
    """A function, with the schema of its arguments."""

    def __init__(self, function: Callable[..., Observation]):
        self.function = function
        self.name = function.__name__
        if not function.__doc__:
            raise TypeError(f"tool {self.name!r} needs a docstring: it is what the policy is told")
        self.description = " ".join(inspect.cleandoc(function.__doc__).partition("\n\n")[0].split())
        hints = get_type_hints(function, include_extras=True)
        self.image_arguments = [n for n, t in hints.items() if n != "return" and t in (Image, Image | None)]
        fields: dict[str, Any] = {}
        for name, parameter in inspect.signature(function).parameters.items():
            kind = str if name in self.image_arguments else hints[name]  # the policy names an image, it sends none
            fields[name] = (kind, ... if parameter.default is parameter.empty else parameter.default)
        self.arguments: type[BaseModel] = create_model(self.name, __config__=STRICT, **fields)

    @cached_property
    def schema(self) -> dict[str, Any]:
        """The tool as the policy is told of it: name, description, JSON schema of the arguments."""
        parameters = _plain(self.arguments.model_json_schema())
        return {"name": self.name, "description": self.description, "parameters": parameters}

    def call(
        self, arguments: Mapping[str, Any], images: Mapping[str, Image], canvas: Mapping[str, Size] | None = None
    ) -> Call:
        """Check the arguments and put images in place of their names. Raises ToolError.

        `canvas` is the size of each image in the coordinates that the arguments are written in; without it they
        are px of the image.
        """
        given = self._checked(arguments)
        for name in self.image_arguments:
            given[name] = self._image(given[name], images)
        if not self.image_arguments:
            return Call(self.function, given, {})
        image: Image = given[self.image_arguments[0]]
        width, height = self._written_in(str(arguments[self.image_arguments[0]]), image, canvas)
        places: dict[str, tuple[Place, ...]] = {}
        for name, value in given.items():
            if shapes := _shapes(value):
                inside = [self._inside(shape, width, height, name) for shape in shapes]
                moved = [_scaled(shape, image.width / width, image.height / height) for shape in inside]
                given[name] = tuple(moved) if isinstance(value, list | tuple) else moved[0]
                places[name] = tuple(image.place(shape) for shape in moved)
        return Call(self.function, given, places)

    def _checked(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        try:
            checked = self.arguments.model_validate(arguments)
        except ValidationError as error:
            raise ToolError(f"{self.name}: {_told(error, self.arguments)}") from None
        return {name: getattr(checked, name) for name in type(checked).model_fields}

    def _image(self, name: str | None, images: Mapping[str, Image]) -> Image | None:
        if name is not None and name not in images:
            raise ToolError(f"{self.name}: no image {name!r}; there are: {', '.join(images)}")
        return None if name is None else images[name]

    def _written_in(self, name: str, image: Image, canvas: Mapping[str, Size] | None) -> Size:
        if canvas is not None and name not in canvas:  # it came of an earlier call of the same turn
            raise ToolError(f"{self.name}: you have not seen {name!r} yet; wait until it is shown")
        return (image.width, image.height) if canvas is None else canvas[name]

    def _inside(self, shape: Box | Point, width: int, height: int, argument: str) -> Box | Point:
        """The part of a shape that lies on an image of this size; refused where there is none."""
        whole = Box(x0=0, y0=0, x1=width, y1=height)
        inside = shape.intersection(whole) if isinstance(shape, Box) else whole.contains(shape) and shape
        numbers = ", ".join(f"{n:g}" for n in shape.numbers)
        if not inside:
            raise ToolError(f"{self.name}: {argument} [{numbers}] lies outside the image, which is {width} by {height}")
        if isinstance(inside, Box) and min(inside.width, inside.height) < THINNEST_PX:
            raise ToolError(f"{self.name}: {argument} [{numbers}] is empty; a box needs a width and a height")
        return inside


def _shapes(value: Any) -> list[Box | Point]:
    if isinstance(value, Box | Point):
        return [value]
    if isinstance(value, list | tuple) and value and all(isinstance(v, Box | Point) for v in value):
        return list(value)
    return []


def _scaled(shape: Box | Point, sx: float, sy: float) -> Box | Point:
    return scaling(sx, sy).box(shape) if isinstance(shape, Box) else scaling(sx, sy).point(shape)


def _told(error: ValidationError, arguments: type[BaseModel]) -> str:
    for wrong in error.errors():
        if wrong["type"] == "extra_forbidden":  # said first: a misspelt name also leaves one missing
            return f"no argument {wrong['loc'][0]!r}; it takes: {', '.join(arguments.model_fields)}"
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "arguments"
    return f"{where}: {first['msg'].removeprefix('Value error, ').replace('a valid tuple', 'a list')}"


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """A JSON schema without titles, references and nulls, as short as it can be said."""
    definitions = schema.get("$defs", {})

    def walk(node: Any) -> Any:
        if isinstance(node, list):
            return [walk(n) for n in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            return walk(definitions[node["$ref"].rpartition("/")[2]])
        kinds = [part for part in node.get("anyOf", ()) if part != {"type": "null"}]
        if len(kinds) == 1:  # what may be left out need not be told that it may be null
            rest = {k: v for k, v in node.items() if k != "anyOf" and (k, v) != ("default", None)}
            return {**walk(kinds[0]), **walk(rest)}
        return {k: {n: walk(v) for n, v in node[k].items()} if k == "properties" else walk(node[k])
                for k in node if k not in ("title", "$defs")}  # fmt: skip

    return walk(schema)
