"""MedRegInstruct: name a region, or find one, in English and Chinese (MedRegA, arXiv:2410.18387).

    root/*text2region*.jsonl, *region2text*.jsonl      id, image, width, height, conversations

A region is <ref>name</ref><box>[[x1, y1, x2, y2], ...]</box> in whole numbers from 0 to 999, where 999 is the whole
width or height. Only what follows <image> is asked: what stands before it says how MedRegA writes its answers.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

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
from envs.row_talk import Exchange, drawn, exchanges, numbered
from envs.rows import read_literal
from tools.image import Place
from tools.study import Study

CARD = Card(
    "MedRegInstruct",
    "that of each of its sources; its own is not stated",
    "https://github.com/xmed-lab/MedRegA",
    warnings=("the part with grounded reports of MIMIC-CXR was withdrawn", "English and Chinese: score them apart"),
)
SPLITS = {part: (f"*{part}*.jsonl", f"*/*{part}*.jsonl") for part in ("text2region", "region2text")}
_BOXES = re.compile(r"\s*<box>\s*\[[-\s\d.,\[\]]*\]\s*</box>")
_HEAD = re.compile(rf"^(?:\s*<ref>.*?</ref>{_BOXES.pattern}[\s,;:.\uff0c\uff1b\uff1a\u3002]*)+")
"""The regions that an answer begins with."""
_REF = re.compile(r"</?ref>")
_CHINESE = re.compile(r"[\u3400-\u9fff]")


def medreginstruct(
    root: Path, split: str = "text2region", language: Literal["en", "zh", "all"] = "all", *, on_bad: OnBad = refuse
) -> Iterator[Task]:
    """The questions of text2region, which ask for boxes, or of region2text, which show a region drawn and numbered.

    An answer of boxes with text beside them is open: the text is the answer, and the boxes are its evidence.
    """
    paths = split_files(root, split, SPLITS)

    def made(row: Row) -> Iterator[Task]:
        told = exchanges(row)
        for n, talk in enumerate(told, start=1):
            if language in ("all", _language(talk.asked)):
                id = f"{row.path.stem}/{row.maybe('id') or row_id(row)}" + (f"/{n}" if len(told) > 1 else "")
                yield _task(row, root, f"medreginstruct/{split}", id, talk)

    return tasks(paths, made, on_bad)


def _task(row: Row, root: Path, origin: str, id: str, talk: Exchange) -> Task:
    study = opened(row, root, [(nearest(row, root, row.text("image")), "")])
    if row.get("width", "height") is not None:
        check_size(row, study.sources[0], [row.need("width"), row.need("height")])
    before, _, after = talk.asked.rpartition("<image>")
    text, given = numbered(after.strip() or before.strip(), _BOXES, lambda box: _places(row, study, box))
    if "<box>" in text:
        raise row.bad(f"its question holds a box that cannot be read: {talk.asked[-80:]!r}")
    boxes = _BOXES.findall(talk.answered)
    words = _REF.sub("", _BOXES.sub("", _HEAD.sub("", talk.answered))).strip()
    if "<box>" in words:
        raise row.bad(f"its answer holds a box that cannot be read: {talk.answered[:80]!r}")
    if not words and not boxes:
        raise row.bad("its answer is empty")
    return asked(
        row,
        id=id,
        text=_REF.sub("", text),
        study=study,
        answer=words,
        origin=origin,
        kind="open" if words else "boxes",
        images=drawn(study, given),
        places=[spot for box in boxes for spot in _places(row, study, box)] if boxes else given,
        tags=tags(language=_language(talk.asked), task=row.path.stem),
    )


def _places(row: Row, study: Study, text: str) -> list[Place]:
    """The places of <box>[[x1, y1, x2, y2], ...]</box>."""
    boxes = read_literal(text.strip().removeprefix("<box>").removesuffix("</box>").strip())
    if not isinstance(boxes, list) or not all(map(_whole, boxes)):
        raise row.bad(f"{text.strip()[:80]!r} is no list of boxes [x1, y1, x2, y2] in whole numbers")
    return [place(row, study.sources[0], box, "0-999") for box in boxes]


def _whole(box: Any) -> bool:
    """Whether it is four whole numbers: fractions would be of another convention."""
    return isinstance(box, list) and len(box) == 4 and all(type(number) is int for number in box)


def _language(text: str) -> str:
    return "zh" if _CHINESE.search(text) else "en"
