"""Boxes around what was asked for."""

from collections.abc import Sequence

import numpy as np

from envs import answers
from envs.episode import Question, Truth
from envs.graders.matching import MOST, pairs, precision_recall_f1
from envs.grading import Given, Grade
from tools.geometry import Box
from tools.image import Place

SCORER = "boxes/1"
THRESHOLDS = (0.3, 0.5, 0.7)
"""The IoU from which a box counts as found: those of MedSG-Bench."""
RIGHT = 0.5


def boxes(question: Question, truth: Truth, given: Given) -> Grade:
    """The score is the mean IoU of matched boxes, where every box too many or too few counts as one of IoU 0.

    Boxes are matched one to one (Hungarian) on the plane that they lie on. Right where all are found at an IoU of 0.5
    and none is too many. No box is right where there is none.
    """
    if given.places is None or len(given.places) > MOST:
        return Grade(scorer=SCORER)
    iou = table(given.places, truth.regions)
    most = max(iou.shape)
    score = sum(iou[pair] for pair in pairs(iou)) / most if most else 1.0
    metrics = {"iou_mean": float(score)}
    for at in THRESHOLDS:
        found = len(pairs(np.where(iou >= at - 1e-9, 1 + iou, 0.0)))
        scores = precision_recall_f1(found, *iou.shape)
        metrics |= {f"{name}_{at}": value for name, value in zip(("precision", "recall", "f1"), scores, strict=True)}
    strict = answers.strict(given.text, "boxes") is not None
    right = metrics[f"f1_{RIGHT}"] == 1.0
    score = min(float(score), 1.0)
    return Grade(scorer=SCORER, score=score, right=right, parsed=True, strict=score if strict else 0.0, metrics=metrics)


def table(given: Sequence[Place], true: Sequence[Place]) -> np.ndarray:
    """(G, T) IoU of every pair; 0 on different planes."""
    iou = np.zeros((len(given), len(true)))
    for row, a in enumerate(given):
        for column, b in enumerate(true):
            if plane(a) == plane(b) and isinstance(a.shape, Box) and isinstance(b.shape, Box):
                iou[row, column] = a.shape.iou(b.shape)
    return iou


def plane(place: Place) -> tuple[str, int, int]:
    return place.source, place.axis, place.index
