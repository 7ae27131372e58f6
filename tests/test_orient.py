"""Turning and mirroring, and where the patient's sides are then."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.phantoms import refusal, use, view
from tools.image import Image
from tools.sides import edge_letters
from tools.study import Source

PICTURE = np.random.default_rng(0).integers(0, 255, (30, 50)).astype(np.uint8)
CHEST = Source.of(PICTURE, orientation=("I", "L"), spacing_mm=(1.0, 1.0))


def test_turning_moves_pixels_and_changes_none():
    shown = view("orient", Image.of(CHEST), rotate=90)
    assert (shown.pixels == np.rot90(PICTURE, -1)).all()
    assert (shown.width, shown.height) == (30, 50)


@pytest.mark.parametrize(("flip", "axis"), [("horizontal", 1), ("vertical", 0)])
@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
def test_an_image_is_turned_first_then_mirrored(rotate, flip, axis):
    shown = view("orient", Image.of(CHEST), rotate=rotate, flip=flip)
    assert (shown.pixels == np.flip(np.rot90(PICTURE, -rotate // 90), axis)).all()


@given(st.lists(st.tuples(st.sampled_from([0, 90, 180, 270]), st.sampled_from(["horizontal", "vertical"])), max_size=5))
def test_any_chain_is_what_numpy_makes_of_it(steps):
    image, expected = Image.of(CHEST), PICTURE
    for rotate, flip in steps:
        image = view("orient", image, rotate=rotate, flip=flip)
        expected = np.flip(np.rot90(expected, -rotate // 90), 1 if flip == "horizontal" else 0)
    assert (image.pixels == expected).all()


def test_a_zoomed_view_keeps_its_size():
    zoomed = view("zoom", Image.of(CHEST), box=[10, 10, 20, 16], factor=3)
    turned = view("orient", zoomed, rotate=270)
    assert (turned.width, turned.height) == (zoomed.height, zoomed.width) == (18, 30)


def test_it_is_said_where_the_patients_sides_are_now():
    assert use("orient", Image.of(CHEST), flip="horizontal").text == (
        "The view is now mirrored left to right. The patient's left and right have changed places. "
        "Of the patient, left is at the left edge, right at the right, head at the top, feet at the bottom."
    )
    assert use("orient", Image.of(CHEST), rotate=90).text == (
        "The view is now turned by 90 degrees clockwise. "
        "Of the patient, feet is at the left edge, head at the right, right at the top, left at the bottom."
    )


def test_of_unknown_orientation_nothing_is_claimed():
    image = Image.of(Source.of(PICTURE))
    assert edge_letters(image) is None
    assert use("orient", image, flip="horizontal", rotate=180).text == (
        "The view is now turned by 180 degrees clockwise and mirrored left to right. "
        "Left and right of what is shown have changed places. "
        "The file does not say which side of the patient lies where."
    )


def test_doing_nothing_and_odd_angles_are_refused_in_words():
    assert refusal("orient", Image.of(CHEST)).startswith("orient: nothing to do; give rotate (90, 180 or 270)")
    assert "rotate: Input should be 0, 90, 180 or 270" in refusal("orient", Image.of(CHEST), rotate=45)
