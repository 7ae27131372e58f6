"""A config with all its defaults, as it is kept with a run."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from agent.training.toml import stated
from sft.settings import Training

FREE = ("workers", "keep", "accelerate")
"""Settings of [sft] that change nothing of what is learned: a training may go on with others."""


def resolved(training: Training) -> dict[str, Any]:
    """The config in its own shape; settings that are not set are left out."""
    made = asdict(training)
    tables = {"stage": made.pop("stages"), "sft": made.pop("own")}
    whole: dict[str, Any] = json.loads(json.dumps({**made, **tables}, default=str))
    return {name: stated(table) for name, table in whole.items() if table}


def decisive(config: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a resolved config that decides what is learned."""
    own = {name: value for name, value in config["sft"].items() if name not in FREE}
    return {**config, "sft": own, "stage": {str(number): stage for number, stage in enumerate(config["stage"])}}
