"""What a run of demonstrations was begun with, and its questions, made or read anew."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from agent.config import ConfigError
from agent.plan import blocks, questions
from envs.datasets import DataError, Task, refuse
from sft.demos import BLOCK, Order, read_tries
from sft.formats import Format
from tools.lookup import find


def stored(folder: Path) -> dict[str, Any]:
    """What `run.json` says of demonstrations. Raises ConfigError where the folder holds none."""
    try:
        facts: dict[str, Any] = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        facts = {}
    if facts.get("kind") != "demos":
        raise ConfigError(f"{folder} is no run of demonstrations")
    return facts


def begun(folder: Path) -> Order:
    """What a run was begun with. Raises ConfigError."""
    facts = stored(folder)
    if "brought" in facts:
        raise ConfigError(f"{folder} was brought in, not made; bring it in anew")
    return Order.model_validate({name: facts[name] for name in Order.model_fields})


def asked_again(folder: Path, facts: Mapping[str, Any]) -> Iterator[Task]:
    """The questions of a run, made or read anew. Raises DataError where they cannot be."""
    if source := facts.get("brought"):
        root = Path(source["root"]) if source["root"] else None
        scripts = layout(source["format"]).read(Path(source["path"]), root, _left_out)
        return ((script.question, script.truth) for script in scripts)
    order = begun(folder)
    on_bad = _left_out if order.skip_bad else refuse
    if "kept" not in facts:  # it was stopped: what was kept last may not be among the tries
        return questions(order.task, 0, order.count, on_bad)
    starts = sorted({one.number // BLOCK * BLOCK for one in read_tries(folder) if not one.dropped})
    return (task for _, block in blocks(order.task, starts, BLOCK, on_bad) for task in block)


def _left_out(problem: DataError) -> None:
    """A row that cannot be used, as was told when the run was made."""


def layout(name: str) -> Format:
    """A layout of demonstrations by name. Raises ConfigError."""
    try:
        found: Format = find("sft.formats", name)()
    except LookupError as error:
        raise ConfigError(str(error)) from None
    return found
