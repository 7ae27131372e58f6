"""Reports of chest X-rays: MIMIC-CXR and IU X-ray as MedEvalKit has them, and the pairs of Libra (arXiv:2411.19378).

    root/test.json                id, image: [view, ...] or one, findings, impression
    root/test.jsonl, train.json   id or question_id, image: [current, prior], and text with reference, or conversations
    root/images/...

Libra passes the current image twice where there is no prior: it is shown once.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from envs.datasets import (
    Card,
    OnBad,
    Row,
    Task,
    asked,
    first_folder,
    opened,
    refuse,
    row_id,
    split_files,
    tags,
    tasks,
)
from envs.row_talk import exchanges
from tools.study import Study

CARD = Card(
    "Chest X-ray reports",
    "MIMIC-CXR: PhysioNet credentialed, never to be shared; IU X-ray: the terms of Open-i",
    "https://physionet.org/content/mimic-cxr/ and https://openi.nlm.nih.gov",
    warnings=(
        "words are compared, not findings: look at clinical metrics before a report is called good",
        "reports speak of earlier studies that may not be shown",
    ),
)
SPLITS = {
    "train": ("train.json", "train.jsonl"),
    "validation": ("validation.json", "val.json", "validation.jsonl", "val.jsonl"),
    "test": ("test.json", "test.jsonl"),
}
ASKED = "Write the report of this study: its findings, then the impression."
SECTIONS = {"findings": "Findings", "impression": "Impression"}


def cxr_report(root: Path, split: str = "test", *, on_bad: OnBad = refuse) -> Iterator[Task]:
    """A report for each study. A study with neither findings nor impression is left out, as MedEvalKit does."""
    paths = split_files(root, split, SPLITS)
    images = first_folder(root, "images")

    def made(row: Row) -> Iterator[Task]:
        if pair := _pair(row):
            yield _task(row, f"cxr_report/{split}", _current_and_prior(row, images), "pair", *pair)
        elif report := _report(row):
            yield _task(row, f"cxr_report/{split}", _views(row, images), "study", ASKED, report)

    return tasks(paths, made, on_bad)


def _task(row: Row, origin: str, study: Study, task: str, text: str, report: str) -> Task:
    return asked(
        row,
        id=row.maybe("id", "question_id") or row_id(row),
        text=text,
        study=study,
        answer=report,
        origin=origin,
        kind="report",
        tags=tags(
            modality="X-ray",
            anatomy="chest",
            task=task,
            language="en",
            prior="yes" if any(source.role == "prior" for source in study.sources) else "no",
        ),
    )


def _pair(row: Row) -> tuple[str, str] | None:
    """What is asked and answered of a pair; None where the row is of the other kind."""
    if row.get("conversations") is not None:
        told = exchanges(row)
        if len(told) != 1:
            raise row.bad(f"its conversation asks {len(told)} times for a report")
        return told[0].question, told[0].answered
    return (row.text("text"), row.text("reference")) if row.get("reference") is not None else None


def _report(row: Row) -> str:
    """The sections that hold something, each behind its name."""
    if not SECTIONS.keys() & row.cells.keys():
        raise row.bad("holds neither 'findings' nor 'impression', nor a 'reference', nor 'conversations'")
    return " ".join(f"{name}: {text}" for key, name in SECTIONS.items() if (text := row.maybe(key)))


def _names(row: Row) -> list[Any]:
    image = row.need("image")
    return [image] if isinstance(image, str | dict | bytes) else row.listed("image")


def _views(row: Row, folder: Path) -> Study:
    names = _names(row)
    return opened(row, folder, [(name, f"view {n}" if len(names) > 1 else "") for n, name in enumerate(names, start=1)])


def _current_and_prior(row: Row, folder: Path) -> Study:
    names = _names(row)
    if len(names) > 2:
        raise row.bad(f"a pair has a current image and a prior one, not {len(names)}")
    study = opened(row, folder, list(zip(names, ("current", "prior"), strict=False)))
    if len({source.id for source in study.sources}) == 1:
        return Study(sources=study.sources[:1])
    return study
