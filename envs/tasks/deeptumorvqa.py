"""DeepTumorVQA v2: 42 kinds of questions about tumours on abdominal CT (arXiv:2605.09679).

root/benchmark/test_qa.json (its records under "questions") or test_qa.jsonl; root/train/train_qa.csv
    qid, image_id, shape, spacing, question, answer, mc_question, correct_option, organ, question_subtype ...
root/<part>/ct/<image_id>/ct.nii.gz, images_2d/whole/<image_id>.png, videos/whole/<image_id>.mp4
    where <part> is the folder of the questions, or benchmark, from whose CTs val_qa_pool.csv asks too
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from envs.datasets import (
    Card,
    DataError,
    OnBad,
    Row,
    Task,
    asked,
    check_size,
    inside,
    opened,
    refuse,
    row_id,
    rows,
    split_files,
    tags,
    tasks,
)
from envs.graders.quantities import quantities
from envs.tables import read_json
from tools.study import Source

CARD = Card(
    "DeepTumorVQA v2",
    "CC BY 4.0 (questions and answers); each CT as its source says",
    "https://huggingface.co/datasets/tumor-vqa/DeepTumorVQA_2.0",
    warnings=(
        "the volumes of the training part are not hosted with it: get them as AbdomenAtlas 3.0 Mini",
        "the test questions were drawn from those of the validation split: choose nothing by it",
        'the published score takes every reply that starts with "no", as "normal" does, for a no',
    ),
)
SPLITS = {
    "test": ("benchmark/test_qa.jsonl", "benchmark/test_qa.json"),
    "train": "train/train_qa.csv",
    "validation": "train/val_qa_pool.csv",
}
SHOWN = {"volume": "ct/{}/ct.nii.gz", "image": "images_2d/whole/{}.png", "film": "videos/whole/{}.mp4"}
TOLERANCES = (0.05, 0.1, 0.2, 0.5)
"""Those that the set reports, as shares of the true number."""
NUMERIC = frozenset({
    "organ volume measurement", "organ hu measurement", "lesion volume measurement", "organ hu ratio",
    "tumor burden percentage", "largest lesion diameter", "largest lesion slice", "lesion counting",
    "lesion count by location", "organ aggregation", "tumor organ hu difference",
})  # fmt: skip
"""Subtypes that are answered by a number, in small letters: the frozen table of its scorer."""
BINARY = frozenset({
    "pancreatic lesion existence", "liver lesion existence", "kidney lesion existence", "kidney tumor existence",
    "kidney cyst existence", "colon lesion existence", "pdac existence", "pnet existence", "lesion outlier",
    "organ enlargement", "pancreatic steatosis", "pancreatic cyst resectability", "pseudocyst determination",
    "splenomegaly detection", "portal hypertension assessment",
})  # fmt: skip
"""Those that are answered by yes or no; the others by a category in words."""
_CHOICES = re.compile(r"(?:^|\s)A: (.*?)\s+B: (.*?)(?:\s+C: (.*?))?(?:\s+D: (.*?))?\s*$", re.DOTALL)


def deeptumorvqa(
    root: Path,
    split: str = "test",
    form: Literal["choice", "free"] = "choice",
    shown: Literal["volume", "image", "film"] = "volume",
    tolerance: float = 0.1,
    *,
    on_bad: OnBad = refuse,
) -> Iterator[Task]:
    """The questions with their choices, or free: a number, yes or no, or a category in words.

    A number is right within `tolerance`, one of `TOLERANCES`; mean relative accuracy is among the grader's metrics.
    """
    if tolerance not in TOLERANCES:
        raise DataError(f"no tolerance {tolerance}; there are: {', '.join(map(str, TOLERANCES))}")
    paths = split_files(root, split, SPLITS)
    origin = f"deeptumorvqa/{split}"
    return tasks(paths, lambda row: [_task(row, root, origin, form, shown, tolerance)], on_bad, _records)


def _task(row: Row, root: Path, origin: str, form: str, shown: str, tolerance: float) -> Task:
    study = opened(row, root, [(_picture(row, root, SHOWN[shown].format(row.text("image_id"))), "")])
    if shown == "volume":
        _check(row, study.sources[0])
    said = _choice(row) if form == "choice" else _free(row, tolerance)
    return asked(
        row,
        id=row.maybe("qid") or row_id(row),
        study=study,
        origin=origin,
        tags=tags(
            modality="CT",
            anatomy=row.get("organ"),
            task=row.get("question_type"),
            language="en",
            subtype=row.get("question_subtype"),
        ),
        **said,
    )


def _picture(row: Row, root: Path, name: str) -> str:
    own, other = f"{row.path.parent.name}/{name}", f"benchmark/{name}"
    return own if inside(row, root, own).exists() or not inside(row, root, other).exists() else other


def _choice(row: Row) -> dict[str, Any]:
    """The choices stand in the text of the question: "... A: mild B: severe"."""
    text = row.text("mc_question")
    found = _CHOICES.search(text)
    if found is None:
        raise row.bad(f"'mc_question' holds no choices A: ... B: ...: {text[:80]!r}")
    offered = [choice.strip() for choice in found.groups() if choice is not None]
    answer = row.text("correct_option")
    return {"text": text[: found.start()].strip(), "choices": offered, "lettered": True, "answer": answer}


def _free(row: Row, tolerance: float) -> dict[str, Any]:
    text, answer, subtype = row.text("question"), row.text("answer"), row.text("question_subtype").casefold()
    if subtype in NUMERIC:
        if [number.exact for number in quantities(answer)] != [True]:
            raise row.bad(f"{subtype!r} is answered by one number, not {answer[:60]!r}")
        return {"text": text, "kind": "number", "answer": answer, "tolerance": tolerance}
    return {"text": text, "kind": "yes_no" if subtype in BINARY else "open", "answer": answer}


def _check(row: Row, source: Source) -> None:
    """Raises DataError where the stated shape (x, y, z), or the spacing to two digits, is not that of the volume."""
    if row.get("shape") is not None:
        check_size(row, source, re.findall(r"\d+", row.text("shape")))
    if row.get("spacing") is not None and source.spacing_mm is not None:
        stated = [float(number) for number in re.findall(r"\d+(?:\.\d+)?", row.text("spacing"))]
        true = source.spacing_mm[::-1]
        if len(stated) != len(true) or any(abs(a - b) > 0.0051 for a, b in zip(stated, true, strict=True)):
            raise row.bad(f"states a spacing of {stated} mm where its volume has {[round(mm, 3) for mm in true]}")


def _records(*paths: Path) -> Iterator[Row]:
    """The rows of the files; of test_qa.json, those under "questions"."""
    for path in paths:
        yield from read_json(path, "questions") if path.suffix == ".json" else rows(path)
