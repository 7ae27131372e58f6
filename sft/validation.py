"""What the model, as it is in memory, makes of the validation questions."""

import asyncio
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agent.loop import play
from agent.plan import questions
from agent.policies.local import of_session
from agent.render import Chat
from agent.session import Session
from agent.statistics import interval
from agent.trace import Writer
from envs.env import ReadingEnv
from envs.episode import Episode
from envs.grading import grade
from sft.settings import Training

Check = Callable[[], None]


def validate(
    training: Training, model: Any, processor: Any, chat: Chat, step: int, folder: Path | None, check: Check
) -> dict[str, Any]:
    """Play every question greedily; the share answered right, with its bootstrap interval over studies.

    The episodes are written to `folder`, where one is given. `check` is called before each turn, and may raise.
    """
    assert training.validation is not None
    session = Session(model, processor, chat)
    own, longest = training.validation, training.model.max_length
    policy = of_session(session, f"step {step}", 0.0, max_new_tokens=own.max_new_tokens, max_context=longest)
    right, studies = [], []
    learning = model.training
    model.eval()
    try:
        for number, (question, truth) in enumerate(questions(own.task)):
            env = ReadingEnv([(question, truth)], **training.env)
            episode = asyncio.run(play(env, policy, question, number, watch=lambda _: check()))
            right.append(float(grade(episode, truth).right))
            studies.append(question.study.id)
            if folder is not None:
                _keep(episode, step, folder)
    finally:
        model.train(learning)
    found = interval(right, studies)
    low, high = (None if math.isnan(end) else round(end, 6) for end in (found.low, found.high))
    return {"right": round(found.mean, 6), "low": low, "high": high, "played": len(right)}


def worker(step: int) -> str:
    """Whose episodes they are: those of a step lie in files of their own."""
    return f"step-{step:07d}"


def forget(folder: Path, after: int) -> None:
    """Remove the episodes of later steps: they will be played again."""
    for path in (folder / "episodes").glob("step-*"):
        if int(path.stem.removeprefix("step-")) > after:
            path.unlink()


def _keep(episode: Episode, step: int, folder: Path) -> None:
    with Writer(folder, worker(step)) as writer:
        named = {"id": f"{worker(step)}/{episode.question.id}", "policy": f"step {step}", "step": step}
        writer.write(episode.model_copy(update=named))
