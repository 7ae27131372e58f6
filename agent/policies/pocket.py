"""The small policy that ships with the project, trained by it alone on made-up studies.

A question that is not worded as those it was trained on is answered with a note that says so: it would answer anything,
and be wrong.
"""

from collections.abc import Callable
from typing import Annotated

from pydantic import Field

from agent.loop import Policy
from agent.policies.local import local
from agent.scope import in_scope
from agent.trained import POCKET, trained
from envs.episode import Answer, Episode, Reply
from tools.lookup import find

OUTSIDE = (
    "This is outside what I was trained on, so I give no answer. I read made-up films with small nodules and masses, "
    "and know questions such as: {examples} Another reader is chosen by --policy."
)


def pocket(
    *,
    temperature: Annotated[float, Field(ge=0)] = 0.0,
    max_new_tokens: Annotated[int, Field(ge=1)] = 768,
    batch: Annotated[int, Field(ge=1)] = 1,
    seed: int = 0,
    dialect: str = "tags",
    on_text: Callable[[str], None] | None = None,
) -> Policy:
    """The policy in agent/pocket; the settings are those of `local`. Raises PolicyError where it cannot be run."""
    families = trained(POCKET).families
    read = local(
        POCKET, temperature=temperature, max_new_tokens=max_new_tokens, batch=batch, seed=seed, on_text=on_text
    )
    write = find("envs.dialects", dialect)().write

    async def policy(episode: Episode) -> Reply:
        if in_scope(episode.question, families):
            return await read(episode)
        note = Answer(text=OUTSIDE.format(examples=" ".join(_example(family) for family in families)))
        return Reply(text=write("The question is not worded as those I know.", (note,)))

    return policy


def _example(family: str) -> str:
    """A question of a family."""
    question, _ = next(find("envs.tasks", family)("test", 1))
    return str(question.text)
