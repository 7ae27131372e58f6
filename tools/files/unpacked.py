"""Unpack a gzip file once, so that any part of it can be looked at in no time afterwards."""

import os
import tempfile
from pathlib import Path
from typing import BinaryIO

import numpy as np

from tools.files.file import File

UNPACKED_BYTES = 2**34
"""The largest file that is unpacked."""
CACHE_BYTES = 20 * 2**30
"""How much is kept on the disk: what was used longest ago is let go first."""
PIECE = 2**22


def unpacked(file: File) -> np.ndarray:
    """[n] the bytes of what a gzip file holds, uint8: from the disk, or in memory where no folder can be written.

    They are kept as `<hash of the gzip file>.raw` in `cache_folder()`, which only its owner may read. Raises FileError.
    """
    kept = cache_folder() / f"{file.id}.raw"
    if not kept.exists():
        try:
            kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _unpack_to(file, kept)
        except OSError:  # no such folder, no right to write, no room
            return _in_memory(file)
        _trim(kept)
    else:
        os.utime(kept)
    return np.memmap(kept, np.uint8, "r")


def cache_folder() -> Path:
    """Where unpacked files are kept: in $OVERREAD_CACHE, else in the user's cache folder."""
    base = os.environ.get("OVERREAD_CACHE") or Path(
        os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "overread"
    )
    return Path(base) / "unpacked"


def _unpack_to(file: File, kept: Path) -> None:
    """Write under a name of its own, then rename: nobody ever sees half a file."""
    with tempfile.NamedTemporaryFile(dir=kept.parent, delete=False) as part:
        try:
            _copy(file, part)  # type: ignore[arg-type]
            part.close()
            os.replace(part.name, kept)
        finally:
            Path(part.name).unlink(missing_ok=True)


def _in_memory(file: File) -> np.ndarray:
    from io import BytesIO

    stream = BytesIO()
    _copy(file, stream)
    return np.frombuffer(stream.getbuffer(), np.uint8)


def _copy(file: File, to: BinaryIO) -> None:
    from isal import igzip  # about twice as fast as gzip

    size = 0
    with igzip.open(file.path, "rb") as packed:
        while piece := _next(file, packed):
            size += len(piece)
            if size > UNPACKED_BYTES:
                raise file.refuse(f"it unpacks to more than the {UNPACKED_BYTES / 2**30:.0f} GiB that are read")
            to.write(piece)


def _next(file: File, packed: BinaryIO) -> bytes:
    """The next piece. Only reading is guarded: a full disk is no fault of the file."""
    from isal.igzip_lib import IsalError

    with file.reading("the gzip archive", IsalError):  # type: ignore[arg-type]  # it is a class
        return packed.read(PIECE)


def _trim(newest: Path) -> None:
    """Let the longest unused files go until all fit into `CACHE_BYTES`; the newest stays."""
    others = sorted((p for p in newest.parent.glob("*.raw") if p != newest), key=_last_used)
    size = newest.stat().st_size + sum(p.stat().st_size for p in others if p.exists())
    for path in others:
        if size <= CACHE_BYTES:
            return
        size -= path.stat().st_size if path.exists() else 0
        path.unlink(missing_ok=True)


def _last_used(path: Path) -> float:
    return path.stat().st_mtime if path.exists() else 0.0
