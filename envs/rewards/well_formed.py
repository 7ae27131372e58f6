"""Did the policy keep to the form of a reply?"""

from envs.episode import Episode, Truth


def well_formed(episode: Episode, truth: Truth) -> float:
    """The share of turns that the strict parser read and whose calls were all carried out."""
    return sum(turn.strict and not turn.refused for turn in episode.turns) / max(len(episode.turns), 1)
