"""NIfTI, Analyze and MGH volumes: values, scale, orientation and what is kept on the disk."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools import files
from tools.files import FileError, unpacked
from tools.files.unpacked import cache_folder
from tools.image import Image
from tools.study import Source

nibabel = pytest.importorskip("nibabel")
SHIPPED = Path(nibabel.__file__).parent / "tests" / "data"
VALUES = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing is kept outside the test."""
    monkeypatch.setenv("OVERREAD_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "unpacked"


def one(path: Path) -> Source:
    (source,) = files.open(path).sources
    return source


def saved(path: Path, values: np.ndarray = VALUES, affine: np.ndarray | None = None, unit: str = "mm") -> Path:
    kind = nibabel.MGHImage if path.suffix in (".mgz", ".mgh") else nibabel.Nifti1Image
    image = kind(values, np.diag([2.0, 3.0, 4.0, 1.0]) if affine is None else affine)
    if kind is nibabel.Nifti1Image:
        image.header.set_xyzt_units(unit)
    nibabel.save(image, path)
    return path


def placed_nowhere(path: Path) -> Path:
    """The same file with qform_code and sform_code set to 0."""
    data = bytearray(path.read_bytes())
    data[252:256] = bytes(4)
    path.write_bytes(data)
    return path


# --- every volume that nibabel ships

READ = {
    # how many volumes, and their shape
    "anatomical.nii": (1, (25, 41, 33)),
    "example4d.nii.gz": (2, (24, 96, 128)),
    "example_nifti2.nii.gz": (2, (12, 20, 32)),
    "functional.nii": (20, (3, 21, 17)),
    "reoriented_anat_moved.nii": (1, (22, 26, 21)),
    "resampled_anat_moved.nii": (1, (3, 21, 17)),
    "standard.nii.gz": (1, (7, 5, 4)),
    "test.mgz": (2, (5, 4, 3)),
    "0.dcm": (1, (256, 256)),
    "1.dcm": (1, (256, 256)),
}
REFUSED = {
    "a Philips PAR header": 32,
    "a file of nerve tracts": 14,
    "a NetCDF or HDF5 file, such as MINC": 10,
    "text, not a picture": 7,
    "of no kind that is known here": 5,
    "its voxels are in a file of the same name that ends in .img": 3,
    "an ECAT volume": 1,
    "a gzip archive of something that is not": 1,
    "its axes are [1, 1, 1, 1, 10, 10]": 1,
}
"""How many files are refused, by the words."""


def test_every_file_that_nibabel_ships_is_read_or_refused_in_words():
    read, refused = {}, dict.fromkeys(REFUSED, 0)
    for path in sorted(p for p in SHIPPED.iterdir() if p.is_file() and p.suffix != ".py" and p.name[0] != "."):
        try:
            sources = files.open(path).sources
        except FileError as error:
            (words,) = [w for w in REFUSED if w in str(error)]
            refused[words] += 1
        else:
            read[path.name] = (len(sources), sources[0].shape)
    assert read == READ
    assert refused == REFUSED


@pytest.mark.parametrize("name", [name for name in READ if not name.endswith(".dcm")])
def test_the_values_are_those_that_nibabel_gives(name):
    expected = nibabel.load(SHIPPED / name).get_fdata()
    expected = expected.reshape(*expected.shape[:3], -1)
    for n, source in enumerate(files.open(SHIPPED / name).sources):
        for axis in range(3):
            for index in range(source.count(axis)):
                theirs = expected[..., n].T.take(index, axis)
                assert np.allclose(source.values(axis, index), theirs, rtol=1e-6, equal_nan=True), (name, axis, index)


# --- scale and orientation


def test_the_axes_of_a_volume_are_turned_round_without_copying(tmp_path):
    source = one(saved(tmp_path / "a.nii"))
    assert (source.axes, source.shape, source.dtype) == ("zyx", (6, 5, 4), "<i2")
    assert source.spacing_mm == (4, 3, 2)
    assert np.array_equal(source.plane(0, 2), VALUES[:, :, 2].T)
    assert not source.plane(0, 2).flags.owndata


def test_stored_values_stay_and_their_scale_is_told(tmp_path):
    image = nibabel.Nifti1Image(VALUES, np.eye(4))
    image.header.set_slope_inter(0.5, -7)
    nibabel.save(image, tmp_path / "a.nii")
    source = one(tmp_path / "a.nii")
    assert (source.dtype, source.slope, source.intercept) == ("<i2", 0.5, -7)


@pytest.mark.parametrize(
    ("directions", "sides"),
    [([2, 3, 4], ("S", "A", "R")), ([-2, 3, 4], ("S", "A", "L")), ([-2, -3, -4], ("I", "P", "L"))],
)
def test_the_sides_are_those_of_the_affine(tmp_path, directions, sides):
    source = one(saved(tmp_path / "a.nii", affine=np.diag([*directions, 1.0])))
    assert source.orientation == sides
    assert source.spacing_mm == (4, 3, 2)


def test_a_volume_is_shown_with_the_front_up_and_the_right_at_the_left(tmp_path):
    values = np.zeros((4, 5, 6), np.int16)
    values[3, 4, :] = 1000  # grows to the right and to the front: the patient's right front corner
    shown = Image.of(one(saved(tmp_path / "a.nii", values, affine=np.eye(4)))).pixels
    assert np.unravel_index(shown.argmax(), shown.shape) == (0, 0)


@pytest.mark.parametrize(("unit", "factor"), [("mm", 1), ("micron", 0.001), ("meter", 1000)])
def test_every_unit_of_length_becomes_mm(tmp_path, unit, factor):
    assert one(saved(tmp_path / "a.nii", unit=unit)).spacing_mm == pytest.approx((4 * factor, 3 * factor, 2 * factor))


def test_an_unnamed_unit_is_mm_only_where_the_volume_is_placed(tmp_path):
    placed = one(saved(tmp_path / "a.nii", unit="unknown"))
    assert placed.spacing_mm == (4, 3, 2)
    assert "names no unit" in placed.scale().note
    lost = one(placed_nowhere(saved(tmp_path / "b.nii", unit="unknown")))
    assert lost.spacing_mm is None
    assert lost.orientation is None
    assert lost.scale().note == "the file states the size of a voxel without a unit"


def test_a_header_that_contradicts_itself_gives_no_scale(tmp_path):
    path = saved(tmp_path / "a.nii")
    data = bytearray(path.read_bytes())
    data[80:84] = np.float32(9).tobytes()  # pixdim[1], which the affine states as 2
    path.write_bytes(data)
    assert one(path).spacing_mm is None
    assert "two sizes of a voxel that differ" in one(path).scale().note


@pytest.mark.parametrize("size", [0.0, np.nan])
def test_a_voxel_without_size_gives_no_scale(tmp_path, size):
    path = placed_nowhere(saved(tmp_path / "a.nii"))
    data = bytearray(path.read_bytes())
    data[80:84] = np.float32(size).tobytes()  # pixdim[1]
    path.write_bytes(data)
    assert "which cannot be" in one(path).scale().note


def test_colours_are_read(tmp_path):
    colors = np.random.default_rng(0).integers(0, 256, (4, 5, 6, 3), np.uint8)
    kind = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
    nibabel.save(nibabel.Nifti1Image(colors.view(kind).reshape(4, 5, 6), np.eye(4)), tmp_path / "a.nii")
    source = one(tmp_path / "a.nii")
    assert source.color
    assert np.array_equal(source.plane(0, 1), colors[:, :, 1].swapaxes(0, 1))
    assert np.array_equal(source.plane(2, 3), colors[3].swapaxes(0, 1))


def test_one_slice_seen_many_times_is_a_film(tmp_path):
    image = nibabel.Nifti1Image(np.zeros((4, 5, 1, 3), np.int16), np.eye(4))
    image.header.set_xyzt_units("mm", "msec")
    image.header["pixdim"][4] = 40
    nibabel.save(image, tmp_path / "a.nii")
    source = one(tmp_path / "a.nii")
    assert (source.axes, source.shape, source.spacing_mm) == ("tyx", (3, 5, 4), (0, 1, 1))
    assert source.times_s == pytest.approx((0, 0.04, 0.08))


def test_of_many_volumes_64_are_taken_from_the_first_to_the_last(tmp_path):
    nibabel.save(nibabel.Nifti1Image(np.zeros((2, 2, 2, 200), np.int8), np.eye(4)), tmp_path / "a.nii")
    roles = [s.role for s in files.open(tmp_path / "a.nii").sources]
    assert (len(roles), roles[0], roles[-1]) == (64, "volume 1 of 200", "volume 200 of 200")


def test_a_header_with_its_voxels_beside_it_is_read(tmp_path):
    nibabel.save(nibabel.Nifti1Pair(VALUES, np.eye(4)), tmp_path / "a.hdr")
    assert np.array_equal(one(tmp_path / "a.hdr").plane(0, 2), VALUES[:, :, 2].T)


def test_analyze_states_neither_unit_nor_orientation(tmp_path):
    nibabel.save(nibabel.AnalyzeImage(VALUES, np.eye(4)), tmp_path / "a.hdr")
    source = one(tmp_path / "a.hdr")
    assert (source.spacing_mm, source.orientation) == (None, None)
    assert np.array_equal(source.plane(0, 2), VALUES[:, :, 2].T)


def test_freesurfer_volumes_are_in_mm(tmp_path):
    source = one(saved(tmp_path / "a.mgz", VALUES.astype(np.float32)))
    assert source.spacing_mm == (4, 3, 2)
    assert source.orientation == ("S", "A", "R")


@settings(max_examples=30)
@given(
    shape=st.tuples(*[st.integers(1, 5)] * 3),
    dtype=st.sampled_from(["u1", "i2", ">i2", "u2", "i4", "f4", ">f4", "f8"]),
    seed=st.integers(0, 99),
)
def test_what_was_saved_is_read(tmp_path_factory, shape, dtype, seed):
    values = np.random.default_rng(seed).integers(0, 200, shape).astype(dtype)
    path = tmp_path_factory.mktemp("nifti") / "a.nii"
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4), dtype=values.dtype), path)
    source = one(path)
    assert all(np.array_equal(source.plane(0, z), values[:, :, z].T) for z in range(shape[2]))
    assert np.dtype(source.dtype).isnative


# --- what is unpacked


def test_a_packed_volume_is_unpacked_once_and_kept(tmp_path, cache):
    path = saved(tmp_path / "a.nii.gz")
    assert np.array_equal(one(path).plane(0, 2), VALUES[:, :, 2].T)
    (kept,) = cache.iterdir()
    before = kept.stat().st_ino
    assert np.array_equal(one(path).plane(1, 2), VALUES[:, 2].T)
    assert [p.stat().st_ino for p in cache.iterdir()] == [before]
    assert cache.stat().st_mode & 0o077 == 0  # volumes of patients: for their owner alone


def test_a_packed_volume_is_read_where_nothing_can_be_kept(tmp_path, monkeypatch):
    (tmp_path / "a file").write_text("no folder")
    monkeypatch.setenv("OVERREAD_CACHE", str(tmp_path / "a file"))
    assert np.array_equal(one(saved(tmp_path / "a.nii.gz")).plane(0, 2), VALUES[:, :, 2].T)


def test_what_was_used_longest_ago_is_let_go(tmp_path, cache, monkeypatch):
    monkeypatch.setattr(unpacked, "CACHE_BYTES", 1500)
    for n in range(5):
        one(saved(tmp_path / f"{n}.nii.gz", VALUES + np.int16(n)))
    assert sum(p.stat().st_size for p in cache.iterdir()) <= 1500
    assert np.array_equal(one(tmp_path / "0.nii.gz").plane(0, 0), VALUES[:, :, 0].T)


def test_a_volume_that_unpacks_to_too_much_is_refused(tmp_path, cache, monkeypatch):
    monkeypatch.setattr(unpacked, "UNPACKED_BYTES", 100)
    with pytest.raises(FileError, match="it unpacks to more than"):
        files.open(saved(tmp_path / "a.nii.gz"))
    assert list(cache.iterdir()) == []


def test_the_folder_of_unpacked_volumes_can_be_chosen(tmp_path, monkeypatch):
    monkeypatch.delenv("OVERREAD_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "overread" / "unpacked"
