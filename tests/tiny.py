"""Qwen-VL models of half a million weights, made up: whole folders that transformers, TRL and vLLM can load."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

SPECIAL = [
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>",
    "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>",
    "<|image_pad|>", "<|video_pad|>",
]  # fmt: skip
ADDED = {  # tokens that stand in the text: Qwen2.5-VL has no others
    "qwen2_5_vl": ["<tool_call>", "</tool_call>"],
    "qwen3_vl": ["<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<think>", "</think>"],
}
# how Qwen's tokenizers cut text before they merge bytes: tokenizer.json of Qwen2.5-VL, pre_tokenizer
PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
PATCH = {"qwen2_5_vl": 14, "qwen3_vl": 16}


def build(family: str, folder: Path) -> Path:
    """Write a model of this family: config, weights, tokenizer, image processor, chat template."""
    from agent.torch_setup import set_up_torch

    set_up_torch()
    tokenizer = _tokenizer(family, folder)
    _model(family, tokenizer).save_pretrained(folder)
    _processor(family, tokenizer).save_pretrained(folder)
    return folder


def corpus() -> list[str]:
    """What the tokenizer is made from: the words that these tests are full of."""
    from envs.dialects.tags import HOW
    from envs.prompt import system
    from tools.lookup import find
    from tools.tool import Tool

    said = system([Tool(find("tools", name)) for name in ("zoom", "crop")], HOW)
    asked = "img0 (256 x 256): image, 256 x 256, scale known\nWhat is the diameter of the bright disc, in mm?"
    calls = '<think>Look closer.</think>{"name": "zoom", "arguments": {"image": "img0", "box": [10, 20, 30, 40]}}'
    return [said, asked, calls, "system user assistant"] * 20


def _tokenizer(family: str, folder: Path) -> Any:
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
    from transformers import Qwen2TokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.normalizer = normalizers.NFC()
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    bpe.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(PATTERN), "isolated"), byte_level])
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    bpe.train_from_iterator(
        corpus(), trainers.BpeTrainer(vocab_size=600, initial_alphabet=alphabet, show_progress=False)
    )
    bpe.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    bpe.add_tokens([AddedToken(token, special=False, normalized=False) for token in ADDED[family]])
    folder.mkdir(parents=True, exist_ok=True)
    bpe.save(str(folder / "tokenizer.json"))
    return Qwen2TokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"),
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        unk_token="<|endoftext|>",
    )


def _model(family: str, tokenizer: Any) -> Any:
    import torch
    import transformers

    end, other = tokenizer.convert_tokens_to_ids(["<|im_end|>", "<|endoftext|>"])
    text = {
        "vocab_size": (len(tokenizer) + 63) // 64 * 64, "hidden_size": 64, "intermediate_size": 128,
        "num_hidden_layers": 4, "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 8192,
        "bos_token_id": other, "eos_token_id": end, "pad_token_id": other, "tie_word_embeddings": True,
    }  # fmt: skip
    vision = {
        "depth": 3, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2, "patch_size": PATCH[family],
        "spatial_merge_size": 2, "temporal_patch_size": 2, "out_hidden_size": 64,
    }  # fmt: skip
    names = {"image_token_id": "image_pad", "video_token_id": "video_pad"}
    names |= {"vision_start_token_id": "vision_start", "vision_end_token_id": "vision_end"}
    markers = {key: tokenizer.convert_tokens_to_ids(f"<|{name}|>") for key, name in names.items()}
    if family == "qwen2_5_vl":
        text["rope_parameters"] = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [4, 6, 6]}
        vision |= {"window_size": 56, "fullatt_block_indexes": [2], "tokens_per_second": 2}
        config = transformers.Qwen2_5_VLConfig(
            text_config=text, vision_config=vision, tie_word_embeddings=True, **markers
        )
        kind = transformers.Qwen2_5_VLForConditionalGeneration
    else:
        rope = {"rope_type": "default", "rope_theta": 5e6, "mrope_section": [6, 5, 5], "mrope_interleaved": True}
        text |= {"head_dim": 32, "rope_parameters": rope}
        vision |= {"num_position_embeddings": 256, "deepstack_visual_indexes": [0, 1]}
        config = transformers.Qwen3VLConfig(text_config=text, vision_config=vision, tie_word_embeddings=True, **markers)
        kind = transformers.Qwen3VLForConditionalGeneration
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = kind(config)
    model.generation_config = transformers.GenerationConfig(eos_token_id=[end, other], pad_token_id=other)
    return model


def _processor(family: str, tokenizer: Any) -> Any:
    import transformers

    patch = PATCH[family]
    limits = {"shortest_edge": 4 * (2 * patch) ** 2, "longest_edge": 64 * (2 * patch) ** 2}
    more = {"size": limits, "patch_size": patch, "merge_size": 2, "temporal_patch_size": 2}
    if family == "qwen2_5_vl":
        kind, video = transformers.Qwen2_5_VLProcessor, transformers.Qwen2VLVideoProcessor
    else:
        kind, video = transformers.Qwen3VLProcessor, transformers.Qwen3VLVideoProcessor
        more |= {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    return kind(
        image_processor=transformers.Qwen2VLImageProcessor(**more),
        tokenizer=tokenizer,
        video_processor=video(**more),
        chat_template=template(family),
    )


def template(family: str) -> str | None:
    """Qwen's own chat template, as TRL keeps it; None where TRL is not installed."""
    trl = find_spec("trl")
    if trl is None or trl.origin is None:
        return None
    return (Path(trl.origin).parent / "chat_templates" / f"{family}.jinja").read_text()
