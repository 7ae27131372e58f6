"""Boxes and points as an answer writes them."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs import answers
from envs.answers import Named, placed, repairing, strict, written
from tools.geometry import Box, Point
from tools.image import Image
from tools.study import Source

BOX = Box(x0=1, y0=2, x1=30, y1=40)


@pytest.fixture
def image():
    return Image.of(Source.of(np.zeros((400, 200), np.uint8)), limit=100)  # shown at a quarter: 50 by 100


@pytest.mark.parametrize(
    ("text", "kind", "named"),
    [
        ("[[1, 2, 30, 40]]", "boxes", [Named("img0", BOX)]),
        ('[{"image": "img2", "box": [1, 2, 30, 40]}]', "boxes", [Named("img2", BOX)]),
        ('[{"box": [1, 2, 30, 40]}]', "boxes", [Named("img0", BOX)]),
        ("[]", "boxes", []),
        ("[[1, 2]]", "points", [Named("img0", Point(x=1, y=2))]),
        ('[{"image": "img1", "point": [1.5, 2]}]', "points", [Named("img1", Point(x=1.5, y=2))]),
    ],
)
def test_what_is_written_as_asked_is_read_strictly(text, kind, named):
    assert strict(text, kind) == tuple(named) == repairing(text, kind)


@pytest.mark.parametrize(
    "text",
    [
        "[1, 2, 30, 40]",
        '{"box": [1, 2, 30, 40]}',
        '[{"bbox_2d": [1, 2, 30, 40], "label": "nodule"}]',
        "```json\n[[1, 2, 30, 40]]\n```",
        "The box is [[1, 2, 30, 40]].",
        "[[1, 2, 30, 40],]",
        '[{"bbox_2d": [1, 2, 30, 40, "label": "nodule"}]',  # the slip of Point, Detect, Count: no ] before the label
    ],
)
def test_what_is_nearly_so_is_mended_but_not_strict(text):
    assert strict(text, "boxes") is None
    assert repairing(text, "boxes") == (Named("img0", BOX),)


@pytest.mark.parametrize(
    "text",
    ["", "nodule", "[[1, 2, 3]]", "[[30, 2, 1, 40]]", "[[1, 2, 1, 40]]", '[["a", 2, 3, 4]]', "[[true, 2, 3, 4]]",
     "[[NaN, 2, 3, 4]]", "[[1e999, 2, 3, 4]]", '[{"image": 3, "box": [1, 2, 3, 4]}]', "[null]", "{}", "[" * 2000],
)  # fmt: skip
def test_what_names_no_box_is_unread(text):
    assert strict(text, "boxes") is None
    assert repairing(text, "boxes") is None


def test_places_are_those_of_the_source_whatever_the_numbers_are_of(image):
    named = (Named("img0", Box(x0=5, y0=10, x1=10, y1=20)),)
    (place,) = placed(named, {"img0": image}, None)
    assert place.shape == Box(x0=20, y0=40, x1=40, y1=80)
    thousandths = (Named("img0", Box(x0=100, y0=100, x1=200, y1=200)),)
    (same,) = placed(thousandths, {"img0": image}, {"img0": (1000, 1000)})
    assert same == place


def test_an_image_that_was_not_shown_makes_the_answer_unread(image):
    assert placed((Named("img9", BOX),), {"img0": image}, None) is None


def test_what_is_written_is_read_back(image):
    (place,) = placed((Named("img0", Box(x0=5, y0=10, x1=10, y1=20)),), {"img0": image}, None)
    assert placed(strict(written([("img0", image, place)]), "boxes"), {"img0": image}, None) == (place,)


@given(st.text(), st.sampled_from(["boxes", "points"]))
def test_no_text_raises(text, kind):
    if (exact := strict(text, kind)) is not None:
        assert repairing(text, kind) == exact
    repairing(text, kind)


LEAVES = st.floats() | st.integers() | st.text() | st.none()


@given(st.lists(st.recursive(LEAVES, lambda parts: st.lists(parts) | st.dictionaries(st.text(), parts))))
def test_no_json_raises(value):
    answers.repairing(json.dumps(value), "boxes")
