"""Decode one compressed DICOM frame with imagecodecs: a decoding plugin for pydicom.

pydicom's own plugins hold Python's lock for as long as a frame takes (over a second for a large JPEG 2000), which
stops every episode of the process; imagecodecs lets it go. What follows on decoding (sign, unused bits, planes, colour
space) is left to pydicom.
"""

import struct
from collections.abc import Callable, Container
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pydicom.pixels.decoders.base import Decoder, DecodeRunner

DECODER_DEPENDENCIES: dict[str, tuple[str, ...]] = {}
"""A part of pydicom's plugin protocol that is not used: a missing imagecodecs is told by its import."""

JPEG_XL = {
    # DICOM PS3.6 2025, which pydicom 3.0 does not know yet
    "1.2.840.10008.1.2.4.110": "JPEG XL Lossless",
    "1.2.840.10008.1.2.4.111": "JPEG XL JPEG Recompression",
    "1.2.840.10008.1.2.4.112": "JPEG XL",
}
UNCOMPRESSED = "1.2.840.10008.1.2.1.98"


@cache
def decoder(syntax: str) -> "Decoder":
    """How frames of a transfer syntax are decoded: by imagecodecs, then by what pydicom itself has for it.

    Raises NotImplementedError for a syntax that neither knows.
    """
    from pydicom.pixels.decoders.base import Decoder, get_decoder
    from pydicom.uid import UID, UID_dictionary

    for uid, name in JPEG_XL.items():
        UID_dictionary.setdefault(uid, (name, "Transfer Syntax", "", "", name.replace(" ", "")))
    ours = Decoder(UID(syntax))  # one of our own: theirs is shared by everything in the process that uses pydicom
    if is_available(syntax):
        ours.add_plugin("imagecodecs", (__name__, "decode_frame"))
    if syntax not in JPEG_XL and syntax != UNCOMPRESSED:
        theirs = get_decoder(syntax)._available
        ours._available.update({name: _guarded(decode) for name, decode in theirs.items()})
    return ours


def is_available(syntax: str) -> bool:
    """Whether this plugin decodes a transfer syntax."""
    return _codec(syntax) is not None


def decode_frame(frame: bytes, runner: "DecodeRunner") -> bytes:
    """The samples of a frame, pixel after pixel, as its code stream has them. Raises ValueError, RuntimeError."""
    codec = _codec(runner.transfer_syntax)
    if codec is None:
        raise NotImplementedError(runner.transfer_syntax)
    _check(frame, runner)
    runner.set_option("planar_configuration", 0)
    samples = codec(frame, runner)
    runner.set_option("bits_allocated", samples.itemsize * 8)
    return samples.tobytes()


def _guarded(decode: Callable[..., Any]) -> Callable[..., Any]:
    """A decoder of pydicom's that is not given what `_check` refuses."""

    def checked(frame: bytes, runner: "DecodeRunner") -> Any:
        _check(frame, runner)
        return decode(frame, runner)

    return checked


Codec = Callable[[bytes, "DecodeRunner"], np.ndarray]


def _codec(syntax: str) -> Codec | None:
    from pydicom import uid

    families: tuple[tuple[Container[str], Codec], ...] = (
        (uid.JPEG2000TransferSyntaxes, _jpeg_2000),
        (uid.JPEGLSTransferSyntaxes, _jpeg_ls),
        (uid.JPEGTransferSyntaxes, _jpeg),
        (uid.RLETransferSyntaxes, _rle),
        (JPEG_XL, _jpeg_xl),
        ((UNCOMPRESSED,), _plain),
    )
    return next((codec for syntaxes, codec in families if syntax in syntaxes), None)


def _jpeg(frame: bytes, runner: "DecodeRunner") -> np.ndarray:
    import imagecodecs

    space = "RGB" if runner.samples_per_pixel == 3 else None
    return imagecodecs.jpeg8_decode(frame, colorspace=space, outcolorspace=space)  # the same: nothing is converted


def _jpeg_ls(frame: bytes, runner: "DecodeRunner") -> np.ndarray:
    import imagecodecs

    return imagecodecs.jpegls_decode(frame)


def _jpeg_2000(frame: bytes, runner: "DecodeRunner") -> np.ndarray:
    import imagecodecs

    return imagecodecs.jpeg2k_decode(frame)


def _jpeg_xl(frame: bytes, runner: "DecodeRunner") -> np.ndarray:
    import imagecodecs

    if runner.samples_per_pixel == 3:
        runner.set_option("photometric_interpretation", "RGB")  # decoding takes its colour transform back
    shape = (runner.rows, runner.columns, 3)[: 3 if runner.samples_per_pixel == 3 else 2]
    return imagecodecs.jpegxl_decode(
        frame, out=np.empty(shape, f"u{runner.bits_allocated // 8}")
    )  # of this size or not


def _rle(frame: bytes, runner: "DecodeRunner") -> np.ndarray:
    import imagecodecs

    kind = np.dtype(f"<u{runner.bits_allocated // 8}")
    planes = np.frombuffer(imagecodecs.dicomrle_decode(frame, kind), kind)
    pixels = runner.rows * runner.columns  # a frame may be padded to an even length
    return np.ascontiguousarray(planes[: runner.samples_per_pixel * pixels].reshape(-1, pixels).T)


def _plain(frame: bytes, runner: "DecodeRunner") -> np.ndarray:
    kind = np.dtype(f"<u{runner.bits_allocated // 8}")
    return np.frombuffer(frame, kind, runner.rows * runner.columns * runner.samples_per_pixel)


def _check(frame: bytes, runner: "DecodeRunner") -> None:
    """Refuse, by ValueError, a frame at which a decoder crashes, stalls, or takes more memory than the header says."""
    from pydicom import uid

    syntax = runner.transfer_syntax
    if syntax in uid.RLETransferSyntaxes:
        _check_segments(frame, runner.samples_per_pixel * runner.bits_allocated // 8)
    if syntax in uid.JPEGLSTransferSyntaxes and not frame.rstrip(b"\0").endswith(b"\xff\xd9"):
        raise ValueError("a JPEG-LS stream without an end")  # CharLS takes seconds to find out
    if syntax in uid.JPEG2000TransferSyntaxes:
        _check_size(jpeg_2000_size(frame), runner)
    elif syntax in (*uid.JPEGTransferSyntaxes, *uid.JPEGLSTransferSyntaxes):
        _check_size(jpeg_size(frame), runner)


def _check_segments(frame: bytes, expected: int) -> None:
    """An RLE header may point outside its frame, at which imagecodecs crashes. DICOM PS3.5 G.5."""
    count, *offsets = struct.unpack_from("<16I", frame)
    ends = [*offsets[1:count], len(frame)]
    if count != expected or offsets[0] != 64 or any(a >= b for a, b in zip(offsets[:count], ends, strict=True)):
        raise ValueError(f"{count} RLE segments at {offsets} in {len(frame)} bytes")


def _check_size(size: tuple[int, int], runner: "DecodeRunner") -> None:
    """A code stream can be larger than the header of its file says."""
    if size != (runner.columns, runner.rows):
        raise ValueError(f"a code stream of {size} in a picture of {(runner.columns, runner.rows)}")


def jpeg_size(frame: bytes) -> tuple[int, int]:
    """(width, height) from the frame header of a JPEG or JPEG-LS stream. ITU T.81 B.2.2, T.87 C.2.2.

    Raises ValueError where it has none.
    """
    at = 2
    while at + 9 <= len(frame) and frame[at] == 0xFF:
        marker = frame[at + 1]
        if marker == 0xF7 or (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)):
            height, width = struct.unpack_from(">HH", frame, at + 5)
            return width, height
        # fill bytes are skipped one by one, segments by their length
        at += 1 if marker == 0xFF else 2 + int.from_bytes(frame[at + 2 : at + 4], "big")
    raise ValueError("a JPEG stream without a frame header")


def jpeg_2000_size(frame: bytes) -> tuple[int, int]:
    """(width, height) from the SIZ segment of a JPEG 2000 stream. ITU T.800 A.5.1. Raises ValueError without one."""
    at = frame.find(b"\xff\x4f\xff\x51")
    if at < 0 or at + 24 > len(frame):
        raise ValueError("a JPEG 2000 stream without a size")
    x1, y1, x0, y0 = struct.unpack_from(">4I", frame, at + 8)
    return x1 - x0, y1 - y0
