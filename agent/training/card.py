"""The run card: what a training was made of, in words."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from agent.report import Table, markdown
from agent.training.toml import toml
from agent.training.validation import share

Rows = tuple[tuple[str, ...], ...]


def written(facts: Mapping[str, Any], counts: Mapping[str, object], tables: Sequence[Table]) -> str:
    """The card of a run, from what run.json says of it: its state, these counts, these tables, and the validations."""
    progress = facts["progress"]
    told = {
        "state": facts["state"],
        "steps": f"{progress['steps']} of {facts['steps']}",
        **counts,
        "hours": f"{progress['seconds'] / 3600:.3f}",
        "commit": facts["commit"] or "not known",
        **{name: _said(value) for name, value in facts["hardware"].items()},
        "versions": ", ".join(f"{name} {number}" for name, number in facts["versions"].items()),
    }
    found = [*tables, Table("Validation", ("step", "right", "95 %", "questions"), _validations(facts))]
    body = markdown(facts["name"], told, [table for table in found if table.rows])
    return f"{body}\n## Settings\n\n```toml\n{toml(facts['settings'])}```\n"


def rows(of: Iterable[Iterable[object]]) -> Rows:
    return tuple(tuple(map(str, row)) for row in of)


def _validations(facts: Mapping[str, Any]) -> Rows:
    found = facts["validations"].items()
    return rows((step, f"{one['right']:.3f}", share(one).partition(" ")[2], one["played"]) for step, one in found)


def _said(value: Any) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)
