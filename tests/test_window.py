"""Grey windows, in the unit of the source."""

import numpy as np
import pytest

from tests.phantoms import ct, discs, refusal, use, view
from tools.geometry import Box
from tools.grey import Grey
from tools.image import Image
from tools.study import Source


@pytest.fixture
def lung() -> Image:
    """Air at -900 HU in soft tissue of 40 HU."""
    return Image.of(ct(discs((100, 80, 50), low=40, high=-900)))


@pytest.fixture
def mr() -> Image:
    return Image.of(Source.of(np.arange(101, dtype=np.int16).reshape(1, 101), modality="MR"))


def test_a_level_and_a_width_are_in_hu(lung):
    seen = use("window", lung, level=-600, width=1200)
    assert seen.images[0].pixels[80, 100] == round((-900 + 600 + 600) / 1200 * 255)
    assert seen.text == "Grey window: level -600, width 1200, from -1200 to 0 HU."
    assert seen.facts == {"level": -600, "width": 1200}


def test_what_is_left_out_stays_as_it_was(lung):
    assert use("window", lung, width=80).facts == {"level": 40, "width": 80}
    assert use("window", lung, level=100).facts == {"level": 100, "width": 400}


def test_everything_else_of_the_view_stays(lung):
    before = view("mark", view("orient", view("zoom", lung, box=[60, 40, 120, 100]), rotate=90), boxes=[[5, 5, 30, 30]])
    after = view("window", before, preset="bone")
    assert after == before.look(grey=after.grey).shown()
    assert after.grey != before.grey


@pytest.mark.parametrize(
    ("preset", "level", "width"),
    [("lung", -600, 1500), ("Soft Tissue", 40, 400), ("bone", 480, 2500), ("brain", 40, 80), ("liver", 90, 150)],
)
def test_ct_presets_are_those_of_other_viewers(lung, preset, level, width):
    assert use("window", lung, preset=preset).facts == {"level": level, "width": width}


def test_percentiles_and_full_go_by_the_values_in_the_part_shown(mr):
    assert use("window", mr, preset="full").facts == {"level": 50, "width": 100}
    assert use("window", mr, preset="percentile", low=10, high=90).facts == {"level": 50, "width": 80}
    part = mr.look(window=Box(x0=0, y0=0, x1=11, y1=1))
    assert use("window", part, preset="full").facts == {"level": 5, "width": 10}


def test_a_preset_that_the_file_names_is_used():
    image = Image.of(ct(discs(), presets=(Grey(level=1, width=2, name="ABDOMEN"), Grey(level=3, width=4, name="WIDE"))))
    assert use("window", image, preset="wide").facts == {"level": 3, "width": 4}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            {"preset": "lung"},
            "'lung' is for CT, whose values are in HU; here they have no unit; use perc",
        ),
        ({"preset": "sepia"}, "window: no preset 'sepia'; there are: percentile, full"),
        ({"preset": "full", "level": 3}, "window: give either a preset or a level and a width"),
        ({}, "window: give a level and a width, or a preset; now level 50, width 98"),
        ({"level": 3, "width": 0}, "window: width: Input should be greater than 0"),
        (
            {"preset": "percentile", "low": 60, "high": 40},
            "low 60 is not below high 40; give two percentiles",
        ),
        ({"level": float("inf")}, "window: level: Input should be a finite number"),
    ],
)
def test_what_cannot_be_shown_is_refused_in_words(mr, arguments, words):
    assert words in refusal("window", mr, **arguments)


def test_a_colour_picture_has_no_window():
    image = Image.of(Source.of(np.zeros((9, 9, 3), np.uint8), color=True))
    assert refusal("window", image, preset="full").startswith("window: this is a colour picture")
