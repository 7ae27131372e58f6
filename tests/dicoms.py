"""Make small DICOM files with known contents."""

from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

AXIAL = [1, 0, 0, 0, 1, 0]

SERIES = generate_uid(entropy_srcs=["a series"])


def write(
    path: Path,
    pixels: np.ndarray,
    *,
    syntax: str = ExplicitVRLittleEndian,
    coded: list[bytes] | None = None,
    **tags: Any,
) -> Path:
    """A DICOM file of (H, W), (N, H, W), or those with 3 more where SamplesPerPixel=3; None leaves an element out."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[path.name])
    header = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    header.SOPClassUID, header.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    color = tags.get("SamplesPerPixel") == 3
    shape = pixels.shape[: pixels.ndim - color]
    bits = pixels.dtype.itemsize * 8
    usual = {
        "Modality": "CT",
        "SeriesInstanceUID": SERIES,
        "Rows": shape[-2],
        "Columns": shape[-1],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "RGB" if color else "MONOCHROME2",
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
    }
    if color:
        usual["PlanarConfiguration"] = 0
    if len(shape) == 3:
        usual["NumberOfFrames"] = shape[0]
    for keyword, value in {**usual, **tags}.items():
        if value is not None:
            setattr(header, keyword, value)
    header.PixelData = encapsulate(coded) if coded else pixels.tobytes() + b"\0" * (pixels.nbytes % 2)
    header["PixelData"].VR = "OB" if coded or bits == 8 else "OW"
    if coded:
        header["PixelData"].is_undefined_length = True
    header.save_as(path, enforce_file_format=True)
    return path


def item(**tags: Any) -> Dataset:
    """One item of a sequence."""
    made = Dataset()
    for keyword, value in tags.items():
        setattr(made, keyword, value)
    return made


def sequence(*items: Dataset) -> Sequence:
    return Sequence(items)


def slices(folder: Path, depths: list[float], **tags: Any) -> Path:
    """A folder of axial CT slices of 4 by 6 px at these depths, mm; slice n holds the value n everywhere."""
    folder.mkdir(exist_ok=True)
    for n, depth in enumerate(depths):
        place = {"ImagePositionPatient": [0, 0, depth], "ImageOrientationPatient": AXIAL, "PixelSpacing": [0.5, 0.25]}
        own = {name: value(n) if callable(value) else value for name, value in tags.items()}
        pixels = np.full((4, 6), n, np.int16)
        write(folder / f"{n}.dcm", pixels, **{"InstanceNumber": n + 1, **place, **own})
    return folder
