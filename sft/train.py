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
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from agent.training.begin import ready
from agent.training.checkpoints import DRAFT, locked, whole
from agent.training.course import Course as Shared
from agent.training.model import check_folder, freeze
from sft.card import card, data_of
from sft.ledger import Ledger
from sft.mixture import Mixture
from sft.resolved import decisive, resolved
from sft.settings import Training
from sft.trainer import Batches, arguments, trainer_class


def begin(training: Training, folder: Path, resume: bool) -> dict[str, Any]:
    """What run.json says of a training that begins in a new folder, or goes on in its own.

    Raises ConfigError, and PolicyError for a model's folder that lacks something.
    """
    check_folder(training.model.path)
    facts = {"kind": "sft", "name": folder.name, "settings": resolved(training), "data": data_of(training)}
    return {**ready(folder, facts, resume, decisive), "steps": training.steps}


class Course(Shared):
    """A training on its way: what all its stages share."""

    training: Training

    def run(self) -> None:
        """All stages that are not done. Raises Interrupted where it was asked to stop."""
        with locked(self.folder) if self.first else nullcontext():
            facts = self.opened()
            self.ledger = Ledger(self.folder, facts, self.first)
            self.record(self.done)
            stage, step = facts.get("stage", 0), facts.get("step", 0)
            if self.newest and step == self.training.stages[stage].steps:
                stage, step = stage + 1, 0
            while stage < len(self.training.stages):
                self._stage(stage, resume=step > 0)
                stage, step = stage + 1, 0
            self.finish()

    def found(self) -> dict[str, Any]:
        return {"left_out": self.ledger.reasons()}

    def card(self, facts: Mapping[str, Any]) -> str:
        return card(facts)

    def _stage(self, stage: int, resume: bool) -> None:
        """Train one stage; it starts from the weights of the newest checkpoint, and resumes all else too."""
        training = self.training
        devices = int(os.environ.get("WORLD_SIZE", "1"))
        args = arguments(training, stage, self.checkpoints / DRAFT, devices)  # first: it says who is who
        model = self.learner()
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
