"""Marks are drawn on the view and lie on the source."""

import numpy as np
import pytest

from tests.phantoms import refusal, use, view
from tools.image import Image
from tools.render import LINE_PX, RED
from tools.study import Source


@pytest.fixture
def image() -> Image:
    return Image.of(Source.of(np.full((60, 80), 100, np.uint8)))


def test_a_box_is_drawn_three_pixels_wide_inside_its_edge(image):
    seen = use("mark", image, boxes=[[10, 20, 40, 50]])
    red = (seen.images[0].pixels == RED).all(axis=2)
    expected = np.zeros((60, 80), bool)
    expected[20:50, 10:40] = True
    expected[20 + LINE_PX : 50 - LINE_PX, 10 + LINE_PX : 40 - LINE_PX] = False
    assert LINE_PX == 3
    assert (red == expected).all()
    assert (seen.images[0].pixels[~expected] == 100).all()
    assert seen.text == "Marked 1 box."


def test_a_mark_lies_on_the_same_place_after_zooming_and_turning(image):
    marked = view("mark", image, boxes=[[10, 20, 40, 50]])
    shown = view("zoom", view("orient", marked, rotate=90), box=[0, 0, 60, 50], factor=2)
    rows, columns = np.nonzero((shown.pixels == RED).all(axis=2))
    # turned clockwise, x is 60 - y: from 10 to 40, and y is x; then twice as large
    assert (columns.min(), columns.max() + 1, rows.min(), rows.max() + 1) == (20, 80, 20, 80)


def test_a_16_bit_film_keeps_its_greys_under_the_marks():
    source = Source.of(np.full((60, 80), 30000, np.uint16))
    marked = view("mark", Image.of(source), points=[[40, 30]], labels=["here"])
    assert source.dtype == "<u2"
    assert (marked.pixels[5, 5] == Image.of(source).pixels[5, 5]).all()
    assert tuple(marked.pixels[30, 40]) == RED


def test_marks_add_up(image):
    twice = view("mark", view("mark", image, boxes=[[10, 20, 40, 50]]), points=[[50, 30], [60, 30]])
    assert len(twice.marks) == 3
    assert use("mark", image, boxes=[[1, 1, 9, 9]], points=[[5, 5], [6, 6]]).text == "Marked 1 box and 2 points."


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "mark: nothing to mark; give at least one box or point"),
        ({"boxes": []}, "mark: nothing to mark; give at least one box or point"),
        ({"boxes": [10, 10, 50, 50]}, "mark: boxes.0: a box is [x0, y0, x1, y1], not 10"),
        ({"boxes": [[50, 50, 10, 10]]}, "mark: boxes.0: an empty box: x 50 to 10, y 50 to 10"),
        (
            {"boxes": [[900, 900, 999, 999]]},
            "boxes [900, 900, 999, 999] lies outside the image, which is 80 by 60",
        ),
        (
            {"boxes": [[10, 10, 11, 11]]},
            "a box of 1 by 1 pixels on the image is too small to be seen; zoom in first",
        ),
        ({"boxes": [[1, 1, 9, 9]], "labels": ["a", "b"]}, "mark: 2 labels for 1 places; give none, or one for each"),
    ],
)
def test_what_shows_nothing_is_refused_in_words(image, arguments, words):
    assert words in refusal("mark", image, **arguments)
