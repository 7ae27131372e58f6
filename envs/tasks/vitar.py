"""ViTAR-16K, or any parquet file of questions with boxes, by a map of its columns (arXiv:2510.10052).

    root/data/train-*.parquet, train*.parquet, or `root` itself a file

What its columns are called is not published, so you say it:

    columns = {question = "q", answer = "a", image = "img", boxes = "box", coordinates = "px"}

    question, answer, image    which columns hold them: texts; a picture, or a list of several
    options                    the choices, where there are any
    boxes, coordinates         [x0, y0, x1, y1] or a list of such, and what the numbers count: px, 0-1, 0-1000 or 0-999
    id                         what names a question; else its row does

A column inside another is written with a dot: "reward_model.ground_truth".
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast, get_args

from envs.datasets import (
    Card,
    Convention,
    DataError,
    OnBad,
    Row,
    Task,
    asked,
    choices,
    opened,
    place,
    refuse,
    row_id,
    split_files,
    tags,
    tasks,
)
from tools.image import Place
from tools.study import Study

CARD = Card(
    "ViTAR-16K",
    "CC BY-NC 4.0",
    "https://huggingface.co/datasets/jline/ViTAR-16K",
    warnings=(
        "its questions were made from detection boxes and checked by one language model",
        "the released training script validates on the file that it trains on",
    ),
)
NEEDED = ("question", "answer", "image")
KEYS = (*NEEDED, "options", "boxes", "coordinates", "id")


def vitar(
    root: Path, split: str = "train", columns: Mapping[str, str] | None = None, *, on_bad: OnBad = refuse
) -> Iterator[Task]:
    """The questions of the parquet files of a split; `columns` is the map above. Raises DataError where it is wrong."""
    if root.is_file():
        paths, folder, split = [root], root.parent, root.stem
    else:
        patterns = {name: (f"data/{name}*.parquet", f"{name}*.parquet") for name in ("train", "validation", "test")}
        paths, folder = split_files(root, split, patterns), root
    named = _checked(paths[0], dict(columns or {}))
    return tasks(paths, lambda row: [_task(_mapped(row, named), folder, f"vitar/{split}", named)], on_bad)


def _task(row: Row, folder: Path, origin: str, named: Mapping[str, str]) -> Task:
    image = row.need("image")
    images = image if isinstance(image, list) else [image]
    roles = [f"image {n}" if len(images) > 1 else "" for n in range(1, len(images) + 1)]
    study = opened(row, folder, zip(images, roles, strict=True))
    return asked(
        row,
        id=row.maybe("id") or row_id(row),
        text=row.text("question"),
        study=study,
        choices=choices(row, row.need("options")) if row.get("options") else (),
        answer=row.text("answer"),
        origin=origin,
        places=_places(row, study, named),
        tags=tags(language="en"),
    )


def _places(row: Row, study: Study, named: Mapping[str, str]) -> list[Place]:
    """The boxes, on the only image."""
    if row.get("boxes") is None:
        return []
    boxes = row.listed("boxes")
    if boxes and not isinstance(boxes[0], list):
        boxes = [boxes]
    if len(study.sources) > 1:
        raise row.bad(f"it has boxes and {len(study.sources)} images, and does not say on which they lie")
    if not all(isinstance(box, list) and len(box) == 4 for box in boxes):
        raise row.bad(f"'boxes' holds {str(boxes)[:80]}, not [x0, y0, x1, y1] or a list of such")
    return [place(row, study.sources[0], box, cast(Convention, named["coordinates"])) for box in boxes]


def _checked(path: Path, named: dict[str, str]) -> dict[str, str]:
    """The map, where it names what must be named and columns that there are."""
    there = _columns(path)
    known = f"the columns of {path.name} are: {', '.join(there)}"
    if wrong := next((key for key in named if key not in KEYS), None):
        raise DataError(f"columns: no entry {wrong!r}; there are: {', '.join(KEYS)}")
    needed = NEEDED + (("coordinates",) if "boxes" in named else ())
    if missing := [key for key in needed if key not in named]:
        raise DataError(f"columns: no entry {', '.join(map(repr, missing))}; say which column holds it; {known}")
    if named.get("coordinates", "px") not in get_args(Convention):
        kinds = ", ".join(get_args(Convention))
        raise DataError(f"columns: coordinates are {named['coordinates']!r}; they must be one of {kinds}")
    for key, column in named.items():
        if key != "coordinates" and column not in there:
            raise DataError(f"columns: {key} = {column!r} is no column; {known}")
    return named


def _columns(path: Path) -> list[str]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise ImportError("parquet files need pyarrow: pip install 'overread[data]'") from None
    try:
        schema = pq.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: not parquet ({' '.join(str(error).split())[:120]})") from None
    return [name for field in schema for name in _dotted(field)]


def _dotted(field: Any, above: str = "") -> list[str]:
    """The name of a column, then of those inside it."""
    kind = field.type
    inside = [kind.field(n) for n in range(kind.num_fields)] if str(kind).startswith("struct<") else []
    return [above + field.name, *(name for each in inside for name in _dotted(each, f"{above}{field.name}."))]


def _mapped(row: Row, named: Mapping[str, str]) -> Row:
    """The row under the names of this file; what went wrong with it stays."""
    cells = {key: _cell(row, column) for key, column in named.items() if key != "coordinates"}
    return row._replace(cells=cells)


def _cell(row: Row, column: str) -> Any:
    value: Any = row.cells
    for part in column.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value
