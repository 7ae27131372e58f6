"""Pairs of pictures with a known shift, turn and change."""

import re

import cv2
import numpy as np
import pytest

from tests.phantoms import ct, refusal, use, view
from tools.compare import compare
from tools.geometry import Point
from tools.image import Image
from tools.study import Source

RNG = np.random.default_rng(0)
TEXTURE = cv2.GaussianBlur(RNG.normal(0, 1, (300, 360)).astype(np.float32), (0, 0), 4) * 4000
"""Something like tissue: spots a few px wide, 100 or so high."""


def moved(right: float = 0, down: float = 0, degrees: float = 0, grown: float = 1) -> np.ndarray:
    """The middle 200 by 240 of the texture after it was moved, turned about its middle, and enlarged."""
    matrix = cv2.getRotationMatrix2D((179.5, 149.5), -degrees, grown)
    matrix[:, 2] += (right, down)
    return cv2.warpAffine(TEXTURE, matrix, (360, 300), flags=cv2.INTER_CUBIC)[50:250, 60:300]


def with_lesion(values: np.ndarray, height: float = 300) -> np.ndarray:
    values = values.copy()
    values[60:80, 140:170] += height
    return values


def film(values: np.ndarray, **fields) -> Image:
    return Image.of(ct(values + RNG.normal(0, 2, values.shape).astype(np.float32), **fields))


@pytest.mark.parametrize(("right", "down"), [(0, 0), (7.5, 0), (-13, 4.25), (30.5, -22)])
def test_a_known_shift_is_found_to_a_tenth_of_a_pixel(right, down):
    seen = use("compare", film(moved()), other=film(moved(-right, -down)))
    assert seen.facts["shift_x_px"] == pytest.approx(right, abs=0.1)
    assert seen.facts["shift_y_px"] == pytest.approx(down, abs=0.1)
    assert seen.facts["shift_mm"] == pytest.approx(0.5 * np.hypot(right, down), abs=0.05)
    assert seen.facts["changes"] == 0
    assert seen.text.endswith("HU or more was found.")


def test_a_pasted_change_is_found_with_its_box_and_size():
    seen = use("compare", film(with_lesion(moved())), other=film(moved(6, -3)))
    assert seen.facts["changes"] == 1
    box = seen.spots[0].shape
    assert np.allclose(box.model_dump(), [140, 60, 170, 80], atol=3)
    assert re.search(r"moved (6|5.9\d) px left and (3|2.9\d|3.0\d) px down", seen.text)
    mean = float(seen.text.rpartition("+")[2].strip("."))
    assert mean == pytest.approx(300, rel=0.15)


def test_what_is_gone_is_negative():
    seen = use("compare", film(moved()), other=film(with_lesion(moved())))
    assert "{0} -2" in seen.text


def test_the_difference_lies_in_the_frame_of_the_image_and_is_measured_in_its_unit():
    image = view("zoom", film(with_lesion(moved())), box=[100, 40, 200, 100], factor=2)
    seen = use("compare", image, other=film(moved()))
    shown = seen.images[0]
    assert (shown.source, shown.window, shown.from_source) == (image.source, image.window, image.from_source)
    middle = shown.from_source.point(Point(x=155, y=70)).model_dump()
    assert use("measure", shown, points=[middle]).facts["value_HU"] == pytest.approx(300, abs=15)
    length = use("measure", shown, start=[0, 0], end=[100, 0])
    assert length.facts == use("measure", image, start=[0, 0], end=[100, 0]).facts


def test_no_change_is_middle_grey():
    shown = view("compare", film(moved()), other=film(moved()))
    assert abs(float(shown.pixels.mean()) - 127.5) < 3
    shown = view("compare", film(with_lesion(moved())), other=film(moved()))
    assert shown.pixels[70, 155] > 200


def test_another_pixel_size_is_matched_in_mm():
    coarse = cv2.resize(moved(4, 2), (120, 100), interpolation=cv2.INTER_AREA)
    seen = use("compare", film(with_lesion(moved())), other=film(coarse, spacing_mm=(1.0, 1.0)))
    assert "(true to mm)" in seen.text
    assert (seen.facts["shift_x_px"], seen.facts["shift_y_px"]) == pytest.approx((-4, -2), abs=0.2)
    assert seen.facts["changes"] == 1


def test_without_a_scale_pictures_are_laid_pixel_on_pixel_or_stretched_and_that_is_said():
    fine = film(moved(), spacing_mm=None)
    same, half = film(moved(), spacing_mm=None), film(cv2.resize(moved(), (120, 100)), spacing_mm=None)
    assert "(pixel on pixel, because not both have a scale)" in use("compare", fine, other=same).text
    assert (
        "(stretched 2 times to the same width, because not both have a scale)" in use("compare", fine, other=half).text
    )


def test_a_turned_and_enlarged_picture_is_fitted_when_asked():
    image, other = film(with_lesion(moved())), film(moved(5, 3, degrees=4, grown=1.05))
    shifted, fitted = (use("compare", image, other=other, align=align) for align in ("shift", "affine"))
    assert shifted.facts["correlation"] < 0.8 < 0.9 < fitted.facts["correlation"]
    assert fitted.facts["changes"] == 1
    assert np.allclose(fitted.spots[0].shape.model_dump(), [140, 60, 170, 80], atol=3)


def test_pictures_are_laid_on_each_other_as_their_views_are_turned():
    image = film(with_lesion(moved()))
    other = Image.of(ct(np.rot90(moved(6, -3)).copy()), turns=1)  # stored turned, shown upright
    seen = use("compare", image, other=other)
    assert (seen.facts["shift_x_px"], seen.facts["shift_y_px"]) == pytest.approx((-6, 3), abs=0.1)
    assert seen.facts["changes"] == 1


def test_a_shift_is_told_as_it_is_seen_on_the_view():
    image = view("orient", film(moved()), rotate=90)
    other = view("orient", film(moved(6, 0)), rotate=90)
    assert re.search(r"moved (6|5.9\d|6.0\d) px up \(", use("compare", image, other=other).text)


def test_values_without_a_unit_are_fitted_to_each_other():
    image = Image.of(Source.of(with_lesion(moved())))
    seen = use("compare", image, other=Image.of(Source.of(moved() * 0.5 + 100)))
    assert "Its values were taken times 2" in seen.text
    assert seen.facts["changes"] == 1


def test_two_strangers_are_said_to_have_little_in_common():
    other = film(RNG.normal(0, 100, (200, 240)).astype(np.float32))
    assert "The two have little in common." in use("compare", film(moved()), other=other).text


def test_a_slice_is_compared_with_a_slice_in_its_own_frame():
    volume = Source.of(np.stack([moved(), with_lesion(moved())]), unit="HU", orientation=("S", "P", "L"))
    seen = use("compare", Image.of(volume, index=1), other=Image.of(volume, index=0), align="none")
    assert (seen.images[0].source, seen.images[0].index) == (volume.id, 1)
    assert seen.facts["changes"] == 1


def test_one_picture_is_not_compared_with_itself():
    image = film(moved())
    assert refusal("compare", image, other=view("orient", image, rotate=90)) == (
        "compare: both are views of the same picture; name an earlier one as other"
    )


def test_flat_pictures_cannot_be_fitted_and_that_is_said():
    flat = np.zeros((50, 50), np.uint8)
    image, other = Image.of(Source.of(flat)), Image.of(Source.of(flat + 9))
    words = "compare: no way was found to fit one on the other; use align 'none'"
    assert refusal("compare", image, other=other, align="affine") == words
    assert use("compare", image, other=other, align="none").text.endswith("No change stands out.")


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, 1e300])
def test_a_value_that_is_no_number_is_no_crash(value):
    film = np.random.default_rng(0).normal(0, 1, (32, 32))
    odd = film.copy()
    odd[3, 4] = value
    for before in (film, np.zeros((32, 32))):
        pair = (Image.of(Source.of(array)) for array in (before, odd))
        assert compare(*pair, align="none").images[0].pixels.shape == (32, 32)
