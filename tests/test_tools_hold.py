"""Whatever a policy asks of whatever study, a tool answers or refuses in words: it never breaks."""

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.geometry import Box
from tools.image import Image
from tools.lookup import find, names
from tools.mask import Mask
from tools.study import Region, Scale, Source
from tools.tool import Observation, Tool, ToolError

RNG = np.random.default_rng(0)
NOISE = RNG.normal(0, 300, (7, 33, 41)).astype(np.float32)
HOLES = np.where(RNG.random(NOISE.shape) < 0.1, np.nan, NOISE).astype(np.float32)
SOURCES = [
    Source.of(NOISE[0].astype(np.int16), unit="HU", spacing_mm=(0.7, 0.7)),
    Source.of(NOISE.astype(np.int16), orientation=("I", "P", "L"), spacing_mm=(5.0, 0.7, 0.7)),
    Source.of(NOISE.astype(np.int16), spacing_mm=(0.0, 0.7, 0.7)),
    Source.of(HOLES, axes="tyx", times_s=tuple(n / 10 for n in range(7))),
    Source.of(np.full((9, 9), np.nan, np.float32)),
    Source.of(np.zeros((30, 30), np.uint8), inverted=True),
    Source.of(np.array([[7]], np.uint16)),
    Source.of(RNG.integers(0, 2**16, (20, 30, 3)).astype(np.uint16), color=True),
    Source.of(NOISE[0], regions=(Region(box=Box(x0=3, y0=3, x1=30, y1=30), scale=Scale(mm=(0.1, 0.2), note="")),)),
    Source.of((NOISE[0] > 100).astype(bool)),
    Source.of((NOISE[0] * 1e30).astype(np.float32)),
    Source.of(NOISE[0].astype(np.int64) * 2**40),
]
ODD = st.sampled_from([0, -1, 0.5, 1e-300, 1e308, -1e308, 5e-324, float("nan"), float("inf"), None, "7", [], {}, True])
NUMBER = st.one_of(st.floats(0, 30), st.floats(0, 30), st.floats(0, 30), st.floats(-900, 900), ODD)
WHOLE = st.one_of(st.integers(0, 6), st.integers(0, 6), st.integers(-2, 45), ODD)
POINT = st.lists(NUMBER, min_size=2, max_size=2)
BOX = st.one_of(
    st.tuples(*[st.floats(0, 10)] * 2, *[st.floats(10.1, 60)] * 2).map(list), st.lists(NUMBER, min_size=4, max_size=4)
)
ARGUMENTS = {
    "box": BOX, "boxes": st.lists(BOX, max_size=3), "points": st.lists(POINT, max_size=5), "point": POINT,
    "start": POINT, "end": POINT, "factor": NUMBER, "level": NUMBER, "width": NUMBER, "low": NUMBER, "high": NUMBER,
    "index": WHOLE, "seconds": st.floats(0, 0.6) | ODD, "smallest": WHOLE, "split": st.booleans(),
    "other": st.just("img1"), "preset": st.sampled_from(["full", "percentile", "lung", "sepia", ""]),
    "rotate": st.sampled_from([0, 90, 180, 270, 7]), "flip": st.sampled_from(["horizontal", "vertical", "inside out"]),
    "axis": st.sampled_from(["0", "1", 2, "axial", "sagittal"]),
    "kind": st.sampled_from(["distance", "angle", "polygon", "box", "ellipse", "values"]),
    "method": st.sampled_from(["threshold", "region", "walker"]), "align": st.sampled_from(["none", "shift", "affine"]),
    "labels": st.lists(st.text(max_size=5), max_size=3),
}  # fmt: skip


@st.composite
def calls(draw: Any) -> tuple[str, dict[str, Any]]:
    """A tool and some of its arguments, of which any may be wrong."""
    name = draw(st.sampled_from(names("tools")))
    told = Tool(find("tools", name)).schema["parameters"]
    wanted = [a for a in told["properties"] if a in told.get("required", ()) or draw(st.booleans())]
    return name, {a: draw(ARGUMENTS[a]) for a in wanted if a != "image"}


@settings(max_examples=150)
@given(
    st.sampled_from(SOURCES), st.sampled_from(SOURCES), st.sampled_from([None, 0, 0.4]),
    st.lists(calls(), min_size=1, max_size=4),
)  # fmt: skip
def test_a_tool_answers_or_refuses_in_words(source, other, outlined, asked):
    mask = None if outlined is None else Mask.of(np.random.default_rng(1).random(source.plane_shape()) < outlined)
    images = {"img0": Image.of(source, limit=100, mask=mask), "img1": Image.of(other, limit=100)}
    for name, arguments in asked:
        try:
            seen = Tool(find("tools", name)).call({"image": "img0", **arguments}, images).run()
        except ToolError as refused:
            seen = Observation(text=str(refused))
            assert re.match(rf"{name}: .{{10,250}}$", seen.text)
        assert seen.words()
        assert all(np.isfinite(value) for value in seen.facts.values() if not isinstance(value, str))
        for shown in seen.images:
            assert shown.pixels.dtype == np.uint8
            assert shown.pixels.shape[:2] == (shown.height, shown.width)
            images["img0"] = shown


def test_every_argument_of_every_tool_is_tried():
    told = {a for name in names("tools") for a in Tool(find("tools", name)).schema["parameters"]["properties"]}
    assert told - {"image"} == set(ARGUMENTS)


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: f"{source.axes} {source.dtype}")
def test_every_source_can_be_shown(source):
    pixels = Image.of(source).pixels
    assert pixels.dtype == np.uint8
