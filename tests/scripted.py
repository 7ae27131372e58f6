"""An engine that says what it is told to, and breaks where it is told to."""

import asyncio
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from envs.episode import Episode, Reply
from rl.engines import Engine
from rl.settings import Training


def scripted(training: Training) -> Engine:
    """An engine without a model: the plan lies in the file that the environment variable OVERREAD_TEST_SCRIPT names.

    {"replies": [...]} are written one a turn; "hang" or "raise" or "die": the replies (by "<seed>/<turn>") at which it
    does so, the first time only where "once" names a folder to remember it in.
    """
    plan = json.loads(Path(os.environ["OVERREAD_TEST_SCRIPT"]).read_text())

    async def policy(episode: Episode) -> Reply:
        turn = len(episode.turns)
        here = f"{episode.seed}/{turn}"
        for what, act in ACTS.items():
            if here in plan.get(what, ()) and _first(plan, f"{what}-{here.replace('/', '-')}"):
                await act()
        replies = plan["replies"]
        text = replies[min(turn, len(replies) - 1)]
        return Reply(text=text, token_ids=tuple(text.encode()), logprobs=(-0.5,) * len(text.encode()))

    return Engine(policy, lambda weights, tower: None)


async def _hang() -> None:
    await asyncio.sleep(3600)


async def _stick() -> None:
    time.sleep(3600)  # the whole loop


async def _break() -> None:
    raise RuntimeError("the engine broke")


async def _die() -> None:
    os._exit(1)


ACTS: dict[str, Callable[[], Any]] = {"hang": _hang, "stick": _stick, "raise": _break, "die": _die}


def _first(plan: dict[str, Any], name: str) -> bool:
    """Whether it has not been done before, by any process; always where nobody is to remember."""
    if "once" not in plan:
        return True
    try:
        (Path(plan["once"]) / name).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True
