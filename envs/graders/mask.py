"""The outline of a structure."""

import re

import cv2
import numpy as np

from envs.episode import Question, Truth
from envs.grading import Given, Grade

SCORER = "mask/1"
RIGHT = 0.7
"""Dice from which on an overlap is called good. Zou et al., Acad Radiol 2004;11:178, after Zijdenbos et al. 1994."""


def mask(question: Question, truth: Truth, given: Given) -> Grade:
    """Right where the Dice coefficient with all true instances together is 0.7 or more; it is the score.

    An outline on another plane is wrong; one of another size cannot be compared.
    """
    if given.mask is None or given.mask_place is None:
        return Grade(scorer=SCORER, problem="no image is named on which something is outlined")
    size = (given.mask.height, given.mask.width)
    if any((true.height, true.width) != size for true in truth.masks):
        return Grade(scorer=SCORER, problem=f"the outline's plane of {size[1]} by {size[0]} px is not the truth's")
    place, planes = given.mask_place, [(true.source, true.axis, true.index) for true in truth.regions[:1]]
    if planes and (place.source, place.axis, place.index) not in planes:
        return Grade(scorer=SCORER, parsed=True, problem="the outline lies on another plane than the truth")
    said = given.mask.array
    true = np.any([instance.array for instance in truth.masks], axis=0) if truth.masks else np.zeros(size, bool)
    dice, iou = overlap(said, true)
    strict = re.fullmatch(r"img\d+", given.text.strip()) is not None
    instances, wanted = float(components(said)), float(len(truth.masks))
    metrics = {"dice": dice, "iou": iou, "instances": instances, "instances_error": abs(instances - wanted)}
    return Grade(scorer=SCORER, score=dice, right=dice >= RIGHT, parsed=True, strict=dice * strict, metrics=metrics)


def overlap(said: np.ndarray, true: np.ndarray) -> tuple[float, float]:
    """(Dice, IoU) of two (H, W) masks; two that mark nothing agree."""
    common, total = float((said & true).sum()), float(said.sum() + true.sum())
    return (2 * common / total, common / (total - common)) if total else (1.0, 1.0)


def components(marked: np.ndarray) -> int:
    """Separate parts of a (H, W) mask; pixels that meet at a corner belong together."""
    count: int = cv2.connectedComponents(marked.astype(np.uint8), connectivity=8)[0]
    return count - 1
