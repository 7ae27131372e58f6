"""Mistakes at the beginning, and how they are put right."""

from envs.episode import ToolCall
from sft.strategies import Case, Plan, close_look
from sft.strategies.nodules import empty_place

EMPTY = ("Nothing lies here. {then}", "No nodule here: I was wrong. {then}")
NO_IMAGE = ("There is no such image. {then}", "That name was wrong. {then}")
LESS = ("The call was refused. {then}", "I must name a box. {then}")


def after_a_slip(case: Case, plan: Plan) -> Plan:
    """A plan that begins with a look at the wrong place, or a call that is refused, and goes on as it would have."""
    call, words = _slip(case)
    episode = yield case.one_of(("I look closer.", "I zoom in.")), (call,)
    thought, actions = next(plan)
    while True:
        episode = yield case.one_of(words, then=thought) if words else thought, actions
        words = ()
        try:
            thought, actions = plan.send(episode)
        except StopIteration:
            return


def _slip(case: Case) -> tuple[ToolCall, tuple[str, ...]]:
    look = close_look(case.view, empty_place(case))
    kind = int(case.rng.integers(3))
    if kind == 0 and case.truth.findings:
        return look, EMPTY
    if kind == 1:
        return look.model_copy(update={"arguments": {**look.arguments, "image": "img1"}}), NO_IMAGE
    return look.model_copy(update={"arguments": {"image": "img0"}}), LESS
