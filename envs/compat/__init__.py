"""The published scorers of other benchmarks, with their traps: to compare with what was published, not for claims.

    def vitar(predictions: Sequence[str], answers: Sequence[str]) -> dict[str, float]

What a scorer takes are the columns of a table, each as long as the others; what it gives are shares in [0, 1] but where
it says otherwise. It raises for no text, and a share of nothing is 0. What can be claimed, `envs.graders` says.
"""

from collections.abc import Iterable


def mean(values: Iterable[float]) -> float:
    """The mean; 0 where there are no values, as the published scorers have it where they do not break."""
    kept = list(values)
    return sum(kept) / len(kept) if kept else 0.0
