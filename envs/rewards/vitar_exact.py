"""ViTAR's reward for the answer, as released: to compare with, not to train with."""

from envs.episode import Episode, Truth


def vitar_exact(episode: Episode, truth: Truth) -> float:
    """1 where the answer is the true one letter by letter, but for case, spaces and underscores; an empty one never is.

    As released (github.com/JLINEkai/ViTAR, commit 1448fb2), "left lung" is "Left_Lung" and "A. pneumonia" is not "A".
    There an answer is also found in a reply that is no JSON, and lost where it holds an escaped quote; here the
    dialect says what the answer is.
    """
    said = _plain(episode.answer or "")
    return float(said != "" and said == _plain(truth.answer))


def _plain(text: str) -> str:
    return text.lower().replace(" ", "").replace("_", "")
