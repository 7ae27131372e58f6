"""SLAKE: questions in English and Chinese about CT, MRI and X-ray (arXiv:2102.09542).

root/test.json, validate.json, train.json      img_name, question, answer, q_lang, location, modality, qid ...
root/imgs/xmlab102/source.jpg                  and, where the boxes were got too, detection.json beside it
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from envs.datasets import Card, OnBad, Row, Task, asked, inside, opened, place, refuse, split_files, tags, tasks
from tools.image import Place
from tools.study import Source

CARD = Card(
    "SLAKE",
    "CC BY 4.0",
    "https://www.med-vqa.com/slake/",
    warnings=(
        "61 closed questions of the English test split are not answered by yes or no",
        "near-duplicate questions have been reported (arXiv:2606.10066)",
        "English and Chinese ask the same: score them apart",
    ),
)
SPLITS = {"train": "train.json", "validation": ("validate.json", "validation.json"), "test": "test.json"}


def slake(
    root: Path, split: str = "test", language: Literal["en", "zh", "all"] = "en", *, on_bad: OnBad = refuse
) -> Iterator[Task]:
    """The questions of one language. A closed question is yes_no only where its answer is yes or no."""
    paths = split_files(root, split, SPLITS)

    def made(row: Row) -> Iterator[Task]:
        if language in ("all", row.text("q_lang")):
            yield _task(row, root, f"slake/{split}")

    return tasks(paths, made, on_bad)


def _task(row: Row, root: Path, origin: str) -> Task:
    name = row.text("img_name")
    study = opened(row, root / "imgs", [(name, "")])
    text, answer = row.text("question"), row.text("answer")
    return asked(
        row,
        id=row.text("qid"),
        text=text,
        study=study,
        answer=answer,
        origin=origin,
        places=_evidence(row, inside(row, root / "imgs", name).parent, study.sources[0], f"{text} {answer}"),
        tags=tags(
            modality=row.get("modality"),
            anatomy=row.get("location"),
            task=row.get("content_type"),
            language=row.get("q_lang"),
            answer_type=row.get("answer_type"),
            base=row.get("base_type"),
        ),
    )


def _evidence(row: Row, folder: Path, source: Source, said: str) -> list[Place]:
    """The boxes, of those in detection.json ([{"Liver": [x, y, width, height]}]), that question or answer name."""
    path = folder / "detection.json"
    if not path.is_file():
        return []
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8"))
        named = [(label, [x, y, x + w, y + h]) for each in found for label, (x, y, w, h) in each.items()]
    except (ValueError, TypeError, AttributeError) as error:
        raise row.bad(f'{path}: not a list of {{"name": [x, y, width, height]}} ({error})') from None
    return [place(row, source, box, "px") for label, box in named if label.casefold() in said.casefold()]
