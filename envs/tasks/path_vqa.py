"""PathVQA: questions about pictures of pathology textbooks (arXiv:2003.10286).

root/data/test-*.parquet      image, question, answer
"""

from collections.abc import Iterator
from pathlib import Path

from envs.datasets import (
    Card,
    OnBad,
    Row,
    Task,
    asked,
    opened,
    parquet_files,
    refuse,
    row_id,
    split_files,
    tags,
    tasks,
)

CARD = Card(
    "PathVQA",
    "MIT (as its card on the hub says)",
    "https://huggingface.co/datasets/flaviagiammarino/path-vqa",
    warnings=("the questions were made from captions by rules; faults of them have been reported",),
)


def path_vqa(root: Path, split: str = "test", *, on_bad: OnBad = refuse) -> Iterator[Task]:
    """The questions of a split: yes_no or open."""
    paths = split_files(root, split, parquet_files("train", "validation", "test"))
    return tasks(paths, lambda row: [_task(row, root, f"path_vqa/{split}")], on_bad)


def _task(row: Row, root: Path, origin: str) -> Task:
    return asked(
        row,
        id=row_id(row),
        text=row.text("question"),
        study=opened(row, root, [(row.need("image"), "")]),
        answer=row.text("answer"),
        origin=origin,
        tags=tags(modality="pathology", language="en"),
    )
