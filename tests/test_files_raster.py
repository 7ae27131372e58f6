"""Pictures and arrays: what is stored is what is read, upright."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image as PILImage

from tools import files
from tools.files import FileError
from tools.image import Image
from tools.study import Source

RNG = np.random.default_rng(0)
COLOR = RNG.integers(0, 256, (8, 12, 3), np.uint8)
GREY = COLOR[..., 0]
DEEP = RNG.integers(0, 65536, (8, 12), np.uint16)


def one(path) -> Source:
    (source,) = files.open(path).sources
    return source


def saved(path, pixels, **options):
    PILImage.fromarray(pixels).save(path, **options)
    return path


@pytest.mark.parametrize("name", ["a.png", "a.tiff", "a.bmp", "a.webp"])
def test_a_colour_picture_is_read_as_it_was_saved(tmp_path, name):
    source = one(saved(tmp_path / name, COLOR, **({"lossless": True} if name == "a.webp" else {})))
    assert (source.axes, source.shape, source.color, source.dtype) == ("yx", (8, 12), True, "|u1")
    assert np.array_equal(source.plane(), COLOR)


@pytest.mark.parametrize("name", ["a.png", "a.tiff", "a.bmp"])
def test_a_grey_picture_stays_grey(tmp_path, name):
    source = one(saved(tmp_path / name, GREY))
    assert not source.color
    assert np.array_equal(source.plane(), GREY)


@pytest.mark.parametrize("name", ["a.png", "a.tiff"])
def test_sixteen_bits_of_grey_are_kept(tmp_path, name):
    source = one(saved(tmp_path / name, DEEP))
    assert source.dtype == "<u2"
    assert np.array_equal(source.plane(), DEEP)


@pytest.mark.parametrize("name", ["a.png", "a.tiff"])
def test_sixteen_bits_of_colour_are_kept(tmp_path, name):
    import cv2

    deep = RNG.integers(0, 65536, (8, 12, 3), np.uint16)
    cv2.imwrite(str(tmp_path / name), deep[..., ::-1])
    source = one(tmp_path / name)
    assert (source.color, source.dtype) == (True, "<u2")
    assert np.array_equal(source.plane(), deep)


def test_real_numbers_are_kept(tmp_path):
    values = RNG.normal(size=(8, 12)).astype(np.float32)
    assert np.array_equal(one(saved(tmp_path / "a.tiff", values)).values(), values)


def test_a_palette_becomes_colours(tmp_path):
    picture = PILImage.fromarray(COLOR).quantize(16)
    picture.save(tmp_path / "a.png")
    assert np.array_equal(one(tmp_path / "a.png").plane(), np.asarray(picture.convert("RGB")))


def test_what_can_be_seen_through_lies_on_black(tmp_path):
    opacity = np.zeros((8, 12, 1), np.uint8)
    opacity[:4] = 255
    source = one(saved(tmp_path / "a.png", np.concatenate([COLOR, opacity], axis=2)))
    assert np.array_equal(source.plane()[:4], COLOR[:4])
    assert (source.plane()[4:] == 0).all()


def test_ink_colours_become_rgb(tmp_path):
    picture = PILImage.fromarray(COLOR).convert("CMYK")
    picture.save(tmp_path / "a.tiff")
    assert np.array_equal(one(tmp_path / "a.tiff").plane(), np.asarray(picture.convert("RGB")))


def test_zero_is_white_where_a_tiff_file_says_so(tmp_path):
    PILImage.fromarray(DEEP).save(tmp_path / "a.tiff", tiffinfo={262: 0})
    source = one(tmp_path / "a.tiff")
    assert source.inverted
    assert np.array_equal(source.plane(), DEEP)


UPRIGHT = {
    # EXIF 2.32, 4.6.4: where the first row and the first column of what is stored lie on the picture
    1: lambda p: p, 2: np.fliplr, 3: lambda p: p[::-1, ::-1], 4: np.flipud,
    5: lambda p: p.swapaxes(0, 1), 6: lambda p: np.rot90(p, -1),
    7: lambda p: p[::-1, ::-1].swapaxes(0, 1), 8: np.rot90,
}  # fmt: skip


@pytest.mark.parametrize("tag", range(1, 9))
@pytest.mark.parametrize("name", ["a.png", "a.tiff", "a.webp"])
def test_a_picture_is_shown_upright(tmp_path, tag, name):
    exif = PILImage.Exif()
    exif[0x0112] = tag
    source = one(saved(tmp_path / name, COLOR, exif=exif, **({"lossless": True} if name == "a.webp" else {})))
    assert np.array_equal(source.plane(), UPRIGHT[tag](COLOR))


def test_a_picture_of_a_camera_is_shown_upright(tmp_path):
    exif = PILImage.Exif()
    exif[0x0112] = 6
    source = one(saved(tmp_path / "a.jpg", np.tile(np.uint8([[0, 255]]), (16, 8)).repeat(8, 1), exif=exif))
    assert source.shape == (128, 16)


def test_alike_pages_are_one_stack(tmp_path):
    pages = [PILImage.fromarray(DEEP + np.uint16(n)) for n in range(4)]
    pages[0].save(tmp_path / "a.tiff", save_all=True, append_images=pages[1:])
    source = one(tmp_path / "a.tiff")
    assert (source.axes, source.shape, source.spacing_mm) == ("zyx", (4, 8, 12), None)
    assert np.array_equal(source.plane(0, 3), DEEP + np.uint16(3))
    assert np.array_equal(source.plane(2, 5), np.stack([DEEP[:, 5] + np.uint16(n) for n in range(4)]))


def test_pages_that_differ_are_pictures_of_their_own(tmp_path):
    PILImage.fromarray(GREY).save(tmp_path / "a.tiff", save_all=True, append_images=[PILImage.fromarray(COLOR[:4])])
    study = files.open(tmp_path / "a.tiff", role="biopsy")
    assert [s.shape for s in study.sources] == [(8, 12), (4, 12)]
    assert [s.role for s in study.sources] == ["biopsy, page 1 of 2", "biopsy, page 2 of 2"]


def test_a_print_resolution_is_no_scale(tmp_path):
    scale = one(saved(tmp_path / "a.png", GREY, dpi=(300, 300))).scale()
    assert scale.mm is None
    assert "dpi is for printing" in scale.note


def test_several_paths_make_one_study_with_a_role_each(tmp_path):
    study = files.open_many([(saved(tmp_path / "a.png", GREY), "prior"), (saved(tmp_path / "b.png", COLOR), "current")])
    assert [s.role for s in study.sources] == ["prior", "current"]


def test_a_file_is_what_it_holds_and_not_what_it_is_called(tmp_path):
    saved(tmp_path / "a.png", GREY).rename(tmp_path / "a.dcm")
    assert np.array_equal(one(tmp_path / "a.dcm").plane(), GREY)


# --- .npy


@pytest.mark.parametrize(
    ("shape", "axes", "kept"),
    [((8, 12), "yx", (8, 12)), ((5, 8, 12), "zyx", (5, 8, 12)), ((1, 5, 8, 12), "zyx", (5, 8, 12))],
)
def test_an_array_has_the_axes_of_its_shape(tmp_path, shape, axes, kept):
    values = RNG.normal(size=shape)
    np.save(tmp_path / "a.npy", values)
    source = one(tmp_path / "a.npy")
    assert (source.axes, source.shape, source.color) == (axes, kept, False)
    assert np.array_equal(source.plane(0, source.count() - 1), values.reshape(kept)[-1] if axes == "zyx" else values)


def test_bytes_in_threes_are_colours(tmp_path):
    np.save(tmp_path / "a.npy", COLOR)
    assert one(tmp_path / "a.npy").color


def test_an_array_stays_on_the_disk_until_it_is_looked_at(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((5, 8, 12), np.int16))
    plane = one(tmp_path / "a.npy").plane(0, 2)
    while isinstance(plane.base, np.ndarray) and not isinstance(plane, np.memmap):
        plane = plane.base
    assert isinstance(plane, np.memmap)


def test_values_that_are_no_numbers_are_shown_black(tmp_path):
    np.save(tmp_path / "a.npy", np.full((8, 12), np.nan, np.float32))
    assert (Image.of(one(tmp_path / "a.npy")).pixels == 0).all()


def test_objects_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}, 1], object), allow_pickle=True)
    with pytest.raises(FileError, match="cannot be read"):
        files.open(tmp_path / "a.npy")


@pytest.mark.parametrize(
    ("values", "words"),
    [(np.zeros((2, 3), complex), "an array of complex128"), (np.zeros(3), "shape"), (np.zeros((2, 2, 2, 2)), "shape")],
)
def test_an_array_that_is_no_picture_is_refused_in_words(tmp_path, values, words):
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(FileError, match=words):
        files.open(tmp_path / "a.npy")


@given(
    arrays(st.sampled_from([np.uint8, np.int16, ">i2", ">f4", bool, np.float64]), st.tuples(*[st.integers(1, 6)] * 2))
)
def test_every_kind_of_number_is_read_as_it_was_written(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("npy") / "a.npy"
    np.save(path, values)
    plane = one(path).plane()
    assert plane.dtype.isnative
    assert np.array_equal(plane, values, equal_nan=values.dtype.kind == "f")
