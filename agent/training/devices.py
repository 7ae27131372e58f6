"""The devices that a training is launched on, as the file for `accelerate launch` names them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from agent.config import ConfigError


class Devices(NamedTuple):
    """How many there are, and over how many of them each thing is spread."""

    number: int = 1
    weights: int = 1
    gradients: int = 1
    optimizer: int = 1
    fsdp: bool = False
    wrapped: tuple[str, ...] = ()
    """Classes of the layers that are gathered one at a time; empty: those that the model names."""
    file: str = ""


def devices_of(path: str | Path | None) -> Devices:
    """The devices of a file for `accelerate launch`; one device where there is none. Raises ConfigError."""
    if path is None:
        return Devices()
    import yaml

    try:
        said = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(said, dict) or not isinstance(said.get("num_processes"), int) or said["num_processes"] < 1:
        raise ConfigError(f"{path} must state num_processes, a whole number from 1: how many GPUs there are")
    return _spread(said, said["num_processes"], str(path))


def _spread(said: Mapping[str, Any], number: int, file: str) -> Devices:
    kind = str(said.get("distributed_type", "NO"))
    if kind == "FSDP":
        names = str((said.get("fsdp_config") or {}).get("fsdp_transformer_layer_cls_to_wrap") or "")
        wrapped = tuple(name.strip() for name in names.split(",") if name.strip())
        return Devices(number, number, number, number, True, wrapped, file)
    if kind == "DEEPSPEED":  # ZeRO, arXiv:1910.02054: stage 1 spreads the state, 2 also gradients, 3 also weights
        stage = int((said.get("deepspeed_config") or {}).get("zero_stage", 0))
        weights, gradients, optimizer = (number if stage >= least else 1 for least in (3, 2, 1))
        return Devices(number, weights, gradients, optimizer, file=file)
    return Devices(number, file=file)
