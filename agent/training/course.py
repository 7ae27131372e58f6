"""A training on its way: where it begins or goes on, what is done between two of its steps, and how it ends."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from agent.chats import chat_for
from agent.session import Session
from agent.torch_setup import set_up_torch
from agent.trace import describe
from agent.training.begin import FINISHED, Interrupted
from agent.training.checkpoints import PROGRESS, drafted, read_progress, rotate, settle, whole
from agent.training.model import load, write
from agent.training.surroundings import surroundings
from agent.training.validation import forget, validate

Tell = Callable[[dict[str, Any]], None]


class Course:
    """What every training does, whatever it learns from; `ledger` keeps its counts, `card` says it in words.

    `training` is a whole config: of it, `model`, `lora`, `env`, `validation`, `own` and `steps` are used here.
    """

    ledger: Any
    say: Callable[[str], None] = staticmethod(lambda text: None)
    """Told of what goes wrong, and is put right."""

    def __init__(self, training: Any, folder: Path, about: Mapping[str, Any], stop: Callable[[], bool], tell: Tell):
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

    def opened(self) -> dict[str, Any]:
        """What the newest checkpoint says of its progress; what was played after it is taken back."""
        self.newest = next(reversed(whole(self.checkpoints)), None)
        if self.first:
            forget(self.folder, self.done if self.newest else -1)
        return read_progress(self.newest) if self.newest else {}

    @property
    def done(self) -> int:
        """Steps at the newest checkpoint."""
        return int(self.newest.name) if self.newest else 0

    def learner(self) -> Any:
        """The model as the newest checkpoint holds it."""
        return load(self.training.model, self.training.own.seed, self.training.lora, self.newest)

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

    def keep(self, draft: Path, step: int, facts: Mapping[str, Any]) -> None:
        """Make a draft the checkpoint of a step."""
        self.ledger.lap()
        (draft / PROGRESS).write_text(json.dumps({**facts, **self.ledger.facts()}), encoding="utf-8")
        settle(draft, self.checkpoints / str(step))
        rotate(self.checkpoints, self.training.own.keep)
        self.record(step)

    def record(self, steps: int, state: str = "not finished") -> None:
        """Write run.json and card.md anew."""
        if not self.first:
            return
        progress = {"steps": steps, **self.ledger.facts()}
        facts = {**self.about, "state": state, "progress": progress, **self.found()}
        facts["validations"] = {str(step): found for step, found in self.ledger.validated().items()}
        describe(self.folder, **facts)
        (self.folder / "card.md").write_text(self.card(facts), encoding="utf-8")

    def found(self) -> dict[str, Any]:
        """What run.json says beside that."""
        return {}

    def card(self, facts: Mapping[str, Any]) -> str:
        """The run in words, from what run.json says of it."""
        raise NotImplementedError

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

    def finish(self) -> None:
        """Validate once more, and write the model; one process alone can do that."""
        if not self.first:
            return
        import torch

        model = self.learner()
        self._validate(model.to("cuda" if torch.cuda.is_available() else "cpu"), self.training.steps, bool)
        if self.training.model.train == "lora":
            with drafted(self.folder / "adapter") as draft:
                model.save_pretrained(draft)
            model = model.merge_and_unload()
        with drafted(self.folder / "model") as draft:
            write(model, draft, self.training.model.path)
        self.record(self.training.steps, FINISHED)
