"""A model in conversations: what it has read is kept, so that each turn costs only what is new in it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.loop import PolicyError
from agent.render import Chat, Rendered
from agent.torch_setup import set_up_torch
from tools.image import Image


def load_model(
    folder: str | Path, device: str = "auto", dtype: str = "auto", attention: str = "auto"
) -> tuple[Any, Any]:
    """(model, image processor) of a folder. Raises PolicyError where they cannot be loaded.

    "auto" is: a GPU where there is one; the numbers' type in the folder; FlashAttention 2 on a GPU where it is
    installed, else torch's own attention.
    """
    set_up_torch()
    import torch
    from safetensors import SafetensorError
    from transformers import AutoImageProcessor, AutoModelForImageTextToText
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise PolicyError(f"no device {device!r} here; there is: cpu")
    attention = attention_on(device, attention)
    wanted: dict[str, Any] = {"dtype": dtype, "attn_implementation": attention, "local_files_only": True}
    try:
        model: Any = AutoModelForImageTextToText.from_pretrained(folder, **wanted)
        processor = AutoImageProcessor.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, SafetensorError) as error:
        raise PolicyError(f"{folder} cannot be loaded: {' '.join(str(error).split())}") from None
    return model.to(device).eval(), processor


def attention_on(device: str, wanted: str = "auto") -> str:
    """The attention that is used on a device; "auto": FlashAttention 2 on a GPU where it is installed, else torch's."""
    if wanted != "auto":
        return wanted
    try:
        import flash_attn  # noqa: F401
    except ImportError:
        return "sdpa"
    return "flash_attention_2" if device.startswith("cuda") else "sdpa"


@dataclass
class _Read:
    """What the model has read: one conversation, or several side by side."""

    ids: list[list[int]] = field(default_factory=list)  # of each row, without what fills it up
    images: list[str] = field(default_factory=list)  # ids of the views
    grids: list[Any] = field(default_factory=list)  # of each image: (3,) frames, rows, columns of patches
    cache: Any = None  # keys and values
    places: Any = None  # (B,) the last token's
    there: Any = None  # (B, L) 0 where a row is filled up; None where none is

    def begins(self, prompts: Sequence[Rendered]) -> bool:
        if len(prompts) != 1 or len(self.ids) != 1 or self.there is not None:
            return False
        prompt, ids = prompts[0], self.ids[0]
        images = [image.id for image in prompt.images[: len(self.images)]]
        return len(ids) < len(prompt.ids) and prompt.ids[: len(ids)] == ids and images == self.images


class Session:
    """One conversation after another; a prompt that begins with all that was read goes on from there.

    Several are read side by side, each a row (B of them): the shorter ones are filled up on the left.
    """

    def __init__(self, model: Any, processor: Any, chat: Chat):
        self.model, self.processor, self.chat = model, processor, chat
        self._plain = model.get_base_model() if hasattr(model, "get_base_model") else model  # within its adapters
        self._read = _Read()

    def read(self, prompts: Sequence[Rendered]) -> Any:
        """Logits (B, vocabulary) of the token after each prompt."""
        before = self._read if self._read.begins(prompts) else _Read()
        self._read = _Read()  # should the model break off, nothing half read is gone on from
        images = [image for prompt in prompts for image in prompt.images]
        seen = self._pixels(images[len(before.images) :])
        grids = [*before.grids, *seen.get("image_grid_thw", [])]
        ids, places, there = self._filled_up(prompts, grids)
        start = len(before.ids[0]) if before.ids else 0
        logits, cache = self._forward(ids[:, start:], places[..., start:], before.cache, there, seen)
        names = [image.id for image in images]
        last = places.amax(dim=(0, 2))
        self._read = _Read([list(prompt.ids) for prompt in prompts], names, grids, cache, last, there)
        return logits

    def go_on(self, tokens: Sequence[int]) -> Any:
        """Logits (B, vocabulary) of the token after each of these (B), which follow all that was read."""
        import torch

        read = self._read
        for ids, token in zip(read.ids, tokens, strict=True):
            ids.append(token)
        read.places = read.places + 1
        if read.there is not None:
            read.there = torch.nn.functional.pad(read.there, (0, 1), value=1)
        new = torch.tensor(tokens, device=self.model.device)[:, None]
        logits, _ = self._forward(new, read.places.expand(3, -1)[..., None], read.cache, read.there, {})
        return logits

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these rows alone."""
        import torch

        read, chosen = self._read, torch.tensor(rows, device=self.model.device)
        read.ids = [read.ids[row] for row in rows]
        read.cache.batch_select_indices(chosen)
        read.places = read.places[chosen]
        read.there = None if read.there is None else read.there[chosen]

    def _forward(self, ids: Any, places: Any, cache: Any, there: Any, seen: dict[str, Any]) -> tuple[Any, Any]:
        """Read `ids` (B, L) after what the cache holds: the logits after the last, and the cache, longer now."""
        import torch

        with torch.inference_mode():
            out = self.model(
                input_ids=ids, position_ids=places, past_key_values=cache, attention_mask=there, use_cache=True,
                logits_to_keep=1, **seen,
            )  # fmt: skip
        return out.logits[:, -1], out.past_key_values

    def _pixels(self, images: Sequence[Image]) -> dict[str, Any]:
        """What the vision tower takes of images."""
        if not images:
            return {}
        pictures = [self.chat.picture(image) for image in images]
        return dict(self.processor(images=pictures, return_tensors="pt").to(self.model.device))

    def _filled_up(self, prompts: Sequence[Rendered], grids: list[Any]) -> tuple[Any, Any, Any]:
        """(ids (B, L), places (3, B, L), where a token is (B, L) or None) of prompts as long as the longest."""
        import torch
        from torch.nn.functional import pad

        longest = max(len(prompt.ids) for prompt in prompts)
        left = iter(grids)
        ids, places, there = [], [], []
        for prompt in prompts:
            own = torch.tensor([prompt.ids], device=self.model.device)
            fill = (longest - len(prompt.ids), 0)
            ids.append(pad(own, fill, value=self.chat.end))
            places.append(pad(self._places(own, [next(left) for _ in prompt.images]), fill))
            there.append(pad(torch.ones_like(own), fill))
        uneven = any(len(prompt.ids) < longest for prompt in prompts)
        return torch.cat(ids), torch.cat(places, dim=1), torch.cat(there) if uneven else None

    def _places(self, ids: Any, grids: list[Any]) -> Any:
        """(3, 1, L) the place of each token: time, row, column. Multimodal rotary embedding, arXiv:2409.12191."""
        import torch

        if not grids:
            return torch.arange(ids.shape[1], device=ids.device).expand(3, 1, -1)
        kinds = (ids == self.chat.pad).int()
        places, _ = self._plain.model.get_rope_index(ids, mm_token_type_ids=kinds, image_grid_thw=torch.stack(grids))
        return places
