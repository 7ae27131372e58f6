"""The run card: what a training was made of, for people (card.md) and for programs (run.json)."""

import json
from collections.abc import Mapping
from typing import Any

from agent.report import Table, markdown
from agent.training.tasks import Numbered
from agent.training.toml import toml
from agent.training.validation import share
from rl.settings import Training
from tools.study import content_id


def data_of(training: Training) -> dict[str, Any]:
    """The tasks, by their number: name, hash of what is stated of them, how many questions there are."""
    found: dict[str, Any] = {}
    for number, data in enumerate(training.data):
        stated = json.dumps(data.task, sort_keys=True, default=str)
        told = {"name": data.name, "weight": data.weight, "count": Numbered(data.task).count}
        found[str(number)] = {**told, "hash": content_id(stated.encode())}
    return found


def card(facts: Mapping[str, Any]) -> str:
    """The run in words, from what run.json says of it."""
    progress = facts["progress"]
    told = {
        "state": facts["state"],
        "steps": f"{progress['steps']} of {facts['steps']}",
        "episodes": progress["played"],
        "tokens": f"{progress['tokens']} written by the policy",
        "hours": f"{progress['seconds'] / 3600:.3f}",
        "commit": facts["commit"] or "not known",
        **{name: str(value) for name, value in facts["hardware"].items()},
        "versions": ", ".join(f"{name} {number}" for name, number in facts["versions"].items()),
    }
    data = tuple(tuple(map(str, (key, *one.values()))) for key, one in facts["data"].items())
    found = tuple(
        (step, f"{one['right']:.3f}", share(one).partition(" ")[2], str(one["played"]))
        for step, one in facts["validations"].items()
    )
    tables = [
        Table("Data", ("number", "name", "weight", "questions", "hash"), data),
        Table("Validation", ("step", "right", "95 %", "questions"), found),
    ]
    body = markdown(facts["name"], told, [table for table in tables if table.rows])
    return f"{body}\n## Settings\n\n```toml\n{toml(facts['settings'])}```\n"
