"""How an action is written. One file per dialect; each turns text into a `Parsed` and never raises."""

from typing import Any, Protocol

import json_repair
from pydantic import ValidationError

from envs.episode import Action, Answer, Malformed, Span, Text, ToolCall
from tools.geometry import Frozen

MENDED_CHARS = 8000
"""The longest text that is mended: mending takes time that grows with the square of the length."""


class Parsed(Frozen):
    """What a reply says. `actions` is never empty."""

    thought: Text = ""
    actions: tuple[Action, ...]
    spans: tuple[Span, ...] = ()
    """The phases of the text: "think" for the thought, which the environment calls "rethink" in later turns."""

    @property
    def understood(self) -> bool:
        return not any(isinstance(action, Malformed) for action in self.actions)

    @property
    def problem(self) -> str:
        """What could not be read; empty when all was."""
        return next((action.problem for action in self.actions if isinstance(action, Malformed)), "")


class Dialect(Protocol):
    """A way of writing actions."""

    how: str
    """What the policy is told about it."""

    def strict(self, text: str) -> Parsed: ...

    def repairing(self, text: str) -> Parsed:
        """What was probably meant. The same as `strict` wherever that understands the text."""
        ...

    def write(self, thought: str, actions: tuple[ToolCall | Answer, ...]) -> str:
        """The text of a turn: `strict` reads it back."""
        ...


def tool_call(name: str, arguments: dict[str, Any], problem: str) -> Action:
    """A tool call, or the problem where the arguments cannot be kept in a record."""
    try:
        return ToolCall(name=name, arguments=arguments)
    except ValidationError as error:
        return Malformed(problem=f"{problem}, {error.errors()[0]['msg'].removeprefix('Value error, ')}")


def not_json(constant: str) -> None:
    """Refuse NaN and Infinity, which Python reads and JSON does not have. Raises ValueError."""
    raise ValueError(f"{constant} is not JSON")


def mended_json(text: str) -> Any:
    """What JSON with slips was meant to say: unclosed brackets, trailing commas, single quotes; None for nonsense."""
    if len(text) > MENDED_CHARS:
        return None
    try:
        return json_repair.loads(text)
    except (ValueError, RecursionError):
        return None
