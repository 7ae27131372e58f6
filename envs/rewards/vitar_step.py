"""ViTAR's reward for acting, as released: to compare with, not to train with."""

from envs.episode import Answer, Episode, Truth, Turn

STEPS = 2
"""Steps that are paid: 0.2 each and 0.4 in all, so this reward weighs 0.4."""


def vitar_step(episode: Episode, truth: Truth) -> float:
    """The share of two valid steps that were made. What a step looked at, and whether it helped, plays no part.

    A step is one reply, valid where it is written as asked, holds no empty answer, and nothing in it is refused
    (github.com/JLINEkai/ViTAR, commit 1448fb2: an action that does not raise pays 0.2). So a mark around the whole
    image pays, here as there. An empty list of boxes, a box outside the image, one of a pixel and a tool with a wrong
    name also pay there; this environment refuses them, so they do not. There the second of two actions ends the
    episode without the first being carried out; here both are carried out, and are one step.
    """
    return min(sum(map(_valid, episode.turns)), STEPS) / STEPS


def _valid(turn: Turn) -> bool:
    empty = any(isinstance(act.action, Answer) and not act.action.text for act in turn.acts)
    return turn.strict and not turn.refused and not empty
