"""Rows of a table of any kind, one at a time; whatever is wrong with one names its file and row."""

import ast
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from reprlib import repr as shortened
from typing import Any, NamedTuple, NoReturn

from pydantic import ValidationError


class DataError(ValueError):
    """A data set that cannot be read as what it is said to be: file, row and reason in one sentence."""


OnBad = Callable[[DataError], None]
"""What is done about a row that cannot be used: raise it, or keep it to be counted."""


def refuse(problem: DataError) -> NoReturn:
    """Stop at the first bad row."""
    raise problem


class Row(NamedTuple):
    """One row of a file."""

    path: Path
    number: int
    """From 1; of a CSV or JSONL file the line on which it begins, of other files the place in the list."""
    cells: dict[str, Any]
    problem: str = ""
    """Why the row could not be read; it then has no cells."""

    def bad(self, why: str) -> DataError:
        return DataError(f"{self.path}, row {self.number}: {why}")

    def invalid(self, what: str, error: ValidationError) -> DataError:
        """The same for what a record refused, by its first reason."""
        first = error.errors()[0]
        where = ".".join(map(str, filter(None, (what, *first["loc"]))))
        return self.bad(f"{where}: {first['msg'].removeprefix('Value error, ')}")

    def get(self, *names: str) -> Any:
        """The first of these columns that there is and that holds something; None where there is none."""
        return next((self.cells[name] for name in names if not _empty(self.cells.get(name))), None)

    def need(self, *names: str) -> Any:
        """The same, and DataError where there is none."""
        if (value := self.get(*names)) is None:
            there = ", ".join(map(str, self.cells)) or "none"
            raise self.bad(self.problem or f"no {' or '.join(map(repr, names))}; its columns are: {there}"[:400])
        return value

    def text(self, *names: str) -> str:
        """A column that must hold text (a number is taken as it is written)."""
        value = self.need(*names)
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise self.bad(f"{names[0]!r} holds {type(value).__name__}, not text")
        return str(value).strip()

    def maybe(self, *names: str) -> str:
        """The same for a column that may be missing: empty where it is."""
        return "" if self.get(*names) is None else self.text(*names)

    def listed(self, *names: str) -> list[Any]:
        """A column that must hold a list; also one written as text, in JSON or as Python writes it."""
        value = self.need(*names)
        if isinstance(value, str):
            value = read_literal(value)
        if hasattr(value, "tolist"):
            value = value.tolist()
        if not isinstance(value, list | tuple):
            raise self.bad(f"{names[0]!r} holds {shortened(self.need(*names))}, not a list")
        return list(value)


def rows(*paths: Path) -> Iterator[Row]:
    """Every row of the files, whatever their size; one that cannot be read carries its problem.

    A broken line of CSV or JSONL is one row; behind a broken place in JSON or parquet nothing can be read.
    Raises DataError for a file that is missing or of no such kind.
    """
    from envs.tables import READERS

    for path in paths:
        reader = READERS.get(path.suffix.lower())
        if reader is None:
            raise DataError(f"{path}: not a table; there are: {', '.join(READERS)}")
        if not path.is_file():
            raise DataError(f"{path}: there is no such file")
        try:
            yield from reader(path)
        except OSError as error:
            raise DataError(f"{path}: {error.strerror or error}") from None


def good(rows: Iterable[Row], make: Callable[[Row], Iterable[Any]], on_bad: OnBad) -> Iterator[Any]:
    """What `make` makes of every row; a row that it raises DataError for is handed to `on_bad`, and left out."""
    for row in rows:
        try:
            if row.problem:
                raise row.bad(row.problem)
            made = list(make(row))
        except DataError as problem:
            on_bad(problem)
            continue
        yield from made


def read_literal(text: str) -> Any:
    """What is written in a text, in JSON or as Python writes it; None where it is neither."""
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            continue
    return None


def _empty(value: Any) -> bool:
    return value is None or value == "" or value != value  # NaN stands for an empty cell
