"""Play an episode: the policy writes, the environment answers, until it stops."""

import asyncio
import time
import traceback
from collections.abc import Awaitable, Callable, Iterable, Sequence

from envs.env import ReadingEnv
from envs.episode import Episode, Question, Reply

Policy = Callable[[Episode], Awaitable[Reply]]
"""Given the episode so far, write the next reply. Every engine is one of these."""

Watch = Callable[[Episode], None]
"""Told of the episode when it opens, and after every turn."""


class PolicyError(RuntimeError):
    """A policy that cannot be built or cannot reply: a server that is down, a folder that is no model. One sentence."""


async def play(
    env: ReadingEnv, policy: Policy, question: Question, seed: int | None = None, watch: Watch = lambda episode: None
) -> Episode:
    """Play one episode. Tools run beside the event loop, so a slow one holds up nobody else."""
    await asyncio.to_thread(env.reset, seed=seed, options={"question": question})
    watch(env.episode)
    while env.episode.stop is None:
        began = time.perf_counter()
        try:
            reply = await asyncio.wait_for(policy(env.episode), env.seconds_left)
        except TimeoutError:
            if env.seconds_left != 0.0:  # the policy's own
                raise
            env.give_up("timeout", f"no reply within the {env.max_seconds} s that an episode may take")
        else:
            await asyncio.to_thread(env.step, reply, time.perf_counter() - began)
        watch(env.episode)
    return env.episode


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
            env = make_env()
            try:
                own = seed + number if isinstance(seed, int) else seed[number]
                episode = await play(env, policy, question, own, watch)
            except Exception:  # the one place where a failed episode is caught
                episode = env.give_up("tool_fault" if env.stepping else "engine_fault", traceback.format_exc())
            ended(episode)
            return episode

    return await asyncio.gather(*(one(number, question) for number, question in enumerate(questions)))
