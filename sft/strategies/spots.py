"""Where are all nodules? The first view shows it: no closer look is needed."""

import json

from sft.strategies import Case, Plan, answer, in_reading_order, point

ENOUGH = ("The view shows it: no closer look is needed.", "I see them as it is.")


def spots(case: Case) -> Plan:
    places = [case.middle(finding.place) for finding in in_reading_order(case, case.truth.findings)]
    found = [{"label": f"{n}", "image": "img0", "point": point(case.view, at)} for n, at in enumerate(places, start=1)]
    yield answer(case.one_of(ENOUGH), json.dumps(found))
