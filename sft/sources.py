"""Where demonstrations come from: a run folder that holds them, or a policy that makes each when it is needed."""

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent import trace
from agent.config import ConfigError, build
from agent.loop import play
from agent.training.tasks import Numbered
from envs.env import ReadingEnv
from envs.episode import Episode, Question, Truth
from envs.grading import grade
from sft.settings import Data
from tools.study import content_id


class Unusable(ValueError):
    """A demonstration that nothing should be learned from; the message is the reason."""


@dataclass(frozen=True)
class Source:
    """Demonstrations number 0 to `count` - 1."""

    name: str
    count: int
    episode: Callable[[int], Episode]
    """Raises Unusable where it cannot be read."""
    asked: Callable[[int], tuple[Question, Truth]]
    """What each is about. Raises Unusable where it cannot be read, or nobody knows the truth."""
    tags: Callable[[str], Iterator[str]]
    """[count] the value of a tag of each; "" where it has none."""
    hash: Callable[[], str]
    """Of what is stored, or of what is stated of task and policy: the same data, the same hash."""


def opened(data: Data, rules: Mapping[str, Any], seed: int) -> Source:
    """A source; demonstration n of a task is played with a seed that follows from `seed` and n. Raises ConfigError."""
    source = _stored(data) if data.run is not None else _fresh(data, rules, seed)
    if not source.count:
        raise ConfigError(f"{source.name} holds no demonstration")
    return source


def refusal(episode: Episode, env: ReadingEnv) -> str:
    """Why nothing should be learned from a demonstration; empty where something should."""
    if episode.stop != "answered":
        return f"no answer ({episode.stop or 'broken off'})"
    if unknown := {call.name for call in episode.tool_calls} - env.tools.keys():
        return f"asks for the unknown tool {min(unknown)!r}"
    if episode.truth is not None and not grade(episode, episode.truth).right:
        return "wrong"
    return "an image is missing" if any(not _there(image) for image in trace.every_image(episode)) else ""


def _there(image: Any) -> bool:
    try:
        return bool(image.pixels.size)
    except (OSError, ValueError):
        return False


def _stored(data: Data) -> Source:
    folder = data.run
    assert folder is not None
    if not (folder / "episodes").is_dir():
        raise ConfigError(f"{folder} holds no episodes/: make it with `overread data demos`")
    paths = sorted((folder / "episodes").glob("*.index"))
    rows = [(path.stem, int(row["offset"]), int(row["length"])) for path in paths for row in _rows(folder, path)]

    def episode(number: int) -> Episode:
        try:
            return trace.read_at(folder, *rows[number])
        except trace.BROKEN:
            raise Unusable("a line that is no whole episode") from None

    def asked(number: int) -> tuple[Question, Truth]:
        found = episode(number)
        if found.truth is None:
            raise Unusable("its truth is not known")
        return found.question, found.truth

    def tags(tag: str) -> Iterator[str]:
        for worker, offset, length in rows:
            with open(folder / "episodes" / f"{worker}.jsonl", "rb") as file:
                file.seek(offset)
                yield _tag(file.read(length), tag)

    def hashed() -> str:
        return content_id(*(path.with_suffix(".jsonl").read_bytes() for path in paths))

    return Source(data.name, len(rows), episode, asked, tags, hashed)


def _rows(folder: Path, path: Path) -> Any:
    return trace.index(folder, path.stem)


def _tag(line: bytes, tag: str) -> str:
    try:
        return str(json.loads(line)["question"]["tags"].get(tag, ""))
    except trace.BROKEN:
        return ""


def _fresh(data: Data, rules: Mapping[str, Any], seed: int) -> Source:
    task = data.task
    assert task is not None
    asked = Numbered(task)
    truths: dict[str, Truth] = {}
    more = {"truth_of": truths.__getitem__, "dialect": rules.get("dialect", "tags")}
    policy = build("agent.policies", data.policy, **more) if data.policy else None

    def episode(number: int) -> Episode:
        assert policy is not None
        question, truth = asked[number]
        truths.clear()
        truths[question.id] = truth
        env = ReadingEnv([(question, truth)], **rules)
        return asyncio.run(play(env, policy, question, seed * 1_000_003 + number))

    def tags(tag: str) -> Iterator[str]:
        return (question.tags.get(tag, "") for question, _ in asked)

    stated = json.dumps([task, data.policy], sort_keys=True, default=str)
    return Source(data.name, asked.count, episode, asked.__getitem__, tags, lambda: content_id(stated.encode()))
