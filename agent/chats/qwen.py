"""What the Qwen-VL families share: ChatML markers, images in patches, one tokenizer."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from agent.coordinates import Coordinates
from agent.loop import PolicyError
from agent.render import Chat
from tools.image import Image
from tools.tool import Size

MAX_ASPECT = 200
"""Their image processor refuses what is longer than this against its short side (its `smart_resize`)."""


class Limits(NamedTuple):
    """How large the images that a model sees may be."""

    patch: int
    """Side of the square that becomes one token, px."""
    min_pixels: int
    max_pixels: int

    def size(self, image: Image) -> Size:
        """(width, height) of an image after the resizing by the model's image processor."""
        return self.resized(*padded(image.width, image.height))

    def resized(self, width: int, height: int) -> Size:
        """Whole patches, as near to the size and the shape given as the limits allow.

        The rule is `smart_resize` of transformers' Qwen2VLImageProcessor, which both families use. That of
        qwen-vl-utils gives other sizes for slivers, which the processor does not make, and needs torch to be read.
        """
        w, h = self._whole(round, width), self._whole(round, height)
        if w * h > self.max_pixels:
            shrink = math.sqrt(width * height / self.max_pixels)
            w, h = self._whole(math.floor, width / shrink), self._whole(math.floor, height / shrink)
            return max(self.patch, w), max(self.patch, h)
        if w * h < self.min_pixels:
            grow = math.sqrt(self.min_pixels / (width * height))
            return self._whole(math.ceil, width * grow), self._whole(math.ceil, height * grow)
        return w, h

    def _whole(self, rounded: Callable[[float], int], length: float) -> int:
        return rounded(length / self.patch) * self.patch


def padded(width: int, height: int) -> Size:
    """The size to which a sliver is widened, so that the image processor takes it; any other size as it is."""
    least = math.ceil(max(width, height) / MAX_ASPECT)
    return max(width, least), max(height, least)


def image_limits(folder: Path) -> Limits:
    """The limits that a model's folder states. Raises PolicyError where it states none."""
    for name, part in (("preprocessor_config.json", None), ("processor_config.json", "image_processor")):
        if (folder / name).is_file():
            said = json.loads((folder / name).read_text(encoding="utf-8"))
            return _limits(said if part is None else said.get(part, {}), folder / name)
    raise PolicyError(f"{folder} does not say how large its images are: it holds no preprocessor_config.json")


def _limits(said: dict[str, Any], path: Path) -> Limits:
    size = said.get("size") or {}
    least = said.get("min_pixels") or size.get("shortest_edge") or size.get("min_pixels")
    most = said.get("max_pixels") or size.get("longest_edge") or size.get("max_pixels")
    if not (least and most and "patch_size" in said and "merge_size" in said):
        raise PolicyError(f"{path} must state patch_size, merge_size and the least and most pixels of an image")
    return Limits(said["patch_size"] * said["merge_size"], least, most)


def picture(image: Image) -> Any:
    """The pixels of a view as a PIL image, RGB; a sliver is widened."""
    from PIL import Image as PILImage

    size = padded(image.width, image.height)
    shown = PILImage.fromarray(image.pixels).convert("RGB")
    return shown if shown.size == size else shown.resize(size, PILImage.Resampling.NEAREST)


def qwen_chat(folder: Path, limits: Limits, coordinates: Coordinates) -> Chat:
    """How a Qwen-VL model is written to. Raises PolicyError for a folder without its tokenizer."""
    tokenizer = _tokenizer(folder)
    encode, quote = _encoders(tokenizer)
    start, end, before, pad, after, video = (
        _special(tokenizer, f"<|{name}|>", folder)
        for name in ("im_start", "im_end", "vision_start", "image_pad", "vision_end", "video_pad")
    )

    def image_tokens(image: Image) -> list[int]:
        width, height = limits.size(image)
        return [before, *[pad] * (width // limits.patch * (height // limits.patch)), after]

    return Chat(
        encode=encode,
        quote=quote,
        decode=lambda ids: tokenizer.decode(list(ids), skip_special_tokens=False),
        open=lambda role: [start, *encode(f"{role}\n")],
        end=end,
        gap=tuple(encode("\n")),
        image=image_tokens,
        pad=pad,
        banned=(before, pad, after, video),
        picture=picture,
        coordinates=coordinates,
    )


def _tokenizer(folder: Path) -> Any:
    try:
        from tokenizers import Tokenizer
    except ModuleNotFoundError:
        raise ImportError("a model's tokenizer needs tokenizers: pip install 'overread[local]'") from None
    if (folder / "tokenizer.json").is_file():
        return Tokenizer.from_file(str(folder / "tokenizer.json"))
    if not ((folder / "vocab.json").is_file() and (folder / "merges.txt").is_file()):
        raise PolicyError(f"{folder} holds no tokenizer: neither tokenizer.json nor vocab.json with merges.txt")
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder, local_files_only=True).backend_tokenizer


def _encoders(tokenizer: Any) -> tuple[Callable[[str], list[int]], Callable[[str], list[int]]]:
    """(for our own words, for the words of others): without special tokens, and without any added token at all."""
    from tokenizers import Tokenizer

    plain = Tokenizer(tokenizer.model)
    plain.normalizer, plain.pre_tokenizer = tokenizer.normalizer, tokenizer.pre_tokenizer
    tokenizer.encode_special_tokens = True  # what looks like a special token in a text is text

    def encoder(with_tokenizer: Any) -> Callable[[str], list[int]]:
        return lambda text: with_tokenizer.encode(text, add_special_tokens=False).ids

    return encoder(tokenizer), encoder(plain)


def _special(tokenizer: Any, token: str, folder: Path) -> int:
    number: int | None = tokenizer.token_to_id(token)
    if number is None:
        raise PolicyError(f"the tokenizer in {folder} has no {token}: it is not that of a Qwen-VL model")
    return number
