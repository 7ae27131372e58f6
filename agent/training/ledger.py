"""The counts of a training and its lines of metrics, and the time that was spent on it alone."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent.training.pages import METRICS, Pages, lines


class Ledger:
    """Keeps time and writes lines down; `facts` are those of the checkpoint that is gone on from.

    Every checkpoint says how long the files were, so that a training that goes on from it writes the same lines again.
    With several devices all count the same, and the first alone writes.
    """

    files: tuple[str, ...] = (METRICS,)

    def __init__(self, folder: Path, facts: Mapping[str, Any], writes: bool = True):
        self.folder = folder
        self.seconds: float = facts.get("seconds", 0.0)
        self.pages = Pages(folder, facts.get("sizes", dict.fromkeys(self.files, 0)), writes)
        self._clock = time.perf_counter()

    def facts(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"seconds": round(self.seconds, 3), "sizes": self.pages.sizes}

    def lap(self) -> None:
        """Count the time since the last lap as spent on training."""
        before = self._clock
        self.pause()
        self.seconds += self._clock - before

    def pause(self) -> None:
        """The time since the last lap was spent on something else."""
        self._clock = time.perf_counter()

    def write(self, line: Mapping[str, Any]) -> None:
        self.pages.add(METRICS, line)

    def validated(self) -> dict[int, dict[str, Any]]:
        """What each validation found, by its step."""
        return {line["step"]: line["validation"] for line in lines(self.folder / METRICS) if "validation" in line}
