"""Every DICOM file that pydicom, pydicom-data and nibabel ship is read as pydicom reads it, or refused in words."""

import os
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.pixels import apply_color_lut, apply_modality_lut, pixel_array
from pydicom.uid import JPEGBaseline8Bit

from tools import files
from tools.files import FileError

data_store = pytest.importorskip("data_store", reason="pydicom-data is not installed")
nibabel = pytest.importorskip("nibabel")
for plugin in ("pylibjpeg", "libjpeg", "openjpeg", "jpeg_ls"):
    pytest.importorskip(plugin, reason="pydicom needs its own decoders to compare with")

FOLDERS = (
    Path(pydicom.__file__).parent / "data",
    Path(data_store.__file__).parent / "data",
    Path(nibabel.__file__).parent / "nicom" / "tests" / "data",
)

DIFFERENT = {
    "JPGExtended.dcm": "12-bit lossy JPEG: the inverse transforms of libjpeg-turbo and libjpeg round differently",
}
"""Files whose pixels differ from pydicom's, and why."""

ONLY_HERE = {
    "JPEG-lossy.dcm": "12-bit lossy JPEG that libjpeg calls broken and libjpeg-turbo decodes",
    "emri_small_jpeg_2k_lossless_too_short.dcm": "a trailing delimiter is missing; every frame is there",
}
"""Files that pydicom cannot decode and that are read here."""


PLUGINS = {JPEGBaseline8Bit: "pillow"}
"""Lossy JPEG is compared with Pillow, whose libjpeg-turbo rounds the same way; pydicom would ask libjpeg first."""


def paths() -> list[Path]:
    found = (Path(place, name) for root in FOLDERS for place, _, names in os.walk(root) for name in names)
    return sorted(path for path in found if path.suffix not in (".py", ".pyc"))


def frames(path: Path) -> list[np.ndarray]:
    """All frames as they are read here."""
    study = files.open(path)
    return [source.plane(0, n) for source in study.sources for n in range(source.count())]


def reference(path: Path) -> list[np.ndarray] | None:
    """All frames as pydicom gives them; None where it gives none."""
    try:
        header = pydicom.dcmread(path, force=True)
        if "TransferSyntaxUID" not in header.file_meta:
            implicit, _ = header.original_encoding
            header.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2" if implicit else "1.2.840.10008.1.2.1"
        array = pixel_array(header, decoding_plugin=PLUGINS.get(header.file_meta.TransferSyntaxUID, ""))
        if header.PhotometricInterpretation == "PALETTE COLOR":
            array = apply_color_lut(array, header)
        if "ModalityLUTSequence" in header:
            array = apply_modality_lut(array, header)
    except Exception:  # whatever pydicom raises on a file it cannot decode
        return None
    return list(array) if int(header.get("NumberOfFrames") or 1) > 1 else [array]


def same(ours: list[np.ndarray], theirs: list[np.ndarray]) -> bool:
    """The same frames, in any order: volumes are put in the order of their slices."""
    return sorted(f.astype(f.dtype.newbyteorder("<")).tobytes() for f in ours) == sorted(
        f.astype(f.dtype.newbyteorder("<")).tobytes() for f in theirs
    )


def outcome(path: Path) -> str:
    theirs = reference(path)
    try:
        ours = frames(path)
    except FileError as error:
        if not re.fullmatch(r": [^\n]{20,400}", str(error).removeprefix(str(path))):
            return "refused without words"
        return "refused" if theirs is None else "only pydicom"
    if theirs is None:
        return "only here"
    return "equal" if same(ours, theirs) else "different"


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom", "ignore::DeprecationWarning")
def test_every_dicom_file_is_read_as_pydicom_reads_it_or_refused_in_words():
    found = {path: outcome(path) for path in paths()}
    assert {p.name for p, what in found.items() if what == "only pydicom"} == set()
    assert {p.name for p, what in found.items() if what == "different"} == set(DIFFERENT)
    assert {p.name for p, what in found.items() if what == "only here"} == set(ONLY_HERE)
    assert Counter(found.values()) == {"equal": 171, "refused": 113, "different": 1, "only here": 2}


REFUSED = {
    "it is a DICOM file without a picture": 87,
    "text, not a picture": 12,
    "of no kind that is known here": 6,
    "a gzip archive of something that is not": 5,
    "frame 1 cannot be read": 1,
    "the file is cut short: its pixels need 8192 bytes and it has 8130": 1,
    "its header states a number of frames that is no whole number": 1,
}
"""How many files are refused, by the words."""


def test_what_is_refused_is_refused_for_what_it_is():
    counts = dict.fromkeys(REFUSED, 0)
    for path in paths():
        try:
            files.open(path)
        except FileError as error:
            (words,) = [w for w in REFUSED if w in str(error)]
            counts[words] += 1
    assert counts == REFUSED


def test_a_lossy_12_bit_jpeg_differs_from_pydicom_by_rounding_alone():
    path = FOLDERS[0] / "test_files" / "JPGExtended.dcm"
    (ours,), theirs = frames(path), reference(path)
    assert theirs is not None
    assert np.abs(ours.astype(int) - theirs[0].astype(int)).max() <= 1
