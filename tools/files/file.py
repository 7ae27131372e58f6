"""One file as it was given: what may be said of it, and how it is refused."""

import logging
import os
import re
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from struct import error as StructError
from typing import NamedTuple
from zlib import error as ZlibError

import numpy as np

from tools.study import content_id

HEAD_BYTES = 4096
PLANE_PIXELS = 100_000_000
"""The largest plane that is decoded, px. Larger pictures are slides, which need a reader that goes by tiles."""

BROKEN: tuple[type[Exception], ...] = (
    OSError, EOFError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, SyntaxError,
    NotImplementedError, RuntimeError, MemoryError, AssertionError, StructError, ZlibError,
)  # fmt: skip
"""What other people's readers raise when they meet a broken file, beside errors of their own."""


LOUD = r"(pydicom|nibabel|PIL)\b"
"""Libraries whose warnings are kept from the user."""


class FileError(ValueError):
    """A file cannot be read: one sentence with what was met, what is allowed and what to do."""


class File(NamedTuple):
    """A file that exists and is not empty."""

    path: Path
    name: str
    """What the person typed: the only path that a message may show, since names inside a folder can name a patient."""
    head: bytes
    """Its first bytes: what a file is goes by these, not by its name."""

    @property
    def id(self) -> str:
        """Hash of all its bytes."""
        return content_id(np.memmap(self.path, np.uint8, "r"))

    @property
    def size(self) -> int:
        return self.path.stat().st_size

    def refuse(self, why: str) -> FileError:
        return FileError(f"{self.name}: {why}")

    def check_plane(self, width: int, height: int) -> None:
        """Refuse a plane that is empty, or too large to decode. To be asked before anything is decoded."""
        if width < 1 or height < 1:
            raise self.refuse(f"its header states a picture of {width} by {height} pixels, which is empty")
        if width * height > PLANE_PIXELS:
            raise self.too_large(f"{width} by {height} pixels ({width * height / 1e6:.0f} megapixels)")

    def too_large(self, size: str) -> FileError:
        most = f"{PLANE_PIXELS / 1e6:.0f} megapixels"
        return self.refuse(f"a picture of {size} is larger than the {most} that are read; cut out or reduce it first")

    @contextmanager
    def reading(self, part: str, *errors: type[Exception]) -> Iterator[None]:
        """Refuse the file in words when what is done here meets something broken: `BROKEN` or any of `errors`.

        The cause is left out on purpose: messages of other libraries quote the header, and so the patient.
        """
        hush()
        try:
            yield
        except FileError:
            raise
        except (*BROKEN, *errors):
            raise self.refuse(
                f"{part} cannot be read: the file is broken, cut short, or not what it says it is"
            ) from None


def look(path: Path, name: str) -> File:
    """A file with its first bytes. Raises FileError where it is missing, empty, or may not be read."""
    try:
        head = _head(path) if stat.S_ISREG(os.stat(path).st_mode) else None
    except FileNotFoundError:
        raise FileError(f"{name}: there is no such file") from None
    except OSError as error:
        raise FileError(f"{name}: the file may not be read ({error.strerror})") from None
    except ValueError:  # a zero byte in the name
        raise FileError(f"{name!r}: not the name of a file") from None
    if head is None:
        raise FileError(f"{name}: neither a file nor a folder")
    if not head:
        raise FileError(f"{name}: the file is empty")
    return File(path, name, head)


def _head(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(HEAD_BYTES)


def hush() -> None:
    """Keep warnings and logs of the libraries that read headers to themselves: they quote header values.

    A filter is set rather than `catch_warnings` entered, which is not safe where frames are decoded in threads.
    """
    for library in ("pydicom", "nibabel.global", "PIL", "libav"):
        logging.getLogger(library).setLevel(logging.CRITICAL + 1)
    if ("ignore", None, Warning, re.compile(LOUD), 0) not in warnings.filters:
        warnings.filterwarnings("ignore", module=LOUD)
