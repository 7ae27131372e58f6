"""What the header of a NIfTI, Analyze or MGH file says of its voxels."""

from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tools.files.file import File
from tools.files.orientation import letters

if TYPE_CHECKING:
    from nibabel import AnalyzeHeader

MM = {"mm": 1.0, "micron": 1e-3, "meter": 1e3}
SECONDS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}
AGREE = 0.01
"""Sizes that differ by less than this share, and angles whose cosine is below it, count as equal and as right."""


class Volumes(NamedTuple):
    """What a header says."""

    shape: tuple[int, ...]
    """Number of voxels along i, j, k, and how many volumes, or frames where there is one slice."""
    dtype: np.dtype
    offset: int
    slope: float
    intercept: float
    spacing_mm: tuple[float, float, float] | None
    """Along i, j, k."""
    note: str
    orientation: tuple[str, ...] | None
    """The sides towards which i, j, k grow."""
    step_s: float
    """Between volumes; 0.0 where unknown."""
    beside: bool = False
    """The voxels are in a file of their own, of the same name, that ends in .img."""


def nifti_header(file: File, head: bytes) -> Volumes:
    """NIfTI-1 (nifti1.h), NIfTI-2 (nifti2.h), or Analyze 7.5, which states no orientation and no unit."""
    import nibabel

    if head[4:7] in (b"n+2", b"ni2"):
        kind: type[AnalyzeHeader] = nibabel.Nifti2Header
    else:
        kind = nibabel.Nifti1Header if head[344:347] in (b"n+1", b"ni1") else nibabel.AnalyzeHeader
    header = kind.from_fileobj(BytesIO(head), check=False)
    beside = head[344:347] != b"n+1" and head[4:7] != b"n+2"
    placed = kind is not nibabel.AnalyzeHeader and max(int(header["qform_code"]), int(header["sform_code"])) > 0
    unit, time_unit = ("unknown", "unknown") if kind is nibabel.AnalyzeHeader else header.get_xyzt_units()
    sizes = np.abs(np.array(header["pixdim"], float)[1:5])
    affine = header.get_best_affine()[:3, :3] if placed else None
    slope, intercept = header.get_slope_inter()
    dtype = _checked_type(file, header.get_data_dtype())
    spacing, note = _spacing(sizes[:3], unit, affine)
    return Volumes(
        shape=_shape(file, header.get_data_shape()),
        dtype=dtype,
        offset=max(int(header.get_data_offset()), 0 if beside else header.single_vox_offset),
        slope=1.0 if slope is None or dtype.names else float(slope),
        intercept=0.0 if intercept is None or dtype.names else float(intercept),
        spacing_mm=spacing,
        note=note,
        orientation=None if affine is None else _sides(affine),
        step_s=float(sizes[3]) * SECONDS.get(time_unit, 0.0),
        beside=beside,
    )


def mgh_header(file: File, head: bytes) -> Volumes:
    """FreeSurfer's MGH, whose lengths are in mm and whose repetition time is in ms."""
    from nibabel.freesurfer.mghformat import MGHHeader

    header = MGHHeader.from_fileobj(BytesIO(head.ljust(1024, b"\0")), check=False)
    affine = header.get_affine()[:3, :3] if int(header["goodRASFlag"]) == 1 else None
    spacing, note = _spacing(np.array(header["delta"], float), "mm", affine)
    return Volumes(
        shape=_shape(file, header.get_data_shape()),
        dtype=_checked_type(file, header.get_data_dtype()),
        offset=int(header.get_data_offset()),
        slope=1.0,
        intercept=0.0,
        spacing_mm=spacing,
        note=note,
        orientation=None if affine is None else _sides(affine),
        step_s=0.0,
    )


def _shape(file: File, stated: tuple[int, ...]) -> tuple[int, int, int, int]:
    """(i, j, k, n), from two to four axes and any more of length 1."""
    shape = [int(n) for n in stated]
    if len(shape) < 2 or any(n != 1 for n in shape[4:]):
        raise file.refuse(f"its axes are {shape}; it must have two to four axes: x, y, z and time")
    i, j, k, n = [*shape, 1, 1][:4]
    return i, j, k, n


def _checked_type(file: File, dtype: np.dtype) -> np.dtype:
    colors = dtype.names is not None and dtype.itemsize in (3, 4)
    if not colors and (dtype.kind not in "buif" or dtype.itemsize > 8):
        raise file.refuse(f"voxels of {dtype}; they must be whole or real numbers of up to 64 bits, or colours")
    return dtype


def _spacing(sizes: np.ndarray, unit: str, affine: np.ndarray | None) -> tuple[tuple[float, float, float] | None, str]:
    """The size of a voxel along i, j, k, mm, or None; and what it refers to or why there is none."""
    if not np.isfinite(sizes).all() or (sizes <= 0).any():
        return None, f"the file states a voxel of {' by '.join(f'{s:g}' for s in sizes)}, which cannot be"
    if unit not in MM and affine is None:
        return None, "the file states the size of a voxel without a unit"
    if affine is not None:
        with np.errstate(over="ignore"):
            lengths = np.linalg.norm(affine, axis=0)
        if not np.allclose(lengths, sizes, rtol=AGREE, atol=0):
            return None, "the file states two sizes of a voxel that differ, by its header and by its affine"
        slant = np.abs((affine / lengths).T @ (affine / lengths) - np.eye(3)).max()
        if slant > AGREE:
            return None, "the axes of the volume are not at right angles"
    i, j, k = (float(s) * MM.get(unit, 1.0) for s in sizes)
    note = (
        "in the patient"
        if unit in MM
        else "in the patient, taken as mm since the file places the volume but names no unit"
    )
    return (i, j, k), note


def _sides(affine: np.ndarray) -> tuple[str, ...] | None:
    """The sides towards which i, j, k grow, from a (3, 3) map of voxels to right, front, head."""
    return letters(affine.T * (-1, -1, 1))
