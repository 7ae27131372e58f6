"""`overread ask`: a question about a study, read before one's eyes."""

import inspect
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from agent import interrupts
from agent.cli import DONE, UNFIT
from agent.commands.common import Output, Settings, policy_table
from agent.commands.display import Display
from agent.config import ConfigError, build, call, check
from agent.loop import play
from agent.runs import new_run
from agent.trace import Writer, describe
from envs.env import ReadingEnv
from envs.episode import Episode, Question, storable
from tools.files import FileError, open_many
from tools.image import first_view
from tools.study import content_id

MOST_SOURCES = 16
"""How many pictures, volumes and films one question may be about."""


def ask(
    *files_and_question: str,
    policy: Annotated[str | None, Parameter(name=["--policy", "-p"])] = None,
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
        overread ask --role current=now.png prior=then.png "What is new?"

    The answer alone goes to stdout. JSON output: {"answer", "stop", "turns", "tools", "places", "trace", "seconds"}.

    Parameters
    ----------
    files_and_question
        One or more files, or a folder with one series; then the question.
    policy
        Who reads: a name (protocol, person, chat_api, local ...) or the folder of a model to be run here.
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
    paths, text = sorted_out(files_and_question, role)
    display = Display(quiet=output.quiet or output.json, plain=output.plain, reasoning=reasoning)
    return read(paths, text, policy, series, runs if log else None, settings, output, display)


def read(
    paths: Sequence[tuple[str, Path]],
    text: str,
    policy: str | None,
    series: int | None,
    runs: Path | None,
    settings: Settings,
    output: Output,
    display: Display,
) -> int:
    """Open the study, play one episode, keep its record, tell the answer."""
    chosen = settings.load()
    table = policy_table(chosen, policy)
    env = environment(chosen.get("env", {}))
    question = asked(paths, text, series)
    dialect = chosen.get("env", {}).get("dialect", "tags")
    reader = build("agent.policies", table, on_text=display.stream, dialect=dialect)
    run = None if runs is None else new_run(runs / "ask")
    began = time.perf_counter()
    display.opening([f"{path}" + (f" ({name})" if name else "") for name, path in paths], table["name"])
    kept = True
    try:
        interrupts.run(play(env, reader, question, watch=display.watch))
    finally:  # also what was broken off is kept
        if run is not None and env.started:
            kept = keep(run, env.episode.model_copy(update={"policy": table["name"]}), chosen)
    seconds = time.perf_counter() - began
    display.closing(env.episode, seconds, f"trace {run} · overread show {run}" if run else "")
    tell(env.episode, seconds, run, output)
    return DONE if kept else UNFIT


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


def asked(paths: Sequence[tuple[str, Path]], text: str, series: int | None = None) -> Question:
    """The question about the study in these files. Raises FileError."""
    text = storable(text)  # what was typed may not be UTF-8
    study = open_many([(path, name) for name, path in paths], series=series)
    if len(study.sources) > MOST_SOURCES:
        raise FileError(f"{len(study.sources)} images were given; at most {MOST_SOURCES} can be asked about at once")
    images = tuple(first_view(source) for source in study.sources)
    return Question(
        id=content_id(study.id.encode(), text.encode()), text=text, study=study, images=images, origin="ask"
    )


def environment(table: dict[str, Any]) -> ReadingEnv:
    """The [env] table as an environment. Raises ConfigError."""
    takes = dict(inspect.signature(ReadingEnv).parameters)
    for ours in ("tasks", "seen"):
        takes.pop(ours)
    check("env", table, takes)
    try:
        env: ReadingEnv = call("env", ReadingEnv, table)
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


def tell(episode: Episode, seconds: float, run: Path | None, output: Output) -> None:
    """The answer on stdout, and nothing else."""
    if output.json:
        print(json.dumps(summary(episode, seconds, run), ensure_ascii=False))
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
