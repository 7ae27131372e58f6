"""What a model's folder says of its training: the rules it was trained under, and what it can be asked."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from agent.loop import PolicyError
from tools.geometry import Frozen
from tools.image import VIEW_PX

FILE = "overread.json"
POCKET = Path(__file__).parent / "pocket"
"""The folder of the policy that ships with the project."""


class Trained(Frozen):
    """Written beside the weights by `overread sft`."""

    env: dict[str, Any] = {}
    """The [env] table of its training: what is not said otherwise when it is played."""
    view_px: int = VIEW_PX
    """The longest side of a first view."""
    families: tuple[str, ...] = ()
    """The families of questions it was trained on."""


def trained(folder: str | Path) -> Trained:
    """What a folder says; the usual rules where it says nothing. Raises PolicyError for a file that is broken."""
    path = Path(folder) / FILE
    if not path.is_file():
        return Trained()
    try:
        return Trained.model_validate_json(path.read_bytes())
    except (ValidationError, OSError) as error:
        raise PolicyError(f"{path} cannot be read: {str(error).splitlines()[0]}") from None


def trained_policy(table: Mapping[str, Any]) -> Trained:
    """The same, for the policy that a [policy] table names."""
    if table.get("name") == "pocket":
        return trained(POCKET)
    return trained(table["model"]) if table.get("name") == "local" and "model" in table else Trained()
