"""DeepEyes as released: a tool was used where the text holds the tokens of an image, whoever wrote them."""

from envs.episode import Episode, Truth
from envs.grading import grade

TOKENS = "<|vision_start|><|image_pad|>"


def vision_tokens(episode: Episode, truth: Truth) -> float:
    """0.8 for a right answer and 1.2 more for a tool; out of 2."""
    if not grade(episode, truth).right:
        return 0.0
    text = "".join(turn.reply.text + TOKENS * len(turn.images) for turn in episode.turns)
    return (0.8 + 1.2 * (TOKENS in text)) / 2
