"""A person at the terminal: reads what the display shows, types what to do next."""

import asyncio
import json
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image as PILImage

from agent.loop import Policy
from envs.episode import Answer, Episode, Reply, ToolCall
from tools.lookup import find

HELP = """\
  zoom img0 box=[10,20,60,80] factor=3     a tool, the image, its arguments (JSON; `overread tools ls` lists them)
  think It has a sharp edge.               what you think, kept with the next step
  answer 3.3 cm                            the end
  views                                    where the pictures lie, to open them in a viewer of your own"""


def person(ask: Callable[[str], str] = input, views: Path = Path("views"), dialect: str = "tags") -> Policy:
    """A policy that asks, on the terminal, what to do next. `views` prints the folder where the pictures are put."""
    write = find("envs.dialects", dialect)().write

    async def policy(episode: Episode) -> Reply:
        return await asyncio.to_thread(_next, episode)

    def _next(episode: Episode) -> Reply:
        if not episode.turns:
            print(HELP, file=sys.stderr)
        thought = ""
        while True:
            verb, _, rest = ask("what next? ").strip().partition(" ")
            if verb == "think":
                thought = rest
            elif verb == "answer" and rest:
                return Reply(text=write(thought, (Answer(text=rest),)))
            elif verb == "views":
                print(f"  {_saved(episode, views)}", file=sys.stderr)
            elif verb in episode.tools:
                return Reply(text=write(thought, (typed_call(verb, shlex.split(rest, posix=False)),)))
            else:
                print(f"  no {verb!r}; there are: think, answer, views, {', '.join(episode.tools)}", file=sys.stderr)

    return policy


def typed_call(tool: str, words: Sequence[str]) -> ToolCall:
    """A call as a person types it: `img0 box=[1,2,3,4] factor=3`. A value that is not JSON is a word."""
    arguments = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            name, value = "image", word
        try:
            arguments[name] = json.loads(value)
        except ValueError:
            arguments[name] = value
    return ToolCall(name=tool, arguments=arguments)


def _saved(episode: Episode, folder: Path) -> str:
    """Write every view as a PNG; returns where."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, image in episode.images.items():
        PILImage.fromarray(image.pixels).save(folder / f"{name}.png")
    return f"{folder}/ ({', '.join(f'{name}.png' for name in episode.images)})"
