"""`overread lint`: what a reward would pay to those who cheat."""

import json
import sys
from collections.abc import Sequence

from agent.cli import DONE, GATE
from agent.commands.common import Output
from agent.commands.tables import print_tables
from agent.config import ConfigError
from agent.report import Table
from envs.env import REWARDS
from envs.score import PRESETS, weights_of
from rl.lint import Finding, games
from rl.lint import lint as judged

HEADER = ("reader", "answer", "earns", "honest", "question", "verdict")


def lint(*rewards: str, seed: int = 0, output: Output = Output()) -> int:
    """Say what a reward would pay to those who cheat.

    For example:

        overread lint
        overread lint vitar
        overread lint my_lab.rewards.bonus correct

    An honest reader and those who cheat read the same made-up studies. A reward is
    flagged where it pays without a right answer more than a fifth of what the
    honest reader earns, where it pays a right answer more for having been cheated
    with, where it pays a wrong answer as much as a right one, and where it leaves
    [0, 1], raises, or pays another amount when the same record is judged again.

    Exit code 5 where anything is flagged.
    JSON output: {"rewards", "flagged", "findings": [{"cheat", "kind", "right",
    "earns", "honest", "why"}]}: `why` is empty where nothing is wrong.

    Parameters
    ----------
    rewards
        A preset (hardened, vitar), or the names of reward functions, which then weigh 1 each; a dotted name is one of
        your own.
    seed
        Of the made-up studies.
    """
    weights = _weights(rewards)
    findings = judged(weights, games(seed))
    flagged = sum(bool(finding.why) for finding in findings)
    if output.json:
        told = {"rewards": weights, "flagged": flagged, "findings": [finding._asdict() for finding in findings]}
        print(json.dumps(told, ensure_ascii=False))
    else:
        name = " + ".join(rewards) or REWARDS
        print_tables([_table(name, findings)], sys.stdout, output.plain)
        print(f"{name}: {flagged} of {len(findings)} readings flagged")
    return GATE if flagged else DONE


def _weights(rewards: tuple[str, ...]) -> dict[str, float]:
    """The weights of a preset, or 1 for each reward function."""
    if not rewards:
        return weights_of(REWARDS)
    try:
        return weights_of(rewards[0] if rewards[0] in PRESETS and len(rewards) == 1 else dict.fromkeys(rewards, 1.0))
    except LookupError as error:
        raise ConfigError(f"{error}; or give one preset: {', '.join(PRESETS)}") from None


def _table(name: str, findings: Sequence[Finding]) -> Table:
    """A row for each reader, right or wrong: at the question where it comes off best."""
    readers: dict[tuple[str, bool], list[Finding]] = {}
    for finding in findings:
        readers.setdefault((finding.cheat, finding.right), []).append(finding)
    best = [max(met, key=lambda f: (bool(f.why), f.earns / (f.honest or 1.0))) for met in readers.values()]
    return Table(f"What {name} pays", HEADER, tuple(map(_row, best)))


def _row(best: Finding) -> tuple[str, ...]:
    answer, verdict = "right" if best.right else "wrong", f"FLAGGED: {best.why}" if best.why else "ok"
    return best.cheat, answer, f"{best.earns:.3f}", f"{best.honest:.3f}", best.kind, verdict
