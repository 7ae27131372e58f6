"""An outline of what was asked for."""

import numpy as np

from envs.episode import Question, Truth
from envs.graders.boxes import plane
from envs.grading import Given, Grade
from tools.outline import regions

SCORER = "mask/1"
RIGHT = 0.7
"""The Dice from which an outline counts as right: ours; published thresholds go from 0.5 to 0.8."""


def mask(question: Question, truth: Truth, given: Given) -> Grade:
    """The score is the Dice of the pixels outlined on the view that the answer names and those that are true.

    The outline must be on the plane of the truth and cut from a plane of its size; elsewhere it is wrong. Where no
    view with an outline is named, the answer is unread.
    """
    if given.mask is None:
        return Grade(scorer=SCORER)
    found, true = given.mask.array, _union(truth)
    elsewhere = given.mask_place and truth.regions and plane(given.mask_place) != plane(truth.regions[0])
    if true is None or elsewhere or found.shape != true.shape:
        return Grade(scorer=SCORER, parsed=True, metrics={"dice": 0.0, "iou": 0.0})
    common, either = int((found & true).sum()), int((found | true).sum())
    dice = 2 * common / int(found.sum() + true.sum()) if either else 1.0
    metrics = {"dice": dice, "iou": common / either if either else 1.0}
    metrics["instances_error"] = float(abs(len(regions(found)[1]) - len(truth.masks)))
    right = dice >= RIGHT
    return Grade(scorer=SCORER, score=dice, right=right, parsed=True, strict=dice, metrics=metrics)


def _union(truth: Truth) -> np.ndarray | None:
    """(H, W), bool: all true masks together; None where there is none or their sizes differ."""
    arrays = [mask.array for mask in truth.masks]
    if not arrays or len({array.shape for array in arrays}) > 1:
        return None
    return np.logical_or.reduce(arrays)
