"""Is there a nodule of a type, and if so, in which quadrant? Look until one is found, or at all."""

from envs.phantoms.asking import LETTERS
from sft.strategies import Case, Plan, answer
from sft.strategies.nodules import listed, looked_at


def hierarchy(case: Case) -> Plan:
    asked = case.episode.question
    there = bool(case.truth.regions)
    kind = next((f.name for f in case.truth.findings if f.name in asked.text), "")
    seen = yield from looked_at(case, case.truth.findings, until=kind)
    if not asked.choices:
        yield answer(f"{listed(seen)}. {'There is one' if there else 'There is none'}.", case.truth.answer)
        return
    where = case.truth.accepted[0]
    found = f"{next(one.name for one in seen if one.kind == kind)} lies {where}" if there else "There is none"
    yield answer(f"{listed(seen)}. {found}: {case.truth.answer}.", LETTERS[asked.choices.index(where)])
