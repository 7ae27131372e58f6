"""Teach a model to read by demonstrations: stage after stage, resumable at every step.

runs/sft/<name>/{run.json, config.toml, resolved.toml}     what was asked for, and what it was done with
runs/sft/<name>/{metrics.jsonl, left_out.jsonl}            see `sft.ledger`
runs/sft/<name>/checkpoints/<step>/                        all that is needed to go on from there
runs/sft/<name>/episodes/ images/                          what was played to validate
runs/sft/<name>/model/ (adapter/)                          the model at the end, a whole folder
runs/sft/<name>/card.md                                    the run in words
"""

import gc
import os
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from agent.chats import chat_for
from agent.session import Session
from agent.torch_setup import set_up_torch
from agent.trace import describe
from agent.training.begin import FINISHED, Interrupted, ready
from agent.training.checkpoints import DRAFT, drafted, locked, read_progress, whole
from agent.training.model import check_folder, freeze, load, write
from agent.training.surroundings import surroundings
from agent.training.validation import forget, validate
from sft.card import card, data_of
from sft.ledger import Ledger
from sft.mixture import Mixture
from sft.resolved import decisive, resolved
from sft.settings import Training
from sft.trainer import Batches, arguments, trainer_class

Tell = Callable[[dict[str, Any]], None]


def begin(training: Training, folder: Path, resume: bool) -> dict[str, Any]:
    """What run.json says of a training that begins in a new folder, or goes on in its own.

    Raises ConfigError, and PolicyError for a model's folder that lacks something.
    """
    check_folder(training.model.path)
    facts = {"kind": "sft", "name": folder.name, "settings": resolved(training), "data": data_of(training)}
    return {**ready(folder, facts, resume, decisive), "steps": training.steps}


class Course:
    """A training on its way: what all its stages share."""

    def __init__(
        self, training: Training, folder: Path, about: Mapping[str, Any], stop: Callable[[], bool], tell: Tell
    ):
        set_up_torch()
        from transformers import AutoImageProcessor, AutoProcessor

        self.training, self.folder, self.stop, self.tell = training, folder, stop, tell
        self.checkpoints = folder / "checkpoints"
        path = training.model.path
        self.first = os.environ.get("RANK", "0") == "0"
        """Of the processes that `accelerate launch` starts, one for each device, the first alone writes."""
        self.chat = chat_for(path)
        self.processor = AutoProcessor.from_pretrained(path, local_files_only=True)
        self.images = AutoImageProcessor.from_pretrained(path, local_files_only=True)
        self.about = {**about, **surroundings()}

    def run(self) -> None:
        """All stages that are not done. Raises Interrupted where it was asked to stop."""
        with locked(self.folder) if self.first else nullcontext():
            stage, step = self._opened()
            if self.newest and step == self.training.stages[stage].steps:
                stage, step = stage + 1, 0
            while stage < len(self.training.stages):
                self._stage(stage, resume=step > 0)
                stage, step = stage + 1, 0
            self._finish()

    def _opened(self) -> tuple[int, int]:
        """(stage, steps done in it) of the newest checkpoint; what was written after it is taken back."""
        self.newest = next(reversed(whole(self.checkpoints)), None)
        facts = read_progress(self.newest) if self.newest else {}
        done = int(self.newest.name) if self.newest else 0
        if self.first:
            forget(self.folder, done if self.newest else -1)
        self.ledger = Ledger(self.folder, facts, self.first)
        self.record(done)
        return facts.get("stage", 0), facts.get("step", 0)

    def _stage(self, stage: int, resume: bool) -> None:
        """Train one stage; it starts from the weights of the newest checkpoint, and resumes all else too."""
        training = self.training
        devices = int(os.environ.get("WORLD_SIZE", "1"))
        args = arguments(training, stage, self.checkpoints / DRAFT, devices)  # first: it says who is who
        model = load(training.model, training.own.seed, training.lora, self.newest)
        freeze(model, training.frozen(stage), adapters=training.model.train == "lora")
        trainer = self._trainer(stage, model, args=args, processing_class=self.processor)
        self.ledger.pause()
        trainer.train(resume_from_checkpoint=str(self.newest) if resume else None)
        self.newest = whole(self.checkpoints)[-1]
        del trainer, model
        gc.collect()

    def _trainer(self, stage: int, model: Any, **more: Any) -> Any:
        training = self.training
        if training.stages[stage].teach == "replies":
            return trainer_class()(Batches(Mixture(training, stage)), self, model=model, **more)
        from sft.placing import place_trainer

        fresh = training.model.init == "random" and self.newest is None
        return place_trainer(training, stage, self, model, fresh, **more)

    def between(self, trainer: Any) -> None:
        """What is done between two steps: validate where it is time to, stop where it was asked to."""
        try:
            self._check(trainer.anywhere)
            if trainer.plays:
                self._validate(trainer.model, trainer.step, trainer.anywhere)
        except Interrupted:
            if trainer.state.global_step and not (self.checkpoints / str(trainer.step)).exists():
                trainer._save_checkpoint(trainer.model, None)
            raise

    def record(self, steps: int, state: str = "not finished") -> None:
        """Write run.json and card.md anew."""
        if not self.first:
            return
        progress = {"steps": steps, **self.ledger.facts()}
        facts = {**self.about, "state": state, "progress": progress, "left_out": self.ledger.reasons()}
        facts["validations"] = {str(step): found for step, found in self.ledger.validated().items()}
        describe(self.folder, **facts)
        (self.folder / "card.md").write_text(card(facts), encoding="utf-8")

    def _check(self, anywhere: Callable[[bool], bool]) -> None:
        if anywhere(self.stop()):
            raise Interrupted

    def _validate(self, model: Any, step: int, anywhere: Callable[[bool], bool]) -> None:
        """Validate where it is time to and has not been done; what is so `anywhere` is so for all processes."""
        due = self.training.validation
        if due is None or (step % due.every and step != self.training.steps):
            return
        if not anywhere(self.first and step not in self.ledger.validated()):
            return
        self.ledger.lap()
        if self.first:
            forget(self.folder, step - 1)
        folder = self.folder if self.first else None
        session = Session(model, self.images, self.chat, kept=due.batch)
        longest = self.training.model.max_length
        found = validate(due, self.training.env, session, longest, step, folder, lambda: self._check(anywhere))
        self.ledger.pause()
        line = {"step": step, "validation": found}
        self.ledger.write(line)
        self.tell(line)

    def _finish(self) -> None:
        """Validate once more, and write the model; one process alone can do that."""
        if not self.first:
            return
        import torch

        model = load(self.training.model, self.training.own.seed, self.training.lora, self.newest)
        self._validate(model.to("cuda" if torch.cuda.is_available() else "cpu"), self.training.steps, bool)
        if self.training.model.train == "lora":
            with drafted(self.folder / "adapter") as draft:
                model.save_pretrained(draft)
            model = model.merge_and_unload()
        with drafted(self.folder / "model") as draft:
            write(model, draft, self.training.model.path)
        self.record(self.training.steps, FINISHED)
