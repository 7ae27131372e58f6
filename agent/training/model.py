"""The model that is trained: read from its folder, its parts held or let go, and written as a whole folder again."""

import json
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from agent.chats import chat_for
from agent.config import ConfigError
from agent.loop import PolicyError
from agent.session import attention_on
from agent.torch_setup import set_up_torch
from agent.training.tables import Model, Part

TOWER = ".visual."
"""Stands in the name of every weight of the vision tower and its merger, in both families."""
WEIGHTS = ("*.safetensors", "*.safetensors.index.json", "*.bin", "*.bin.index.json", "*.pt", "*.pth")
TEMPLATES = ("chat_template.jinja", "chat_template.json")


def check_folder(folder: Path) -> None:
    """Raise PolicyError for a folder that holds no model of a known family, or not all that is needed beside it."""
    chat_for(folder)
    if any((folder / name).is_file() for name in TEMPLATES):
        return
    said = folder / "tokenizer_config.json"
    if not said.is_file() or "chat_template" not in json.loads(said.read_text(encoding="utf-8")):
        raise PolicyError(
            f"{folder} holds no chat template: neither chat_template.jinja, chat_template.json, nor one in "
            "tokenizer_config.json; copy it from where the model comes from"
        )


def load(settings: Model, seed: int, lora: Mapping[str, Any], checkpoint: Path | None = None) -> Any:
    """The model with its adapters, on the CPU; its weights are those of a checkpoint where one is given.

    Raises PolicyError where it cannot be loaded, ConfigError where adapters cannot be added.
    """
    set_up_torch()
    import torch
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    whole = checkpoint if checkpoint is not None and settings.train == "full" else None
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = _read(settings, whole or settings.path, drawn=settings.init == "random" and whole is None)
        return model if settings.train == "full" else adapted(model, lora, checkpoint)


def _read(settings: Model, folder: Path, drawn: bool) -> Any:
    import torch
    from safetensors import SafetensorError
    from transformers import AutoConfig, AutoModelForImageTextToText

    device = "cuda" if torch.cuda.is_available() and settings.dtype != "float32" else "cpu"  # none is flash there
    more: dict[str, Any] = {"dtype": settings.dtype, "attn_implementation": attention_on(device, settings.attention)}
    quiet = folder != settings.path  # a checkpoint of ours may hold more than the model: see `sft.placing`
    try:
        if not drawn:
            with hushed() if quiet else nullcontext():
                return AutoModelForImageTextToText.from_pretrained(folder, local_files_only=True, **more)
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        more["dtype"] = config.dtype if settings.dtype == "auto" else settings.dtype
        return AutoModelForImageTextToText.from_config(config, **more)
    except (OSError, ValueError, ImportError, SafetensorError) as error:
        raise PolicyError(f"{folder} cannot be loaded: {' '.join(str(error).split())}") from None


@contextmanager
def hushed() -> Iterator[None]:
    """Keep transformers from saying what is only worth a warning."""
    from transformers.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


def adapted(model: Any, lora: Mapping[str, Any], checkpoint: Path | None = None) -> Any:
    """The model with adapters, those of a checkpoint where one is given. Raises ConfigError for settings of no use."""
    from peft import LoraConfig, PeftModel, get_peft_model

    if checkpoint is not None:
        return PeftModel.from_pretrained(model, checkpoint, is_trainable=True)
    try:
        config: Any = LoraConfig(**{"target_modules": "all-linear", **lora})
    except (ValueError, TypeError) as error:
        raise ConfigError(f"lora: {' '.join(str(error).split())}") from None
    _check_targets(model, config.target_modules)
    try:
        return get_peft_model(model, config)
    except ValueError as error:
        raise ConfigError(f"lora: {' '.join(str(error).split())}") from None


def _check_targets(model: Any, targets: str | Iterable[str]) -> None:
    """Raise ConfigError for a target that is no module of the model."""
    import torch

    if targets == "all-linear":
        return
    linear = [name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)]
    wanted = [targets] if isinstance(targets, str) else sorted(targets)
    for target in wanted:
        pattern = target if isinstance(targets, str) else rf"(.*\.)?{re.escape(target)}"
        if not any(re.fullmatch(pattern, name) for name in linear):
            leaves = ", ".join(sorted({name.rpartition(".")[2] for name in linear} - {"lm_head"}))
            raise ConfigError(f"lora.target_modules: {target!r} is no linear layer of the model; there are: {leaves}")
        if re.fullmatch(pattern, "lm_head"):
            raise ConfigError("lora.target_modules: lm_head cannot have an adapter; leave it out")


def freeze(model: Any, frozen: Iterable[Part], adapters: bool) -> None:
    """Let every weight learn but those of these parts; with adapters, they alone learn. Raises ConfigError if none."""
    for name, weight in model.named_parameters():
        part: Part = "vision" if TOWER in name else "language"
        learns = not adapters or "lora_" in name or "modules_to_save" in name
        weight.requires_grad_(learns and part not in frozen)
    if not any(weight.requires_grad for weight in model.parameters()):
        raise ConfigError(f"nothing would be learned: lora.target_modules lie in what is frozen, {', '.join(frozen)}")


def plain(model: Any) -> Any:
    """The model itself, without what adapters are wrapped in; their layers stay inside it."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def write(model: Any, folder: Path, base: Path) -> None:
    """Write a whole model folder: these weights, and all that the folder `base` holds beside its weights."""
    folder.mkdir(parents=True)
    for path in base.iterdir():
        if path.is_file() and not any(path.match(pattern) for pattern in WEIGHTS):
            shutil.copyfile(path, folder / path.name)
    model.save_pretrained(folder)
