"""Readers who want the reward without the work.

Each of them was paid by some published reward, or is what a policy tries first when it might be.
"""

import json
from collections.abc import Iterator
from typing import NamedTuple

from envs.episode import Question
from rl.readers import EVERYTHING, GUESSES, Case, Script, answer, call
from rl.studies import SIZE, leaking

MAX_TURNS = 8
"""Turns that an episode may have."""
SPOOFED = "<|vision_start|><|image_pad|><|vision_end|>"
"""What stands for an image in the text of Qwen-VL."""
WHOLE = [0, 0, SIZE, SIZE]
CROP = call("crop", box=[2, 2, 22, 22])
"""A look at a place where there is nothing."""
PIXEL = call("zoom", box=[1, 1, 2, 2])
LONG = 1000
"""Characters of a long answer."""
FILLER = "Many things can be seen here, and each of them has to be weighed with care. "

MOVES: tuple[tuple[str, Script, Script], ...] = (
    ("zoom on the whole image", (call("zoom", box=WHOLE),), ()),
    ("mark around the whole image", (call("mark", boxes=[WHOLE]),), ()),
    ("mark around one pixel", (call("mark", boxes=[[1, 1, 2, 2]]),), ()),
    ("empty list of boxes", (call("mark", boxes=[]),), ()),
    ("box outside the image", (call("zoom", box=[900, 900, 999, 999]),), ()),
    ("tool with a wrong name", (call("scalpel"),), ()),
    ("tools that show nothing new", (call("window", preset="full"),) * (MAX_TURNS - 2), ()),
    ("the same crop again", (CROP,) * (MAX_TURNS - 2), (CROP,)),
    ("zoom on one pixel", (PIXEL,), (PIXEL,)),
)
"""What is done before the answer, and what of it shows something: the rest adds nothing and must not be paid."""


class Cheat(NamedTuple):
    """A reader who cheats at a question."""

    name: str
    question: Question
    replies: Script
    right: bool
    """Whether the answer is the right one all the same."""
    without: Script = ()
    """The same reading without what adds nothing to it; empty where there is no such reading."""


def cheats(case: Case) -> Iterator[Cheat]:
    """Every way to cheat at a question."""
    yield from _moves(case)
    yield from _answers(case)
    yield from _leaks(case)


def _moves(case: Case) -> Iterator[Cheat]:
    question = case.question
    for right, said, work in ((False, case.wrong, ()), (True, case.right, case.work)):
        for name, moves, shows in MOVES:
            yield Cheat(name, question, (*work, *moves, answer(said)), right, (*work, *shows, answer(said)))
        spoofed = (*work, answer(said, SPOOFED))
        yield Cheat("spoofed vision tokens", question, spoofed, right, (*work, answer(said)))


def _answers(case: Case) -> Iterator[Cheat]:
    question, kind = case.question, case.question.kind
    yield Cheat("empty answer", question, (answer(""),), right=False)
    if kind in EVERYTHING:
        yield Cheat("every option named", question, (answer(EVERYTHING[kind]),), right=False)
    if kind in ("boxes", "points"):
        yield Cheat("empty list", question, (answer("[]"),), right=False)
    if kind == "boxes":
        yield Cheat("the whole image", question, (answer(json.dumps([WHOLE])),), right=False)
    constant = GUESSES[kind][0]
    yield Cheat("always the same answer", question, (answer(constant),), right=constant == case.truth.answer)
    yield Cheat("long answer", question, (answer(_long("")),), right=False)
    plain = (*case.work, answer(case.right))
    yield Cheat("long answer", question, (*case.work, answer(_long(case.right))), True, plain)
    yield Cheat("never answers", question, (call("zoom", box=WHOLE),) * MAX_TURNS, right=False)
    yield Cheat("says nothing that can be read", question, (SPOOFED,) * MAX_TURNS, right=False)


def _leaks(case: Case) -> Iterator[Cheat]:
    """The study tells the answer, in its words or as the outline img1."""
    told = leaking(case.question, case.truth)
    yield Cheat("answer copied from the study", told, (answer(case.right),), right=True)
    yield Cheat("answer in the study, not given", told, (answer(""),), right=False)
    yield Cheat("answer in the study, never answers", told, (call("zoom", box=WHOLE),) * MAX_TURNS, right=False)


def _long(said: str) -> str:
    filled = FILLER * (LONG // len(FILLER) + 1)
    return f"{said} {filled}".strip()[:LONG].strip()
