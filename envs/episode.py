"""The record of one episode. Everything else reads this: rewards, SFT, GRPO, evaluation, the viewer.

    Question --> Episode( opening, Turn, Turn, ..., Turn ) --> Verdict
                          Turn = Reply written, Acts understood and carried out

The environment writes it, one turn per step. Nothing converts it: training takes a one-way view of it
(`agent.render`), the viewer opens its JSON.
"""

import math
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from tools.geometry import Frozen
from tools.image import Image, Place
from tools.mask import Mask
from tools.study import Study
from tools.tool import Observation, Size

NOTICE = "Research use only, not a medical device."

Kind = Literal["open", "choice", "yes_no", "number", "boxes", "points", "count", "mask", "sequence", "report"]
Phase = Literal["think", "act", "rethink", "answer"]
Stop = Literal["answered", "turn_limit", "token_limit", "image_limit", "tool_fault", "engine_fault", "timeout"]
FAULTS: tuple[Stop, ...] = ("tool_fault", "engine_fault", "timeout")
"""Stops that are no doing of the policy: there is no verdict, and nothing is learned from them."""


MAX_DEPTH = 20
"""How deep the arguments of a tool call may be nested."""


def storable(value: Any, depth: int = 0) -> Any:
    """The value with half characters (lone surrogates), which no file can hold, replaced.

    Raises ValueError for what is nested too deep, and for infinity and NaN.
    """
    if depth > MAX_DEPTH:
        raise ValueError(f"nested more than {MAX_DEPTH} deep")
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is no number that can be kept")
    if isinstance(value, list | tuple):
        return [storable(v, depth + 1) for v in value]
    if isinstance(value, dict):
        return {storable(k): storable(v, depth + 1) for k, v in value.items()}
    return value


Text = Annotated[str, BeforeValidator(storable)]


class Question(Frozen):
    """One thing to be answered: all that a policy may know."""

    id: str
    text: str
    study: Study
    images: tuple[Image, ...]
    """The views shown at the start."""
    kind: Kind = "open"
    """What the answer must be."""
    choices: Annotated[tuple[str, ...], Field(max_length=26)] = ()
    """The answers to choose from, in order; empty where the answer is free."""
    origin: str = ""
    """Data set and split it came from, as in "vqa_rad/test"."""
    tags: dict[str, str] = {}
    """Modality, anatomy, task, language ..., to report results by."""


class Finding(Frozen):
    """Something that lies on a study, and what it is."""

    name: str
    place: Place


class Truth(Frozen):
    """What is needed to judge the answer. The environment alone holds it until the episode has stopped."""

    answer: str
    """As a reader would write it: "B" or "yes", "33.1 mm", "3", free text; for boxes and points see `regions`."""
    accepted: tuple[str, ...] = ()
    """Other answers that are as right."""
    regions: tuple[Place, ...] = ()
    """Where the evidence is; for a question of kind boxes or points, the boxes or points themselves."""
    masks: tuple[Mask, ...] = ()
    """For a question of kind mask, one for each instance; all on the plane of the first region."""
    tolerance: float | None = None
    """How far off a number may be, as a share of the true one; None: the grader's own."""
    within: float | None = None
    """How far off a number may be in its own unit, or a point in px of the source; None: the grader's own."""
    findings: tuple[Finding, ...] = ()
    """All that was drawn on a made-up study, whether asked for or not: what an expert would say of it."""


class Reply(Frozen):
    """What the policy wrote in one turn."""

    text: Text
    token_ids: tuple[Annotated[int, Field(ge=0, lt=2**31)], ...] = ()
    """[n] exactly as sampled, never tokenized again; empty when a person, a script or a server wrote it."""
    logprobs: tuple[float, ...] = ()
    """[n] log-probability of each sampled token under the policy that sampled it."""
    num_tokens: int = 0
    """Tokens written, n where `token_ids` are known, else as a server counts them; 0: not counted."""
    finish: Literal["stop", "length", "context"] = "stop"
    """Why it ended: the policy stopped, the reply's limit, or no room left in the model's context."""
    model_version: Text = ""
    canvas: tuple[Size, ...] | None = None
    """[images so far] size (width, height) of each image in the coordinates written here; None: px of the image."""

    @model_validator(mode="before")
    @classmethod
    def _counted(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("token_ids") and not data.get("num_tokens"):
            return {**data, "num_tokens": len(data["token_ids"])}
        return data

    @model_validator(mode="after")
    def _aligned(self) -> "Reply":
        if self.logprobs and len(self.logprobs) != len(self.token_ids):
            raise ValueError(f"{len(self.logprobs)} logprobs for {len(self.token_ids)} tokens")
        return self


class ToolCall(Frozen):
    """A tool asked for; the arguments are as the policy wrote them."""

    type: Literal["tool"] = "tool"
    name: Text
    arguments: Annotated[dict[str, Any], BeforeValidator(storable)]


class Answer(Frozen):
    type: Literal["answer"] = "answer"
    text: Text


class Malformed(Frozen):
    """Text that is neither a tool call nor an answer; the policy is told `problem`."""

    type: Literal["malformed"] = "malformed"
    problem: str


Action = Annotated[ToolCall | Answer | Malformed, Field(discriminator="type")]


class Span(Frozen):
    """A part of a reply's text, [start, end) in characters, and what it is."""

    phase: Phase
    start: int
    end: int


class Act(Frozen):
    """One action, and what came of it."""

    action: Action
    observation: Observation = Observation()
    """What came back; empty after an answer."""
    refused: bool = False
    """True where the observation is a tool's refusal or a parse error."""
    places: dict[str, tuple[Place, ...]] = {}
    """The boxes and points of the arguments, by argument, in px of the source."""
    seconds: float = 0.0
    """Time the tool took, s."""


class Turn(Frozen):
    """Think, act, look. `rethink` is the thought of a later turn."""

    reply: Reply
    thought: Text = ""
    acts: tuple[Act, ...] = ()
    """In the order written; one or more, but for a turn that a fault of ours cut off."""
    spans: tuple[Span, ...] = ()
    """The phases of the reply's text."""
    strict: bool = True
    """Whether the strict parser read the reply."""
    problem: str = ""
    """What the strict parser said where it did not."""
    repaired: tuple[Action, ...] = ()
    """What the repairing parser read where the strict one did not."""
    seconds: float = 0.0
    """Time the policy took to write, s."""

    @property
    def images(self) -> tuple[Image, ...]:
        """The views that came back, in order."""
        return tuple(image for act in self.acts for image in act.observation.images)

    @property
    def refused(self) -> bool:
        return any(act.refused for act in self.acts)


class Verdict(Frozen):
    reward: float
    parts: dict[str, float]
    """Each reward function's own score in [0, 1], before its weight."""


class Episode(Frozen):
    version: Literal[1] = 1
    notice: str = NOTICE
    question: Question
    system: str = ""
    """What the policy is told first: how to reply, and the tools."""
    opening: Observation
    """The question, and the views shown with it."""
    tools: tuple[str, ...] = ()
    turns: tuple[Turn, ...] = ()
    stop: Stop | None = None
    """Why it ended; None: it has not, or was broken off."""
    problem: str = ""
    """What went wrong, after a fault."""
    truth: Truth | None = None
    """None until the episode has stopped."""
    verdict: Verdict | None = None
    """None: not judged, which is not a reward of 0."""
    policy: str = ""
    seed: int | None = None
    group: str = ""
    """Episodes of one question that are compared with each other share a group."""
    step: int = 0
    """The training step it was played for."""
    id: str = ""

    @property
    def answer(self) -> str | None:
        last = self.turns[-1].acts[-1] if self.turns and self.turns[-1].acts else None
        return last.action.text if last and isinstance(last.action, Answer) and not last.refused else None

    @property
    def images(self) -> dict[str, Image]:
        """Every image shown so far, by the name the policy knows it by: img0, img1, ..."""
        shown = [*self.opening.images, *(image for turn in self.turns for image in turn.images)]
        return {f"img{n}": image for n, image in enumerate(shown)}

    @property
    def tool_calls(self) -> list[ToolCall]:
        return [act.action for turn in self.turns for act in turn.acts if isinstance(act.action, ToolCall)]

    @property
    def num_tokens(self) -> int:
        """Tokens the policy wrote, where they are known."""
        return sum(turn.reply.num_tokens for turn in self.turns)
