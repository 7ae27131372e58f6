"""Maps between frames, and the lengths on them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tools.caliper import angle, diameters, path_length, polygon_area
from tools.geometry import Affine, Box, Point, oriented, scaling, shift
from tools.ruler import digits, rounded

NUMBER = st.floats(-1000, 1000)
MAP = st.builds(
    lambda sx, sy, dx, dy, turns, mirrored: scaling(sx, sy).then(shift(dx, dy)).then(oriented(70, 30, turns, mirrored)),
    st.floats(0.1, 10), st.floats(0.1, 10), NUMBER, NUMBER, st.integers(0, 3), st.booleans(),
)  # fmt: skip


@given(MAP, NUMBER, NUMBER)
def test_a_map_and_its_inverse_cancel(where, x, y):
    back = where.inverse().point(where.point(Point(x=x, y=y)))
    assert (back.x, back.y) == pytest.approx((x, y), abs=1e-6)


@given(MAP, MAP, NUMBER, NUMBER)
def test_then_applies_one_map_after_the_other(first, second, x, y):
    at_once, in_turn = first.then(second).point(Point(x=x, y=y)), second.point(first.point(Point(x=x, y=y)))
    assert (at_once.x, at_once.y) == pytest.approx((in_turn.x, in_turn.y), abs=1e-6)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 3), st.booleans())
def test_oriented_moves_points_as_numpy_moves_pixels(width, height, turns, mirrored):
    picture = np.arange(height * width).reshape(height, width)
    moved = np.rot90(picture[:, ::-1] if mirrored else picture, -turns)
    where = oriented(width, height, turns, mirrored)
    for row in range(height):
        for column in range(width):
            p = where.point(Point(x=column + 0.5, y=row + 0.5))
            assert moved[int(p.y), int(p.x)] == picture[row, column]


def test_four_quarter_turns_are_none():
    assert oriented(70, 30, 4, False) == Affine()


@pytest.mark.parametrize("corners", [[1, 2, 1, 5], [3, 2, 1, 5], [0, 0, 0, 0]])
def test_an_empty_box_is_refused_in_words(corners):
    with pytest.raises(ValidationError, match="an empty box: x"):
        Box.model_validate(corners)


def test_a_box_that_is_not_a_number_is_refused():
    with pytest.raises(ValidationError, match="finite number"):
        Box.model_validate([0, 0, math.nan, 5])


def test_boxes_that_only_touch_share_nothing():
    left, right = Box(x0=0, y0=0, x1=4, y1=4), Box(x0=4, y0=0, x1=8, y1=4)
    assert left.intersection(right) is None
    assert left.iou(right) == 0


def test_half_a_box_in_common_is_a_third_of_both():
    assert Box(x0=0, y0=0, x1=4, y1=4).iou(Box(x0=2, y0=0, x1=6, y1=4)) == pytest.approx(1 / 3)


def test_a_path_is_as_long_as_its_parts():
    assert path_length(np.array([[0, 0], [3, 4], [3, 10]])) == 11


@pytest.mark.parametrize(("arm", "degrees"), [((1, 0), 0), ((1, 1), 45), ((0, 2), 90), ((-3, 0), 180), ((0, -1), 90)])
def test_an_angle_is_that_between_its_arms(arm, degrees):
    assert angle(np.array([5.0, 0.0]), np.array(arm, float)) == pytest.approx(degrees)


def test_a_polygon_with_its_corners_out_of_order_is_refused():
    with pytest.raises(ValueError, match="sides of the polygon cross"):
        polygon_area(np.array([[0.0, 0], [4, 4], [4, 0], [0, 4]]))


def test_a_polygon_on_one_line_is_refused():
    with pytest.raises(ValueError, match="lie on one line"):
        polygon_area(np.array([[0.0, 0], [1, 1], [2, 2]]))


def test_a_triangle_has_half_the_area_of_its_rectangle():
    assert polygon_area(np.array([[10.0, 10], [16, 10], [10, 18]])) == 24


@given(st.floats(3, 40), st.floats(0, 1), st.floats(0, 1))
def test_the_diameters_of_a_disc_are_right_to_a_pixel(radius, dx, dy):
    rows, columns = np.mgrid[:90, :90] + 0.5
    inside = (columns - 45 - dx) ** 2 + (rows - 45 - dy) ** 2 <= radius**2
    longest, across = diameters(inside, (1.0, 1.0))
    assert longest == pytest.approx(2 * radius, abs=1.0)
    assert across == pytest.approx(2 * radius, abs=1.1)


def test_the_diameters_of_a_slanted_bar_are_its_length_and_width():
    rows, columns = np.mgrid[:200, :200] + 0.5
    along, across = (columns + rows - 200) / math.sqrt(2), (columns - rows) / math.sqrt(2)
    found = diameters((abs(along) <= 60) & (abs(across) <= 10), (1.0, 1.0))
    assert found[0] == pytest.approx(math.hypot(120, 20), abs=1.5)  # corner to corner
    assert found[1] == pytest.approx(2 * 120 * 20 / math.hypot(120, 20), abs=1.5)


def test_diameters_are_taken_in_mm_where_pixels_are_not_square():
    inside = np.zeros((20, 20), bool)
    inside[2:12, 5:9] = True  # 10 high, 4 wide
    assert diameters(inside, (3.0, 0.1))[0] == pytest.approx(12, abs=0.1)


@pytest.mark.parametrize(
    ("value", "said"), [(33.04861, "33.05"), (0.012345, "0.01235"), (123456.0, "123500"), (20.0, "20"), (-7.0, "-7")]
)
def test_a_finding_has_four_significant_digits(value, said):
    assert digits(value) == said
    assert rounded(value) == float(said)
