"""The config of a GRPO training, checked before anything heavy is imported."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field

from agent.config import ConfigError, call, check
from agent.training.tables import Model, Positive, Validation, Whole, asks, declared, divided, from_table, known
from envs.env import ReadingEnv
from tools.lookup import find

TABLES = ("model", "lora", "env", "data", "rollout", "trainer", "validation", "alarms", "grpo")
LISTS = ("data",)

OURS = {
    "output_dir": "--out",
    "max_steps": "grpo.steps",
    "num_train_epochs": "grpo.steps",
    "num_generations": "grpo.group",
    "generation_batch_size": "grpo.questions and grpo.group",
    "max_completion_length": "rollout.max_new_tokens and model.max_length",
    "temperature": "rollout.temperature",
    "model_init_kwargs": "model.dtype and model.attention",
    "seed": "grpo.seed",
    "data_seed": "grpo.seed",
    "save_total_limit": "grpo.keep",
    "resume_from_checkpoint": "--resume",
    "eval_steps": "validation.every",
    "eval_strategy": "[validation]",
    "reward_weights": "env.rewards",
    "use_vllm": "rollout.engine",
}
"""Settings of TRL that are stated elsewhere, and where."""
FIXED = (
    "auto_find_batch_size", "dataloader_drop_last", "dataloader_num_workers", "do_eval", "do_predict", "do_train",
    "eval_on_start", "full_determinism", "generation_kwargs", "ignore_data_skip", "load_best_model_at_end",
    "logging_steps", "logging_strategy", "mask_truncated_completions", "max_tool_calling_iterations", "min_p",
    "num_generations_eval", "push_to_hub", "remove_unused_columns", "repetition_penalty", "save_only_model",
    "save_strategy", "shuffle_dataset", "steps_per_generation", "top_k", "top_p", "use_adaptive_entropy",
    "use_transformers_continuous_batching",
)  # fmt: skip
"""Settings of TRL that rollouts, their log-probabilities or an exact resume rest on."""
PLAIN_LORA = {"use_dora": False, "bias": "none", "modules_to_save": None, "fan_in_fan_out": False, "lora_bias": False}
"""What an adapter must be, so that W + s B A is all that it does."""


@dataclass(frozen=True)
class Data:
    """A table [[data]]: questions that are read."""

    task: dict[str, Any]
    weight: Positive = 1.0

    @property
    def name(self) -> str:
        return f"{self.task['name']}/{self.task.get('split', 'train')}"


@dataclass(frozen=True)
class Rollout:
    """The table [rollout]: who plays, how long is waited, and what becomes of what goes wrong."""

    engine: str = "auto"
    """A file of rl/engines; "auto" is vLLM where it is installed, else transformers."""
    workers: Whole = 1
    """Engines, each in a process of its own."""
    at_once: Whole = 32
    """Episodes that a worker plays side by side."""
    kv_tokens: Whole | None = None
    """Tokens that a worker's key-value cache has room for; no episode is begun beyond that. None: not counted."""
    batch: Whole = 16
    """Replies that an engine writes side by side."""
    cpus: Positive = 1
    gpus: Annotated[float, Field(ge=0)] = 0
    """Of each worker; 0 is the CPU alone."""
    memory: Positive | None = None
    """Of vLLM; see `agent.vllm_engine.Engine`."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """What the engine's weights are held in; "auto": as model.dtype."""
    spread: Literal["PACK", "SPREAD", "STRICT_PACK", "STRICT_SPREAD"] = "PACK"
    """How workers are laid over the machines of a cluster: Ray's placement group strategies."""
    address: str = ""
    """Of a Ray cluster; "auto" is the one that runs here. Empty: one is started for this training."""
    temperature: Positive = 1.0
    max_new_tokens: Whole = 256
    """Of a reply."""
    reply_seconds: Positive = 600
    """A reply, once waited for so long, ends its episode by a timeout."""
    step_seconds: Positive = 60
    """The same, of what carries a reply out: the tools of one turn."""
    episode_seconds: Positive = 1800
    """A worker that has not brought an episode to its end by then is taken for stuck."""
    retries: Annotated[int, Field(ge=0)] = 2
    """How often an episode that ended by a fault is played again, before it is left out of its group."""
    over_limit: Literal["penalise", "mask", "ignore"] = "penalise"
    """An episode that came to a limit without an answer: judged as it is; judged, but nothing is learned from its
    tokens; or left out of its group as if it had not been played."""
    no_spread: Literal["keep", "filter", "replace"] = "keep"
    """A group whose rewards are all the same, and so teaches nothing: kept; its tokens not counted in the loss; or
    another question played in its place."""
    most_replaced: Positive = 1.0
    """With "replace": questions played beyond those of a step, at most, as a share of them."""
    ahead: Literal[0, 1] = 0
    """1: the next step's episodes are played while this one is learned from, by weights one step older."""
    stored: Annotated[float, Field(ge=0, le=1)] = 1.0
    """The share of groups whose episodes are kept in the run folder."""


@dataclass(frozen=True)
class Alarms:
    """The table [alarms]: what is rung for; 0 rings never. A rung alarm with `stop` ends the training, resumably."""

    logp_gap: Annotated[float, Field(ge=0)] = 0.05
    """Mean |log p of the engine - log p of the trainer| of a step's tokens."""
    fault_share: Annotated[float, Field(ge=0)] = 0.1
    """Of a step's episodes, after all retries."""
    tool_collapse: Annotated[float, Field(ge=0)] = 0.1
    """Tool calls an episode below this share of what they were in the first steps."""
    answer_growth: Annotated[float, Field(ge=0)] = 4.0
    """Tokens an episode above so many times what they were in the first steps."""
    malformed_share: Annotated[float, Field(ge=0)] = 0.9
    """Of a step's turns."""
    patience: Whole = 3
    """Steps in a row after which an alarm is rung; the first and the second ring at once."""
    stop: bool = True


@dataclass(frozen=True)
class Own:
    """The table [grpo]."""

    steps: Whole
    """Steps of the optimiser."""
    questions: Whole = 8
    """Questions of a step."""
    group: Annotated[int, Field(ge=2)] = 8
    """Episodes that are played of each, and compared with each other."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    keep: Whole = 2
    """Checkpoints."""


@dataclass(frozen=True)
class Training:
    """A whole config."""

    model: Model
    data: tuple[Data, ...]
    own: Own
    lora: dict[str, Any] = field(default_factory=dict)
    env: dict[str, Any] = field(default_factory=dict)
    rollout: Rollout = Rollout()
    trainer: dict[str, Any] = field(default_factory=dict)
    validation: Validation | None = None
    alarms: Alarms = Alarms()

    @property
    def steps(self) -> int:
        return self.own.steps

    @property
    def episodes(self) -> int:
        """Episodes of a step."""
        return self.own.questions * self.own.group

    @property
    def rounds(self) -> int:
        """How often episodes are played: each round is learned from `iterations` times."""
        return -(-self.own.steps // self.iterations)

    @property
    def iterations(self) -> int:
        """Steps that are learned from the same episodes."""
        return int(self.trainer.get("num_iterations", 1))


def training(config: Mapping[str, Any]) -> Training:
    """The training that a config states. Raises ConfigError."""
    check("the config", config, TABLES)
    sets = config.get("data") or []
    if not isinstance(sets, list) or not sets:
        raise ConfigError("there is no [[data]]: nothing would be read; add one with a task")
    if "grpo" not in config:
        raise ConfigError("there is no [grpo]: it must state steps")
    made = Training(
        model=from_table("model", Model, config.get("model", {})),
        data=tuple(_data(f"data.{place}", table) for place, table in enumerate(sets)),
        own=from_table("grpo", Own, config["grpo"]),
        lora=dict(config.get("lora", {})),
        env=dict(config.get("env", {})),
        rollout=from_table("rollout", Rollout, config.get("rollout", {})),
        trainer=dict(config.get("trainer", {})),
        validation=from_table("validation", Validation, config["validation"]) if "validation" in config else None,
        alarms=from_table("alarms", Alarms, config.get("alarms", {})),
    )
    _checked(made)
    return made


def _data(name: str, table: Any) -> Data:
    made: Data = from_table(name, Data, table)
    asks(f"{name}.task", made.task)
    return made


def _checked(made: Training) -> None:
    """Refuse what cannot work, before anything is loaded."""
    if made.lora and made.model.train == "full":
        raise ConfigError('[lora] is set, and model.train is "full": set it to "lora", or leave out [lora]')
    if set(made.model.frozen) == {"vision", "language"}:
        raise ConfigError("model.frozen: vision and language are both frozen, so nothing would be learned")
    if made.model.init == "random":
        raise ConfigError('model.init "random": a model that knows nothing is never right; teach it by `overread sft`')
    for name, plain in PLAIN_LORA.items():
        if made.lora.get(name, plain) not in (plain, [] if plain is None else plain):
            raise ConfigError(f"lora.{name} cannot be set: the engines add W + s B A to a weight, and nothing else")
    call("env", ReadingEnv, made.env)
    if made.rollout.engine != "auto":
        find_engine(made.rollout.engine)
    if made.validation is not None:
        asks("validation.task", made.validation.task)
    for name in made.trainer:
        if name in OURS:
            raise ConfigError(f"trainer.{name} is stated elsewhere: by {OURS[name]}")
        if name in FIXED or (name.startswith("vllm_") and not name.startswith("vllm_importance")):
            raise ConfigError(f"trainer.{name} cannot be set: rollouts, or an exact resume, rest on it")
    known("trainer", made.trainer, "trl.GRPOConfig", trainer_names)
    known("lora", made.lora, "peft.LoraConfig", lambda: declared("peft", ("tuners/lora/config.py", "config.py")))
    if made.rollout.ahead and made.iterations > 1:
        raise ConfigError("rollout.ahead is 1 and trainer.num_iterations is over 1: weights would be several steps old")
    if made.rollout.kv_tokens is not None and made.rollout.kv_tokens < made.model.max_length:
        raise ConfigError(
            f"rollout.kv_tokens {made.rollout.kv_tokens} is less than one episode may have, model.max_length "
            f"{made.model.max_length}: nothing could be played"
        )


def find_engine(name: str) -> Any:
    """What makes the engine of this name. Raises ConfigError."""
    try:
        return find("rl.engines", name)
    except LookupError as error:
        raise ConfigError(f"rollout.engine: {error}") from None


def trainer_names() -> frozenset[str]:
    """The settings of trl.GRPOConfig, read from its source. Raises ImportError where it is not installed."""
    own = declared("trl", ("trainer/base_config.py", "trainer/grpo_config.py"))
    return own | declared("transformers", ("training_args.py",))


def batches(training: Training, devices: int) -> tuple[int, int]:
    """(episodes that a device holds at a time, times that it does so) of a step. Raises ConfigError."""
    own = training.own
    says = f"grpo.questions {own.questions} x grpo.group {own.group}, {training.episodes} episodes,"
    return divided(training.episodes, says, training.trainer, devices)
