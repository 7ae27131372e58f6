"""Volumes of brain imaging: NIfTI-1 and -2, as .nii, .nii.gz or .hdr with .img; Analyze; MGH and .mgz."""

from typing import Any

import numpy as np

from tools.files.file import File, look
from tools.files.kinds import unpacked_head
from tools.files.nifti_header import Volumes, mgh_header, nifti_header
from tools.files.stacked import spread
from tools.files.unpacked import unpacked
from tools.study import Read, Source, array_reader, content_id


def nifti(file: File) -> tuple[Source, ...]:
    """The volume in a file; where it holds several, one source each, 64 of them at most, spread evenly.

    The axes (z, y, x) are the file's (k, j, i), so nothing is copied. The values stay in the type they are stored in.
    """
    from nibabel.freesurfer.mghformat import MGHError
    from nibabel.spatialimages import HeaderDataError
    from nibabel.wrapstruct import WrapStructError

    head = unpacked_head(file.head)
    with file.reading("the header", HeaderDataError, WrapStructError, MGHError):
        said = mgh_header(file, head) if head.startswith(b"\0\0\0\x01") else nifti_header(file, head)
    i, j, k, count = said.shape
    for width, height in ((i, j), (i, k), (j, k)):
        file.check_plane(width, height)
    id, data = _data(file, head, said)
    needed = said.offset + i * j * k * count * said.dtype.itemsize
    if len(data) < needed:
        raise file.refuse(f"the file is cut short: its voxels need {needed} bytes and it has {len(data)}")
    voxels = _colors(
        np.ndarray(said.shape, said.dtype, data, said.offset, order="F").T
    )  # (n, k, j, i) or (n, k, j, i, 3)
    if k == 1 and count > 1:
        return (_film(id, voxels[:, 0], said),)
    return tuple(_volume(id, voxels[n], said, n) for n in spread(count))


def _data(file: File, head: bytes, said: Volumes) -> tuple[str, np.ndarray]:
    """The id of the file, and [n] the bytes that hold its voxels, read from the disk as they are looked at."""
    if head is not file.head:
        return file.id, unpacked(file)
    if not said.beside:
        return file.id, np.memmap(file.path, np.uint8, "r")
    path = file.path.with_suffix(".img")
    if not path.exists():
        raise file.refuse("its voxels are in a file of the same name that ends in .img, which is not beside it")
    return content_id(file.id.encode(), look(path, file.name).id.encode()), np.memmap(path, np.uint8, "r")


def _colors(voxels: np.ndarray) -> np.ndarray:
    """Colour voxels, which are records of three or four bytes, as (..., 3)."""
    if voxels.dtype.names is None:
        return voxels
    return voxels.view(np.uint8).reshape(*voxels.shape, voxels.dtype.itemsize)[..., :3]


def _volume(file_id: str, voxels: np.ndarray, said: Volumes, n: int) -> Source:
    count = said.shape[3]
    return Source.lazy(
        _reader(voxels, "zyx"),
        id=content_id(file_id.encode(), str(n).encode()) if count > 1 else file_id,
        role=f"volume {n + 1} of {count}" if count > 1 else "",
        axes="zyx",
        spacing_mm=said.spacing_mm and said.spacing_mm[::-1],
        orientation=said.orientation and said.orientation[::-1],
        **_fields(voxels, said),
    )


def _film(file_id: str, voxels: np.ndarray, said: Volumes) -> Source:
    """One slice, many times."""
    count = len(voxels)
    return Source.lazy(
        _reader(voxels, "tyx"),
        id=file_id,
        axes="tyx",
        spacing_mm=said.spacing_mm and (0.0, said.spacing_mm[1], said.spacing_mm[0]),
        times_s=tuple(n * said.step_s for n in range(count)) if said.step_s > 0 else None,
        **_fields(voxels, said),
    )


def _fields(voxels: np.ndarray, said: Volumes) -> dict[str, Any]:
    return {
        "shape": voxels.shape[:3],
        "color": voxels.ndim == 4,
        "dtype": voxels.dtype.newbyteorder("=").str,
        "slope": said.slope,
        "intercept": said.intercept,
        "spacing_note": said.note,
    }


def _reader(voxels: np.ndarray, axes: str) -> Read:
    planes, kind = array_reader(voxels, axes), voxels.dtype.newbyteorder("=")
    return lambda axis, index: planes(axis, index).astype(kind, copy=False)
