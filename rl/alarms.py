"""When a training goes wrong in a way that shows in its numbers, before it shows in its answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from rl.settings import Alarms

FIRST = 5
"""Steps that later ones are compared with."""
AT_ONCE = ("logp_gap", "fault_share")
"""What is no matter of patience."""


@dataclass
class Watch:
    """Reads the numbers of each step, and says what is wrong; `state` is what a checkpoint keeps of it."""

    limits: Alarms
    state: dict[str, Any] = field(default_factory=lambda: {"calls": [], "tokens": [], "rows": {}})

    def read(self, line: Mapping[str, Any]) -> list[str]:
        """The alarms that ring at this step, each in a sentence."""
        limits, found = self.limits, {}
        calls, tokens = _mean(line, "tool_calls"), _mean(line, "tokens")
        gap, faults, malformed = line.get("logp_gap"), line.get("faults"), line.get("malformed")
        if limits.logp_gap and gap is not None and gap > limits.logp_gap:
            found["logp_gap"] = (
                f"the engine's log-probabilities are {gap:.3g} from the trainer's on average, over "
                f"alarms.logp_gap {limits.logp_gap}: it plays by other weights, or sees other pixels"
            )
        if limits.fault_share and faults is not None and faults > limits.fault_share:
            found["fault_share"] = (
                f"{faults:.0%} of the episodes ended by a fault, over alarms.fault_share {limits.fault_share}"
            )
        if limits.malformed_share and malformed is not None and malformed > limits.malformed_share:
            found["malformed_share"] = f"{malformed:.0%} of the turns could not be read as they are to be written"
        usual = self._usual("calls", calls)
        if limits.tool_collapse and usual and calls is not None and calls < limits.tool_collapse * usual:
            found["tool_collapse"] = f"{calls:.2f} tool calls an episode, of {usual:.2f} in the first steps"
        usual = self._usual("tokens", tokens)
        if limits.answer_growth and usual and tokens is not None and tokens > limits.answer_growth * usual:
            found["answer_growth"] = f"{tokens:.0f} tokens an episode, of {usual:.0f} in the first steps"
        return self._ringing(found)

    def _ringing(self, found: Mapping[str, str]) -> list[str]:
        """Those that ring at once, and those that have gone on for long enough."""
        rows = {name: self.state["rows"].get(name, 0) + 1 for name in found}
        self.state["rows"] = rows
        at_once = ("logp_gap", "fault_share")
        return [
            f"{name}: {says}" for name, says in found.items() if name in at_once or rows[name] >= self.limits.patience
        ]

    def _usual(self, what: str, now: float | None) -> float | None:
        """The mean of the first steps; None until there are enough of them."""
        first: list[float] = self.state[what]
        if len(first) < FIRST:
            first += [now] if now is not None else []
            return None
        return fmean(first)


def _mean(line: Mapping[str, Any], name: str) -> float | None:
    found = line.get(name)
    return None if found is None else float(found["mean"])
