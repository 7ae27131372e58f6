"""Is the answer right? Graders, one for each kind of question, say so in `envs/graders/<kind>.py`.

    def number(question: Question, truth: Truth, given: Given) -> Grade

A grader is deterministic, works offline, and never leaves an answer out: what cannot be read is wrong, and said to be
unread. It judges the answer as it was written (`strict`) and as it was probably meant (`score`).
"""

import re
from typing import Annotated

from pydantic import Field, FiniteFloat

from envs.episode import Answer, Episode, Truth
from tools.geometry import Frozen
from tools.image import Image, Place
from tools.lookup import find
from tools.mask import Mask

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Given(Frozen):
    """An answer, as far as it was understood before it is graded."""

    text: str
    places: tuple[Place, ...] | None = None
    """The boxes or points it names, px of their sources; None: it names none that can be read."""
    mask: Mask | None = None
    """What is outlined on the view that it names."""
    mask_place: Place | None = None
    """The plane that the mask lies on, and the part of it that the view shows."""


class Grade(Frozen):
    """What a grader says."""

    scorer: str
    """Name and version of the grader, as in "number/1": another version may give another score."""
    score: Share = 0.0
    """How right the answer is as it was probably meant."""
    right: bool = False
    """Whether it counts as right: what accuracy, McNemar's test and the effect of tools are computed from."""
    parsed: bool = False
    """Whether an answer of the kind asked for could be read at all; what could not is wrong."""
    problem: str = ""
    """Why it could not be read, or cannot be compared with the truth."""
    strict: Share = 0.0
    """The score where the answer, and in `grade` the whole reply, is written exactly as asked, else 0."""
    metrics: dict[str, FiniteFloat] = {}
    """The numbers behind the score: "iou_mean", "abs_error", ..."""


def given(episode: Episode) -> Given | None:
    """What an episode answered; None where it did not."""
    act = episode.turns[-1].acts[-1] if episode.turns and episode.turns[-1].acts else None
    if act is None or not isinstance(act.action, Answer) or episode.answer is None:
        return None
    outlined = _outlined(episode, act.action.text) if episode.question.kind == "mask" else None
    return Given(
        text=act.action.text,
        places=act.places.get("answer"),
        mask=outlined.mask if outlined else None,
        mask_place=outlined.place(outlined.box) if outlined else None,
    )


def _outlined(episode: Episode, text: str) -> Image | None:
    """The one image that a text names; None where it names none, or several."""
    names = set(re.findall(r"\bimg\d+\b", text))
    return episode.images.get(names.pop()) if len(names) == 1 else None


def grade(episode: Episode, truth: Truth) -> Grade:
    """Grade the answer of an episode; one that has none is unread."""
    answer = given(episode)
    kind = episode.question.kind
    if answer is None:
        return Grade(scorer=f"{kind}/none")
    result: Grade = find("envs.graders", kind)(episode.question, truth, answer)
    return result if episode.turns[-1].strict else result.model_copy(update={"strict": 0.0})
