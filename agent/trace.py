"""A run on disk. A reader for version 1 stays forever.

    runs/<name>/run.json                        what it is
    runs/<name>/episodes/<worker>.jsonl         one Episode a line, without tokens
    runs/<name>/episodes/<worker>.tokens        packed: for every turn its ids (int32), then its logprobs (float32)
    runs/<name>/episodes/<worker>.index         one row of `ROW` an episode
    runs/<name>/images/<2 hex>/<hash>.png       the pixels shown, each once, lossless

One writer a file; append and flush. A killed writer leaves at most one broken last line: readers skip and count it.
"""

import fcntl
import io
import json
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from errno import ENOSPC, EWOULDBLOCK
from pathlib import Path
from typing import Any, Self, get_args
from uuid import uuid4

import numpy as np

from agent.png import png
from envs.episode import Episode, Stop, Turn
from tools.image import Image
from tools.tool import Observation

STOPS: tuple[str | None, ...] = (None, *get_args(Stop))
ROW = np.dtype(
    [
        ("offset", "<u8"),  # of the line in the .jsonl, bytes
        ("length", "<u8"),
        ("step", "<i4"),
        ("group", "<u4"),  # crc32 of the group's name; 0 where there is none
        ("reward", "<f4"),  # NaN where there is no verdict
        ("turns", "<u2"),
        ("stop", "<u2"),  # place in STOPS
    ]
)
BROKEN = (ValueError, TypeError, LookupError, AttributeError, RecursionError, MemoryError, OSError)
"""What a line that is no whole episode raises."""
ELSEWHERE: Any = {"turns": {"__all__": {"reply": {"token_ids", "logprobs"}}}, "question": {"images"}}
"""What a line leaves out: tokens lie in their own file, and the images of the question are those of the opening."""


class Writer:
    """Adds episodes to a run folder, making it if need be.

    Raises OSError where it cannot be written, or where another writer of the same name is at work.
    """

    def __init__(self, folder: Path, worker: str = "w0"):
        self.folder = folder
        (folder / "images").mkdir(parents=True, exist_ok=True)
        (folder / "episodes").mkdir(exist_ok=True)
        self._paths = [folder / "episodes" / f"{worker}.{kind}" for kind in ("jsonl", "tokens", "index")]
        self._files = [open(path, "ab", buffering=0) for path in self._paths]  # noqa: SIM115  (closed by `close`)
        self._worker = worker
        self._kept: set[str] = set()
        try:
            fcntl.flock(self._files[0], fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise BlockingIOError(EWOULDBLOCK, "another writer is at work on it", str(self._paths[0])) from None
        self._mend()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def write(self, episode: Episode) -> None:
        """Add an episode; also one that was broken off. Where the disk does not take it, nothing of it is left."""
        for image in every_image(episode):
            if image.hash and image.hash not in self._kept:
                _keep_pixels(self.folder, image)
                self._kept.add(image.hash)
        lines, tokens, rows = self._files
        at = [file.tell() for file in self._files]
        if not episode.id:
            episode = episode.model_copy(update={"id": f"{self._worker}-{at[2] // ROW.itemsize}"})
        packed, counts = _packed(episode)
        where = f'"offset":{at[1]},"length":{len(packed)},"turns":{counts}'
        record = episode.model_dump_json(exclude=ELSEWHERE).encode()
        line = b'{"tokens":{%b},%b\n' % (where.encode(), record[1:])
        try:
            _write(tokens, packed)
            _write(lines, line)
            _write(rows, _row(episode, at[0], len(line)))
        except OSError:
            for file, size in zip(self._files, at, strict=True):
                file.truncate(size)
                file.seek(size)
            raise

    def close(self) -> None:
        for file in self._files:
            file.close()

    def _mend(self) -> None:
        """End the line that a killed writer broke off, and give every whole line its row."""
        path, _, rows = self._paths
        if not _ends_whole(path):
            _write(self._files[0], b"\n")
        found = index(self.folder, self._worker)
        if rows.stat().st_size == found.nbytes and _end(found) == path.stat().st_size:
            return
        self._files[2].truncate(0)
        self._files[2].seek(0)
        for offset, line in _lines(path):
            with suppress(*BROKEN):
                _write(self._files[2], _row(_parsed(line, path, self.folder), offset, len(line)))


def _end(rows: np.ndarray) -> int:
    """Where the last line that has a row ends, bytes."""
    return int(rows["offset"][-1] + rows["length"][-1]) if len(rows) else 0


def _ends_whole(path: Path) -> bool:
    """Whether a file is empty or ends with a line feed."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        file.seek(max(0, size - 1))
        return file.read(1) in (b"", b"\n")


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Every line with its offset, bytes."""
    offset = 0
    with open(path, "rb") as file:
        for line in file:
            yield offset, line
            offset += len(line)


def _write(file: io.RawIOBase, data: bytes) -> None:
    """All of the bytes, or OSError."""
    while data:
        done = file.write(data)
        if not done:
            raise OSError(ENOSPC, "the disk took no more")
        data = data[done:]


def describe(folder: Path, **facts: Any) -> None:
    """Write or renew `run.json`: facts about the run."""
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / "run.json.new"
    draft.write_text(json.dumps({"version": 1, **facts}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    draft.replace(folder / "run.json")


def read(folder: Path, broken: list[str] | None = None) -> Iterator[Episode]:
    """Every episode of a run, worker by worker; pixels are read when first looked at.

    A line that cannot be read is skipped and said in `broken`. Raises FileNotFoundError where there is no run.
    """
    if not (folder / "episodes").is_dir():
        raise FileNotFoundError(f"{folder} holds no episodes/: it is not a run")
    for path in sorted((folder / "episodes").glob("*.jsonl")):
        with open(path, "rb") as file:
            for number, line in enumerate(file, start=1):
                try:
                    yield _parsed(line, path, folder)
                except BROKEN as error:
                    if broken is not None:
                        broken.append(f"{path}, line {number}: {_first_line(error)}")


def index(folder: Path, worker: str) -> np.ndarray:
    """[episodes] rows of `ROW`, without reading an episode."""
    data = (folder / "episodes" / f"{worker}.index").read_bytes()
    return np.frombuffer(data[: len(data) // ROW.itemsize * ROW.itemsize], ROW)


def read_at(folder: Path, worker: str, offset: int, length: int) -> Episode:
    """The one episode that an index row points at. Raises ValueError where the line is broken."""
    path = folder / "episodes" / f"{worker}.jsonl"
    with open(path, "rb") as file:
        file.seek(offset)
        return _parsed(file.read(length), path, folder)


def every_image(episode: Episode) -> Iterator[Image]:
    """Every view that was shown, each as often as it was."""
    yield from episode.opening.images
    for turn in episode.turns:
        yield from turn.images


def _keep_pixels(folder: Path, image: Image) -> None:
    path = _pixels_path(folder, image)
    if path.exists():
        return
    path.parent.mkdir(exist_ok=True)
    draft = path.with_suffix(f".{uuid4().hex}.new")
    draft.write_bytes(png(image.pixels))
    draft.replace(path)


def _pixels_path(folder: Path, image: Image) -> Path:
    return folder / "images" / image.hash[:2] / f"{image.hash}.png"


def _packed(episode: Episode) -> tuple[bytes, list[list[int]]]:
    """The tokens of all turns, and how many ids and logprobs each turn has."""
    parts, counts = [], []
    for turn in episode.turns:
        ids, logprobs = turn.reply.token_ids, turn.reply.logprobs
        parts.append(struct.pack(f"<{len(ids)}i{len(logprobs)}f", *ids, *logprobs))
        counts.append([len(ids), len(logprobs)])
    return b"".join(parts), counts


def _row(episode: Episode, offset: int, length: int) -> bytes:
    group = zlib.crc32(episode.group.encode()) if episode.group else 0
    reward = episode.verdict.reward if episode.verdict else np.nan
    stop = STOPS.index(episode.stop)
    return np.array((offset, length, episode.step, group, reward, len(episode.turns), stop), ROW).tobytes()


def _parsed(line: bytes, path: Path, folder: Path) -> Episode:
    record = json.loads(line)
    if not isinstance(record, dict) or not {"tokens", "version", "question", "opening"} <= record.keys():
        raise ValueError("not an episode")
    if record["version"] != 1:
        raise ValueError(f"episode of version {record['version']}; this overread reads version 1")
    where = record.pop("tokens")
    record["question"]["images"] = record["opening"]["images"]
    episode = Episode.model_validate(record)
    sources = {source.id for source in episode.question.study.sources}
    if unknown := next((i.source for i in every_image(episode) if i.source not in sources), None):
        raise ValueError(f"an image is of the source {unknown}, which its study does not have")
    turns = _with_tokens(episode.turns, path.with_suffix(".tokens"), where)
    opening = episode.opening.model_copy(update={"images": _found(episode.opening.images, folder)})
    question = episode.question.model_copy(update={"images": opening.images})
    turns = tuple(_with_pixels(turn, folder) for turn in turns)
    return episode.model_copy(update={"turns": turns, "opening": opening, "question": question})


def _with_tokens(turns: tuple[Turn, ...], path: Path, where: dict[str, Any]) -> tuple[Turn, ...]:
    if not where["length"]:
        return turns
    with open(path, "rb") as file:
        file.seek(where["offset"])
        packed = file.read(where["length"])
    if len(packed) != where["length"]:
        raise ValueError(f"{path.name} ends before the tokens of this episode")
    filled, at = [], 0
    for turn, (ids, logprobs) in zip(turns, where["turns"], strict=True):
        tokens = np.frombuffer(packed, "<i4", ids, at).tolist()
        values = np.frombuffer(packed, "<f4", logprobs, at + 4 * ids).tolist()
        at += 4 * (ids + logprobs)
        reply = turn.reply.model_copy(update={"token_ids": tuple(tokens), "logprobs": tuple(values)})
        filled.append(turn.model_copy(update={"reply": reply}))
    return tuple(filled)


def _with_pixels(turn: Turn, folder: Path) -> Turn:
    acts = []
    for act in turn.acts:
        seen: Observation = act.observation.model_copy(update={"images": _found(act.observation.images, folder)})
        acts.append(act.model_copy(update={"observation": seen}))
    return turn.model_copy(update={"acts": tuple(acts)})


def _found(images: tuple[Image, ...], folder: Path) -> tuple[Image, ...]:
    """The images, each knowing where its pixels lie."""
    for image in images:
        image._path = _pixels_path(folder, image)
    return images


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
