"""A person at the terminal: reads what the display shows, types what to do next."""

import asyncio
import json
import shlex
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from threading import Thread

from PIL import Image as PILImage
from pydantic import ValidationError

from agent.loop import Policy, PolicyError
from envs.episode import Answer, Episode, Reply, ToolCall
from tools.lookup import find

HELP = """\
  zoom img0 box=[10,20,60,80] factor=3     a tool, the image, its arguments (JSON; `overread tools ls` lists them)
  think It has a sharp edge.               what you think, kept with the next step
  answer 3.3 cm                            the end
  views                                    where the pictures lie, to open them in a viewer of your own"""


def typed(prompt: str) -> str:
    """A line from the terminal. Raises EOFError where it is closed.

    Unlike `input`, it holds no lock of stdin while it waits, so the process can end meanwhile, and the prompt is
    no part of stdout, where the answer goes.
    """
    print(prompt, end="", file=sys.stderr, flush=True)
    with open(0, "rb", buffering=0, closefd=False) as terminal:
        if not (line := terminal.readline()):
            raise EOFError
    return line.decode(errors="replace")


def person(ask: Callable[[str], str] = typed, views: Path = Path("views"), dialect: str = "tags") -> Policy:
    """A policy that asks, on the terminal, what to do next. `views` prints the folder where the pictures are put.

    Raises PolicyError where the terminal is closed.
    """
    write = find("envs.dialects", dialect)().write

    async def policy(episode: Episode) -> Reply:
        if not episode.turns:
            print(HELP, file=sys.stderr)
        thought = ""
        while True:
            verb, _, rest = (await _line(ask)).strip().partition(" ")
            try:
                if verb == "think":
                    thought = rest
                elif verb == "answer" and rest:
                    return Reply(text=write(thought, (Answer(text=rest),)))
                elif verb == "views":
                    print(f"  {_saved(episode, views)}", file=sys.stderr)
                elif verb in episode.tools:
                    return Reply(text=write(thought, (typed_call(verb, shlex.split(rest, posix=False)),)))
                else:
                    print(
                        f"  no {verb!r}; there are: think, answer, views, {', '.join(episode.tools)}", file=sys.stderr
                    )
            except ValueError as error:  # what was typed cannot be written down
                print(f"  {_why(error)}; type it again", file=sys.stderr)

    return policy


async def _line(ask: Callable[[str], str]) -> str:
    """What is typed next. Read in a thread that nobody waits for, so that Ctrl-C ends the process at once."""
    line: Future[str] = Future()
    line.set_running_or_notify_cancel()  # so that a line that comes too late still finds its place

    def read() -> None:
        try:
            line.set_result(ask("what next? "))
        except Exception as error:  # raised where the line is awaited
            line.set_exception(error)

    Thread(target=read, daemon=True).start()
    try:
        return await asyncio.wrap_future(line)
    except (EOFError, OSError):  # a terminal that has gone says EIO
        raise PolicyError("the terminal was closed before an answer was given") from None


def _why(error: ValueError) -> str:
    """What is wrong, in words."""
    says = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
    return says.removeprefix("Value error, ")


def typed_call(tool: str, words: Sequence[str]) -> ToolCall:
    """A call as a person types it: `img0 box=[1,2,3,4] factor=3`. A value that is not JSON is a word."""
    arguments = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            name, value = "image", word
        try:
            arguments[name] = json.loads(value)
        except (ValueError, RecursionError):
            arguments[name] = value
    return ToolCall(name=tool, arguments=arguments)


def _saved(episode: Episode, folder: Path) -> str:
    """Write every view as a PNG; returns where."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, image in episode.images.items():
        PILImage.fromarray(image.pixels).save(folder / f"{name}.png")
    return f"{folder}/ ({', '.join(f'{name}.png' for name in episode.images)})"
