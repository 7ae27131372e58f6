"""What a file is, by its first bytes. Its name is not asked: a PNG called x.dcm is a PNG."""

import re
import zlib

from tools.files.file import HEAD_BYTES, File

READERS = (
    # (reader, pattern of the first bytes); DICOM comes first, for its preamble may be the head of a TIFF file
    ("dicom", rb".{128}DICM"),
    ("raster", rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff|II[*+]\0|MM\0[*+]|BM.{4}\0{4}|RIFF.{4}WEBP"),
    ("video", rb"GIF8[79]a|RIFF.{4}AVI |.{4}ftyp|\x1a\x45\xdf\xa3|\0\0\x01\xba|.{4}(moov|mdat|wide)"),
    ("npy", rb"\x93NUMPY"),
    ("nifti", rb".{344}n(\+1|i1)\0|.{4}n(\+2|i2)\0|\x5c\x01\0\0.{36}|\0\0\x01\x5c.{36}|\0\0\0\x01.{280}"),
    ("dicom", rb"[\x02\x08]\0.\0|\0[\x02\x08]\0."),  # without preamble, in either byte order
)

OTHERS = (
    (rb"\x1f\x8b", "a gzip archive of something that is not a NIfTI or MGH volume; unpack it first"),
    (
        rb"PK\x03\x04|PK\x05\x06|7z\xbc\xaf|Rar!|BZh|\xfd7zXZ|.{257}ustar",
        "an archive; unpack it and give the files inside",
    ),
    (rb"%PDF", "a PDF document; save its pictures as PNG files"),
    (rb"CDF[\x01\x02]|\x89HDF", "a NetCDF or HDF5 file, such as MINC; convert it to NIfTI first"),
    (rb"MATRIX7", "an ECAT volume; convert it to NIfTI first"),
    (rb"TRACK|mrtrix tracks", "a file of nerve tracts, which is not a picture"),
    (rb"# === DATA DESCRIPTION FILE", "a Philips PAR header; convert it and its REC file to NIfTI first"),
)

READ = "PNG, JPEG, TIFF, BMP, WebP, DICOM, NIfTI, MGH, .npy, and films (MP4, AVI, GIF, ...)"


def kind(file: File) -> str:
    """The name of the reader for a file. Raises FileError, in words, where there is none."""
    head = unpacked_head(file.head)
    reader = next((r for r, pattern in READERS if re.match(pattern, head, re.DOTALL)), None)
    if reader is not None and (head is file.head or reader == "nifti"):
        return reader
    what = next((what for pattern, what in OTHERS if re.match(pattern, file.head, re.DOTALL)), None)
    if what is None:
        what = "text, not a picture" if _is_text(file.head) else "of no kind that is known here"
    raise file.refuse(f"this is {what}; what can be read: {READ}")


def unpacked_head(head: bytes) -> bytes:
    """The first bytes of what a gzip file holds; of any other file, its own."""
    if not head.startswith(b"\x1f\x8b"):
        return head
    try:
        return zlib.decompressobj(wbits=31).decompress(head, HEAD_BYTES)
    except zlib.error:
        return head


def _is_text(head: bytes) -> bool:
    try:
        return (
            head[: HEAD_BYTES - 3].decode("utf-8").replace("\n", "").replace("\r", "").replace("\t", "").isprintable()
        )
    except UnicodeDecodeError:
        return False
