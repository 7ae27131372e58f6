"""VQA-RAD: questions of clinicians about radiographs, CT and MRI (doi:10.1038/sdata.2018.251), in either layout:

root/data/test-*.parquet                 image, question, answer      (the Hugging Face hub)
root/VQA_RAD Dataset Public.json         qid, image_name, image_organ, answer, answer_type, phrase_type ... (OSF)
root/VQA_RAD Image Folder/synpic676.jpg
"""

from collections.abc import Iterator
from pathlib import Path

from envs.datasets import (
    Card,
    OnBad,
    Row,
    Task,
    asked,
    first_folder,
    opened,
    parquet_files,
    refuse,
    row_id,
    split_files,
    tags,
    tasks,
)

CARD = Card(
    "VQA-RAD",
    "CC0 1.0",
    "https://osf.io/89kps/",
    warnings=("train and test share images", "closed questions are not all answered by yes or no"),
)
PUBLIC = ("*VQA_RAD*Public*.json", "*vqa_rad*public*.json")
SPLITS = {split: (*patterns, *PUBLIC) for split, patterns in parquet_files("train", "test").items()}


def vqa_rad(root: Path, split: str = "test", *, on_bad: OnBad = refuse) -> Iterator[Task]:
    """The questions of a split; of the one public JSON file, test are those whose phrase_type says so."""
    paths = split_files(root, split, SPLITS)
    images = first_folder(root, "VQA_RAD Image Folder", "images")

    def made(row: Row) -> Iterator[Task]:
        if row.path.suffix == ".parquet" or row.text("phrase_type").startswith("test") == (split == "test"):
            yield _task(row, images, f"vqa_rad/{split}")

    return tasks(paths, made, on_bad)


def _task(row: Row, images: Path, origin: str) -> Task:
    return asked(
        row,
        id=row.maybe("qid") or row_id(row),
        text=row.text("question"),
        study=opened(row, images, [(row.need("image", "image_name"), "")]),
        answer=row.text("answer"),
        origin=origin,
        tags=tags(
            anatomy=row.get("image_organ"),
            task=row.get("question_type"),
            language="en",
            answer_type=row.get("answer_type"),
            phrase=row.get("phrase_type"),
        ),
    )
