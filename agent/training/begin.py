"""The run folder of a training: whether it is new, or one to go on in."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from agent.config import ConfigError
from agent.plan import differing
from agent.training.checkpoints import whole
from agent.training.toml import toml

FINISHED = "finished"
Decisive = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""The part of a resolved config that decides what is learned."""


class Interrupted(RuntimeError):
    """The training was asked to stop; what it had learned is in its last checkpoint."""


def ready(folder: Path, facts: Mapping[str, Any], resume: bool, decisive: Decisive) -> dict[str, Any]:
    """Make the folder ready, new or to go on in; `facts` state the run's kind, name, settings and data.

    A folder in which a training has come to no checkpoint yet counts as new. Returns the facts as they are read back
    from run.json. Raises ConfigError.
    """
    now: dict[str, Any] = json.loads(json.dumps(facts))
    if resume:
        _check_same(folder, now, decisive)
    elif folder.exists() and any(folder.iterdir()) and (_kind(folder) != now["kind"] or whole(folder / "checkpoints")):
        raise ConfigError(f"{folder} is not empty; go on in it with --resume, or give another --out")
    (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
    (folder / "resolved.toml").write_text(toml(now["settings"]), encoding="utf-8")
    return now


def _check_same(folder: Path, now: Mapping[str, Any], decisive: Decisive) -> None:
    """Raise ConfigError where it holds no such training, one that is finished, or one of other settings or data."""
    if _kind(folder) != now["kind"]:
        raise ConfigError(f"{folder} is not the run of a training like this one, so there is nothing to resume")
    before = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    if before["state"] == FINISHED:
        raise ConfigError(f"{folder} is finished, its model is {folder / 'model'}; give another --out to train again")
    other = differing(decisive(before["settings"]), decisive(now["settings"]))
    other += [f"data {name}" for name in differing(before["data"], now["data"])]
    if other:
        raise ConfigError(f"{folder} was begun with another {', '.join(other)}; set it as it was, or start a new run")


def _kind(folder: Path) -> str:
    """What run.json says that a run is; empty where it says nothing."""
    try:
        return str(json.loads((folder / "run.json").read_text(encoding="utf-8"))["kind"])
    except (OSError, ValueError, LookupError, TypeError):
        return ""
