"""How large a pixel of a DICOM picture is, and where that number holds."""

from typing import TYPE_CHECKING

from tools.files.dicom_safe import safe_modality
from tools.files.dicom_values import items, number, numbers, whole, word
from tools.geometry import Box
from tools.study import Region, Scale

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

SECTIONS = frozenset(("CT", "MR", "PT", "NM", "US", "SEG", "RTDOSE", "OCT", "OPT", "IVUS", "IVOCT"))
"""Modalities whose pixels lie in one plane of the patient."""

DETECTOR = "measured at the detector, so things nearer the tube look larger than they are"

Spacing = tuple[float, float]
"""(y, x), mm, as PixelSpacing is written. DICOM PS3.3 10.7.1.3."""


def pixel_spacing(header: "Dataset") -> tuple[Spacing | None, str]:
    """The size of a pixel, (y, x), mm, or None; and what it refers to or why there is none."""
    for keyword in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        found = _spacing(header, keyword)
        if found is not None and min(found) > 0:
            return _referred(header, keyword, found)
    for keyword in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        if (found := _spacing(header, keyword)) is not None:
            return None, f"the file states a pixel size of {found[0]:g} by {found[1]:g} mm, which cannot be"
    return None, "the file does not state a pixel size"


def aspect(header: "Dataset") -> float:
    """The height of a pixel over its width, where that is stated. DICOM PS3.3 C.7.6.3.1.7: (vertical, horizontal)."""
    ratio = numbers(header, "PixelAspectRatio")
    return ratio[0] / ratio[1] if len(ratio) == 2 and min(ratio) > 0 else 1.0


def _spacing(header: "Dataset", keyword: str) -> Spacing | None:
    found = numbers(header, keyword)
    return (found[0], found[1]) if len(found) == 2 else None


def _referred(header: "Dataset", keyword: str, found: Spacing) -> tuple[Spacing, str]:
    """DICOM PS3.3 10.7.1.3 (calibration), C.8.7.4 and C.8.11.4.1.1 (magnification)."""
    if keyword == "NominalScannedPixelSpacing":
        return found, "measured on the film that was scanned"
    if keyword == "ImagerPixelSpacing":
        enlarged = number(header, "EstimatedRadiographicMagnificationFactor") or 0
        if enlarged <= 0:
            return found, DETECTOR
        note = f"in the patient: the size at the detector divided by the file's estimated magnification of {enlarged:g}"
        return (found[0] / enlarged, found[1] / enlarged), note
    calibration = word(header, "PixelSpacingCalibrationType")
    if calibration == "FIDUCIAL":
        return found, "calibrated to an object of known size in the picture"
    if calibration == "GEOMETRY":
        return found, "in the patient, corrected for the enlargement at an assumed depth"
    if safe_modality(header) in SECTIONS:
        return found, "in the patient"
    if _spacing(header, "ImagerPixelSpacing") == found:
        return found, DETECTOR
    return found, "as the file states it, without saying whether at the detector or in the patient"


AXIS_UNITS = {
    # DICOM PS3.3 C.8.5.5.1.15: what a unit other than cm measures
    1: "a percentage", 2: "a level in dB", 4: "time", 5: "frequency", 6: "a level in dB", 7: "velocity",
    8: "area", 9: "area in time", 10: "volume", 11: "volume in time", 12: "an angle",
}  # fmt: skip
CENTIMETRES = 3


def regions(header: "Dataset", width: int, height: int) -> tuple[Region, ...]:
    """The regions of an ultrasound picture of this size. DICOM PS3.3 C.8.5.5."""
    whole_picture = Box(x0=0, y0=0, x1=width, y1=height)
    found = []
    for entry in items(header, "SequenceOfUltrasoundRegions"):
        corners = [whole(entry, f"RegionLocation{c}", -1) for c in ("MinX0", "MinY0", "MaxX1", "MaxY1")]
        x0, y0, x1, y1 = corners
        if min(corners) < 0 or x0 > x1 or y0 > y1:
            continue
        if inside := Box(x0=x0, y0=y0, x1=x1 + 1, y1=y1 + 1).intersection(
            whole_picture
        ):  # the last pixel belongs to it
            found.append(Region(box=inside, scale=_region_scale(entry)))
    return tuple(found)


def _region_scale(entry: "Dataset") -> Scale:
    units = whole(entry, "PhysicalUnitsXDirection"), whole(entry, "PhysicalUnitsYDirection")
    for unit, name in zip(units, ("horizontal", "vertical"), strict=True):
        if unit != CENTIMETRES:
            return Scale(mm=None, note=f"its {name} axis is {AXIS_UNITS.get(unit, 'of no unit')}")
    x, y = (abs(number(entry, f"PhysicalDelta{c}") or 0) * 10 for c in "XY")  # cm to mm
    if min(x, y) <= 0:
        return Scale(mm=None, note="the file states a pixel size of 0 for this part of the picture")
    return Scale(mm=(x, y), note="in the plane of the ultrasound beam")
