"""The engines that workers write replies with; one file each, named in `rollout.engine`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from agent.loop import Policy
from rl.settings import Training

Load = Callable[[Iterator[tuple[str, Any]], bool], None]
"""Given weights by their names, and whether the vision tower's are among them: take them, forget what is stale."""


@dataclass(frozen=True)
class Engine:
    """A model that writes, and can be given other weights while it does not."""

    policy: Policy
    load: Load


def engine_name(asked: str) -> str:
    """The engine that "auto" means here: vLLM where it is installed."""
    if asked != "auto":
        return asked
    return "vllm" if find_spec("vllm") else "transformers"


def dtype(training: Training) -> str:
    """What an engine's weights are held in."""
    return training.model.dtype if training.rollout.dtype == "auto" else training.rollout.dtype
