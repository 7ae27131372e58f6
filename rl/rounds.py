"""A round: the questions of a step are played, each as often as its group is large, checked, and packed."""

import time
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.render import Chat, Rendered, render
from agent.trace import Writer
from envs.episode import FAULTS, Episode
from rl.check import Broken, broken
from rl.metrics import measured, seconds
from rl.order import Order, most_replaced
from rl.packing import Packed, filtered, flat, packed
from rl.rollouts import Rollouts
from rl.settings import Training
from rl.weights import Update
from rl.worker import Job
from tools.image import Image


@dataclass(frozen=True)
class Round:
    """What a round came to, in the order of its groups."""

    batch: list[Packed]
    line: dict[str, Any]
    """Its numbers; see `rl.metrics`."""


def worker(step: int) -> str:
    """Whose episodes they are: those of a step lie in files of their own."""
    return f"train-{step:07d}"


def forget(folder: Path, after: int) -> None:
    """Remove the episodes of later steps: they will be played again."""
    for path in (folder / "episodes").glob("train-*"):
        if int(path.stem.removeprefix("train-")) > after:
            path.unlink()


@dataclass
class Rounds:
    """Plays round after round."""

    training: Training
    order: Order
    rollouts: Rollouts
    chat: Chat
    features: Callable[[Image], int]
    folder: Path
    tell: Callable[[str], None]
    spare: int = 0
    """Questions that were played beyond those of the steps."""
    _ahead: "tuple[int, Future[list[Episode]]] | None" = None
    _loaded: int = -1
    _seconds: dict[str, float] = field(default_factory=dict)

    def play(self, number: int, step: int, update: Callable[[], Update]) -> Round:
        """Round `number`, for the step after `step`; `update` gives the weights as they are now."""
        self._seconds = {}
        spare = self.spare
        if self._ahead is None or self._ahead[0] != number:
            self._load(step, update)
            self._ahead = number, self._begin(number, step)
        began = time.perf_counter()
        episodes = self._ahead[1].result()
        self._ahead = None
        batch, episodes = self._replaced(*self._checked(episodes, step), step)
        self._seconds["rollout"] = time.perf_counter() - began
        if self.training.rollout.ahead and number + 1 < self.training.rounds:
            self._load(step, update)
            self._ahead = number + 1, self._begin(number + 1, step)
        line = {**measured(episodes), "flat_groups": len(flat(batch)) / self.training.own.questions}
        line |= {"replaced": self.spare - spare, "played_again": self._lost(), "broken": _broken(episodes)}
        line["seconds"] = {**self._seconds, **seconds(episodes)}
        if self.training.rollout.no_spread == "filter":
            batch = filtered(batch)
        return Round(batch, line)

    def _load(self, step: int, update: Callable[[], Update]) -> None:
        if self._loaded == step:
            return
        began = time.perf_counter()
        self.rollouts.load(update())
        self._loaded = step
        self._seconds["sync"] = time.perf_counter() - began

    def _begin(self, number: int, step: int) -> "Future[list[Episode]]":
        first = number * self.training.own.questions
        return self._jobs(range(first, first + self.training.own.questions), step)

    def _jobs(self, groups: Sequence[int], step: int) -> "Future[list[Episode]]":
        own = self.training.own
        jobs = []
        for group in groups:
            asked = self.order[group]
            for member in range(own.group):
                seed = (own.seed * 1_000_003 + group) * own.group + member
                jobs.append(Job(asked.source, asked.number, f"group {group}", seed, step))
        return self.rollouts.begin(jobs)

    def _replaced(self, batch: list[Packed], episodes: list[Episode], step: int) -> tuple[list[Packed], list[Episode]]:
        """With groups that teach nothing exchanged for others, as long as others may be played."""
        left = most_replaced(self.training)
        while left and (idle := flat(batch)[:left]):
            first = self.order.regular + self.spare
            more = self._jobs(range(first, first + len(idle)), step).result()
            self.spare += len(idle)
            left -= len(idle)
            new, played = self._checked(more, step)
            episodes += played
            size = self.training.own.group
            for place, group in enumerate(idle):
                at = next(n for n, one in enumerate(batch) if one.group == group)
                batch[at : at + size] = new[place * size : (place + 1) * size]
        return batch, episodes

    def _checked(self, episodes: Sequence[Episode], step: int) -> tuple[list[Packed], list[Episode]]:
        """Each episode packed, and as it is stored: one that breaks a rule is left out, and says so."""
        batch, kept = [], []
        for episode in episodes:
            rendered = None if episode.stop in FAULTS else render(episode, self.chat)
            found = [] if rendered is None else self._broken(episode, rendered, step)
            if found:
                said = f"left out, {found[0].invariant}: {found[0].says}"
                self.tell(f"{episode.group}, seed {episode.seed}: {said}")
                rendered, episode = None, episode.model_copy(update={"problem": said})
            batch.append(packed(episode, rendered, self.chat, self.training.rollout))
            kept.append(episode)
        self._store(kept, step)
        return batch, kept

    def _broken(self, episode: Episode, rendered: Rendered, step: int) -> list[Broken]:
        found = broken(episode, rendered, self.chat, self.features)
        oldest = f"step {step - self.training.rollout.ahead * self.training.iterations}"
        may = {oldest, f"step {step}"}
        stale = {turn.reply.model_version for turn in episode.turns} - may
        if stale and not found:
            found = [Broken("stale", f"written by {min(stale)}, and not by {' or '.join(sorted(may))}")]
        return found

    def _store(self, episodes: Sequence[Episode], step: int) -> None:
        kept = [episode for episode in episodes if self._keeps(episode.group)]
        if kept:
            with Writer(self.folder, worker(step)) as writer:
                for episode in kept:
                    writer.write(episode)

    def _keeps(self, group: str) -> bool:
        drawn = zlib.crc32(f"{self.training.own.seed} {group}".encode()) / 2**32
        return drawn < self.training.rollout.stored

    def _lost(self) -> int:
        lost, self.rollouts.lost = self.rollouts.lost, 0
        return lost


def _broken(episodes: Sequence[Episode]) -> int:
    return sum(episode.stop not in FAULTS and bool(episode.problem) for episode in episodes)
