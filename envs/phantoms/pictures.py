"""Real pictures to draw on, from packages that are installed: other ones for training than for validation and test.

Only pixels are taken: nothing of a header but the modality.
"""

from functools import lru_cache
from importlib.resources import files as package
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from envs.phantoms.series import Setting
from tools import files
from tools.image import percentile_grey
from tools.study import Source

LARGEST_PX = 1024
"""Longer sides are reduced to this when a picture is read: a crop keeps as much detail as is shown of it."""
TRAIN = ("RG1_UNCR.dcm", "MR2_UNCR.dcm", "CT_small.dcm", "nibabel:anatomical.nii")
HELD_OUT = ("RG3_UNCR.dcm", "MR-SIEMENS-DICOM-WithOverlays.dcm", "explicit_VR-UN.dcm", "nibabel:example4d.nii.gz")
"""Names as pydicom's data and pydicom-data have them, and files of nibabel's tests."""


class Picture(NamedTuple):
    name: str
    modality: str
    values: np.ndarray
    """(H, W), float32, in [0, 1]; dense is bright."""


@lru_cache(maxsize=2)
def pictures(names: tuple[str, ...]) -> tuple[Picture, ...]:
    """Those of some pictures that are installed; read once a process."""
    found = ((name, _path(name)) for name in names)
    return tuple(_picture(name, path) for name, path in found if path is not None)


def pictures_for(setting: Setting) -> tuple[Picture, ...]:
    """The pictures of a split. Raises ImportError where real ones are asked for and none is installed."""
    found = pictures(TRAIN if setting.split == "train" else HELD_OUT)
    if not found and setting.background == "real":
        raise ImportError("real backgrounds need pictures, and none is installed: pip install 'overread[demo]'")
    return found


def _path(name: str) -> Path | None:
    """Where a picture lies; None where it is not installed."""
    origin, _, file = name.rpartition(":")
    if origin:
        path = Path(str(package(origin))) / "tests" / "data" / file
        return path if path.is_file() else None
    from pydicom.data import get_testdata_file

    found = get_testdata_file(file, download=False)
    return Path(str(found)) if found else None


def _picture(name: str, path: Path) -> Picture:
    (source, *_) = files.open(path).sources
    return Picture(Path(name.rpartition(":")[2]).name.partition(".")[0], source.modality or "MR", _values(source))


def _values(source: Source) -> np.ndarray:
    values = source.values(0, source.count() // 2)
    grey = percentile_grey(values, 0.5, 99.5)
    share = np.clip((values - grey.level) / grey.width + 0.5, 0, 1).astype(np.float32)
    dense = 1 - share if source.inverted else share
    shrink = min(1.0, LARGEST_PX / max(share.shape))
    return np.asarray(cv2.resize(dense, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA))
