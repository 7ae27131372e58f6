"""Is there a nodule of a type, and if so, in which quadrant? Look until one is found, or at all."""

from sft.strategies import Case, Plan, answer, picked
from sft.strategies.nodules import kind_asked, searched


def hierarchy(case: Case) -> Plan:
    asked = case.episode.question
    those, said = yield from searched(case, kind_asked(case), one=True)
    if not asked.choices:
        yield answer(f"{said} {'There is one' if those else 'There is none'}.", case.truth.answer)
        return
    where = case.truth.accepted[0]
    letter, read = picked(asked.choices, where)
    yield answer(f"{said} {f'{those[0].name} lies {where}' if those else 'There is none'}.\n{read}", letter)
