"""How many nodules are of a type? Look closely at all, name each, and count."""

from sft.strategies import Case, Plan, answer
from sft.strategies.nodules import listed, looked_at


def count(case: Case) -> Plan:
    seen = yield from looked_at(case, case.truth.findings)
    yield answer(f"{listed(seen)}. That makes {case.truth.answer}.", case.truth.answer)
