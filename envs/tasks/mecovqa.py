"""MeCoVQA: questions about whole images and regions, and structures to be outlined (MedPLIB, arXiv:2412.09278).

    root/*Complex*_test.json, *Region*_test.json, *Grounding*_test.json      id, image, conversations
    root/images/..., root/masks/...                                          of SA-Med2D-20M

    Complex     an answer in words
    Region      a question that holds <region>masks/x.png</region>: the region is outlined on the first view
    Grounding   an answer that holds <SEG> and <mask>masks/x.png</mask>: one mask, in which what is not 0 is marked

Each exchange of a conversation is a question by itself.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from envs.datasets import (
    Card,
    OnBad,
    Row,
    Task,
    asked,
    nearest,
    opened,
    refuse,
    row_id,
    split_files,
    tags,
    tasks,
)
from envs.row_talk import Exchange, exchanges
from tools.image import Place, first_view
from tools.mask import Mask
from tools.study import Source

CARD = Card(
    "MeCoVQA",
    "CC BY-NC-SA 4.0 (the images, of SA-Med2D-20M)",
    "https://github.com/ShawnHuang497/MedPLIB",
    warnings=(
        "published scores of masks take Dice from the mean IoU, as 2 IoU / (1 + IoU), and 0 where both are empty",
    ),
)
Part = Literal["Complex", "Region", "Grounding"]
_MASK = re.compile(r"<mask>(.*?)</mask>")
_REGION = re.compile(r"<region>(.*?)</region>")


def mecovqa(root: Path, split: str = "test", part: Part = "Grounding", *, on_bad: OnBad = refuse) -> Iterator[Task]:
    """The questions of a part: open ones of Complex and Region, masks of Grounding."""
    names = ("train", "validation", "test")
    paths = split_files(root, split, {name: (f"*{part}*{name}*.json", f"*/*{part}*{name}*.json") for name in names})

    def made(row: Row) -> Iterator[Task]:
        told = exchanges(row)
        for n, talk in enumerate(told, start=1):
            id = f"{row.path.stem}/{row.maybe('id') or row_id(row)}" + (f"/{n}" if len(told) > 1 else "")
            yield _task(row, root, f"mecovqa/{split}", id, part, talk)

    return tasks(paths, made, on_bad)


def _task(row: Row, root: Path, origin: str, id: str, part: Part, talk: Exchange) -> Task:
    study = opened(row, root, [(nearest(row, root, row.text("image")), "")])
    regions = [_mask(row, root, study.sources[0], name) for name in _REGION.findall(talk.asked)]
    masks = [_mask(row, root, study.sources[0], name) for name in _MASK.findall(talk.answered)]
    if len(regions) > 1 or len(masks) > 1:
        raise row.bad("an exchange has one mask, or one region, at most")
    if masks and regions == masks:
        raise row.bad("the outline that is asked for is the region that is shown")
    if masks and "<SEG>" not in talk.answered:
        raise row.bad("an answer with a <mask> must hold <SEG>, which stands for it")
    if not masks and "<SEG>" in talk.answered:
        raise row.bad("an answer with <SEG> must name its <mask>")
    view = first_view(study.sources[0])
    places = [Place(source=study.sources[0].id, shape=mask.box) for mask in masks or regions if mask.box]
    return asked(
        row,
        id=id,
        text=_REGION.sub("[the outlined region]", talk.question),
        study=study,
        answer="" if masks else talk.answered,
        origin=origin,
        kind="mask" if masks else "open",
        images=[view.look(mask=regions[0]) if regions else view],
        places=places,
        masks=masks,
        tags=tags(task=part, language="en", answer_type=row.get("answer_type")),
    )


def _mask(row: Row, root: Path, source: Source, name: str) -> Mask:
    """The pixels that are not 0 in a picture of the size of the image. Raises DataError where there are none."""
    plane = opened(row, root, [(nearest(row, root, name), "")]).sources[0].plane()
    mask = Mask.of(plane.max(axis=2) if plane.ndim == 3 else plane)
    if (mask.height, mask.width) != source.plane_shape():
        size = source.plane_shape()
        raise row.bad(f"{name}: a mask of {mask.width} by {mask.height} px on an image of {size[1]} by {size[0]}")
    if mask.box is None:
        raise row.bad(f"{name}: nothing is marked in this mask")
    return mask
