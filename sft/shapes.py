"""The shape of a model: as its folder states it, or, where there is no folder here, as its makers published it."""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from agent.chats import chat_for
from agent.chats.qwen import Limits, qwen_chat
from agent.config import ConfigError
from agent.coordinates import THOUSANDTHS, in_pixels
from agent.render import Chat
from agent.training.model import check_folder

POCKET = Path(__file__).parents[1] / "agent" / "pocket"
"""The policy that is shipped: its tokenizer, of real Qwen tokens, stands in for one that is not here."""


class Shape(NamedTuple):
    """What is known of a model before any weight of it is read."""

    family: str
    """`model_type`, as agent/chats/ knows it."""
    config: dict[str, Any]
    """What its config.json says that decides how many weights there are."""
    source: str
    """Where that was read."""
    folder: Path | None
    """None: it is not here."""


_VISION_2_5 = {
    "depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16, "patch_size": 14,
    "spatial_merge_size": 2, "temporal_patch_size": 2, "window_size": 112, "fullatt_block_indexes": [7, 15, 23, 31],
}  # fmt: skip
_VISION_3 = {"num_heads": 16, "patch_size": 16, "spatial_merge_size": 2, "temporal_patch_size": 2}
_ROPE_2_5 = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]}
_ROPE_3 = {"rope_type": "default", "rope_theta": 5e6, "mrope_section": [24, 20, 20], "mrope_interleaved": True}


def _qwen2_5(out: int, **text: Any) -> dict[str, Any]:
    whole = {"hidden_size": out, "rope_parameters": _ROPE_2_5, **text}
    vision = {**_VISION_2_5, "out_hidden_size": out}
    return {"text_config": whole, "vision_config": vision, "tie_word_embeddings": text["tie_word_embeddings"]}


def _qwen3(out: int, vision: dict[str, Any], **text: Any) -> dict[str, Any]:
    whole = {
        "hidden_size": out, "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128,
        "num_hidden_layers": 36, "vocab_size": 151936, "rope_parameters": _ROPE_3, **text,
    }  # fmt: skip
    tower = {**_VISION_3, "num_position_embeddings": 2304, "out_hidden_size": out, **vision}
    return {"text_config": whole, "vision_config": tower, "tie_word_embeddings": text["tie_word_embeddings"]}


# config.json of huggingface.co/Qwen/<name>; the published sizes are 8.29, 3.75, 8.77 and 4.44 billion weights
PUBLISHED: dict[str, tuple[str, dict[str, Any]]] = {
    "Qwen2.5-VL-7B-Instruct": (
        "qwen2_5_vl",
        _qwen2_5(
            3584, vocab_size=152064, intermediate_size=18944, num_hidden_layers=28, num_attention_heads=28,
            num_key_value_heads=4, tie_word_embeddings=False,
        ),
    ),
    "Qwen2.5-VL-3B-Instruct": (
        "qwen2_5_vl",
        _qwen2_5(
            2048, vocab_size=151936, intermediate_size=11008, num_hidden_layers=36, num_attention_heads=16,
            num_key_value_heads=2, tie_word_embeddings=True,
        ),
    ),
    "Qwen3-VL-8B-Instruct": (
        "qwen3_vl",
        _qwen3(
            4096,
            {"depth": 27, "hidden_size": 1152, "intermediate_size": 4304, "deepstack_visual_indexes": [8, 16, 24]},
            intermediate_size=12288, tie_word_embeddings=False,
        ),
    ),
    "Qwen3-VL-4B-Instruct": (
        "qwen3_vl",
        _qwen3(
            2560,
            {"depth": 24, "hidden_size": 1024, "intermediate_size": 4096, "deepstack_visual_indexes": [5, 11, 17]},
            intermediate_size=9728, tie_word_embeddings=True,
        ),
    ),
}  # fmt: skip
# preprocessor_config.json of the same
LIMITS = {"qwen2_5_vl": Limits(28, 56 * 56, 12_845_056), "qwen3_vl": Limits(32, 65_536, 16_777_216)}


def shape_of(path: str | Path) -> Shape:
    """The shape of the model in a folder; where there is none, of the published model whose name the folder bears.

    Raises PolicyError for a folder that holds no model, ConfigError for a name that nothing is known of.
    """
    folder = Path(path)
    if folder.is_dir():
        return _in_folder(folder)
    named = {_plain(name): name for name in PUBLISHED}.get(_plain(folder.name))
    if named is None:
        raise ConfigError(f"there is no folder {path}, and its name is none of: {', '.join(PUBLISHED)}")
    family, config = PUBLISHED[named]
    return Shape(family, config, f"config.json of huggingface.co/Qwen/{named}", None)


def chat_of(shape: Shape) -> Chat:
    """How the model is written to; where its tokenizer is not here, that of the shipped policy is used."""
    if shape.folder is not None:
        return chat_for(shape.folder)
    limits = LIMITS[shape.family]
    return qwen_chat(POCKET, limits, THOUSANDTHS if shape.family == "qwen3_vl" else in_pixels(limits.size))


def _in_folder(folder: Path) -> Shape:
    check_folder(folder)
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    return Shape(config["model_type"], config, str(path), folder)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower()).removesuffix("instruct")
