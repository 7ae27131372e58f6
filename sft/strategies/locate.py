"""Where are the nodules of a type? Look closely at all, and place those on the views that show them."""

import json

from sft.strategies import Case, Plan, answer, box, point
from sft.strategies.nodules import Seen, kind_asked, named, searched


def locate(case: Case) -> Plan:
    asked = case.episode.question
    single = asked.tags["asked"] == "one"
    done = "to box" if asked.kind == "boxes" else "to point at"  # said at every turn, so that it is not forgotten

    def so_far(those: list[Seen]) -> str:
        return f"{named(those) or 'none'} {done} so far"

    those, said = yield from searched(case, kind_asked(case), single, so_far)
    written = json.dumps([_placed(one, asked.kind) for one in those])
    yield answer(f"{said} {'It is' if len(those) == 1 else 'They are'} {named(those)}.", written)


def _placed(seen: Seen, kind: str) -> dict[str, object]:
    if kind == "boxes":
        return {"image": seen.name, "box": box(seen.view, seen.box)}
    return {"image": seen.name, "point": point(seen.view, seen.box.center)}
