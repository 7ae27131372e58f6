"""A Qwen-VL model on this machine, run by transformers."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Annotated, Literal

from pydantic import Field

from agent.chats import chat_for
from agent.conversation import canvases
from agent.loop import Policy
from agent.render import Rendered, render
from agent.sampling import draw
from agent.session import Session, load_model
from envs.episode import Episode, Reply
from tools.study import content_id


def local(
    model: str | Path,
    *,
    device: str = "auto",
    dtype: str = "auto",
    attention: str = "auto",
    temperature: Annotated[float, Field(ge=0)] = 0.7,
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0,
    max_new_tokens: Annotated[int, Field(ge=1)] = 1024,
    max_context: Annotated[int, Field(ge=1)] | None = None,
    seed: int = 0,
    on_text: Callable[[str], None] | None = None,
) -> Policy:
    """The Qwen2.5-VL or Qwen3-VL model in the folder `model`; one reply is written at a time, in a thread.

    The tokens drawn depend on `seed`, the episode's own seed, its question and the number of the turn, and on nothing
    else that runs. A reply's `logprobs` are those of the model at `temperature`, before `top_p`; see `draw`.
    `max_context` is the length of a whole episode in tokens; None: as long as the model allows. `on_text` is told
    what is written, while it is written. Raises PolicyError where the folder holds no model that can be run.
    """
    chat = chat_for(model)
    session = Session(*load_model(model, device, dtype, attention), chat)
    return of_session(session, Path(model).name, temperature, top_p, max_new_tokens, max_context, seed, on_text)


def of_session(
    session: Session,
    name: str,
    temperature: float = 0.7,
    top_p: float = 1.0,
    max_new_tokens: int = 1024,
    max_context: int | None = None,
    seed: int = 0,
    on_text: Callable[[str], None] | None = None,
) -> Policy:
    """The model of a session as a policy, called `name` in its replies; see `local`."""
    chat = session.chat
    longest = session.model.config.get_text_config().max_position_embeddings
    room = min(max_context or longest, longest)
    worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="local policy")

    async def policy(episode: Episode) -> Reply:
        given_up = Event()
        try:
            return await asyncio.get_running_loop().run_in_executor(worker, reply, episode, given_up)
        finally:
            given_up.set()

    def reply(episode: Episode, given_up: Event) -> Reply:
        ids, logprobs, finish = written(render(episode, chat), drawn(episode), given_up)
        return Reply(
            text=chat.decode(ids[:-1] if finish == "stop" else ids),
            token_ids=tuple(ids),
            logprobs=tuple(logprobs),
            finish=finish,
            model_version=name,
            canvas=canvases(episode, chat.coordinates),
        )

    def written(
        prompt: Rendered, generator: object, given_up: Event
    ) -> tuple[list[int], list[float], Literal["stop", "length", "context"]]:
        ids: list[int] = []
        logprobs: list[float] = []
        say = streamed(chat.decode, on_text)
        left = room - len(prompt.ids)
        while len(ids) < min(left, max_new_tokens) and not given_up.is_set():
            logits = session.go_on(ids[-1]) if ids else session.read(prompt)
            token, logprob = draw(logits, generator, temperature, top_p, chat.banned)
            ids.append(token)
            logprobs.append(logprob)
            if token == chat.end:
                return ids, logprobs, "stop"
            say(token)
        return ids, logprobs, "context" if len(ids) >= left else "length"

    def drawn(episode: Episode) -> object:
        import torch

        drawn_for = f"{seed} {episode.seed} {episode.question.id} {len(episode.turns)}"
        return torch.Generator().manual_seed(int(content_id(drawn_for.encode())[:15], 16))

    return policy


def streamed(decode: Callable[[list[int]], str], on_text: Callable[[str], None] | None) -> Callable[[int], None]:
    """Give tokens on as text, each character when it is whole: a token may end within one."""
    waiting: list[int] = []

    def say(token: int) -> None:
        if on_text is None:
            return
        waiting.append(token)
        text = decode(waiting)
        if not text.endswith("\ufffd") or len(waiting) >= 4:  # no character is longer than 4 bytes
            on_text(text)
            waiting.clear()

    return say
