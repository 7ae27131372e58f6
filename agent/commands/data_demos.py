"""`overread data demos`: demonstrations of how to read, made, checked, brought in and handed out."""

import inspect
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter
from pydantic import ValidationError

from agent.cli import DONE
from agent.commands.after_demos import check, export, stats
from agent.commands.ask import environment
from agent.commands.common import Output, Settings, policy_table
from agent.commands.demos_tables import rates
from agent.commands.eval import versions
from agent.commands.progress import Told
from agent.commands.tables import print_tables
from agent.config import ConfigError
from agent.config import check as check_names
from agent.plan import loader, questions
from agent.runs import find_run, new_run
from agent.trace import describe
from agent.trained import trained_policy
from envs.datasets import DataError, card, refuse
from envs.episode import NOTICE
from sft.asked import begun, layout, stored
from sft.demos import Order, Try, make, read_tries, totals
from sft.scripts import bring
from tools.lookup import find

TABLES = ("task", "policy", "env", "demos")
DEMOS = ("count", "tries", "at_once", "workers")
EXPERT = "sft.expert"

HELP = """\
Make demonstrations of how to read: episodes, played in the real environment, that are right.

For example:

    overread data demos --set task.name=shape --count 1000
    overread data demos check runs/demos/20261124-091500-7f3a
"""

app = App(name="demos", help_format="plaintext", help=HELP)
for _verb in (check, export, stats):
    app.command(_verb)


@app.default
def made(
    *configs: Path,
    policy: Annotated[str | None, Parameter(name=["--policy", "-p"])] = None,
    count: int | None = None,
    out: Path | None = None,
    resume: str | None = None,
    skip_bad: Annotated[bool, Parameter(negative="")] = False,
    runs: Path = Path("runs"),
    settings: Settings = Settings(),
    output: Output = Output(),
) -> int:
    """Make demonstrations of how to read: episodes, played in the real environment, that are right.

    For example:

        overread data demos --set task.name=shape --count 1000 --out runs/demos/shape
        overread data demos --policy models/Qwen2.5-VL-7B-Instruct --set task.name=count --set demos.tries=8
        overread data demos --resume runs/demos/shape

    An episode is kept if its answer is right, every reply is written as asked, and no fault or limit ended it.
    The run folder holds the episodes that were kept and, in tries.jsonl, what became of every try.
    JSON output: {"run", "asked", "tried", "kept", "rate", "dropped", "by", "data"}.

    Parameters
    ----------
    configs
        TOML files with [task], [policy], [env] and [demos] (tries, count, at_once, workers); the later wins.
    policy
        Who shows how to read: a name, or the folder of a model. If not given, sft.expert, which knows the truth.
    count
        Questions asked; if not given, all of the task.
    out
        The run folder, new or empty; RUNS/demos/<time>-<id> where it is not given.
    resume
        A run to go on with: what was tried is not tried again.
    skip_bad
        Leave out rows of the data that cannot be used, and say which.
    runs
        Where runs are kept.
    """
    told = Told(output)
    if resume is not None:
        if configs or policy or count or out or settings != Settings():
            raise ConfigError("--resume goes on as the run was begun; leave out its configs and settings")
        folder = find_run(resume, runs)
        order = begun(folder)
    else:
        order = _ordered(settings.load(TABLES, configs), policy, count, skip_bad)
        folder = _new(out, runs)
        describe(folder, kind="demos", **order.model_dump(mode="json"), notice=NOTICE, versions=versions())
        (folder / "episodes").mkdir(exist_ok=True)
    _make(order, folder, told)
    return _finished(folder, told, output)


@app.command(name="import")
def brought(
    format: str,
    path: Path,
    *,
    out: Path,
    root: Path | None = None,
    settings: Settings = Settings(),
    output: Output = Output(),
) -> int:
    """Play the demonstrations of others in our environment, and keep those that come out as they say.

    What cannot be read, or comes out otherwise, is named; tries.jsonl says why for every one that was played.

    For example:

        overread data demos import sharegpt traces.json --root images --out runs/demos/theirs

    JSON output: as of `overread data demos`.

    Parameters
    ----------
    format
        How they are laid out: a file in sft/formats.
    path
        The file.
    out
        The run folder, new or empty.
    root
        The folder that the pictures lie in, if it is not that of the file.
    """
    told = Told(output)
    bad: list[DataError] = []
    scripts = layout(format).read(path, root, bad.append)
    env = settings.load(("env",)).get("env", {})
    if environment(env).dialect.how != find("envs.dialects", "tags")().how:
        raise ConfigError("what is brought in is written in the dialect tags; leave out env.dialect")
    folder = _new(out, Path("runs"))
    source = {"format": format, "path": str(path.resolve()), "root": str(root.resolve()) if root else None}
    describe(folder, kind="demos", env=env, brought=source, notice=NOTICE, versions=versions())
    with told.bar("playing", None) as tick:
        bring(format, scripts, env, folder, lambda one: tick())
    _skipped(map(str, bad))
    return _finished(folder, told, output)


def _ordered(chosen: Mapping[str, Any], policy: str | None, count: int | None, skip_bad: bool) -> Order:
    """What is to be made. Raises ConfigError."""
    if "task" not in chosen:
        raise ConfigError("no [task] to be shown; write one, or give --set task.name=...")
    demos = {**chosen.get("demos", {}), **({} if count is None else {"count": count})}
    check_names("demos", demos, DEMOS)
    task = dict(chosen["task"])
    if "count" in inspect.signature(loader(task)).parameters and "count" in demos:
        task["count"] = demos["count"]
    who = policy_table(dict(chosen), policy or (None if "policy" in chosen else EXPERT))
    _known(who)  # what is wrong is said before there is a folder
    rules = trained_policy(who).env | chosen.get("env", {})
    environment(rules)
    table = {"task": task, "policy": who, "env": rules, "skip_bad": skip_bad, **demos}
    try:
        order = Order.model_validate(table)
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"demos.{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    next(questions(task, 0, 1, _left_out if skip_bad else refuse), None)
    return order


def _known(policy: Mapping[str, Any]) -> None:
    """Check the name of a policy and those of its settings. Raises ConfigError."""
    try:
        takes = inspect.signature(find("agent.policies", str(policy["name"]))).parameters
    except LookupError as error:
        raise ConfigError(str(error)) from None
    own = {name: value for name, value in policy.items() if name != "name"}
    check_names(policy["name"], own, [name for name in takes if name != "truth_of"])


def _new(out: Path | None, runs: Path) -> Path:
    folder = out or new_run(runs / "demos")
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError(f"{folder} is not empty; give another --out")
    return folder


def _make(order: Order, folder: Path, told: Told) -> None:
    about = card(order.task["name"])
    if about is not None:
        told.say(f" {about.title}: licence {about.licence}")
    bad: set[str] = set()
    try:
        with told.bar("playing", order.count or order.task.get("count")) as tick:

            def heard(done: Try | DataError) -> None:
                if isinstance(done, DataError):
                    bad.add(str(done))
                elif not done.dropped or done.attempt == order.tries - 1:
                    tick()

            make(order, folder, heard)
    except BaseException as error:
        if not isinstance(error, ConfigError):
            told.say(f" what was made is kept: overread data demos --resume {folder}")
        raise
    _skipped(sorted(bad))


def _left_out(problem: DataError) -> None:
    """A row that cannot be used; it is told when it is come to."""


def _skipped(problems: Iterable[str]) -> None:
    """Name what was left out."""
    for problem in problems:
        print(f"skipped: {problem}", file=sys.stderr)


def _finished(folder: Path, told: Told, output: Output) -> int:
    """Add the numbers to `run.json`, and tell them."""
    tries = read_tries(folder)
    found = totals(tries)
    describe(folder, **{name: value for name, value in stored(folder).items() if name != "version"} | found)
    if output.json:
        print(json.dumps({"run": str(folder), **found}, ensure_ascii=False))
    else:
        print_tables(rates(found, tries), sys.stdout, output.plain)
    told.say(f" {found['kept']} demonstrations in {folder} · overread data demos check {folder}")
    return DONE
