"""Whatever is wrong with what was given is said in one sentence, and never breaks anything."""

import gzip
import logging
import os
import random
import re
import warnings
import zlib
from pathlib import Path

import av
import nibabel
import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image as PILImage
from pydicom.uid import DeflatedExplicitVRLittleEndian

from tests.dicoms import slices, write
from tools import files
from tools.files import FileError, dicom_pixels, dicom_series, file, stacked
from tools.image import Image

PYDICOM = Path(pydicom.__file__).parent / "data" / "test_files"
NIBABEL = Path(nibabel.__file__).parent / "tests" / "data"
GREY = np.arange(24, dtype=np.uint16).reshape(4, 6)


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OVERREAD_CACHE", str(tmp_path / "cache"))


def refusal(path: Path | str) -> str:
    """The words in which a path is refused, after its name."""
    with pytest.raises(FileError) as refused:
        files.open(path)
    words = str(refused.value)
    assert words.count("\n") == 0
    return words.removeprefix(f"{path}: ")


def holding(tmp_path: Path, content: bytes, name: str = "a.dcm") -> Path:
    (tmp_path / name).write_bytes(content)
    return tmp_path / name


# --- no such file


def test_a_missing_file_is_named(tmp_path):
    assert refusal(tmp_path / "none.dcm") == "there is no such file"


def test_an_empty_file_is_named(tmp_path):
    assert refusal(holding(tmp_path, b"")) == "the file is empty"


def test_a_path_through_a_file_is_refused(tmp_path):
    assert "may not be read (Not a directory)" in refusal(holding(tmp_path, b"x") / "inside.dcm")


def test_a_name_that_is_none_is_refused():
    with pytest.raises(FileError, match="not the name of a file"):
        files.open("a\0b")


def test_a_name_that_is_too_long_is_refused():
    assert "may not be read (File name too long)" in refusal("a" * 5000)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_refused(tmp_path):
    path = holding(tmp_path, b"x")
    path.chmod(0)
    assert "may not be read (Permission denied)" in refusal(path)


def test_a_pipe_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert refusal(tmp_path / "pipe") == "neither a file nor a folder"


# --- not what it is called


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"Dear colleague, the patient ...", "this is text, not a picture"),
        ("Приветствую вас".encode(), "this is text, not a picture"),
        (b"%PDF-1.7 ...", "this is a PDF document; save its pictures as PNG files"),
        (b"PK\x03\x04" + bytes(40), "this is an archive; unpack it and give the files inside"),
        (gzip.compress(b"something"), "this is a gzip archive of something that is not a NIfTI or MGH volume"),
        (bytes(range(200, 256)) * 10, "this is of no kind that is known here"),
        (b"\x89HDF\r\n\x1a\n" + bytes(50), "this is a NetCDF or HDF5 file, such as MINC; convert it to NIfTI first"),
    ],
)
@pytest.mark.parametrize("name", ["a.png", "a.dcm", "a.nii.gz"])
def test_what_is_no_picture_is_named_whatever_it_is_called(tmp_path, content, what, name):
    words = refusal(holding(tmp_path, content, name))
    assert words.startswith(what)
    assert "what can be read: PNG, JPEG" in words


def test_a_dicom_file_without_a_picture_says_what_it_is():
    words = refusal(PYDICOM / "rtplan.dcm")
    assert words == "it is a DICOM file without a picture (RT Plan Storage); give the files that hold the pictures"
    assert "(Media Storage Directory Storage)" in refusal(PYDICOM / "dicomdirtests" / "DICOMDIR")


def test_a_film_inside_dicom_is_refused_by_its_name(tmp_path):
    h264 = "1.2.840.10008.1.2.4.102"
    path = write(tmp_path / "a.dcm", np.stack([GREY] * 2), syntax=h264, coded=[b"stream"])
    name = "MPEG-4 AVC/H.264 High Profile / Level 4.1"
    assert refusal(path) == f"its pixels are stored as {name}, which cannot be decoded; convert it first"


# --- broken


def pictures(folder: Path) -> list[Path]:
    """One small file of each kind."""
    colors = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    for name in ("a.png", "a.jpg", "a.tiff", "a.bmp", "a.webp"):
        PILImage.fromarray(colors).save(folder / name)
    np.save(folder / "a.npy", colors.astype(float))
    with av.open(folder / "a.mp4", "w") as out:
        stream = out.add_stream("mpeg4", rate=25)
        stream.width, stream.height = 64, 48
        for n in range(5):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((48, 64, 3), n, np.uint8), format="rgb24")))
        out.mux(stream.encode())
    ours = [folder / f"a.{kind}" for kind in ("png", "jpg", "tiff", "bmp", "webp", "npy", "mp4")]
    dicom = [
        "CT_small",
        "MR_small_RLE",
        "MR_small_jp2klossless",
        "MR_small_jpeg_ls_lossless",
        "rtdose",
        "SC_rgb_jpeg_gdcm",
    ]
    volumes = ["anatomical.nii", "example_nifti2.nii.gz", "test.mgz"]
    return [*ours, *(PYDICOM / f"{name}.dcm" for name in dicom), *(NIBABEL / name for name in volumes)]


def look_at_all(path: Path) -> None:
    """Open a file and look at a plane across each axis; only a FileError of one sentence may come of it."""
    words = ": a picture was shown"
    try:
        for source in files.open(path).sources[:2]:
            source.model_dump_json()
            for axis in range(len(source.axes) if source.axes != "yx" else 1):
                plane = source.plane(axis, source.count(axis) - 1)
                assert plane.shape[:2] == source.plane_shape(axis)
                assert plane.dtype == source.dtype
    except FileError as error:
        words = str(error).removeprefix(str(path))
    assert re.fullmatch(r"[^\n]{15,400}", words)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> list[Path]:
    return pictures(tmp_path_factory.mktemp("whole"))


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(which=st.integers(0, 15), share=st.floats(0, 1, exclude_max=True))
def test_a_file_cut_anywhere_is_read_or_refused(whole, tmp_path, which, share):
    content = whole[which].read_bytes()
    look_at_all(holding(tmp_path, content[: int(len(content) * share)]))


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(which=st.integers(0, 15), seed=st.integers(0, 2**32), count=st.sampled_from([1, 3, 20]), head=st.booleans())
def test_a_file_with_broken_bytes_is_read_or_refused(whole, tmp_path, which, seed, count, head):
    content, chance = bytearray(whole[which].read_bytes()), random.Random(seed)
    for _ in range(count):
        content[chance.randrange(min(len(content), 2000) if head else len(content))] = chance.randrange(256)
    look_at_all(holding(tmp_path, bytes(content)))


@pytest.mark.parametrize("which", range(16))
def test_half_a_file_says_that_it_is_broken_or_cut_short(whole, tmp_path, which):
    content = whole[which].read_bytes()
    words = refusal(holding(tmp_path, content[: len(content) // 2]))
    assert "cut short" in words


def test_a_run_length_header_that_points_outside_its_frame_is_refused(tmp_path):
    content = bytearray((PYDICOM / "MR_small_RLE.dcm").read_bytes())
    at = content.index((64).to_bytes(4, "little"), content.index(b"\xfe\xff\x00\xe0") + 8)  # the first of two offsets
    content[at + 4 : at + 8] = (2**31).to_bytes(4, "little")
    assert "frame 1 cannot be read" in refusal(holding(tmp_path, bytes(content)))


# --- too large


def png_of(width: int, height: int) -> bytes:
    """The head of a PNG file of this size, with next to nothing in it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    size = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 0, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")


def test_a_picture_that_unpacks_to_too_much_is_refused_before_it_is_decoded(tmp_path):
    words = refusal(holding(tmp_path, png_of(12_000, 10_000)))
    assert words.startswith(
        "a picture of 12000 by 10000 pixels (120 megapixels) is larger than the 100 megapixels that"
    )
    assert "of more than 179 megapixels" in refusal(holding(tmp_path, png_of(50_000, 50_000)))


def test_a_dicom_header_that_states_too_much_is_refused(tmp_path):
    assert "larger than the 100 megapixels" in refusal(write(tmp_path / "a.dcm", GREY, Rows=60_000, Columns=60_000))


def test_a_dicom_header_that_states_more_pixels_than_there_are_is_refused(tmp_path):
    words = refusal(write(tmp_path / "a.dcm", GREY, Rows=400))
    assert words == "the file is cut short: its pixels need 4800 bytes and it has 48"
    assert "cut short" in refusal(write(tmp_path / "b.dcm", GREY, NumberOfFrames=1_000_000))


def test_a_volume_that_states_more_voxels_than_there_are_is_refused(tmp_path):
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 5, 6), np.int16), np.eye(4)), tmp_path / "a.nii")
    data = bytearray((tmp_path / "a.nii").read_bytes())
    data[46:48] = (30_000).to_bytes(2, "little")  # dim[3]
    assert "cut short" in refusal(holding(tmp_path, bytes(data), "a.nii"))


def test_a_deflated_file_that_inflates_to_too_much_is_refused(tmp_path, monkeypatch):
    path = write(tmp_path / "a.dcm", np.zeros((2000, 2000), np.uint16), syntax=DeflatedExplicitVRLittleEndian)
    assert files.open(path).sources[0].shape == (2000, 2000)
    monkeypatch.setattr(dicom_pixels, "INFLATED_BYTES", 1_000_000)
    assert "it inflates to more than the" in refusal(path)


def test_a_stack_too_large_to_be_cut_across_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(stacked, "VOLUME_BYTES", 100)
    (source,) = files.open(slices(tmp_path / "s", [0, 1, 2])).sources
    assert source.plane(0, 1).shape == (4, 6)
    with pytest.raises(FileError, match="can be cut across its slices"):
        source.plane(1, 0)


def test_a_slide_is_told_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(file, "PLANE_PIXELS", 1000)
    PILImage.new("RGB", (50, 50)).save(tmp_path / "a.tiff")
    assert refusal(tmp_path / "a.tiff").endswith("cut out or reduce it first")


# --- folders


def test_a_folder_without_pictures_is_refused(tmp_path):
    (tmp_path / "folder").mkdir()
    assert refusal(tmp_path / "folder").startswith("there is no DICOM picture in this folder")
    holding(tmp_path / "folder", b"notes", "notes.txt")
    assert refusal(tmp_path / "folder").startswith("there is no DICOM picture in this folder")


def test_a_folder_of_too_many_files_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(dicom_series, "FOLDER_FILES", 2)
    words = refusal(slices(tmp_path / "s", [0, 1, 2]))
    assert words == "the folder holds 3 files, more than the 2 that are looked at"


def test_notes_beside_slices_do_no_harm(tmp_path):
    folder = slices(tmp_path / "s", [0, 1, 2])
    holding(folder, b"notes", "notes.txt")
    holding(folder, b"", "empty")
    holding(folder, (PYDICOM / "rtplan.dcm").read_bytes(), "plan.dcm")
    (source,) = files.open(folder).sources
    assert source.shape == (3, 4, 6)


# --- odd, yet not wrong


def test_a_number_that_is_none_is_no_pixel_size(tmp_path):
    path = write(tmp_path / "a.dcm", GREY, PixelSpacing=[0.5, 0.25])
    path.write_bytes(path.read_bytes().replace(b"0.5\\0.25", b"nan\\0.25"))
    (source,) = files.open(path).sources
    assert source.spacing_mm is None


def test_what_libraries_have_to_say_of_a_header_stays_with_them(tmp_path, caplog):
    with warnings.catch_warnings(record=True) as seen, caplog.at_level(logging.DEBUG):
        warnings.simplefilter("always")
        refusal(PYDICOM / "badVR.dcm")
        files.open(PYDICOM / "MR_small_padded.dcm")
    assert [str(w.message) for w in seen] == []
    assert caplog.text == ""


def test_values_that_are_no_numbers_can_be_looked_at(tmp_path):
    np.save(tmp_path / "a.npy", np.full((3, 8, 8), np.nan))
    (source,) = files.open(tmp_path / "a.npy").sources
    assert (Image.of(source, 1, 2).pixels == 0).all()
