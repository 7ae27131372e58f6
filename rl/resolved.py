"""A config with all its defaults, as it is kept with a run."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from agent.training.toml import stated
from rl.settings import Training

FREE = {
    "grpo": ("keep",),
    "rollout": (
        "engine", "workers", "at_once", "kv_tokens", "batch", "cpus", "gpus", "memory", "spread", "address",
        "reply_seconds", "step_seconds", "episode_seconds", "retries", "stored",
    ),
}  # fmt: skip
"""Settings that change nothing of what is learned, but for the order in which sums are rounded: a training may go on
with others. So may its alarms."""


def resolved(training: Training) -> dict[str, Any]:
    """The config in its own shape; settings that are not set are left out."""
    made = asdict(training)
    whole: dict[str, Any] = json.loads(json.dumps({**made, "grpo": made.pop("own")}, default=str))
    whole.pop("own")
    return {name: stated(table) for name, table in whole.items() if table}


def decisive(config: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a resolved config that decides what is learned."""
    told = {name: table for name, table in config.items() if name != "alarms"}
    for name, free in FREE.items():
        told[name] = {key: value for key, value in config[name].items() if key not in free}
    return {**told, "data": {str(number): one for number, one in enumerate(config["data"])}}
