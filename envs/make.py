"""The environment by name: `import envs; gymnasium.make("overread/Reading-v0")`."""

from typing import Any

from envs.env import ReadingEnv
from tools.lookup import find


def reading(task: str = "discs", task_settings: dict[str, Any] | None = None, **settings: Any) -> ReadingEnv:
    """A `ReadingEnv` over the questions of `envs/tasks/<task>.py`."""
    questions = find("envs.tasks", task)(**(task_settings or {}))
    return ReadingEnv(list(questions), **settings)
