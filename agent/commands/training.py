"""What the commands that train have in common: how they are asked to end, and what they say meanwhile."""

import os
import shlex
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column

from agent.cli import INTERRUPTED, STOPPED, Stopped
from agent.commands.progress import Told

Words = Callable[[Mapping[str, Any]], str]


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


def again(arguments: Sequence[str]) -> str:
    """The command that goes on."""
    begun = "accelerate launch -m agent.cli" if "RANK" in os.environ else "overread"
    said = [argument for argument in arguments[1:] if argument != "--resume"]
    return f"{begun} {shlex.join([*said, '--resume'])}"


def ended(signals: Sequence[int]) -> int:
    """The exit code of a training that was asked to end."""
    return INTERRUPTED if signals[0] == signal.SIGINT else STOPPED
