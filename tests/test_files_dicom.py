"""DICOM files: scales, values, windows, films, series, and what must never leave them."""

import re
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, JPEG2000Lossless, JPEGLosslessSV1, JPEGLSLossless

from tests.dicoms import AXIAL, item, sequence, slices, write
from tools import files
from tools.files import FileError
from tools.files.dicom_codecs import decoder
from tools.files.dicom_safe import safe_window_name
from tools.files.dicom_stack import Slice, stacks
from tools.files.orientation import letters
from tools.geometry import Box
from tools.study import Source

PYDICOM = Path(pydicom.__file__).parent / "data" / "test_files"


def shipped(name: str) -> Path:
    """A file of pydicom-data."""
    store = pytest.importorskip("data_store", reason="pydicom-data is not installed")
    return Path(store.__file__).parent / "data" / name


def one(path: Path, **options: int) -> Source:
    (source,) = files.open(path, **options).sources
    return source


GREY = np.arange(24, dtype=np.uint16).reshape(4, 6) * 100


# --- real files


def test_the_callipers_of_a_real_echocardiogram_are_33_mm_apart():
    source = one(shipped("JPGLosslessP14SV1_1s_1f_8b.dcm"))
    scale = source.scale(0, Box(x0=629, y0=320, x1=689, y1=435))
    assert scale.mm is not None
    length = np.hypot(60 * scale.mm[0], 115 * scale.mm[1])
    assert length == pytest.approx(33.05, abs=0.005)
    assert source.scale(0, Box(x0=0, y0=0, x1=20, y1=20)).mm is None  # the margin with the writing has no scale


def test_a_cine_of_120_frames_is_a_film_with_a_time_for_each():
    source = one(shipped("color3d_jpeg_baseline.dcm"))
    assert (source.axes, source.shape, source.color, source.modality) == ("tyx", (120, 480, 640), True, "US")
    assert source.times_s is not None
    assert source.times_s[:2] == pytest.approx((0, 0.03333), abs=1e-5)
    assert source.times_s[119] == pytest.approx(119 * 0.033333, abs=1e-4)
    assert source.plane(0, 50).shape == (480, 640, 3)
    scale = source.scale(0, Box(x0=300, y0=200, x1=340, y1=240))
    assert scale.mm == pytest.approx((0.5105, 0.5105), abs=1e-3)


def test_a_pixel_size_of_zero_gives_no_length_and_says_why():
    source = one(shipped("RG1_UNCR.dcm"))
    assert source.spacing_mm is None
    assert source.scale().note == "the file states a pixel size of 0 by 0 mm, which cannot be"
    assert source.inverted  # MONOCHROME1
    assert source.orientation == ("I", "L")
    assert source.header["ViewPosition"] == "PA"


def test_an_overlay_is_laid_where_the_file_says():
    source = one(shipped("MR-SIEMENS-DICOM-WithOverlays.dcm"))
    (drawn,) = source.overlays
    assert drawn.array.shape == (484, 484)
    assert drawn.array.sum() == 323


def test_an_overlay_that_starts_beside_the_picture_is_cut(tmp_path):
    marks = np.zeros((3, 8), bool)
    marks[0, 0] = marks[2, 3] = True
    path = write(tmp_path / "a.dcm", GREY)
    header = pydicom.dcmread(path)
    header.add_new(0x60000010, "US", 3)
    header.add_new(0x60000011, "US", 8)
    header.add_new(0x60000050, "SS", [2, 0])  # row and column of its first pixel, counted from 1
    header.add_new(0x60003000, "OW", np.packbits(marks, bitorder="little").tobytes() + b"\0")
    header.save_as(path)
    (drawn,) = one(path).overlays
    assert np.argwhere(drawn.array).tolist() == [[3, 2]]  # the other mark lies left of the picture


def test_a_real_dose_is_a_volume_with_a_scale_of_its_own():
    source = one(PYDICOM / "rtdose.dcm")
    assert (source.axes, source.shape, source.unit) == ("zyx", (15, 10, 10), "")  # its DoseUnits is RELATIVE
    assert source.spacing_mm == (5, 10, 10)
    header = pydicom.dcmread(PYDICOM / "rtdose.dcm")
    assert np.allclose(source.values(0, 7), header.pixel_array[7] * float(header.DoseGridScaling))


def test_an_enhanced_ct_takes_place_and_values_from_its_functional_groups():
    source = one(shipped("eCT_Supplemental.dcm"))
    assert (source.axes, source.shape) == ("zyx", (2, 512, 512))
    assert source.spacing_mm == pytest.approx((10, 0.388672, 0.388672))
    assert (source.slope, source.intercept) == (1, -1024)


def test_bone_white_values_of_a_real_ct_are_in_hounsfield_units():
    source = one(PYDICOM / "CT_small.dcm")
    assert (source.unit, source.slope, source.intercept) == ("HU", 1, -1024)
    assert source.values().min() == -896
    assert source.spacing_mm == (0.661468, 0.661468)
    assert source.orientation == ("P", "L")


# --- scale


@pytest.mark.parametrize(
    ("tags", "mm", "note"),
    [
        ({"Modality": "CT", "PixelSpacing": [0.5, 0.25]}, (0.25, 0.5), "in the patient"),
        ({"Modality": "DX", "ImagerPixelSpacing": [0.1, 0.1]}, (0.1, 0.1), "measured at the detector"),
        (
            {"Modality": "DX", "ImagerPixelSpacing": [0.1, 0.1], "PixelSpacing": [0.1, 0.1]},
            (0.1, 0.1),
            "at the detector",
        ),
        ({"Modality": "DX", "PixelSpacing": [0.1, 0.1]}, (0.1, 0.1), "without saying whether at the detector"),
        (
            {"Modality": "DX", "PixelSpacing": [0.1, 0.1], "PixelSpacingCalibrationType": "FIDUCIAL"},
            (0.1, 0.1),
            "calibrated to an object of known size",
        ),
        (
            {"Modality": "DX", "PixelSpacing": [0.1, 0.1], "PixelSpacingCalibrationType": "GEOMETRY"},
            (0.1, 0.1),
            "corrected for the enlargement",
        ),
        (
            {"Modality": "MG", "ImagerPixelSpacing": [0.1, 0.1], "EstimatedRadiographicMagnificationFactor": 1.25},
            (0.08, 0.08),
            "divided by the file's estimated magnification of 1.25",
        ),
        ({"Modality": "DX", "NominalScannedPixelSpacing": [0.2, 0.2]}, (0.2, 0.2), "on the film that was scanned"),
        ({"Modality": "CT", "PixelSpacing": [-1, 1]}, None, "a pixel size of -1 by 1 mm, which cannot be"),
        ({"Modality": "CT"}, None, "the file does not state a pixel size"),
    ],
)
def test_a_scale_says_what_it_refers_to(tmp_path, tags, mm, note):
    scale = one(write(tmp_path / "a.dcm", GREY, **tags)).scale()
    assert scale.mm == (mm and pytest.approx(mm))
    assert note in scale.note


def test_pixels_that_are_not_square_are_known_without_a_size(tmp_path):
    assert one(write(tmp_path / "a.dcm", GREY, PixelAspectRatio=[3, 2])).aspect == 1.5


def region(**tags):
    usual = {"RegionLocationMinX0": 0, "RegionLocationMinY0": 0, "RegionLocationMaxX1": 5, "RegionLocationMaxY1": 3}
    units = {"PhysicalUnitsXDirection": 3, "PhysicalUnitsYDirection": 3, "PhysicalDeltaX": 0.02, "PhysicalDeltaY": 0.01}
    return item(**{**usual, **units, **tags})


def test_a_region_whose_axis_is_time_gives_no_length_and_says_so(tmp_path):
    regions = sequence(region(PhysicalUnitsXDirection=4, PhysicalUnitsYDirection=7))
    source = one(write(tmp_path / "a.dcm", GREY, Modality="US", SequenceOfUltrasoundRegions=regions))
    assert source.scale().mm is None
    assert source.scale().note == "its horizontal axis is time"


def test_a_region_in_centimetres_covers_its_last_pixel(tmp_path):
    regions = sequence(region())
    source = one(write(tmp_path / "a.dcm", GREY, Modality="US", SequenceOfUltrasoundRegions=regions))
    assert source.scale(0, Box(x0=0, y0=0, x1=6, y1=4)).mm == pytest.approx((0.2, 0.1))


# --- values and windows


def test_each_of_several_windows_is_kept_with_its_name(tmp_path):
    windows = {"WindowCenter": [40, -600], "WindowWidth": [400, 1500], "WindowCenterWidthExplanation": ["BONE", "LUNG"]}
    presets = one(write(tmp_path / "a.dcm", GREY, **windows, VOILUTFunction="SIGMOID")).presets
    assert [(g.level, g.width, g.name, g.function) for g in presets] == [
        (40, 400, "BONE", "SIGMOID"),
        (-600, 1500, "LUNG", "SIGMOID"),
    ]


def test_a_window_without_width_is_left_out(tmp_path):
    assert one(write(tmp_path / "a.dcm", GREY, WindowCenter=40, WindowWidth=0)).presets == ()


def test_a_window_named_after_a_person_has_no_name():
    assert safe_window_name("Soft Tissue") == "Soft Tissue"
    assert safe_window_name("Window 2") == "Window 2"
    assert safe_window_name("Dr Jones") == ""
    assert safe_window_name("12 03") == safe_window_name("Window 20240131") == ""


def test_unused_high_bits_are_not_part_of_a_value(tmp_path):
    stored = (GREY & 0x0FFF) | 0xF000
    source = one(write(tmp_path / "a.dcm", stored, BitsStored=12, HighBit=11))
    assert np.array_equal(source.plane(), GREY & 0x0FFF)


def test_signed_values_of_twelve_bits_keep_their_sign(tmp_path):
    source = one(write(tmp_path / "a.dcm", np.array([[0x0FFF, 1]], np.int16), BitsStored=12, HighBit=11))
    assert source.plane().tolist() == [[-1, 1]]


def test_a_lookup_table_is_applied_and_its_unit_named(tmp_path):
    table = item(LUTDescriptor=[3, 0, 16], ModalityLUTType="HU", LUTData=np.array([7, 8, 900], "<u2").tobytes())
    table["LUTDescriptor"].VR, table["LUTData"].VR = "US", "OW"
    source = one(write(tmp_path / "a.dcm", np.array([[0, 1, 2, 3]], np.uint16), ModalityLUTSequence=sequence(table)))
    assert source.values().tolist() == [[7, 8, 900, 900]]
    assert source.unit == "HU"


def test_a_lookup_table_for_display_is_said_not_to_be_applied():
    assert one(shipped("vlut_04.dcm")).header["VOILUTSequence"] == "not applied"


@pytest.mark.parametrize(("kind", "unit"), [("OD", "OD/1000"), ("SMITH^JOHN", ""), (None, "HU")])
def test_a_unit_is_one_that_dicom_defines(tmp_path, kind, unit):
    assert one(write(tmp_path / "a.dcm", GREY, RescaleSlope=2, RescaleIntercept=-5, RescaleType=kind)).unit == unit


def test_frames_whose_scales_differ_come_in_their_unit(tmp_path):
    groups = [
        item(PixelValueTransformationSequence=sequence(item(RescaleSlope=s, RescaleIntercept=i, RescaleType="US")))
        for s, i in ((1, 0), (2, -3))
    ]
    frames = np.stack([GREY, GREY])
    source = one(write(tmp_path / "a.dcm", frames, Modality="MR", PerFrameFunctionalGroupsSequence=sequence(*groups)))
    assert source.dtype == "<f4"
    assert np.array_equal(source.values(0, 1), GREY * 2.0 - 3)


# --- frames


def test_a_frame_is_read_though_another_is_broken(tmp_path):
    frames = np.random.default_rng(0).integers(0, 4000, (5, 32, 32), np.uint16)
    coded = [imagecodecs.jpeg2k_encode(f, reversible=True, codecformat="j2k", level=0) for f in frames]
    coded[2] = b"\xff\x4f" + bytes(40)
    source = one(write(tmp_path / "a.dcm", frames, syntax=JPEG2000Lossless, coded=coded))
    assert source.axes == "tyx"
    assert np.array_equal(source.plane(0, 3), frames[3])
    with pytest.raises(FileError, match="frame 3 cannot be read"):
        source.plane(0, 2)


def coded_as(syntax: str, frame: np.ndarray) -> list[bytes]:
    encode = {
        JPEGLSLossless: imagecodecs.jpegls_encode,
        JPEG2000Lossless: lambda f: imagecodecs.jpeg2k_encode(f, reversible=True, codecformat="j2k", level=0),
        JPEGLosslessSV1: lambda f: imagecodecs.ljpeg_encode(f),
        HTJ2K: lambda f: imagecodecs.htj2k_encode(f, reversible=True),
        JPEG_XL: lambda f: imagecodecs.jpegxl_encode(f, lossless=True),
        UNCOMPRESSED: lambda f: f.tobytes(),
    }[syntax]
    return [bytes(encode(frame))]


HTJ2K = UID("1.2.840.10008.1.2.4.201")
JPEG_XL = UID("1.2.840.10008.1.2.4.110")
UNCOMPRESSED = UID("1.2.840.10008.1.2.1.98")


@pytest.mark.parametrize("syntax", [JPEGLSLossless, JPEG2000Lossless, JPEGLosslessSV1, HTJ2K, JPEG_XL, UNCOMPRESSED])
def test_what_was_compressed_without_loss_comes_back_as_it_was(tmp_path, syntax):
    frame = np.random.default_rng(1).integers(0, 4096, (40, 56), np.uint16)
    path = write(tmp_path / "a.dcm", frame, syntax=syntax, coded=coded_as(syntax, frame), BitsStored=12, HighBit=11)
    assert np.array_equal(one(path).plane(), frame)


def test_a_deflated_file_is_read(tmp_path):
    assert np.array_equal(one(write(tmp_path / "a.dcm", GREY, syntax=DeflatedExplicitVRLittleEndian)).plane(), GREY)


COLORED = {
    JPEG2000Lossless: ("YBR_RCT", lambda f: imagecodecs.jpeg2k_encode(f, reversible=True, codecformat="j2k", level=0)),
    JPEG_XL: ("RGB", lambda f: imagecodecs.jpegxl_encode(f, lossless=True)),
    JPEGLSLossless: ("RGB", imagecodecs.jpegls_encode),
}


@pytest.mark.parametrize("syntax", COLORED)
def test_colours_that_were_compressed_without_loss_come_back_as_rgb(tmp_path, syntax):
    frame = np.random.default_rng(2).integers(0, 256, (32, 48, 3), np.uint8)
    interpretation, encode = COLORED[syntax]
    tags = {"SamplesPerPixel": 3, "PhotometricInterpretation": interpretation}
    source = one(write(tmp_path / "a.dcm", frame, syntax=syntax, coded=[bytes(encode(frame))], **tags))
    assert source.color
    assert np.array_equal(source.plane(), frame)


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, JPEGLSLossless, JPEGLosslessSV1])
def test_a_code_stream_larger_than_its_header_says_is_not_decoded(tmp_path, syntax):
    frame = np.zeros((128, 96), np.uint16)
    (coded,) = coded_as(syntax, frame)
    path = write(tmp_path / "a.dcm", frame[:64, :64], syntax=syntax, coded=[coded])
    with pytest.raises(FileError, match="frame 1 cannot be read"):
        files.open(path)
    with pytest.raises(RuntimeError) as told:
        decoder(syntax).as_array(pydicom.dcmread(path))
    refusals = str(told.value).splitlines()[1:]
    assert len(refusals) == len(decoder(syntax).available_plugins)
    assert all("a code stream of (96, 128) in a picture of (64, 64)" in line for line in refusals)


def test_a_jpeg_xl_stream_larger_than_its_header_says_is_not_decoded(tmp_path):
    frame = np.zeros((128, 96), np.uint16)
    coded = coded_as(JPEG_XL, frame)
    with pytest.raises(FileError, match="frame 1 cannot be read"):
        files.open(write(tmp_path / "a.dcm", frame[:64, :64], syntax=JPEG_XL, coded=coded))


def test_times_of_frames_add_up_where_they_are_uneven(tmp_path):
    path = write(tmp_path / "a.dcm", np.stack([GREY] * 3), Modality="XA", FrameTimeVector=[0, 40, 60])
    assert one(path).times_s == pytest.approx((0, 0.04, 0.1))


def test_frames_without_times_have_none(tmp_path):
    assert one(write(tmp_path / "a.dcm", np.stack([GREY] * 3), Modality="OT")).times_s is None


def test_a_cut_across_a_film_is_taken_from_all_frames(tmp_path):
    frames = np.arange(2 * 4 * 6, dtype=np.uint16).reshape(2, 4, 6)
    source = one(write(tmp_path / "a.dcm", frames, Modality="XA", FrameTime=40, PixelSpacing=[1, 1]))
    assert np.array_equal(source.plane(1, 2), frames[:, 2])
    assert source.scale(0).mm == (1, 1)
    assert source.scale(1).mm is None  # one axis is time


# --- series


def test_a_folder_is_one_volume_in_the_order_of_its_slices(tmp_path):
    source = one(slices(tmp_path / "s", [5.0, 0.0, 2.5]))
    assert (source.axes, source.shape, source.spacing_mm) == ("zyx", (3, 4, 6), (2.5, 0.5, 0.25))
    assert [int(source.plane(0, z)[0, 0]) for z in range(3)] == [1, 2, 0]
    assert source.orientation == ("S", "P", "L")
    assert source.plane(1, 0)[:, 0].tolist() == [1, 2, 0]


def test_the_distance_of_slices_is_not_their_thickness(tmp_path):
    assert one(slices(tmp_path / "s", [0, 3, 6], SliceThickness=5)).spacing_mm == (3, 0.5, 0.25)


def test_a_missing_slice_takes_the_scale_across_slices_and_says_so(tmp_path):
    source = one(slices(tmp_path / "s", [0, 2, 4, 8, 10]))
    assert source.scale(0).mm == (0.25, 0.5)
    assert source.scale(1).mm is None
    assert "slices are missing or the slices lie unevenly, 2 to 4 mm apart" in source.scale(1).note


def test_a_tilted_gantry_takes_the_scale_across_slices_and_says_so(tmp_path):
    folder = slices(tmp_path / "s", [0, 2, 4], ImagePositionPatient=lambda n: [0, n, 2 * n])
    assert "shifted 1 mm sideways" in one(folder).scale(1).note


def test_slices_without_a_place_go_by_their_number(tmp_path):
    none = {"ImagePositionPatient": None, "ImageOrientationPatient": None}
    source = one(slices(tmp_path / "s", [0, 0, 0], **none, InstanceNumber=lambda n: 3 - n))
    assert [int(source.plane(0, z)[0, 0]) for z in range(3)] == [2, 1, 0]
    assert source.scale(1).mm is None


def test_pictures_that_are_no_slices_stay_pictures(tmp_path):
    none = {"ImagePositionPatient": None, "ImageOrientationPatient": None, "Modality": "US"}
    study = files.open(slices(tmp_path / "s", [0, 0], **none))
    assert [s.axes for s in study.sources] == ["yx", "yx"]


def test_places_taken_twice_make_two_volumes(tmp_path):
    study = files.open(slices(tmp_path / "s", [0, 2, 4, 0, 2, 4]))
    assert [s.role for s in study.sources] == ["volume 1 of 2", "volume 2 of 2"]
    assert [int(s.plane(0, 1)[0, 0]) for s in study.sources] == [1, 4]
    assert study.sources[0].id != study.sources[1].id


def test_slices_whose_scales_differ_come_in_their_unit(tmp_path):
    folder = slices(
        tmp_path / "s", [0, 2], Modality="PT", Units="BQML", RescaleSlope=lambda n: n + 1, RescaleIntercept=0
    )
    source = one(folder)
    assert (source.unit, source.dtype, source.slope) == ("Bq/ml", "<f4", 1)
    assert source.values(0, 1)[0, 0] == 2.0


def test_a_folder_of_several_series_names_them_and_how_to_choose(tmp_path):
    slices(tmp_path, [0, 2, 4], SeriesNumber=1)
    slices(tmp_path / "b", [0, 2], SeriesNumber=2, SeriesInstanceUID="1.2.3", Modality="MR")
    with pytest.raises(FileError) as refused:
        files.open(tmp_path)
    assert "2 series; choose one with series=1 to 2: 1: CT, 3 images of 6 by 4 pixels; 2: MR, 2 images" in str(
        refused.value
    )
    assert one(tmp_path, series=2).shape == (2, 4, 6)
    with pytest.raises(FileError, match="there is no series 3"):
        files.open(tmp_path, series=3)


def test_a_real_folder_of_ct_slices_is_a_volume():
    folder = PYDICOM / "dicomdirtests" / "77654033" / "CT2"
    source = one(folder)
    positions = sorted(float(pydicom.dcmread(p).ImagePositionPatient[2]) for p in folder.iterdir())
    assert source.axes == "zyx"
    assert source.count() == 4
    gaps = np.diff(positions)
    assert source.spacing_mm is not None
    assert source.spacing_mm[0] == (pytest.approx(gaps[0]) if np.ptp(gaps) < 0.01 else 0.0)


@given(
    depths=st.lists(st.integers(-500, 500), min_size=2, max_size=12, unique=True),
    angle=st.floats(-3, 3),
    tilt=st.floats(-3, 3),
)
def test_the_order_of_slices_is_that_of_their_depth_in_any_direction(depths, angle, tilt):
    row = np.array([np.cos(angle), np.sin(angle), 0])
    column = np.array([-np.sin(angle) * np.cos(tilt), np.cos(angle) * np.cos(tilt), np.sin(tilt)])
    normal = np.cross(row, column)
    lying = [Slice(tuple(normal * d), (*row, *column)) for d in depths]
    (stack,) = stacks(lying) or []
    assert [depths[n] for n in stack.order] == sorted(depths)


@given(st.permutations(range(3)), st.tuples(*[st.sampled_from((-1, 1))] * 3))
def test_a_direction_is_named_by_the_side_it_points_to(order, signs):
    directions = np.eye(3)[list(order)] * np.array(signs)[:, None]
    assert letters(directions) == tuple(
        "LPS"[axis] if sign > 0 else "RAI"[axis] for axis, sign in zip(order, signs, strict=True)
    )


# --- privacy

IDENTIFYING = ("PN", "DA", "DT", "TM", "UI", "LT", "ST", "UT", "AS")
IDENTIFYING_KEYWORDS = (
    "PatientID", "AccessionNumber", "StudyID", "InstitutionName", "StationName", "StudyDescription",
    "SeriesDescription", "ProtocolName", "DeviceSerialNumber", "OtherPatientIDs", "PatientAddress",
)  # fmt: skip


def secrets(path: Path) -> set[str]:
    """What a header says that must not be repeated: names, ids, dates, places, UIDs and free text."""
    found = set()
    for element in pydicom.dcmread(path, stop_before_pixels=True, force=True).iterall():
        if element.VR in IDENTIFYING or element.keyword in IDENTIFYING_KEYWORDS:
            values = element.value if isinstance(element.value, list | pydicom.multival.MultiValue) else [element.value]
            found |= {part for value in values for part in re.split(r"[\^=\s]+", str(value)) if len(part) > 5}
    return found


def leaves(node: object) -> list[str]:
    """Every value in a record, without the names of its fields."""
    if isinstance(node, dict):
        node = list(node.values())
    return [leaf for part in node for leaf in leaves(part)] if isinstance(node, list) else [str(node)]


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_no_name_id_or_date_leaves_any_file_that_ships():
    seen = 0
    for path in sorted(
        (*PYDICOM.glob("*.dcm"), *shipped("").glob("*.dcm"), *PYDICOM.parent.glob("charset_files/*.dcm"))
    ):
        try:
            said = " ".join(leaves([source.model_dump(mode="json") for source in files.open(path).sources]))
        except FileError as error:
            said = str(error).removeprefix(str(path))
        for secret in secrets(path):
            assert secret not in said, path.name
            seen += 1
    assert seen > 1000


PLANTED = "ZEBEDEE"


def test_a_name_typed_into_any_field_stays_in_the_file(tmp_path):
    fields = (
        "PatientName", "PatientID", "PatientComments", "InstitutionName", "StudyDescription",
        "SeriesDescription", "ProtocolName", "BodyPartExamined", "ViewPosition", "Laterality",
        "ImageLaterality", "PatientPosition", "ScanningSequence", "RescaleType", "Units",
        "WindowCenterWidthExplanation", "ConvolutionKernel", "ImageComments", "Manufacturer", "StationName",
        "OperatorsName",
    )  # fmt: skip
    tags = {
        **dict.fromkeys(fields, PLANTED),
        "WindowCenter": 1,
        "WindowWidth": 2,
        "RescaleSlope": 1,
        "RescaleIntercept": 0,
    }
    source = one(write(tmp_path / "a.dcm", GREY, **tags, ImageType=[PLANTED, PLANTED]))
    assert PLANTED not in source.model_dump_json()
    assert PLANTED in pydicom.dcmread(tmp_path / "a.dcm").PatientName


def test_the_names_of_files_in_a_folder_are_not_told(tmp_path):
    write(tmp_path / f"{PLANTED}.dcm", GREY, PixelSpacing=[1, 1])
    data = (tmp_path / f"{PLANTED}.dcm").read_bytes()
    (tmp_path / f"{PLANTED}.dcm").write_bytes(data[:-10])
    with pytest.raises(FileError) as refused:
        files.open(tmp_path)
    assert PLANTED not in str(refused.value)


def test_the_same_file_has_the_same_id_wherever_it_lies(tmp_path):
    (tmp_path / "other").mkdir()
    here, there = tmp_path / "a.dcm", tmp_path / "other" / "b"
    write(here, GREY)
    there.write_bytes(here.read_bytes())
    assert one(here).id == one(there).id
    assert str(tmp_path) not in one(here).model_dump_json()


def test_orientation_is_read_from_words_where_there_are_no_directions(tmp_path):
    assert one(write(tmp_path / "a.dcm", GREY, Modality="DX", PatientOrientation=["L", "F"])).orientation == ("I", "L")
    assert one(write(tmp_path / "b.dcm", GREY, Modality="DX", PatientOrientation=["L", "R"])).orientation is None
    assert one(write(tmp_path / "c.dcm", GREY, ImageOrientationPatient=AXIAL)).orientation == ("P", "L")
