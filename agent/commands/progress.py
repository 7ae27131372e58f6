"""What is said while long work goes on."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from agent.commands.common import Output


class Told:
    """Words and bars on stderr."""

    def __init__(self, output: Output):
        self.quiet = output.quiet or output.json
        self.console = Console(file=sys.stderr, quiet=self.quiet, no_color=output.plain or None, highlight=False)
        self.live = self.console.is_terminal and not output.plain

    def say(self, text: str) -> None:
        self.console.print(text, style="dim", markup=False, soft_wrap=True)

    @contextmanager
    def bar(self, what: str, total: int | None) -> Iterator[Callable[[], None]]:
        """A bar on a terminal; elsewhere a line at every tenth."""
        if self.live:
            columns = (TextColumn(" {task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            with Progress(*columns, console=self.console, transient=True) as progress:
                task = progress.add_task(what, total=total)
                yield lambda: progress.advance(task)
            return
        done = 0

        def tick() -> None:
            nonlocal done
            done += 1
            if total and done * 10 // total > (done - 1) * 10 // total:
                self.say(f" {what}: {done} of {total}")

        yield tick
