"""MedFrameQA: questions with choices about two to five frames of teaching videos (arXiv:2505.16964).

root/data/test-*.parquet      question_id, question, options, image_1 ... image_5, correct_answer, modality, organ ...
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
    opened,
    parquet_files,
    refuse,
    split_files,
    tags,
    tasks,
)

CARD = Card("MedFrameQA", "CC BY 4.0", "https://huggingface.co/datasets/SuhaoYu1020/MedFrameQA")


def medframeqa(root: Path, split: str = "test", *, on_bad: OnBad = refuse) -> Iterator[Task]:
    """The questions; test is the only split."""
    paths = split_files(root, split, parquet_files("test"))
    return tasks(paths, lambda row: [_task(row, root, f"medframeqa/{split}")], on_bad)


def _task(row: Row, root: Path, origin: str) -> Task:
    pictures = [(row.get(f"image_{n}"), f"image {n}") for n in range(1, 6)]
    return asked(
        row,
        id=row.text("question_id"),
        text=row.text("question"),
        study=opened(row, root, [(picture, role) for picture, role in pictures if picture is not None]),
        choices=choices(row, row.need("options")),
        lettered=True,
        answer=row.text("correct_answer"),
        origin=origin,
        tags=tags(
            modality=row.get("modality"),
            anatomy=row.get("organ"),
            task=row.get("keyword"),
            language="en",
            system=row.get("system"),
            video=row.get("video_id"),
        ),
    )
