"""Demonstrations as a batch that a model learns from.

The labels are what `agent.render` says that the policy wrote, which is what GRPO learns from as well.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from agent.render import Chat, Rendered, render
from envs.episode import Episode
from sft.phases import phases

IGNORED = -100
"""The label of what is not learned, as in torch's cross entropy."""


class CollateError(ValueError):
    """A demonstration that cannot be given to a model: a fault of ours, or of its folder."""


class Example(NamedTuple):
    """One demonstration in tokens, L of them."""

    name: str
    rendered: Rendered
    phases: list[int]
    """[L] see `sft.phases`."""

    @classmethod
    def of(cls, episode: Episode, chat: Chat) -> "Example":
        """An episode that has been translated for the family."""
        rendered = render(episode, chat)
        return cls(episode.id or episode.question.id, rendered, phases(episode, rendered, chat))


def collate(examples: Sequence[Example], chat: Chat, processor: Any) -> dict[str, Any]:
    """Tensors of a batch of B, padded on the right to the longest.

    input_ids, attention_mask, labels, mm_token_type_ids (1: an image's token) and phases are [B, L]; pixel_values and
    image_grid_thw are those of all images, in order, and are missing where there are none. Raises CollateError where
    an image has not as many tokens as the vision tower makes features of it.
    """
    import torch

    length = max(len(example.rendered.ids) for example in examples)

    def padded(rows: Sequence[Sequence[int]], fill: int) -> Any:
        return torch.tensor([[*row, *[fill] * (length - len(row))] for row in rows])

    ids = padded([example.rendered.ids for example in examples], chat.end)
    return {
        "input_ids": ids,
        "attention_mask": padded([[1] * len(example.rendered.ids) for example in examples], 0),
        "labels": padded([labels(example.rendered) for example in examples], IGNORED),
        "mm_token_type_ids": (ids == chat.pad).int(),
        "phases": padded([example.phases for example in examples], 0),
        **_pixels(examples, chat, processor),
    }


def labels(rendered: Rendered) -> list[int]:
    """[L] the token itself where the policy wrote it."""
    return [token if written else IGNORED for token, written in zip(rendered.ids, rendered.mask, strict=True)]


def _pixels(examples: Sequence[Example], chat: Chat, processor: Any) -> dict[str, Any]:
    """What the vision tower takes; each image is prepared by itself, as when the policy plays."""
    import torch

    pixels, grids = [], []
    for example in examples:
        seen = [processor(images=[chat.picture(i)], return_tensors="pt") for i in example.rendered.images]
        features = sum(int(one["image_grid_thw"].prod()) // processor.merge_size**2 for one in seen)
        tokens = example.rendered.ids.count(chat.pad)
        if tokens != features:
            raise CollateError(
                f"demonstration {example.name}: {tokens} tokens stand for its {len(seen)} images, of which the vision "
                f"tower makes {features} features; the model's preprocessor_config.json does not fit its chat"
            )
        pixels += [one["pixel_values"] for one in seen]
        grids += [one["image_grid_thw"] for one in seen]
    if not pixels:
        return {}
    return {"pixel_values": torch.cat(pixels), "image_grid_thw": torch.cat(grids)}
