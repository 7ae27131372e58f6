"""Folders on disk that are whole or not there: what is half written bears another name."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EWOULDBLOCK
from pathlib import Path
from typing import Any

DRAFT = ".draft"
PROGRESS = "progress.json"
"""How far the training was, in every checkpoint; see `sft.trainer`."""


class SaveError(OSError):
    """Something could not be written; what was whole before still is."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep a run to oneself. Raises BlockingIOError where another process is at work in it."""
    with open(folder / ".lock", "ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BlockingIOError(EWOULDBLOCK, "another training is at work in it", str(folder)) from None
        yield


@contextmanager
def drafted(folder: Path) -> Iterator[Path]:
    """Write `folder` under another name beside it, which it loses when all of it is on the disk.

    Raises SaveError where it cannot be written; then nothing of it is left.
    """
    draft = folder.parent / DRAFT / folder.name
    shutil.rmtree(draft.parent, ignore_errors=True)
    draft.parent.mkdir(parents=True)
    with saving(folder):
        yield draft
        settle(draft, folder)


@contextmanager
def saving(what: Path) -> Iterator[None]:
    """Turn whatever a full disk makes libraries raise into one sentence, and clear the draft away."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        shutil.rmtree(what.parent / DRAFT, ignore_errors=True)
        why = " ".join(str(error).split())
        raise SaveError(f"{what} could not be written, what was saved before stands: {why[:300]}") from error


def settle(draft: Path, folder: Path) -> None:
    """Give a draft its name, once all of it is on the disk."""
    for path in (draft, *draft.rglob("*")):
        _sync(path)
    if folder.exists():
        discard(folder)
    draft.replace(folder)
    _sync(folder.parent)


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def discard(folder: Path) -> None:
    """Remove a folder that was whole, under another name: half removed it must not look whole."""
    old = folder.parent / DRAFT / f"{folder.name}.old"
    shutil.rmtree(old, ignore_errors=True)
    old.parent.mkdir(exist_ok=True)
    folder.replace(old)
    shutil.rmtree(old)


def whole(parent: Path) -> list[Path]:
    """The checkpoints in a folder, the newest last."""
    found = [path for path in parent.glob("*") if path.name.isdigit() and (path / PROGRESS).is_file()]
    return sorted(found, key=lambda path: int(path.name))


def rotate(parent: Path, keep: int) -> None:
    """Remove all but the newest `keep` checkpoints."""
    for folder in whole(parent)[:-keep]:
        discard(folder)


def read_progress(checkpoint: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((checkpoint / PROGRESS).read_text(encoding="utf-8"))
    return facts
