"""What a model keeps of each token for its backward pass.

One layer of each kind is run on torch's meta device, where tensors have a shape and no memory, and torch tells what it
keeps. Attention keeps what FlashAttention does: queries, keys, values, output and one number a row and head
(arXiv:2205.14135, 3.1). With gradient checkpointing a layer keeps its input alone, and one layer at a time is computed
again (arXiv:2205.05198, section 5).
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from agent.training.model import plain

TOKENS = 1024
"""A layer is run on so many tokens; what it keeps grows in proportion."""
GRADIENTS = 0.5
"""What the gradients within a layer take while it is at work, of what it keeps; at most 0.4 was measured."""


class _Layer(NamedTuple):
    """One of a number of equal layers: bytes a token."""

    number: int
    enters: int
    kept: int
    learns: bool


def without_memory(
    module: Any, query: Any, key: Any, value: Any, attention_mask: Any, scaling: float, **more: Any
) -> tuple[Any, None]:
    """Attention that keeps what FlashAttention keeps: torch's own for the CPU, which also runs without memory."""
    import torch
    from transformers.integrations.sdpa_attention import repeat_kv

    groups = getattr(module, "num_key_value_groups", 1)
    key, value = repeat_kv(key, groups), repeat_kv(value, groups)
    run = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    return run(query, key, value, 0.0, True, scale=scaling)[0].transpose(1, 2).contiguous(), None


def _layers(model: Any, dtype: Any) -> tuple[_Layer, _Layer]:
    """(language, vision): what a layer of each keeps, found by running it."""
    import torch

    inner = plain(model).model
    text, tower = inner.language_model, inner.visual
    config, width = text.config, tower.config.hidden_size
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    side = width // tower.config.num_heads
    with torch.device("meta"):
        turn = torch.zeros(1, TOKENS, head, dtype=dtype)
        said = _kept(text.layers[0], (1, TOKENS, config.hidden_size), dtype, position_embeddings=(turn, turn))
        turn = torch.zeros(TOKENS, side)
        ends = torch.tensor([0, TOKENS], device="cpu")
        seen = _kept(tower.blocks[0], (TOKENS, width), dtype, cu_seqlens=ends, position_embeddings=(turn, turn))
    tower_learns = any(weight.requires_grad for weight in tower.parameters())
    size = dtype.itemsize
    return (
        _Layer(len(text.layers), config.hidden_size * size, said, True),
        _Layer(len(tower.blocks), width * size, seen, tower_learns),
    )


def _kept(layer: Any, entering: tuple[int, ...], dtype: Any, **more: Any) -> int:
    """Bytes a token that a layer keeps for its backward pass, its weights apart."""
    import torch
    from torch.autograd.graph import saved_tensors_hooks

    own = {weight.untyped_storage()._cdata for weight in layer.parameters()}
    kept: dict[int, Any] = {}

    def pack(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            kept[storage._cdata] = storage  # held, so that no other storage takes its number
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        layer(torch.zeros(entering, dtype=dtype, requires_grad=True), **more)
    return sum(storage.nbytes() for storage in kept.values()) // TOKENS


def per_token(model: Any, dtype: Any, images: float) -> tuple[int, int]:
    """(with gradient checkpointing, without) bytes for each token of an episode, `images` of which stand for images."""
    language, vision = _layers(model, dtype)
    patches = images * plain(model).model.visual.config.spatial_merge_size ** 2
    lots = ((language, 1.0), (vision, patches))
    ends = 4 * language.enters  # embedded, with images set in, after the last layer, and that normed
    checkpointed, kept = (round(_held(lots, again) + ends) for again in (True, False))
    return checkpointed, kept


def _held(lots: Iterable[tuple[_Layer, float]], again: bool) -> float:
    """Bytes a token; `again`: a layer keeps what enters it, and is computed again when its gradients are."""
    held, at_work = 0.0, 0.0
    for layer, many in lots:
        if layer.learns:
            held += layer.number * (layer.enters if again else layer.kept) * many
        busy = again + GRADIENTS if layer.learns else 1
        at_work = max(at_work, busy * layer.kept * many)
    return held + at_work
