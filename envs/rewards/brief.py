"""Was it said in few words?"""

from envs.episode import Episode, Truth
from envs.grading import grade

FREE, MOST = 500, 2000
"""Characters of a reply, on average over the turns: what costs nothing, and where nothing is left to be paid."""


def brief(episode: Episode, truth: Truth) -> float:
    """1 up to `FREE` characters a reply, falling evenly to 0 at `MOST`; 0 after an answer that is not right.

    A true answer that is long itself, as a report, is not counted.
    """
    if not grade(episode, truth).right:
        return 0.0
    written = max(0, sum(len(turn.reply.text) for turn in episode.turns) - len(truth.answer))
    return min(1.0, max(0.0, (MOST - written / len(episode.turns)) / (MOST - FREE)))
