"""The run card: what a training was made of, for people (card.md) and for programs (run.json)."""

import json
from collections.abc import Mapping
from typing import Any

from agent.report import Table
from agent.training.card import rows, written
from agent.training.tasks import Numbered
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
    counts = {"episodes": progress["played"], "tokens": f"{progress['tokens']} written by the policy"}
    data = rows((key, *one.values()) for key, one in facts["data"].items())
    return written(facts, counts, [Table("Data", ("number", "name", "weight", "questions", "hash"), data)])
