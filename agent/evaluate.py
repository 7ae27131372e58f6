"""Play a task with one or several policies, in several ways, and keep what came of every question.

    runs/eval/<name>/results.jsonl     one Result a line, in the order they ended; a killed run goes on from here
    runs/eval/<name>/episodes/ ...     the episodes themselves, as in every run
    runs/eval/<name>/summary.json      the numbers of the report: the same for the same data, policies and settings

Every question counts: one whose answer cannot be read is wrong, and so is one that ended at a limit. A fault of ours is
played once more; where more than 5 % of the questions remain faults, the evaluation is stopped.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from agent.arms import Arm, environment, put
from agent.causes import Cause, cause
from agent.config import build
from agent.faults import Faults
from agent.lines import appended, whole_lines
from agent.loop import Policy, play_all
from agent.plan import Plan, blocks
from agent.spread import spread
from agent.trace import Writer
from envs.env import ReadingEnv
from envs.episode import FAULTS, Episode, Kind, Question, Stop, Truth
from envs.grading import Grade, grade
from envs.rows import DataError, refuse
from tools.geometry import Frozen

BLOCK = 32
"""So many questions are held at once; one of them stands in for the next where studies are shuffled."""

Done = Callable[["Result"], None]


class Result(Frozen):
    """What came of one question in one arm."""

    arm: str
    number: int
    """Of the question in its task, from 0."""
    question: str
    study: str
    kind: Kind
    tags: dict[str, str] = {}
    answer: str | None = None
    truth: str
    grade: Grade
    cause: Cause
    stop: Stop | None
    turns: int
    tool_calls: int
    refused: int
    """Calls and texts that were answered with a refusal."""
    tokens: int
    seconds: float

    @property
    def key(self) -> tuple[str, int]:
        return self.arm, self.number


def evaluate(plan: Plan, folder: Path, workers: int = 1, done: Done = lambda result: None) -> None:
    """Play what is missing in `folder`; `done` is told of every result as it comes. Raises PlayError."""
    missing = _missing(plan, read_results(folder))
    with appended(folder / "results.jsonl") as add:

        def keep(result: Result) -> None:
            add(result)
            done(result)

        spread(_play, [(plan, missing[n::workers], folder, f"w{n}") for n in range(workers)], keep)


def read_results(folder: Path) -> list[Result]:
    """What has been played, in the order of arms and questions; a line that was broken off is left out."""
    found = [Result.model_validate_json(line) for line in whole_lines(folder / "results.jsonl")]
    return sorted({result.key: result for result in found}.values(), key=lambda result: result.key)


class _Part(NamedTuple):
    """Questions of one block that are still to be played in one arm."""

    arm: Arm
    start: int
    """The number of the first question of the block."""
    numbers: tuple[int, ...]


def _missing(plan: Plan, have: Sequence[Result]) -> list[_Part]:
    """What is still to be played; what ended by a fault of ours is, too."""
    played = {result.key for result in have if result.stop not in FAULTS}
    parts = []
    for arm in plan.arms:
        for start in range(0, plan.count, BLOCK):
            numbers = range(start, min(start + BLOCK, plan.count))
            if left := tuple(n for n in numbers if (arm.name, n) not in played):
                parts.append(_Part(arm, start, left))
    return parts


async def _play(plan: Plan, parts: Sequence[_Part], folder: Path, worker: str, keep: Done) -> None:
    """Play one block after the other, the episodes of each side by side."""
    truths: dict[str, Truth] = {}
    more = {"truth_of": truths.__getitem__, "dialect": plan.env.get("dialect", "tags")}
    policies: dict[str, Policy] = {}
    with Writer(folder, worker) as writer:
        kept = _Kept(plan, writer, keep, Faults())
        for arm, of_arm in groupby(parts, key=lambda part: part.arm):
            numbers = {part.start: part.numbers for part in of_arm}
            if arm.policy not in policies:
                policies[arm.policy] = build("agent.policies", plan.policies[arm.policy], **more)
            on_bad = _left_out if plan.skip_bad else refuse
            for start, block in blocks(plan.task, numbers, BLOCK, on_bad):
                tasks = dict(enumerate(block, start))
                truths.clear()
                truths |= {question.id: truth for question, truth in block}
                await _block(plan, arm, tasks, numbers[start], policies[arm.policy], kept)
                kept.faults.check()


def _left_out(problem: DataError) -> None:
    """A row that cannot be used; the survey has told of it."""


@dataclass
class _Kept:
    """Where the episodes and results of a worker go, and how many of them were faults of ours."""

    plan: Plan
    writer: Writer
    told: Done
    faults: Faults

    def add(self, arm: Arm, number: int, episode: Episode, truth: Truth) -> None:
        if self.plan.keep:
            names = {"id": f"{arm.name}/{episode.question.id}", "policy": arm.policy, "group": arm.name}
            self.writer.write(episode.model_copy(update=names))
        self.told(_result(arm, number, episode, truth))
        self.faults.add(episode)


async def _block(
    plan: Plan,
    arm: Arm,
    tasks: Mapping[int, tuple[Question, Truth]],
    numbers: Sequence[int],
    policy: Policy,
    kept: _Kept,
) -> None:
    """Play these questions and keep each as it ends; one that ended by a fault is played once more."""
    order = sorted(tasks)
    other = {n: tasks[order[(place + 1) % len(order)]][0] for place, n in enumerate(order)}
    others = {image.source: other[n] for n in order for image in tasks[n][0].images}
    number_of = {tasks[n][0].id: n for n in order}
    failed: list[int] = []

    def ended(episode: Episode) -> None:
        number = number_of[episode.question.id]
        if episode.stop in FAULTS and number not in failed:
            failed.append(number)
        else:
            kept.add(arm, number, episode, tasks[number][1])

    async def play(which: Sequence[int]) -> None:
        def make_env() -> ReadingEnv:
            return environment(arm, plan.env, [tasks[n] for n in which], others)

        seeds = [arm.seed * 1_000_003 + n for n in which]
        asked = [put(arm, *tasks[n], other[n]) for n in which]
        await play_all(make_env, policy, asked, plan.at_once, seeds, ended=ended)

    await play(numbers)
    await play(tuple(failed))


def _result(arm: Arm, number: int, episode: Episode, truth: Truth) -> Result:
    judged = grade(episode, truth)
    acts = [act for turn in episode.turns for act in turn.acts]
    return Result(
        arm=arm.name,
        number=number,
        question=episode.question.id,
        study=episode.question.study.id,
        kind=episode.question.kind,
        tags=episode.question.tags,
        answer=episode.answer,
        truth=truth.answer,
        grade=judged,
        cause=cause(episode, truth, judged),
        stop=episode.stop,
        turns=len(episode.turns),
        tool_calls=len(episode.tool_calls),
        refused=sum(act.refused for act in acts),
        tokens=episode.num_tokens,
        seconds=round(sum(turn.seconds for turn in episode.turns) + sum(act.seconds for act in acts), 4),
    )
