"""Read single values of a DICOM header, whatever state it is in: what cannot be understood is absent."""

import math
from typing import TYPE_CHECKING, Any

from tools.files.file import BROKEN

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


def malformed() -> tuple[type[Exception], ...]:
    """What pydicom raises on a header that it cannot read."""
    from pydicom.errors import BytesLengthException

    return (*BROKEN, BytesLengthException)


def value(header: "Dataset", keyword: str) -> Any:
    """The value of an element; None where it is absent, empty or malformed."""
    try:
        found = header.get(keyword)
    except malformed():  # pydicom reads a value when it is first asked for
        return None
    return None if found == "" else found


def numbers(header: "Dataset", keyword: str) -> tuple[float, ...]:
    """All values as finite numbers; empty where any of them is none."""
    found = value(header, keyword)
    if found is None:
        return ()
    try:
        values = tuple(float(v) for v in (found if _is_many(found) else (found,)))
    except (ValueError, TypeError):
        return ()
    return values if all(math.isfinite(v) for v in values) else ()


def number(header: "Dataset", keyword: str) -> float | None:
    """The first value as a finite number."""
    return next(iter(numbers(header, keyword)), None)


def whole(header: "Dataset", keyword: str, default: int = 0) -> int:
    """The first value as a whole number."""
    found = number(header, keyword)
    return default if found is None else int(found)


def words(header: "Dataset", keyword: str) -> tuple[str, ...]:
    """All values as stripped text."""
    found = value(header, keyword)
    if found is None:
        return ()
    return tuple(str(v).strip() for v in (found if _is_many(found) else (found,)))


def word(header: "Dataset", keyword: str) -> str:
    """The first value as stripped text; empty where absent."""
    return next(iter(words(header, keyword)), "")


def items(header: "Dataset", keyword: str) -> "tuple[Dataset, ...]":
    """The items of a sequence."""
    found = value(header, keyword)
    return tuple(found) if found is not None and _is_many(found) else ()


def item(header: "Dataset", keyword: str) -> "Dataset":
    """The first item of a sequence; an empty one where there is none."""
    from pydicom.dataset import Dataset

    return next(iter(items(header, keyword)), Dataset())


def _is_many(found: Any) -> bool:
    return hasattr(found, "__iter__") and not isinstance(found, str | bytes)
