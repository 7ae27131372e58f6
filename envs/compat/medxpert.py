"""MedXpertQA's scorer; reproduces the published formula with its traps; not for claims."""

import re
from collections.abc import Sequence

from envs.compat.rates import mean

TRIGGER = "Among A through E, the answer is"


def medxpert(predictions: Sequence[str], answers: Sequence[str]) -> dict[str, float]:
    """The first capital A to E that stands alone, behind the last trigger sentence where there is one.

    github.com/TsinghuaC3I/MedXpertQA, after the answer cleansing of Kojima et al., arXiv:2205.11916. Traps: the
    article of "A lesion" is an A; of a chain of thought without the trigger, the first letter it weighs is the answer.
    """
    said = [_letter(prediction) for prediction in predictions]
    return {
        "accuracy": mean([letter == answer for letter, answer in zip(said, answers, strict=True)]),
        "parsable": mean([letter is not None for letter in said]),
    }


def _letter(text: str) -> str | None:
    found = re.search(r"\b[A-E]\b", text.split(TRIGGER)[-1])
    return found[0] if found else None
