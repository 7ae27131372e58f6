"""Rows of any table; what is broken is said with its file and row, and costs no more than it must."""

import json
import tracemalloc
from pathlib import Path

import pytest

from envs.rows import DataError, Row, good, refuse, rows
from envs.tasks.slake import slake
from tests.conftest import needs
from tests.datasets_made import slake as made_slake
from tests.datasets_made import slake_record, write_csv, write_json, write_jsonl, write_parquet

RECORDS = [{"id": "1", "text": "a"}, {"id": "2", "text": "ß 图"}]


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def cells(path: Path) -> list[dict]:
    return [row.cells for row in rows(path) if not row.problem]


def problems(path: Path) -> list[tuple[int, str]]:
    return [(row.number, row.problem) for row in rows(path) if row.problem]


@pytest.mark.parametrize("kind", ["csv", "tsv", "json", "jsonl", "parquet"])
def test_every_kind_of_table_gives_the_same_rows(kind, tmp_path):
    path = tmp_path / f"data.{kind}"
    if kind == "csv":
        write_csv(path, ["id", "text"], [["1", "a"], ["2", "ß 图"]])
    elif kind == "tsv":
        path.write_text("id\ttext\n1\ta\n2\tß 图\n", encoding="utf-8")
    elif kind == "parquet":
        needs("pyarrow")
        write_parquet(path, RECORDS)
    else:
        (write_json if kind == "json" else write_jsonl)(path, RECORDS)
    assert cells(path) == RECORDS


@pytest.mark.parametrize("content", [b'[{"id": "1"}]', b'\n [{"id": "1"}]'])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_byte_order_mark_is_no_part_of_json(content, mark, tmp_path):
    assert cells(written(tmp_path / "a.json", mark + content)) == [{"id": "1"}]
    assert cells(written(tmp_path / "a.jsonl", mark + b'{"id": "1"}\n')) == [{"id": "1"}]
    assert cells(written(tmp_path / "a.csv", mark + b"id\n1\n")) == [{"id": "1"}]


def test_an_object_of_records_keeps_their_ids(tmp_path):
    path = write_json(tmp_path / "a.json", {"q1": {"text": "a"}, "q2": ["b"]})
    assert cells(path) == [{"_key": "q1", "text": "a"}, {"_key": "q2", "_value": ["b"]}]


def test_several_files_are_read_one_after_another(tmp_path):
    paths = [write_jsonl(tmp_path / name, [{"id": name}]) for name in ("a.jsonl", "b.jsonl")]
    assert [row.cells["id"] for row in rows(*paths)] == ["a.jsonl", "b.jsonl"]


def test_a_broken_line_of_jsonl_is_one_bad_row_and_reading_goes_on(tmp_path):
    path = written(tmp_path / "a.jsonl", b'{"id": 1}\n{"id": \n\n["b"]\n{"id": "\xff"}\n{"id": 6}\n')
    assert [row.number for row in rows(path) if not row.problem] == [1, 6]
    told = problems(path)
    assert [number for number, _ in told] == [2, 4, 5]
    assert told[0][1].startswith("not JSON (Expecting value")
    assert told[1][1] == "holds list, not a record with columns"
    assert told[2][1] == "not UTF-8; save the file as UTF-8"


def test_a_broken_row_of_csv_is_one_bad_row_and_reading_goes_on(tmp_path):
    content = b'id,text\n1,a\n2\n3,"b"c\n4,b,c\n5,\xff\n\n7,"two\nlines"\n9,z\n'
    path = written(tmp_path / "a.csv", content)
    assert [(row.number, row.cells["text"]) for row in rows(path) if not row.problem] == [
        (2, "a"), (8, "two\nlines"), (10, "z"),
    ]  # fmt: skip
    assert problems(path) == [
        (3, "has 1 cells where the header names 2 columns"),
        (4, "not CSV (',' expected after '\"')"),
        (5, "has 3 cells where the header names 2 columns"),
        (6, "not UTF-8; save the file as UTF-8"),
    ]


def test_a_quote_that_is_never_closed_is_one_bad_row(tmp_path):
    path = written(tmp_path / "a.csv", b'id,text\n1,a\n2,"b\n3,c\n')
    assert cells(path) == [{"id": "1", "text": "a"}]
    assert problems(path) == [(3, "not CSV (unexpected end of data)")]


def test_behind_a_broken_place_in_json_nothing_can_be_read(tmp_path):
    path = written(tmp_path / "a.json", b'[{"id": 1}, {"id": 2}, {"id": ')
    assert cells(path) == [{"id": 1}, {"id": 2}]
    ((number, told),) = problems(path)
    assert number == 3
    assert told.startswith("not JSON (")
    assert told.endswith("; the rest of the file cannot be read")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b'[{"id": "\xff"}]', "not JSON ("),
        (b"what", "neither a list nor an object"),
        (b'"text"', "neither a list nor an object"),
        (b"[1e999999]", ""),
        (b"[[[[1]]]]", "holds list, not a record with columns"),
    ],
)
def test_what_is_in_json_no_record_is_a_bad_row(content, told, tmp_path):
    ((number, problem),) = problems(written(tmp_path / "a.json", content))
    assert number == 1
    assert problem.startswith(told)


def test_a_file_that_is_not_parquet_has_a_bad_row(tmp_path):
    needs("pyarrow")
    ((number, told),) = problems(written(tmp_path / "a.parquet", b"PAR1 and then nothing PAR1"))
    assert number == 1
    assert told.startswith("not parquet (")
    whole = write_parquet(tmp_path / "b.parquet", [{"text": f"{n} " * 50} for n in range(5000)])
    content = bytearray(whole.read_bytes())
    content[len(content) // 3 : len(content) // 3 + 4000] = bytes(4000)
    assert problems(written(tmp_path / "c.parquet", bytes(content)))


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.csv", b"", "the file is empty; its first line must name the columns"),
        ("a.csv", b"id,text,id\n1,2,3\n", "two columns are named 'id'"),
        ("a.csv", b'"id"x,text\n', "its first line is no header"),
        ("a.xlsx", b"", "not a table; there are: .csv, .tsv, .json, .jsonl, .parquet"),
    ],
)
def test_a_file_that_is_no_table_is_refused(name, content, told, tmp_path):
    with pytest.raises(DataError) as refusal:
        list(rows(written(tmp_path / name, content)))
    assert str(refusal.value) == f"{tmp_path / name}: {told}" or told in str(refusal.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.csv: there is no such file"):
        list(rows(tmp_path / "none.csv"))


ROW = Row(Path("a.csv"), 3, {"a": "x ", "b": "", "c": float("nan"), "n": 3, "t": True, "l": "['p', 'q']", "j": "[1]"})


def test_a_column_may_have_several_names():
    assert ROW.get("z", "b", "a") == "x "
    assert ROW.get("b", "c") is None
    assert (ROW.text("a"), ROW.text("n"), ROW.maybe("b")) == ("x", "3", "")


@pytest.mark.parametrize(("name", "listed"), [("l", ["p", "q"]), ("j", [1])])
def test_a_list_may_be_written_as_text(name, listed):
    assert ROW.listed(name) == listed


@pytest.mark.parametrize(
    ("ask", "told"),
    [
        (lambda row: row.need("z", "y"), "a.csv, row 3: no 'z' or 'y'; its columns are: a, b, c, n, t, l, j"),
        (lambda row: row.need("b"), "a.csv, row 3: no 'b'"),
        (lambda row: row.text("t"), "a.csv, row 3: 't' holds bool, not text"),
        (lambda row: row.listed("a"), "a.csv, row 3: 'a' holds 'x ', not a list"),
        (lambda row: row.listed("n"), "a.csv, row 3: 'n' holds 3, not a list"),
    ],
)
def test_a_missing_or_wrong_column_is_named(ask, told):
    with pytest.raises(DataError) as refusal:
        ask(ROW)
    assert str(refusal.value).startswith(told)


def test_bad_rows_are_handed_over_and_the_good_ones_made(tmp_path):
    path = written(tmp_path / "a.jsonl", b'{"n": 1}\nbroken\n{"m": 2}\n{"n": 3}\n')
    bad: list[DataError] = []
    assert list(good(rows(path), lambda row: [row.need("n")], bad.append)) == [1, 3]
    assert [str(problem).partition(": ")[0] for problem in bad] == [f"{path}, row 2", f"{path}, row 3"]
    assert list(good(rows(path), lambda row: [row.number], bad.append)) == [1, 3, 4]  # what asks nothing of a row


def test_refuse_stops_at_the_first_bad_row(tmp_path):
    path = write_jsonl(tmp_path / "a.jsonl", [{"n": 1}, {"m": 2}, {"m": 3}])
    made = good(rows(path), lambda row: [row.need("n")], refuse)
    assert next(made) == 1
    with pytest.raises(DataError, match="row 2: no 'n'"):
        next(made)


@pytest.mark.slow
def test_a_file_of_100_mb_takes_little_memory(tmp_path):
    made_slake(tmp_path, records=[])
    count, filler = 20_000, "word " * 1000
    with open(tmp_path / "test.json", "w") as file:
        for n in range(count):
            file.write("," if n else "[")
            file.write(json.dumps(slake_record(n, f"Is it {n}?", "Yes", note=filler)))
        file.write("]")
    assert (tmp_path / "test.json").stat().st_size > 100e6
    next(slake(tmp_path))  # what is imported and opened once does not count
    tracemalloc.start()
    read = sum(1 for _ in slake(tmp_path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert read == count
    assert peak < 20e6
