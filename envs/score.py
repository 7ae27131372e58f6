"""Judge an episode: a weighted sum of reward functions, each kept by name."""

from collections.abc import Mapping

from envs.episode import FAULTS, Episode, Truth, Verdict
from tools.lookup import find

HARDENED = {
    "correct": 0.7,
    "grounded": 0.1,
    "well_formed": 0.03,
    "tool_fault": 0.02,
    "looked": 0.05,
    "brief": 0.05,
    "turns": 0.05,
}
"""In [0, 1]. `correct` is at least 1/2 for a right answer and at most 1/8 for any other, and the last three pay for
right answers alone: so a right answer earns 0.35 or more, a wrong one 0.2375 or less (0.1375 without a look at the
evidence), and form by itself 0.05."""

VITAR = {"vitar_step": 0.4, "vitar_exact": 1.0}
"""The rewards of ViTAR as released, in [0, 1.4]: it pays 0.4 for a wrong answer after a mark around nothing."""

PRESETS: dict[str, dict[str, float]] = {"hardened": HARDENED, "vitar": VITAR}


def weights_of(rewards: Mapping[str, float] | str) -> dict[str, float]:
    """The weight of each reward function: of a preset by its name, or as given.

    Raises LookupError for a preset or a reward function that there is not.
    """
    if isinstance(rewards, str):
        if rewards not in PRESETS:
            raise LookupError(f"no preset {rewards!r} of rewards; there are: {', '.join(PRESETS)}")
        return dict(PRESETS[rewards])
    for name in rewards:
        find("envs.rewards", name)
    return dict(rewards)


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
