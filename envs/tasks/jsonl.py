"""Questions of your own, one JSON object a line, in root/<split>.jsonl; paths in it count from its folder.

    {"images": ["a.png"], "question": "Is there a nodule?", "answer": "yes"}
    {"images": ["a.png"], "question": "Which lobe?", "choices": ["upper", "lower"], "answer": "A"}
    {"images": [{"path": "b.png", "role": "prior", "spacing_mm": [0.2, 0.2]}, {"path": "c.png", "role": "current"}],
     "question": "How wide is the nodule now?", "kind": "number", "answer": "12 mm", "tolerance": 0.1,
     "boxes": [{"image": 1, "box": [40, 52, 101, 95]}], "coordinates": "px", "tags": {"modality": "CR"}, "id": "c7"}

    images       paths of anything that can be read, or {"path", "role"} and whatever of a `Source` the file leaves out
    kind         as in `envs.episode.Kind`; else choice where there are choices, yes_no by the answer's words, or open
    choices      a list of texts
    answer       of choices a capital letter, or the text; not needed for the kinds boxes, points and mask
    accepted     other answers that are as right
    boxes        each [x0, y0, x1, y1], or {"image", "axis", "index", "box"}: which image, from 0, and which plane of it
    points       the same with [x, y] and "point"
    coordinates  what they count: "px", "0-1", "0-1000" or "0-999"; must be said, and be the same in the whole file
    masks        pictures of the size of the plane that the first box is on; what is not 0 is marked
    tolerance    how far off a number may be, as a share of the true one; `within`: the same in its own unit
    views        what is shown first: each {"image", "axis", "index"} and anything else of the recipe of an `Image`
    tags         what results are to be reported by; `id` and `origin` name the question

Only images, question and answer are needed. A key that is none of these is refused.
"""

from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from envs.datasets import (
    Card,
    Convention,
    OnBad,
    Row,
    Task,
    asked,
    choices,
    opened,
    place,
    refuse,
    split_files,
    tags,
    tasks,
)
from tools.geometry import Box
from tools.image import Image, Place
from tools.mask import Mask
from tools.study import Source, Study, content_id

CARD = Card("questions of your own", "that of the images and texts you brought", "envs/tasks/jsonl.py says how")
KEYS = (
    "images", "question", "answer", "kind", "choices", "boxes", "points", "coordinates", "masks", "accepted",
    "tolerance", "within", "views", "tags", "id", "origin",
)  # fmt: skip
FROM_FILE = ("id", "shape", "dtype", "color")
"""Fields of a `Source` that are what they are in its file."""


def jsonl(root: Path, split: str = "test", *, on_bad: OnBad = refuse) -> Iterator[Task]:
    """The questions of root/<split>.jsonl, or of the file `root` itself."""
    if root.is_file():
        path, split = root, root.stem
    else:
        found = {path.stem: path.name for path in sorted(root.glob("*.jsonl"))}
        (path,) = split_files(root, split, found or {split: f"{split}.jsonl"})
    first: list[tuple[str, int]] = []  # the convention of the file, and the row that states it
    return tasks([path], lambda row: [_task(row, path.parent, f"jsonl/{split}", first)], on_bad)


def _task(row: Row, folder: Path, origin: str, first: list[tuple[str, int]]) -> Task:
    for key in row.cells:
        if key not in KEYS:
            near = get_close_matches(key, KEYS, 1, 0.75)
            raise row.bad(f"no key {key[:40]!r}; {f'did you mean {near[0]!r}?' if near else 'tags take what is yours'}")
    study = _study(row, folder)
    kind = row.get("kind")
    answer = row.maybe("answer") if kind in ("boxes", "points", "mask") else row.text("answer")
    return asked(
        row,
        id=row.maybe("id") or str(row.number),
        text=row.text("question"),
        study=study,
        choices=choices(row, row.need("choices")) if row.get("choices") else (),
        lettered=len(answer) == 1 and answer.isascii() and answer.isupper(),
        kind=kind,
        answer=answer,
        accepted=[str(text) for text in _list(row, "accepted")],
        images=[_view(row, study, view) for view in _list(row, "views")] or None,
        places=_places(row, study, first),
        masks=[Mask.of(opened(row, folder, [(name, "")]).sources[0].plane()) for name in _list(row, "masks")],
        tolerance=row.get("tolerance"),
        within=row.get("within"),
        origin=row.maybe("origin") or origin,
        tags=tags(**_object(row, row.get("tags") or {}, "tags")),
    )


def _study(row: Row, folder: Path) -> Study:
    sources: list[Source] = []
    for image in row.listed("images"):
        stated = dict(image) if isinstance(image, dict) else {"path": image}
        study = opened(row, folder, [(stated.pop("path", None), str(stated.pop("role", "")))])
        sources += [_stated(row, source, stated) for source in study.sources]
    return Study(sources=tuple(sources))


def _stated(row: Row, source: Source, stated: dict[str, Any]) -> Source:
    """A source with what the row says of it; other words make it another source."""
    if not stated:
        return source
    if wrong := [name for name in stated if name in FROM_FILE or name not in Source.model_fields]:
        known = ", ".join(name for name in Source.model_fields if name not in FROM_FILE)
        raise row.bad(f"{wrong[0]!r} cannot be said of an image; what can: path, {known}")
    try:
        checked = Source.model_validate(source.model_dump() | stated)
    except ValidationError as error:
        raise row.invalid("images", error) from None
    id = content_id(source.id.encode(), checked.model_dump_json().encode())
    return source.model_copy(update={"id": id, **{name: getattr(checked, name) for name in stated}})


def _places(row: Row, study: Study, first: list[tuple[str, int]]) -> list[Place]:
    listed = [(item, key) for key, many in (("box", "boxes"), ("point", "points")) for item in _list(row, many)]
    if not listed:
        return []
    coordinates = row.get("coordinates")
    if coordinates not in get_args(Convention):
        said = "is missing" if coordinates is None else f"is {str(coordinates)[:40]!r}"
        raise row.bad(f"'coordinates' {said}; say what boxes and points count: {', '.join(get_args(Convention))}")
    first[:] = first or [(coordinates, row.number)]
    if coordinates != first[0][0]:
        raise row.bad(f"coordinates are {coordinates} here and {first[0][0]} in row {first[0][1]}: a file has one kind")
    return [_place(row, study, item, key, coordinates) for item, key in listed]


def _place(row: Row, study: Study, item: Any, key: str, coordinates: Convention) -> Place:
    where = item if isinstance(item, dict) else {key: item}
    numbers = where.get(key)
    if not isinstance(numbers, list) or len(numbers) != {"box": 4, "point": 2}[key]:
        raise row.bad(f"{str(item)[:60]} is no {key}")
    source, axis, index = _plane(row, study, where)
    return place(row, source, numbers, coordinates, axis, index)


def _plane(row: Row, study: Study, where: dict[str, Any]) -> tuple[Source, int, int]:
    """The plane that {"image", "axis", "index"} mean; each is 0 where it is not said."""
    numbers = [where.get(name, 0) for name in ("image", "axis", "index")]
    if not all(type(number) is int and number >= 0 for number in numbers) or numbers[0] >= len(study.sources):
        raise row.bad(f"{str(where)[:80]} names no image; there are {len(study.sources)}, counted from 0")
    source, axis, index = study.sources[numbers[0]], numbers[1], numbers[2]
    if axis >= len(source.axes) or index >= source.count(axis):
        raise row.bad(f"{str(where)[:80]} names no plane of an image of the shape {source.shape}")
    return source, axis, index


def _view(row: Row, study: Study, view: Any) -> Image:
    recipe = dict(_object(row, view, "views"))
    source, axis, index = _plane(row, study, recipe)
    recipe = {name: value for name, value in recipe.items() if name not in ("image", "axis", "index", "id", "source")}
    try:
        if "window" in recipe:
            recipe["window"] = Box.model_validate(recipe["window"])
        return Image.of(source, axis, index, **recipe)
    except ValidationError as error:
        raise row.invalid("views", error) from None


def _list(row: Row, name: str) -> list[Any]:
    return [] if row.get(name) is None else row.listed(name)


def _object(row: Row, value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise row.bad(f"{name!r} holds {str(value)[:40]!r}, not an object")
    return value
