"""MMMU, the five subjects of health and medicine (arXiv:2311.16502).

    root/<subject>/validation-*.parquet      id, question, options, answer, question_type, image_1 ... image_7

`options` is a list as Python writes it. The text and the choices call the pictures <image 1>, <image 2>, ...
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from envs.datasets import Card, OnBad, Row, Task, asked, choices, opened, refuse, split_files, tags, tasks
from envs.rows import read_literal

CARD = Card(
    "MMMU, health and medicine",
    "Apache-2.0",
    "https://huggingface.co/datasets/MMMU/MMMU",
    warnings=("validation has 30 questions a subject: a difference of a few points means nothing",),
)
Subject = Literal[
    "Basic_Medical_Science", "Clinical_Medicine", "Diagnostics_and_Laboratory_Medicine", "Pharmacy", "Public_Health"
]
SUBJECTS: tuple[Subject, ...] = (
    "Basic_Medical_Science", "Clinical_Medicine", "Diagnostics_and_Laboratory_Medicine", "Pharmacy", "Public_Health",
)  # fmt: skip


def mmmu_med(
    root: Path, split: str = "validation", subjects: tuple[Subject, ...] = SUBJECTS, *, on_bad: OnBad = refuse
) -> Iterator[Task]:
    """The questions of dev or validation, subject after subject. The answers of the test split are not public."""
    paths = [
        path
        for subject in subjects
        for path in split_files(root, split, {name: f"{subject}/{name}-*.parquet" for name in ("dev", "validation")})
    ]
    return tasks(paths, lambda row: [_task(row, root, f"mmmu_med/{split}")], on_bad)


def _task(row: Row, root: Path, origin: str) -> Task:
    pictures = [(row.get(f"image_{n}"), f"image {n}") for n in range(1, 8)]
    answers = read_literal(row.text("answer")) if row.text("answer").startswith("[") else row.text("answer")
    answers = [str(answer) for answer in answers] if isinstance(answers, list) and answers else [row.text("answer")]
    return asked(
        row,
        id=row.text("id"),
        text=row.text("question"),
        study=opened(row, root, [(picture, role) for picture, role in pictures if picture is not None]),
        choices=() if row.text("question_type") == "open" else choices(row, row.need("options")),
        lettered=True,
        answer=answers[0],
        accepted=answers[1:],
        origin=origin,
        tags=tags(
            task=row.get("subfield"),
            language="en",
            subject=row.path.parent.name,
            difficulty=row.get("topic_difficulty"),
        ),
    )
