"""The environment: it shows a question, carries out what is asked, and keeps the record."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

import gymnasium as gym
import numpy as np
from pydantic import Field, FiniteFloat

from envs import answers
from envs.dialects import Parsed
from envs.episode import (
    Act,
    Action,
    Answer,
    Episode,
    Malformed,
    Question,
    Reply,
    Span,
    Stop,
    ToolCall,
    Truth,
    Turn,
    storable,
)
from envs.prompt import brief, opening, system
from envs.score import judge, weights_of
from envs.spaces import ObservationSpace, ReplySpace
from tools.image import Image, Place
from tools.lookup import find
from tools.tool import Observation, Size, Tool, ToolError

TOOLS = ("zoom", "crop", "mark", "measure", "window", "orient", "slice", "frame", "segment", "count", "compare")
LOOK_FIRST = "look first: use a tool before you answer"
REWARDS = "hardened"
"""The preset of rewards where nothing else is asked for."""
Task = tuple[Question, Truth | None]


class ReadingEnv(gym.Env[Observation, str | Reply]):
    """A question about a study, answered by looking.

    The action is what the policy wrote; the reward comes once, with the end. `env.episode` is the record.
    An episode ends with an answer (terminated) or at a limit (truncated): `max_turns`, `max_tokens` written by the
    policy, `max_images` shown in all, `max_seconds` since the reset; None is no limit.
    """

    metadata = {"render_modes": ["ansi", "rgb_array"], "render_fps": 1}

    def __init__(
        self,
        tasks: Sequence[Task] = (),
        *,
        tools: Sequence[str] = TOOLS,
        rewards: Mapping[str, FiniteFloat] | str = REWARDS,
        dialect: str = "tags",
        prompt: Literal["full", "brief"] = "full",
        repair: bool = True,
        tool_use: Literal["auto", "forced"] = "auto",
        seen: Callable[[Image], Image] | None = None,
        max_turns: Annotated[int, Field(ge=1)] = 8,
        max_tokens: Annotated[int, Field(ge=1)] | None = None,
        max_images: Annotated[int, Field(ge=1)] | None = 32,
        max_seconds: Annotated[FiniteFloat, Field(gt=0)] | None = None,
        render_mode: Literal["ansi", "rgb_array"] | None = None,
    ):
        self.tasks = list(tasks)
        self.tools = {tool.name: tool for tool in (Tool(find("tools", name)) for name in tools)}
        self.rewards = weights_of(rewards)
        self.dialect = find("envs.dialects", dialect)()
        self.brief = prompt == "brief"
        """Whether the policy is told the names of the tools alone, because it has been trained to use them."""
        self.repair = repair
        """Whether what only the repairing parser can read is carried out."""
        self.tool_use = tool_use
        """Under "forced" an answer is refused until a tool has shown or told something."""
        self.seen = seen
        """What becomes of a view that a tool shows before the policy is given it: for counterfactuals."""
        self.max_turns, self.max_tokens = max_turns, max_tokens
        self.max_images, self.max_seconds = max_images, max_seconds
        self.render_mode = render_mode
        self.action_space = ReplySpace()
        self.observation_space = ObservationSpace()
        self.stepping = False
        """True while something is opened or carried out: what breaks then is no fault of the policy's engine."""
        self._truths: dict[str, Truth | None] = {}
        for question, truth in self.tasks:
            if self._truths.setdefault(question.id, truth) != truth:
                raise ValueError(f"two tasks have the id {question.id!r} and different truths")
        self._episode: Episode | None = None
        self._began = 0.0

    @property
    def episode(self) -> Episode:
        """The record of the current episode."""
        if self._episode is None:
            raise gym.error.ResetNeeded("no episode yet: call reset first")
        return self._episode

    @property
    def started(self) -> bool:
        """Whether there is an episode."""
        return self._episode is not None

    @property
    def seconds_left(self) -> float | None:
        """Time until the episode must end, s; None: no limit."""
        return None if self.max_seconds is None else max(0.0, self.max_seconds - (time.monotonic() - self._began))

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start on `options["question"]`, or on one drawn at random. Raises ValueError where there is none."""
        super().reset(seed=seed)
        question = (options or {}).get("question") or self._drawn()
        self.stepping = False
        self._episode = Episode(question=question, opening=Observation(), seed=seed)  # should an image not be readable
        self.stepping = True
        images = tuple(image.shown() for image in question.images)
        self.stepping = False
        tools = self.tools.values()
        self._episode = Episode(
            question=question.model_copy(update={"images": images}),
            system=brief(tools) if self.brief else system(tools, self.dialect.how),
            opening=Observation(text=opening(question, self.brief), images=images),
            tools=tuple(self.tools),
            seed=seed,
        )
        self._began = time.monotonic()
        return self.episode.opening, {}

    def step(self, action: str | Reply, seconds: float = 0.0) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Carry out a reply, which took the policy `seconds` to write."""
        if self.episode.stop is not None:
            raise gym.error.ResetNeeded("the episode is over: call reset before step")
        reply = Reply(text=action) if isinstance(action, str) else action
        self.stepping = True
        before = self.episode
        self._episode = before.model_copy(update={"turns": (*before.turns, Turn(reply=reply, seconds=seconds))})
        turn = self._carried_out(reply, seconds, before)
        self._episode = before.model_copy(update={"turns": (*before.turns, turn)})
        self._stop(self._reached(turn))
        self.stepping = False
        seen = _merged(turn.acts)
        if self.episode.stop is None:
            return seen, 0.0, False, False, {}
        verdict, answered = self.episode.verdict, self.episode.stop == "answered"
        return seen, verdict.reward if verdict else 0.0, answered, not answered, dict(verdict.parts) if verdict else {}

    def give_up(self, stop: Stop, problem: str) -> Episode:
        """End the episode by a fault that is not the policy's; one that has ended stays as it is."""
        if self.episode.stop is None:
            self._stop(stop, problem)
        return self.episode

    def render(self) -> Any:
        """The episode so far: as text ("ansi"), or as one picture (H, W, 3), uint8 ("rgb_array")."""
        if self.render_mode == "ansi":
            from envs.transcript import transcript

            return transcript(self.episode)
        if self.render_mode == "rgb_array":
            from envs.picture import picture

            return np.asarray(picture(self.episode))
        gym.logger.warn("render was called without a render_mode; there are: ansi, rgb_array")
        return None

    def _drawn(self) -> Question:
        if not self.tasks:
            raise ValueError('no question: give the environment tasks, or reset with options={"question": ...}')
        return self.tasks[int(self.np_random.integers(len(self.tasks)))][0]

    def _stop(self, stop: Stop | None, problem: str = "") -> None:
        if stop is None:
            return
        truth = self._truths.get(self.episode.question.id)
        ended = self.episode.model_copy(update={"stop": stop, "problem": storable(problem), "truth": truth})
        self._episode = ended.model_copy(update={"verdict": judge(ended, truth, self.rewards)})

    def _reached(self, turn: Turn) -> Stop | None:
        """The end that a turn brings, if any."""
        if any(isinstance(act.action, Answer) and not act.refused for act in turn.acts):
            return "answered"
        if turn.reply.finish == "context" or _over(self.episode.num_tokens, self.max_tokens):
            return "token_limit"
        if _over(len(self.episode.images), self.max_images):
            return "image_limit"
        if self.seconds_left == 0.0:
            return "timeout"
        return "turn_limit" if len(self.episode.turns) >= self.max_turns else None

    def _carried_out(self, reply: Reply, seconds: float, before: Episode) -> Turn:
        """The turn that a reply makes after the episode `before`."""
        exact = self.dialect.strict(reply.text)
        mended = exact if exact.understood else self.dialect.repairing(reply.text)
        read = mended if self.repair else exact
        acts: list[Act] = []
        images = before.images
        for action in read.actions:
            acts.append(self._act(action, reply, images))
            images |= {f"img{len(images) + n}": image for n, image in enumerate(acts[-1].observation.images)}
        return Turn(
            reply=reply,
            thought=read.thought,
            acts=tuple(acts),
            spans=_phases(read, before),
            strict=exact.understood,
            problem=exact.problem,
            repaired=() if mended.actions == exact.actions else mended.actions,
            seconds=seconds,
        )

    def _act(self, action: Action, reply: Reply, images: dict[str, Image]) -> Act:
        """Carry out one action; it may name `images`: all shown before, those of earlier calls of its turn included."""
        if isinstance(action, Answer) and self._must_look():
            told = Observation(text=LOOK_FIRST)
            return Act(action=action, observation=told, refused=True)
        if isinstance(action, Answer):
            return Act(action=action, places=self._answered(action, reply, images))
        if isinstance(action, Malformed):
            return Act(action=action, observation=Observation(text=action.problem), refused=True)
        began = time.perf_counter()
        try:
            if _over(len(images), self.max_images):
                raise ToolError(f"{action.name[:60]}: no more images can be shown; give your answer")
            call = self._tool(action).call(action.arguments, images, self._canvas(reply))
            shown = call.run()
        except ToolError as refusal:
            told = Observation(text=str(refusal))
            return Act(action=action, observation=told, refused=True, seconds=time.perf_counter() - began)
        return Act(
            action=action, observation=self._changed(shown), places=call.places, seconds=time.perf_counter() - began
        )

    def _changed(self, shown: Observation) -> Observation:
        """What the policy is given in place of what a tool shows."""
        if self.seen is None:
            return shown
        views = {image.id: self.seen(image).shown() for image in shown.images}
        spots = (s.model_copy(update={"image": views[s.image].id}) if s.image in views else s for s in shown.spots)
        return shown.model_copy(update={"images": tuple(views.values()), "spots": tuple(spots)})

    def _must_look(self) -> bool:
        """Whether no tool has been used yet, where one must be."""
        acts = [act for turn in self.episode.turns for act in turn.acts]
        return self.tool_use == "forced" and not any(isinstance(a.action, ToolCall) and not a.refused for a in acts)

    def _answered(self, answer: Answer, reply: Reply, images: dict[str, Image]) -> dict[str, tuple[Place, ...]]:
        """The boxes or points of an answer, px of their sources; nothing where none can be read."""
        kind = self.episode.question.kind
        named = answers.repairing(answer.text, kind) if kind in ("boxes", "points") else None
        places = None if named is None else answers.placed(named, images, self._canvas(reply))
        return {} if places is None else {"answer": places}

    def _tool(self, call: ToolCall) -> Tool:
        if call.name not in self.tools:
            raise ToolError(f"no tool {call.name[:60]!r}; there are: {', '.join(self.tools)}")
        return self.tools[call.name]

    def _canvas(self, reply: Reply) -> dict[str, Size] | None:
        return None if reply.canvas is None else {f"img{n}": size for n, size in enumerate(reply.canvas)}


def _phases(read: Parsed, before: Episode) -> tuple[Span, ...]:
    """A thought after something has been seen is a rethought."""
    if not any(act.observation != Observation() for turn in before.turns for act in turn.acts):
        return read.spans
    return tuple(span.model_copy(update={"phase": "rethink"}) if span.phase == "think" else span for span in read.spans)


def _over(count: int, limit: int | None) -> bool:
    return limit is not None and count >= limit


def _merged(acts: Sequence[Act]) -> Observation:
    """What the acts of one turn showed, as one observation."""
    seen = [act.observation for act in acts]
    if len(seen) == 1:
        return seen[0]
    return Observation(text="\n".join(o.words() for o in seen), images=tuple(i for o in seen for i in o.images))
