"""A folder of DICOM files: the slices of one series as a volume."""

import os
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tools.files.dicom import described, dicom, in_plane, rescaled, volume
from tools.files.dicom_grey import rescale
from tools.files.dicom_pixels import find_pixels, frame_reader, read_header
from tools.files.dicom_safe import safe_modality
from tools.files.dicom_stack import NO_PLACE, Stack, slice_of, stacks
from tools.files.dicom_values import numbers, whole, word
from tools.files.file import File, FileError, look
from tools.files.kinds import kind
from tools.files.stacked import spread
from tools.study import Source, content_id

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset

FOLDER_FILES = 5_000
"""How many files a folder may hold."""

SLICED = frozenset(("CT", "MR", "PT"))
"""Modalities whose pictures are slices of a volume even where the file does not say where they lie."""


class Member(NamedTuple):
    """One file of a series."""

    file: File
    header: "FileDataset"
    at: int
    """Where its pixels begin."""


def dicom_series(folder: Path, name: str, series: int | None = None) -> tuple[Source, ...]:
    """The volumes, or the single pictures, of one DICOM series in a folder and in the folders in it.

    Raises FileError where there is no series, or where there are several and `series` (from 1) chooses none of them.
    """
    members = sorted(filter(None, (_member(file) for file in _files(folder, name))), key=_rank)
    if not members:
        raise FileError(f"{name}: there is no DICOM picture in this folder; give another folder, or a single file")
    found = [list(group) for _, group in groupby(members, key=_series)]
    if series is None and len(found) > 1:
        raise FileError(
            f"{name}: the folder holds {len(found)} series; choose one with series=1 to {len(found)}: {_listed(found)}"
        )
    if not 1 <= (series or 1) <= len(found):
        raise FileError(f"{name}: there is no series {series}; there are: {_listed(found)}")
    return _sources(found[(series or 1) - 1])


def _files(folder: Path, name: str) -> list[File]:
    try:
        paths = [Path(place, file) for place, _, files in os.walk(folder) for file in files if not file.startswith(".")]
    except OSError as error:
        raise FileError(f"{name}: the folder may not be read ({error.strerror})") from None
    if len(paths) > FOLDER_FILES:
        raise FileError(f"{name}: the folder holds {len(paths)} files, more than the {FOLDER_FILES} that are looked at")
    return [look(path, name) for path in sorted(paths) if path.is_file() and path.stat().st_size]


def _member(file: File) -> Member | None:
    """A file as part of a series; None where it is no DICOM picture."""
    try:
        if kind(file) != "dicom":
            return None
    except FileError:  # of no kind that is known: a note beside the pictures
        return None
    header, at = read_header(file)
    return Member(file, header, at) if whole(header, "Rows") > 0 and whole(header, "Columns") > 0 else None


def _series(member: Member) -> tuple[Any, ...]:
    """What the slices of one volume share."""
    header = member.header
    alike = ("Rows", "Columns", "SamplesPerPixel", "BitsAllocated", "PixelRepresentation")
    spacing = tuple(round(s, 4) for s in numbers(header, "PixelSpacing"))
    place = whole(header, "SeriesNumber"), word(header, "SeriesInstanceUID"), word(header, "PhotometricInterpretation")
    return (*place, *(whole(header, keyword) for keyword in alike), spacing)


def _rank(member: Member) -> tuple[Any, ...]:
    return (*_series(member), whole(member.header, "InstanceNumber"), str(member.file.path))


def _listed(found: list[list[Member]]) -> str:
    """Each series by its number, modality, count and size: nothing that a header says in free text."""
    told = []
    for n, (first, *more) in enumerate(found, 1):
        size = f"{whole(first.header, 'Columns')} by {whole(first.header, 'Rows')} pixels"
        files = f"{len(more) + 1} images" if more else "1 image"
        told.append(f"{n}: {safe_modality(first.header) or 'unknown modality'}, {files} of {size}")
    return "; ".join(told)


def _sources(members: list[Member]) -> tuple[Source, ...]:
    if len(members) == 1 or any(whole(m.header, "NumberOfFrames", 1) > 1 for m in members):
        return _one_by_one(members)
    found = stacks([slice_of(m.header) for m in members])
    if found is None or len(found[0].order) == 1:
        return _one_by_one(members)
    if found[0].note == NO_PLACE and safe_modality(members[0].header) not in SLICED:
        return _one_by_one(members)
    return tuple(
        _stacked(members, found[n], f"volume {n + 1} of {len(found)}" if len(found) > 1 else "")
        for n in spread(len(found))
    )


def _one_by_one(members: list[Member]) -> tuple[Source, ...]:
    chosen = [members[n] for n in spread(len(members))]
    return tuple(source for member in chosen for source in dicom(member.file))


def _stacked(members: list[Member], stack: Stack, role: str) -> Source:
    slices = [members[n] for n in stack.order]
    pixels = [find_pixels(*member) for member in slices]
    readers = [frame_reader(m.file, m.header, p) for m, p in zip(slices, pixels, strict=True)]
    scales = [rescale(m.header) for m in slices]
    header = slices[0].header
    in_order = stack._replace(order=tuple(range(len(slices))))
    return volume(
        in_order,
        rescaled(lambda index: readers[index](0), scales),
        pixels[0],
        in_plane(header),
        described(header, pixels[0], scales),
        content_id(*(m.file.id.encode() for m in slices)),
        role,
    )
