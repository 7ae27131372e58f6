"""What has been played and learned so far: one line of metrics a step.

Every checkpoint says how long the file was, so that a training that goes on from it writes the same lines again.
"""

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent.training.pages import METRICS, Pages, lines

OF_TRL = {
    "loss": "loss",
    "grad_norm": "grad_norm",
    "learning_rate": "learning_rate",
    "entropy": "entropy",
    "kl": "kl",
    "clip_ratio/region_mean": "clip_share",
    "frac_reward_zero_std": "zero_variance_share",
    "sampling/importance_sampling_ratio/mean": "importance_ratio",
    "sampling/importance_sampling_ratio/min": "importance_ratio_min",
    "sampling/importance_sampling_ratio/max": "importance_ratio_max",
}
"""TRL's numbers, and what they are called here."""


class Ledger:
    """Keeps count, and writes it down; `facts` are those of the checkpoint that is gone on from."""

    def __init__(self, folder: Path, facts: Mapping[str, Any], writes: bool = True):
        self.folder = folder
        self.seconds: float = facts.get("seconds", 0.0)
        self.played: int = facts.get("played", 0)
        """Episodes."""
        self.tokens: int = facts.get("tokens", 0)
        """Tokens that the policy wrote in them."""
        self.pages = Pages(folder, facts.get("sizes", {METRICS: 0}), writes)
        self._clock = time.perf_counter()

    def facts(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {
            "seconds": round(self.seconds, 3),
            "played": self.played,
            "tokens": self.tokens,
            "sizes": self.pages.sizes,
        }

    def close(self, step: int, line: Mapping[str, Any], logs: Mapping[str, Any]) -> dict[str, Any]:
        """Write the line of a step: its round's numbers, and those of TRL; returns it."""
        self.lap()
        self.played += line["episodes"]
        self.tokens += line["written"]
        told = {name: logs[key] for key, name in OF_TRL.items() if _is_number(logs.get(key))}
        whole = {"step": step, **told, **line, "played": self.played, "at": round(self.seconds, 3)}
        self.write(whole)
        return whole

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


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
