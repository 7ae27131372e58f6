"""What the loaders of data sets share. A loader is `envs/tasks/<name>.py`:

    CARD = Card("SLAKE", "CC BY 4.0", "https://www.med-vqa.com/slake/", warnings=("...",))

    def slake(root: Path, split: str = "test", *, on_bad: OnBad = refuse) -> Iterator[Task]:
        paths = split_files(root, split, {"test": "test.json"})
        return tasks(paths, lambda row: [_task(row, root, f"slake/{split}")], on_bad)

It gives one question after another; nothing is read ahead. A row that cannot be used is a DataError for `on_bad`.
"""

import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from envs.episode import Question, Truth
from envs.row_images import Convention, MissingImage, check_size, inside, kept, nearest, opened, place
from envs.row_questions import Task, asked, choices, kind_of, letters, tags, unlettered
from envs.rows import DataError, OnBad, Row, good, refuse, rows
from tools.lookup import find
from tools.study import content_id

__all__ = [
    "Card", "Convention", "DataError", "MissingImage", "OnBad", "Row", "Task", "asked", "card", "check_size", "choices",
    "first_folder", "inside", "kept", "kind_of", "letters", "listing", "nearest", "opened", "parquet_files", "place",
    "refuse", "row_id", "rows", "split_files", "split_hash", "tags", "task_hash", "tasks", "unlettered",
]  # fmt: skip


class Card(NamedTuple):
    """What is known about a data set."""

    title: str
    licence: str
    home: str
    """Where it is got."""
    warnings: tuple[str, ...] = ()
    """What to know before its numbers are trusted."""


def card(name: str) -> Card | None:
    """The card of the data set that `envs/tasks/<name>.py` loads; None for a task that has none, such as a phantom."""
    module = importlib.import_module(find("envs.tasks", name).__module__)
    found: Card | None = getattr(module, "CARD", None)
    return found


def split_files(root: Path, split: str, files: Mapping[str, str | Sequence[str]]) -> list[Path]:
    """The files of a split, sorted. Raises DataError, with what there is.

    `files` gives for each split a pattern, or several of which the first that fits counts.
    """
    if split not in files:
        raise DataError(f"no split {split!r}; there are: {', '.join(files)}")
    if not root.is_dir():
        raise DataError(f"{root}: there is no such folder")
    there = {name: found for name, patterns in files.items() if (found := _first(root, patterns))}
    if split not in there:
        wanted = " or ".join(_listed(files[split]))
        raise DataError(
            f"{root}: no {wanted} for the split {split!r}; splits that are there: {', '.join(there) or 'none'}; "
            f"the folder holds: {listing(root)}"
        )
    return there[split]


def parquet_files(*splits: str) -> dict[str, tuple[str, ...]]:
    """The patterns, for `split_files`, by which parquet files are named on the Hugging Face hub."""
    return {name: (f"data/{name}-*.parquet", f"{name}-*.parquet", f"{name}.parquet") for name in splits}


def first_folder(root: Path, *names: str) -> Path:
    """The first of these folders that there is in `root`; `root` itself where there is none."""
    return next((root / name for name in names if (root / name).is_dir()), root)


def row_id(row: Row) -> str:
    """An id for a row that has none of its own: its file and its number there."""
    return f"{row.path.stem}-{row.number}"


def listing(folder: Path, most: int = 12) -> str:
    """What lies in a folder, in words."""
    names = sorted(entry.name + "/" * entry.is_dir() for entry in folder.iterdir())
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "") or "nothing"


def tasks(
    paths: Sequence[Path],
    make: Callable[[Row], Iterable[Task]],
    on_bad: OnBad,
    read: Callable[..., Iterable[Row]] = rows,
) -> Iterator[Task]:
    """The questions that `make` makes of each row of the files. An id that comes twice is a bad row.

    `read` gives the rows of files that are no plain tables. Raises DataError where there is no row at all, or none
    that the settings ask for.
    """
    ids: dict[str, int] = {}
    bad: list[bool] = []

    def once(row: Row) -> list[Task]:
        made = list(make(row))
        for question, _ in made:
            if question.id in ids:
                raise row.bad(f"its id {question.id!r} is also that of row {ids[question.id]}")
        ids.update((question.id, row.number) for question, _ in made)
        return made

    def told(problem: DataError) -> None:
        bad[:] = [True]
        on_bad(problem)

    yield from good(read(*paths), once, told)
    if not ids and not bad:
        raise DataError(f"{', '.join(map(str, paths))}: holds no question, or none that the settings ask for")


def split_hash(hashes: Iterable[str]) -> str:
    """32 hex digits over the `task_hash` of every question of a split, in any order; the same on every machine."""
    return content_id(*(one.encode() for one in sorted(hashes)))


def task_hash(question: Question, truth: Truth | None) -> str:
    """32 hex digits over one question, the content of its pictures, and the truth."""
    roles = [source.role for source in question.study.sources]
    said = [question.id, question.kind, question.text, *question.choices, question.study.id, *roles]
    judged = truth.model_dump_json(exclude={"findings"}) if truth else ""  # findings decide nothing
    whole = [*said, judged]
    return content_id(*(f"{len(part)}:{part}".encode() for part in whole))


def _first(root: Path, patterns: str | Sequence[str]) -> list[Path]:
    for pattern in _listed(patterns):
        if found := sorted(path for path in root.glob(pattern) if path.is_file()):
            return found
    return []


def _listed(patterns: str | Sequence[str]) -> Sequence[str]:
    return [patterns] if isinstance(patterns, str) else patterns
