"""The run card: what a training was made of, for people (card.md) and for programs (run.json)."""

from collections.abc import Iterable, Mapping
from typing import Any

from agent.report import Table, markdown
from agent.training.toml import toml
from agent.training.validation import share
from sft.settings import Training
from sft.sources import opened

Rows = tuple[tuple[str, ...], ...]


def data_of(training: Training) -> dict[str, Any]:
    """The sources of every stage, by stage and number: name, hash, how many demonstrations there are."""
    found: dict[str, Any] = {}
    for stage in training.stages:
        for number, data in enumerate(stage.data):
            source = opened(data, training.env, training.own.seed)
            told = {"name": source.name, "weight": data.weight, "count": source.count, "hash": source.hash()}
            found[f"{stage.name}.{number}"] = told
    return found


def card(facts: Mapping[str, Any]) -> str:
    """The run in words, from what run.json says of it."""
    progress = facts["progress"]
    told = {
        "state": facts["state"],
        "steps": f"{progress['steps']} of {facts['steps']}",
        "demonstrations": progress["samples"],
        "tokens": f"{progress['read']}, of which {progress['learned']} were learned from",
        "hours": f"{progress['seconds'] / 3600:.3f}",
        "commit": facts["commit"] or "not known",
        **{name: _said(value) for name, value in facts["hardware"].items()},
        "versions": ", ".join(f"{name} {number}" for name, number in facts["versions"].items()),
    }
    found = [
        Table("Data", ("stage.number", "name", "count", "drawn", "weight", "hash"), _data(facts)),
        Table("Left out", ("source", "reason", "demonstrations"), _left_out(facts)),
        Table("Validation", ("step", "right", "95 %", "questions"), _validations(facts)),
    ]
    body = markdown(facts["name"], told, [table for table in found if table.rows])
    return f"{body}\n## Settings\n\n```toml\n{toml(facts['settings'])}```\n"


def _data(facts: Mapping[str, Any]) -> Rows:
    drawn = facts["progress"]["sources"]
    return _rows(
        (key, one["name"], one["count"], drawn.get(key, 0), one["weight"], one["hash"])
        for key, one in facts["data"].items()
    )


def _left_out(facts: Mapping[str, Any]) -> Rows:
    return _rows((name, why, count) for name, reasons in facts["left_out"].items() for why, count in reasons.items())


def _validations(facts: Mapping[str, Any]) -> Rows:
    found = facts["validations"].items()
    return _rows((step, f"{one['right']:.3f}", share(one).partition(" ")[2], one["played"]) for step, one in found)


def _rows(rows: Iterable[Iterable[object]]) -> Rows:
    return tuple(tuple(map(str, row)) for row in rows)


def _said(value: Any) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)
