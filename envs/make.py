"""The environment by name: `gymnasium.make("overread/Reading-v0")`."""

from typing import Any

import gymnasium as gym

from envs.env import ReadingEnv
from tools.lookup import find


def reading(task: str = "discs", task_settings: dict[str, Any] | None = None, **settings: Any) -> ReadingEnv:
    """A `ReadingEnv` over the questions of `envs/tasks/<task>.py`."""
    questions = find("envs.tasks", task)(**(task_settings or {}))
    return ReadingEnv(list(questions), **settings)


def register() -> None:
    """Tell Gymnasium the name; called by it through the entry point in pyproject.toml."""
    gym.register("overread/Reading-v0", entry_point="envs.make:reading")
