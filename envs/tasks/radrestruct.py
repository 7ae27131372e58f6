"""Rad-ReStruct: a structured report, asked for question by question (arXiv:2307.05766).

    root/test_qa_pairs/<report>.json, train_qa_pairs, val_qa_pairs
        a list of [question, [answers], history, {"answer_type", "options", "path"}], history as [question, [answers]]
    root/id_to_img_mapping_frontal_reports.json      {report: [image, ...]}
    root/images/<image>.png

The history, which is true as the set gives it, stands before the question: "In which part of the body?" means nothing
without it. A single_choice of yes and no is yes_no, another one is choice. A multi_choice is open: the options are part
of its text, and its answer is all that is right, sorted, with commas between; the grader of open questions minds
neither order nor commas, so a part of them, or one too many, is wrong.

Tags say where in the report a question stands, so that gating can be scored: `report` (a report with several images
counts once for each, as in the authors' evaluation), `image`, `path`, `level` (1 for one that depends on no other),
`instance` (2 for "Is there another ...?" of the same path) and `parent`: the id of the question that must be answered
by yes for this one to be asked, the nearest before it whose path is the beginning of its own, or the same.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from envs.datasets import (
    Card,
    DataError,
    OnBad,
    Row,
    Task,
    asked,
    first_folder,
    letters,
    opened,
    refuse,
    split_files,
    tags,
    tasks,
)

CARD = Card(
    "Rad-ReStruct",
    "that of IU X-ray: the terms of Open-i",
    "https://github.com/ChantalMP/Rad-ReStruct",
    warnings=(
        "the history before a question is the true one: a model's own earlier answers would be harder",
        "most questions are answered by no: a constant answer scores high",
    ),
)
SPLITS = {"train": "train_qa_pairs/*.json", "validation": "val_qa_pairs/*.json", "test": "test_qa_pairs/*.json"}
MAPPING = "id_to_img_mapping_frontal_reports.json"


def radrestruct(root: Path, split: str = "test", *, on_bad: OnBad = refuse) -> Iterator[Task]:
    """The questions of a split, report after report; of a report with several images once for each."""
    paths = split_files(root, split, SPLITS)
    images = _mapping(root / MAPPING)
    folder = first_folder(root, "images", "imgs")

    def made(row: Row) -> Iterator[Task]:
        report = row.path.stem
        if report not in images:
            raise row.bad(f"{MAPPING} names no image of the report {report!r}")
        for image in images[report]:
            yield _task(row, folder, f"radrestruct/{split}", report, image)

    return tasks(paths, made, on_bad, _pairs)


def _task(row: Row, folder: Path, origin: str, report: str, image: str) -> Task:
    options = [str(option) for option in row.listed("options")]
    answers = sorted(str(answer) for answer in row.listed("answers"))
    for answer in answers:
        letters(row, answer, options, lettered=False)
    many = row.text("answer_type") == "multi_choice"
    if not answers or (len(answers) > 1 and not many):
        raise row.bad(f"a {row.text('answer_type')} has {len(answers)} answers")
    yes_no = sorted(options) == ["no", "yes"]
    parent = row.get("parent")
    return asked(
        row,
        id=f"{image}/{report}/{row.number}",
        text=_text(row, options if many else []),
        study=opened(row, folder, [(f"{image}.png", "")]),
        choices=() if many or yes_no else options,
        lettered=False,
        kind="open" if many else "yes_no" if yes_no else "choice",
        answer=", ".join(answers),
        origin=origin,
        tags=tags(
            modality="X-ray",
            anatomy="chest",
            task=row.text("answer_type"),
            language="en",
            report=f"{image}/{report}",
            image=image,
            path=row.text("path"),
            level=row.need("level"),
            instance=row.need("instance"),
            parent=f"{origin}/{image}/{report}/{parent}" if parent else None,
        ),
    )


def _text(row: Row, options: list[str]) -> str:
    """The question behind its history, and the options of which several may be right."""
    history = row.need("history")
    try:
        before = [f"{question} {', '.join(answers)}" for question, answers in history]
    except (TypeError, ValueError):
        raise row.bad("its history is not a list of [question, [answers]]") from None
    listed = f"\nName all that apply, with commas between: {', '.join(options)}" if options else ""
    return "\n".join([*before, row.text("question")]) + listed


def _pairs(*paths: Path) -> Iterator[Row]:
    """A row for each question of each report, with what is before it: `level`, `instance` and the `parent`'s number."""
    for path in paths:
        try:
            pairs = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            yield Row(path, 1, {}, f"not JSON ({error})")
            continue
        if not isinstance(pairs, list):
            yield Row(path, 1, {}, "not a list of questions")
            continue
        before: list[tuple[int, str, int]] = []
        for number, pair in enumerate(pairs, start=1):
            yield (row := _pair(path, number, pair, before))
            if not row.problem:
                before.append((number, row.cells["path"], row.cells["level"]))


def _pair(path: Path, number: int, pair: Any, before: list[tuple[int, str, int]]) -> Row:
    """One question; `before` is the (number, path, level) of those that precede it."""
    try:
        question, answers, history, about = pair
        own = about["path"]
        above = next((one for one in reversed(before) if f"{own}_".startswith(f"{one[1]}_")), (0, own, 1))
    except (TypeError, ValueError, LookupError, AttributeError):
        return Row(path, number, {}, 'not [question, [answers], history, {"answer_type", "options", "path"}]')
    instance = 1 + sum(one[1] == own for one in before)
    place = {"level": above[2] + (above[1] != own), "instance": instance, "parent": above[0] or None}
    return Row(path, number, {"question": question, "answers": answers, "history": history, **about, **place})


def _mapping(path: Path) -> dict[str, list[str]]:
    try:
        mapping = json.loads(path.read_text(encoding="utf-8"))
        return {str(report): [str(image) for image in images] for report, images in mapping.items()}
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file; it says which images a report has") from None
    except (ValueError, TypeError, AttributeError):
        raise DataError(f"{path}: not an object that has a list of images for each report") from None
