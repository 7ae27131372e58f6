"""`overread grpo`: teach a model to read by its own attempts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from agent.commands.common import Output, Settings
from agent.commands.training import trained
from rl.settings import LISTS, TABLES, training

SPREADS = (("reward", "reward", 3), ("calls", "tool_calls", 1), ("turns", "turns", 1), ("tokens", "tokens", 0))
SINGLE = (
    ("right", "right", ".2f"), ("flat", "flat_groups", ".2f"), ("refused", "refused", ".2f"),
    ("gap", "logp_gap", ".1e"), ("entropy", "entropy", ".2f"), ("lr", "learning_rate", ".1e"),
)  # fmt: skip
TIMES = ("rollout", "training", "sync")


def grpo(
    config: Path,
    resume: Annotated[bool, Parameter(negative="")] = False,
    out: Path | None = None,
    runs: Path = Path("runs"),
    settings: Settings = Settings(),
    output: Output = Output(),
) -> int:
    """Teach a model to read by its own attempts: GRPO.

    For example:

        overread grpo configs/tiny/grpo.toml
        overread grpo configs/tiny/grpo.toml --set rollout.engine=transformers
        overread grpo configs/tiny/grpo.toml --resume

    Episodes are played by engines in processes of their own, which Ray starts here or on
    the machines of a cluster. What is played and learned by and by goes to stderr, how
    often it was right before and after to stdout. The run folder holds config, metrics,
    every episode, checkpoints, the run card, and at the end the model: a whole folder.

    Ctrl-C and SIGTERM end a training at its next step, which is kept.
    JSON output: {"run", "model", "before", "after"}; the last two are {"right", "low",
    "high", "played"}, null where there is no [validation].

    Parameters
    ----------
    config
        A TOML file with [model], [lora], [env], [[data]], [rollout], [trainer], [validation], [alarms] and [grpo].
    resume
        Go on from the last checkpoint of the run folder.
    out
        The run folder, new or empty; RUNS/grpo/<name of the config> where it is not given.
    runs
        Where runs are kept.
    """
    planned = training(settings.load(TABLES, [config], LISTS))
    folder = out or runs / "grpo" / config.stem
    return trained("rl", planned, config, folder, resume, output, _words, ("before", "after"))


def _words(line: Mapping[str, Any]) -> str:
    from agent.training.validation import share

    if "validation" in line:
        return f"right {share(line['validation'])}"
    numbers = [f"{name} {line[key]['mean']:.{digits}f}" for name, key, digits in SPREADS if line.get(key)]
    numbers += [f"{name} {line[key]:{form}}" for name, key, form in SINGLE if line.get(key) is not None]
    spent = " ".join(f"{name} {line['seconds'][name]:.0f}" for name in TIMES if name in line["seconds"])
    return f"{'  '.join(numbers)}  s: {spent}"
