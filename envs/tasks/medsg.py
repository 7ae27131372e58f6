"""MedSG-Bench and MedSG-188K: a box on one of several images (arXiv:2505.11852), in either format:

    root/MedSG-Bench/*.json    task, images, question, answer [x1, y1, x2, y2], size [width, height]
    root/MedSG-Train/*.json    id, task, images, conversations: "<|box_start|>(x1,y1),(x2,y2)<|box_end|>"

Coordinates are px of the image that they belong to. Which one that is, is settled so:

    1. the one that the answer names ("It's in the third image."), as the training part does for referring;
    2. patch: the first, which is the source of the patches that follow it;
    3. the one beside the first that the question names ("... marked in the first image ... locate it in the third");
    4. referring: the one whose file is named after what is looked for ("..._MRI_RightVentricle.png");
    5. else the last.

Where referring names none and several files or none would do, the box belongs to no image that is known: a bad row.
"""

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Literal, get_args

from envs.datasets import (
    Card,
    OnBad,
    Row,
    Task,
    asked,
    check_size,
    nearest,
    opened,
    place,
    refuse,
    row_id,
    split_files,
    tags,
    tasks,
)
from envs.row_talk import drawn, exchanges, numbered
from tools.geometry import Box
from tools.image import Place
from tools.study import Source

CARD = Card(
    "MedSG-Bench",
    "CC BY 4.0",
    "https://huggingface.co/MedSG-Bench",
    warnings=(
        "the whole image as an answer scores well above 0: report that baseline beside",
        "the published score takes a box on any image for one on the right image; here it must be the right one",
    ),
)
Kind = Literal[
    "Registered_Diff", "Non_Registered_Diff", "multi_view", "object_tracking", "concept", "patch", "cross_modal",
    "referring",
]  # fmt: skip
SPLITS = {
    "test": ("MedSG-Bench/*.json", "MedSG-Bench/MedSG-Bench/*.json", "test/*.json"),
    "train": ("MedSG-Train/*.json", "MedSG-Bench/MedSG-Train/*.json", "train/*.json"),
}
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_NAMED = re.compile(rf"\b({'|'.join(ORDINALS)}) (?:image|picture|view|frame|slice)\b", re.IGNORECASE)
_NUMBER = r"\s*(-?\d+(?:\.\d+)?)\s*"
_BOX = re.compile(rf"\(?<\|box_start\|>\s*\({_NUMBER},{_NUMBER}\),\s*\({_NUMBER},{_NUMBER}\)\s*<\|box_end\|>\)?")
_OBJECT = re.compile(r"<\|object_ref_start\|>(.*?)<\|object_ref_end\|>")


def medsg(
    root: Path, split: str = "test", task: Kind | Literal["all"] = "all", *, on_bad: OnBad = refuse
) -> Iterator[Task]:
    """The questions of one of the eight tasks, or of all. A conversation is several questions, each asked by itself."""
    paths = split_files(root, split, SPLITS)

    def made(row: Row) -> Iterator[Task]:
        found = _kind(row)
        if task in ("all", found):
            yield from _tasks(row, root, f"medsg/{split}", found)

    return tasks(paths, made, on_bad)


def _kind(row: Row) -> Kind:
    """The task of a row, whichever way it is spelt: the training part writes "crossmodal"."""
    kinds: tuple[Kind, ...] = get_args(Kind)
    plain = {kind.casefold().replace("_", ""): kind for kind in kinds}
    said = row.text("task")
    kind = plain.get(said.casefold().replace("_", ""))
    if kind is None:
        raise row.bad(f"no task {said[:40]!r}; there are: {', '.join(kinds)}")
    return kind


def _tasks(row: Row, root: Path, origin: str, kind: Kind) -> Iterator[Task]:
    names = [nearest(row, root, str(name)) for name in row.listed("images")]
    study = opened(row, root, [(name, f"image {n}") for n, name in enumerate(names, start=1)])
    told = _told(row)
    for n, (question, answer, numbers) in enumerate(told, start=1):
        target = study.sources[_target(row, kind, question, answer, names)]
        if row.get("size") is not None:
            check_size(row, target, row.listed("size"))
        text, given = numbered(_OBJECT.sub(r"\1", question), _BOX, lambda box: _places(row, study.sources[0], box))
        if "<|box_start|>" in text:
            raise row.bad(f"its question holds a box that cannot be read: {question[-80:]!r}")
        yield asked(
            row,
            id=(row.maybe("id") or row_id(row)) + (f"/{n}" if len(told) > 1 else ""),
            text=text,
            study=study,
            answer="",
            origin=origin,
            kind="boxes",
            images=drawn(study, given),
            places=[place(row, target, numbers, "px", shape=Box)],
            tags=tags(task=kind, language="en", images=len(names)),
        )


def _told(row: Row) -> list[tuple[str, str, list[float]]]:
    """Each question with its answer, and the numbers of the answer's box."""
    if row.get("conversations") is None:
        return [(row.text("question"), "", row.listed("answer"))]
    return [(talk.question, talk.answered, _numbers(row, talk.answered)) for talk in exchanges(row)]


def _numbers(row: Row, text: str) -> list[float]:
    boxes = _BOX.findall(text)
    if len(boxes) != 1:
        raise row.bad(f"an answer holds {len(boxes)} boxes where it must hold one: {text[:60]!r}")
    return [float(number) for number in boxes[0]]


def _places(row: Row, source: Source, text: str) -> list[Place]:
    return [place(row, source, _numbers(row, text), "px")]


def _target(row: Row, kind: Kind, question: str, answer: str, names: list[str]) -> int:
    """The number, from 0, of the image that the answer lies on."""
    if told := _ordinals(answer):
        found = told
    elif kind == "patch" or len(names) == 1:
        found = {0}
    elif told := _ordinals(question) - {0}:
        found = told
    elif kind == "referring":
        wanted = _OBJECT.findall(question)
        found = {n for n, name in enumerate(names) if wanted and PurePosixPath(name).stem.endswith(f"_{wanted[-1]}")}
    else:
        found = {len(names) - 1}
    if len(found) != 1 or max(found) >= len(names):
        raise row.bad(f"does not say on which of its {len(names)} images the box lies")
    return found.pop()


def _ordinals(text: str) -> set[int]:
    return {ORDINALS.index(word.casefold()) for word in _NAMED.findall(text)}
