"""Teach a model to read by its own attempts: GRPO, resumable at every round.

runs/grpo/<name>/{run.json, config.toml, resolved.toml}    what was asked for, and what it was done with
runs/grpo/<name>/metrics.jsonl                             a line a step, and one each validation
runs/grpo/<name>/episodes/ images/                         what was played
runs/grpo/<name>/checkpoints/<step>/                       all that is needed to go on from there
runs/grpo/<name>/model/ (adapter/)                         the model at the end, a whole folder
runs/grpo/<name>/card.md                                   the run in words
"""

import os
from collections.abc import Mapping
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any

from agent.training.begin import ready
from agent.training.checkpoints import DRAFT, locked
from agent.training.course import Course as Shared
from agent.training.model import check_folder, freeze
from rl.alarms import Watch
from rl.card import card, data_of
from rl.check import feature_counter
from rl.cluster import cluster
from rl.ledger import Ledger
from rl.order import Order
from rl.resolved import decisive, resolved
from rl.rollouts import Rollouts
from rl.rounds import Rounds, forget
from rl.settings import Training
from rl.trainer import arguments, trainer_class
from rl.weights import originals, update_of


def begin(training: Training, folder: Path, resume: bool) -> dict[str, Any]:
    """What run.json says of a training that begins in a new folder, or goes on in its own.

    Raises ConfigError, and PolicyError for a model's folder that lacks something.
    """
    check_folder(training.model.path)
    facts = {"kind": "grpo", "name": folder.name, "settings": resolved(training), "data": data_of(training)}
    return {**ready(folder, facts, resume, decisive), "steps": training.steps}


class Course(Shared):
    """A training on its way."""

    training: Training

    def run(self) -> None:
        """All steps that are not done. Raises Interrupted where it was asked to stop."""
        with locked(self.folder) if self.first else nullcontext():
            facts = self.opened()
            self.ledger = Ledger(self.folder, facts, self.first)
            self.watch = Watch(self.training.alarms, **({"state": facts["watch"]} if facts else {}))
            if self.first:
                forget(self.folder, self.done - 1)
            self.record(self.done)
            if self.done < self.training.steps:
                self._learn(facts)
            self.opened()
            self.finish()

    def card(self, facts: Mapping[str, Any]) -> str:
        return card(facts)

    def told(self, step: int, line: dict[str, Any], logs: Mapping[str, Any]) -> None:
        """Keep the numbers of a step, and tell them."""
        self.tell(self.ledger.close(step, line, logs))

    def _learn(self, facts: Mapping[str, Any]) -> None:
        training = self.training
        args = arguments(training, self.checkpoints / DRAFT, int(os.environ.get("WORLD_SIZE", "1")))
        model = self.learner()
        freeze(model, training.model.frozen, adapters=training.model.train == "lora")
        trainer = trainer_class()(self, model=model, args=args, processing_class=self.processor)
        with ExitStack() as open_till_the_end:
            if self.first:
                self.rounds = self._rounds(model, facts, open_till_the_end)
            self.ledger.pause()
            trainer.train(resume_from_checkpoint=str(self.newest) if self.newest else None)

    def _rounds(self, model: Any, facts: Mapping[str, Any], stack: ExitStack) -> Rounds:
        training = self.training
        order, held = Order(training), originals(model)
        stack.enter_context(cluster(training.rollout, update_of(model, 0).nbytes))
        rollouts = stack.enter_context(Rollouts(training, held, order.question, self.say))
        features = feature_counter(self.chat, self.images)
        return Rounds(training, order, rollouts, self.chat, features, self.folder, self.say, facts.get("spare", 0))
