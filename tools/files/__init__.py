"""Read files into a study.

    study = files.open("chest.dcm")
    study = files.open_many([("2023.dcm", "prior"), ("2024.dcm", "current")])

What a file is goes by its content. `<kind>.py` defines `<kind>(file)`, which gives the sources in a file of that kind.
Whatever is wrong with what was given comes out as a FileError, here or when a plane is first looked at.
"""

from collections.abc import Iterable
from pathlib import Path

from tools.files.file import FileError, look
from tools.files.kinds import kind
from tools.lookup import find
from tools.study import Source, Study

__all__ = ["FileError", "open", "open_many"]


def open(path: Path | str, *, role: str = "", series: int | None = None) -> Study:
    """The study in a file, or in a folder of DICOM files.

    `role` is what its sources are in the study ("current", "prior" ...); `series` chooses one of several series in a
    folder by its number in the list that the refusal gives, from 1. Raises FileError.
    """
    return Study(sources=tuple(_sources(path, role, series)))


def open_many(paths: Iterable[tuple[Path | str, str]], *, series: int | None = None) -> Study:
    """One study from several (path, role). Raises FileError."""
    return Study(sources=tuple(source for path, role in paths for source in _sources(path, role, series)))


def _sources(path: Path | str, role: str, series: int | None) -> Iterable[Source]:
    path, name = Path(path), str(path)
    if _is_folder(path):
        from tools.files.dicom_series import dicom_series

        sources = dicom_series(path, name, series)
    else:
        file = look(path, name)
        sources = find("tools.files", kind(file))(file)
    for source in sources:
        own = ", ".join(filter(None, (role, source.role)))
        yield source.model_copy(update={"role": own}) if own != source.role else source


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):  # `look` says what is wrong
        return False
