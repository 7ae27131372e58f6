"""How wide is the disc? It is outlined as it is, and its diameter told by the tool."""

from sft.strategies import Case, Plan, answer, outline, told

OUTLINE = ("I outline the disc.", "The disc is large: I outline it as it is.")


def discs(case: Case) -> Plan:
    at = case.middle(case.truth.regions[0])
    episode = yield case.one_of(OUTLINE), (outline(case.view, at),)
    found = told(episode, r"longest diameter ([\d.]+ mm)")
    yield answer(f"It says: longest diameter {found}.", found)
