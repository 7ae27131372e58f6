"""Points on things."""

import numpy as np

from envs import answers
from envs.episode import Question, Truth
from envs.graders.matching import SLACK, distances, matched, rates, same_plane
from envs.grading import Given, Grade
from tools.geometry import Box, Point

SCORER = "points/1"
RADIUS_PX = 10.0
"""How far off a point may be where the truth does not say: that of MedMultiPoints, arXiv:2505.16647."""


def points(question: Question, truth: Truth, given: Given) -> Grade:
    """Right where every true point is found, one to one, and no other is named. The score is F1.

    A point is found within `truth.within` px of it (for a true box: of its centre); without that, anywhere in a true
    box or on its edge, or within 10 px of a true point. Points of different planes never match.
    """
    if given.places is None or not all(isinstance(place.shape, Point) for place in given.places):
        return Grade(scorer=SCORER, problem="no list of points")
    said, true = given.places, truth.regions
    apart = distances(said, true)
    found = apart <= (RADIUS_PX if truth.within is None else truth.within) + SLACK
    if truth.within is None:
        for n, place in enumerate(true):
            if isinstance(place.shape, Box):
                found[:, n] = [place.shape.contains(p.shape) for p in said]  # type: ignore[arg-type]
        found &= same_plane(said, true)
    # first as many pairs as there can be, then the nearest: all nearness together is worth less than one pair
    near = 1 / (1 + np.where(found, apart, 0.0)) / (len(true) + 1)
    pairs = matched(np.where(found, 1 + near, 0.0))
    hits = found[pairs]
    precision, recall, f1 = rates(int(hits.sum()), len(said), len(true))
    metrics = {"precision": precision, "recall": recall, "f1": f1, "said": float(len(said)), "true": float(len(true))}
    if hits.any():
        metrics["distance_mean"] = float(apart[pairs][hits].mean())
    strict = answers.strict(given.text, "points") is not None
    return Grade(scorer=SCORER, score=f1, right=f1 == 1.0, parsed=True, strict=f1 * strict, metrics=metrics)
