"""M3D-VQA: questions with four choices about CT volumes (M3D, arXiv:2404.00578).

    root/M3D-VQA/M3D_VQA_test5k.csv, M3D_VQA_test.csv, M3D_VQA_val.csv, M3D_VQA_train.csv      or in root itself
        Image Path, Question, Choice A ... Choice D, Answer, Answer Choice, Question Type (1 to 5)
    root/<Image Path>      .npy of (1, 32, H, W), values from 0 to 1

A row without choices is answered by yes or no or in words; or by a box in space, [z0, y0, x0, z1, y1, x1], as M3D's
tasks of position are: parts of the length of each axis, of the first and of the last voxel inside, to three digits.
There the slice through its middle is shown, and the box is asked for on that slice: the depth is given away.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from envs.datasets import Card, OnBad, Row, Task, asked, choices, opened, refuse, row_id, split_files, tags, tasks
from envs.rows import read_literal
from tools.geometry import Box
from tools.image import Image, Place
from tools.study import Source

CARD = Card(
    "M3D-VQA",
    "Apache-2.0 (as its card on the hub says); the volumes as their source says",
    "https://huggingface.co/datasets/GoodBaiBai88/M3D-VQA",
    warnings=(
        "questions and answers were made from reports by a language model",
        "volumes are resized to 32 slices and their values to 0 to 1: nothing can be measured in mm or HU",
        'the published score takes any text that holds "A." for the answer A',
    ),
)
FILES = {"train": "train", "validation": "val", "test": "test", "test5k": "test5k", "train_yn": "yn_train"}
SPLITS = {split: (f"M3D_VQA_{name}.csv", f"*/M3D_VQA_{name}.csv") for split, name in FILES.items()}
TYPES = {"1": "plane", "2": "phase", "3": "organ", "4": "abnormality", "5": "location"}
_LIST = re.compile(r"\[[^\[\]]*\]")


def m3d_vqa(
    root: Path, split: str = "test5k", form: Literal["choice", "open"] = "choice", *, on_bad: OnBad = refuse
) -> Iterator[Task]:
    """The questions of a split: with their choices, or without and open."""
    paths = split_files(root, split, SPLITS)
    return tasks(paths, lambda row: [_task(row, root, f"m3d_vqa/{split}", form)], on_bad)


def _task(row: Row, root: Path, origin: str, form: str) -> Task:
    study = opened(row, root, [(row.text("Image Path"), "")])
    offered = choices(row, [row.get(f"Choice {letter}") for letter in "ABCD"])
    text, answer = row.text("Question"), row.text("Answer")
    said: dict[str, Any] = {"answer": answer, "kind": "open" if offered else None}
    if offered and form == "choice":
        said = {"choices": offered, "answer": row.text("Answer Choice"), "lettered": True}
    elif not offered and (box := _box(row, study.sources[0], answer)):
        text += " Put the box on the slice that is shown."
        view = Image.of(study.sources[0], box.axis, box.index)
        said = {"answer": "", "kind": "boxes", "places": [box], "images": [view]}
    kind = row.maybe("Question Type")
    return asked(
        row,
        id=row_id(row),
        text=text,
        study=study,
        origin=origin,
        tags=tags(modality="CT", task=TYPES.get(kind, kind), language="en"),
        **said,
    )


def _box(row: Row, source: Source, answer: str) -> Place | None:
    """The middle slice of the box in space that an answer holds, px; None where it holds none.

    Its last voxel, index / length rounded to three digits, is inside: M3D's `mask2box`. So a box ends one behind it.
    """
    lists = [read_literal(text) for text in _LIST.findall(answer)]
    numbers = next((found for found in lists if isinstance(found, list) and len(found) == 6), None)
    if numbers is None:
        return None
    if source.axes != "zyx" or not all(type(n) in (int, float) and 0 <= n <= 1 for n in numbers):
        raise row.bad(f"{numbers} is no box in a volume: six parts from 0 to 1, z before y before x")
    z0, y0, x0 = (round(part * length) for part, length in zip(numbers[:3], source.shape, strict=True))
    z1, y1, x1 = (min(round(p * length) + 1, length) for p, length in zip(numbers[3:], source.shape, strict=True))
    try:
        if z0 >= z1:
            raise row.bad(f"{numbers} is a box without any depth")
        return Place(source=source.id, index=(z0 + z1 - 1) // 2, shape=Box(x0=x0, y0=y0, x1=x1, y1=y1))
    except ValidationError as error:
        raise row.invalid(f"{numbers}", error) from None
