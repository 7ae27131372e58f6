"""Readers of CSV, TSV, JSON, JSONL, parquet and Arrow files. What is broken in one is a row with its problem."""

import csv
import json
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from envs.rows import DataError, Row

MAX_CELL = 2**24
"""The longest cell of a CSV file, characters: a report with a picture inside is shorter."""


def read_csv(path: Path) -> Iterator[Row]:
    csv.field_size_limit(MAX_CELL)
    # bytes that are not UTF-8 become half characters, so that they spoil one row only
    with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv.reader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ",", strict=True)
        header = _header(path, reader)
        while True:
            begins = reader.line_num + 1
            try:
                cells = next(reader, None)
            except csv.Error as error:
                yield Row(path, begins, {}, f"not CSV ({error})")
                continue
            if cells is None:
                return
            if cells:
                yield _csv_row(path, begins, header, cells)


def _header(path: Path, reader: Iterator[list[str]]) -> list[str]:
    try:
        header = [name.strip() for name in next(reader, [])]
    except csv.Error as error:
        raise DataError(f"{path}: its first line is no header ({error})") from None
    if not header:
        raise DataError(f"{path}: the file is empty; its first line must name the columns")
    if twice := next((name for name in header if header.count(name) > 1), None):
        raise DataError(f"{path}: two columns are named {twice!r}")
    return header


def _csv_row(path: Path, number: int, header: list[str], cells: list[str]) -> Row:
    if len(cells) != len(header):
        return Row(path, number, {}, f"has {len(cells)} cells where the header names {len(header)} columns")
    if any("\udc80" <= c <= "\udcff" for cell in cells if not cell.isascii() for c in cell):
        return Row(path, number, {}, "not UTF-8; save the file as UTF-8")
    return Row(path, number, dict(zip(header, cells, strict=True)))


def read_jsonl(path: Path) -> Iterator[Row]:
    with open(path, "rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
                if text.strip():
                    yield _row(path, number, json.loads(text))
            except UnicodeDecodeError:
                yield Row(path, number, {}, "not UTF-8; save the file as UTF-8")
            except (ValueError, RecursionError) as error:
                yield Row(path, number, {}, f"not JSON ({error})")


def read_json(path: Path, within: str = "") -> Iterator[Row]:
    """A list of records, or an object of records by id (the id joins the record as "_key"); read as a stream.

    `within` is the entry of an object that holds the list, where there is one.
    """
    import ijson

    with open(path, "rb") as file:
        head = file.read(4096)
        file.seek(len(BOM_UTF8) if head.startswith(BOM_UTF8) else 0)
        first, number = head.removeprefix(BOM_UTF8).lstrip()[:1], 0
        try:
            if first == b"[" or within:
                records = ijson.items(file, f"{within}.item".lstrip("."), use_float=True)
                for number, value in enumerate(records, start=1):
                    yield _row(path, number, value)
            elif first == b"{":
                for number, (key, value) in enumerate(ijson.kvitems(file, "", use_float=True), start=1):
                    yield _row(path, number, {"_key": key, **(value if isinstance(value, dict) else {"_value": value})})
            else:
                yield Row(path, 1, {}, "neither a list nor an object of records")
        except (ijson.JSONError, ValueError, OverflowError) as error:
            why = " ".join(str(error).split())[:120]
            yield Row(path, number + 1, {}, f"not JSON ({why}); the rest of the file cannot be read")


def read_parquet(path: Path) -> Iterator[Row]:
    yield from _records(path, "parquet", _parquet_batches)


def read_arrow(path: Path) -> Iterator[Row]:
    """A stream of record batches, which is how `datasets` of Hugging Face keeps a split on the disk."""
    yield from _records(path, "an Arrow stream", _arrow_batches)


def _records(path: Path, what: str, batches: Callable[[Path], Iterator[Any]]) -> Iterator[Row]:
    try:
        import pyarrow as pa
    except ImportError:
        raise ImportError("parquet files need pyarrow: pip install 'overread[data]'") from None
    number = 0
    try:
        for batch in batches(path):
            for cells in batch.to_pylist():
                number += 1
                yield Row(path, number, cells)
    except (pa.ArrowException, ValueError, OSError) as error:
        why = " ".join(str(error).split())[:120]
        yield Row(path, number + 1, {}, f"not {what} ({why}); the rest of the file cannot be read")


def _parquet_batches(path: Path) -> Iterator[Any]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        yield from file.iter_batches(batch_size=64)


def _arrow_batches(path: Path) -> Iterator[Any]:
    import pyarrow as pa

    with pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as stream:
        for batch in stream:
            yield from (batch.slice(at, 64) for at in range(0, batch.num_rows, 64))


READERS: dict[str, Callable[[Path], Iterator[Row]]] = {
    ".csv": read_csv, ".tsv": read_csv, ".json": read_json, ".jsonl": read_jsonl, ".parquet": read_parquet,
    ".arrow": read_arrow,
}  # fmt: skip


def _row(path: Path, number: int, value: Any) -> Row:
    if isinstance(value, dict):
        return Row(path, number, value)
    return Row(path, number, {}, f"holds {type(value).__name__}, not a record with columns")
