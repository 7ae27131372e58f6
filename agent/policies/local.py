"""A Qwen-VL model on this machine, run by transformers."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from pydantic import Field

from agent.batching import Batcher, Draft, Sampling
from agent.chats import chat_for
from agent.conversation import canvases
from agent.loop import Policy
from agent.render import render
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
    batch: Annotated[int, Field(ge=1)] = 1,
    seed: int = 0,
    on_text: Callable[[str], None] | None = None,
) -> Policy:
    """The Qwen2.5-VL or Qwen3-VL model in the folder `model`; replies are written in a thread, `batch` at a time.

    The tokens drawn depend on `seed`, the episode's own seed, its question and the number of the turn, and on nothing
    else that runs; of several written side by side, the logits may differ by what else is beside them, in the last
    digits. A reply's `logprobs` are those of the model at `temperature`, before `top_p`; see `draw`.
    `max_context` is the length of a whole episode in tokens; None: as long as the model allows. `on_text` is told
    what is written, while it is written. Raises PolicyError where the folder holds no model that can be run.
    """
    chat = chat_for(model)
    session = Session(*load_model(model, device, dtype, attention), chat, kept=batch)
    return of_session(session, Path(model).name, temperature, top_p, max_new_tokens, max_context, batch, seed, on_text)


def of_session(
    session: Session,
    name: str,
    temperature: float = 0.7,
    top_p: float = 1.0,
    max_new_tokens: int = 1024,
    max_context: int | None = None,
    batch: int = 1,
    seed: int = 0,
    on_text: Callable[[str], None] | None = None,
) -> Policy:
    """The model of a session as a policy, called `name` in its replies; see `local`."""
    chat = session.chat
    longest = session.model.config.get_text_config().max_position_embeddings
    sampling = Sampling(temperature, top_p, max_new_tokens, min(max_context or longest, longest))
    batcher = Batcher(session, sampling, batch)

    async def policy(episode: Episode) -> Reply:
        draft = Draft(render(episode, chat), drawn(episode), streamed(chat.decode, on_text))
        finish = await batcher.write(draft)
        return Reply(
            text=chat.decode(draft.ids[:-1] if finish == "stop" else draft.ids),
            token_ids=tuple(draft.ids),
            logprobs=tuple(draft.logprobs),
            finish=finish,
            model_version=name,
            canvas=canvases(episode, chat.coordinates),
        )

    def drawn(episode: Episode) -> object:
        import torch

        return torch.Generator().manual_seed(seed_of(seed, episode))

    return policy


def seed_of(seed: int, episode: Episode) -> int:
    """What the tokens of an episode's next reply are drawn with, 60 bits: another for every turn."""
    drawn_for = f"{seed} {episode.seed} {episode.question.id} {len(episode.turns)}"
    return int(content_id(drawn_for.encode())[:15], 16)


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
