"""Planes of a volume, and moments of a film."""

import numpy as np
import pytest

from tests.phantoms import refusal, use, view
from tools.geometry import Box
from tools.grey import Grey
from tools.image import Image
from tools.study import Source

VALUES = np.random.default_rng(0).integers(0, 255, (6, 8, 10)).astype(np.uint8)
VOLUME = Image.of(Source.of(VALUES, orientation=("S", "P", "L"), spacing_mm=(3.0, 1.0, 1.0)), index=2)
NAMELESS = Image.of(Source.of(VALUES))
FILM = Image.of(Source.of(VALUES, axes="tyx", times_s=(0.0, 0.1, 0.2, 0.3, 0.4, 0.5)))
PICTURE = Image.of(Source.of(VALUES[0]))


def test_a_slice_of_the_same_axis_shows_its_plane():
    seen = use("slice", VOLUME, index=4)
    assert (seen.images[0].pixels == VALUES[4]).all()
    assert seen.text == (
        "Slice 4 of 0 to 5 of the axial planes, 12 mm from slice 0; higher numbers lie towards the patient's head. "
        "Of the patient, right is at the left edge, left at the right, front at the top, back at the bottom."
    )


def test_scrolling_keeps_region_size_turning_and_greys_and_leaves_marks_behind():
    before = VOLUME.look(window=Box(x0=2, y0=2, x1=6, y1=6), width=40, height=40, turns=1, grey=Grey.between(0, 99))
    after = view("slice", view("mark", before, boxes=[[3, 3, 20, 20]]), index=5)
    assert after == before.look(index=5).shown()


def test_another_axis_is_shown_whole_and_upright_in_the_same_greys():
    before = VOLUME.look(window=Box(x0=2, y0=2, x1=6, y1=6), grey=Grey.between(0, 99))
    seen = use("slice", before, index=3, axis="coronal")
    after = seen.images[0]
    assert (after.axis, after.index, after.grey) == (1, 3, before.grey)
    assert (after.width, after.height) == (10, 18), "3 mm slices are drawn 3 times as high"
    assert "head at the top" in seen.text
    whole = Image.of(VOLUME.data, 1, 3, grey=Grey.between(0, 255), width=10, height=6)
    assert (whole.pixels == VALUES[::-1, 3, :]).all(), "the head, stored last, is at the top"


def test_a_sagittal_plane_has_the_front_at_the_left():
    seen = use("slice", VOLUME, index=0, axis="sagittal")
    assert "Of the patient, front is at the left edge, back at the right, head at the top" in seen.text


@pytest.mark.parametrize("axis", ["1", 1])
def test_axes_go_by_number_where_the_orientation_is_not_known(axis):
    seen = use("slice", NAMELESS, index=7, axis=axis)
    assert (seen.images[0].pixels == VALUES[:, 7]).all()
    assert seen.text == (
        "Slice 7 of 0 to 7 of the planes across axis 1. The file does not say which side of the patient lies where."
    )


@pytest.mark.parametrize(
    ("image", "arguments", "words"),
    [
        (VOLUME, {"index": 6}, "slice: there is no slice 6 of the axial planes; there are 0 to 5"),
        (VOLUME, {"index": -1}, "slice: there is no slice -1 of the axial planes; there are 0 to 5"),
        (NAMELESS, {"index": 0, "axis": "axial"}, 'does not state its orientation; use axis "0", "1" or "2"'),
        (FILM, {"index": 0}, "slice: this is a film, which has no slices; use frame"),
        (PICTURE, {"index": 0}, "slice: this is a single picture, which has no slices"),
        (VOLUME, {"index": 0.5}, "slice: index: Input should be a valid integer"),
        (VOLUME, {"index": 0, "axis": "oblique"}, "slice: axis: Input should be 'axial', 'coronal'"),
    ],
)  # fmt: skip
def test_a_slice_that_is_not_there_is_refused_in_words(image, arguments, words):
    assert words in refusal("slice", image, **arguments)


def test_a_frame_goes_by_number_or_by_time():
    assert (view("frame", FILM, index=3).pixels == VALUES[3]).all()
    seen = use("frame", FILM, seconds=0.29)
    assert seen.images[0].index == 2, "the one that is still shown then"
    assert seen.text == "Frame 2 of 0 to 5, 0.2 s after the film began."


def test_a_frame_keeps_region_and_greys():
    before = FILM.look(window=Box(x0=2, y0=2, x1=6, y1=6), grey=Grey.between(0, 99))
    assert view("frame", before, index=1) == before.look(index=1).shown()


@pytest.mark.parametrize(
    ("image", "arguments", "words"),
    [
        (FILM, {}, "frame: give either index or seconds"),
        (FILM, {"index": 1, "seconds": 0.1}, "frame: give either index or seconds"),
        (FILM, {"index": 6}, "frame: there is no frame 6; there are 0 to 5"),
        (FILM, {"seconds": 2}, "frame: there is no frame at 2 s; the film runs from 0 to 0.5 s"),
        (Image.of(Source.of(VALUES, axes="tyx")), {"seconds": 0}, "this film states no times; give an index, 0 to 5"),
        (VOLUME, {"index": 1}, "frame: this is a volume, which has no frames; use slice"),
        (PICTURE, {"index": 1}, "frame: this is a single picture, which has no frames"),
    ],
)
def test_a_frame_that_is_not_there_is_refused_in_words(image, arguments, words):
    assert words in refusal("frame", image, **arguments)
