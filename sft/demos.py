"""Make demonstrations: play questions in the real environment, and keep the episodes that are right.

    runs/demos/<name>/run.json       what was asked, of whom, and how many were kept
    runs/demos/<name>/tries.jsonl    one Try a line, in the order they ended; a killed making goes on from here
    runs/demos/<name>/episodes/ ...  the episodes that were kept, as in every run

Rejection sampling: a question is asked until it is answered rightly, or `tries` times.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count as count_from
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from agent.config import build
from agent.faults import Faults
from agent.lines import appended, whole_lines
from agent.loop import Policy, play_all
from agent.plan import blocks
from agent.spread import Tell, spread
from agent.trace import Writer, read
from envs.datasets import Task, split_hash, task_hash
from envs.env import ReadingEnv
from envs.episode import FAULTS, Episode, Question, Truth
from envs.grading import grade
from envs.rows import DataError
from tools.geometry import Frozen

BLOCK = 32
"""So many questions are held at once."""
APART = 1_000_003
"""Try t of question n is played with the seed t * APART + n."""
BY = ("family", "task", "modality", "language", "difficulty")
"""The tags that the rate is told by."""
FAULT = "fault"


class Order(Frozen):
    """All that decides which demonstrations are made."""

    task: dict[str, Any]
    policy: dict[str, Any]
    """Who shows how to read; the truth is given to none but those that take `truth_of`."""
    env: dict[str, Any] = {}
    count: Annotated[int, Field(ge=1)] | None = None
    """Questions asked; None: all of the task."""
    tries: Annotated[int, Field(ge=1)] = 1
    """How often a question is asked at most."""
    at_once: Annotated[int, Field(ge=1)] = 8
    workers: Annotated[int, Field(ge=1)] = 1
    """Processes."""
    skip_bad: bool = False
    """Whether rows that cannot be used are left out."""


class Try(Frozen):
    """What came of asking a question once."""

    number: int
    """Of the question in its task, from 0."""
    attempt: int = 0
    question: str
    hash: str
    """Of the question, its pictures and its truth."""
    tags: dict[str, str] = {}
    dropped: str = ""
    """Why it was not kept, in a word or two; empty where it was."""
    why: str = ""
    """The same in a sentence."""

    @property
    def key(self) -> tuple[int, int]:
        return self.number, self.attempt


def make(order: Order, folder: Path, told: Tell = lambda done: None) -> None:
    """Play what is missing in `folder`; `told` hears of every Try, and of every row that was left out (DataError).

    Raises PlayError where too many episodes end by a fault, DataError where a row cannot be used.
    """
    tries = read_tries(folder)
    over = _over(order, tries)
    logged = {one.question for one in tries if not one.dropped}
    there = {e.question.id for e in read(folder)} if (folder / "episodes").is_dir() else set()
    with appended(folder / "tries.jsonl") as add:

        def keep(done: Try | DataError) -> None:
            if isinstance(done, Try):
                add(done)
            told(done)

        shares = [(order, over, frozenset(there - logged), folder, n) for n in range(order.workers)]
        spread(_play, shares, keep)


def read_tries(folder: Path) -> list[Try]:
    """What has been tried, by question; a line that was broken off is left out, and the last of a try counts."""
    found = [Try.model_validate_json(line) for line in whole_lines(folder / "tries.jsonl")]
    return sorted({one.key: one for one in found}.values(), key=lambda one: one.key)


def _over(order: Order, tries: Iterable[Try]) -> dict[int, set[int]]:
    """For each question the attempts that are over: all of them where one was kept; a fault is none."""
    over: dict[int, set[int]] = {}
    for one in tries:
        if one.dropped != FAULT:
            over.setdefault(one.number, set()).update([one.attempt] if one.dropped else range(order.tries))
    return over


def totals(tries: Collection[Try]) -> dict[str, Any]:
    """The numbers of a making, for `run.json`: the rate is that of single tries."""
    kept = sum(not one.dropped for one in tries)
    hashes = {one.number: one.hash for one in tries}
    return {
        "asked": len(hashes),
        "tried": len(tries),
        "kept": kept,
        "rate": round(kept / len(tries), 6) if tries else 0.0,
        "dropped": dict(Counter(one.dropped for one in tries if one.dropped).most_common()),
        "by": {name: values for name in BY if (values := _by(name, tries))},
        "data": split_hash(hashes.values()),
    }


def _by(tag: str, tries: Iterable[Try]) -> dict[str, dict[str, int]]:
    """For each value of a tag, how many tries there were and how many were kept."""
    found: dict[str, dict[str, int]] = {}
    for one in tries:
        if value := one.tags.get(tag):
            row = found.setdefault(value, {"tried": 0, "kept": 0})
            row["tried"] += 1
            row["kept"] += not one.dropped
    return dict(sorted(found.items()))


def dropped(episode: Episode, truth: Truth) -> tuple[str, str]:
    """Why an episode is no demonstration, in a word or two and in a sentence; two empty texts where it is one."""
    if episode.stop in FAULTS:
        last = (episode.problem.strip().splitlines() or [""])[-1]
        return FAULT, f"it ended by a fault: {episode.stop}, {last or 'no reason given'}"
    if episode.answer is None:
        return "limit", f"it came to no answer: {episode.stop or 'broken off'} after {len(episode.turns)} turns"
    loose = next((n for n, turn in enumerate(episode.turns, 1) if not turn.strict), None)
    if loose:
        return "malformed", f"turn {loose} is not written as asked: {episode.turns[loose - 1].problem}"
    judged = grade(episode, truth)
    if not judged.parsed:
        return "malformed", f"the answer cannot be read: {judged.problem or episode.answer[:80]}"
    if not judged.right:
        return "wrong", f"the answer {episode.answer[:80]!r} is wrong; right is {truth.answer[:80]!r}"
    if not judged.strict:
        return "malformed", f"the answer {episode.answer[:80]!r} is right, but not written as asked"
    if len(episode.turns) > 1 and episode.turns[-2].acts[-1].refused:
        said = episode.turns[-2].acts[-1].observation.words()
        return "refused last", f"it answers after a refusal: {said[:120]}"
    return "", ""


async def _play(
    order: Order, over: Mapping[int, set[int]], unlogged: Collection[str], folder: Path, worker: int, tell: Tell
) -> None:
    """Play every block of questions that falls to a worker."""
    truths: dict[str, Truth] = {}
    more = {"truth_of": truths.__getitem__, "dialect": order.env.get("dialect", "tags")}
    policy: Policy = build("agent.policies", order.policy, **more)
    with Writer(folder, f"w{worker}") as writer:
        maker = _Maker(order, policy, over, unlogged, writer, tell)
        for start, whole in blocks(order.task, _starts(order, over, worker), BLOCK, maker.on_bad):
            if not whole:
                break
            block = whole if order.count is None else whole[: order.count - start]
            truths.clear()
            truths |= {question.id: _known(question, truth) for question, truth in block}
            await maker.play(dict(enumerate(block, start)))
            maker.faults.check()


def _starts(order: Order, over: Mapping[int, set[int]], worker: int) -> Iterator[int]:
    """The first number of each block that is not over; without end where it is not known how many there are."""
    for start in count_from(worker * BLOCK, order.workers * BLOCK):
        stop = start + BLOCK if order.count is None else min(start + BLOCK, order.count)
        if start >= stop:
            return
        if any(len(over.get(number, ())) < order.tries for number in range(start, stop)):
            yield start


def _known(question: Question, truth: Truth | None) -> Truth:
    if truth is None:
        raise DataError(f"question {question.id!r} has no truth to be judged by")
    return truth


@dataclass
class _Maker:
    """What a worker makes demonstrations with, and where they go."""

    order: Order
    policy: Policy
    over: Mapping[int, set[int]]
    unlogged: Collection[str]
    """Questions whose episode was kept just before the making was killed, and never logged."""
    writer: Writer
    tell: Tell
    faults: Faults = field(default_factory=Faults)

    def on_bad(self, problem: DataError) -> None:
        if not self.order.skip_bad:
            raise problem
        self.tell(problem)

    async def play(self, tasks: Mapping[int, Task]) -> None:
        """Ask each question until it is answered rightly, or often enough."""
        if len({question.id for question, _ in tasks.values()}) < len(tasks):
            raise DataError("two questions of the task have the same id")
        left = {number: set(range(self.order.tries)) - self.over.get(number, set()) for number in tasks}
        for number in [n for n in tasks if left[n] and tasks[n][0].id in self.unlogged]:
            self.tell(_try(number, min(left[number]), tasks[number]))
            left[number].clear()
        for attempt in range(self.order.tries):
            asked = {number: tasks[number] for number in tasks if attempt in left[number]}
            for number in await self._ask(asked, attempt):
                left[number].clear()

    async def _ask(self, tasks: Mapping[int, Task], attempt: int) -> list[int]:
        """Ask each question once; gives the numbers of those that were answered rightly."""
        number_of = {question.id: number for number, (question, _) in tasks.items()}
        right: list[int] = []

        def make_env() -> ReadingEnv:
            return ReadingEnv([*tasks.values()], **self.order.env)

        def ended(episode: Episode) -> None:
            number = number_of[episode.question.id]
            self.faults.add(episode)
            if kept(self.order.policy["name"], number, attempt, episode, tasks[number], self.writer, self.tell):
                right.append(number)

        questions, seeds = [question for question, _ in tasks.values()], [attempt * APART + n for n in tasks]
        await play_all(make_env, self.policy, questions, self.order.at_once, seeds, ended=ended)
        return right


def kept(name: str, number: int, attempt: int, episode: Episode, task: Task, writer: Writer, tell: Tell) -> bool:
    """Write an episode by the policy `name` if it is right, and tell what became of it."""
    reason, why = dropped(episode, task[1])
    if not reason:
        writer.write(episode.model_copy(update={"id": task[0].id, "policy": name}))
    tell(_try(number, attempt, task, reason, why))
    return not reason


def _try(number: int, attempt: int, task: Task, reason: str = "", why: str = "") -> Try:
    question, truth = task
    return Try(
        number=number,
        attempt=attempt,
        question=question.id,
        hash=task_hash(question, truth),
        tags=question.tags,
        dropped=reason,
        why=why,
    )
