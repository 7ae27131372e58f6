"""Is the answer right?"""

from envs.episode import Episode, Truth
from envs.grading import grade


def correct(episode: Episode, truth: Truth) -> float:
    """From 1/2 to 1 for a right answer, up to 1/8 for any other, by the score that its grader gives.

    So a near miss is worth more than a far one, which is what there is to learn from before anything is right; and
    however near, it is worth less than any right answer.
    """
    found = grade(episode, truth)
    return (1 + found.score) / 2 if found.right else found.score / 8
