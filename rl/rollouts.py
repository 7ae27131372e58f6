"""Rollouts: jobs go out to workers, episodes come back, whatever becomes of a worker on the way.

All of it happens in one event loop in a thread of its own, so that the trainer may learn meanwhile. A group's episodes
go to one worker as long as it has room: there its study is decoded, and its beginning read, once.
"""

import asyncio
import os
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Thread
from typing import Any

import numpy as np

from agent.faults import PlayError
from envs.episode import FAULTS, Episode, Question
from rl.parcels import ParcelError, unpacked
from rl.settings import Training
from rl.weights import Arrays, Update
from rl.worker import Job, Worker
from tools.tool import Observation

START_SECONDS = 900
"""How long a worker may take to start, and to be given its first weights."""
STARTS = 3
"""How often in a row a worker that does not start is tried again."""

Tell = Callable[[str], None]


class RolloutError(PlayError):
    """No episode can be played any more."""


@dataclass(eq=False)
class _Seat:
    """A place for a worker; who dies is followed by another."""

    number: int
    actor: Any = None
    ready: bool = False
    starting: bool = False
    playing: int = 0


class Rollouts:
    """Plays jobs on several workers. To be used as a context; Ray must be connected."""

    def __init__(self, training: Training, originals: Arrays, question: Callable[[int, int], Question], tell: Tell):
        import ray
        from ray.util.placement_group import placement_group

        self.training, self.how, self.tell, self._question = training, training.rollout, tell, question
        self._ray = ray
        self._originals = ray.put(dict(originals))
        self._update: Any = None
        self._version = -1
        self._known: dict[str, np.ndarray] = {}
        self._seats = [_Seat(number) for number in range(self.how.workers)]
        self._broken: Exception | None = None
        self.lost = 0
        """Episodes that were played again, since they were last counted."""
        bundle = {"CPU": self.how.cpus, **({"GPU": self.how.gpus} if self.how.gpus else {})}
        self._group = placement_group([bundle] * self.how.workers, self.how.spread)
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, daemon=True, name="rollouts")

    def __enter__(self) -> "Rollouts":
        self._thread.start()
        self._changed = self._call(self._condition())
        return self

    def __exit__(self, *exception: object) -> None:
        self._call(self._give_up())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        for seat in self._seats:
            if seat.actor is not None:
                self._ray.kill(seat.actor)
        from ray.util.placement_group import remove_placement_group

        remove_placement_group(self._group)

    async def _give_up(self) -> None:
        """Wait for nothing any more."""
        waiting = asyncio.all_tasks() - {asyncio.current_task()}
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    def load(self, update: Update) -> None:
        """Give all workers these weights. No episode may be on its way. Raises RolloutError."""
        self._call(self._load(update))

    def begin(self, jobs: Sequence[Job]) -> "Future[list[Episode]]":
        """Play jobs; their episodes come in the same order. The result raises RolloutError."""
        return asyncio.run_coroutine_threadsafe(self._all(jobs), self._loop)

    def _call(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    async def _condition(self) -> asyncio.Condition:
        return asyncio.Condition()

    async def _all(self, jobs: Sequence[Job]) -> list[Episode]:
        self._known.clear()
        return await asyncio.gather(*map(self._played, jobs))

    async def _played(self, job: Job) -> Episode:
        """A job's episode: played again, elsewhere if need be, as often as the config says."""
        episode = None
        for attempt in range(1 + self.how.retries):
            seat = await self._seat_for(job.group)
            if attempt:
                self.lost += 1
            episode = await self._on(seat, job._replace(anew=attempt > 0))
            if episode.stop not in FAULTS:
                return episode
            self.tell(f"{job.group}: {episode.stop}, {_last_line(episode.problem)}")
            if episode.stop != "tool_fault":
                await self._check(seat)
        assert episode is not None
        return episode

    async def _on(self, seat: _Seat, job: Job) -> Episode:
        """The episode as it was played on a worker; one that did not come back is an engine fault."""
        from ray.exceptions import RayActorError, RayTaskError

        actor = seat.actor
        try:
            parcel = await asyncio.wait_for(actor.play.remote(job), self.how.episode_seconds)
            return unpacked(parcel, self._known)
        except RayTaskError as error:  # no episode, no engine: the question itself cannot be asked
            raise RolloutError(f"{job.group} cannot be played: {_last_line(str(error))}") from None
        except TimeoutError:
            problem = f"no episode came within {self.how.episode_seconds} s"
            self._replace(seat, actor, problem)
        except ParcelError as error:
            problem = str(error)
        except RayActorError as error:
            problem = f"its worker died: {_last_line(str(error))}"
            self._replace(seat, actor, problem)
        finally:
            seat.playing -= 1
            await self._notify()
        return self._fault(job, problem)

    def _fault(self, job: Job, problem: str) -> Episode:
        named = {"seed": job.seed, "group": job.group, "step": job.step, "policy": "grpo"}
        opening = Observation()
        question = self._question(job.source, job.number)
        return Episode(question=question, opening=opening, stop="engine_fault", problem=problem, **named)

    async def _seat_for(self, group: str) -> _Seat:
        """A ready worker with room, the group's own if it can be; waits for one. It counts as playing from now on."""
        own = self._seats[zlib.crc32(group.encode()) % len(self._seats)]
        async with self._changed:
            while True:
                if self._broken is not None:
                    raise RolloutError(str(self._broken)) from self._broken
                free = [seat for seat in self._seats if seat.ready and seat.playing < self._room]
                if free:
                    chosen = own if own in free else min(free, key=lambda seat: seat.playing)
                    chosen.playing += 1
                    return chosen
                await self._changed.wait()

    @property
    def _room(self) -> int:
        """Episodes that a worker plays at once: also no more than its cache holds, each at its longest."""
        held = self.how.kv_tokens
        return self.how.at_once if held is None else min(self.how.at_once, held // self.training.model.max_length)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _check(self, seat: _Seat) -> None:
        """Replace a worker that does not say that it is well."""
        from ray.exceptions import RayActorError

        actor = seat.actor
        try:
            well = await asyncio.wait_for(actor.well.remote(), self.how.reply_seconds)
        except (TimeoutError, RayActorError):
            well = False
        if not well:
            self._replace(seat, actor, "it is not well")

    def _replace(self, seat: _Seat, actor: Any, why: str) -> None:
        """Have another worker take a seat; said once for each that has it."""
        if seat.actor is not actor:
            return
        self.tell(f"worker {seat.number} is replaced: {why}")
        self._ray.kill(actor)
        seat.ready, seat.starting = False, True
        self._loop.create_task(self._start(seat))

    async def _load(self, update: Update) -> None:
        self._update, self._version = self._ray.put(update), update.version
        await asyncio.gather(*(self._renew(seat) if seat.ready else self._begin(seat) for seat in self._seats))
        if self._broken is not None:
            raise RolloutError(str(self._broken)) from self._broken

    async def _begin(self, seat: _Seat) -> None:
        """Start the worker of a seat; one that is being started already takes the new weights when it comes."""
        if not seat.starting:
            seat.starting = True
            await self._start(seat)

    async def _renew(self, seat: _Seat) -> None:
        from ray.exceptions import RayActorError

        actor = seat.actor
        try:
            await asyncio.wait_for(actor.load.remote(self._update), START_SECONDS)
        except (TimeoutError, RayActorError) as error:
            self._replace(seat, actor, f"it did not take new weights: {_last_line(str(error))}")

    async def _start(self, seat: _Seat) -> None:
        """Start a worker and give it the newest weights; after `STARTS` failures its seat stays empty."""
        from ray.exceptions import RayError

        failed: Exception | None = None
        for _ in range(STARTS):
            seat.actor = self._new(seat.number)
            try:
                version = -1
                while version != self._version:  # newer weights may come while it starts
                    version = await asyncio.wait_for(seat.actor.load.remote(self._update), START_SECONDS)
            except (RayError, TimeoutError) as error:
                failed = error
                self._ray.kill(seat.actor)
                continue
            seat.ready, seat.starting = True, False
            return await self._notify()
        seat.starting = False
        why = _last_line(str(failed))
        self.tell(f"worker {seat.number} does not start: {why}")
        if not any(one.ready or one.starting for one in self._seats):
            self._broken = RolloutError(f"no worker starts: {why}")
        return await self._notify()

    def _new(self, number: int) -> Any:
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

        place = PlacementGroupSchedulingStrategy(self._group, placement_group_bundle_index=number)
        actor = self._ray.remote(Worker).options(
            num_cpus=self.how.cpus, num_gpus=self.how.gpus, scheduling_strategy=place, max_restarts=0,
            max_concurrency=2 * self.how.at_once + 8,
        )  # fmt: skip
        return actor.remote(self.training, self._originals, os.getcwd())


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "no reason given")
