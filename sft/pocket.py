"""Make the folder of the policy that ships with the project: its shape, its tokenizer, no training yet.

    python -m sft.pocket agent/pocket path/to/qwen.tiktoken

The tokens are Qwen's own: those that this project's words are cut into, closed under the merges that make them, so
that any text can be written and these words are cut as Qwen cuts them. Qwen's table of tokens (qwen.tiktoken,
Apache-2.0) is part of the package dashscope; it is needed here alone, the folder holds what comes of it.
"""

import ast
import base64
import sys
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from envs.tasks.phantoms import FAMILIES

SPECIAL = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>",
    "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>",
    "<|image_pad|>", "<|video_pad|>",
)  # fmt: skip
ADDED = ("<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<think>", "</think>")
"""Tokens that stand in the text, as in Qwen3-VL's tokenizer.json."""
PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""How Qwen cuts a text before it merges bytes: tokenizer.json of Qwen2.5-VL, pre_tokenizer."""
ROUND = 64
"""The vocabulary is filled up to a multiple of this."""
READ = ("envs/phantoms", "envs/dialects", "envs/prompt.py", "sft/strategies")
TOOLS = ("zoom", "segment", "measure", "orient", "tool", "tracing", "caliper", "ruler", "sides")
"""Where what the policy is told, and what experts write, is spelled out: these, and the families of phantoms."""
VIEW_PX, PATCH, MERGE = 128, 8, 2
"""The side of the largest image and of a patch, px; a token is MERGE by MERGE patches."""
MEAN, STD = 0.25, 0.15
"""Of the greys of made-up first views, from 0 to 1: scaled by these, a small nodule stands out by more than 1."""


def make(folder: Path, table: Path) -> None:
    """Write tokenizer, config, image processor, chat template and untrained weights."""
    from agent.torch_setup import set_up_torch

    set_up_torch()
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = _tokenizer(load(table), folder)
    model = _model(tokenizer)
    model.save_pretrained(folder)
    _processor(tokenizer).save_pretrained(folder)


def words() -> Iterator[str]:
    """Every text in that code: questions, prompts, what tools say, what experts say."""
    home = Path(__file__).parent.parent
    parts = [*READ, *(f"tools/{name}.py" for name in TOOLS), *(f"envs/tasks/{family}.py" for family in FAMILIES)]
    paths = {path for part in parts for path in [home / part, *(home / part).rglob("*.py")] if path.suffix == ".py"}
    for path in sorted(paths):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                text = node.value.encode("utf-8", "ignore").decode()  # without half characters
                yield from (text, " " + text)


def load(table: Path) -> dict[bytes, int]:
    """Qwen's tokens with their ranks: the lower of two possible merges is made first."""
    lines = (line.split() for line in table.read_bytes().splitlines() if line)
    return {base64.b64decode(token): int(rank) for token, rank in lines}


def parents(ranks: dict[bytes, int], token: bytes) -> tuple[bytes, bytes]:
    """The two tokens that a token of several bytes is merged from: its bytes, merged by rank as far as they go."""
    parts = [bytes([byte]) for byte in token]
    while len(parts) > 2:
        merged = [ranks.get(a + b, len(ranks)) for a, b in pairwise(parts)]
        first = min(range(len(merged)), key=merged.__getitem__)
        parts[first : first + 2] = [parts[first] + parts[first + 1]]
    return parts[0], parts[1]


def closed(ranks: dict[bytes, int], wanted: Iterable[bytes]) -> list[bytes]:
    """These tokens, all single bytes, and all that they are merged from, by rank."""
    kept = {bytes([byte]) for byte in range(256)}
    left = list(wanted)
    while left:
        token = left.pop()
        if token not in kept:
            kept.add(token)
            left += parents(ranks, token)
    return sorted(kept, key=ranks.__getitem__)


def bpe(ranks: dict[bytes, int], tokens: list[bytes]) -> Any:
    """A tokenizer of these tokens, which cuts as Qwen's does."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    letters = _letters()

    def spelled(token: bytes) -> str:
        return "".join(letters[byte] for byte in token)

    vocabulary = {spelled(token): number for number, token in enumerate(tokens)}
    pairs = [parents(ranks, token) for token in tokens if len(token) > 1]
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=[(spelled(a), spelled(b)) for a, b in pairs]))
    made.normalizer = normalizers.NFC()
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(PATTERN), "isolated"), byte_level])
    made.decoder = decoders.ByteLevel()
    return made


def _letters() -> dict[int, str]:
    """How byte-level BPE spells each byte: printable ones as they are, the others as characters from 256 on."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + n) for n, byte in enumerate(others)}


def _tokenizer(ranks: dict[bytes, int], folder: Path) -> Any:
    from tokenizers import AddedToken
    from transformers import Qwen2TokenizerFast  # type: ignore[attr-defined]  # it is made when asked for

    whole = bpe(ranks, sorted(ranks, key=ranks.__getitem__))
    order = sorted(ranks, key=ranks.__getitem__)
    used = {order[number] for text in words() for number in whole.encode(text).ids}
    made = bpe(ranks, closed(ranks, used))
    made.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    made.add_tokens([AddedToken(token, special=False, normalized=False) for token in ADDED])
    made.save(str(folder / "tokenizer.json"))
    return Qwen2TokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"),
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        unk_token="<|endoftext|>",
    )


def _model(tokenizer: Any) -> Any:
    """Qwen3-VL of three million weights: its tower has absolute positions, which Qwen2.5-VL's has not."""
    import torch
    import transformers

    end, other = tokenizer.convert_tokens_to_ids(["<|im_end|>", "<|endoftext|>"])
    rope = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [6, 5, 5], "mrope_interleaved": True}
    text = {
        "vocab_size": (len(tokenizer) + ROUND - 1) // ROUND * ROUND, "hidden_size": 192, "intermediate_size": 512,
        "num_hidden_layers": 4, "num_attention_heads": 6, "num_key_value_heads": 6, "head_dim": 32,
        "max_position_embeddings": 8192, "rope_parameters": rope, "tie_word_embeddings": True,
        "bos_token_id": other, "eos_token_id": end, "pad_token_id": other,
    }  # fmt: skip
    vision = {
        "depth": 4, "hidden_size": 96, "intermediate_size": 288, "num_heads": 3, "patch_size": PATCH,
        "spatial_merge_size": MERGE, "temporal_patch_size": 2, "out_hidden_size": 192,
        "num_position_embeddings": (VIEW_PX // PATCH) ** 2, "deepstack_visual_indexes": [2],
    }  # fmt: skip
    names = {"image_token_id": "image_pad", "video_token_id": "video_pad"}
    names |= {"vision_start_token_id": "vision_start", "vision_end_token_id": "vision_end"}
    markers = {key: tokenizer.convert_tokens_to_ids(f"<|{name}|>") for key, name in names.items()}
    config = transformers.Qwen3VLConfig(text_config=text, vision_config=vision, tie_word_embeddings=True, **markers)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = transformers.Qwen3VLForConditionalGeneration(config)
    model.generation_config = transformers.GenerationConfig(eos_token_id=[end, other], pad_token_id=other)
    return model


def _processor(tokenizer: Any) -> Any:
    """No image is smaller than a token or larger than a first view; the chat template is Qwen3-VL's own."""
    import transformers
    import trl

    sizes = {"shortest_edge": (PATCH * MERGE) ** 2, "longest_edge": VIEW_PX**2}
    more = {"size": sizes, "patch_size": PATCH, "merge_size": MERGE, "temporal_patch_size": 2}
    more |= {"image_mean": [MEAN] * 3, "image_std": [STD] * 3}
    template = Path(trl.__file__).parent / "chat_templates" / "qwen3_vl.jinja"
    return transformers.Qwen3VLProcessor(
        image_processor=transformers.Qwen2VLImageProcessor(**more),
        tokenizer=tokenizer,
        video_processor=transformers.Qwen3VLVideoProcessor(**more),
        chat_template=template.read_text(encoding="utf-8"),
    )


if __name__ == "__main__":
    make(Path(sys.argv[1]), Path(sys.argv[2]))
