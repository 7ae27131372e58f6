"""A policy that says what it was told to say."""

from collections.abc import Sequence

from agent.loop import Policy, PolicyError
from envs.episode import Episode, Reply


def scripted(replies: Sequence[str | Reply]) -> Policy:
    """Reply by reply, in order, in every episode anew. Raises PolicyError when the script has come to its end."""

    async def policy(episode: Episode) -> Reply:
        number = len(episode.turns)
        if number >= len(replies):
            raise PolicyError(f"the script holds {len(replies)} replies, and one more was asked for")
        reply = replies[number]
        return Reply(text=reply) if isinstance(reply, str) else reply

    return policy
