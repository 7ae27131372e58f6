"""Which question is played when: the same for the same config, however often the training is stopped."""

from typing import NamedTuple

from agent.training.drawing import drawn, number_of
from agent.training.tasks import Numbered
from envs.episode import Question
from rl.settings import Training


class Asked(NamedTuple):
    """A question: number `number` of the task of a table [[data]]."""

    source: int
    number: int


class Order:
    """Group n asks about `order[n]`; the first of all are those of the steps, then come those in reserve."""

    def __init__(self, training: Training):
        self.tasks = [Numbered(data.task) for data in training.data]
        self.regular = training.rounds * training.own.questions
        count = self.regular + most_replaced(training) * training.rounds
        self._seed = (training.own.seed,)
        self._which, self._place = drawn([data.weight for data in training.data], count, self._seed)

    def __len__(self) -> int:
        return len(self._which)

    def __getitem__(self, n: int) -> Asked:
        source = int(self._which[n])
        size = self.tasks[source].count
        return Asked(source, number_of(size, int(self._place[n]), (*self._seed, 1, source)))

    def question(self, source: int, number: int) -> Question:
        return self.tasks[source][number][0]


def most_replaced(training: Training) -> int:
    """Questions of a step that may be played beyond its own."""
    how = training.rollout
    return round(how.most_replaced * training.own.questions) if how.no_spread == "replace" else 0
