"""Replies by transformers: what was read of an episode, and of its images, is kept between its turns."""

from collections.abc import Iterator
from typing import Any

from agent.chats import chat_for
from agent.policies.local import of_session
from agent.session import Session, load_model
from rl.engines import Engine, dtype
from rl.settings import Training


def transformers(training: Training) -> Engine:
    """Raises PolicyError where the folder holds no model that can be run."""
    how, model = training.rollout, training.model
    device = "auto" if how.gpus else "cpu"
    loaded = load_model(model.path, device, dtype(training), model.attention if how.gpus else "auto")
    session = Session(*loaded, chat_for(model.path), kept=how.at_once)

    def load(weights: Iterator[tuple[str, Any]], tower: bool) -> None:
        import torch

        own = dict(session.model.named_parameters())
        with torch.no_grad():
            for name, weight in weights:
                own[name].copy_(weight)
        session.forget()

    policy = of_session(session, model.path.name, how.temperature, 1.0, how.max_new_tokens, model.max_length, how.batch)
    return Engine(policy, load)
