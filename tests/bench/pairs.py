"""Compare two ways of doing one thing, side by side in one run.

A and B take turns, so that whatever else the machine does falls on both. Two figures must both hold: the median of the
pairwise ratios, and the ratio of the fastest runs. A control pairs A with itself: where it does not read 1, the machine
is too noisy and the comparison is void. Speed never counts without an equality check in the same run.
"""

import os
import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

CONTROL = (0.93, 1.07)
"""What the control may read."""
BYTES_PER_SECOND = 20e9
"""Memory bandwidth that floors are stated in: one core of the machines this was written on copies about that much."""

Way = Callable[[], object]


class Bar(NamedTuple):
    """One line of the table."""

    name: str
    median: float
    """Median of slow time / fast time over the pairs."""
    fastest: float
    """Fastest slow run / fastest fast run."""
    control: float
    """The same median for the fast way against itself."""
    seconds: float
    """The fast way's best run, s."""
    floor_s: float
    """What the bytes moved would take at memory speed, s; 0: no such floor."""
    must: float
    """The ratio that has to be reached."""

    @property
    def verdict(self) -> str:
        if not CONTROL[0] <= self.control <= CONTROL[1]:
            return "void: machine too noisy"
        return "holds" if min(self.median, self.fastest) >= self.must else "FAILS"


def compare(
    name: str, slow: Way, fast: Way, must: float, *, floor_bytes: float = 0, pairs: int = 15, tries: int = 3
) -> Bar:
    """Time `slow` against `fast`; a void comparison is tried again, `tries` times in all."""
    for _ in range(tries):
        bar = _once(name, slow, fast, must, floor_bytes, pairs)
        if not bar.verdict.startswith("void"):
            break
    return bar


def _once(name: str, slow: Way, fast: Way, must: float, floor_bytes: float, pairs: int) -> Bar:
    outer, inner = _repeats(slow), _repeats(fast)
    slows, fasts, again = [], [], []
    for turn in range(pairs):
        slows.append(_warm(slow, outer))
        first, second = _warm(fast, inner), _warm(fast, inner)
        fasts.append(second if turn % 2 else first)  # neither comes right after the slow way more often
        again.append(first if turn % 2 else second)
    median = statistics.median(s / f for s, f in zip(slows, fasts, strict=True))
    control = statistics.median(a / f for a, f in zip(again, fasts, strict=True))
    best = min(fasts + again)
    return Bar(name, median, min(slows) / best, control, best, floor_bytes / BYTES_PER_SECOND, must)


def timed(way: Way, repeats: int = 1) -> float:
    """Seconds a call takes, the mean over `repeats`."""
    began = time.perf_counter()
    for _ in range(repeats):
        way()
    return (time.perf_counter() - began) / repeats


def _warm(way: Way, repeats: int) -> float:
    """The same, after a call that is not counted: what ran before must not have left the caches to itself."""
    if repeats > 1:
        way()
    return timed(way, repeats)


def _repeats(way: Way) -> int:
    """Calls that together take about 5 ms, so that the clock's grain and a stray interrupt count little."""
    way()
    return max(1, round(0.005 / max(timed(way), 1e-7)))


def report(bars: list[Bar]) -> int:
    """Print the table; 1 where a bar fails, else 0."""
    print(
        f"load average {os.getloadavg()[0]:.2f}, {os.cpu_count()} cores, "
        f"OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS')}"
    )
    print(f"{'':34} {'median':>9} {'fastest':>9} {'must':>7} {'control':>8} {'ours':>10} {'x floor':>8}")
    for bar in bars:
        floor = f"{bar.seconds / bar.floor_s:8.1f}" if bar.floor_s else f"{'-':>8}"
        ratios = f"{bar.median:9.1f} {bar.fastest:9.1f} {bar.must:7.1f} {bar.control:8.2f}"
        print(f"{bar.name:34} {ratios} {bar.seconds * 1e3:8.3f}ms {floor}  {bar.verdict}")
    return int(any(bar.verdict == "FAILS" for bar in bars))
