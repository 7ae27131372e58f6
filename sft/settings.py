"""The config of a training, checked before anything heavy is imported."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from agent.config import ConfigError, call, check
from agent.training.tables import Model, Part, Positive, Validation, Whole, asks, declared, divided, from_table, known
from envs.env import ReadingEnv

TABLES = ("model", "lora", "env", "stage", "trainer", "validation", "sft")

OURS = {
    "output_dir": "--out",
    "max_steps": "stage.steps",
    "num_train_epochs": "stage.steps",
    "learning_rate": "stage.learning_rate",
    "max_length": "model.max_length",
    "model_init_kwargs": "model.dtype and model.attention",
    "seed": "sft.seed",
    "data_seed": "sft.seed",
    "dataloader_num_workers": "sft.workers",
    "save_total_limit": "sft.keep",
    "resume_from_checkpoint": "--resume",
    "eval_steps": "validation.every",
    "eval_strategy": "[validation]",
}
"""Settings of TRL that are stated elsewhere, and where."""
FIXED = (
    "assistant_only_loss", "auto_find_batch_size", "completion_only_loss", "dataloader_drop_last", "dataset_kwargs",
    "do_eval", "do_predict", "do_train", "eval_on_start", "full_determinism", "ignore_data_skip",
    "load_best_model_at_end", "logging_strategy", "packing", "padding_free", "push_to_hub", "remove_unused_columns",
    "save_only_model", "save_strategy", "train_sampling_strategy",
)  # fmt: skip
"""Settings of TRL that demonstrations, their masks or an exact resume rest on."""


@dataclass(frozen=True)
class Data:
    """A table [[stage.data]]: stored demonstrations, or a task and the policy that plays it.

    Where places are taught nobody plays, and there is no policy.
    """

    weight: Positive = 1.0
    run: Path | None = None
    task: dict[str, Any] | None = None
    policy: dict[str, Any] | None = None

    @property
    def name(self) -> str:
        """How it is spoken of."""
        if self.run is not None:
            return str(self.run)
        assert self.task is not None
        asked = f"{self.task['name']}/{self.task.get('split', 'train')}"
        return f"{asked} by {self.policy['name']}" if self.policy else asked


@dataclass(frozen=True)
class Stage:
    """A table [[stage]]."""

    name: str
    steps: Whole
    batch: Whole
    """Episodes an optimiser step, over all devices."""
    learning_rate: Positive
    data: tuple[Data, ...]
    teach: Literal["replies", "places"] = "replies"
    """"places": the vision tower alone learns, from where things lie on the views; see `sft.places`."""
    vision_learning_rate: Positive | None = None
    """Of the vision tower and its merger, instead of learning_rate."""
    temperature: Positive = 1.0
    """Of the weights: a source's share is ~ weight ** (1 / temperature)."""
    balance: str | None = None
    """A tag whose rarer values are drawn more often."""
    frozen: tuple[Part, ...] | None = None
    """Instead of the model's."""


@dataclass(frozen=True)
class Own:
    """The table [sft]."""

    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    workers: Annotated[int, Field(ge=0)] = 1
    """Processes that make and render demonstrations, for each device; 0: none beside the training itself."""
    keep: Whole = 2
    """Checkpoints."""
    accelerate: Path | None = None
    """The file that it is launched with, so that a dry run can count the devices."""


@dataclass(frozen=True)
class Training:
    """A whole config."""

    model: Model
    stages: tuple[Stage, ...]
    lora: dict[str, Any] = field(default_factory=dict)
    env: dict[str, Any] = field(default_factory=dict)
    trainer: dict[str, Any] = field(default_factory=dict)
    validation: Validation | None = None
    own: Own = Own()

    @property
    def steps(self) -> int:
        return sum(stage.steps for stage in self.stages)

    def before(self, stage: int) -> int:
        """Steps of the stages before this one."""
        return sum(each.steps for each in self.stages[:stage])

    def frozen(self, stage: int) -> tuple[Part, ...]:
        """The parts that do not learn in a stage."""
        own = self.stages[stage]
        if own.teach == "places":
            return ("language",)
        return self.model.frozen if own.frozen is None else own.frozen


def training(config: Mapping[str, Any]) -> Training:
    """The training that a config states. Raises ConfigError."""
    check("the config", config, TABLES)
    if not config.get("stage"):
        raise ConfigError("there is no [[stage]]: nothing would be learned")
    if not isinstance(config["stage"], list):
        raise ConfigError("a stage is written [[stage]], in two pairs of brackets: there may be several")
    made = Training(
        model=from_table("model", Model, config.get("model", {})),
        stages=tuple(_stage(number, table) for number, table in enumerate(config["stage"])),
        lora=dict(config.get("lora", {})),
        env=dict(config.get("env", {})),
        trainer=dict(config.get("trainer", {})),
        validation=from_table("validation", Validation, config["validation"]) if "validation" in config else None,
        own=from_table("sft", Own, config.get("sft", {})),
    )
    _checked(made)
    return made


def _stage(number: int, table: Mapping[str, Any]) -> Stage:
    name = f"stage.{number}"
    sets = table.get("data") or []
    if not isinstance(sets, list) or not sets:
        raise ConfigError(f"{name} has no data: add [[stage.data]] with a run, or with a task and a policy")
    played = table.get("teach", "replies") == "replies"
    data = tuple(_data(f"{name}.data.{place}", one, played) for place, one in enumerate(sets))
    made: Stage = from_table(name, Stage, {**table, "data": data})
    return made


def _data(name: str, table: Mapping[str, Any], played: bool) -> Data:
    made: Data = from_table(name, Data, table)
    needs = "task and policy" if played else "task alone: where places are taught, nobody plays"
    if (made.run is None) == (made.task is None) or (made.policy is not None) != (played and made.task is not None):
        raise ConfigError(f"{name} needs either run, or {needs}")
    if made.task is not None:
        asks(f"{name}.task", made.task)
    if made.policy is not None and not isinstance(made.policy.get("name"), str):
        raise ConfigError(f"{name}.policy needs a name, such as sft.expert")
    return made


def _checked(made: Training) -> None:
    """Refuse what cannot work, before anything is loaded."""
    if made.lora and made.model.train == "full":
        raise ConfigError('[lora] is set, and model.train is "full": set it to "lora", or leave out [lora]')
    names = [stage.name for stage in made.stages]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ConfigError(f"two stages have the name {twice!r}")
    for number, stage in enumerate(made.stages):
        frozen = made.frozen(number)
        if stage.teach == "places" and (made.model.train == "lora" or stage.frozen is not None):
            raise ConfigError(
                f"stage {stage.name!r} teaches places: the whole vision tower learns, and nothing else; "
                'set model.train to "full", and leave out stage.frozen'
            )
        if set(frozen) == {"vision", "language"}:
            raise ConfigError(f"stage {stage.name!r}: vision and language are both frozen, so nothing would be learned")
    call("env", ReadingEnv, made.env)
    if made.validation is not None:
        asks("validation.task", made.validation.task)
    for name in made.trainer:
        if name in OURS:
            raise ConfigError(f"trainer.{name} is stated elsewhere: by {OURS[name]}")
        if name in FIXED:
            raise ConfigError(f"trainer.{name} cannot be set: how demonstrations are learned from rests on it")
    known("trainer", made.trainer, "trl.SFTConfig", trainer_names)
    known("lora", made.lora, "peft.LoraConfig", lambda: declared("peft", ("tuners/lora/config.py", "config.py")))


def trainer_names() -> frozenset[str]:
    """The settings of trl.SFTConfig, read from its source. Raises ImportError where it is not installed."""
    own = declared("trl", ("trainer/base_config.py", "trainer/sft_config.py"))
    return own | declared("transformers", ("training_args.py",))


def batches(training: Training, stage: Stage, devices: int) -> tuple[int, int]:
    """(episodes that a device holds at a time, times that it does so) of a step. Raises ConfigError."""
    return divided(stage.batch, f"stage {stage.name!r}: batch {stage.batch}", training.trainer, devices)
