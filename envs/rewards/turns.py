"""Was it read in few turns?"""

from envs.episode import Episode, Truth
from envs.grading import grade

MOST = 9
"""The first number of turns that earns nothing: an episode has 8 where nothing else is asked for."""


def turns(episode: Episode, truth: Truth) -> float:
    """1 for one turn, an eighth less for each further one; 0 after an answer that is not right."""
    if not grade(episode, truth).right:
        return 0.0
    return max(0.0, (MOST - len(episode.turns)) / (MOST - 1))
