"""Small GRPO trainings for tests."""

import asyncio
import json
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from envs.episode import Episode
from rl.check import feature_counter
from rl.order import Order
from rl.parcels import Parcel, unpacked
from rl.rounds import Rounds
from rl.settings import Training, training
from rl.train import Course, begin
from rl.weights import Update, originals
from rl.worker import Job, Worker

RULES = {"tools": ["zoom"], "prompt": "brief", "max_turns": 3, "rewards": {"tests.even": 1.0}}
TASK = {"name": "discs", "count": 20, "view_px": 64}


def config(folder: Path, **tables: Any) -> dict[str, Any]:
    """A config of the model in a folder: 2 questions of 2 episodes a step, of short replies."""
    return {
        "model": {
            "path": str(folder),
            "train": "full",
            "dtype": "float32",
            "max_length": 700,
            **tables.pop("model", {}),
        },
        "env": tables.pop("env", RULES),
        "data": tables.pop("data", [{"task": TASK}]),
        "rollout": {"engine": "transformers", "max_new_tokens": 12, "batch": 8, **tables.pop("rollout", {})},
        "trainer": {"learning_rate": 1e-3, "per_device_train_batch_size": 2, **tables.pop("trainer", {})},
        "alarms": {
            "malformed_share": 0,
            "answer_growth": 0,
            **tables.pop("alarms", {}),
        },  # of a model that knows nothing
        "grpo": {"steps": 2, "questions": 2, "group": 2, **tables.pop("grpo", {})},
        **tables,
    }


def planned(folder: Path, **tables: Any) -> Training:
    return training(config(folder, **tables))


class Here:
    """Rollouts by one worker in this process, instead of those that Ray starts."""

    lost = 0

    def __init__(self, training: Training, held: Any):
        self.worker = Worker(training, held, os.getcwd())
        self.loads: list[Update] = []
        self.loop = asyncio.new_event_loop()

    def load(self, update: Update) -> None:
        self.loads.append(update)
        self.loop.run_until_complete(self.worker.load(update))

    def begin(self, jobs: Sequence[Job]) -> "Future[list[Episode]]":
        async def all_of_them() -> list[Parcel]:
            return await asyncio.gather(*map(self.worker.play, jobs))

        known: dict[str, Any] = {}
        done: Future[list[Episode]] = Future()
        done.set_result([unpacked(parcel, known) for parcel in self.loop.run_until_complete(all_of_them())])
        return done


class HereCourse(Course):
    """A course whose rollouts are played in this process."""

    rollouts: Here

    def _rounds(self, model: Any, facts: Mapping[str, Any], stack: ExitStack) -> Rounds:
        self.rollouts = Here(self.training, originals(model))
        stack.callback(self.rollouts.loop.close)
        features = feature_counter(self.chat, self.images)
        order, spare = Order(self.training), facts.get("spare", 0)
        return Rounds(self.training, order, self.rollouts, self.chat, features, self.folder, self.say, spare)  # type: ignore[arg-type]


def trained(made: Training, folder: Path, resume: bool = False, stop: Callable[[], bool] = lambda: False) -> HereCourse:
    """Train in this process, to the end."""
    course = HereCourse(made, folder, begin(made, folder, resume), stop, lambda line: None)
    course.run()
    return course


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
