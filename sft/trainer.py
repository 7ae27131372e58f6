"""The seam to TRL: what its SFTTrainer does otherwise for us.

Its data set holds the numbers of the samples; our collator makes them into batches. Its loss is its own. Between two
steps it can be asked to do something else: validate, or stop.
"""

import os
import signal
import time
from functools import cache, cached_property
from pathlib import Path
from threading import Thread
from typing import Any

from agent.config import ConfigError
from agent.loop import PolicyError
from agent.torch_setup import set_up_torch
from agent.training.model import TOWER
from agent.training.seam import Seam, TrainingError
from envs.rows import DataError
from sft.collate import CollateError, collate
from sft.mixture import LeftOut, Mixture, MixtureError
from sft.phases import tallied, told
from sft.settings import Training, batches
from tools.files import FileError

EXPECTED = (ConfigError, PolicyError, DataError, FileError, CollateError, MixtureError, OSError)
"""What can go wrong with a demonstration, and is told in one sentence."""


class Batches:
    """Turns sample numbers into a batch; what it opens stays open in its own process."""

    def __init__(self, mixture: Mixture):
        self.mixture = mixture
        self.apart = False
        """Whether this is a worker's own copy."""

    def __getstate__(self) -> dict[str, Any]:
        return {"mixture": self.mixture, "trainer": os.getpid()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        set_up_torch()  # before anything else is imported in a new process
        self.mixture, self.apart = state["mixture"], state["trainer"] != os.getpid()
        if self.apart:
            Thread(target=_end_with, args=(state["trainer"],), daemon=True).start()
            _leave_signals()

    @cached_property
    def processor(self) -> Any:
        from transformers import AutoImageProcessor

        return AutoImageProcessor.from_pretrained(self.mixture.training.model.path, local_files_only=True)

    def __call__(self, rows: list[dict[str, int]]) -> dict[str, Any]:
        """The batch, and of its samples: `names`, `sources` and what was `left_out`; or the `problem`."""
        if self.apart:
            _leave_signals()  # once more: torch has taken SIGTERM back since
        try:
            samples = [self.mixture[row["number"]] for row in rows]
            batch = self.batch([sample.example for sample in samples])
        except EXPECTED as problem:  # a worker can hand an error on in no better way
            return {"problem": str(problem)}
        return batch | {
            "names": [f"{sample.source} number {sample.number} ({sample.example.name})" for sample in samples],
            "sources": [sample.source for sample in samples],
            "left_out": [[*left] for sample in samples for left in sample.left_out],
        }

    def batch(self, examples: list[Any]) -> dict[str, Any]:
        return collate(examples, self.mixture.chat, self.processor)


def _leave_signals() -> None:
    """Leave what is sent to a whole group of processes to the trainer, which ends its workers."""
    for asked in (signal.SIGTERM, signal.SIGINT):
        signal.signal(asked, signal.SIG_IGN)


def _end_with(trainer: int) -> None:
    """End this process soon after its parent: torch's own watch misses one that dies while this one still starts."""
    while os.getppid() == trainer:
        time.sleep(1)
    os._exit(1)


def arguments(training: Training, stage: int, folder: Path, devices: int) -> Any:
    """trl.SFTConfig of a stage, whose checkpoints are first written to `folder`. Raises ConfigError."""
    import torch
    from trl import SFTConfig

    each, times = batches(training, training.stages[stage], devices)
    own = training.stages[stage]
    if own.teach == "places" and devices > 1:
        raise ConfigError(f"stage {own.name!r} teaches places, on one device alone; start it without accelerate launch")
    workers = training.own.workers
    usual = {
        "lr_scheduler_type": "cosine",
        "warmup_steps": 0.03,
        "logging_steps": 10,
        "save_steps": 500,
        "use_cpu": not torch.accelerator.is_available(),  # without it, bf16 is refused there
        "bf16": torch.cuda.is_available(),
        "dataloader_pin_memory": torch.cuda.is_available(),
        "report_to": "none",
        "disable_tqdm": True,
        "gradient_checkpointing_kwargs": {"use_reentrant": False},
    }
    stated = {
        "output_dir": str(folder),
        "max_steps": own.steps,
        "learning_rate": own.learning_rate,
        "per_device_train_batch_size": each,
        "gradient_accumulation_steps": times,
        "seed": training.own.seed + stage,
        "max_length": None,
        "dataset_kwargs": {"skip_prepare_dataset": True},
        "remove_unused_columns": False,
        "assistant_only_loss": False,
        "train_sampling_strategy": "sequential",
        "logging_nan_inf_filter": False,
        "dataloader_num_workers": workers,
        "dataloader_multiprocessing_context": "spawn" if workers else None,
        "save_strategy": "steps",
    }
    try:
        return SFTConfig(**{**usual, **training.trainer, **stated})
    except (ValueError, TypeError) as error:
        raise ConfigError(f"trainer: {' '.join(str(error).split())}") from None


def part_rates(optimizer: Any, part: set[int], rate: float) -> None:
    """Give the weights of a part, named by their id, a learning rate of their own."""
    for group in [*optimizer.param_groups]:
        own = [weight for weight in group["params"] if id(weight) in part]
        group["params"] = [weight for weight in group["params"] if id(weight) not in part]
        optimizer.add_param_group({**group, "params": own, "lr": rate})


@cache
def trainer_class() -> Any:
    """The subclass of SFTTrainer; made when it is first asked for, as trl takes seconds to be imported."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # nothing is sent anywhere
    try:
        import trl.trainer.utils
        from accelerate.utils import gather_object
        from datasets import Dataset
        from transformers import PrinterCallback
        from trl import SFTTrainer
    except ModuleNotFoundError as error:
        raise ImportError(f"a training needs {error.name}: pip install 'overread[train]'") from None
    trl.trainer.utils._use_triton = lambda device: True  # it says which tokens are scored: the learned ones alone

    class Trainer(Seam, SFTTrainer):
        """Trains one stage, which teaches replies; a subclass teaches something else."""

        saver = SFTTrainer

        def __init__(self, batches: Batches, course: Any, **more: Any):
            mixture = batches.mixture
            numbers = Dataset.from_dict({"number": range(len(mixture))})
            super().__init__(data_collator=batches, train_dataset=numbers, **more)
            self.remove_callback(PrinterCallback)
            if self.is_fsdp_enabled:  # the next stage, and the end, read a checkpoint as a model's folder
                self.accelerator.state.fsdp_plugin.set_state_dict_type("FULL_STATE_DICT")
            self.mixture, self.course, self.ledger = mixture, course, course.ledger
            self.before = mixture.training.before(mixture.stage)
            self.names: list[str] = []

        def get_batch_samples(self, *args: Any) -> Any:
            self.names = []
            return super().get_batch_samples(*args)

        def made_of(self) -> str:
            return ", ".join(self.names)

        def progress(self) -> dict[str, Any]:
            return {"stage": self.mixture.stage, "step": self.state.global_step}

        def create_optimizer(self, model: Any = None) -> Any:
            made = super().create_optimizer(model)
            if own := self.mixture.own.vision_learning_rate:
                whole: Any = model or self.model
                part_rates(made, {id(weight) for name, weight in whole.named_parameters() if TOWER in name}, own)
            return made

        def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None):  # type: ignore[no-untyped-def]
            if "problem" in inputs:
                raise TrainingError(inputs["problem"])
            names, sources, left_out = (inputs.pop(key) for key in ("names", "sources", "left_out"))
            self.names += names
            loss, tally, read = self.learned(model, inputs, num_items_in_batch)
            self.finite("loss", float(loss.detach()))
            told = gather_object([(sources, left_out, read)])
            self.ledger.count(
                self.accelerator.reduce(tally).tolist(),
                sum(read for *_, read in told),
                [source for sources, *_ in told for source in sources],
            )
            self.ledger.leave_out(LeftOut(*one) for _, left_out, _ in told for one in left_out)
            return loss

        def learned(self, model: Any, inputs: Any, count: Any) -> tuple[Any, Any, int]:
            """(loss, the sums that `told` makes measures of, tokens read) of a batch."""
            phases = inputs.pop("phases")
            seen = []

            def watched(**given: Any) -> Any:
                seen.append(model(**given))
                return seen[-1]

            loss = super().compute_loss(watched, inputs, False, count)
            tally = tallied(phases[:, 1:], seen[-1].log_probs, seen[-1].is_top1)
            return loss, tally, int(inputs["attention_mask"].sum())

        told = staticmethod(told)

        def _maybe_log_save_evaluate(self, *args: Any, **more: Any) -> None:
            self.control.should_log |= self.state.global_step == self.state.max_steps
            super()._maybe_log_save_evaluate(*args, **more)

        def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
            if "grad_norm" in logs:
                more = {name: logs[name] for name in ("learning_rate", "grad_norm")}
                found = self.told(self.ledger.tally)
                self.course.tell(self.ledger.close(found, step=self.step, stage=self.mixture.own.name, **more))
            super().log(logs, start_time)

    return Trainer
