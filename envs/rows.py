"""Rows of CSV, TSV, JSON, JSONL and parquet files, one at a time; whatever is wrong names its file and row."""

import ast
import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

MAX_CELL = 2**24
"""The longest cell of a CSV file, characters: a report with a picture inside is shorter."""


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

    def bad(self, why: str) -> DataError:
        return DataError(f"{self.path}, row {self.number}: {why}")

    def get(self, *names: str) -> Any:
        """The first of these columns that there is and that holds something; None where there is none."""
        return next((self.cells[name] for name in names if not _empty(self.cells.get(name))), None)

    def need(self, *names: str) -> Any:
        """The same, and DataError where there is none."""
        if (value := self.get(*names)) is None:
            there = ", ".join(map(str, self.cells)) or "none"
            raise self.bad(f"no {' or '.join(map(repr, names))}; its columns are: {there}"[:400])
        return value

    def text(self, *names: str) -> str:
        """A column that must hold text (a number is taken as it is written)."""
        value = self.need(*names)
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise self.bad(f"{names[0]!r} holds {type(value).__name__}, not text")
        return str(value).strip()

    def listed(self, *names: str) -> list[Any]:
        """A column that must hold a list; also one written as text, in JSON or as Python writes it."""
        value = self.need(*names)
        if isinstance(value, str):
            value = _read_list(value)
        if hasattr(value, "tolist"):
            value = value.tolist()
        if not isinstance(value, list | tuple):
            raise self.bad(f"{names[0]!r} holds {str(self.need(*names))[:60]!r}, not a list")
        return list(value)


def rows(path: Path) -> Iterator[Row]:
    """Every row of a file, whatever its size. Raises DataError for a file that cannot be read, and where it breaks."""
    readers = {".csv": _csv, ".tsv": _csv, ".json": _json, ".jsonl": _jsonl, ".parquet": _parquet}
    if path.suffix.lower() not in readers:
        raise DataError(f"{path}: not a table; there are: {', '.join(readers)}")
    if not path.is_file():
        raise DataError(f"{path}: there is no such file")
    number = 0
    try:
        for number, cells in readers[path.suffix.lower()](path):
            if not isinstance(cells, dict):
                raise DataError(f"{path}, row {number}: holds {type(cells).__name__}, not a record with columns")
            yield Row(path, number, cells)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}, after row {number}: byte {error.start} is not UTF-8; save the file as UTF-8"
        ) from None
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None


def good(rows: Iterator[Row], make: Callable[[Row], Iterator[Any]], on_bad: OnBad) -> Iterator[Any]:
    """What `make` makes of every row; a row that it raises DataError for is handed to `on_bad`, and left out."""
    for row in rows:
        try:
            made = list(make(row))
        except DataError as problem:
            on_bad(problem)
            continue
        yield from made


def _csv(path: Path) -> Iterator[tuple[int, Any]]:
    csv.field_size_limit(MAX_CELL)
    with open(path, encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ",", strict=True)
        begins = 2
        try:
            for cells in reader:
                if None in cells:
                    raise DataError(f"{path}, row {begins}: has more cells than the header names")
                yield begins, {name.strip(): value for name, value in cells.items()}
                begins = reader.line_num + 1
        except csv.Error as error:
            raise DataError(f"{path}, row {begins}: {error}") from None


def _jsonl(path: Path) -> Iterator[tuple[int, Any]]:
    with open(path, encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                try:
                    yield number, json.loads(line)
                except (ValueError, RecursionError) as error:
                    raise DataError(f"{path}, row {number}: not JSON ({error})") from None


def _json(path: Path) -> Iterator[tuple[int, Any]]:
    """A list of records, or an object of records by id (the id joins the record as "_key"); read as a stream."""
    import ijson

    with open(path, "rb") as file:
        head = file.read(4096).lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
        file.seek(0)
        number = 0
        try:
            if head == b"[":
                for number, cells in enumerate(ijson.items(file, "item", use_float=True), start=1):
                    yield number, cells
            else:
                for number, (key, value) in enumerate(ijson.kvitems(file, "", use_float=True), start=1):
                    yield number, {"_key": key, **value} if isinstance(value, dict) else {"_key": key, "_value": value}
        except ijson.JSONError as error:
            raise DataError(f"{path}, after row {number}: not JSON ({' '.join(str(error).split())[:120]})") from None


def _parquet(path: Path) -> Iterator[tuple[int, Any]]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise ImportError("parquet files need pyarrow: pip install 'overread[data]'") from None
    number = 0
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=64):
                for cells in batch.to_pylist():
                    number += 1
                    yield number, cells
    except (pa.ArrowException, ValueError) as error:
        raise DataError(f"{path}, after row {number}: not parquet ({str(error)[:120]})") from None


def _read_list(text: str) -> Any:
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            continue
    return None


def _empty(value: Any) -> bool:
    return value is None or value == "" or value != value  # NaN stands for an empty cell
