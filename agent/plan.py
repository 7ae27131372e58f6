"""What an evaluation is to play, and how it is kept with its run."""

import inspect
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from agent.alterations import LEVELS, Corruption
from agent.arms import Arm, Tools, Views
from agent.config import ConfigError, build, call, check
from envs.episode import Question, Truth
from envs.rows import OnBad, refuse
from tools.geometry import Frozen
from tools.lookup import find

Count = Annotated[int, Field(ge=1)]


@dataclass(frozen=True)
class Design:
    """The table [eval]: what is played beside the policy with its tools."""

    tools: tuple[Tools, ...] = ("auto", "none")
    """How tools may be used; the first is the main arm."""
    images: tuple[str, ...] = ("blank", "shuffled")
    """Baselines in which the policy is shown nothing, or the study of another question."""
    views: tuple[Views, ...] = ()
    """Counterfactuals: what tools show is blank, of another question, or of elsewhere."""
    corruptions: tuple[Corruption, ...] = ()
    """Each is played at three levels."""
    seeds: tuple[int, ...] = (0,)
    beside: tuple[str, ...] = ()
    """Other policies, by name, played as the main arm is."""
    ood: Mapping[str, str] | None = None
    """Tags of the questions that count as out of distribution: those that have all of them."""
    at_once: Count = 8
    workers: Count = 1
    keep: bool = True
    """Whether the episodes are kept, with their images."""

    def arms(self, policy: str) -> tuple[Arm, ...]:
        """Every way in which the questions are put, the main one first."""
        main = Arm(policy=policy, tools=self.tools[0], seed=self.seeds[0])
        changes: list[dict[str, Any]] = [{"tools": tools} for tools in self.tools[1:]]
        changes += [{"seed": seed} for seed in self.seeds[1:]] + [{"image": image} for image in self.images]
        changes += [{"views": views} for views in self.views]
        changes += [{"image": f"{name}/{level}"} for name in self.corruptions for level in LEVELS]
        changes += [{"policy": other} for other in self.beside]
        return tuple(dict.fromkeys((main, *(main.model_copy(update=change) for change in changes))))


class Plan(Frozen):
    """All that decides what an evaluation finds."""

    task: dict[str, Any]
    policies: dict[str, dict[str, Any]]
    env: dict[str, Any]
    arms: tuple[Arm, ...]
    count: int
    """Questions."""
    at_once: int = 8
    keep: bool = True
    skip_bad: bool = False
    """Whether rows that cannot be used are left out."""


def designed(table: Mapping[str, Any]) -> Design:
    """The design that a table states. Raises ConfigError."""
    check("eval", table, Design.__dataclass_fields__)
    made: Design = call("eval", Design, table)
    for name in ("tools", "seeds"):
        if not getattr(made, name):
            raise ConfigError(f"eval.{name} is empty; the first of it is how the main reader is played")
    return made


def out_of_distribution(tags: Sequence[Mapping[str, str]], wanted: Mapping[str, str]) -> None:
    """Check that some questions have all the wanted tags, and some not. Raises ConfigError."""
    out = sum(wanted.items() <= own.items() for own in tags)
    if not 0 < out < len(tags):
        said = ", ".join(f"{name}={value}" for name, value in wanted.items())
        raise ConfigError(f"eval.ood: {out} of {len(tags)} questions have {said}; some must, and some not")


def questions(
    task: Mapping[str, Any], start: int = 0, stop: int | None = None, on_bad: OnBad = refuse
) -> Iterator[tuple[Question, Truth]]:
    """The questions number `start` up to `stop` of a task; one that can begin anywhere is not read from its beginning.

    Raises ConfigError where the task or a setting is wrong, DataError where a row is, and `on_bad` refuses it.
    """
    if not begins_anywhere(task):
        return islice(build("envs.tasks", task, on_bad=on_bad), start, stop)
    takes = inspect.signature(loader(task)).parameters
    first, number = task.get("start", takes["start"].default), task.get("count", takes["count"].default)
    stop = number if stop is None else min(stop, number)
    part = {**task, "start": first + start, "count": max(0, stop - start)}
    made: Iterator[tuple[Question, Truth]] = build("envs.tasks", part)
    return made


def blocks(
    task: Mapping[str, Any], starts: Iterable[int], size: int, on_bad: OnBad = refuse
) -> Iterator[tuple[int, list[tuple[Question, Truth]]]]:
    """The blocks of `size` questions that begin at `starts`, which rise; a file is read once for all of them."""
    stream, at = iter(()) if begins_anywhere(task) else questions(task, on_bad=on_bad), 0
    for start in starts:
        if begins_anywhere(task):
            yield start, list(questions(task, start, start + size))
            continue
        for _ in islice(stream, start - at):
            pass
        yield start, list(islice(stream, size))
        at = start + size


def begins_anywhere(task: Mapping[str, Any]) -> bool:
    """Whether question n of a task can be made without those before it."""
    return {"start", "count"} <= inspect.signature(loader(task)).parameters.keys()


def loader(task: Mapping[str, Any]) -> Callable[..., Any]:
    try:
        return find("envs.tasks", str(task.get("name")))
    except LookupError as error:
        raise ConfigError(str(error)) from None


def facts_of(plan: Plan, design: Design, data: str) -> dict[str, Any]:
    """What `run.json` says of an evaluation: all that decides its numbers."""
    facts: dict[str, Any] = {
        "kind": "eval",
        "plan": plan.model_dump(mode="json"),
        "design": asdict(design),
        "data": data,
    }
    return json.loads(json.dumps(facts))  # as it is read back


def stored(folder: Path) -> dict[str, Any]:
    """What `run.json` says of an evaluation. Raises ConfigError where the folder holds none."""
    try:
        facts: dict[str, Any] = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        facts = {}
    if facts.get("kind") != "eval":
        raise ConfigError(f"{folder} is not the run of an evaluation")
    return facts


def differing(before: Mapping[str, Any], now: Mapping[str, Any], keys: Iterable[str] | None = None) -> list[str]:
    """The settings that differ, of all or of `keys`: plan.task.count, plan.env.max_turns ..."""
    names = []
    for key in sorted(before.keys() | now.keys()) if keys is None else keys:
        a, b = before.get(key), now.get(key)
        if a != b and isinstance(a, dict) and isinstance(b, dict):
            names += [f"{key}.{inner}" for inner in differing(a, b)]
        elif a != b:
            names.append(key)
    return names
