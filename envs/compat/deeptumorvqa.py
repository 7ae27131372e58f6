"""DeepTumorVQA v2's scorers; reproduces the published formulas with their traps; not for claims."""

import math
import re
from collections.abc import Sequence

from envs.compat.rates import mean
from envs.graders.number import BANDS, accuracy

_THOUGHT = re.compile(r"<think>.*?(?:</think>|$)", re.DOTALL)


def deeptumorvqa(predictions: Sequence[str], answers: Sequence[str], kinds: Sequence[str]) -> dict[str, float]:
    """Scores of each of the `kinds` there are: choice, number, binary or category.

    arXiv:2605.09679; src/deeptumorvqa/eval/metrics.py of its repository, commit 7c15c50. Traps: the first character of
    a reply that is A to D is the letter, so "Cannot tell" is C; the first number counts, whatever it measures, and
    units are not looked at; a reply that starts with "no", as "normal" and "nodule" do, is a no; an empty reply to a
    question answered no is a true negative; of a category, a part counts in `category_partial`.
    """
    scores: dict[str, float] = {}
    for kind, score in (("choice", _choice), ("number", _number), ("binary", _binary), ("category", _category)):
        asked = zip(predictions, answers, kinds, strict=True)
        pairs = [(_THOUGHT.sub("", said).strip(), true) for said, true, its in asked if its == kind]
        if pairs:
            scores |= {f"{kind}_{name}": value for name, value in score(pairs).items()}
    return scores


def _choice(pairs: list[tuple[str, str]]) -> dict[str, float]:
    return {"accuracy": mean([_letter(said) == true.strip().upper() for said, true in pairs])}


def _letter(text: str) -> str:
    text = text.upper()
    found = re.search(r"\b([A-D])\b", text)
    return text[0] if text[:1] in tuple("ABCD") else found[1] if found else ""


def _number(pairs: list[tuple[str, str]]) -> dict[str, float]:
    read = [(_first(said), true) for said, answer in pairs if (true := _first(answer)) is not None]
    errors = [(math.inf if said is None else abs(said - true), true) for said, true in read]
    shares = [error / abs(true) if true else math.inf if error else 0.0 for error, true in errors]
    within = {f"within_{band}": mean([share <= band / 100 for share in shares]) for band in BANDS}
    return {"mra": mean([accuracy(error, true) for error, true in errors]), **within}


def _first(text: str) -> float | None:
    found = re.search(r"-?\d+\.?\d*", text)
    return float(found[0]) if found else None


def _binary(pairs: list[tuple[str, str]]) -> dict[str, float]:
    read = [(_verdict(said), _verdict(true)) for said, true in pairs]
    return {
        "accuracy": mean([said == true and said != "" for said, true in read]),
        "sensitivity": mean([said == "yes" for said, true in read if true == "yes"]),
        "specificity": mean([said != "yes" for said, true in read if true == "no"]),
    }


def _verdict(text: str) -> str:
    text = text.strip().lower()
    found = re.match("yes|no", text) or re.search(r"\byes\b", text) or re.search(r"\bno\b", text)
    return found[0] if found else ""


def _category(pairs: list[tuple[str, str]]) -> dict[str, float]:
    read = [(_plain(said), _plain(true)) for said, true in pairs]
    partial = [said == true or bool(said and true and (said in true or true in said)) for said, true in read]
    return {"accuracy": mean([said == true for said, true in read]), "partial": mean(partial)}


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"[^\w\s-]", "", text.strip().lower()))
