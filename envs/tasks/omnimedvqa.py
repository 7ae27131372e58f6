"""OmniMedVQA: questions with two to four choices, made from 73 data sets of classification (arXiv:2402.09181).

root/QA_information/Open-access/*.json       dataset, question_id, question_type, question, gt_answer,
root/QA_information/Restricted-access/*.json   image_path, option_A ... option_D, modality_type
root/Images/...
"""

from collections.abc import Iterator
from pathlib import Path

from envs.datasets import Card, OnBad, Row, Task, asked, choices, opened, refuse, split_files, tags, tasks

CARD = Card(
    "OmniMedVQA",
    "that of each of its sources",
    "https://huggingface.co/datasets/foreverbeliever/OmniMedVQA",
    warnings=("every source has a licence of its own, some of them for research only",),
)
FOLDERS = {"open": "Open-access", "restricted": "Restricted-access"}


def omnimedvqa(root: Path, split: str = "open", subset: str = "*", *, on_bad: OnBad = refuse) -> Iterator[Task]:
    """The questions of the open or the restricted part; `subset` names one of its JSON files, without .json."""
    paths = split_files(root, split, {name: f"QA_information/{part}/{subset}.json" for name, part in FOLDERS.items()})
    return tasks(paths, lambda row: [_task(row, root, f"omnimedvqa/{split}")], on_bad)


def _task(row: Row, root: Path, origin: str) -> Task:
    return asked(
        row,
        id=row.text("question_id"),
        text=row.text("question"),
        study=opened(row, root, [(row.text("image_path"), "")]),
        choices=choices(row, [row.get(f"option_{letter}") for letter in "ABCD"]),
        lettered=False,
        answer=row.text("gt_answer"),
        origin=origin,
        tags=tags(
            modality=row.get("modality_type", "modality"),  # one row of Chest CT Scan.json has the latter
            task=row.get("question_type"),
            language="en",
            dataset=row.get("dataset"),
        ),
    )
