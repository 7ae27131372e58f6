"""What the demonstrations of a training hold: how many there are, how long they are, what of them is learned from.

Not all are looked at: a sample is, spread evenly over each set, and its size is said.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from agent.chats.qwen import image_limits
from agent.config import call
from agent.render import Chat
from envs.env import ReadingEnv
from sft.mixture import in_tokens, pools
from sft.phases import NAMES
from sft.settings import Training
from sft.sources import Source, Unusable, opened
from sft.tower import looked_at
from tools.geometry import Frozen

LOOKED = 32
"""Demonstrations of each set that are looked at."""


class Census(Frozen):
    """One set of demonstrations, as far as it was looked at."""

    name: str
    count: int
    looked: int
    share: float = 1.0
    """Of the episodes of its stage, by its weight."""
    tokens: tuple[int, ...] = ()
    """[kept] of each demonstration that would be kept."""
    images: tuple[int, ...] = ()
    """[kept] those of its tokens that stand for images."""
    learned: dict[str, float] = {}
    """Tokens an episode that are learned from, by phase."""
    dropped: dict[str, int] = {}
    """Why demonstrations that were looked at would be dropped, their length apart, and how many."""
    long: tuple[int, ...] = ()
    """Tokens of those that are too long."""

    def at(self, percent: float) -> int:
        """So many percent of the episodes are no longer than this, tokens."""
        return int(np.percentile(self.tokens, percent, method="higher")) if self.tokens else 0


def census(training: Training, stage: int, chat: Chat, looked: int = LOOKED) -> list[Census]:
    """Every set of demonstrations of a stage. Raises ConfigError where one is not there."""
    own = training.stages[stage]
    sources = [opened(one, training.env, training.own.seed) for one in own.data]
    drawn = pools(sources, [one.weight for one in own.data], own.temperature, None)
    size = _seen(training) if own.teach == "places" else _written(training, chat)
    return [
        _counted(source, size, training.model.max_length, looked).model_copy(update={"share": pool.share})
        for source, pool in zip(sources, drawn, strict=True)
    ]


class Size(NamedTuple):
    """Of one demonstration."""

    tokens: int
    images: int
    """Those of its tokens that stand for images."""
    phases: Sequence[int] = ()
    """[tokens] see `sft.phases`."""


def _counted(source: Source, size: Callable[[Source, int], Size], max_length: int, looked: int) -> Census:
    kept: list[Size] = []
    long: list[int] = []
    dropped: Counter[str] = Counter()
    numbers = sorted({int(number) for number in np.linspace(0, source.count - 1, min(source.count, looked))})
    for number in numbers:
        try:
            found = size(source, number)
        except Unusable as reason:
            dropped[str(reason)] += 1
            continue
        if found.tokens > max_length:
            long.append(found.tokens)
        else:
            kept.append(found)
    phases = Counter(phase for one in kept for phase in one.phases)
    return Census(
        name=source.name,
        count=source.count,
        looked=len(numbers),
        tokens=tuple(one.tokens for one in kept),
        images=tuple(one.images for one in kept),
        learned={name: phases[place] / len(kept) for place, name in enumerate(NAMES, 1) if phases[place]},
        dropped=dict(dropped),
        long=tuple(long),
    )


def _written(training: Training, chat: Chat) -> Callable[[Source, int], Size]:
    """What measures a demonstration in tokens, however many; it raises Unusable."""
    env = call("env", ReadingEnv, training.env)

    def size(source: Source, number: int) -> Size:
        example = in_tokens(source, number, env, chat)
        return Size(len(example.rendered.ids), example.rendered.ids.count(chat.pad), example.phases)

    return size


def _seen(training: Training) -> Callable[[Source, int], Size]:
    """What measures the views of a question, where places are taught; it raises Unusable."""
    limits = image_limits(training.model.path)

    def size(source: Source, number: int) -> Size:
        tokens = sum(len(look.holds) for look in looked_at(source, number, limits, (number,)))
        return Size(tokens, tokens)

    return size
