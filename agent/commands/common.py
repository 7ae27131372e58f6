"""Options that verbs share."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Group, Parameter

from agent.config import ConfigError, load

OUTPUT = Group("Output", sort_key=8)
SETTINGS = Group("Settings", sort_key=7)
DEFAULT_POLICY = "pocket"


@Parameter(name="*", group=OUTPUT)
@dataclass(frozen=True)
class Output:
    """How the result is told."""

    json: Annotated[bool, Parameter(negative="", show_default=False)] = False
    "One JSON object on stdout."
    plain: Annotated[bool, Parameter(negative="", show_default=False)] = False
    "No colour, no pictures, no box drawing."
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative="", show_default=False)] = False
    "Nothing on stderr but errors."
    debug: Annotated[bool, Parameter(negative="", show_default=False)] = False
    "Show the traceback of a failure."


@Parameter(name="*", group=SETTINGS)
@dataclass(frozen=True)
class Settings:
    """Where settings come from: files, then OVERREAD_* variables, then --set."""

    config: Annotated[tuple[Path, ...], Parameter(negative="", show_default=False)] = ()
    "A TOML file with [policy] and [env]; may be given again, the later wins."
    set: Annotated[tuple[str, ...], Parameter(negative="", show_default=False)] = ()
    "A change such as env.max_turns=4; may be given again."

    def load(
        self, tables: Sequence[str] = ("policy", "env"), files: Sequence[Path] = (), lists: Sequence[str] = ()
    ) -> dict[str, Any]:
        """The settings, all read; `files` come first. Raises ConfigError for a table that is none of `tables`.

        Those in `lists` may be arrays of tables.
        """
        settings = load((*files, *self.config), self.set, os.environ)
        if unknown := settings.keys() - set(tables):
            raise ConfigError(f"no table [{min(unknown)}]; there are: {', '.join(f'[{name}]' for name in tables)}")
        tabular = {name: dict | list if name in lists else dict for name in settings}
        if wrong := next((name for name, table in settings.items() if not isinstance(table, tabular[name])), None):
            raise ConfigError(f"{wrong} is a value, not a table; write [{wrong}] and its settings below")
        return settings


def policy_table(settings: dict[str, Any], name: str | None) -> dict[str, Any]:
    """The [policy] table: a name given on the command line wins; a folder is a model to be run here."""
    table = dict(settings.get("policy", {}))
    if name is None:
        return {"name": DEFAULT_POLICY, **table}
    if os.sep in name or Path(name).is_dir():
        return {**table, "name": "local", "model": name}
    return {**table, "name": name} if table.get("name", name) == name else {"name": name}
