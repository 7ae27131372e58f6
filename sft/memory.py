"""What a training asks of one GPU, counted on the model itself, which is built without memory (torch's meta device).

- Weights, gradients and the optimiser's state: tensor by tensor, each in its own type. AdamW keeps two numbers for each
  weight that learns, in the weight's type (torch.optim.AdamW).
- Activations: see `sft/activations.py`.
- The loss: TRL's fused head computes logits in tiles (trl/kernels/chunked_logprob.py); they never stand whole.

Checked against what torch really allocates, for models small enough for any machine. What needs a GPU to be checked,
and is not: what CUDA, its libraries and the fragments of its allocator take (`LEFT` is a guess), the workspaces of
kernels, the buffers of NCCL, and what FSDP gathers at a time.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from agent.config import ConfigError
from agent.torch_setup import set_up_torch
from agent.training.devices import Devices
from agent.training.model import TOWER, adapted, freeze
from agent.training.tables import Model
from agent.training.tables import Part as Freezable
from sft.activations import per_token, without_memory
from sft.shapes import Shape
from tools.geometry import Frozen

GIB = 2**30
LEFT = 2 * GIB
"""Of a card, for CUDA itself and for fragments: not measured."""
TILE = (4096, 32768)
"""Tokens and words of the vocabulary that TRL's fused head holds the logits of at a time."""
STATE_BYTES = {"adamw_8bit": 2, "adamw_bnb_8bit": 2, "paged_adamw_8bit": 2, "sgd": 0}
"""Bytes of optimiser state for each weight; AdamW: two of the weight's own."""


class Part(Frozen):
    """How many weights of a part of the model learn, and how many do not."""

    name: str
    trained: int = 0
    frozen: int = 0


class Memory(Frozen):
    """Bytes on one GPU."""

    weights: int
    gradients: int
    optimizer: int
    gathered: int
    """Weights and gradients that stand whole for a while: the layers at work (FSDP), or the buckets of a reduction."""
    copies: int
    """bfloat16 copies of float32 weights, which autocast keeps through a step."""
    head: int
    """Logits of a tile, and the gradient of the output layer where it learns."""
    per_token: int
    """Activations a token, as the settings have it."""
    per_token_checkpointed: int
    per_token_kept: int
    """The same with gradient checkpointing, and without."""

    @property
    def fixed(self) -> int:
        """All that does not grow with the length of an episode."""
        return self.weights + self.gradients + self.optimizer + self.gathered + self.copies + self.head

    def total(self, tokens: int) -> int:
        return self.fixed + self.per_token * tokens

    def longest(self, card_gib: int) -> int:
        """How many tokens a step on a card of this size may hold at a time; 0: none."""
        return max(0, (card_gib * GIB - LEFT - self.fixed) // self.per_token)


def built(shape: Shape, model: Model, lora: Mapping[str, Any], frozen: Iterable[Freezable]) -> Any:
    """The model without memory, with its parts frozen and its adapters set in as for training.

    Raises ConfigError where nothing would learn, or the adapters match nothing.
    """
    set_up_torch()
    import torch
    from transformers import AttentionInterface, AutoConfig, AutoModelForImageTextToText

    AttentionInterface.register("without_memory", without_memory)
    config = AutoConfig.for_model(shape.family, **{k: v for k, v in shape.config.items() if k != "model_type"})
    with torch.device("meta"):
        made: Any = AutoModelForImageTextToText.from_config(
            config, dtype=held_in(model, shape), attn_implementation="without_memory"
        )
        if model.train == "lora":
            made = adapted(made, lora)
    freeze(made, frozen, adapters=model.train == "lora")
    return made


def parts(model: Any) -> tuple[Part, ...]:
    """The weights of a model by part: vision, merger, language, lora."""
    counts: dict[str, dict[str, int]] = {}
    for name, weight in model.named_parameters():
        of = counts.setdefault(_part(name), {"trained": 0, "frozen": 0})
        of["trained" if weight.requires_grad else "frozen"] += weight.numel()
    return tuple(Part(name=name, **count) for name, count in counts.items())


def memory(
    model: Any, trainer: Mapping[str, Any], devices: Devices, tokens: int, images: float, dtype: str = "bfloat16"
) -> Memory:
    """What training the model on one of the devices asks for.

    `tokens`: those trained on in one step of a device; `images`: the share of all tokens that stand for images;
    `dtype`: what is computed in.
    """
    import torch

    compute = getattr(torch, dtype)
    learning = [weight for weight in model.parameters() if weight.requires_grad]
    master = devices.fsdp and dtype == "bfloat16"  # accelerate holds what learns in float32 under FSDP
    sizes = {weight: 4 if master and weight.requires_grad else weight.element_size() for weight in model.parameters()}
    gradients = sum(weight.numel() * sizes[weight] for weight in learning)
    each = STATE_BYTES.get(str(trainer.get("optim")))
    state = sum(weight.numel() * (2 * sizes[weight] if each is None else each) for weight in learning)
    whole = sum(weight.numel() * size for weight, size in sizes.items())
    wide = sum(weight.numel() for weight, size in sizes.items() if size == 4 and weight.dim() > 1)
    checkpointed, kept = per_token(model, compute, images)
    return Memory(
        weights=whole // devices.weights,
        gradients=gradients // devices.gradients,
        optimizer=state // devices.optimizer,
        gathered=_gathered(model, devices, compute.itemsize, gradients),
        copies=0 if devices.fsdp or compute.itemsize == 4 else wide * compute.itemsize,
        head=_head(model, tokens, compute.itemsize),
        per_token=checkpointed if trainer.get("gradient_checkpointing", True) else kept,
        per_token_checkpointed=checkpointed,
        per_token_kept=kept,
    )


def held_in(model: Model, shape: Shape) -> str:
    """The type that the weights are read and saved in: as the config names it, else as the model's folder does."""
    stated = shape.config.get("dtype") or shape.config.get("torch_dtype") or "bfloat16"
    return str(stated) if model.dtype == "auto" else model.dtype


def _part(name: str) -> str:
    if "lora_" in name:
        return "lora"
    if TOWER not in name:
        return "language"
    return "merger" if "merger" in name else "vision"


def _gathered(model: Any, devices: Devices, size: int, gradients: int) -> int:
    """What stands whole on each device for a while, where weights are spread."""
    if devices.number == 1:
        return 0
    if devices.weights == 1:
        return gradients  # the buckets of torch's DistributedDataParallel
    wrapped = set(devices.wrapped or getattr(model, "_no_split_modules", ()))
    layers = [module for module in model.modules() if type(module).__name__ in wrapped]
    if not layers:
        raise ConfigError(f"{devices.file}: no layer of the model is one of {sorted(wrapped)}; name those to be spread")
    inside = {weight for layer in layers for weight in layer.parameters()}
    rest = sum(weight.numel() for weight in model.parameters() if weight not in inside)
    most = max(sum(weight.numel() for weight in layer.parameters()) for layer in layers)
    return (3 * most + 2 * rest) * size  # a layer, the next one fetched, and gradients of one; the rest, and gradients


def _head(model: Any, tokens: int, size: int) -> int:
    weight = model.get_output_embeddings().weight
    words, width = weight.shape
    tile = min(tokens, TILE[0]) * min(words, TILE[1]) * size
    return tile + tokens * width * (4 + size) + (words * width * 4 if weight.requires_grad else 0)
