"""MedMultiPoints: points, boxes and counts of polyps, instruments and sperm cells (arXiv:2505.16647), in either layout:

    root/instruction_dataset/multi-task-test.jsonl, multi-task-train.jsonl    messages, images
    root/kvasir-points_datasets_script-train-*.arrow, data/train-*.parquet    image, img_size, points, bbox, count ...

The former is the splits test and train; what its answers hold tells the five kinds of question apart:

    [{"point_2d": [x, y], "label"}]                       points
    [{"bbox_2d": [x1, y1, x2, y2], "label"}]              boxes
    {"counts": 3, "label"}, {"count": 3, "label"}         count
    {"counts": 2, "point_2d": [[x, y], ...], "label"}     points, whose number the list implies: the truth's answer
    {"counts": 2, "bbox_2d": [[x1, ...], ...], "label"}   boxes likewise

The latter is the split columns; each row makes one question of each kind in `asks`. All coordinates are px.
"""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from envs.datasets import (
    Card,
    OnBad,
    Row,
    Task,
    asked,
    check_size,
    nearest,
    opened,
    place,
    refuse,
    row_id,
    split_files,
    tags,
    tasks,
)
from envs.row_talk import exchanges
from tools.geometry import Box, Point
from tools.study import Study

CARD = Card(
    "MedMultiPoints",
    "unread, probably CC BY-NC 4.0: its licence file could not be read",
    "https://huggingface.co/datasets/SimulaMet/MedMultiPoints",
    warnings=(
        'about 40 % of its test questions say "count" for "counts": both are read',
        "the published scores leave out questions without any point or box, and do not count those that are missed",
    ),
)
Asks = Literal["points", "boxes", "count", "count_points", "count_boxes"]
SPLITS = {
    "train": ("instruction_dataset/multi-task-train.jsonl", "multi-task-train.jsonl"),
    "test": ("instruction_dataset/multi-task-test.jsonl", "multi-task-test.jsonl"),
    "columns": ("*train-*.arrow", "data/train-*.parquet", "train-*.parquet"),
}
NAMES = {"normal": "normal sperm", "pinhead": "pinhead sperm", "cluster": "sperm cluster", "polyps": "polyp"}
"""What the labels mean."""
WORDINGS: dict[Asks, str] = {
    "points": "Point to every {name}.",
    "boxes": "Put a box around every {name}.",
    "count": "How many of these are there: {name}?",
    "count_points": "Count them, then point to each: {name}.",
    "count_boxes": "Count them, then put a box around each: {name}.",
}
LISTS = {"points": ("point_2d", "points"), "boxes": ("bbox_2d", "bbox")}
"""What a list of places is called in an answer, and which column holds it."""
_FENCE = re.compile(r"^```(?:json)?\s*|\s*```$")


def medmultipoints(
    root: Path,
    split: str = "test",
    asks: Sequence[Asks] = ("points", "boxes", "count"),
    *,
    on_bad: OnBad = refuse,
) -> Iterator[Task]:
    """The questions of test or train, or of columns: of those, the kinds in `asks`."""
    paths = split_files(root, split, SPLITS)
    origin = f"medmultipoints/{split}"

    def made(row: Row) -> Iterator[Task]:
        return _columns(row, root, origin, asks) if split == "columns" else _messages(row, root, origin)

    return tasks(paths, made, on_bad)


def _messages(row: Row, root: Path, origin: str) -> Iterator[Task]:
    study = opened(row, root, [(nearest(row, root, str(name)), "") for name in row.listed("images")])
    told = exchanges(row)
    for n, talk in enumerate(told, start=1):
        found = _read(row, talk.answered)
        yield _task(
            row,
            row_id(row) + (f"/{n}" if len(told) > 1 else ""),
            talk.question,
            study,
            origin,
            found,
            {"task": talk.message.get("task"), "source": talk.message.get("source"), "label": found.get("label")},
        )


def _columns(row: Row, root: Path, origin: str, asks: Sequence[Asks]) -> Iterator[Task]:
    study = opened(row, root, [(row.need("image", "image_data"), "")])
    if row.get("img_size") is not None:
        check_size(row, study.sources[0], row.listed("img_size"))
    label = row.text("label")
    for kind in asks:
        found = {} if kind in ("points", "boxes") else {"counts": row.need("count")}
        if kind != "count":
            key, column = LISTS[kind.removeprefix("count_")]
            found[key] = row.listed(column) if row.cells.get(column) is not None else []
            if len(found[key]) != row.need("count"):
                raise row.bad(f"its count is {row.need('count')} and its {column!r} are {len(found[key])}")
        text = WORDINGS[kind].format(name=NAMES.get(label, label))
        told = {"task": kind, "anatomy": row.get("organ"), "label": label, "source": row.get("classification")}
        yield _task(row, f"{row_id(row)}/{kind}", text, study, origin, found, told)


def _task(row: Row, id: str, text: str, study: Study, origin: str, found: dict[str, Any], told: dict[str, Any]) -> Task:
    """One question from what an answer says: any of "counts", "point_2d" and "bbox_2d"."""
    listed = found.get("point_2d", found.get("bbox_2d"))
    count = found.get("counts", found.get("count"))
    if found.get("count", count) != count:
        raise row.bad(f"its 'counts' is {str(count)[:40]} and its 'count' is {str(found['count'])[:40]}")
    if count is None and listed is None:
        raise row.bad("its answer holds neither points nor boxes nor a count")
    if count is not None and (type(count) is not int or count < 0):
        raise row.bad(f"{str(count)[:40]!r} is no count")
    if listed is not None and count not in (None, len(listed)):
        raise row.bad(f"its count is {count} and it lists {len(listed)}")
    shape = Point if "point_2d" in found else Box
    return asked(
        row,
        id=id,
        text=text,
        study=study,
        answer="" if count is None else str(count),
        origin=origin,
        kind="points" if "point_2d" in found else "boxes" if "bbox_2d" in found else "count",
        places=[place(row, study.sources[0], numbers, "px", shape=shape) for numbers in listed or ()],
        tags=tags(language="en", **told),
    )


def _read(row: Row, text: str) -> dict[str, Any]:
    """What an answer says, in one form: {"counts" or "count", "point_2d" or "bbox_2d": a list of places, "label"}."""
    try:
        said = json.loads(_FENCE.sub("", text.strip()))
    except ValueError:
        raise row.bad(f"its answer is not JSON: {text[:60]!r}") from None
    if isinstance(said, list):
        said = _merged(row, said)
    kinds = [key for key in ("point_2d", "bbox_2d") if isinstance(said, dict) and key in said]
    if not isinstance(said, dict) or len(kinds) > 1 or not (kinds or {"counts", "count"} & said.keys()):
        raise row.bad(f"its answer holds neither points nor boxes nor a count: {text[:60]!r}")
    if kinds and not isinstance(said[kinds[0]], list):
        raise row.bad(f"its {kinds[0]!r} holds {type(said[kinds[0]]).__name__}, not a list")
    return said


def _merged(row: Row, said: list[Any]) -> dict[str, Any]:
    """A list of places, each with its label, as one list; an empty one is a list of what the question's task asks."""
    if not said:
        task = exchanges(row)[0].message.get("task")
        return {"bbox_2d" if task == "bounding" else "point_2d": []}
    key = next((key for key in ("point_2d", "bbox_2d") if isinstance(said[0], dict) and key in said[0]), None)
    if key is None or not all(isinstance(item, dict) and key in item for item in said):
        raise row.bad("its answer lists what are not all points, or all boxes")
    return {key: [item[key] for item in said], "label": said[0].get("label")}
