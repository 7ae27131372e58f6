"""What is done with demonstrations afterwards: replay them, count them, hand them out."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

from agent import trace
from agent.cli import BAD_DATA, DONE
from agent.commands.ask import environment
from agent.commands.common import Output
from agent.commands.demos_tables import described
from agent.commands.progress import Told
from agent.commands.tables import print_tables
from agent.config import ConfigError
from agent.runs import find_run
from envs.datasets import Task
from envs.env import ReadingEnv
from envs.episode import Episode
from sft.asked import asked_again, layout, stored
from sft.contents import contents
from sft.replay import ReplayError, replays


def check(
    run: str,
    *,
    model: Path | None = None,
    max_length: int | None = None,
    runs: Path = Path("runs"),
    output: Output = Output(),
) -> int:
    """Replay every demonstration of a run in a fresh environment, and name those that come out otherwise.

    For example:

        overread data demos check runs/demos/shape
        overread data demos check runs/demos/shape --model models/Qwen2.5-VL-7B-Instruct --max-length 8192

    What was seen, done, answered and true must be the same, to the pixel. Nothing is changed. Exit code 4 where a
    demonstration does not replay. JSON output: {"run", "checked", "failed": [{"question", "why"}], "broken"}.

    Parameters
    ----------
    run
        A run of demonstrations.
    model
        Also refuse what is longer than MAX_LENGTH for the model in this folder.
    max_length
        Tokens that an episode may have.
    runs
        Where to look for names.
    """
    if (model is None) != (max_length is None):
        raise ConfigError("--model and --max-length go together: the tokens are those of a model")
    told = Told(output)
    folder = find_run(run, runs)
    facts = stored(folder)
    length = _length(model) if model else None

    def fits(episode: Episode, env: ReadingEnv) -> None:
        if length and max_length and (tokens := length(episode, env)) > max_length:
            raise ReplayError(f"it is {tokens} tokens long for {model}, and may have {max_length}")

    def make_env(task: Task) -> ReadingEnv:
        return ReadingEnv([task], **facts["env"])

    environment(facts["env"])
    broken: list[str] = []
    count, failed = 0, []
    with told.bar("replaying", facts.get("kept")) as tick:
        for question, why in replays(folder, asked_again(folder, facts), make_env, fits, broken):
            count += 1
            failed += [{"question": question, "why": why}] if why else []
            tick()
    if facts.get("kept", count) > count:
        failed.append({"question": "", "why": f"{facts['kept']} were kept, and {count} are there"})
    if output.json:
        print(
            json.dumps({"run": str(folder), "checked": count, "failed": failed, "broken": broken}, ensure_ascii=False)
        )
    else:
        for problem in broken:
            print(f"skipped: {problem}", file=sys.stderr)
        for one in failed:
            print(f"{one['question'] or folder}: {one['why']}")
        print(f"{count} demonstrations, {len(failed)} do not replay")
    return BAD_DATA if failed else DONE


def export(format: str, run: str, *, out: Path, runs: Path = Path("runs"), output: Output = Output()) -> int:
    """Write the demonstrations of a run as others lay them out.

    For example:

        overread data demos export sharegpt runs/demos/shape --out theirs/shape.jsonl

    JSON output: {"file", "episodes"}.

    Parameters
    ----------
    format
        How they are laid out: a file in sft/formats.
    run
        A run of demonstrations.
    out
        The file, which must not be there; the images go to images/ beside it.
    runs
        Where to look for names.
    """
    folder = find_run(run, runs)
    stored(folder)
    if out.exists():
        raise ConfigError(f"{out} is there already; give another --out")
    out.parent.mkdir(parents=True, exist_ok=True)
    written = layout(format).write(trace.read(folder), out, out.parent / "images")
    print(json.dumps({"file": str(out), "episodes": written}) if output.json else f"{out}: {written} demonstrations")
    return DONE


def stats(run: str, *, model: Path | None = None, runs: Path = Path("runs"), output: Output = Output()) -> int:
    """Say what a run of demonstrations holds: how many of what, with which tools, and how long they are.

    For example:

        overread data demos stats runs/demos/shape

    JSON output: {"run", "episodes", "refused", "policies", "by", "tools", "phases", "lengths"}.

    Parameters
    ----------
    run
        A run of demonstrations.
    model
        Also tell how many tokens they have for the model in this folder.
    runs
        Where to look for names.
    """
    folder = find_run(run, runs)
    env = environment(stored(folder)["env"])
    length = _length(model) if model else None
    found = contents(trace.read(folder), (lambda episode: length(episode, env)) if length else None)
    if output.json:
        print(json.dumps({"run": str(folder), **found}, ensure_ascii=False))
    else:
        print_tables(described(found), sys.stdout, output.plain)
    return DONE


def _length(model: Path) -> Callable[[Episode, ReadingEnv], int]:
    """How many tokens an episode has for a model. Raises PolicyError for a folder that holds none."""
    from agent.chats import chat_for
    from agent.render import render
    from agent.translate import translated

    chat = chat_for(model)

    def length(episode: Episode, env: ReadingEnv) -> int:
        return len(render(translated(episode, chat.coordinates, env.tools, env.dialect), chat).ids)

    return length
