"""Files to read against the clock, and the formulas their pictures are checked by."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import imagecodecs
import nibabel
import numpy as np
from isal import igzip
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, generate_uid


def tissue(shape: tuple[int, ...], top: int, seed: int = 0) -> np.ndarray:
    """uint16, 0 to `top`: soft shapes under a little noise, so that it packs about as well as a real film."""
    rng = np.random.default_rng(seed)
    height, width = shape[-2:]
    soft = cv2.resize(
        rng.random((height // 32, width // 32)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC
    )
    drawn = soft * top * 0.8 + rng.normal(0, top / 400, shape)
    return drawn.clip(0, top).astype(np.uint16)


def dx(folder: Path) -> Path:
    """A chest film of 2800 by 2700 px in 12 bits, not compressed."""
    return _dicom(folder / "dx.dcm", tissue((1, 2800, 2700), 4095), packed=False)


def dx_j2k(folder: Path) -> Path:
    """The same in lossless JPEG 2000."""
    return _dicom(folder / "dx_j2k.dcm", tissue((1, 2800, 2700), 4095), packed=True)


def film_j2k(folder: Path, frames: int) -> Path:
    """A film of 512 by 512 px in lossless JPEG 2000."""
    return _dicom(folder / "film.dcm", tissue((frames, 512, 512), 4095), packed=True)


def volume(folder: Path) -> tuple[Path, Path]:
    """A volume of 512 by 512 by 300 voxels in 16 bits: as .nii, and as .nii.gz."""
    voxels = tissue((300, 512, 512), 1000).astype(np.int16)
    plain = folder / "volume.nii"
    nibabel.Nifti1Image(voxels.T, np.diag([0.7, 0.7, 1.0, 1.0])).to_filename(plain)
    packed = folder / "packed.nii.gz"
    with igzip.open(packed, "wb", compresslevel=0) as to:
        to.write(plain.read_bytes())
    return plain, packed


def cubic(values: np.ndarray, width: int, height: int) -> np.ndarray:
    """Enlarged by Keys' cubic convolution with a = -0.75, the kernel that the views state; float64."""
    rows, columns = (_weights(n, m) for n, m in ((values.shape[0], height), (values.shape[1], width)))
    return np.einsum("ij,jk...->ik...", rows, np.einsum("jk,ik...->ij...", columns, values.astype(np.float64)))


def _weights(size: int, wanted: int) -> np.ndarray:
    """[wanted, size]"""
    a, weights = -0.75, np.zeros((wanted, size))
    for n, tap, distance in _taps(size, wanted):
        d = abs(distance)
        near = (a + 2) * d**3 - (a + 3) * d**2 + 1
        far = a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a
        weights[n, min(max(tap, 0), size - 1)] += near if d <= 1 else far
    return weights


def _taps(size: int, wanted: int) -> Iterator[tuple[int, int, float]]:
    for n in range(wanted):
        center = (n + 0.5) * size / wanted - 0.5
        for tap in range(int(np.floor(center)) - 1, int(np.floor(center)) + 3):
            yield n, tap, center - tap


def _dicom(path: Path, frames: np.ndarray, packed: bool) -> Path:
    file = Dataset()
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = JPEG2000Lossless if packed else ExplicitVRLittleEndian
    file.SOPClassUID, file.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1.1", generate_uid()
    file.Modality, file.PhotometricInterpretation, file.SamplesPerPixel = "DX", "MONOCHROME2", 1
    file.NumberOfFrames, file.Rows, file.Columns = frames.shape
    file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelRepresentation = 16, 12, 11, 0
    file.PixelSpacing, file.WindowCenter, file.WindowWidth = [0.143, 0.143], 2048, 4096
    if packed:
        how = {"level": 0, "codecformat": "j2k", "bitspersample": 12, "reversible": True}
        file.PixelData = encapsulate([imagecodecs.jpeg2k_encode(frame, **how) for frame in frames])
    else:
        file.PixelData = frames.tobytes()
    file["PixelData"].VR = "OB" if packed else "OW"
    file.save_as(path, enforce_file_format=True)
    return path
