"""Weights on their way from the trainer to the engines.

Of a model that is trained whole, every weight that learns travels. Of one with adapters the adapters alone do, and the
engine adds them to the weights as they were in the beginning, which it has been sent once: W + s B A (LoRA,
arXiv:2106.09685, section 4.1), never to what it made the last time, so that no error grows.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from agent.training.model import TOWER, plain

Arrays = Mapping[str, tuple[str, np.ndarray]]
"""Of each name: torch's name of the numbers' type, and the bytes in its shape; bfloat16 travels as whole numbers."""


@dataclass(frozen=True)
class Update:
    """What an engine needs to become the model of one version."""

    version: int
    weights: Arrays = field(default_factory=dict)
    """By the name of the model's weight; of adapters: "<weight>.A" (rank, inputs) and "<weight>.B" (outputs, rank)."""
    scales: Mapping[str, float] = field(default_factory=dict)
    """Of each weight with an adapter; empty: `weights` are whole."""

    @property
    def nbytes(self) -> int:
        return sum(array.nbytes for _, array in self.weights.values())

    @property
    def tower(self) -> bool:
        """Whether weights of the vision tower are among them."""
        return any(TOWER in f".{name}" for name in self.weights)


def update_of(model: Any, version: int) -> Update:
    """What of a model has been learned, full or with adapters; copies, so that training may go on."""
    layers = dict(_adapted(model))
    if not layers:
        learned = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
        return Update(version, {name: packed(weight) for name, weight in learned.items()})
    weights: dict[str, tuple[str, np.ndarray]] = {}
    for name, (layer, adapter) in layers.items():
        weights[f"{name}.A"] = packed(layer.lora_A[adapter].weight)
        weights[f"{name}.B"] = packed(layer.lora_B[adapter].weight)
    return Update(version, weights, {name: float(layer.scaling[adapter]) for name, (layer, adapter) in layers.items()})


def originals(model: Any) -> Arrays:
    """The weights that adapters are added to, as they were in the beginning; empty without adapters."""
    return {name: packed(layer.get_base_layer().weight) for name, (layer, _) in _adapted(model)}


def _adapted(model: Any) -> Iterator[tuple[str, tuple[Any, str]]]:
    """Every weight with an adapter that learns: its name in the plain model, its layer, and which adapter it is."""
    for name, module in plain(model).named_modules():
        if getattr(module, "lora_A", None):
            adapter = module.active_adapters[0]
            if module.lora_A[adapter].weight.requires_grad:
                yield f"{name}.weight", (module, adapter)


def packed(weight: Any) -> tuple[str, np.ndarray]:
    """A copy in the computer's memory that numpy can hold."""
    import torch

    kind = str(weight.dtype).removeprefix("torch.")
    held = weight.detach().to("cpu", copy=True).contiguous()
    return kind, (held.view(torch.int16) if kind == "bfloat16" else held).numpy()


def unpacked(kind: str, array: np.ndarray) -> Any:
    """The tensor; it shares its memory with the array, which may be read only."""
    import warnings

    import torch

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        held = torch.from_numpy(array)
    return held.view(torch.bfloat16) if kind == "bfloat16" else held


class Receiver:
    """Turns updates into whole weights for an engine."""

    def __init__(self, originals: Arrays):
        self.originals = {name: unpacked(*one) for name, one in originals.items()}

    def whole(self, update: Update) -> Iterator[tuple[str, Any]]:
        """Each weight that changes, by its name. Raises ValueError where an adapter belongs to no weight it has."""
        if not update.scales:
            yield from ((name, unpacked(*one)) for name, one in update.weights.items())
            return
        for name, scale in update.scales.items():
            if name not in self.originals:
                raise ValueError(f"an adapter of {name} came, but not the weight that it belongs to")
            a, b = (unpacked(*update.weights[f"{name}.{part}"]) for part in "AB")
            held = self.originals[name]
            yield name, (held.to(a.dtype) + scale * (b @ a)).to(held.dtype)
