"""A file of records, one a line, in the order in which they came: what was done is known after a kill."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.geometry import Frozen


def whole_lines(path: Path) -> list[bytes]:
    """Every line of a file, if it is there; one that was broken off by a kill is cut away."""
    if not path.exists():
        return []
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):  # what follows must begin on a line of its own
        path.write_bytes(whole)
    return whole.splitlines()


@contextmanager
def appended(path: Path) -> Iterator[Callable[[Frozen], None]]:
    """A function that adds a record to the end of a file, at once."""
    with open(path, "a", encoding="utf-8") as file:

        def add(record: Frozen) -> None:
            file.write(record.model_dump_json() + "\n")
            file.flush()

        yield add
