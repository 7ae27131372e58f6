"""A model in a conversation: what it has read is kept, so that each turn costs only what is new in it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.loop import PolicyError
from agent.render import Chat, Rendered
from agent.torch_setup import set_up_torch


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
    """What the model has read."""

    ids: list[int] = field(default_factory=list)  # [L]
    images: list[str] = field(default_factory=list)  # ids of the views
    grids: list[Any] = field(default_factory=list)  # of each image: (3,) frames, rows, columns of patches
    cache: Any = None  # keys and values of the L tokens
    place: int = -1  # the last token's

    def begins(self, prompt: Rendered) -> bool:
        images = [image.id for image in prompt.images[: len(self.images)]]
        length = len(self.ids)
        return length < len(prompt.ids) and prompt.ids[:length] == self.ids and images == self.images


class Session:
    """One conversation after another; a prompt that begins with all that was read goes on from there."""

    def __init__(self, model: Any, processor: Any, chat: Chat):
        self.model, self.processor, self.chat = model, processor, chat
        self._plain = model.get_base_model() if hasattr(model, "get_base_model") else model  # within its adapters
        self._read = _Read()

    def read(self, prompt: Rendered) -> Any:
        """Logits (vocabulary,) of the token after the prompt."""
        import torch

        before = self._read if self._read.begins(prompt) else _Read()
        self._read = _Read()  # should the model break off, nothing half read is gone on from
        seen = self._pixels(prompt, first=len(before.images))
        grids = [*before.grids, *seen.get("image_grid_thw", [])]
        ids = torch.tensor([prompt.ids], device=self.model.device)
        places = self._places(ids, grids)
        logits, cache = self._forward(ids, places, len(before.ids), before.cache, seen)
        images = [image.id for image in prompt.images]
        self._read = _Read(list(prompt.ids), images, grids, cache, int(places.max()))
        return logits

    def go_on(self, token: int) -> Any:
        """Logits (vocabulary,) of the token after this one, which follows all that was read."""
        import torch

        read = self._read
        read.ids.append(token)
        read.place += 1
        place = torch.full((3, 1, 1), read.place, device=self.model.device)
        logits, _ = self._forward(torch.tensor([[token]], device=self.model.device), place, 0, read.cache, {})
        return logits

    def _forward(self, ids: Any, places: Any, start: int, cache: Any, seen: dict[str, Any]) -> tuple[Any, Any]:
        """Read `ids` (1, L) from `start`; returns the logits after the last, and the cache, longer now."""
        import torch

        with torch.inference_mode():
            out = self.model(
                input_ids=ids[:, start:], position_ids=places[..., start:], past_key_values=cache, use_cache=True,
                logits_to_keep=1, **seen,
            )  # fmt: skip
        return out.logits[0, -1], out.past_key_values

    def _pixels(self, prompt: Rendered, first: int) -> dict[str, Any]:
        """What the vision tower takes of the images from number `first`."""
        pictures = [self.chat.picture(image) for image in prompt.images[first:]]
        if not pictures:
            return {}
        return dict(self.processor(images=pictures, return_tensors="pt").to(self.model.device))

    def _places(self, ids: Any, grids: list[Any]) -> Any:
        """(3, 1, L) the place of each token: time, row, column. Multimodal rotary embedding, arXiv:2409.12191."""
        import torch

        if not grids:
            return torch.arange(ids.shape[1], device=ids.device).expand(3, 1, -1)
        kinds = (ids == self.chat.pad).int()
        places, _ = self._plain.model.get_rope_index(ids, mm_token_type_ids=kinds, image_grid_thw=torch.stack(grids))
        return places
