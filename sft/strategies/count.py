"""How many nodules are of a type? Look closely at all, judge each, and count."""

from sft.strategies import Case, Plan, answer
from sft.strategies.nodules import kind_asked, searched


def count(case: Case) -> Plan:
    asked = kind_asked(case)
    _, said = yield from searched(case, asked, tell=lambda those: f"{len(those)} so far")
    yield answer(f"{said} That makes {case.truth.answer}.", case.truth.answer)
