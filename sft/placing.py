"""A stage that teaches places: its samples, its batches and its trainer.

The head that asks the tower is part of the model while the stage lasts, so that its checkpoints hold it; the next
stage, and the model at the end, are read without it.
"""

from collections.abc import Sequence
from functools import cache, cached_property
from typing import Any, NamedTuple

import torch

from agent.chats.qwen import Limits, image_limits
from sft.mixture import Mixture
from sft.places import MEASURES, batch, begin, head_for, scored, told
from sft.settings import Training
from sft.sources import Source
from sft.tower import Look, looked_at
from sft.trainer import Batches, trainer_class

FIRST = 64
"""Samples whose views show how the patches of the first map spread."""


class Asked(NamedTuple):
    """What one question shows."""

    name: str
    looks: list[Look]


class PlaceMixture(Mixture):
    """The questions of a stage, each as its views."""

    @cached_property
    def limits(self) -> Limits:
        return image_limits(self.training.model.path)

    def _example(self, source: Source, number: int) -> Asked:
        return Asked(source.name, looked_at(source, number, self.limits, (*self.seed, 2, number)))


class PlaceBatches(Batches):
    """Makes the tensors of `sft.places.batch`."""

    def batch(self, examples: list[Any]) -> dict[str, Any]:
        return batch([look for asked in examples for look in asked.looks], self.processor)


@cache
def place_trainer_class() -> Any:
    """The subclass of `sft.trainer`'s Trainer whose loss is that of the head."""

    class PlaceTrainer(trainer_class()):  # type: ignore[misc]  # made when it is asked for
        """Trains one stage on one device."""

        plays = False

        def learned(self, model: Any, inputs: Any, count: Any) -> tuple[Any, Any, int]:
            pixels = {name: inputs.pop(name) for name in ("pixel_values", "image_grid_thw")}
            found = scored(told(model.model.visual, model.places, **pixels), **inputs)
            sums = torch.stack(
                [torch.stack([found[name].detach().nan_to_num(), ~found[name].isnan()]) for name in MEASURES]
            )
            return found["loss"], sums, len(inputs["holds"])

        @staticmethod
        def told(sums: Sequence[Sequence[float]]) -> dict[str, Any]:
            means = {name: round(total / max(many, 1), 6) for name, (total, many) in zip(MEASURES, sums, strict=True)}
            return {"loss": means.pop("loss"), "places": means, "learned": 0}

    return PlaceTrainer


def place_trainer(training: Training, stage: int, course: Any, model: Any, fresh: bool, **more: Any) -> Any:
    """The trainer of a stage; a tower whose weights were only drawn gets a start from which places can be learned."""
    batches = PlaceBatches(PlaceMixture(training, stage))
    if fresh:
        shown = [look for n in range(min(FIRST, len(batches.mixture))) for look in batches.mixture[n].example.looks]
        begin(model.model.visual, shown, batches.processor)
    with torch.random.fork_rng():
        torch.manual_seed(training.own.seed)
        model.places = head_for(model)
    return place_trainer_class()(batches, course, model=model, **more)
