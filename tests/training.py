"""Small trainings for tests: configs of tiny models, and folders of demonstrations."""

import asyncio
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from agent.loop import play
from agent.policies.oracle import oracle
from agent.trace import Writer, describe
from envs.env import ReadingEnv
from envs.episode import Episode, Question, Truth
from envs.tasks.discs import discs
from sft.settings import Training, training
from sft.train import Course, begin

RULES = {"tools": ["zoom"], "prompt": "brief", "max_turns": 3}
ORACLE = {"task": {"name": "shape", "count": 12}, "policy": {"name": "oracle"}}


def config(folder: Path, *stages: dict[str, Any], **tables: Any) -> dict[str, Any]:
    """A config of the model in a folder; each stage is of 2 steps of 2 episodes of the oracle, unless it says else."""
    usual = {"steps": 2, "batch": 2, "learning_rate": 1e-3, "data": [ORACLE]}
    return {
        "model": {"path": str(folder), "train": "full", "dtype": "float32", **tables.pop("model", {})},
        "env": tables.pop("env", RULES),
        "stage": [{"name": f"s{number}", **usual, **stage} for number, stage in enumerate(stages or ({},))],
        "trainer": {
            "logging_steps": 1,
            "warmup_steps": 0,  # of a few steps, a warm-up would leave none
            "gradient_checkpointing": False,
            "per_device_train_batch_size": 2,
            **tables.pop("trainer", {}),
        },
        "sft": {"workers": 0, **tables.pop("sft", {})},
        **tables,
    }


def trained(made: dict[str, Any], folder: Path, resume: bool = False) -> Course:
    """Train in this process, to the end."""
    planned: Training = training(made)
    course = Course(planned, folder, begin(planned, folder, resume), lambda: False, lambda line: None)
    course.run()
    return course


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def demonstration(task: tuple[Question, Truth], **rules: Any) -> Episode:
    """What the oracle does."""
    question, truth = task
    env = ReadingEnv([task], **{"tools": ["zoom"], **rules})
    return asyncio.run(play(env, oracle(lambda _: truth), question, 0))


def stored(folder: Path, episodes: Iterable[Episode] | None = None) -> Path:
    """A run folder of demonstrations: these, or five of the oracle."""
    describe(folder, kind="demos")
    with Writer(folder) as writer:
        for episode in map(demonstration, discs("train", count=5)) if episodes is None else episodes:
            writer.write(episode)
    return folder
