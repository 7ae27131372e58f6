"""What has been played and learned so far: one line of metrics a step."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent.training.ledger import Ledger as Shared

OF_TRL = {
    "loss": "loss",
    "grad_norm": "grad_norm",
    "learning_rate": "learning_rate",
    "entropy": "entropy",
    "kl": "kl",
    "clip_ratio/region_mean": "clip_share",
    "sampling/importance_sampling_ratio/mean": "importance_ratio",
    "sampling/importance_sampling_ratio/min": "importance_ratio_min",
    "sampling/importance_sampling_ratio/max": "importance_ratio_max",
}
"""TRL's numbers, and what they are called here."""


class Ledger(Shared):
    """Keeps count of episodes and tokens."""

    def __init__(self, folder: Path, facts: Mapping[str, Any], writes: bool = True):
        super().__init__(folder, facts, writes)
        self.played: int = facts.get("played", 0)
        """Episodes."""
        self.tokens: int = facts.get("tokens", 0)
        """Tokens that the policy wrote in them."""

    def facts(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"played": self.played, "tokens": self.tokens, **super().facts()}

    def close(self, step: int, line: Mapping[str, Any], logs: Mapping[str, Any]) -> dict[str, Any]:
        """Write the line of a step: its round's numbers, and those of TRL; returns it."""
        self.lap()
        self.played += line["episodes"]
        self.tokens += line["written"]
        told = {name: logs[key] for key, name in OF_TRL.items() if _is_number(logs.get(key))}
        whole = {"step": step, **told, **line, "played": self.played, "at": round(self.seconds, 3)}
        self.write(whole)
        return whole


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
