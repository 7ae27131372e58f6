"""A model in conversations: what it has read is kept, so that each turn costs only what is new in it."""

from collections.abc import Callable, Iterable, Sequence
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
class _Row:
    """One conversation that was read, or is being read."""

    ids: list[int] = field(default_factory=list)  # [L]
    images: list[str] = field(default_factory=list)  # ids of the views
    grids: list[Any] = field(default_factory=list)  # of each image: (3,) frames, rows, columns of patches
    cache: list[tuple[Any, Any]] = field(default_factory=list)  # of each layer: keys and values, (1, heads, L, width)

    def begins(self, prompt: Rendered) -> bool:
        images = [image.id for image in prompt.images[: len(self.images)]]
        length = len(self.ids)
        return length < len(prompt.ids) and prompt.ids[:length] == self.ids and images == self.images


class Session:
    """Conversations, read and gone on with side by side, each a row (B of them).

    The last `kept` are put by: a prompt that begins with all that was read of one goes on from there. Rows that are
    shorter than others are filled up on the left, where nothing attends.
    """

    def __init__(self, model: Any, processor: Any, chat: Chat, kept: int = 1):
        self.model, self.processor, self.chat, self.kept = model, processor, chat, kept
        self._plain = model.get_base_model() if hasattr(model, "get_base_model") else model  # within its adapters
        self._put: list[_Row] = []
        self._rows: list[_Row] = []
        self._cache: Any = None
        self._places: Any = None  # (B,) of each row's last token
        self._there: Any = None  # (B, L) 0 where a row is filled up; None where none is

    def read(self, prompts: Sequence[Rendered]) -> Any:
        """Logits (B, vocabulary) of the token after each prompt."""
        self._put_by(range(len(self._rows)))
        self._rows = []  # should anything break off now, nothing half read is put by
        before = [max(filter(_begins(prompt), self._put), key=_length, default=_Row()) for prompt in prompts]
        self._put = [row for row in self._put if not any(row is one for one in before)]
        new = [prompt.images[len(row.images) :] for prompt, row in zip(prompts, before, strict=True)]
        seen = self._pixels([image for images in new for image in images])
        grids = iter(seen.get("image_grid_thw", []))
        rows = [
            _Row(list(prompt.ids), [*row.images, *(i.id for i in images)], [*row.grids, *(next(grids) for _ in images)])
            for prompt, row, images in zip(prompts, before, new, strict=True)
        ]
        starts = [len(row.ids) for row in before]
        ids, places = self._filled_up(rows, starts)
        self._there = self._is_there(rows, starts)
        logits, self._cache = self._forward(ids, places, self._joined(before), seen)
        self._rows, self._places = rows, places.amax(dim=(0, 2))
        return logits

    def go_on(self, tokens: Sequence[int]) -> Any:
        """Logits (B, vocabulary) of the token after each of these (B), which follow all that was read."""
        import torch

        for row, token in zip(self._rows, tokens, strict=True):
            row.ids.append(token)
        self._places = self._places + 1
        if self._there is not None:
            self._there = torch.nn.functional.pad(self._there, (0, 1), value=1)
        new = torch.tensor(tokens, device=self.model.device)[:, None]
        logits, _ = self._forward(new, self._places.expand(3, -1)[..., None], self._cache, {})
        return logits

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these rows alone; the others are put by."""
        import torch

        self._put_by([row for row in range(len(self._rows)) if row not in rows])
        chosen = torch.tensor(rows, device=self.model.device)
        self._rows = [self._rows[row] for row in rows]
        self._cache.batch_select_indices(chosen)
        self._places = self._places[chosen]
        self._there = None if self._there is None else self._there[chosen]

    def forget(self) -> None:
        """Read all anew from now on: the model's weights are others."""
        self._put, self._rows, self._cache = [], [], None

    def _put_by(self, rows: Iterable[int]) -> None:
        for number in rows:
            row, own = self._rows[number], slice(number, number + 1)
            held = slice(None) if self._there is None else self._there[number].bool()
            pairs = [(layer.keys[own][:, :, held], layer.values[own][:, :, held]) for layer in self._cache.layers]
            if len(self._rows) > 1:  # a part would hold on to the whole
                pairs = [(keys.clone(), values.clone()) for keys, values in pairs]
            row.cache = pairs
            self._put.append(row)
        del self._put[: max(0, len(self._put) - self.kept)]

    def _forward(self, ids: Any, places: Any, cache: Any, seen: dict[str, Any]) -> tuple[Any, Any]:
        """Read `ids` (B, L) after what the cache holds: the logits after the last, and the cache, longer now."""
        import torch

        self._rows, rows = [], self._rows  # the same, of a token that is gone on with
        with torch.inference_mode():
            out = self.model(
                input_ids=ids, position_ids=places, past_key_values=cache, attention_mask=self._there, use_cache=True,
                logits_to_keep=1, **seen,
            )  # fmt: skip
        self._rows = rows
        return out.logits[:, -1], out.past_key_values

    def _pixels(self, images: Sequence[Image]) -> dict[str, Any]:
        """What the vision tower takes of images."""
        if not images:
            return {}
        pictures = [self.chat.picture(image) for image in images]
        return dict(self.processor(images=pictures, return_tensors="pt").to(self.model.device))

    def _joined(self, rows: Sequence[_Row]) -> Any:
        """A cache of what was read of these, each filled up on the left; None where nothing was."""
        import torch
        from transformers import DynamicCache

        longest = max(len(row.ids) for row in rows)
        if not longest:
            return None
        cache, like = DynamicCache(), next(row for row in rows if row.cache).cache
        for number, pair in enumerate(like):
            empty = tuple(part[:, :, :0] for part in pair)
            held = [row.cache[number] if row.cache else empty for row in rows]
            keys, values = (
                torch.cat([_filled(part, longest, dim=2) for part in parts]) for parts in zip(*held, strict=True)
            )
            cache.update(keys, values, number)
        return cache

    def _filled_up(self, rows: Sequence[_Row], starts: Sequence[int]) -> tuple[Any, Any]:
        """(ids (B, L), places (3, B, L)) of what is new in each row."""
        import torch

        longest = max(len(row.ids) - start for row, start in zip(rows, starts, strict=True))
        ids, places = [], []
        for row, start in zip(rows, starts, strict=True):
            own = torch.tensor([row.ids], device=self.model.device)
            ids.append(_filled(own[:, start:], longest, dim=1))
            places.append(_filled(self._places_of(own, row.grids)[..., start:], longest, dim=2))
        return torch.cat(ids), torch.cat(places, dim=1)

    def _is_there(self, rows: Sequence[_Row], starts: Sequence[int]) -> Any:
        """(B, L) 1 where a token is, in what was read and then in what is new; None where none is missing."""
        import torch

        lengths = [(start, len(row.ids) - start) for row, start in zip(rows, starts, strict=True)]
        if len(set(lengths)) == 1:
            return None
        most = [max(parts) for parts in zip(*lengths, strict=True)]
        ones = [[_filled(torch.ones(1, n), m, dim=1) for n, m in zip(own, most, strict=True)] for own in lengths]
        return torch.cat([torch.cat(parts, dim=1) for parts in ones]).long().to(self.model.device)

    def _places_of(self, ids: Any, grids: list[Any]) -> Any:
        """(3, 1, L) the place of each token: time, row, column. Multimodal rotary embedding, arXiv:2409.12191."""
        import torch

        if not grids:
            return torch.arange(ids.shape[1], device=ids.device).expand(3, 1, -1)
        kinds = (ids == self.chat.pad).int()
        places, _ = self._plain.model.get_rope_index(ids, mm_token_type_ids=kinds, image_grid_thw=torch.stack(grids))
        return places


def _begins(prompt: Rendered) -> Callable[[_Row], bool]:
    return lambda row: row.begins(prompt)


def _length(row: _Row) -> int:
    return len(row.ids)


def _filled(part: Any, length: int, dim: int) -> Any:
    """A tensor with zeros before it along one dimension, so that it has that length."""
    import torch

    missing = length - part.shape[dim]
    if not missing:
        return part
    return torch.cat([part.new_zeros([*part.shape[:dim], missing, *part.shape[dim + 1 :]]), part], dim=dim)
