"""Measurements on made-up films and volumes whose true sizes are known."""

import math

import numpy as np
import pytest
from pydantic import ValidationError

from tests.phantoms import ct, discs, refusal, use, view
from tools.geometry import Box
from tools.image import Image
from tools.study import Region, Scale, Source
from tools.tool import Observation


@pytest.fixture
def film() -> Image:
    """200 by 160 px of 0.5 (x) by 2 mm (y); 70 HU inside a disc of 30 px, -50 around it."""
    return Image.of(ct(discs((80, 80, 30), low=-50, high=70), spacing_mm=(2.0, 0.5)))


def on(image: Image, *points: tuple[float, float]) -> list[list[float]]:
    """Points of the source in px of the view."""
    from tools.geometry import Point

    return [image.from_source.point(Point(x=x, y=y)).model_dump() for x, y in points]


def test_a_distance_is_in_mm_along_both_axes(film):
    (start, end) = on(film, (10, 10), (40, 20))
    seen = use("measure", film, start=start, end=end)
    assert seen.facts == {"length_mm": pytest.approx(math.hypot(15, 20))}
    assert seen.text == "The distance is 25 mm (2.5 cm)."


def test_a_distance_may_follow_several_points(film):
    points = on(film, (10, 10), (30, 10), (30, 20))
    assert use("measure", film, points=points, kind="distance").facts["length_mm"] == pytest.approx(10 + 20)


def test_without_a_scale_a_distance_is_in_pixels_of_the_source_and_says_why():
    image = Image.of(Source.of(discs((80, 80, 30))), limit=100)  # shown at half its size
    seen = use("measure", image, start=[10, 10], end=[25, 30])
    assert seen.facts == {"length_px": 50.0}
    assert seen.text == "The distance is 50 px, in pixels of the source because the file does not state a pixel size."


def test_the_file_s_own_reason_for_no_scale_is_given():
    image = Image.of(Source.of(discs(), spacing_note="the file states a pixel size of 0 by 0 mm, which cannot be"))
    assert "because the file states a pixel size of 0 by 0 mm" in use("measure", image, start=[1, 1], end=[9, 1]).text


def test_it_is_said_when_mm_are_those_of_the_detector():
    image = Image.of(Source.of(discs(), spacing_mm=(0.1, 0.1), spacing_note="measured at the detector"))
    seen = use("measure", image, start=[1, 1], end=[9, 1])
    assert seen.text == "The distance is 0.8 mm, measured at the detector."


def test_ultrasound_is_measured_by_the_region_in_which_it_lies():
    regions = (
        Region(box=Box(x0=0, y0=0, x1=100, y1=100), scale=Scale(mm=(0.2, 0.2), note="in the patient")),
        Region(box=Box(x0=0, y0=100, x1=100, y1=200), scale=Scale(mm=None, note="its horizontal axis is time")),
    )
    image = Image.of(Source.of(discs(size=(160, 200)), regions=regions))
    assert use("measure", image, start=[10, 10], end=[60, 10]).facts == {"length_mm": 10.0}
    assert use("measure", image, start=[100, 10], end=[100, 60]).facts == {"length_mm": 10.0}, "on the edge"
    assert "because its horizontal axis is time" in use("measure", image, start=[10, 110], end=[60, 110]).text
    across = use("measure", image, start=[10, 90], end=[10, 110])
    assert across.facts == {"length_px": 20.0}
    assert "does not lie inside one region with a scale" in across.text


def test_an_angle_is_taken_in_mm_where_pixels_are_not_square(film):
    points = on(film, (10, 10), (10, 20), (50, 20))  # arms of 20 mm down and 20 mm across
    assert use("measure", film, points=points).facts == {"angle_degrees": 90.0}
    points = on(film, (50, 10), (10, 20), (50, 20))
    assert use("measure", film, points=points).text == "The angle at the middle point is 45 degrees."


def test_an_angle_without_a_scale_takes_pixels_as_square_and_says_so():
    image = Image.of(Source.of(discs()))
    assert "taking pixels as square because" in use("measure", image, points=[[0, 0], [9, 0], [9, 9]]).text


def test_four_points_give_the_angle_between_two_lines():
    image = Image.of(Source.of(discs(), spacing_mm=(1.0, 1.0)))
    points = [[0, 10], [50, 10], [60, 40], [20, 80]]  # level, and down to the left at 45 degrees
    assert use("measure", image, points=points, kind="angle").facts == {"angle_degrees": 45.0}


def test_a_box_gives_its_size_and_the_values_inside(film):
    box = film.from_source.box(Box(x0=70, y0=70, x1=90, y1=90)).model_dump()
    assert use("measure", film, box=box).facts == {
        "area_mm2": 400.0, "width_mm": 10.0, "height_mm": 40.0,
        "mean_HU": 70.0, "sd_HU": 0.0, "median_HU": 70.0, "min_HU": 70.0, "max_HU": 70.0,
    }  # fmt: skip


def test_width_and_height_are_those_of_the_turned_view(film):
    turned = view("orient", film, rotate=90)
    box = turned.from_source.box(Box(x0=70, y0=70, x1=90, y1=90)).model_dump()
    found = use("measure", turned, box=box).facts
    assert (found["width_mm"], found["height_mm"], found["area_mm2"]) == (40.0, 10.0, 400.0)


def test_an_ellipse_fills_its_box_to_pi_over_four(film):
    box = film.from_source.box(Box(x0=50, y0=50, x1=110, y1=110)).model_dump()
    found = use("measure", film, box=box, kind="ellipse").facts
    assert found["area_mm2"] == pytest.approx(math.pi / 4 * 30 * 120, rel=1e-3)
    assert found["mean_HU"] == 70.0, "the corners of the box, at -50, are left out"


def test_a_polygon_gives_area_perimeter_and_values(film):
    points = on(film, (60, 70), (100, 70), (100, 90), (60, 90))
    found = use("measure", film, points=points).facts
    assert (found["area_mm2"], found["perimeter_mm"], found["mean_HU"]) == (800.0, 120.0, 70.0)


def test_a_value_is_that_of_the_file_with_its_unit():
    image = Image.of(ct(np.array([[100, 200], [300, 400]], np.int16), slope=2.0, intercept=-1000.0))
    seen = use("measure", image, points=[[1.5, 0.5]])
    assert seen.facts == {"value_HU": -600.0}
    assert seen.words() == "The value at [2, 0] is -600 HU."


def test_a_value_without_a_unit_is_said_to_have_none():
    seen = use("measure", Image.of(Source.of(np.full((9, 9), 7, np.uint8))), box=[0, 0, 9, 9], kind="values")
    assert seen.text == "In this region: values: mean 7, SD 0, median 7, from 7 to 7 (no unit)."
    assert seen.facts["mean"] == 7


def test_of_colours_the_mean_of_the_three_is_measured():
    image = Image.of(Source.of(np.full((9, 9, 3), (30, 60, 90), np.uint8), color=True))
    seen = use("measure", image, points=[[4, 4]])
    assert seen.words() == "The value at [4, 4] is 60 (mean of red, green and blue)."


def test_a_pixel_belongs_to_a_box_that_holds_its_centre():
    image = Image.of(Source.of(np.arange(100, dtype=np.uint8).reshape(10, 10)))  # row y begins with 10 y
    assert use("measure", image, box=[0, 0, 1, 2.4]).facts["max"] == 10
    assert use("measure", image, box=[0, 0, 1, 2.6]).facts["max"] == 20
    assert use("measure", image, box=[0.6, 0, 2, 1]).facts["min"] == 1


def test_pixels_that_have_no_value_are_left_out():
    values = np.full((10, 10), 5.0, np.float32)
    values[0] = np.nan
    image = Image.of(Source.of(values))
    assert use("measure", image, box=[0, 0, 10, 10]).facts["mean"] == 5
    assert use("measure", image, points=[[3, 0.5]]).text == "There is no value at {0}."
    assert "no pixel inside has a value" in use("measure", image, box=[0, 0, 10, 1]).text


def test_a_box_smaller_than_a_pixel_measures_the_pixel_it_lies_in(film):
    box = film.from_source.box(Box(x0=80.1, y0=80.1, x1=80.3, y1=80.3)).model_dump()
    assert use("measure", film, box=box).facts["mean_HU"] == 70.0


def test_on_an_outlined_view_the_outline_is_measured(film):
    found = use("measure", view("segment", film)).facts
    assert found["area_mm2"] == pytest.approx(math.pi * 30**2, rel=0.01)  # 30 px * 2 mm high, 30 px * 0.5 mm wide
    assert found["diameter_mm"] == pytest.approx(120, abs=2)
    assert found["across_mm"] == pytest.approx(30, abs=1)
    assert found["mean_HU"] == 70.0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "measure: nothing to measure; give start and end, points, or a box"),
        ({"start": [1, 1]}, "measure: a distance needs both start and end; one was given"),
        ({"start": [1, 1], "end": [1, 1]}, "measure: the points are all the same, so there is no distance"),
        ({"kind": "ellipse"}, "measure: 'ellipse' needs a box; none was given"),
        (
            {"kind": "angle", "points": [[1, 1], [2, 2]]},
            "'angle' takes three points, or four for two lines; 2 were",
        ),
        ({"kind": "values"}, "measure: 'values' needs a box, points, or a view with an outline; none was given"),
        ({"points": [[1, 1], [1, 1], [5, 5]]}, "measure: two of the points are the same, so there is no angle"),
        ({"points": [[0, 0], [9, 9], [9, 0], [0, 9]]}, "measure: the sides of the polygon cross"),
        ({"start": [1, 1], "end": [900, 1]}, "measure: end [900, 1] lies outside the image"),
        ({"start": [1, 1, 1], "end": [9, 1]}, "measure: start: a point is [x, y], not 3 numbers"),
        ({"start": [1, float("nan")], "end": [9, 1]}, "measure: start.y: Input should be a finite number"),
        ({"kind": "volume"}, "measure: kind: Input should be 'distance', 'angle'"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_words(film, arguments, words):
    assert words in refusal("measure", film, **arguments)


@pytest.mark.parametrize(("axis", "sizes"), [("0", (0.7, 1.1)), ("1", (0.7, 5.0)), ("2", (1.1, 5.0))])
def test_every_plane_of_a_volume_has_its_own_scale(axis, sizes):
    volume = Image.of(Source.of(np.zeros((20, 30, 40), np.int16), spacing_mm=(5.0, 1.1, 0.7)))
    plane = view("slice", volume, axis=axis, index=3)
    x, y = sizes
    (start, right, below) = on(plane, (2, 2), (12, 2), (2, 12))
    assert use("measure", plane, start=start, end=right).facts["length_mm"] == pytest.approx(10 * x)
    assert use("measure", plane, start=start, end=below).facts["length_mm"] == pytest.approx(10 * y)


def test_the_calipers_on_a_real_echo_are_as_far_apart_as_the_scanner_printed():
    """The scanner printed "Asc Ao Diam 3.3 cm" beside two calipers at about these places."""
    testdata = pytest.importorskip("pydicom.data")
    pytest.importorskip("data_store", reason="needs pydicom-data")
    from tools.files import open
    from tools.image import first_view

    (source,) = open(testdata.get_testdata_file("JPGLosslessP14SV1_1s_1f_8b.dcm")).sources
    seen = use("measure", first_view(source), start=[629, 320], end=[689, 435])
    assert seen.facts == {"length_mm": 33.05}
    assert "33.05 mm (3.305 cm)" in seen.text


def test_what_is_too_large_for_a_number_is_said_and_is_no_fact():
    image = Image.of(Source.of(np.where(discs((80, 80, 30)) > 50, 1e200, -1.0)))
    seen = use("measure", image, box=[0, 0, 160, 160])
    assert "sd" not in seen.facts
    assert seen.facts["max"] == 1e200
    assert "SD too large to state" in seen.text
    assert Observation.model_validate_json(seen.model_dump_json(include={"facts"})).facts == seen.facts


def test_a_fact_is_a_finite_number_or_a_word():
    with pytest.raises(ValidationError):
        Observation(facts={"sd": math.inf})
