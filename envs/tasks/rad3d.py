"""3D-RAD: six kinds of questions about the chest CT volumes of CT-RATE (arXiv:2506.11147).

    root/test/Task3_Medical_Computation/Size.csv ...      also under root/3DRAD, and train for test
        Task, Subtask, VolumeName, Question, Answer, QuestionType (Open, Close), AnswerChoice, Choice A ... Choice D
    a file called <VolumeName> anywhere in root, or the .npy that the authors made of it

What the set calls test_1_a_1 is valid_1_a_1 of CT-RATE, and found by either name. An empty cell is written "-". A
question whose choices are Yes and No is yes_no. An answer of Medical Computation that is one number with its unit is a
number; "30x13 mm", "2-3 mm" and "Up to 3 mm" are none, and open.
"""

import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from envs.datasets import (
    Card,
    MissingImage,
    OnBad,
    Row,
    Task,
    asked,
    choices,
    opened,
    refuse,
    row_id,
    split_files,
    tags,
    tasks,
)
from envs.episode import Kind
from envs.graders.quantities import one

CARD = Card(
    "3D-RAD",
    "CC BY-NC-SA 4.0, as CT-RATE",
    "https://github.com/Tang-xiaoxiao/3D-RAD",
    warnings=(
        "answers come from reports of radiologists, not from the volumes",
        "one scan has several reconstructions (_1, _2 ...) with the same questions: they are not independent",
    ),
)
SPLITS = {name: (f"{name}/Task*/*.csv", f"3DRAD/{name}/Task*/*.csv") for name in ("train", "test")}
TASKS = {
    "1": "Image Observation", "2": "Anomaly Detection", "3": "Medical Computation", "4": "Existence Detection",
    "5": "Static Temporal Diagnosis", "6": "Longitudinal Temporal Diagnosis",
}  # fmt: skip
"""As their folders are numbered: its README numbers the first two the other way round."""
VOLUMES = (".nii.gz", ".nii", ".npy")
"""The first of these that there is counts: the last states no size in mm."""


def rad3d(root: Path, split: str = "test", *, on_bad: OnBad = refuse) -> Iterator[Task]:
    """The questions of a split, task after task."""
    paths = split_files(root, split, SPLITS)
    volumes = _volumes(root)
    return tasks(paths, lambda row: [_task(row, root, volumes, f"rad3d/{split}")], on_bad)


def _task(row: Row, root: Path, volumes: Mapping[str, list[Path]], origin: str) -> Task:
    cells = {name: None if value == "-" else value for name, value in row.cells.items()}
    row = row._replace(cells=cells)
    offered = choices(row, [row.get(f"Choice {letter}") for letter in "ABCD"])
    answer, task = row.text("Answer"), TASKS.get(row.text("Task"), row.text("Task"))
    kind = _kind(answer, offered, task)
    return asked(
        row,
        id=f"{row.path.parent.name}/{row_id(row)}",
        text=row.text("Question"),
        study=opened(row, root, [(_volume(row, root, volumes), "")]),
        choices=offered if kind == "choice" else (),
        lettered=True,
        kind=kind,
        answer=row.text("AnswerChoice") if kind == "choice" else answer,
        origin=origin,
        tags=tags(
            modality="CT",
            anatomy="chest",
            task=task,
            language="en",
            answer_type=row.get("QuestionType"),
            subtask=row.path.stem,
        ),
    )


def _kind(answer: str, offered: tuple[str, ...], task: str) -> Kind:
    if offered:
        return "yes_no" if sorted(text.casefold() for text in offered) == ["no", "yes"] else "choice"
    size = one(answer.rstrip(".")) if task == "Medical Computation" else None
    return "number" if size is not None and size.unit else "open"


def _volumes(root: Path) -> dict[str, list[Path]]:
    """Where the volumes of each name lie in a folder."""
    found: dict[str, list[Path]] = defaultdict(list)
    for folder, _, names in os.walk(root):
        for name in names:
            if name.endswith(VOLUMES):
                found[name].append(Path(folder) / name)
    return dict(found)


def _volume(row: Row, root: Path, volumes: Mapping[str, list[Path]]) -> str:
    """The name, in `root`, of the volume of a row."""
    name = row.text("VolumeName")
    stem = next((name.removesuffix(ending) for ending in VOLUMES if name.endswith(ending)), name)
    stems = (stem, re.sub("^test_", "valid_", stem))
    paths = next((volumes[file] for ending in VOLUMES for part in stems if (file := part + ending) in volumes), [])
    if not paths:
        raise MissingImage(str(row.bad(f"{root} holds no {name[:80]}, nor a .npy of it")))
    if len(paths) > 1:  # CT-RATE has "valid" and "valid_fixed", whose headers differ
        there = ", ".join(sorted(str(path.relative_to(root)) for path in paths))
        raise row.bad(f"{root} holds {paths[0].name} more than once; keep one of {there}"[:400])
    return str(paths[0].relative_to(root))
