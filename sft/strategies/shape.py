"""What type is the nodule? Look closely at it, and name it."""

from envs.phantoms.asking import LETTERS
from sft.strategies import Case, Plan, answer
from sft.strategies.nodules import looked_at

SO = ("It is {kind}: {letter}.", "{kind}, so {letter}.")


def shape(case: Case) -> Plan:
    (seen,) = yield from looked_at(case, case.truth.findings)
    letter = LETTERS[case.episode.question.choices.index(seen.kind)]
    yield answer(case.one_of(SO, kind=seen.kind, letter=letter), letter)
