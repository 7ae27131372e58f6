"""The run card: what a training was made of, for people (card.md) and for programs (run.json)."""

from collections.abc import Mapping
from typing import Any

from agent.report import Table
from agent.training.card import Rows, rows, written
from sft.settings import Training
from sft.sources import opened


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
    counts = {
        "demonstrations": progress["samples"],
        "tokens": f"{progress['read']}, of which {progress['learned']} were learned from",
    }
    tables = [
        Table("Data", ("stage.number", "name", "count", "drawn", "weight", "hash"), _data(facts)),
        Table("Left out", ("source", "reason", "demonstrations"), _left_out(facts)),
    ]
    return written(facts, counts, tables)


def _data(facts: Mapping[str, Any]) -> Rows:
    drawn = facts["progress"]["sources"]
    return rows(
        (key, one["name"], one["count"], drawn.get(key, 0), one["weight"], one["hash"])
        for key, one in facts["data"].items()
    )


def _left_out(facts: Mapping[str, Any]) -> Rows:
    return rows((name, why, count) for name, reasons in facts["left_out"].items() for why, count in reasons.items())
