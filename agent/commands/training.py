"""What the commands that train have in common: how they run, are asked to end, and what they say."""

import json
import os
import shlex
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column

from agent.cli import DONE, INTERRUPTED, STOPPED, Stopped
from agent.commands.common import Output
from agent.commands.progress import Told

Words = Callable[[Mapping[str, Any]], str]
"""A line of metrics, as it is said."""
Names = tuple[str, str]


@contextmanager
def asked() -> Iterator[list[int]]:
    """The signals that asked the training to end; a second one ends it at once."""
    asked: list[int] = []

    def note(number: int, frame: Any) -> None:
        if asked:
            raise KeyboardInterrupt if number == signal.SIGINT else Stopped
        asked.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def spoken(told: Told, steps: int, words: Words) -> Iterator[Any]:
    """What each line of metrics is told to: one live line on a terminal, a line each elsewhere."""
    if not told.live:
        yield lambda line: told.say(f" step {line['step']}/{steps}  {words(line)}")
        return
    rest = Column(ratio=1, no_wrap=True, overflow="ellipsis")  # the words give way, not the bar
    said = TextColumn("{task.fields[words]}", table_column=rest)
    columns = (BarColumn(12), MofNCompleteColumn(), TimeRemainingColumn(), said)
    with Progress(*columns, console=told.console, transient=True, expand=True) as progress:
        task = progress.add_task("", total=steps, words="loading")

        def tell(line: dict[str, Any]) -> None:
            if "validation" in line:
                told.say(f" step {line['step']}/{steps}  {words(line)}")
            progress.update(task, completed=line["step"], words=words(line))

        yield tell


def trained(
    kind: str, planned: Any, config: Path, folder: Path, resume: bool, output: Output, words: Words, names: Names
) -> int:
    """Run a training of this kind, sft or rl, to its end or until it is asked to stop; returns the exit code.

    What it was right in before and after is called by `names`.
    """
    told = Told(output)
    first = os.environ.get("RANK", "0") == "0"  # of those that accelerate starts, one speaks and writes
    with asked() as signals:
        from agent.training.begin import Interrupted

        train = import_module(f"{kind}.train")
        about = train.begin(planned, folder, resume) if first else {}
        if first:
            shutil.copyfile(config, folder / "config.toml")
        else:
            told = Told(Output(quiet=True))
        with spoken(told, planned.steps, words) as tell:
            try:
                course = train.Course(planned, folder, about, lambda: bool(signals), tell)
                course.say = lambda text: told.say(f" {text}")
                course.run()
            except Interrupted:
                told.say(f" stopped; go on with: {_again(sys.argv)}")
                return INTERRUPTED if signals[0] == signal.SIGINT else STOPPED
    if first:
        _say(folder, course.ledger.validated(), planned.steps, output, names)
    return DONE


def _again(arguments: Sequence[str]) -> str:
    """The command that goes on."""
    begun = "accelerate launch -m agent.cli" if "RANK" in os.environ else "overread"
    said = [argument for argument in arguments[1:] if argument != "--resume"]
    return f"{begun} {shlex.join([*said, '--resume'])}"


def _say(folder: Path, found: Mapping[int, Mapping[str, Any]], steps: int, output: Output, names: Names) -> None:
    """How often it was right before and after."""
    from agent.training.validation import share

    before, after = found.get(0), found.get(steps)
    if output.json:
        told = {"run": str(folder), "model": str(folder / "model"), names[0]: before, names[1]: after}
        print(json.dumps(told, ensure_ascii=False))
        return
    if before and after:
        print(f"right, of {after['played']} questions: {names[0]} {share(before)}, {names[1]} {share(after)}")
    print(f"model {folder / 'model'} · card {folder / 'card.md'}")
