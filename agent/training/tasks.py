"""The questions of a task by their number, whether they are made up when asked for or lie in a file."""

import inspect
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from agent.plan import begins_anywhere, loader, questions
from envs.episode import Question, Truth


class Numbered:
    """Question number 0 to `count` - 1 of a task. Raises ConfigError where the task or a setting is wrong."""

    def __init__(self, task: Mapping[str, Any]):
        self.task = task
        self._anywhere = begins_anywhere(task)

    @cached_property
    def count(self) -> int:
        return len(self._held) if not self._anywhere else int(self.task.get("count", self._usual_count))

    def __getitem__(self, number: int) -> tuple[Question, Truth]:
        return next(questions(self.task, number, number + 1)) if self._anywhere else self._held[number]

    def __iter__(self) -> Iterator[tuple[Question, Truth]]:
        return questions(self.task) if self._anywhere else iter(self._held)

    @cached_property
    def _held(self) -> list[tuple[Question, Truth]]:
        return list(questions(self.task))  # a file is read once

    @property
    def _usual_count(self) -> Any:
        return inspect.signature(loader(self.task)).parameters["count"].default
