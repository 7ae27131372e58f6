"""Tables of a training's config, and how a table is checked before anything heavy is imported."""

import ast
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from difflib import get_close_matches
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, FiniteFloat

from agent.config import ConfigError, call, check
from agent.plan import questions

Part = Literal["vision", "language"]
Whole = Annotated[int, Field(ge=1)]
Positive = Annotated[FiniteFloat, Field(gt=0)]


@dataclass(frozen=True)
class Model:
    """The table [model]."""

    path: Path
    init: Literal["weights", "random"] = "weights"
    """"random": the shape of the folder, its weights drawn anew."""
    train: Literal["lora", "full"] = "lora"
    frozen: tuple[Part, ...] = ()
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """What the weights are held in; "auto": as the folder holds them."""
    attention: str = "auto"
    max_length: Whole = 8192
    """Tokens of an episode; a longer demonstration is left out, never cut."""


@dataclass(frozen=True)
class Validation:
    """The table [validation]."""

    task: dict[str, Any]
    every: Whole = 500
    """Steps, counted over all stages."""
    max_new_tokens: Whole = 256
    """Of a reply: a model that has not learned to end writes as much as it may."""
    batch: Whole = 16
    """Questions played side by side."""


def from_table(name: str, kind: type, table: Any) -> Any:
    """The dataclass `kind` of a table called `name`. Raises ConfigError for what it does not take, or lacks."""
    if not isinstance(table, Mapping):
        raise ConfigError(f"{name} is a value, not a table")
    takes = {one.name: one for one in fields(kind)}
    check(name, table, takes)
    missing = [key for key, one in takes.items() if one.default is MISSING and key not in table]
    if missing:
        raise ConfigError(f"{name} must state {missing[0]}")
    return call(name, kind, table)


def asks(name: str, task: Mapping[str, Any]) -> None:
    """Make the first question of a task: a wrong setting is told now, and not hours later. Raises ConfigError."""
    try:
        first = next(iter(questions(task)), None)
    except ValueError as error:
        raise ConfigError(f"{name}: {error}") from None
    if first is None:
        raise ConfigError(f"{name} has no question")


def known(table: str, given: Mapping[str, Any], of: str, names: Callable[[], frozenset[str]]) -> None:
    """Refuse a setting that a library does not have; they are too many to be listed."""
    for key in given:
        if key not in (those := names()):
            near = get_close_matches(key, those, 1)
            meant = f"; did you mean {near[0]!r}?" if near else ""
            raise ConfigError(f"{table}.{key} is no setting of {of}{meant}")


@cache
def declared(package: str, files: tuple[str, ...]) -> frozenset[str]:
    """What the classes of these files declare, without importing them: that would take seconds, and torch."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ImportError(f"a training needs {package}: pip install 'overread[train]'")
    home = Path(spec.origin).parent
    bodies = [node.body for file in files for node in ast.walk(_parsed(home / file)) if isinstance(node, ast.ClassDef)]
    return frozenset(
        line.target.id
        for body in bodies
        for line in body
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and line.target.id[0] != "_"
    )


def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def divided(episodes: int, says: str, trainer: Mapping[str, Any], devices: int) -> tuple[int, int]:
    """(episodes that a device holds at a time, times that it does so) of a step; `says` is what states how many.

    Raises ConfigError where that is no whole number.
    """
    each = int(trainer.get("per_device_train_batch_size", 0))
    times = int(trainer.get("gradient_accumulation_steps", 0))
    each = each or (episodes // (devices * times) if times else 1)
    times = times or episodes // (devices * each)
    if each * times * devices != episodes:
        raise ConfigError(
            f"{says} is not {devices} devices x {each} episodes at a time x {times} times; change it, or "
            "trainer.per_device_train_batch_size"
        )
    return each, times
