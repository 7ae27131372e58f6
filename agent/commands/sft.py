"""`overread sft`: teach a model to read, by demonstrations."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from agent.cli import DONE, GATE
from agent.commands.common import Output, Settings
from agent.commands.training import trained
from sft.settings import TABLES, training

LISTS = ("stage",)


def sft(
    config: Path,
    resume: Annotated[bool, Parameter(negative="")] = False,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    out: Path | None = None,
    runs: Path = Path("runs"),
    settings: Settings = Settings(),
    output: Output = Output(),
) -> int:
    """Teach a model to read, by demonstrations.

    For example:

        overread sft configs/sft-qwen2_5-vl-7b.toml --dry-run
        overread sft configs/sft-qwen2_5-vl-7b.toml --set stage.0.steps=200
        overread sft configs/sft-qwen2_5-vl-7b.toml --resume
        accelerate launch -m agent.cli sft configs/sft-qwen2_5-vl-7b.toml

    What is learned by and by goes to stderr, how often it was right before and after
    to stdout. The run folder holds config, metrics, checkpoints, what was played to
    validate, the run card, and at the end the model: a whole folder.

    Ctrl-C and SIGTERM end a training at its next step, which is kept.
    JSON output: {"run", "model", "untrained", "trained"}; the last two are {"right",
    "low", "high", "played"}, null where there is no [validation].

    Parameters
    ----------
    config
        A TOML file with [model], [lora], [env], [[stage]], [trainer], [validation] and [sft].
    resume
        Go on from the last checkpoint of the run folder.
    dry_run
        Say what the training would need, and whether it can work; nothing is trained.
    out
        The run folder, new or empty; RUNS/sft/<name of the config> where it is not given.
    runs
        Where runs are kept.
    """
    chosen = settings.load(TABLES, [config], LISTS)
    if dry_run:
        return _dry(chosen)
    planned = training(chosen)
    folder = out or runs / "sft" / config.stem
    return trained("sft", planned, config, folder, resume, output, _words, ("untrained", "trained"))


def _dry(chosen: dict[str, Any]) -> int:
    from sft.estimate import estimate

    found = estimate(chosen)
    print(*found.lines(), sep="\n")
    return GATE if found.problems else DONE


def _words(line: Mapping[str, Any]) -> str:
    from agent.training.validation import share

    if "validation" in line:
        return f"right {share(line['validation'])}"
    if "places" in line:
        told = " ".join(f"{name} {value:.3g}" for name, value in line["places"].items())
    else:
        told = " ".join(f"{name} {one['accuracy']:.2f}" for name, one in line["phases"].items())
    return (
        f"{line['stage']}  loss {line['loss']:.3f}  {told}  lr {line['learning_rate']:.1e}  "
        f"{line['tokens_per_s']:.0f} tokens/s"
    )
