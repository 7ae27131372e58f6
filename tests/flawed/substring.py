"""Visual-RFT, issue 176: an answer that stands anywhere in the truth is right, and nothing stands everywhere."""

from envs.episode import Episode, Truth


def substring(episode: Episode, truth: Truth) -> float:
    return float(episode.answer is not None and episode.answer.lower() in truth.answer.lower())
