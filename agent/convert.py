"""Write questions as `envs/tasks/jsonl.py` reads them, with their images beside them."""

import errno
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from envs.datasets import Task
from envs.episode import Question, Truth
from envs.rows import DataError
from envs.tasks.jsonl import FROM_FILE
from tools.files import FileError
from tools.files import open as open_file
from tools.geometry import Box
from tools.image import Image, Place, first_view
from tools.mask import Mask
from tools.study import Source, content_id


def convert(tasks: Iterable[Task], folder: Path) -> tuple[Path, int, int]:
    """Write folder/<split>.jsonl and folder/images. Gives (the file, how many questions, how many images).

    The split is that of the questions' origin. The file is there once all is written.
    Raises FileExistsError where it is there before.
    """
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / "questions.part"
    images: set[str] = set()
    count, split = 0, "test"
    with open(part, "w", encoding="utf-8") as file:
        for question, truth in tasks:
            if not count:
                split = re.sub(r"\W", "_", question.origin.rpartition("/")[2]) or split
                _refuse_there(folder / f"{split}.jsonl")
            file.write(json.dumps(line(question, truth, folder), ensure_ascii=False) + "\n")
            images |= {source.id for source in question.study.sources}
            count += 1
    os.replace(part, folder / f"{split}.jsonl")
    return folder / f"{split}.jsonl", count, len(images)


def line(question: Question, truth: Truth, folder: Path) -> dict[str, Any]:
    """One question as an object of JSON; its images are written below `folder`."""
    numbers = {source.id: number for number, source in enumerate(question.study.sources)}
    usual = question.images == tuple(first_view(source) for source in question.study.sources)
    boxes = [_place(place, numbers, "box") for place in truth.regions if isinstance(place.shape, Box)]
    points = [_place(place, numbers, "point") for place in truth.regions if not isinstance(place.shape, Box)]
    whole = {
        "id": question.id.removeprefix(f"{question.origin}/"),
        "origin": question.origin,
        "images": [_image(source, folder) for source in question.study.sources],
        "views": [] if usual else [_view(image, question, numbers) for image in question.images],
        "question": question.text,
        "kind": question.kind,
        "choices": question.choices,
        "answer": truth.answer,
        "accepted": truth.accepted,
        "boxes": boxes,
        "points": points,
        "coordinates": "px" if truth.regions else None,
        "masks": [_mask(mask, folder) for mask in truth.masks],
        "tolerance": truth.tolerance,
        "within": truth.within,
        "tags": question.tags,
    }
    return {name: value for name, value in whole.items() if value not in (None, "", (), [], {})}


def _refuse_there(path: Path) -> None:
    if path.exists():
        raise FileExistsError(errno.EEXIST, "is there already; choose another folder", str(path))


def _image(source: Source, folder: Path) -> dict[str, Any]:
    """The file of a source, and what it does not say. Raises DataError where no file would hold it as it is."""
    png = source.axes == "yx" and (source.color or np.dtype(source.dtype) == np.uint8)
    name = f"images/{source.id}.{'png' if png else 'npy'}"
    if not (folder / name).exists():
        (folder / "images").mkdir(exist_ok=True)
        part = folder / "images" / "part.png"
        (_write_picture if png else _write_planes)(source, part)
        os.replace(part, folder / name)  # nobody ever takes half an image for a whole one
    read = _read_back(folder / name)
    if read is None or (read.shape, read.color) != (source.shape, source.color):
        raise DataError(f"image {source.id}: no PNG or NPY holds {source.dtype} of the shape {source.shape} as it is")
    own, said = source.model_dump(mode="json"), read.model_dump(mode="json")
    return {"path": name, **{key: own[key] for key in own if key not in FROM_FILE and own[key] != said[key]}}


def _read_back(path: Path) -> Source | None:
    try:
        return open_file(path).sources[0]
    except FileError:
        return None


def _write_picture(source: Source, path: Path) -> None:
    plane = source.plane()
    cv2.imwrite(str(path), plane[..., ::-1] if source.color else plane)


def _write_planes(source: Source, path: Path) -> None:
    """Plane after plane, so that a volume need not fit into memory."""
    shape = (*source.shape, 3) if source.color else source.shape
    with open(path, "wb") as file:
        header = {"descr": np.dtype(source.dtype).str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_2_0(file, header)
        for index in range(source.count()):
            file.write(np.ascontiguousarray(source.plane(0, index), source.dtype).tobytes())


def _mask(mask: Mask, folder: Path) -> str:
    name = f"images/{content_id(mask.model_dump_json().encode())}.png"
    (folder / "images").mkdir(exist_ok=True)
    cv2.imwrite(str(folder / name), mask.array.astype(np.uint8) * 255)
    return name


def _place(place: Place, numbers: dict[str, int], key: str) -> dict[str, Any]:
    return {"image": numbers[place.source], "axis": place.axis, "index": place.index, key: place.shape.numbers}


def _view(image: Image, question: Question, numbers: dict[str, int]) -> dict[str, Any]:
    """What of the recipe is not as usual for the plane."""
    source = question.study.sources[numbers[image.source]]
    usual = Image.of(source, image.axis, image.index).model_dump(mode="json")
    own = image.model_dump(mode="json", exclude={"id", "source", "axis", "index", "spacing_mm", "hash"})
    changed = {name: value for name, value in own.items() if value != usual[name]}
    return {"image": numbers[image.source], "axis": image.axis, "index": image.index, **changed}
