"""Play the demonstrations of others in our environment, and keep those that come out as they say."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from agent import interrupts
from agent.lines import appended
from agent.loop import play_all
from agent.policies.scripted import scripted
from agent.spread import Tell
from agent.trace import Writer
from envs.env import ReadingEnv
from envs.episode import Episode
from sft.demos import Try, kept
from sft.formats import Script


def bring(
    name: str, scripts: Iterable[Script], env: Mapping[str, Any], folder: Path, told: Tell = lambda done: None
) -> None:
    """Play each script, and keep in `folder` those that reach their answer; `told` hears of every Try.

    `name` is that of the layout which they come from.
    """
    with Writer(folder) as writer, appended(folder / "tries.jsonl") as add:

        def tell(done: Try) -> None:
            add(done)
            told(done)

        for number, script in enumerate(scripts):
            task = script.question, script.truth
            (episode,) = interrupts.run(_played(script, env, number))
            kept(name, number, 0, episode, task, writer, tell)


async def _played(script: Script, env: Mapping[str, Any], seed: int) -> list[Episode]:
    """The episode of a script; one whose replies do not end it ends by a fault."""

    def make_env() -> ReadingEnv:
        return ReadingEnv([(script.question, script.truth)], **env)

    return await play_all(make_env, scripted(script.replies), [script.question], seed=seed)
