"""The seam to TRL's GRPOTrainer: where its episodes come from, and what is told of them.

TRL asks `_generate` for completions, and makes rewards, advantages, importance ratios and losses of them as it always
does. Its own ways to play with tools lose images, or play turn by turn: see `tests/test_trl_contract.py`.
"""

import os
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from agent.config import ConfigError
from agent.training.seam import Seam, TrainingError
from rl.metrics import flattened
from rl.packing import columns
from rl.settings import Training, batches
from rl.weights import update_of

GAP = "sampling/sampling_logp_difference"


def arguments(training: Training, folder: Path, devices: int) -> Any:
    """trl.GRPOConfig of a training, whose checkpoints are first written to `folder`. Raises ConfigError."""
    import torch
    from trl import GRPOConfig

    each, times = batches(training, devices)
    usual = {
        "learning_rate": 1e-6,
        "lr_scheduler_type": "constant",
        "save_steps": 50,
        "use_cpu": not torch.accelerator.is_available(),
        "bf16": torch.cuda.is_available() and training.model.dtype != "float32",
        "dataloader_pin_memory": torch.cuda.is_available(),
        "report_to": "none",
        "disable_tqdm": True,
        "disable_dropout": True,  # the engines have none
        "gradient_checkpointing": torch.cuda.is_available(),
        "gradient_checkpointing_kwargs": {"use_reentrant": False},
        "vllm_importance_sampling_mode": "token_truncate",
        "vllm_importance_sampling_clip_max": 2.0,
    }
    stated = {
        "output_dir": str(folder),
        "max_steps": training.own.steps,
        "per_device_train_batch_size": each,
        "gradient_accumulation_steps": times,
        "num_generations": training.own.group,
        "max_completion_length": training.model.max_length,
        "temperature": training.rollout.temperature,
        "seed": training.own.seed,
        "shuffle_dataset": False,
        "remove_unused_columns": False,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "save_strategy": "steps",
        "use_vllm": False,
    }
    given = {**usual, **training.trainer, **stated}
    given["save_steps"] = _whole_rounds(int(given["save_steps"]), training.iterations)
    try:
        return GRPOConfig(**given)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"trainer: {' '.join(str(error).split())}") from None


def _whole_rounds(steps: int, iterations: int) -> int:
    """Steps, rounded up to where a round has been learned from as often as it is to be."""
    return -(-steps // iterations) * iterations


def verdicts(completions: Sequence[Any], reward: Sequence[float | None], **more: Any) -> list[float | None]:
    """The reward of each episode, as the environment gave it; None where it is left out of its group."""
    return list(reward)


@cache
def trainer_class() -> Any:
    """The subclass of GRPOTrainer; made when it is first asked for, as trl takes seconds to be imported."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
    try:
        from accelerate.utils import broadcast_object_list, gather_object
        from datasets import Dataset
        from transformers import PrinterCallback
        from trl import GRPOTrainer
    except ModuleNotFoundError as error:
        raise ImportError(f"a training needs {error.name}: pip install 'overread[train]'") from None

    class Trainer(Seam, GRPOTrainer):
        """Learns from rounds of episodes."""

        saver = GRPOTrainer

        def __init__(self, course: Any, **more: Any):
            training: Training = course.training
            groups = range(training.rounds * training.own.questions)
            asked = Dataset.from_dict({"prompt": [[{"role": "user", "content": str(group)}] for group in groups]})
            super().__init__(reward_funcs=[verdicts], train_dataset=asked, **more)
            self.remove_callback(PrinterCallback)
            self.use_vllm = True  # only so much: old log-probabilities, and importance ratios to the engine's
            self.tools = [verdicts]  # only so much: pixels are made of all images, those of tools among them
            self.course, self.training, self.ledger = course, training, course.ledger
            self.line: dict[str, Any] = {}
            """The numbers of the round that is learned from."""
            self.clock, self.away = time.perf_counter(), 0.0

        @property
        def between_rounds(self) -> bool:
            """Whether all that was played has been learned from as often as it is to be."""
            return bool(self.state.global_step % self.training.iterations == 0)

        def get_batch_samples(self, *args: Any) -> Any:
            if self.between_rounds:
                return super().get_batch_samples(*args)
            return super(Seam, self).get_batch_samples(*args)

        def _generate(self, prompts: list[Any]) -> tuple[Any, ...]:
            """A round of episodes; one process plays for all, and each is given its own part."""
            numbers = gather_object([int(prompt[-1]["content"]) for prompt in prompts])
            number = numbers[0] // self.training.own.questions
            told: list[Any] = [None]
            if self.accelerator.is_main_process:
                began = time.perf_counter()
                told = [self.course.rounds.play(number, self.state.global_step, self._update)]
                self.away = time.perf_counter() - began
            if self.accelerator.num_processes > 1:
                broadcast_object_list(told)
            self.line = told[0].line
            if not any(one.learned for one in told[0].batch):
                raise TrainingError(f"step {self.step + 1}: no episode is left that something can be learned from")
            first = self.accelerator.process_index * len(prompts)
            return columns(told[0].batch[first : first + len(prompts)], self.course.chat)

        def _update(self) -> Any:
            return update_of(self.accelerator.unwrap_model(self.model), self.state.global_step)

        def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
            made: dict[str, Any] = super()._generate_and_score_completions(inputs)
            self.line["logp_gap"] = self._metrics["train"][f"{GAP}/mean"][-1]
            self.line["logp_gap_max"] = self._metrics["train"][f"{GAP}/max"][-1]
            self._ring()
            for name, value in flattened(self.line).items():
                self._metrics["train"][f"rollout/{name}"].append(value)
            return made

        def _ring(self) -> None:
            """Say what is wrong with a round before it is learned from."""
            for said in self.course.watch.read(self.line):
                self.course.say(f"step {self.step + 1}: alarm, {said}")
                if self.training.alarms.stop:
                    raise TrainingError(f"step {self.step + 1}: {said}; set alarms.stop to false to go on all the same")

        def training_step(self, *args: Any, **more: Any) -> Any:
            loss = super().training_step(*args, **more)
            self.finite("loss", float(loss))
            return loss

        def made_of(self) -> str:
            return "its round's episodes"

        def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
            super().log(logs, start_time)
            if "grad_norm" in logs:
                now = time.perf_counter()
                self.line["seconds"]["training"] = now - self.clock - self.away
                self.clock, self.away = now, 0.0
                self.course.told(self.step, self.line, logs)
                self.line = {**self.line, "seconds": {}, "episodes": 0, "written": 0}  # of the same round, again

        def progress(self) -> dict[str, Any]:
            return {"spare": self.course.rounds.spare, "watch": self.course.watch.state}

    return Trainer
