"""The pictures that a row of a data set names, and places on them."""

import os
import re
import tempfile
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from pydantic import ValidationError

from envs.rows import DataError, Row
from tools.files import FileError
from tools.files import open as open_file
from tools.files.unpacked import cache_folder
from tools.geometry import Box, Point
from tools.image import Place
from tools.study import Source, Study, content_id

Convention = Literal["px", "0-1", "0-1000", "0-999"]
"""What coordinates count: pixels of the picture, or parts of its width and height."""
PARTS: dict[Convention, int] = {"0-1": 1, "0-1000": 1000, "0-999": 999}
"""How many parts the whole width or height is."""


class MissingImage(DataError):
    """A picture that a row names is not there."""


def opened(row: Row, root: Path, images: Iterable[tuple[Any, str]]) -> Study:
    """One study from the pictures of a row, each (picture, role).

    A picture is a path inside `root`, the bytes of a file, or either of them as Hugging Face's {"bytes", "path"}.
    Raises DataError.
    """
    sources: list[Source] = []
    for image, role in images:
        path = _path(row, root, image)
        if not path.exists():
            raise MissingImage(str(row.bad(f"{path}: there is no such picture")))
        try:
            sources += _sources(path, role, _stamp(path))
        except FileError as error:
            raise row.bad(str(error)) from None
    if not sources:
        raise row.bad("names no picture")
    return Study(sources=tuple(sources))


def inside(row: Row, root: Path, name: str) -> Path:
    """A file of the data set, by its name in a row. Raises DataError for a name that leads out of `root`."""
    relative = PurePosixPath(name.replace("\\", "/"))
    if relative.is_absolute() or re.match("[A-Za-z]:", name) or "\0" in name or _climbs(relative):
        raise row.bad(f"{name[:80]!r} is not the name of a file inside {root}")
    return root / relative


def kept(content: bytes) -> Path:
    """The bytes of a file as a file: written once, under their hash, in `images` beside the unpacked files."""
    path = cache_folder().parent / "images" / content_id(content)
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as part:
            part.write(content)
        os.replace(part.name, path)  # nobody ever sees half a file
    return path


def place(
    row: Row,
    source: Source,
    numbers: Sequence[float],
    coordinates: Convention,
    axis: int = 0,
    index: int = 0,
    shape: type[Box] | type[Point] | None = None,
) -> Place:
    """A box [x0, y0, x1, y1] or a point [x, y] of a picture, or of a plane of a volume, in px of it.

    Which of the two is what `shape` says, else what there are numbers for. Raises DataError where it is not that, or
    inverted, empty, or out of the picture.
    """
    height, width = source.plane_shape(axis)
    said = f"{numbers}"[:80]
    try:
        stated = (shape or (Point if len(numbers) == 2 else Box)).model_validate(numbers, strict=True)
    except ValidationError as error:
        raise row.invalid(said, error) from None
    parts = PARTS.get(coordinates)
    # the size comes first: 999 * (125 / 999) is more than 125
    sized = [number * (height if at % 2 else width) for at, number in enumerate(stated.numbers)]
    pixels = stated.numbers if parts is None else [number / parts for number in sized]
    if min(pixels) < 0 or max(pixels[::2]) > width or max(pixels[1::2]) > height:
        raise row.bad(f"{said} in {coordinates} lies outside of its picture of {width} by {height} px")
    return Place(source=source.id, axis=axis, index=index, shape=type(stated).model_validate(pixels))


def nearest(row: Row, root: Path, name: str) -> str:
    """The name of a file without the leading folders that there are not in `root`; as it is where no file is found.

    Sets name their files from where their authors kept them. Raises DataError for a name that leads out of `root`.
    """
    parts = PurePosixPath(os.path.normpath(inside(row, root, name).relative_to(root))).parts
    tails = ("/".join(parts[at:]) for at in range(len(parts)))
    return next((tail for tail in tails if (root / tail).is_file()), name)


def check_size(row: Row, source: Source, stated: Sequence[Any]) -> None:
    """Raises DataError where a size that a row states, along (x, y) or (x, y, z), is not that of its picture."""
    size = list(reversed(source.shape))
    try:
        same = [float(number) for number in stated] == size
    except (TypeError, ValueError):
        same = False
    if not same:
        raise row.bad(f"states a size of {list(stated)} where its picture has {size}"[:200])


def _climbs(relative: PurePosixPath) -> bool:
    """Whether a path leaves the folder that it starts from, or is that folder."""
    depth = 0
    for part in relative.parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            return True
    return depth == 0


def _path(row: Row, root: Path, image: Any) -> Path:
    if isinstance(image, dict):
        image = image.get("bytes") or image.get("path")
    if isinstance(image, bytes):
        return kept(image)
    if isinstance(image, str) and image:
        return inside(row, root, image)
    raise row.bad(f"a picture is a path or the bytes of a file, not {type(image).__name__}")


def _stamp(path: Path) -> tuple[int, int]:
    state = path.stat()
    return state.st_mtime_ns, state.st_size


@lru_cache(64)
def _sources(path: Path, role: str, stamp: tuple[int, int]) -> tuple[Source, ...]:
    """Many questions are about one picture: it is opened once, for as long as the file stays as it is."""
    return open_file(path, role=role).sources
