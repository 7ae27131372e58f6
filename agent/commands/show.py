"""`overread show`: a stored episode in the terminal."""

import sys
from pathlib import Path

from agent.commands.common import Output
from agent.commands.display import Display
from agent.runs import find_run
from agent.trace import read
from envs.episode import Episode
from tools.files import FileError


def show(
    run: str,
    *,
    runs: Path = Path("runs"),
    save: Path | None = None,
    output: Output = Output(),
) -> int:
    """Show a stored episode in the terminal.

    For example:

        overread show 7f3a
        overread show runs/ask/20261124-091500-7f3a --save reading.png

    JSON output: the episode as it is stored.

    Parameters
    ----------
    run
        The folder of a run, its name, or the end of its name.
    runs
        Where to look for names.
    save
        Also write the episode as one picture (PNG).
    """
    broken: list[str] = []
    episodes = list(read(find_run(run, runs), broken))
    for line in broken:
        print(f"skipped: {line}", file=sys.stderr)
    if not episodes:
        raise FileError(f"{run} holds no whole episode")
    for episode in episodes:
        _print(episode, output)
    if save is not None:
        from envs.picture import picture

        picture(episodes[-1]).save(save, "PNG")
    return 0


def _print(episode: Episode, output: Output) -> None:
    if output.json:
        print(episode.model_dump_json())
        return
    display = Display(quiet=output.quiet, plain=output.plain, file=sys.stdout)
    display.question(episode)
    display.watch(episode)
    display.closing(episode, sum(turn.seconds for turn in episode.turns), "")
