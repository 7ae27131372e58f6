"""What the model, as it is in memory, makes of the validation questions."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from agent.loop import play
from agent.plan import questions
from agent.policies.local import of_session
from agent.session import Session
from agent.statistics import interval
from agent.trace import Writer
from agent.training.tables import Validation
from envs.env import ReadingEnv
from envs.episode import Episode, Question, Truth
from envs.grading import grade

Check = Callable[[], None]


def validate(
    due: Validation,
    env: Mapping[str, Any],
    session: Session,
    longest: int,
    step: int,
    folder: Path | None,
    check: Check,
) -> dict[str, Any]:
    """Play every question greedily; the share answered right, with its bootstrap interval over studies.

    They are played `batch` at a time under the rules `env`, each at most `longest` tokens, and written to `folder`,
    where one is given. `check` is called before each turn, and may raise.
    """
    policy = of_session(session, f"step {step}", 0.0, 1.0, due.max_new_tokens, longest, due.batch)

    def played(number: int, task: tuple[Question, Truth]) -> Awaitable[Episode]:
        return play(ReadingEnv([task], **env), policy, task[0], number, watch=lambda _: check())

    async def together(numbered: Sequence[tuple[int, tuple[Question, Truth]]]) -> list[Episode]:
        return await asyncio.gather(*(played(*one) for one in numbered))

    right, studies = [], []
    model, learning = session.model, session.model.training
    model.eval()
    try:
        left = enumerate(questions(due.task))
        while numbered := list(islice(left, due.batch)):
            episodes = asyncio.run(together(numbered))
            for (_, (question, truth)), episode in zip(numbered, episodes, strict=True):
                right.append(float(grade(episode, truth).right))
                studies.append(question.study.id)
                if folder is not None:
                    _keep(episode, step, folder)
    finally:
        model.train(learning)
    found = interval(right, studies)
    low, high = (None if math.isnan(end) else round(end, 6) for end in (found.low, found.high))
    return {"right": round(found.mean, 6), "low": low, "high": high, "played": len(right)}


def share(found: Mapping[str, Any]) -> str:
    """What a validation found, in words."""
    if found["low"] is None:
        return f"{found['right']:.3f}"
    return f"{found['right']:.3f} ({found['low']:.3f} to {found['high']:.3f})"


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
