"""A model in a conversation: what it has read is kept, so that each turn costs only what is new in it."""

from pathlib import Path
from typing import Any

from agent.loop import PolicyError
from agent.render import Chat, Rendered
from agent.torch_setup import set_up_torch


def load_model(folder: str | Path, device: str = "auto", dtype: str = "auto", attention: str = "auto") -> tuple[Any, Any]:
    """(model, image processor) of a folder. Raises PolicyError where they cannot be loaded.

    "auto" is: a GPU where there is one; the numbers' type in the folder; FlashAttention 2 on a GPU where it is
    installed, else torch's own attention.
    """
    set_up_torch()
    import torch
    from safetensors import SafetensorError
    from transformers import AutoImageProcessor, AutoModelForImageTextToText

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise PolicyError(f"no device {device!r} here; there is: cpu")
    if attention == "auto":
        attention = "flash_attention_2" if device.startswith("cuda") and _flash() else "sdpa"
    try:
        model = AutoModelForImageTextToText.from_pretrained(
            folder, dtype=dtype, attn_implementation=attention, local_files_only=True
        )
        processor = AutoImageProcessor.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, SafetensorError) as error:
        raise PolicyError(f"{folder} cannot be loaded: {' '.join(str(error).split())}") from None
    return model.to(device).eval(), processor


def _flash() -> bool:
    try:
        import flash_attn  # noqa: F401
    except ImportError:
        return False
    return True


class Session:
    """One conversation after another; each prompt that begins with what was read before goes on from there."""

    def __init__(self, model: Any, processor: Any, chat: Chat):
        self.model, self.processor, self.chat = model, processor, chat
        self._forget()

    def read(self, prompt: Rendered) -> Any:
        """Logits (vocabulary,) of the token after the prompt."""
        import torch

        ids, images, grids, cache = self._kept(prompt)
        self._forget()  # should the model break off, nothing half read is gone on from
        seen = self._pixels(prompt, len(images))
        grids = [*grids, *seen.get("image_grid_thw", [])]
        everything = torch.tensor([prompt.ids], device=self.model.device)
        places = self._places(everything, grids)
        new = slice(len(ids), None)
        with torch.inference_mode():
            out = self.model(
                input_ids=everything[:, new], position_ids=places[..., new], past_key_values=cache,
                use_cache=True, logits_to_keep=1, **seen,
            )  # fmt: skip
        self._ids, self._images, self._grids = list(prompt.ids), [image.id for image in prompt.images], grids
        self._cache, self._place = out.past_key_values, int(places.max())
        return out.logits[0, -1]

    def go_on(self, token: int) -> Any:
        """Logits (vocabulary,) of the token after this one, which follows all that was read."""
        import torch

        self._place += 1
        with torch.inference_mode():
            out = self.model(
                input_ids=torch.tensor([[token]], device=self.model.device),
                position_ids=torch.full((3, 1, 1), self._place, device=self.model.device),
                past_key_values=self._cache, use_cache=True,
            )  # fmt: skip
        self._ids.append(token)
        return out.logits[0, -1]

    def _forget(self) -> None:
        self._ids: list[int] = []
        self._images: list[str] = []
        self._grids: list[Any] = []
        self._cache: Any = None
        self._place = -1

    def _kept(self, prompt: Rendered) -> tuple[list[int], list[str], list[Any], Any]:
        """What was read of this prompt before: ids, images, their grids, the cache of keys and values."""
        images = [image.id for image in prompt.images]
        length, shown = len(self._ids), len(self._images)
        if length < len(prompt.ids) and prompt.ids[:length] == self._ids and images[:shown] == self._images:
            return self._ids, self._images, self._grids, self._cache
        return [], [], [], None

    def _pixels(self, prompt: Rendered, first: int) -> dict[str, Any]:
        """What the vision tower takes of the images from number `first`."""
        pictures = [self.chat.picture(image) for image in prompt.images[first:]]
        if not pictures:
            return {}
        return dict(self.processor(images=pictures, return_tensors="pt").to(self.model.device))

    def _places(self, ids: Any, grids: list[Any]) -> Any:
        """(3, 1, L) the place of each token: time, row, column (arXiv:2409.12191, multimodal rotary embedding)."""
        import torch

        if not grids:
            return torch.arange(ids.shape[1], device=ids.device).expand(3, 1, -1)
        kinds = (ids == self.chat.pad).int()
        places, _ = self.model.model.get_rope_index(ids, mm_token_type_ids=kinds, image_grid_thw=torch.stack(grids))
        return places
