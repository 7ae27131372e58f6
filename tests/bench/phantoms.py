"""How many made-up studies are made in a second.  Run: OMP_NUM_THREADS=1 python tests/bench/phantoms.py

On one core, and with the pixels of the first views drawn or not. The three ways take turns: made, made and drawn, and
made once more as a control against the first, in turn before and after it. Where the control does not read 1, the
machine is too noisy and the figure is void. Every batch holds other phantoms, the same for all three ways.
"""

import itertools
import os
import statistics
import sys
from collections.abc import Iterator
from typing import NamedTuple

import cv2
from pairs import CONTROL, timed

from envs.tasks.phantoms import FAMILIES
from tools.lookup import find

MUST = 200
"""Phantoms a second, with their first views, that every family of single films must reach."""
STACKS = ("volume", "clip")
"""Families of many planes, which are told and not held to it."""
BATCH, TURNS, TRIES = 20, 15, 3


class Rate(NamedTuple):
    family: str
    made: float
    """Phantoms a second, the median over the turns."""
    drawn: float
    """The same, with the pixels of all first views."""
    control: float
    """The median of the same way against itself."""

    @property
    def verdict(self) -> str:
        if not CONTROL[0] <= self.control <= CONTROL[1]:
            return "void: machine too noisy"
        if self.family in STACKS:
            return "told"
        return "holds" if self.drawn >= MUST else "FAILS"


def rate(family: str, background: str) -> Rate:
    """A void rate is measured again, `TRIES` times in all."""
    for _ in range(TRIES):
        measured = _once(family, background)
        if not measured.verdict.startswith("void"):
            break
    return measured


def _once(family: str, background: str) -> Rate:
    make, starts = find("envs.tasks", family), itertools.count(0, BATCH)

    def batch(start: int, draw: bool) -> None:
        for question, _ in make(split="train", count=BATCH, start=start, background=background):
            if draw:
                for image in question.images:
                    image.pixels  # noqa: B018

    batch(10**6, True)  # pictures are read and tables made once
    made, drawn, again = [], [], []
    for turn in range(TURNS):
        start = next(starts)
        first, second = timed(lambda: batch(start, False)), timed(lambda: batch(start, False))  # noqa: B023
        made.append(second if turn % 2 else first)
        again.append(first if turn % 2 else second)
        drawn.append(timed(lambda: batch(start, True)))  # noqa: B023
    control = statistics.median(a / b for a, b in zip(again, made, strict=True))
    return Rate(family, BATCH / statistics.median(made + again), BATCH / statistics.median(drawn), control)


def report(rates: Iterator[tuple[str, Rate]]) -> int:
    """Print the table; 1 where a rate fails, else 0."""
    load, threads = os.getloadavg()[0], os.environ.get("OMP_NUM_THREADS")
    print(f"load average {load:.2f}, {os.cpu_count()} cores, OMP_NUM_THREADS={threads}")
    print(f"{'phantoms a second':17} {'background':>10} {'made':>7} {'and drawn':>10} {'must':>5} {'control':>8}")
    failed = False
    for background, found in rates:
        must = "-" if found.family in STACKS else MUST
        figures = f"{found.made:7.0f} {found.drawn:10.0f} {must:>5} {found.control:8.2f}"
        print(f"{found.family:17} {background:>10} {figures}  {found.verdict}", flush=True)
        failed |= found.verdict == "FAILS"
    return int(failed)


if __name__ == "__main__":
    cv2.setNumThreads(1)
    ways = itertools.product(FAMILIES, ("synthetic", "real"))
    sys.exit(report((background, rate(family, background)) for family, background in ways))
