"""Which demonstration is learned from when: sample n of a stage is the same whoever takes it, and in whatever order.

Each sample is of a source, drawn by its weight, and within a source (or, where a tag is balanced, within those of one
value of the tag) without replacement, epoch after epoch. A demonstration that nothing should be learned from is left
out, and what follows it in its epoch takes its place.
"""

from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from agent.chats import chat_for
from agent.render import Chat
from agent.training.drawing import drawn, number_of
from agent.translate import translated
from envs.env import ReadingEnv
from sft.collate import Example
from sft.settings import Training
from sft.sources import Source, Unusable, opened, refusal

MOST_LEFT_OUT = 200
"""So many demonstrations left out in a row stop the training: something else is wrong with them."""


class MixtureError(ValueError):
    """A source that gives nothing to learn from."""


class Pool(NamedTuple):
    """Demonstrations of one source that are drawn alike."""

    source: int
    share: float
    """Of the samples of the stage."""
    numbers: Sequence[int] | np.ndarray


class LeftOut(NamedTuple):
    """A demonstration that nothing is learned from, and why."""

    source: str
    number: int
    reason: str


class Sample(NamedTuple):
    example: Any
    """What is learned from: an `Example`, or what a subclass of `Mixture` makes of a demonstration."""
    source: str
    """Its stage and place in it, as in "traces.0"."""
    number: int
    left_out: tuple[LeftOut, ...]
    """Those whose place it takes."""


def pools(sources: Sequence[Source], weights: Sequence[float], temperature: float, balance: str | None) -> list[Pool]:
    """Who is drawn how often: a source in proportion to weight ** (1 / temperature).

    Where a tag is balanced, a demonstration's weight is further divided by the root of how frequent its value of the
    tag is in the whole stage.
    """
    shares = np.asarray(weights, float) ** (1 / temperature)
    shares /= shares.sum()
    if balance is None:
        return [Pool(n, float(share), range(sources[n].count)) for n, share in enumerate(shares)]
    parts: list[Pool] = []
    frequency: Counter[str] = Counter()
    values: list[str] = []
    for place, (source, share) in enumerate(zip(sources, shares, strict=True)):
        tags = np.array([*source.tags(balance)], dtype=object)
        for value in sorted(set(tags)):
            numbers = np.flatnonzero(tags == value)
            parts.append(Pool(place, float(share * len(numbers) / len(tags)), numbers))
            frequency[value] += parts[-1].share  # type: ignore[assignment]  # a share, not a count
            values.append(value)
    raised = [part.share / frequency[value] ** 0.5 for part, value in zip(parts, values, strict=True)]
    return [part._replace(share=share / sum(raised)) for part, share in zip(parts, raised, strict=True)]


def in_tokens(source: Source, number: int, env: ReadingEnv, chat: Chat) -> Example:
    """A demonstration in tokens, however many. Raises Unusable."""
    episode = source.episode(number)
    if reason := refusal(episode, env):
        raise Unusable(reason)
    return Example.of(translated(episode, chat.coordinates, env.tools, env.dialect), chat)


class Mixture:
    """The samples of a stage, by number. It travels to other processes without what it has opened."""

    def __init__(self, training: Training, stage: int):
        self.training, self.stage = training, stage
        self.own = own = training.stages[stage]
        self.count = own.steps * own.batch
        self.pools = pools(self.sources, [data.weight for data in own.data], own.temperature, own.balance)
        self.seed = (training.own.seed, stage)
        self._which, self._place = drawn([pool.share for pool in self.pools], self.count, self.seed)

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in self.__dict__.items() if name not in ("sources", "chat", "env")}

    @cached_property
    def sources(self) -> list[Source]:
        return [opened(data, self.training.env, self.training.own.seed) for data in self.own.data]

    @cached_property
    def chat(self) -> Chat:
        return chat_for(self.training.model.path)

    @cached_property
    def env(self) -> ReadingEnv:
        """The rules that demonstrations must keep to."""
        return ReadingEnv(**self.training.env)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, n: int) -> Sample:
        """Sample n. Raises MixtureError where too many in a row are left out."""
        pool = self.pools[self._which[n]]
        source = self.sources[pool.source]
        left_out: list[LeftOut] = []
        for more in range(min(len(pool.numbers), MOST_LEFT_OUT)):
            number = self._number(n, more)
            try:
                example = self._example(source, number)
                return Sample(example, f"{self.own.name}.{pool.source}", number, tuple(left_out))
            except Unusable as reason:
                left_out.append(LeftOut(source.name, number, str(reason)))
        last = f"the last, number {left_out[-1].number}: {left_out[-1].reason}"
        raise MixtureError(f"{source.name}: {len(left_out)} demonstrations in a row are left out; {last}")

    def _number(self, n: int, more: int) -> int:
        """The number in its source of what comes `more` places after sample n in the same epoch, and around."""
        numbers = self.pools[self._which[n]].numbers
        epoch, place = divmod(int(self._place[n]), len(numbers))
        moved = epoch * len(numbers) + (place + more) % len(numbers)
        return int(numbers[number_of(len(numbers), moved, (*self.seed, 1, int(self._which[n])))])

    def _example(self, source: Source, number: int) -> Any:
        """A demonstration in tokens. Raises Unusable."""
        example = in_tokens(source, number, self.env, self.chat)
        if len(example.rendered.ids) > self.training.model.max_length:
            raise Unusable(f"longer than {self.training.model.max_length} tokens")
        return example
