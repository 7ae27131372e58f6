"""Which DICOM files are refused before anything is decoded, and in which words."""

from typing import TYPE_CHECKING, Any

from tools.files.dicom_codecs import decoder
from tools.files.dicom_values import word
from tools.files.file import File, FileError

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset

    from tools.files.dicom_pixels import Pixels


def check(file: File, pixels: "Pixels") -> None:
    """Refuse, before anything is decoded, what cannot be."""
    options = pixels.options
    if missing := {"rows", "columns", "bits_allocated", "samples_per_pixel", "photometric_interpretation"} - {
        name for name, found in options.items() if found not in (None, "")
    }:
        raise file.refuse(f"its header does not state {', '.join(sorted(missing))}, without which pixels mean nothing")
    file.check_plane(pixels.width, pixels.height)
    try:
        coded = decoder(pixels.syntax)
    except NotImplementedError:
        raise file.refuse(
            f"its pixels are stored as {_named(pixels.syntax)}, which cannot be decoded; convert it first"
        ) from None
    with file.reading("the description of its pixels"):
        whole = pixels.frames if coded.is_native else _fragments(pixels)
        needed = _frame_bytes(options) * pixels.frames if coded.is_native else 0
    if pixels.size < needed:
        raise file.refuse(f"the file is cut short: its pixels need {needed:.0f} bytes and it has {pixels.size}")
    if whole < pixels.frames:
        raise file.refuse(f"the file is cut short: its header states {pixels.frames} frames and it has {whole}")


def _frame_bytes(options: dict[str, Any]) -> float:
    size = options["rows"] * options["columns"] * options["samples_per_pixel"] * options["bits_allocated"] / 8
    # two pixels share their colour: DICOM PS3.3 C.7.6.3.1.2
    return size * 2 / 3 if options["photometric_interpretation"] == "YBR_FULL_422" else size


def _fragments(pixels: "Pixels") -> int:
    """How many pieces of pixel data are whole: no file has more frames. DICOM PS3.5 A.4."""
    from pydicom.encaps import parse_basic_offsets, parse_fragments

    with pixels.open() as stream:
        start = stream.tell()
        parse_basic_offsets(stream)
        count, offsets = parse_fragments(stream)
        if not count:
            return 0
        stream.seek(offsets[-1] + 4)
        end = offsets[-1] + 8 + int.from_bytes(stream.read(4), "little")
    return count if end - start <= pixels.size else count - 1


def without_picture(file: File, header: "FileDataset") -> FileError:
    if not len(header):
        return file.refuse("it is not a DICOM file, or nothing of it is left")
    return file.refuse(f"it is a DICOM file without a picture{_kind(header)}; give the files that hold the pictures")


def _kind(header: "FileDataset") -> str:
    from pydicom.uid import UID_dictionary

    uid = word(header, "SOPClassUID") or word(header.file_meta, "MediaStorageSOPClassUID")
    return f" ({UID_dictionary[uid][0]})" if uid in UID_dictionary else ""


def _named(syntax: str) -> str:
    from pydicom.uid import UID_dictionary

    return UID_dictionary[syntax][0] if syntax in UID_dictionary else "something that DICOM does not define"
