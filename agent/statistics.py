"""How sure a number is. Questions about one study are not independent, so studies are drawn, not questions."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

DRAWS = 2000
LEVEL = 0.95


class Interval(NamedTuple):
    """A mean, and the interval that holds it with 95 % confidence; NaN ends where one study alone says nothing."""

    mean: float
    low: float
    high: float


def interval(
    values: Sequence[float], studies: Sequence[str], seed: int = 0, span: tuple[float, float] = (0.0, 1.0)
) -> Interval:
    """The mean of `values` [n] and its percentile bootstrap interval over `studies` [n].

    Efron & Tibshirani, An Introduction to the Bootstrap (1993), section 13.3; the ratio of sums keeps the mean of all
    questions where studies have different numbers of them. Where all studies agree there is nothing to draw; then
    the share of studies that may differ, by as much as the `span` of values allows, is bounded as by Clopper &
    Pearson, Biometrika 26 (1934) 404-413. Raises ValueError for no values.
    """
    if not len(values):
        raise ValueError("no values, so no mean")
    sums, sizes = _by_study(values, studies)
    mean = float(sums.sum() / sizes.sum())
    if len(sums) < 2:
        return Interval(mean, float("nan"), float("nan"))
    if np.ptp(sums / sizes) < 1e-12:
        unseen = 1 - ((1 - LEVEL) / 2) ** (1 / len(sums))
        return Interval(mean, mean - unseen * (mean - span[0]), mean + unseen * (span[1] - mean))
    rng = np.random.default_rng([seed, len(values)])
    draws = np.empty(DRAWS)
    for n in range(DRAWS):  # one draw at a time: memory stays flat for any number of studies
        drawn = rng.integers(0, len(sums), len(sums))
        draws[n] = sums[drawn].sum() / sizes[drawn].sum()
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(mean, float(low), float(high))


def mcnemar(a: Sequence[bool], b: Sequence[bool]) -> float:
    """Exact two-sided p-value that two readers of the same questions [n] are right equally often.

    Only questions that one alone got right count: the binomial test of McNemar, Psychometrika 12 (1947) 153-157.
    """
    from scipy.stats import binomtest

    first = sum(x and not y for x, y in zip(a, b, strict=True))
    second = sum(y and not x for x, y in zip(a, b, strict=True))
    return float(binomtest(first, first + second).pvalue) if first + second else 1.0


def permutation(a: Sequence[float], b: Sequence[float], studies: Sequence[str], seed: int = 0) -> float:
    """Two-sided p-value that two readers of the same questions [n] score alike: signs of studies are flipped at random.

    (hits + 1) / (draws + 1), as in Phipson & Smyth, Stat Appl Genet Mol Biol 9 (2010) 39.
    """
    sums, _ = _by_study(np.subtract(a, b), studies)
    seen = abs(sums.sum())
    rng = np.random.default_rng([seed, len(sums)])
    flips = rng.integers(0, 2, (DRAWS, len(sums)), dtype=np.int8) * 2 - 1
    return float(((np.abs(flips @ sums) >= seen - 1e-12).sum() + 1) / (DRAWS + 1))


def robustness(iid: float, corrupted: float) -> float | None:
    """Relative robustness 1 - (iid - corrupted) / iid of SURE-VQA (arXiv:2411.19688); None where iid is 0."""
    return None if iid == 0 else 1 - (iid - corrupted) / iid


def _by_study(values: Sequence[float] | np.ndarray, studies: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """(sum [s], number [s]) of the values of every study, in the order of their names."""
    _, which = np.unique(np.asarray(studies), return_inverse=True)
    return np.bincount(which, weights=np.asarray(values, float)), np.bincount(which)
