"""Files of a training that grow line by line, and that a resumed training takes back to where it goes on from."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

METRICS = "metrics.jsonl"


class Pages:
    """Files of a run folder, each first cut back to the size that a checkpoint says; they are made where they lack.

    Where several processes do the same, one alone `writes`.
    """

    def __init__(self, folder: Path, sizes: Mapping[str, int], writes: bool = True):
        self.folder, self.writes = folder, writes
        self.sizes = dict(sizes)
        """bytes of each, as a checkpoint keeps them."""
        for name, size in sizes.items() if writes else ():
            _cut(folder / name, size)

    def add(self, name: str, line: Mapping[str, Any]) -> None:
        """Write a line of JSON at the end of a file."""
        if not self.writes:
            return
        data = (json.dumps(line, ensure_ascii=False) + "\n").encode()
        with open(self.folder / name, "ab") as file:
            file.write(data)
        self.sizes[name] += len(data)


def lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a file; none where there is no file."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]


def _cut(path: Path, size: int) -> None:
    """Make a file, and cut it back to so many bytes."""
    with open(path, "ab") as file:
        file.truncate(min(size, os.fstat(file.fileno()).st_size))
