"""What a training would need, told before anything is started: data, memory, disk, versions, and what cannot work.

Nothing is loaded and nothing is written, so it runs beside a training, on a machine without a GPU, and without the
model's weights. What it cannot know is said: `sft/memory.py` names what only a GPU would show.
"""

import importlib.util
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

from agent.render import Chat
from agent.training.devices import Devices, devices_of
from sft.census import census
from sft.memory import GIB, built, held_in, memory, parts
from sft.needs import Disk, Estimate, StageNeeds
from sft.settings import Training, batches, training
from sft.shapes import Shape, chat_of, shape_of

LIBRARIES = ("torch", "transformers", "trl", "peft", "accelerate", "datasets")
FLASH = "flash_attention_2"
BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


def estimate(config: Mapping[str, Any]) -> Estimate:
    """What the training of a config would need. Raises ConfigError or PolicyError where it cannot be told."""
    made = training(config)
    model, own = made.model, made.own
    shape, devices = shape_of(model.path), devices_of(own.accelerate)
    chat = chat_of(shape)
    needs = tuple(_stage(number, made, shape, chat, devices) for number in range(len(made.stages)))
    versions = {name: _version(name) for name in LIBRARIES}
    disk = _disk(needs, own.keep, held_in(model, shape), devices)
    problems = [*_settings(made, devices), *_data(needs), *_conflicts(versions)]
    if shape.folder and disk.needed > disk.free:  # where the model is not, nothing is going to be trained
        need, free = disk.needed / GIB, disk.free / GIB
        problems.append(f"disk: {need:.1f} GiB are needed and {free:.1f} are free: lower sft.keep, or make room")
    return Estimate(
        path=str(model.path),
        family=shape.family,
        source=shape.source,
        weights_here=model.init == "random" or (shape.folder is not None and any(shape.folder.glob("*.safetensors"))),
        tokenizer=str(shape.folder or "agent/pocket"),
        dtype=_compute(made),
        devices=devices.number,
        launch=devices.file,
        max_length=model.max_length,
        checkpointing=made.trainer.get("gradient_checkpointing", True),
        stages=needs,
        disk=disk,
        host=_host(needs, shape, devices, own.workers),
        versions=versions,
        problems=tuple(problems),
    )


def _stage(number: int, made: Training, shape: Shape, chat: Chat, devices: Devices) -> StageNeeds:
    stage = made.stages[number]
    at_once, _ = batches(made, stage, devices.number)
    whole = built(shape, made.model, made.lora, made.frozen(number))
    found = census(made, number, chat)
    tokens, images = (sum(sum(getattr(one, name)) for one in found) for name in ("tokens", "images"))
    learned = max(sum(one.learned.values()) for one in found)
    return StageNeeds(
        name=stage.name,
        steps=stage.steps,
        batch=stage.batch,
        at_once=at_once,
        parts=parts(whole),
        data=tuple(found),
        memory=memory(whole, made.trainer, devices, round(learned * at_once), images / (tokens or 1), _compute(made)),
        longest=max(max(one.tokens, default=0) for one in found),
    )


def _compute(made: Training) -> str:
    """The type that is computed in: bfloat16, unless both the weights and the trainer say otherwise."""
    return "bfloat16" if made.trainer.get("bf16", True) or made.model.dtype == "bfloat16" else "float32"


def _data(needs: Iterable[StageNeeds]) -> Iterator[str]:
    for stage in needs:
        for one in stage.data:
            if not one.tokens:
                yield f"stage {stage.name!r}: all of {one.name} that was looked at is dropped, for the reasons above"


def _settings(made: Training, devices: Devices) -> Iterator[str]:
    """Settings that cannot work here."""
    if made.model.attention == FLASH and importlib.util.find_spec("flash_attn") is None:
        yield f"model.attention = {FLASH!r} is not installed: pip install 'overread[flash]', or \"auto\""
    import torch

    here = torch.cuda.device_count()
    if here and _compute(made) == "bfloat16" and not torch.cuda.is_bf16_supported(including_emulation=False):
        yield f'{torch.cuda.get_device_name(0)} has no bfloat16: set trainer.bf16 = false and model.dtype = "float32"'
    if here and devices.number > here:
        yield f"{devices.file} names {devices.number} GPUs, and there are {here}: change num_processes"


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _conflicts(versions: Mapping[str, str | None]) -> Iterator[str]:
    """What is not installed in the version that this project states."""
    from packaging.requirements import Requirement

    for wanted in map(Requirement, requires("overread") or []):
        installed = versions.get(wanted.name, "") if wanted.name in versions else ""
        if installed is None:
            yield f"{wanted.name} is not installed: pip install 'overread[train]'"
        elif installed and not wanted.specifier.contains(installed, prereleases=True):
            yield f"{wanted.name} is {installed}, and {wanted.specifier} is wanted: pip install 'overread[train]'"


def _disk(needs: tuple[StageNeeds, ...], keep: int, dtype: str, devices: Devices) -> Disk:
    """A checkpoint holds what learns, and all else of a model without adapters, and the state of the optimiser."""
    most = max(needs, key=lambda stage: stage.memory.optimizer).memory
    lora = any(part.name == "lora" for part in needs[0].parts)
    weights = most.gradients * devices.gradients if lora else most.weights * devices.weights
    every = sum(part.trained + part.frozen for part in needs[0].parts if part.name != "lora")
    runs = Path("runs").absolute()
    there = next(folder for folder in (runs, *runs.parents) if folder.is_dir())
    free = shutil.disk_usage(there).free
    return Disk(
        checkpoint=weights + most.optimizer * devices.optimizer, keep=keep, model=every * BYTES[dtype], free=free
    )


def _host(needs: tuple[StageNeeds, ...], shape: Shape, devices: Devices, workers: int) -> dict[str, int]:
    """Main memory on one machine: the pixels of the batches on their way, and the weights while they are read."""
    vision = shape.config["vision_config"]
    patch = 3 * vision["temporal_patch_size"] * vision["patch_size"] ** 2 * 4  # float32
    each = max((max(one.images, default=0) for stage in needs for one in stage.data), default=0)
    at_once = max(stage.at_once for stage in needs)
    ahead = 1 + 2 * workers  # torch's DataLoader makes two batches ahead in every worker
    pixels = each * vision["spatial_merge_size"] ** 2 * patch * at_once * ahead * devices.number
    weights = max(sum(part.trained + part.frozen for part in stage.parts) for stage in needs) * 2
    return {"pixels": pixels, "weights": weights * (1 if devices.fsdp else devices.number), "here": _ram()}


def _ram() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
