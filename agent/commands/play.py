"""`overread play`: a person in the environment."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from agent.commands.ask import brought, read, sorted_out
from agent.commands.common import Output, Settings
from agent.commands.display import Display
from agent.config import ConfigError


def play(
    *files_and_question: str,
    role: Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative="", show_default=False)] = (),
    series: int | None = None,
    runs: Path = Path("runs"),
    settings: Settings = Settings(),
    output: Output = Output(),
) -> int:
    """Be the reader yourself: the tools, the rules and the record are the same.

    For example:

        overread play scan.dcm "How wide is the vessel?"

    Parameters
    ----------
    files_and_question
        One or more files, or a folder with one series; then the question.
    role
        Files by what they are, as in current=a.dcm prior=b.dcm.
    series
        Which series of a folder that holds several.
    runs
        Where the record goes.
    """
    if not sys.stdin.isatty():
        raise ConfigError("play asks what to do next, so it needs a terminal; use `ask` in a script")
    paths, text = sorted_out(files_and_question, role)
    display = Display(quiet=output.quiet, plain=output.plain)
    return read(lambda table, view_px: brought(paths, text, series, view_px), "person", runs, settings, output, display)
