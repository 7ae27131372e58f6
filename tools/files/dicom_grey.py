"""From the stored values of a DICOM picture to values with a unit, and the grey windows it proposes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, cast

from tools.files.dicom_safe import UNITS, safe_modality, safe_window_name
from tools.files.dicom_values import item, items, number, numbers, word, words
from tools.grey import Grey

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


class Rescale(NamedTuple):
    """value = slope * stored + intercept, in `unit`. DICOM PS3.3 C.11.1.1.2."""

    slope: float = 1.0
    intercept: float = 0.0
    unit: str = ""


def rescale(header: "Dataset", frame: "Dataset | None" = None) -> Rescale:
    """What the header, or the functional groups of one frame, say of the values."""
    if safe_modality(header) == "RTDOSE":  # PS3.3 C.8.8.3: a dose has a scaling of its own
        return Rescale(number(header, "DoseGridScaling") or 1.0, 0.0, UNITS.get(word(header, "DoseUnits"), ""))
    if items(header, "ModalityLUTSequence"):
        return Rescale(unit=UNITS.get(word(item(header, "ModalityLUTSequence"), "ModalityLUTType"), ""))
    where = header
    if frame is not None and items(frame, "PixelValueTransformationSequence"):
        where = item(frame, "PixelValueTransformationSequence")
    slope, intercept = number(where, "RescaleSlope"), number(where, "RescaleIntercept")
    if slope is None or intercept is None or slope == 0:
        return Rescale(unit=UNITS.get(word(header, "Units"), ""))
    return Rescale(slope, intercept, _unit(header, where))


def _unit(header: "Dataset", where: "Dataset") -> str:
    if named := word(where, "RescaleType") or word(header, "Units"):
        return UNITS.get(named, "")
    return "HU" if safe_modality(header) == "CT" else ""  # PS3.3 C.8.2.1.1.3: HU where no type is given


def presets(header: "Dataset", frame: "Dataset | None" = None) -> tuple[Grey, ...]:
    """The grey windows of a picture, in its order. DICOM PS3.3 C.11.2.1.2."""
    where = header
    if frame is not None and items(frame, "FrameVOILUTSequence"):
        where = item(frame, "FrameVOILUTSequence")
    levels, widths = numbers(where, "WindowCenter"), numbers(where, "WindowWidth")
    names = words(where, "WindowCenterWidthExplanation")
    function = word(where, "VOILUTFunction")
    if function not in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
        function = "LINEAR"
    known = cast(Literal["LINEAR", "LINEAR_EXACT", "SIGMOID"], function)
    return tuple(
        Grey(level=level, width=width, function=known, name=safe_window_name(_at(names, n)))
        for n, (level, width) in enumerate(zip(levels, widths, strict=False))
        if width > 0
    )


def _at(texts: Sequence[str], n: int) -> str:
    return texts[n] if n < len(texts) else ""
