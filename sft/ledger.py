"""What has been learned from so far: one line of metrics every few steps, and what was left out and why.

<run>/metrics.jsonl     one line each logging step, one each validation
<run>/left_out.jsonl    one line for each demonstration that was left out
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from agent.training.ledger import Ledger as Shared
from agent.training.pages import METRICS, lines
from sft.mixture import LeftOut

LEFT_OUT = "left_out.jsonl"


class Ledger(Shared):
    """Keeps count over all stages."""

    files = (METRICS, LEFT_OUT)

    def __init__(self, folder: Path, facts: Mapping[str, Any], writes: bool = True):
        super().__init__(folder, facts, writes)
        self.tally: list[list[float]] = facts.get("tally", [])
        """Sums since the last line, such as those of `sft.phases.tallied`."""
        self.samples: int = facts.get("samples", 0)
        self.read: int = facts.get("read", 0)
        self.learned: int = facts.get("learned", 0)
        self.sources: Counter[str] = Counter(facts.get("sources", {}))
        self._told = self.read, self.seconds
        self._left_out: set[LeftOut] = set()
        if writes:
            self._left_out = {LeftOut(**line) for line in lines(folder / LEFT_OUT)}

    def facts(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {
            "tally": self.tally,
            "samples": self.samples,
            "read": self.read,
            "learned": self.learned,
            "sources": dict(self.sources),
            **super().facts(),
        }

    def count(self, tally: Sequence[Sequence[float]], read: int, sources: Sequence[str]) -> None:
        """A batch: what was learned from it, how many tokens it has, and where each of its samples is from."""
        before = self.tally or [[0.0] * len(row) for row in tally]
        self.tally = [[a + b for a, b in zip(*rows, strict=True)] for rows in zip(before, tally, strict=True)]
        self.read += read
        self.samples += len(sources)
        self.sources.update(sources)

    def close(self, found: Mapping[str, Any], **also: Any) -> dict[str, Any]:
        """Write the line of the steps since the last one: what the sums tell, and `also`; returns it."""
        self.tally = []
        self.learned += found["learned"]
        self.lap()
        read, seconds = self.read - self._told[0], self.seconds - self._told[1]
        self._told = self.read, self.seconds
        line = {
            **also,
            **{name: value for name, value in found.items() if name != "learned"},
            "tokens": self.learned,
            "samples": self.samples,
            "seconds": round(self.seconds, 3),
            "tokens_per_s": round(read / seconds, 1),
        }
        self.write(line)
        return line

    def leave_out(self, found: Iterable[LeftOut]) -> None:
        """Write down what was left out, each demonstration once."""
        for one in found:
            if one not in self._left_out:
                self._left_out.add(one)
                self.pages.add(LEFT_OUT, one._asdict())

    def reasons(self) -> dict[str, dict[str, int]]:
        """How many demonstrations of each source were left out, by the reason."""
        counted: dict[str, Counter[str]] = {}
        for one in self._left_out:
            counted.setdefault(one.source, Counter())[one.reason] += 1
        return {source: dict(reasons.most_common()) for source, reasons in sorted(counted.items())}
