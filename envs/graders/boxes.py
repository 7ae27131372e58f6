"""Boxes around things."""

from envs import answers
from envs.episode import Question, Truth
from envs.graders.matching import SLACK, matched, overlaps, rates
from envs.grading import Given, Grade
from tools.geometry import Box

SCORER = "boxes/1"
LEVELS = (30, 50, 70)
"""IoU, %, from which on a box is found: those of MedSG-Bench, arXiv:2505.11852."""
RIGHT = 50
"""The level at which every box must be found, and none too many: PASCAL VOC's, Everingham et al. 2010, section 4.2."""
RATES = ("precision", "recall", "f1")


def boxes(question: Question, truth: Truth, given: Given) -> Grade:
    """Right where every true box is found at IoU 0.5 and no other is named.

    The score is the sum of the IoU of matched boxes, over the number of boxes said or true, whichever is larger: a box
    too many and a box that is missing count 0. Boxes of different planes never match.
    """
    true = [place for place in truth.regions if isinstance(place.shape, Box)]
    if given.places is None or not all(isinstance(place.shape, Box) for place in given.places):
        return Grade(scorer=SCORER, problem="no list of boxes")
    said, most = given.places, max(len(given.places), len(true))
    iou = overlaps(said, true)
    score = float(iou[matched(iou)].sum()) / most if most else 1.0
    metrics = {"iou_mean": score, "said": float(len(said)), "true": float(len(true))}
    for level in LEVELS:
        found = iou >= level / 100 - SLACK
        figures = rates(int(found[matched(found)].sum()), len(said), len(true))
        metrics |= {f"{name}_{level}": figure for name, figure in zip(RATES, figures, strict=True)}
    strict = answers.strict(given.text, "boxes") is not None
    right = metrics[f"f1_{RIGHT}"] == 1.0
    return Grade(scorer=SCORER, score=score, right=right, parsed=True, strict=score * strict, metrics=metrics)
