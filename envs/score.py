"""Judge an episode: a weighted sum of reward functions, each kept by name."""

from collections.abc import Mapping

from envs.episode import FAULTS, Episode, Truth, Verdict
from tools.lookup import find


def judge(episode: Episode, truth: Truth | None, weights: Mapping[str, float]) -> Verdict | None:
    """Score a finished episode; also one read back from a trace.

    None, which is not a reward of 0, where there is no truth to compare with or the episode ended by a fault
    that is not the policy's. Raises ValueError where a reward function leaves [0, 1].
    """
    if truth is None or episode.stop in FAULTS:
        return None
    parts = {name: float(find("envs.rewards", name)(episode, truth)) for name in weights}
    for name, score in parts.items():
        if not 0.0 <= score <= 1.0:
            raise ValueError(f"reward {name!r} gave {score}, outside [0, 1]; weights belong in the config")
    return Verdict(reward=sum(weights[name] * score for name, score in parts.items()), parts=parts)
