"""One engine in a process of its own, and the episodes that are played on it: coroutines side by side."""

import asyncio
import os
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from agent.loop import Patience, play_safely
from agent.training.tasks import Numbered
from envs.env import ReadingEnv
from envs.episode import Episode, Reply
from rl.engines import Engine, engine_name
from rl.parcels import Parcel, packed
from rl.settings import Training
from rl.weights import Arrays, Receiver, Update
from tools.lookup import find

SPARE_THREADS = 4
"""Threads for tools beyond one for each episode: a tool that hangs keeps its own for ever."""


class Job(NamedTuple):
    """One episode that is to be played."""

    source: int
    number: int
    """The question; see `rl.order`."""
    group: str
    seed: int
    step: int
    anew: bool = False
    """Whether it was played before and lost: then all its pixels are sent."""


class Worker:
    """Plays jobs on its engine, as many at once as there is room for."""

    def __init__(self, training: Training, originals: Arrays, folder: str):
        if Path(folder).is_dir():  # paths in the config are those of whoever started the training
            os.chdir(folder)
        from agent.torch_setup import set_up_torch

        set_up_torch()
        self.training = training
        self.tasks = [Numbered(data.task) for data in training.data]
        self.engine: Engine = find("rl.engines", engine_name(training.rollout.engine))(training)
        self.receiver = Receiver(originals)
        self.version = 0
        self._threads = ThreadPoolExecutor(training.rollout.at_once + SPARE_THREADS, "tools")
        self._sent: dict[str, set[str]] = defaultdict(set)  # of each group: hashes of pixels
        self._hung = 0

    async def play(self, job: Job) -> Parcel:
        """Play an episode to its end, whatever end that is."""
        asyncio.get_running_loop().set_default_executor(self._threads)
        question, truth = await asyncio.to_thread(self.tasks[job.source].__getitem__, job.number)
        env = ReadingEnv([(question, truth)], **self.training.env)
        how = self.training.rollout
        patience = Patience(how.reply_seconds, how.step_seconds)
        episode = await play_safely(env, self._reply, question, job.seed, patience=patience)
        self._hung += episode.stop == "timeout" and env.stepping
        sent = self._sent[job.group]
        parcel = packed(_named(episode, job), () if job.anew else sent)
        sent |= parcel.pixels.keys()
        return parcel

    async def load(self, update: Update) -> int:
        """Become another version, once nobody writes; returns it."""
        weights = self.receiver.whole(update)
        await asyncio.to_thread(self.engine.load, weights, update.tower)
        self.version = update.version
        self._sent.clear()
        return self.version

    async def well(self) -> bool:
        """Whether it answers, and has threads left that tools can run in."""
        return self._hung < SPARE_THREADS

    async def _reply(self, episode: Episode) -> Reply:
        version = self.version
        reply = await self.engine.policy(episode)
        return reply.model_copy(update={"model_version": f"step {version}"})


def _named(episode: Episode, job: Job) -> Episode:
    """An episode that says what it was played for."""
    named: dict[str, Any] = {"group": job.group, "step": job.step}
    return episode.model_copy(update={**named, "policy": "grpo"})
