"""A reader with the truth in hand, who shows how to read: where to look, what is seen there, what follows.

How a family of questions is read is one file of `sft/strategies`. Only making demonstrations gives it the truth.
"""

import zlib
from collections.abc import Callable

import numpy as np

from agent.loop import Policy, PolicyError
from envs.episode import Episode, Reply, Truth
from sft.strategies import Case, Plan
from sft.strategies.slips import after_a_slip
from tools.lookup import find, names


def expert(truth_of: Callable[[str], Truth] | None = None, dialect: str = "tags", slips: float = 0.1,
           careful: float = 0.1, misses: float = 0.0) -> Policy:  # fmt: skip
    """A policy that writes an expert's replies.

    A share of episodes, `slips`, begins with a mistake that is put right; in a share, `careful`, it takes one look a
    turn, and looks closer at what is large, too. Of those looks a share, `misses`, is at nothing, and it goes on.

    What it writes depends on the question, the truth, the episode's seed and what its calls were answered with, on
    nothing else. Raises PolicyError without the truth, and for a question of no family it knows.
    """
    if truth_of is None:
        raise PolicyError("sft.expert knows the truth, which only made-up studies have; use it to make demonstrations")
    write = find("envs.dialects", dialect)().write

    async def policy(episode: Episode) -> Reply:
        plan = planned(episode, truth_of(episode.question.id), slips, careful, misses)
        thought, actions = next(plan)
        for played in range(1, len(episode.turns) + 1):
            thought, actions = plan.send(episode.model_copy(update={"turns": episode.turns[:played]}))
        return Reply(text=write(thought, actions))

    return policy


def planned(episode: Episode, truth: Truth, slips: float, careful: float, misses: float) -> Plan:
    """The steps of one episode, from its beginning."""
    family = episode.question.tags.get("family", "")
    if family not in names("sft.strategies"):
        known = ", ".join(names("sft.strategies"))
        raise PolicyError(f"sft.expert cannot read questions of the family {family!r}; those it knows: {known}")
    rng = np.random.default_rng([episode.seed or 0, zlib.crc32(episode.question.id.encode())])
    case = Case(episode, truth, rng, careful, misses)
    plan: Plan = find("sft.strategies", family)(case)
    slipped = rng.random() < slips and episode.opening.images  # each of them is a look at the wrong place
    return after_a_slip(case, plan) if slipped else plan
