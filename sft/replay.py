"""Play stored episodes again, reply by reply, and say where they come out otherwise."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from agent import trace
from agent.trace import every_image
from envs.datasets import Task
from envs.env import ReadingEnv
from envs.episode import Episode, Question, ToolCall, Truth, Turn
from envs.grading import grade
from tools.files import FileError
from tools.image import Image, pixel_hash
from tools.tool import Observation

BEFORE, AFTER = 20, 60
"""Characters told before and after the place where two texts part."""


Fits = Callable[[Episode, ReadingEnv], None]


class Where(NamedTuple):
    """A line of a run."""

    worker: str
    offset: int
    length: int


class ReplayError(ValueError):
    """A stored episode that does not come out again as it is stored: where, what was stored, what came."""


def replayed(episode: Episode, question: Question, truth: Truth, env: ReadingEnv) -> Episode:
    """The episode as it comes out when its replies are given again to `env`, which knows the question and its truth.

    Its views know their sources, as those of a stored one do not. Raises ReplayError.
    """
    _alike(episode, question, truth)
    _pictures_there(episode)
    _tools_there(episode, env)
    env.reset(seed=episode.seed, options={"question": question})
    _same("what is told first", episode.system, env.episode.system)
    _same_seen("the opening", episode.opening, env.episode.opening)
    for number, turn in enumerate(episode.turns, start=1):
        if env.episode.stop is not None:
            raise ReplayError(f"turn {number}: the episode is over after turn {number - 1}: {env.episode.stop}")
        env.step(turn.reply)
        _same_turn(f"turn {number}", turn, env.episode.turns[-1])
    again = env.episode
    _same("the stop", episode.stop, again.stop)
    _same("the answer", episode.answer, again.answer)
    if not grade(again, truth).right:
        raise ReplayError(f"the answer {again.answer!r} is wrong: the truth is {truth.answer!r}"[:300])
    kept = {"id": episode.id, "policy": episode.policy, "group": episode.group, "step": episode.step}
    return again.model_copy(update=kept)


def replays(
    folder: Path,
    tasks: Iterable[Task],
    make_env: Callable[[Task], ReadingEnv],
    fits: Fits = lambda episode, env: None,
    broken: list[str] | None = None,
) -> Iterator[tuple[str, str]]:
    """Replay every episode of a run, in the order of the questions: (its question, what is wrong with it or nothing).

    `fits` may have more to refuse of an episode that comes out as stored: it raises ReplayError. A line that cannot
    be read is skipped and said in `broken`.
    """
    left = _stored_at(folder, [] if broken is None else broken)
    for question, truth in tasks:
        for where in left.pop(question.id, ()):
            env = make_env((question, truth))
            yield question.id, _problem(folder, where, question, truth, env, fits)
    yield from ((id, "the task has no such question") for id, found in left.items() for _ in found)


def _problem(folder: Path, where: Where, question: Question, truth: Truth, env: ReadingEnv, fits: Fits) -> str:
    try:
        fits(replayed(trace.read_at(folder, *where), question, truth, env), env)
    except ReplayError as error:
        return str(error)
    except FileError as error:
        return f"the study cannot be read: {error}"
    return ""


def _stored_at(folder: Path, broken: list[str]) -> dict[str, list[Where]]:
    """Where the episodes of each question are: they need not all fit into memory."""
    found: dict[str, list[Where]] = {}
    for path in sorted((folder / "episodes").glob("*.jsonl")):
        offset = 0
        with open(path, "rb") as file:
            for number, line in enumerate(file, start=1):
                where = Where(path.stem, offset, len(line))
                offset += len(line)
                try:
                    found.setdefault(trace.read_at(folder, *where).question.id, []).append(where)
                except trace.BROKEN as error:
                    broken.append(f"{path}, line {number}: {str(error).partition(chr(10))[0]}")
    return found


def _alike(episode: Episode, question: Question, truth: Truth) -> None:
    """The question and the truth are those of the task."""
    stored = episode.question
    _same("the study", stored.study.id, question.study.id)
    for name in ("id", "text", "kind", "choices", "tags"):
        _same(f"the question's {name}", getattr(stored, name), getattr(question, name))
    _same("the question's views", [i.id for i in stored.images], [i.id for i in question.images])
    if episode.truth is None:
        raise ReplayError("no truth is stored: the episode was broken off, or never judged")
    for name in Truth.model_fields:
        _same(f"the truth's {name}", getattr(episode.truth, name), getattr(truth, name))


def _pictures_there(episode: Episode) -> None:
    """Every picture lies in the run, as it was seen; those of an episode that was never stored are with it."""
    for number, image in enumerate(every_image(episode)):
        path = image._path
        if path is not None and not path.is_file():
            raise ReplayError(f"the picture of img{number} is missing: {path}")
        if pixel_hash(_pixels(image, number)) != image.hash:
            raise ReplayError(f"the picture of img{number} is not what was seen: {path}")


def _pixels(image: Image, number: int) -> np.ndarray:
    try:
        return image.pixels
    except (OSError, ValueError) as error:
        raise ReplayError(f"the picture of img{number} cannot be read: {error}") from None


def _tools_there(episode: Episode, env: ReadingEnv) -> None:
    """Every tool that was used is among those of the environment."""
    for number, turn in enumerate(episode.turns, start=1):
        for act in turn.acts:
            if isinstance(act.action, ToolCall) and not act.refused and act.action.name not in env.tools:
                there = ", ".join(env.tools) or "none"
                raise ReplayError(f"turn {number}: no tool {act.action.name!r}; there are: {there}")


def _same_turn(where: str, stored: Turn, came: Turn) -> None:
    _same(f"{where}: the actions", [act.action for act in stored.acts], [act.action for act in came.acts])
    for a, b in zip(stored.acts, came.acts, strict=True):
        name = a.action.name if isinstance(a.action, ToolCall) else f"the {a.action.type}"
        _same(f"{where}: the refusal of {name}", a.refused, b.refused)
        _same_seen(f"{where}: {name}", a.observation, b.observation)
        _same(f"{where}: the places of {name}", a.places, b.places)
    for name in ("thought", "spans", "strict", "problem", "repaired"):
        _same(f"{where}: the reply's {name}", getattr(stored, name), getattr(came, name))


def _same_seen(where: str, stored: Observation, came: Observation) -> None:
    """The same words, the same pictures, and the same of all else that an observation holds."""
    _same(f"{where}: the words", stored.text, came.text)
    _same(f"{where}: the pictures", [i.hash for i in stored.images], [i.hash for i in came.images])
    for name in Observation.model_fields:
        _same(f"{where}: the {name}", getattr(stored, name), getattr(came, name))


def _same(what: str, stored: Any, came: Any) -> None:
    """Raise ReplayError, with the part where they differ, unless both are equal."""
    if stored != came:
        texts = [value if isinstance(value, str) else repr(value) for value in (stored, came)]
        begin = max(0, _parting(*texts) - BEFORE)
        a, b = (_part(text, begin) for text in texts)
        quote = "'" if isinstance(stored, str) else ""
        raise ReplayError(f"{what}: stored {quote}{a}{quote}, came {quote}{b}{quote}")


def _parting(a: str, b: str) -> int:
    """The first character in which two texts differ."""
    return next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _part(text: str, begin: int) -> str:
    end = begin + BEFORE + AFTER
    return "..." * (begin > 0) + text[begin:end] + "..." * (end < len(text))
