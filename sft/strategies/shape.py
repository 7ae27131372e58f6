"""What type is the nodule? Look closely at it, and name it."""

from sft.strategies import Case, Plan, answer, picked
from sft.strategies.nodules import looked_at

SO = ("It is {kind}.", "I see it now: {kind}.")


def shape(case: Case) -> Plan:
    (seen,) = yield from looked_at(case)
    letter, read = picked(case.episode.question.choices, seen.kind)
    yield answer(f"{case.one_of(SO, kind=seen.kind)}\n{read}", letter)
