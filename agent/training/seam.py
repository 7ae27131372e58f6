"""What our trainers do otherwise than those of TRL that they are made of, whatever they learn from."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agent.training.checkpoints import saving
from agent.training.model import hushed


class TrainingError(RuntimeError):
    """A training that cannot go on; its last checkpoint stands."""


class Seam:
    """Comes before a trainer of TRL in the bases of ours; `course` is what it is on.

    Between two steps it can be asked to do something else: validate, or stop. Its checkpoints are whole or not there.
    """

    course: Any
    before = 0
    """Steps of the stages before this one."""
    plays = True
    """Whether what it teaches is heard in replies, so that the model is validated by playing."""
    saver: Any
    """TRL's trainer, whose own pages are left out of a checkpoint."""
    made_of: Callable[[], str]
    """What the step is learned from, in words."""
    progress: Callable[[], dict[str, Any]]
    """What a checkpoint keeps of where the training is, beside its counts."""
    state: Any
    args: Any
    accelerator: Any
    is_world_process_zero: Any

    @property
    def step(self) -> int:
        """Steps done, over all stages."""
        return self.before + int(self.state.global_step)

    def anywhere(self, here: bool) -> bool:
        """Whether it is so in any of the processes: they must do the same, or they would wait for each other."""
        import torch

        if self.accelerator.num_processes == 1:
            return here
        return bool(self.accelerator.reduce(torch.tensor(int(here), device=self.args.device)))

    def get_batch_samples(self, *args: Any) -> Any:
        self.course.between(self)
        return super().get_batch_samples(*args)  # type: ignore[misc]

    def finite(self, what: str, value: float) -> None:
        """Raise TrainingError for what is no number, before it reaches the weights."""
        if not math.isfinite(value):
            raise TrainingError(
                f"step {self.step + 1}: the {what} is {value}, so nothing more can be learned; it was made of "
                f"{self.made_of()}"
            )

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        norm = super()._get_grad_norm(model, grad_norm=grad_norm)  # type: ignore[misc]
        if norm is not None and not self.args.fp16:
            self.finite("length of the gradient", float(norm))
        return norm

    def _load_from_checkpoint(self, *args: Any, **more: Any) -> None:
        with hushed():  # it warns of weights that are not saved, as they are tied to others
            super()._load_from_checkpoint(*args, **more)  # type: ignore[misc]

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        with saving(self.course.checkpoints / str(self.step)):
            super(self.saver, self)._save_checkpoint(model, trial)  # type: ignore[misc]
            self.accelerator.wait_for_everyone()
            if self.is_world_process_zero():
                draft = Path(str(self.args.output_dir)) / f"checkpoint-{self.state.global_step}"
                self.course.keep(draft, self.step, self.progress())
            self.accelerator.wait_for_everyone()
