"""PMC-VQA's scorer: the nearest choice; reproduces the published formula with its traps; not for claims."""

from collections.abc import Sequence
from difflib import SequenceMatcher

from envs.compat.rates import mean


def pmc_difflib(
    predictions: Sequence[str], answers: Sequence[str], choices: Sequence[Sequence[str]]
) -> dict[str, float]:
    """The choice whose text is most like the reply is taken to be the answer; the true answer is read the same way.

    github.com/xiaoman-zhang/PMC-VQA, src/MedVInT_TD/test.py. Traps: any text names some choice, so nonsense may be
    right; only a text that shares no character with any choice names none, and is right where the truth does so too.
    """
    pairs = zip(predictions, answers, choices, strict=True)
    return {"accuracy": mean([nearest(said, options) == nearest(true, options) for said, true, options in pairs])}


def nearest(text: str, choices: Sequence[str]) -> int | None:
    """The place of the first of the choices that are most like a text; None where none is like it at all."""
    likeness = [SequenceMatcher(None, choice, text).ratio() for choice in choices]
    best = max(likeness, default=0.0)
    return likeness.index(best) if best > 0 else None
