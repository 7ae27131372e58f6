"""Replies by vLLM, on a GPU or on the CPU: one that is done makes room for the next at once."""

from collections.abc import Iterator
from typing import Any

from rl.engines import Engine, dtype
from rl.settings import Training


def vllm(training: Training) -> Engine:
    """Raises PolicyError where the model cannot be run, ImportError where vLLM is not installed."""
    from agent.policies.vllm import of_engine
    from agent.vllm_engine import Engine as VLLM

    how, model = training.rollout, training.model
    running = VLLM(
        model.path, dtype=dtype(training), batch=how.batch, max_context=model.max_length, memory=how.memory,
        temperature=how.temperature,
    )  # fmt: skip

    def load(weights: Iterator[tuple[str, Any]], tower: bool) -> None:
        running.load(weights, tower=tower)

    return Engine(of_engine(running, model.path.name, how.max_new_tokens), load)
