"""`overread ask`: a question about a study, read before one's eyes."""

import inspect
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from cyclopts import Parameter

from agent import interrupts
from agent.cli import DONE, UNFIT
from agent.commands.common import Output, Settings, policy_table
from agent.commands.display import Display
from agent.config import ConfigError, build, call, check
from agent.loop import play
from agent.plan import questions
from agent.runs import new_run
from agent.trace import Writer, describe
from agent.trained import trained_policy
from envs.env import ReadingEnv, Task
from envs.episode import Episode, Question, Truth, storable
from envs.grading import grade
from envs.phantoms.asking import LETTERS
from envs.tasks.phantoms import FAMILIES
from tools.files import FileError, open_many
from tools.image import VIEW_PX, first_view
from tools.study import content_id

MOST_SOURCES = 16
"""How many pictures, volumes and films one question may be about."""


def ask(
    *files_and_question: str,
    policy: Annotated[str | None, Parameter(name=["--policy", "-p"])] = None,
    task: str | None = None,
    role: Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative="", show_default=False)] = (),
    series: int | None = None,
    runs: Path = Path("runs"),
    log: bool = True,
    reasoning: Annotated[bool, Parameter(name=["--reasoning"], negative=["--no-reasoning", "-R"])] = True,
    settings: Settings = Settings(),
    output: Output = Output(),
) -> int:
    """Ask a question about a study and watch it being read.

    For example:

        overread ask chest.dcm "Is there a nodule?" --policy models/Qwen2.5-VL-7B-Instruct
        overread ask --role current=now.png prior=then.png "What is new?" --policy protocol
        overread ask --task shape/test/7 --set task.background=real

    The answer alone goes to stdout. JSON output: {"answer", "stop", "turns", "tools", "places", "trace", "seconds"},
    and for --task also {"truth", "right"}.

    Parameters
    ----------
    files_and_question
        One or more files, or a folder with one series; then the question.
    policy
        Who reads: a name (pocket, protocol, person, chat_api, local ...) or the folder of a model to be run here.
    task
        A made-up question by its id, FAMILY/SPLIT/NUMBER, in place of files; its truth is told with the answer.
    role
        Files by what they are, as in current=a.dcm prior=b.dcm.
    series
        Which series of a folder that holds several.
    runs
        Where the record goes: RUNS/ask/<time>-<id>.
    log
        Keep a record.
    reasoning
        Show what the policy thinks.
    """
    display = Display(quiet=output.quiet or output.json, plain=output.plain, reasoning=reasoning)
    kept = runs if log else None
    if task is not None:
        if files_and_question or role:
            raise ConfigError("--task asks its own question about its own study; leave the files and the question out")
        return read(lambda table, view_px: made_up(task, table), policy, kept, settings, output, display)
    paths, text = sorted_out(files_and_question, role)
    return read(lambda table, view_px: brought(paths, text, series, view_px), policy, kept, settings, output, display)


class Asked(NamedTuple):
    """A question, and what is said of where it comes from."""

    question: Question
    names: Sequence[str]
    truth: Truth | None = None


Find = Callable[[dict[str, Any], int], Asked]
"""Finds the question, given the table [task] and the longest side of a first view, px."""


def read(
    find: Find, policy: str | None, runs: Path | None, settings: Settings, output: Output, display: Display
) -> int:
    """Open the study, play one episode, keep its record, tell the answer."""
    chosen = settings.load(("policy", "env", "task"))
    table = policy_table(chosen, policy)
    training = trained_policy(table)
    rules = training.env | chosen.get("env", {})
    question, names, truth = find(chosen.get("task", {}), training.view_px)
    env = environment(rules, [(question, truth)])
    reader = build("agent.policies", table, on_text=display.stream, dialect=rules.get("dialect", "tags"))
    run = None if runs is None else new_run(runs / "ask")
    began = time.perf_counter()
    display.opening(names, table["name"])
    kept = True
    try:
        interrupts.run(play(env, reader, question, watch=display.watch))
    finally:  # also what was broken off is kept
        display.still()
        if run is not None and env.started:
            kept = keep(run, env.episode.model_copy(update={"policy": table["name"]}), chosen)
    seconds = time.perf_counter() - began
    display.closing(env.episode, seconds, f"trace {run} · overread show {run}" if run else "")
    if truth is not None:
        display.truth(env.episode, truth)
    tell(env.episode, truth, seconds, run, output)
    return DONE if kept else UNFIT


def made_up(id: str, table: dict[str, Any]) -> Asked:
    """A question of a made-up family by its id. Raises ConfigError."""
    family, _, place = id.partition("/")
    split, _, number = place.partition("/")
    if family not in FAMILIES or not number.isdigit():
        known = ", ".join(FAMILIES)
        raise ConfigError(f"{id!r} is no made-up question; write FAMILY/SPLIT/NUMBER, as in shape/test/7, of: {known}")
    own = {**table, "name": family, "split": split, "start": int(number), "count": 1}
    try:
        question, truth = next(iter(questions(own)))
    except ValueError as error:
        raise ConfigError(str(error)) from None
    choices = [f"{letter}. {choice}" for letter, choice in zip(LETTERS, question.choices, strict=False)]
    return Asked(question, list(filter(None, [f"{question.text} ({question.id})", "  ".join(choices)])), truth)


def brought(paths: Sequence[tuple[str, Path]], text: str, series: int | None, view_px: int) -> Asked:
    """A question about files. Raises FileError."""
    names = [f"{path}" + (f" ({name})" if name else "") for name, path in paths]
    return Asked(asked(paths, text, series, view_px), names)


def sorted_out(words: Sequence[str], roles: Sequence[str]) -> tuple[list[tuple[str, Path]], str]:
    """((role, path) ..., the question). Raises ConfigError where one of the two is missing."""
    named = [word.partition("=") for word in roles if "=" in word and not is_path(word)]
    loose = [*words, *(word for word in roles if "=" not in word or is_path(word))]
    if not loose or (len(loose) == 1 and not named):
        raise ConfigError('give one or more files, then the question in quotes: overread ask scan.dcm "What is it?"')
    *files, text = loose
    if text and is_path(text):
        raise ConfigError(f"the last word {text!r} is a file; put the question after the files, in quotes")
    return [*((name, Path(path)) for name, _, path in named), *(("", Path(file)) for file in files)], text


def is_path(word: str) -> bool:
    """Whether something lies there. A question may be too long, or too odd, to be a path at all."""
    try:
        return Path(word).exists()
    except (OSError, ValueError):
        return False


def asked(paths: Sequence[tuple[str, Path]], text: str, series: int | None = None, view_px: int = VIEW_PX) -> Question:
    """The question about the study in these files. Raises FileError."""
    text = storable(text)  # what was typed may not be UTF-8
    study = open_many([(path, name) for name, path in paths], series=series)
    if len(study.sources) > MOST_SOURCES:
        raise FileError(f"{len(study.sources)} images were given; at most {MOST_SOURCES} can be asked about at once")
    images = tuple(first_view(source, view_px) for source in study.sources)
    return Question(
        id=content_id(study.id.encode(), text.encode()), text=text, study=study, images=images, origin="ask"
    )


def environment(table: dict[str, Any], tasks: Sequence[Task] = ()) -> ReadingEnv:
    """The [env] table as an environment. Raises ConfigError."""
    takes = dict(inspect.signature(ReadingEnv).parameters)
    for ours in ("tasks", "seen"):
        takes.pop(ours)
    check("env", table, takes)
    try:
        env: ReadingEnv = call("env", ReadingEnv, {**table, "tasks": tasks})
    except LookupError as error:  # a tool or a dialect that is not there
        raise ConfigError(f"env: {error}") from None
    return env


def keep(run: Path, episode: Episode, settings: dict[str, Any]) -> bool:
    """Write the record of one episode. False, and said on stderr, where the disk does not take it."""
    try:
        describe(run, kind="ask", policy=episode.policy, settings=settings, notice=episode.notice, stop=episode.stop)
        with Writer(run) as writer:
            writer.write(episode)
    except OSError as error:
        print(f"error: the record in {run} is not whole: {error.strerror}", file=sys.stderr)
        return False
    return True


def tell(episode: Episode, truth: Truth | None, seconds: float, run: Path | None, output: Output) -> None:
    """The answer on stdout, and nothing else."""
    if output.json:
        known = {} if truth is None else {"truth": truth.answer, "right": grade(episode, truth).right}
        print(json.dumps(summary(episode, seconds, run) | known, ensure_ascii=False))
    elif episode.answer is not None:
        print(episode.answer)
    else:
        print(f"no answer: {episode.stop}", file=sys.stderr)


def summary(episode: Episode, seconds: float, run: Path | None) -> dict[str, Any]:
    """An episode for a program."""
    acts = [act for turn in episode.turns for act in turn.acts]
    places = [place.model_dump(mode="json") for act in acts for group in act.places.values() for place in group]
    return {
        "answer": episode.answer,
        "stop": episode.stop,
        "turns": len(episode.turns),
        "tools": len(episode.tool_calls),
        "places": places,
        "trace": str(run) if run else None,
        "tokens": episode.num_tokens,
        "seconds": round(seconds, 3),
    }
