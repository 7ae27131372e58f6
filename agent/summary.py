"""The numbers of an evaluation, from its results alone: the same results give the same bytes."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from agent.arms import Arm
from agent.evaluate import Result
from agent.statistics import Interval, interval, mcnemar, permutation, robustness
from agent.survey import Guessed, Survey
from envs.episode import FAULTS

Numbers = dict[str, Any]
DIGITS = 6
BY = ("kind", "modality", "task", "anatomy", "language", "family", "background", "difficulty")
"""What the rows of a report are broken down by, beside the whole: the kind of answer, and tags where there are any."""
NONE = ("no", "none", "否", "没有", "无")


def summarise(
    arms: Sequence[Arm], results: Sequence[Result], survey: Survey, ood: Mapping[str, str] | None = None
) -> Numbers:
    """Everything a report says. Raises ValueError where an arm has no result at all."""
    by_arm = {arm.name: sorted((r for r in results if r.arm == arm.name), key=lambda r: r.number) for arm in arms}
    if empty := [name for name, found in by_arm.items() if not found]:
        raise ValueError(f"nothing was played of {', '.join(empty)}")
    main = by_arm[arms[0].name]
    told: Numbers = {
        "questions": survey.count,
        "studies": survey.studies,
        "data": survey.hash,
        "kinds": survey.kinds,
        "scorers": sorted({r.grade.scorer for r in results if not r.grade.scorer.endswith("/none")}),
        "arms": {name: _arm(found, survey.count) for name, found in by_arm.items()},
        "baselines": {name: _guesses(found) for name, found in survey.baselines.items()},
        "rows": {arm.name: _rows(by_arm[arm.name]) for arm in arms},
        "compared": [compared(main, by_arm[arm.name]) for arm in arms[1:]],
        "tools": _tool_effect(arms, by_arm),
        "robustness": _robustness(arms, by_arm),
        "seeds": _seeds(arms, by_arm),
    }
    if ood:
        told["ood"] = {arm.name: _split(by_arm[arm.name], ood) for arm in arms}
    if any("report" in result.tags for result in main):
        told["reports"] = {arm.name: reports(by_arm[arm.name]) for arm in arms}
    return _rounded(told)


def written(summary: Numbers) -> str:
    """The summary as it lies on disk."""
    return json.dumps(summary, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def measured(results: Sequence[Result], what: Callable[[Result], float]) -> Interval:
    """The mean of something over results, with its interval over studies."""
    return interval([what(result) for result in results], [result.study for result in results])


def compared(a: Sequence[Result], b: Sequence[Result]) -> Numbers:
    """How much more often b is right than a, on the questions that both were asked."""
    pairs = paired(a, b)
    studies = [x.study for x, _ in pairs]
    difference = interval([y.grade.right - x.grade.right for x, y in pairs], studies, span=(-1, 1))
    scores = interval([y.grade.score - x.grade.score for x, y in pairs], studies, span=(-1, 1))
    return {
        "a": a[0].arm,
        "b": b[0].arm,
        "questions": len(pairs),
        "right": difference,
        "score": scores,
        "mcnemar": mcnemar([x.grade.right for x, _ in pairs], [y.grade.right for _, y in pairs]),
        "permutation": permutation([x.grade.score for x, _ in pairs], [y.grade.score for _, y in pairs], studies),
        "only a right": sum(x.grade.right and not y.grade.right for x, y in pairs),
        "only b right": sum(y.grade.right and not x.grade.right for x, y in pairs),
    }


def paired(a: Sequence[Result], b: Sequence[Result]) -> list[tuple[Result, Result]]:
    """The results of the questions that both have. Raises ValueError where they share none."""
    other = {result.question: result for result in b}
    pairs = [(result, other[result.question]) for result in a if result.question in other]
    if not pairs:
        raise ValueError(f"{a[0].arm} and {b[0].arm} share no question")
    return pairs


def reports(results: Sequence[Result]) -> Numbers:
    """Questions that hang together: a child is taken as "there is none" where its parent was answered so.

    Rad-ReStruct's way of scoring (arXiv:2307.05766): a report is right where all of its questions are.
    """
    by_id = {result.question: result for result in results}
    right = {result.question: _gated(result, by_id) for result in results}
    whole: dict[str, list[bool]] = defaultdict(list)
    for result in results:
        if "report" in result.tags:
            whole[result.tags["report"]].append(right[result.question])
    in_report = [result for result in results if "report" in result.tags]
    gated = interval([right[r.question] for r in in_report], [r.study for r in in_report])
    return {
        "reports": len(whole),
        "reports right": sum(map(all, whole.values())) / len(whole),
        "questions right": gated,
        "macro f1": _macro_f1(in_report),
    }


def _gated(result: Result, by_id: Mapping[str, Result]) -> bool:
    """Whether a question of a report is right, once its parents have been answered: below a "no" all is "no"."""
    parent = by_id.get(result.tags.get("parent", ""))
    while parent is not None:
        if _says_none(parent.answer):
            return _says_none(parent.truth) or _says_none(result.truth)
        parent = by_id.get(parent.tags.get("parent", ""))
    return result.grade.right


def _says_none(answer: str | None) -> bool:
    return answer is not None and answer.strip().strip(".").casefold() in NONE


def _macro_f1(results: Sequence[Result]) -> float:
    """The mean over true answers of 2 TP / (2 TP + FP + FN); an answer that is right counts as its truth."""
    told = [(r.truth.casefold(), r.truth.casefold() if r.grade.right else (r.answer or "").casefold()) for r in results]
    scores = []
    for label in sorted({true for true, _ in told}):
        hits = sum(true == given == label for true, given in told)
        misses = sum((true == label) != (given == label) for true, given in told)
        scores.append(2 * hits / (2 * hits + misses))
    return float(np.mean(scores))


def _arm(results: Sequence[Result], asked: int) -> Numbers:
    count = len(results)
    answered = [result for result in results if result.stop not in FAULTS]
    return {
        "played": count,
        "missing": asked - count,
        "right": measured(results, lambda r: r.grade.right),
        "score": measured(results, lambda r: r.grade.score),
        "strict": measured(results, lambda r: r.grade.strict),
        "unread": sum(not r.grade.parsed for r in answered) / count,
        "faults": (count - len(answered)) / count,
        "causes": dict(sorted(Counter(result.cause for result in results).items())),
        "stops": dict(sorted(Counter(str(result.stop) for result in results).items())),
        "metrics": _metrics(results),
        "turns": _mean(result.turns for result in results),
        "tool calls": _mean(result.tool_calls for result in results),
        "refused": _mean(result.refused for result in results),
        "tokens": _mean(result.tokens for result in results),
    }


def _metrics(results: Sequence[Result]) -> Numbers:
    """The mean of every grader's own numbers, by kind and name, over the questions that have it."""
    found: dict[str, list[float]] = defaultdict(list)
    for result in results:
        for name, value in result.grade.metrics.items():
            found[f"{result.kind}: {name}"].append(value)
    return {name: {"mean": float(np.mean(values)), "n": len(values)} for name, values in sorted(found.items())}


def _guesses(found: Sequence[Guessed]) -> Numbers:
    studies = [guess.study for guess in found]
    return {
        "questions": len(found),
        "right": interval([guess.grade.right for guess in found], studies),
        "score": interval([guess.grade.score for guess in found], studies),
    }


def _rows(results: Sequence[Result]) -> Numbers:
    """Right and score by every tag that takes more than one value, and the mean over its values.

    A tag that divides the questions as one before it does says nothing new.
    """
    told: Numbers = {}
    divisions: list[list[list[int]]] = []
    for name in BY:
        groups: dict[str, list[Result]] = defaultdict(list)
        for result in results:
            if value := (result.kind if name == "kind" else result.tags.get(name)):
                groups[value].append(result)
        division = sorted([result.number for result in found] for found in groups.values())
        if len(groups) > 1 and division not in divisions:
            divisions.append(division)
            rows = {value: _row(found) for value, found in sorted(groups.items())}
            told[name] = {"rows": rows, "mean over rows": _mean(row["right"][0] for row in rows.values())}
    return told


def _row(results: Sequence[Result]) -> Numbers:
    right, score = measured(results, lambda r: r.grade.right), measured(results, lambda r: r.grade.score)
    return {"questions": len(results), "right": right, "score": score}


def _tool_effect(arms: Sequence[Arm], by_arm: Mapping[str, Sequence[Result]]) -> Numbers:
    """What tools did to each question, for every policy that was played both with and without."""
    told: Numbers = {}
    for arm in arms:
        if arm.tools != "none":
            continue
        for tools in ("auto", "forced"):
            using = arm.model_copy(update={"tools": tools}).name
            if using in by_arm:
                pairs = paired(by_arm[using], by_arm[arm.name])
                effect = Counter(_effect(x.grade.right, y.grade.right) for x, y in pairs)
                told[using] = {name: effect[name] for name in ("helped", "harmed", "right with and without", "neither")}
    return told


def _effect(using: bool, without: bool) -> str:
    if using == without:
        return "right with and without" if using else "neither"
    return "helped" if using else "harmed"


def _robustness(arms: Sequence[Arm], by_arm: Mapping[str, Sequence[Result]]) -> Numbers:
    """Right on each step of the ladder of corruptions, and how much of the real studies' it is."""
    iid = _right(by_arm[arms[0].name])
    told = {}
    for arm in arms:
        if "/" in arm.image:
            right = _right(by_arm[arm.name])
            told[arm.image] = {"right": right, "relative robustness": robustness(iid, right)}
    return told


def _seeds(arms: Sequence[Arm], by_arm: Mapping[str, Sequence[Result]]) -> Numbers:
    """The main arm over its seeds: mean and standard deviation of right."""
    main = arms[0]
    rights = {arm.seed: _right(by_arm[arm.name]) for arm in arms if arm == main.model_copy(update={"seed": arm.seed})}
    spread = float(np.std(list(rights.values()), ddof=1)) if len(rights) > 1 else None
    return {"right": {str(seed): right for seed, right in rights.items()}, "mean": _mean(rights.values()), "sd": spread}


def _split(results: Sequence[Result], ood: Mapping[str, str]) -> Numbers:
    """In and out of distribution: out are those that have all of these tags."""
    out = [r for r in results if ood.items() <= r.tags.items()]
    inside = [r for r in results if not ood.items() <= r.tags.items()]
    unseen = [n for n, value in ood.items() if not any(r.tags.get(n) == value for r in inside)]
    rate = robustness(_right(inside), _right(out))
    return {"in": _row(inside), "out": _row(out), "relative robustness": rate, "seen only outside": unseen}


def _right(results: Sequence[Result]) -> float:
    return _mean(result.grade.right for result in results)


def _mean(values: Iterable[float]) -> float:
    return float(np.mean([float(value) for value in values]))


def _rounded(value: Any) -> Any:
    """Numbers to six digits, and NaN, which JSON does not have, as None."""
    if isinstance(value, float):
        return None if np.isnan(value) else round(value, DIGITS)
    if isinstance(value, Mapping):
        return {key: _rounded(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(part) for part in value]
    return value
