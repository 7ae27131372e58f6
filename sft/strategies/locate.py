"""Where are the nodules of a type? Look closely at all, and place those on the views that show them."""

import json

from sft.strategies import Case, Plan, answer, box, point
from sft.strategies.nodules import Seen, listed, looked_at


def locate(case: Case) -> Plan:
    asked = case.episode.question
    single = asked.tags["asked"] == "one"
    kind = next(finding.name for finding in case.truth.findings if finding.name in asked.text)
    seen = yield from looked_at(case, case.truth.findings, until=kind if single else "")
    those = [one for one in seen if one.kind == kind]
    written = json.dumps([_placed(one, asked.kind) for one in those])
    yield answer(f"{listed(seen)}. {_said(those)}", written)


def _said(those: list[Seen]) -> str:
    return f"It is {those[0].name}." if len(those) == 1 else f"They are {' and '.join(one.name for one in those)}."


def _placed(seen: Seen, kind: str) -> dict[str, object]:
    if kind == "boxes":
        return {"image": seen.name, "box": box(seen.view, seen.box)}
    return {"image": seen.name, "point": point(seen.view, seen.box.center)}
