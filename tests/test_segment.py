"""Outlines of made-up structures whose true size is known, and counts of them."""

import math

import numpy as np
import pytest

from tests.phantoms import ct, discs, refusal, use, view
from tools.geometry import Box, Point
from tools.image import Image
from tools.render import GREEN
from tools.study import Source

RNG = np.random.default_rng(0)


def noisy(values: np.ndarray, sd: float = 10) -> np.ndarray:
    return (values + RNG.normal(0, sd, values.shape)).astype(np.float32)


@pytest.fixture
def nodule() -> Image:
    """A nodule of 40 HU and 12 px = 6 mm in radius in lung of -800 HU, with noise; and a vessel beside it."""
    return Image.of(ct(noisy(discs((60, 70, 12), (100, 70, 6), low=-800, high=40))))


def dice(image: Image, truth: np.ndarray) -> float:
    found = image.mask.array
    return 2 * (found & truth).sum() / (found.sum() + truth.sum())


NODULE = discs((60, 70, 12)) > 50


def test_a_threshold_finds_all_values_in_its_limits(nodule):
    seen = use("segment", nodule, low=-400)
    assert dice(seen.images[0], discs((60, 70, 12), (100, 70, 6)) > 50) == 1
    assert seen.facts["regions"] == 2
    assert seen.facts["area_mm2"] == pytest.approx(math.pi * (36 + 9), rel=0.02)
    assert seen.facts["diameter_mm"] == pytest.approx(12, abs=0.5)
    assert seen.facts["mean_HU"] == pytest.approx(40, abs=2)
    assert seen.words().startswith("2 separate regions by values of at least -400 HU: area 14")
    assert seen.words().endswith("The box of the largest is [48, 58, 72, 82].")


@pytest.mark.parametrize(
    "how",
    [
        {"method": "threshold", "point": [60, 70]},
        {"method": "region", "point": [60, 70]},
        {"method": "region", "point": [60, 70], "low": -300},
        {"method": "walker", "box": [40, 50, 80, 90]},
        {"method": "walker", "box": [40, 50, 80, 90], "point": [64, 70]},
    ],
)
def test_every_method_finds_the_nodule_and_not_the_vessel(nodule, how):
    seen = use("segment", nodule, **how)
    assert dice(seen.images[0], NODULE) > 0.98
    assert seen.facts["regions"] == 1


def test_a_dark_structure_is_found_on_its_own_side_of_otsus_threshold():
    image = Image.of(ct(noisy(discs((60, 70, 12), low=40, high=-800))))
    assert dice(view("segment", image, point=[60, 70]), NODULE) > 0.99


def test_it_works_at_the_resolution_of_the_source_in_the_part_shown(nodule):
    small = Image.of(nodule.data, limit=50)
    part = view("zoom", small, box=[10, 12, 21, 24], factor=2)
    found = view("segment", part, low=-400)
    assert dice(found, NODULE) == 1, "the vessel lies outside the part shown"


def test_the_outline_is_drawn_on_the_view_and_nowhere_else(nodule):
    found = view("segment", nodule, low=-400)
    green = (found.pixels == GREEN).all(axis=2)
    assert green[70, 48], "the left edge of the nodule"
    assert not green[70, 60], "its middle"
    assert 0 < green.sum() < 150


def test_an_outline_turns_with_its_view(nodule):
    found = view("segment", nodule, low=-400)
    turned = view("orient", found, rotate=90)
    assert (turned.pixels == np.rot90(found.pixels, -1)).all()
    assert use("measure", turned).facts == use("measure", found).facts


def test_what_reaches_the_edge_is_said_to_go_on(nodule):
    seen = use("segment", nodule, low=-400, box=[50, 50, 75, 80])
    assert seen.text.endswith("It reaches the edge of the part looked at and may go on outside.")


def test_without_a_scale_sizes_are_in_pixels():
    image = Image.of(Source.of(discs((60, 70, 12))))
    seen = use("segment", image)
    assert seen.facts["area_px2"] == NODULE.sum()
    assert "in pixels of the source because the file does not state a pixel size" in seen.text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"low": 5000}, "segment: nothing found by values of at least 5000 HU; give other limits or another point"),
        (
            {"low": -5000},
            "values of at least -5000 HU fill 100% of the part looked at, so no border was found",
        ),
        ({"low": 10, "high": -10}, "segment: low 10 is above high -10; give the smaller value as low"),
        ({"method": "region"}, "segment: method 'region' needs a point inside the structure; none was given"),
        (
            {"method": "region", "point": [10, 10], "low": 0},
            "nothing found by connected values of at least 0 HU",
        ),
        ({"method": "walker"}, "segment: method 'walker' needs a box around the structure; none was given"),
        ({"method": "walker", "box": [40, 50, 80, 90], "low": 0}, "segment: the walker takes no limits"),
        (
            {"method": "walker", "box": [40, 50, 42, 90]},
            "the walker takes boxes of 5 by 5 to 512 by 512 pixels",
        ),
        (
            {"point": [10, 10], "box": [40, 50, 80, 90]},
            "the point lies outside the box; give a point inside it",
        ),
        ({"method": "magic"}, "segment: method: Input should be 'threshold', 'region' or 'walker'"),
    ],
)
def test_what_cannot_be_outlined_is_refused_in_words(nodule, arguments, words):
    assert words in refusal("segment", nodule, **arguments)


def test_a_flat_picture_has_nothing_to_outline():
    assert "all values here are the same" in refusal("segment", Image.of(Source.of(np.zeros((20, 20), np.uint8))))


NUCLEI = [(30 + 40 * column, 30 + 35 * row, 8 + row + column) for row in range(3) for column in range(4)]


def test_separate_things_are_counted_and_numbered_the_largest_first():
    seen = use("count", view("segment", Image.of(ct(discs(*NUCLEI)))))
    assert seen.facts["count"] == 12
    assert seen.spots[0].shape == Point(x=150, y=100), "the largest"
    assert [mark.label for mark in seen.images[0].marks] == [str(n + 1) for n in range(12)]
    assert seen.words().startswith("Count: 12, median area ")


def test_specks_are_left_out_and_that_is_said():
    image = view("segment", Image.of(ct(discs((30, 30, 10), (80, 30, 10), (130, 30, 1)))))
    seen = use("count", image, smallest=20)
    assert seen.facts["count"] == 2
    assert "Count: 2, 1 smaller left out" in seen.text


def test_touching_nuclei_are_one_until_they_are_split():
    touching = [(30, 30, 12), (50, 30, 12), (60, 48, 12), (120, 60, 14), (140, 78, 14)]
    image = view("segment", Image.of(ct(discs(*touching))))
    assert use("count", image).facts["count"] == 2
    seen = use("count", image, split=True)
    assert seen.facts["count"] == 5
    centers = sorted((round(spot.shape.x), round(spot.shape.y)) for spot in seen.spots)
    assert np.allclose(centers, sorted((x, y) for x, y, _ in touching), atol=3)


def test_a_rough_border_does_not_split_one_nucleus():
    rough = discs((100, 80, 40)) > 50
    rough &= RNG.random(rough.shape) > 0.02
    rough |= discs((100, 80, 36)) > 50
    assert (
        use("count", view("segment", Image.of(ct(rough.astype(np.float32)))), split=True, smallest=9).facts["count"]
        == 1
    )


def test_of_many_the_largest_are_listed():
    spots = [(10 + 12 * column, 10 + 12 * row, 4) for row in range(12) for column in range(15)]
    seen = use("count", view("segment", Image.of(ct(discs(*spots)))))
    assert seen.facts["count"] == 180
    assert len(seen.spots) == 24
    assert "The 24 largest are at" in seen.text


def test_nothing_is_counted_without_an_outline(nodule):
    assert refusal("count", nodule).startswith("count: nothing is outlined on this image; use segment first")
    outlined = view("segment", nodule, low=-400)
    assert refusal("count", outlined, smallest=5000).startswith(
        "count: nothing here has 5000 pixels; the largest has 4"
    )
    assert "smallest: Input should be greater than or equal to 1" in refusal("count", outlined, smallest=0)


def test_the_nodule_box_is_stated_on_the_view(nodule):
    zoomed = view("zoom", nodule, box=[40, 50, 80, 90], factor=4)
    seen = use("segment", zoomed, low=-400)
    assert seen.images[0].to_source.box(seen.spots[0].shape) == Box(x0=48, y0=58, x1=72, y1=82)
