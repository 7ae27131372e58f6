"""What a data set holds: how much of what, what a constant answer would score, and what two splits share."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from envs.datasets import Task, split_hash, task_hash
from envs.episode import Kind, Question, Truth
from envs.rows import DataError, OnBad
from tools.files import FileError
from tools.image import Mark

CONSTANT: tuple[Kind, ...] = ("choice", "yes_no", "number", "count", "sequence", "open")
"""Kinds for which a constant answer can be right."""
SIDE = 16
"""Rows and columns of a fingerprint: SIDE * SIDE bits."""
STEP = 0.2
"""The least difference that counts, in standard deviations of the image."""
ALIKE = 12
"""Two images are near-duplicates where at most this many bits of their fingerprints differ. Of 84 pictures (pydicom's,
skimage's, phantoms) saved as JPEG, smaller, brighter or with another gamma, 97 % are; of two different ones, none."""
MODALITIES = re.compile(
    r"\b(ct|cta|computed tomography|mri?|mra|magnetic resonance|x[- ]?rays?|cr|dx|radiograph\w*|cxr|mammogra\w*|mg|"
    r"ultraso\w*|us|echo\w*|pet|spect|nuclear|angiogra\w*|fluoroscop\w*|xa|patholog\w*|histopatholog\w*|microscop\w*|"
    r"cytolog\w*|dermoscop\w*|dermatoscop\w*|endoscop\w*|colonoscop\w*|colposcop\w*|laparoscop\w*|fundus\w*|oct|"
    r"optical coherence tomography|photograph\w*|infrared\w*|video)\b"
)
"""Words for the ways in which the known data sets say an image was made."""


@dataclass
class Content:
    """One split, as far as it is described and compared."""

    kinds: Counter[str] = field(default_factory=Counter)
    answers: dict[str, Counter[str]] = field(default_factory=dict)
    """By kind: how often each answer is right; one that is accepted counts as well."""
    chance: dict[str, float] = field(default_factory=dict)
    """By kind: the sum of one over the number of choices."""
    tags: dict[str, Counter[str]] = field(default_factory=dict)
    hashes: list[str] = field(default_factory=list)
    images: dict[str, str] = field(default_factory=dict)
    """By source: the first question about it."""
    fingerprints: dict[str, np.ndarray] = field(default_factory=dict)
    """By source; of its first view."""
    pairs: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    """By study and text: the questions that ask it."""

    @property
    def hash(self) -> str:
        """Of what is asked, shown and true: see `envs.datasets.split_hash`."""
        return split_hash(self.hashes)


def content(tasks: Iterable[Task], on_bad: OnBad, pixels: bool = False) -> Content:
    """Go through a split once; with `pixels`, also draw every first view."""
    found = Content()
    for question, truth in tasks:
        if pixels:
            try:
                for image in question.images:
                    if image.source not in found.fingerprints:
                        found.fingerprints[image.source] = fingerprint(image.pixels)
            except FileError as error:
                on_bad(DataError(f"{question.id}: {error}"))
                continue
        found.kinds[question.kind] += 1
        found.answers.setdefault(question.kind, Counter()).update(_right(truth, question.kind))
        if question.choices:
            found.chance[question.kind] = found.chance.get(question.kind, 0.0) + 1 / len(question.choices)
        for name, value in question.tags.items():
            found.tags.setdefault(name, Counter())[value] += 1
        found.hashes.append(task_hash(question, truth))
        for source in question.study.sources:
            found.images.setdefault(source.id, question.id)
        asked = (question.study.id, " ".join(question.text.casefold().split()))
        found.pairs.setdefault(asked, []).append(question.id)
    return found


def baselines(found: Content) -> dict[str, dict[str, Any]]:
    """By kind: the answer that is right most often, how often, and for choices what guessing would score."""
    best: dict[str, dict[str, Any]] = {}
    for kind in (kind for kind in CONSTANT if found.kinds[kind]):
        answer, times = found.answers[kind].most_common(1)[0]
        count = found.kinds[kind]
        best[kind] = {"always": answer, "right": times / count}
        if kind in found.chance:
            best[kind]["chance"] = found.chance[kind] / count
    return best


def unknown_modalities(found: Content) -> dict[str, int]:
    """Values of the tag `modality` in which no known word is found, and how many questions have them."""
    said = found.tags.get("modality", Counter())
    return {value: count for value, count in said.items() if not MODALITIES.search(value.casefold().replace("_", " "))}


def shared(one: Content, other: Content) -> dict[str, list[tuple[str, str]]]:
    """What is in both: (question, question) for each image of `one` that is the same or nearly the same in `other`,
    and for each question that is asked of the same study."""
    same = [(one.images[id], other.images[id]) for id in one.images if id in other.images]
    asked = [(ids[0], other.pairs[pair][0]) for pair, ids in one.pairs.items() if pair in other.pairs]
    near = [
        (one.images[a], other.images[b])
        for a, b in alike(one.fingerprints, other.fingerprints)
        if a not in other.images
    ]
    return {"images": same, "near": near, "questions": asked}


def fingerprint(pixels: np.ndarray) -> np.ndarray:
    """[SIDE * SIDE / 64] uint64: whether each part of an image is brighter than the part to its left.

    A difference hash. Only steps of `STEP` count, so that black stays the same when an image is compressed.
    """
    grey = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (SIDE + 1, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    return np.packbits(np.diff(small, axis=1) > STEP * small.std()).view(np.uint64)


def alike(one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> list[tuple[str, str]]:
    """For each of `one`, the most alike of `other`, where that is a near-duplicate."""
    if not one or not other:
        return []
    names, against = list(other), np.stack(list(other.values()))  # [m, words]
    pairs = []
    for name, bits in one.items():
        off = np.bitwise_count(against ^ bits).sum(axis=1)
        if off.min() <= ALIKE:
            pairs.append((name, names[int(off.argmin())]))
    return pairs


def sheet(question: Question, truth: Truth) -> np.ndarray:
    """(H, W, 3), uint8: the first views side by side, with the places of the truth drawn on those that show them."""
    views = []
    for image in question.images:
        here = [p for p in truth.regions if (p.source, p.axis, p.index) == (image.source, image.axis, image.index)]
        marks = tuple(Mark(shape=place.shape) for place in here)
        pixels = (image.look(marks=(*image.marks, *marks)) if marks else image).pixels
        views.append(pixels if pixels.ndim == 3 else cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB))
    height = max(view.shape[0] for view in views)
    return np.hstack([np.pad(view, ((0, height - len(view)), (0, 8), (0, 0))) for view in views])


def _right(truth: Truth, kind: str) -> set[str]:
    """The answers that are right, in the form in which answers of this kind are compared."""
    said = {truth.answer, *truth.accepted}
    if kind == "choice":
        return {answer for answer in said if len(answer) == 1 and answer.isupper()}
    return {truth.answer} if kind == "yes_no" else {answer.casefold() for answer in said}
