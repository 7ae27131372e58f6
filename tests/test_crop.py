"""crop and zoom cut from the source, so that looking closer shows more."""

import numpy as np
import pytest

from tests.phantoms import refusal, use, view
from tools.geometry import Box
from tools.image import Image
from tools.study import Source


@pytest.fixture
def board() -> Image:
    """A checker-board of single pixels, 400 by 400, shown at a quarter of its size."""
    return Image.of(Source.of((np.indices((400, 400)).sum(0) % 2 * 255).astype(np.uint8)), limit=100)


def test_detail_that_the_first_view_lost_is_there_after_crop(board):
    assert board.pixels.std() < 5, "shrunk to grey"
    cut = view("crop", board, box=[10, 10, 20, 20])
    assert cut.window == Box(x0=40, y0=40, x1=80, y1=80)
    assert (cut.pixels == board.data.plane()[40:80, 40:80]).all()


def test_zoom_enlarges_what_is_in_the_box(board):
    shown = view("zoom", board, box=[10, 10, 20, 15], factor=8)
    assert (shown.width, shown.height) == (80, 40)
    assert shown.pixels.std() > 50, "the single pixels are seen"


def test_a_crop_takes_every_pixel_that_the_box_touches(board):
    assert view("crop", board, box=[10.1, 10.1, 19.9, 19.9]).window == Box(x0=40, y0=40, x1=80, y1=80)


def test_a_sliver_at_the_far_edge_is_the_last_pixel(board):
    assert view("crop", board, box=[99.99, 99.99, 100, 100]).window == Box(x0=399, y0=399, x1=400, y1=400)


def test_a_crop_past_the_edge_is_cut_at_the_edge(board):
    assert view("crop", board, box=[90, 90, 500, 500]).window == Box(x0=360, y0=360, x1=400, y1=400)


def test_no_view_grows_beyond_its_limit_and_that_is_said(board):
    seen = use("zoom", board, box=[0, 0, 50, 50], factor=16)
    assert (seen.images[0].width, seen.images[0].height) == (100, 100)
    assert seen.text.startswith("200 by 200 pixels of the source, shown 0.5 times as large; ")
    assert seen.text.endswith("; 16 times was too much, as no view is larger than 100")


@pytest.mark.parametrize("tool", ["crop", "zoom"])
def test_a_box_beside_the_image_is_refused_in_words(board, tool):
    assert refusal(tool, board, box=[200, 0, 300, 50]) == (
        f"{tool}: box [200, 0, 300, 50] lies outside the image, which is 100 by 100"
    )


def test_a_zoom_that_would_shrink_is_refused(board):
    assert refusal("zoom", board, box=[0, 0, 10, 10], factor=0.5).startswith(
        "zoom: factor: Input should be greater than"
    )


def test_a_crop_keeps_pixels_square_in_mm():
    image = Image.of(Source.of(np.zeros((40, 40), np.uint8), spacing_mm=(2.0, 1.0)))
    cut = view("crop", image, box=[0, 0, 10, 20])
    assert (cut.width, cut.height) == (10, 20)
    assert cut.window == Box(x0=0, y0=0, x1=10, y1=10)
