"""Play an episode: the policy writes, the environment answers, until it stops."""

import asyncio
import time
import traceback
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from envs.env import ReadingEnv
from envs.episode import Episode, Question, Reply

Policy = Callable[[Episode], Awaitable[Reply]]
"""Given the episode so far, write the next reply. Every engine is one of these."""

Watch = Callable[[Episode], None]
"""Told of the episode when it opens, and after every turn."""


CLOCKS = 0.05
"""How far two clocks may be apart, s."""


class PolicyError(RuntimeError):
    """A policy that cannot be built or cannot reply: a server that is down, a folder that is no model. One sentence."""


@dataclass(frozen=True)
class Patience:
    """How long is waited, s; None: for ever."""

    reply: float | None = None
    """For a reply of the policy."""
    step: float | None = None
    """For the environment to carry one out."""


async def play(
    env: ReadingEnv,
    policy: Policy,
    question: Question,
    seed: int | None = None,
    watch: Watch = lambda episode: None,
    patience: Patience = Patience(),
) -> Episode:
    """Play one episode. Tools run beside the event loop, so a slow one holds up nobody else.

    A policy or a tool that is not done in time ends the episode by a timeout; the tool's thread is left behind.
    """
    begun = asyncio.to_thread(env.reset, seed=seed, options={"question": question})
    if not await _in_time(begun, patience.step):
        return env.give_up("timeout", f"the study was not opened within {patience.step} s")
    watch(env.episode)
    while env.episode.stop is None:
        began = time.perf_counter()
        whole = env.seconds_left
        left = min((seconds for seconds in (whole, patience.reply) if seconds is not None), default=None)
        try:
            reply = await asyncio.wait_for(policy(env.episode), left)
        except TimeoutError:
            if left is None or time.perf_counter() - began < left - CLOCKS:  # the policy's own
                raise
            most = f"the {env.max_seconds} s that an episode may take" if left == whole else f"{left} s"
            return _given_up(env, f"no reply within {most}", watch)
        carried_out = asyncio.to_thread(env.step, reply, time.perf_counter() - began)
        if not await _in_time(carried_out, patience.step):
            return _given_up(env, f"the reply was not carried out within {patience.step} s", watch)
        watch(env.episode)
    return env.episode


async def _in_time(what: Coroutine[Any, Any, Any], seconds: float | None) -> bool:
    """Whether it was done within so many seconds; what it raises, it raises."""
    task = asyncio.ensure_future(what)
    done, _ = await asyncio.wait([task], timeout=seconds)
    if done:
        task.result()
    else:
        task.cancel()
    return bool(done)


def _given_up(env: ReadingEnv, problem: str, watch: Watch) -> Episode:
    episode = env.give_up("timeout", problem)
    watch(episode)
    return episode


async def play_safely(
    env: ReadingEnv,
    policy: Policy,
    question: Question,
    seed: int | None = None,
    watch: Watch = lambda episode: None,
    patience: Patience = Patience(),
) -> Episode:
    """Play one episode; a policy or a tool that breaks ends it with a fault, which is recorded."""
    try:
        return await play(env, policy, question, seed, watch, patience)
    except Exception:  # the one place where a failed episode is caught
        return env.give_up("tool_fault" if env.stepping else "engine_fault", traceback.format_exc())


async def play_all(
    make_env: Callable[[], ReadingEnv],
    policy: Policy,
    questions: Iterable[Question],
    at_once: int = 8,
    seed: int | Sequence[int] = 0,
    watch: Watch = lambda episode: None,
    ended: Watch = lambda episode: None,
) -> list[Episode]:
    """Play every question, `at_once` at a time; episodes come back in the questions' order.

    Episode n is played with `seed` + n, or with the nth of several, so that the same question asked twice may be
    answered in two ways.
    A policy or a tool that breaks ends its own episode with a fault, which is recorded, and no other. `ended` is told
    of every episode as soon as it is over.
    """
    room = asyncio.Semaphore(at_once)

    async def one(number: int, question: Question) -> Episode:
        async with room:
            own = seed + number if isinstance(seed, int) else seed[number]
            episode = await play_safely(make_env(), policy, question, own, watch)
            ended(episode)
            return episode

    return await asyncio.gather(*(one(number, question) for number, question in enumerate(questions)))
