"""`overread eval`: how well a policy reads, beside those that do not look."""

import json
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from agent.cli import DONE, GATE
from agent.commands.after_eval import compare, judge, rescore
from agent.commands.ask import environment
from agent.commands.common import Output, Settings, policy_table
from agent.commands.progress import Told
from agent.commands.tables import print_tables
from agent.config import ConfigError
from agent.evaluate import evaluate, read_results
from agent.faults import PlayError
from agent.plan import Design, Plan, designed, differing, facts_of, loader, out_of_distribution, questions, stored
from agent.report import Table, markdown, page, tables
from agent.runs import find_run, new_run
from agent.summary import summarise, written
from agent.survey import Survey, survey
from agent.trace import describe
from agent.trained import trained_policy
from envs.datasets import DataError, card
from envs.episode import NOTICE
from envs.rows import refuse

TABLES = ("task", "policy", "policies", "env", "eval")
SECRET = ("api_key", "key", "token", "password")

HELP = """\
Measure how well a policy reads, beside baselines that do not look.

For example:

    overread eval configs/tiny/phantoms.toml
    overread eval compare runs/eval/A runs/eval/B
"""

app = App(name="eval", help_format="plaintext", help=HELP)
for _verb in (compare, judge, rescore):
    app.command(_verb)


@app.default
def run(
    *configs: Path,
    policy: Annotated[str | None, Parameter(name=["--policy", "-p"])] = None,
    out: Path | None = None,
    resume: str | None = None,
    fail_under: float | None = None,
    skip_bad: Annotated[bool, Parameter(negative="")] = False,
    runs: Path = Path("runs"),
    settings: Settings = Settings(),
    output: Output = Output(),
) -> int:
    """Measure how well a policy reads, beside baselines that do not look.

    For example:

        overread eval configs/tiny/phantoms.toml
        overread eval configs/eval.toml --policy models/Qwen2.5-VL-7B-Instruct --set task.split=test
        overread eval --resume 20261124-091500-7f3a
        overread eval compare runs/eval/A runs/eval/B

    The tables go to stdout, progress to stderr. The run folder holds every episode, results.jsonl, summary.json,
    report.md and report.html. JSON output: {"run", "summary"}.

    Parameters
    ----------
    configs
        TOML files with [task], [policy], [env] and [eval]; the later wins.
    policy
        Who reads: a name, or the folder of a model.
    out
        The run folder, new or empty; RUNS/eval/<time>-<id> where it is not given.
    resume
        A run to go on with: what it has played is not played again.
    fail_under
        Exit with code 5 if the first reader is right less often than this.
    skip_bad
        Leave out rows of the data that cannot be used, and say which.
    runs
        Where runs are kept.
    """
    if resume is not None and not configs and not settings.config:
        plan, design = _begun(resume, runs)
    else:
        plan, design = _planned(configs, policy, settings, skip_bad)
    told = Told(output)
    surveyed, plan = _surveyed(plan, told)
    if design.ood:
        out_of_distribution(surveyed.tags, design.ood)
    folder = _folder(plan, design, surveyed, out, resume, runs)
    _play(plan, design, folder, told)
    results = read_results(folder)
    summary = summarise(plan.arms, results, surveyed, design.ood)
    found = tables(summary, results)
    _keep(folder, plan, surveyed, summary, found, told)
    if output.json:
        print(json.dumps({"run": str(folder), "summary": summary}, ensure_ascii=False))
    else:
        print_tables(found, sys.stdout, output.plain)
    told.say(f" report {folder / 'report.html'} · every reading in {folder}")
    right = summary["arms"][plan.arms[0].name]["right"][0]
    if fail_under is not None and right < fail_under:
        print(f"error: right {right:.3f} is under {fail_under:g}", file=sys.stderr)
        return GATE
    return DONE


def _planned(configs: Sequence[Path], policy: str | None, settings: Settings, skip_bad: bool) -> tuple[Plan, Design]:
    """The plan of a config. Raises ConfigError."""
    chosen = settings.load(TABLES, configs)
    if "task" not in chosen:
        raise ConfigError("no [task] to be played; write one, with the name of a task and its settings")
    design = designed(chosen.get("eval", {}))
    main = policy_table(chosen, policy)
    name = main["name"] if main["name"] != "local" else Path(str(main.get("model", "local"))).name
    policies = {name: main} | {other: chosen.get("policies", {}).get(other, {"name": other}) for other in design.beside}
    loader(chosen["task"])  # a wrong name or setting is said before anything is read
    rules = trained_policy(main).env | chosen.get("env", {})
    environment(rules)
    plan = Plan(
        task=chosen["task"],
        policies=policies,
        env=rules,
        arms=design.arms(name),
        count=0,
        at_once=design.at_once,
        keep=design.keep,
        skip_bad=skip_bad,
    )
    return plan, design


def _surveyed(plan: Plan, told: Told) -> tuple[Survey, Plan]:
    """What the data hold. Raises DataError."""
    about = card(plan.task["name"]) if "name" in plan.task else None
    if about is not None:
        told.say(f" {about.title}: licence {about.licence}")
        for warning in about.warnings:
            told.say(f" note: {warning}")
    bad: list[DataError] = []
    try:
        with told.bar("reading the data", plan.task.get("count")) as tick:
            found = survey(questions(plan.task, on_bad=bad.append if plan.skip_bad else refuse), tick)
    except ConfigError:
        raise
    except ValueError as error:
        raise error if isinstance(error, DataError) else DataError(f"task {plan.task.get('name')}: {error}") from None
    for problem in bad:
        print(f"skipped: {problem}", file=sys.stderr)
    told.say(f" {found.count} questions on {found.studies} studies, data {found.hash}")
    return found, plan.model_copy(update={"count": found.count})


def _begun(resume: str, runs: Path) -> tuple[Plan, Design]:
    """The plan of the run that is gone on with. Raises ConfigError."""
    facts = stored(find_run(resume, runs))
    return Plan.model_validate(facts["plan"]), designed(facts["design"])


def _folder(plan: Plan, design: Design, data: Survey, out: Path | None, resume: str | None, runs: Path) -> Path:
    """The run folder; one that is gone on with must have been begun with the same plan. Raises ConfigError."""
    facts = facts_of(plan, design, data.hash)
    if resume is not None:
        folder = find_run(resume, runs)
        if other := differing(stored(folder), facts, ("plan", "data")):
            raise ConfigError(f"{folder} was begun with another {', '.join(other)}; start a new run")
        return folder
    folder = out or new_run(runs / "eval")
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError(f"{folder} is not empty; give another --out, or --resume it")
    describe(folder, **facts, notice=NOTICE, versions=versions())
    (folder / "episodes").mkdir(exist_ok=True)
    return folder


def _play(plan: Plan, design: Design, folder: Path, told: Told) -> None:
    missing = len(plan.arms) * plan.count - len(read_results(folder))
    try:
        with told.bar("reading", missing) as tick:
            evaluate(plan, folder, design.workers, lambda result: tick())
    except BaseException as error:
        if not isinstance(error, PlayError | ConfigError):
            told.say(f" what was played is kept: overread eval --resume {folder}")
        raise


def _keep(folder: Path, plan: Plan, data: Survey, summary: Any, found: Sequence[Table], told: Told) -> None:
    """Write the summary and the report."""
    (folder / "summary.json").write_text(written(summary), encoding="utf-8")
    about = card(plan.task["name"])
    facts = {
        "task": ", ".join(f"{key} {value}" for key, value in plan.task.items()),
        "questions": f"{data.count} on {data.studies} studies, data {data.hash}",
        "licence": about.licence if about else "made up by overread",
        "readers": "; ".join(f"{name} ({_shown(table)})" for name, table in plan.policies.items()),
        "environment": ", ".join(f"{key} {value}" for key, value in plan.env.items()) or "as it is by default",
        "scorers": ", ".join(summary["scorers"]),
        "versions": ", ".join(f"{name} {version}" for name, version in versions().items()),
    }
    title = f"{plan.arms[0].policy} on {plan.task['name']}"
    try:
        from agent.plots import plots

        drawn = plots(summary)
    except ImportError as error:
        told.say(f" note: {error}")
        drawn = []
    (folder / "report.md").write_text(markdown(title, facts, found), encoding="utf-8")
    (folder / "report.html").write_text(page(title, facts, found, drawn), encoding="utf-8")


def _shown(table: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in table.items() if not any(word in key for word in SECRET))


def versions() -> dict[str, str]:
    """Of what decides the numbers of a run."""
    return {name: version(name) for name in ("overread", "numpy", "pydicom", "scikit-image")}
