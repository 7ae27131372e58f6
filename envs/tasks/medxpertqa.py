"""MedXpertQA MM: questions of specialty boards with five choices and several pictures (arXiv:2501.18362).

    root/MM/test.jsonl, dev.jsonl      id, question, options, label, images, medical_task, body_system, question_type
    root/images/...

`options` is {"A": ...} and `label` a letter; or a list of {"letter", "content"} and a list of letters.
"""

from collections.abc import Iterator
from pathlib import Path

from envs.datasets import (
    Card,
    OnBad,
    Row,
    Task,
    asked,
    choices,
    first_folder,
    opened,
    refuse,
    split_files,
    tags,
    tasks,
)

CARD = Card("MedXpertQA MM", "MIT", "https://huggingface.co/datasets/TsinghuaC3I/MedXpertQA")
SPLITS = {split: (f"MM/{split}.jsonl", f"{split}.jsonl") for split in ("dev", "test")}
REPEATED = "Answer Choices:"
"""What the text of a question repeats its choices behind."""


def medxpertqa(root: Path, split: str = "test", *, on_bad: OnBad = refuse) -> Iterator[Task]:
    """The questions of a split, without the choices that their text repeats."""
    paths = split_files(root, split, SPLITS)
    images = first_folder(root, "images", "MM/images")
    return tasks(paths, lambda row: [_task(row, images, f"medxpertqa/{split}")], on_bad)


def _task(row: Row, folder: Path, origin: str) -> Task:
    names = row.listed("images")
    labels = row.listed("label") if isinstance(row.need("label"), list) else [row.text("label")]
    return asked(
        row,
        id=row.text("id"),
        text=row.text("question").partition(REPEATED)[0].strip(),
        study=opened(row, folder, [(name, f"image {n}") for n, name in enumerate(names, start=1)]),
        choices=choices(row, row.need("options")),
        lettered=True,
        answer=str(labels[0]),
        accepted=[str(label) for label in labels[1:]],
        origin=origin,
        tags=tags(
            anatomy=row.get("body_system"),
            task=row.get("medical_task"),
            language="en",
            question_type=row.get("question_type"),
        ),
    )
