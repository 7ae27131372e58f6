"""Read the frames of a DICOM file one at a time."""

import io
import struct
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np

from tools.files.dicom_codecs import decoder
from tools.files.dicom_refusals import check, without_picture
from tools.files.dicom_values import item, items, malformed, number, numbers
from tools.files.file import File
from tools.files.stacked import Frame

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset

INFLATED_BYTES = 2**30
"""The largest data set that is inflated in memory."""

KEYWORDS = {0x7FE00008: "FloatPixelData", 0x7FE00009: "DoubleFloatPixelData", 0x7FE00010: "PixelData"}


class Pixels(NamedTuple):
    """Where the frames of a file lie, and how they are decoded."""

    open: Callable[[], BinaryIO]
    """The file at the first byte of the pixel data."""
    size: int
    """How many bytes there are, from there on."""
    syntax: str
    """UID of the transfer syntax."""
    options: dict[str, Any]
    """What pydicom's decoders must be told."""
    dtype: str
    """Type of the values of a frame, as numpy writes it."""

    @property
    def colored(self) -> bool:
        """Whether frames are (H, W, 3)."""
        return self.options["samples_per_pixel"] == 3 or self.options["photometric_interpretation"] == "PALETTE COLOR"

    @property
    def frames(self) -> int:
        """How many frames there are."""
        return self.options["number_of_frames"]

    @property
    def width(self) -> int:
        return self.options["columns"]

    @property
    def height(self) -> int:
        return self.options["rows"]


def read_header(file: File) -> "tuple[FileDataset, int]":
    """All of a DICOM file that comes before its pixels, and where in the file they begin."""
    import pydicom

    with file.reading("the DICOM header", *malformed()), file.path.open("rb") as stream:
        _check_inflated(file)
        return pydicom.dcmread(stream, stop_before_pixels=True, force=True), stream.tell()


def _check_inflated(file: File) -> None:
    """Refuse a deflated file that inflates to too much, which pydicom would do in one go. DICOM PS3.5 A.5."""
    from pydicom.filereader import read_file_meta_info
    from pydicom.uid import DeflatedExplicitVRLittleEndian

    if DeflatedExplicitVRLittleEndian.encode() not in file.head:
        return
    start = 132 + 12 + read_file_meta_info(file.path).FileMetaInformationGroupLength  # PS3.10 7.1
    size, packed, inflate = 0, file.path.read_bytes()[start:], zlib.decompressobj(-zlib.MAX_WBITS)
    while packed and size <= INFLATED_BYTES:
        size += len(inflate.decompress(packed, 2**24))
        packed = inflate.unconsumed_tail
    if size > INFLATED_BYTES:
        raise file.refuse(f"it inflates to more than the {INFLATED_BYTES / 2**30:g} GiB that are read")


def find_pixels(file: File, header: "FileDataset", at: int) -> Pixels:
    """Where the frames of a file are. Raises FileError where it has no picture, or one that cannot be decoded."""
    with file.reading("the DICOM header", *malformed()):
        pixels = _found(file, header, at)
    if pixels is None:
        raise without_picture(file, header)
    check(file, pixels)
    return pixels


def frame_reader(file: File, header: "FileDataset", pixels: Pixels) -> Frame:
    """Decode one frame at a time: (H, W), or (H, W, 3) RGB, in the type it is stored in. Raises FileError."""
    from pydicom.pixels.processing import apply_color_lut, apply_modality_lut

    coded = decoder(pixels.syntax)
    colored = pixels.options["photometric_interpretation"] == "PALETTE COLOR"
    looked_up = bool(items(header, "ModalityLUTSequence"))

    def read(index: int) -> np.ndarray:
        with file.reading(f"frame {index + 1}", *malformed()), pixels.open() as stream:
            plane, _ = coded.as_array(stream, index=index, **pixels.options)
            if colored:
                plane = apply_color_lut(plane, header)
            elif looked_up:
                plane = apply_modality_lut(plane, header)
        return np.ascontiguousarray(plane, plane.dtype.newbyteorder("="))

    return read


def _found(file: File, header: "FileDataset", at: int) -> Pixels | None:
    import pydicom
    from pydicom.uid import DeflatedExplicitVRLittleEndian

    syntax = _syntax(header)
    if syntax == DeflatedExplicitVRLittleEndian:  # the whole data set is one compressed stream
        inflated = pydicom.dcmread(file.path, force=True)
        if "PixelData" not in inflated:
            return None
        data = inflated.PixelData
        options = _options(file, header, 0x7FE00010, inflated["PixelData"].VR)
        return Pixels(lambda: io.BytesIO(data), len(data), syntax, options, _type(header, options))
    with file.path.open("rb") as stream:
        stream.seek(at)
        start = _start(stream, header)
    if start is None:
        return None
    tag, vr, offset, length = start

    def open() -> BinaryIO:
        opened = file.path.open("rb")
        opened.seek(offset)
        return opened

    options = _options(file, header, tag, vr)
    return Pixels(open, min(length, file.size - offset), syntax, options, _type(header, options))


def _syntax(header: "FileDataset") -> str:
    """The transfer syntax; for a file that does not name one, the uncompressed one it was read with."""
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    if named := header.file_meta.get("TransferSyntaxUID"):
        return str(named)
    implicit, little = header.original_encoding
    return ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian if little else ExplicitVRBigEndian


def _start(stream: BinaryIO, header: "FileDataset") -> tuple[int, str, int, int] | None:
    """Tag, value representation, offset and length of the pixel data, where `stream` stands. DICOM PS3.5 7.1."""
    order, at = "<" if header.original_encoding[1] else ">", stream.tell()
    start = stream.read(12)
    if len(start) < 12:
        return None
    group, element = struct.unpack_from(f"{order}HH", start)
    tag, vr = group << 16 | element, start[4:6]
    if tag not in KEYWORDS:
        return None
    if vr in (
        b"OB",
        b"OW",
        b"OF",
        b"OD",
        b"UN",
    ):  # asked here, since files exist that name another syntax than they use
        return tag, vr.decode("ascii"), at + 12, struct.unpack_from(f"{order}I", start, 8)[0]
    return tag, "OW", at + 8, struct.unpack_from(f"{order}I", start, 4)[0]


def _options(file: File, header: "FileDataset", tag: int, vr: str) -> dict[str, Any]:
    from pydicom.pixels.utils import as_pixel_options

    count = number(header, "NumberOfFrames")
    if header.get_item("NumberOfFrames") and (count is None or count != int(count)):
        raise file.refuse("its header states a number of frames that is no whole number")
    options = as_pixel_options(
        header, pixel_vr=vr, pixel_keyword=KEYWORDS[tag], number_of_frames=max(1, int(count or 1))
    )
    if options.get("planar_configuration") is None:
        options["planar_configuration"] = 0  # the standard wants it for colour, yet it is often left out
    if options.get("photometric_interpretation") == "XYB":
        options["photometric_interpretation"] = "RGB"  # what a JPEG XL decoder gives
    return options


def _type(header: "FileDataset", options: dict[str, Any]) -> str:
    """What a frame is made of when palette and lookup table are applied. DICOM PS3.3 C.7.6.3.1.5 and C.11.1.1."""
    table = (
        header if options.get("photometric_interpretation") == "PALETTE COLOR" else item(header, "ModalityLUTSequence")
    )
    keyword = "LUTDescriptor" if table is not header else "RedPaletteColorLookupTableDescriptor"
    if depth := numbers(table, keyword)[2:]:
        return "|u1" if depth[0] <= 8 else "<u2"
    size = max(1, (options.get("bits_allocated") or 8) // 8)
    sign = "f" if "Float" in options["pixel_keyword"] else "i" if options.get("pixel_representation") == 1 else "u"
    return np.dtype(f"{sign}{size}").str
