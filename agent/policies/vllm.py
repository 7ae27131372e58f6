"""A Qwen-VL model on this machine, run by vLLM."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from pydantic import Field

from agent.conversation import canvases
from agent.loop import Policy
from agent.policies.local import seed_of, streamed
from agent.render import render
from agent.vllm_engine import Engine
from envs.episode import Episode, Reply


def vllm(
    model: str | Path,
    *,
    dtype: str = "auto",
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.7,
    max_new_tokens: Annotated[int, Field(ge=1)] = 1024,
    max_context: Annotated[int, Field(ge=1)] | None = None,
    batch: Annotated[int, Field(ge=1)] = 16,
    memory: Annotated[float, Field(gt=0)] | None = None,
    images: Annotated[int, Field(ge=1)] = 32,
    seed: int = 0,
    on_text: Callable[[str], None] | None = None,
) -> Policy:
    """The Qwen2.5-VL or Qwen3-VL model in the folder `model`; up to `batch` replies are written side by side.

    The tokens drawn depend on `seed`, the episode's own seed, its question and the number of the turn; of several
    written side by side, the logits may differ by what else is beside them, in the last digits. For `dtype`,
    `max_context`, `memory` and `images` see `Engine`, which also says what a reply's `logprobs` are. `on_text` is told
    what is written, while it is written.
    Raises PolicyError where the folder holds no model that can be run, ImportError where vLLM is not installed.
    """
    engine = Engine(
        model, dtype=dtype, batch=batch, max_context=max_context, memory=memory, images=images, temperature=temperature
    )
    return of_engine(engine, Path(model).name, max_new_tokens, seed, on_text)


def of_engine(
    engine: Engine,
    name: str,
    max_new_tokens: int = 1024,
    seed: int = 0,
    on_text: Callable[[str], None] | None = None,
) -> Policy:
    """The model of an engine as a policy, called `name` in its replies; see `vllm`."""
    chat = engine.chat

    async def policy(episode: Episode) -> Reply:
        say = None if on_text is None else streamed(chat.decode, on_text)
        written = await engine.write(render(episode, chat), seed_of(seed, episode), max_new_tokens, say)
        return Reply(
            text=chat.decode(written.ids[:-1] if written.finish == "stop" else written.ids),
            token_ids=written.ids,
            logprobs=written.logprobs,
            finish=written.finish,
            model_version=name,
            canvas=canvases(episode, chat.coordinates),
        )

    return policy
