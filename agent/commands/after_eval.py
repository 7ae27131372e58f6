"""What is done with evaluations afterwards: compare two, ask a judge, score the outputs of others."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from agent import interrupts
from agent.cli import DONE
from agent.commands.common import Output, Settings, policy_table
from agent.commands.tables import print_tables
from agent.config import ConfigError, build
from agent.evaluate import read_results
from agent.judge import agreement, case_of
from agent.judge import judge as judged
from agent.plan import Plan, stored
from agent.report import Table
from agent.runs import find_run
from agent.summary import compared
from agent.trace import read
from envs.datasets import DataError
from envs.grading import grade

NOT_OURS = "A published formula as it stands, with its traps; `overread eval` has graders of its own."


def compare(a: str, b: str, *, runs: Path = Path("runs"), output: Output = Output()) -> int:
    """Compare the first reader of two runs on the same questions.

    Runs on other data, or judged by other scorers, are refused. JSON output: {"a", "b", "compared"}.

    Parameters
    ----------
    a, b
        Two runs.
    runs
        Where to look for names.
    """
    folders = [find_run(name, runs) for name in (a, b)]
    facts, summaries = zip(*(_finished(folder) for folder in folders), strict=True)
    for what in ("data", "scorers"):
        if summaries[0][what] != summaries[1][what]:
            raise DataError(f"{a} and {b} differ in their {what}: {summaries[0][what]} and {summaries[1][what]}; "
                            "only runs on the same data, judged alike, can be compared")  # fmt: skip
    for name in sorted(facts[0]["plan"]["env"].items() ^ facts[1]["plan"]["env"].items()):
        print(f"note: env.{name[0]} differs", file=sys.stderr)
    firsts = []
    for folder, fact in zip(folders, facts, strict=True):
        main = Plan.model_validate(fact["plan"]).arms[0].name
        firsts.append(
            [r.model_copy(update={"arm": f"{folder.name}: {main}"}) for r in read_results(folder) if r.arm == main]
        )
    found = compared(*firsts)
    if output.json:
        print(json.dumps({"a": str(folders[0]), "b": str(folders[1]), "compared": found}, ensure_ascii=False))
        return DONE
    rows = tuple((name, _told_number(found[name])) for name in found if name not in ("a", "b"))
    print_tables([Table(f"{found['b']}, less {found['a']}", ("", ""), rows)], sys.stdout, output.plain)
    return DONE


def rescore(scorer: str, file: Path, *, output: Output = Output()) -> int:
    """Score outputs that somebody else made by a published formula, with its traps: to compare, not to claim.

    For example:

        overread eval rescore vitar outputs.jsonl

    JSON output: {"scorer", "scores"}.

    Parameters
    ----------
    scorer
        Whose formula: llava_med, pmc_difflib, medxpert, mmmu, medsg, medmultipoints, m3d_iou, deeptumorvqa, vitar.
    file
        JSONL, CSV or parquet with the columns prediction and answer, and options or kind where the scorer needs them.
    """
    from envs.compat.outputs import rescore as scores_of

    try:
        scores = scores_of(file, scorer)
    except LookupError as error:
        raise ConfigError(str(error)) from None
    if output.json:
        print(json.dumps({"scorer": scorer, "scores": scores}, ensure_ascii=False))
        return DONE
    rows = tuple((name, f"{value:.4f}") for name, value in scores.items())
    print_tables([Table(f"{file.name} by {scorer}", ("score", ""), rows, NOT_OURS)], sys.stdout, output.plain)
    return DONE


def judge(
    run: str,
    *,
    policy: Annotated[str | None, Parameter(name=["--policy", "-p"])] = None,
    runs: Path = Path("runs"),
    settings: Settings = Settings(),
    output: Output = Output(),
) -> int:
    """Ask a language model whether the free answers of a run say what is true, and how far it and the grader agree.

    For example:

        overread eval judge 7f3a --policy chat_api --set policy.model=NAME

    Opinions are kept in RUN/judge.jsonl and not asked for again. JSON output: {"run", "model", "agreement"}.

    Parameters
    ----------
    run
        A run whose episodes were kept; of its first reader.
    policy
        The judge: a name, or the folder of a model.
    runs
        Where to look for names.
    """
    folder = find_run(run, runs)
    main = Plan.model_validate(stored(folder)["plan"]).arms[0].name
    played = [(e, e.truth) for e in read(folder) if e.group == main and e.truth is not None]
    cases = [(case, grade(e, truth).right) for e, truth in played if (case := case_of(e, truth)) is not None]
    if not cases:
        raise DataError(f"{folder} holds no free answer of {main}; only the kind open is judged")
    table = policy_table(settings.load(), policy)
    model = str(table.get("model", table["name"]))
    asked = judged([case for case, _ in cases], build("agent.policies", table), model, folder / "judge.jsonl")
    found = agreement(interrupts.run(asked), [right for _, right in cases])
    if output.json:
        print(json.dumps({"run": str(folder), "model": model, "agreement": found.model_dump()}, ensure_ascii=False))
        return DONE
    rows = tuple((name, "-" if value is None else f"{value:.4g}") for name, value in found.model_dump().items())
    print_tables([Table(f"{main}: {model} and the grader", ("", ""), rows)], sys.stdout, output.plain)
    return DONE


def _finished(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    facts = stored(folder)
    if not (folder / "summary.json").exists():
        raise ConfigError(f"{folder} is not finished; go on with it: overread eval --resume {folder}")
    return facts, json.loads((folder / "summary.json").read_text(encoding="utf-8"))


def _told_number(value: Any) -> str:
    if isinstance(value, tuple | list):
        return f"{value[0]:+.3f} ({value[1]:+.3f} to {value[2]:+.3f})"
    return f"{value:.4g}"
