"""Gymnasium spaces for free text and for text with images."""

from typing import Any

from gymnasium import Space

from envs.episode import Reply
from tools.tool import Observation


class ReplySpace(Space[str | Reply]):
    """Any text at all. `sample` draws short nonsense, which is a legal, malformed reply."""

    def __init__(self, seed: int | None = None):
        super().__init__(shape=None, dtype=None, seed=seed)

    def sample(self, mask: Any = None, probability: Any = None) -> str:
        return _nonsense(self)

    def contains(self, x: object) -> bool:
        return isinstance(x, str | Reply)


class ObservationSpace(Space[Observation]):
    """Words with images."""

    def __init__(self, seed: int | None = None):
        super().__init__(shape=None, dtype=None, seed=seed)

    def sample(self, mask: Any = None, probability: Any = None) -> Observation:
        return Observation(text=_nonsense(self))

    def contains(self, x: object) -> bool:
        return isinstance(x, Observation)


def _nonsense(space: Space[Any]) -> str:
    return "".join(chr(97 + n) for n in space.np_random.integers(0, 26, size=8))
