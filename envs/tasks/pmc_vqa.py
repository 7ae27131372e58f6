"""PMC-VQA: questions with four choices about figures of articles (arXiv:2305.10415).

root/test_clean.csv, test.csv, train.csv      Figure_path, Question, Answer, Choice A ... D, Answer_label
root/test_2.csv, train_2.csv                  index, Figure_path, Caption, Question, Choice A ... D, Answer, split
root/images, root/figures or root/images_2    what images.zip and images_2.zip hold
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
    row_id,
    split_files,
    tags,
    tasks,
)

CARD = Card(
    "PMC-VQA",
    "CC BY-SA 4.0 (as a mirror of it says); each figure has the licence of its article",
    "https://huggingface.co/datasets/xmcmic/PMC-VQA",
    warnings=(
        "test_clean and test_2 have 6 questions in common: their numbers cannot be compared",
        "the letters are uneven: always C has been reported right for 37.8 % of test_2",
    ),
)
SPLITS = {split: f"{split}.csv" for split in ("train", "test", "test_clean", "train_2", "test_2")}


def pmc_vqa(root: Path, split: str = "test_clean", *, on_bad: OnBad = refuse) -> Iterator[Task]:
    """The questions of a split: train, test and test_clean of version 1, train_2 and test_2 of version 2."""
    paths = split_files(root, split, SPLITS)
    folders = ["images", "figures", "images_2"]
    images = first_folder(root, *(reversed(folders) if split.endswith("_2") else folders))
    return tasks(paths, lambda row: [_task(row, images, f"pmc_vqa/{split}")], on_bad)


def _task(row: Row, images: Path, origin: str) -> Task:
    offered = choices(row, [row.get(f"Choice {letter}") for letter in "ABCD"])
    return asked(
        row,
        id=row.maybe("index") or row_id(row),
        text=row.text("Question"),
        study=opened(row, images, [(row.text("Figure_path"), "")]),
        choices=offered,
        lettered=True,
        answer=row.text("Answer_label", "Answer"),
        origin=origin,
        tags=tags(language="en"),
    )
