"""Score outputs that somebody else made, from a file of {"prediction": ..., "answer": ..., "options": ...}."""

from collections.abc import Mapping
from inspect import signature
from pathlib import Path
from typing import Any

from envs.row_questions import choices
from envs.rows import Row, good, refuse, rows
from tools.lookup import find

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "predictions": ("prediction", "response"),
    "answers": ("answer", "label"),
    "choices": ("options", "choices"),
    "kinds": ("answer_type", "kind"),
}
"""What each argument of a scorer is read from: the first of these columns that there is."""


def rescore(path: Path, scorer: str) -> dict[str, float]:
    """What a scorer of this folder, by its name, makes of a file. A row without a prediction is an empty reply.

    Raises LookupError for a scorer that there is not, and DataError for a row that lacks what the scorer needs.
    """
    score = find("envs.compat", scorer)
    needed = [name for name in signature(score).parameters if name in COLUMNS]
    told = list(good(rows(path), lambda row: [[_cell(row, name) for name in needed]], refuse))
    found: dict[str, float] = score(**{name: [row[n] for row in told] for n, name in enumerate(needed)})
    return found


def _cell(row: Row, argument: str) -> Any:
    names = COLUMNS[argument]
    if argument == "predictions":
        return row.maybe(*names)
    if argument == "choices":
        return choices(row, row.need(*names))
    value = row.need(*names)
    return value if isinstance(value, list | tuple) else row.text(*names)
