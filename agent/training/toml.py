"""A config as TOML, as it is kept with a run."""

import json
from collections.abc import Mapping
from typing import Any


def toml(config: Mapping[str, Any]) -> str:
    """A config as TOML: tables, arrays of tables, and what lies deeper in one line."""
    parts = []
    for name, table in config.items():
        for one in table if isinstance(table, list) else [table]:
            head = f"[[{name}]]" if isinstance(table, list) else f"[{name}]"
            parts.append("\n".join([head, *(f"{_key(key)} = {_value(value)}" for key, value in one.items())]))
    return "\n\n".join(parts) + "\n"


def stated(value: Any) -> Any:
    """A value without what is not set anywhere in it: TOML has no word for that."""
    if isinstance(value, dict):
        return {key: stated(inner) for key, inner in value.items() if inner is not None}
    return [stated(inner) for inner in value] if isinstance(value, list) else value


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
