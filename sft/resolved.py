"""A config with all its defaults, as it is kept with a run."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sft.settings import Training

FREE = ("workers", "keep", "accelerate")
"""Settings of [sft] that change nothing of what is learned: a training may go on with others."""


def resolved(training: Training) -> dict[str, Any]:
    """The config in its own shape; settings that are not set are left out."""
    made = asdict(training)
    tables = {"stage": made.pop("stages"), "sft": made.pop("own")}
    whole: dict[str, Any] = json.loads(json.dumps({**made, **tables}, default=str))
    return {name: _stated(table) for name, table in whole.items() if table}


def decisive(config: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a resolved config that decides what is learned."""
    own = {name: value for name, value in config["sft"].items() if name not in FREE}
    return {**config, "sft": own, "stage": {str(number): stage for number, stage in enumerate(config["stage"])}}


def toml(config: Mapping[str, Any]) -> str:
    """A config as TOML: tables, arrays of tables, and what lies deeper in one line."""
    parts = []
    for name, table in config.items():
        for one in table if isinstance(table, list) else [table]:
            head = f"[[{name}]]" if isinstance(table, list) else f"[{name}]"
            parts.append("\n".join([head, *(f"{_key(key)} = {_value(value)}" for key, value in one.items())]))
    return "\n\n".join(parts) + "\n"


def _stated(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _stated(inner) for key, inner in value.items() if inner is not None}
    return [_stated(inner) for inner in value] if isinstance(value, list) else value


def _key(name: str) -> str:
    plain = name.isascii() and name.replace("-", "_").isidentifier()
    return name if plain else json.dumps(name, ensure_ascii=False)


def _value(value: Any) -> str:
    """A value of TOML; its strings and numbers are written as those of JSON."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(key)} = {_value(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
