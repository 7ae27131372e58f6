"""Demonstrations as tables."""

from collections.abc import Iterable, Mapping
from typing import Any

from agent.report import Table
from sft.demos import Try


def rates(found: Mapping[str, Any], tries: Iterable[Try]) -> list[Table]:
    """How many were kept, by tag, and why others were not."""
    whole = [("all", {"tried": found["tried"], "kept": found["kept"]})]
    rows = whole + [(f"{tag} {value}", row) for tag, values in found["by"].items() for value, row in values.items()]
    kept = Table(
        "Demonstrations",
        ("", "tried", "kept", "rate"),
        tuple((name, str(row["tried"]), str(row["kept"]), _share(row["kept"], row["tried"])) for name, row in rows),
        f"{found['asked']} questions asked; data {found['data']}",
    )
    why: dict[str, str] = {}
    for one in tries:
        why.setdefault(one.dropped, f"{one.question}: {one.why}")
    reasons = tuple((reason, str(times), why[reason]) for reason, times in found["dropped"].items())
    return [kept, *([Table("Dropped", ("why", "tries", "for example"), reasons)] if reasons else [])]


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "-"


def described(found: Mapping[str, Any]) -> list[Table]:
    """What `contents` found."""
    said = (("demonstrations", str(found["episodes"])), ("in which something is refused", str(found["refused"])))
    counted = {"policy": found["policies"], **found["by"], "tool": found["tools"], "phase": found["phases"]}
    tables = [Table("Demonstrations", ("", "n"), said)]
    tables += [
        Table(name.capitalize(), (name, "n"), tuple((value or "-", str(n)) for value, n in values.items()))
        for name, values in counted.items()
        if values
    ]
    rows = tuple((name, *(f"{n:g}" for n in values.values())) for name, values in found["lengths"].items())
    return [*tables, *([Table("Of an episode", ("", "least", "median", "mean", "most"), rows)] if rows else [])]
