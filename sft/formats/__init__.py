"""Demonstrations of others, in and out: one file for each layout, found by name.

    layout = find("sft.formats", "sharegpt")()
    for script in layout.read(Path("traces.json"), None, refuse): ...     # to be played: the views are our tools'
    layout.write(episodes, Path("out/traces.jsonl"), Path("out/images"))

A record becomes a `Script`: a question, its truth, and replies in the dialect `tags` that lead to the answer which the
record states. What a layout has and we have not, or the other way round, is refused by name, never made up. A written
record holds the images as they were shown, and places in whole numbers of its layout. What a picture's file says beside
its pixels (scale, role, values of more than 8 bits, a resolution above that of the view) has no place in any of them:
a zoom that is played again from such a record is cut from the view.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from envs.episode import Episode, Question, Reply, Truth
from envs.rows import OnBad


class Script(NamedTuple):
    """What a demonstration of others says, in our words."""

    question: Question
    truth: Truth
    replies: tuple[Reply, ...]
    """In the dialect `tags`; places are in the numbers of each reply's own canvas."""
    tools: tuple[str, ...]
    """Those that are called, in the order of their first call."""


class Format(NamedTuple):
    """A layout of files."""

    read: Callable[[Path, Path | None, OnBad], Iterator[Script]]
    """The records of a file; pictures lie below the folder given, or the file's own. A record that is no script is a
    DataError that the function given is told of."""
    write: Callable[[Iterable[Episode], Path, Path], int]
    """Write episodes to a file, their images to a folder below that of the file; gives how many. Raises DataError."""
