"""The made-up families cannot be answered from their first views, and can be answered by looking.

One reader (tests/readers.py) reads every family twice: with the real tools in the real environment, and from the first
views alone. With tools at least 95 of 100 must be right. Without, no more than chance lets be right in all but one of
10 000 runs of this test: the bound is that quantile of the binomial distribution with the mean of the chances (hits of
unequal chances spread less than that: Hoeffding 1956). Chances are those of the best blind answer, at difficulty 0.5.
"""

from collections import Counter
from math import ceil, log

import pytest
from scipy.stats import binom

from envs.env import ReadingEnv
from envs.episode import Episode, Question
from envs.grading import grade
from envs.tasks.phantoms import FAMILIES
from tests.readers import READERS, Eyes
from tools.lookup import find

CEILING = 0.95
RARE = 1e-4
ALIKE, SLICES, FRAMES = 6, 28, 26
"""Nodules, slices and frames at difficulty 0.5."""
WITHIN_TENTH = log(1.1 / 0.9) / log(1.0 / 0.1)
"""A length whose scale is drawn from 0.1 to 1 mm, every order as likely, is guessed to within a tenth this often."""
REACHES = {3: 1 / 6, 4: 1 / 3, 5: 1 / 3, 6: 1 / 6}
"""How often the middle slice of a ball keeps this far from both ends: the reach, 2.5 to 5.5 slices, rounded up."""

CHANCE = {
    "shape": 1 / 4,
    "locate one": 1 / ALIKE,
    "locate all": 1 / 3 / ALIKE,  # one of the type is as likely as two or three, and the easiest to guess
    "count": 1 / (ALIKE + 1),
    "measure axis": WITHIN_TENTH,
    "measure area": WITHIN_TENTH / 2,  # its scale goes with the square
    "measure angle": 13 / 121,  # whole degrees from 30 to 150, within 6
    "window quadrant": 1 / 4,
    "window type": 1 / 4,
    "window value lung": 40 / (705 - 320),  # HU from -705 to -320, within 20
    "window value bone": 40 / (1500 - 765),
    "volume slice": sum(3 * share / (SLICES - 2 * off) for off, share in REACHES.items()),  # within 1
    "volume diameter": WITHIN_TENTH,
    "clip": 1 / (FRAMES - 1),
    "change type": 1 / ALIKE,
    "change growth": WITHIN_TENTH,
    "side": 1 / 2,
    "hierarchy": 1 / 2,  # yes or no; for the child "there is none", which is as often true
}


def chance(question: Question) -> float:
    """How often the best answer that is given without looking is right."""
    tags = question.tags
    words = [tags["family"], tags.get("asked"), tags.get("what")]
    if tags.get("what") == "value":
        words.append(tags["field"])
    return CHANCE[" ".join(filter(None, words))]


def read(env: ReadingEnv, question: Question, tools: bool) -> Episode:
    eyes = Eyes(env, question, tools)
    return eyes.answer(READERS[question.tags["family"]](eyes))


def table(count: int, split: str) -> list[tuple[str, float, float, float, int]]:
    """For each family: chance, the share right from first views, the share right with tools, and how many were read."""
    rows = []
    for family in FAMILIES:
        tasks = list(find("envs.tasks", family)(split, count))
        env = ReadingEnv(tasks, rewards={})
        hits = Counter[bool]()
        for tools in (False, True):
            hits[tools] = sum(grade(read(env, q, tools), t).right for q, t in tasks)
        blind = sum(chance(question) for question, _ in tasks) / count
        rows.append((family, blind, hits[False] / count, hits[True] / count, count))
    return rows


def check(rows: list[tuple[str, float, float, float, int]]) -> None:
    print(f"\n{'family':12} {'chance':>7} {'at most':>8} {'first view':>11} {'with tools':>11} {'n':>5}")
    for family, blind, first, looked, n in rows:
        most = binom.ppf(1 - RARE, n, blind) / n
        print(f"{family:12} {blind:7.3f} {most:8.3f} {first:11.3f} {looked:11.3f} {n:5}")
        assert first <= most, f"{family}: {first:.2f} of {n} are read from the first view, by chance {blind:.2f}"
        assert looked >= CEILING, f"{family}: with tools only {looked:.2f} of {n} are read"


def test_every_family_needs_looking_and_yields_to_it():
    check(table(24, "validation"))


@pytest.mark.slow
@pytest.mark.parametrize("split", ["train", "test"])
def test_every_family_needs_looking_and_yields_to_it_over_many(split):
    check(table(300, split))


def test_the_chances_are_those_of_the_settings():
    from envs.phantoms.ground import Hardness
    from envs.phantoms.series import checked
    from envs.tasks import clip, volume

    middle = checked("shape", "train", 0.5, "synthetic", 128)
    assert Hardness.of(middle).alike == ALIKE
    assert (round(middle.between(*volume.SLICES)), round(middle.between(*clip.FRAMES))) == (SLICES, FRAMES)
    assert sum(REACHES.values()) == pytest.approx(1)
    assert {ceil(reach) for reach in (2.5, 3.1, 4.1, 5.5)} == set(REACHES)
