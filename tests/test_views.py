"""A view is a recipe: where its pixels come from, and what they look like."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.phantoms import ct, discs, use, view
from tools.geometry import Box, Point
from tools.grey import CT_PRESETS, Grey
from tools.image import Image, first_view, pixel_hash, upright
from tools.ruler import rounded
from tools.study import Source

SIDES = st.permutations(["LR", "AP", "SI"]).flatmap(lambda pairs: st.tuples(*(st.sampled_from(pair) for pair in pairs)))
SHARE = st.floats(0.05, 0.95)
STEP = st.one_of(
    st.tuples(st.just("crop"), SHARE, SHARE, SHARE, SHARE),
    st.tuples(st.just("zoom"), SHARE, SHARE, SHARE, SHARE, st.floats(1, 16)),
    st.tuples(st.just("orient"), st.sampled_from([90, 180, 270]), st.sampled_from(["horizontal", "vertical", None])),
    st.tuples(st.just("slice"), st.sampled_from(["0", "1", "2"]), SHARE),
)
RAMP = Grey.between(0, 85, "ramp")


def part(image: Image, x: float, y: float, width: float, height: float) -> list[float]:
    """A box of an image by shares of its sides, at least 4 px wide and high where there is room."""
    w, h = max(4.0, width * image.width), max(4.0, height * image.height)
    x0, y0 = max(0.0, x * (image.width - w)), max(0.0, y * (image.height - h))
    return [x0, y0, min(x0 + w, image.width), min(y0 + h, image.height)]


def walked(image: Image, steps: list[tuple]) -> Image:
    """The view after a chain of tools."""
    for tool, *how in steps:
        if tool == "crop":
            image = view("crop", image, box=part(image, *how))
        elif tool == "zoom":
            image = view("zoom", image, box=part(image, *how[:4]), factor=how[4])
        elif tool == "orient":
            image = view("orient", image, rotate=how[0], flip=how[1])
        elif image.data.axes == "zyx":
            axis = int(how[0])
            image = view("slice", image, axis=how[0], index=int(how[1] * image.data.count(axis)))
    return image


@st.composite
def ramps(draw):
    """Three volumes (or two pictures) alike but for their values: each holds the place along one axis, in px."""
    shape = draw(st.lists(st.integers(5, 84), min_size=2, max_size=3))
    known = draw(st.booleans())
    fields = {
        "spacing_mm": draw(st.tuples(*[st.floats(0.3, 3)] * len(shape))) if known else None,
        "orientation": draw(SIDES)[: len(shape)] if draw(st.booleans()) else None,
    }
    limit = draw(st.sampled_from([64, 200, 1024]))
    places = np.stack(np.meshgrid(*[np.arange(n) + 0.5 for n in shape], indexing="ij")).astype(np.float32)
    sources = [Source.of(place, id=f"ramp {a} {shape}", **fields) for a, place in enumerate(places)]
    return [Image.of(source, limit=limit, grey=RAMP) for source in sources]


@settings(max_examples=60)
@given(ramps(), st.lists(STEP, max_size=6), SHARE, SHARE)
def test_after_any_chain_a_pixel_shows_the_place_it_maps_back_to(images, steps, u, v):
    views = [walked(image, steps) for image in images]
    shown = views[0]
    column, row = int(u * shown.width), int(v * shown.height)
    back = shown.to_source.point(Point(x=column + 0.5, y=row + 0.5))
    place = [back.y, back.x]
    if shown.data.axes == "zyx":
        place.insert(shown.axis, shown.index + 0.5)
    values = [float(image.pixels[row, column]) / 255 * 85 for image in views]
    assert values == pytest.approx(place, abs=1.0)


@settings(max_examples=60)
@given(ramps(), st.lists(STEP, max_size=6), SHARE, SHARE)
def test_after_any_chain_a_point_goes_to_the_source_and_comes_back(images, steps, u, v):
    shown = walked(images[0], steps)
    there = shown.to_source.point(Point(x=u * shown.width, y=v * shown.height))
    back = shown.from_source.point(there)
    assert (back.x, back.y) == pytest.approx((u * shown.width, v * shown.height), abs=1e-6)
    assert shown.window.contains(there)
    assert max(shown.width, shown.height) <= shown.limit


@settings(max_examples=60)
@given(
    st.tuples(*[st.floats(0.3, 3)] * 3), SIDES, st.sampled_from(["0", "1", "2"]), st.lists(STEP, max_size=5),
    st.tuples(*[st.floats(0.01, 0.99)] * 4),
)  # fmt: skip
def test_a_length_is_the_same_in_mm_on_every_view(spacing, orientation, axis, steps, ends):
    volume = Source.of(np.zeros((30, 50, 40), np.int16), id="empty", spacing_mm=spacing, orientation=orientation)
    image = view("slice", Image.of(volume, grey=RAMP), axis=axis, index=7)
    shown = walked(image, [step for step in steps if step[0] != "slice"])
    start, end = [ends[0] * shown.width, ends[1] * shown.height], [ends[2] * shown.width, ends[3] * shown.height]
    assume(np.hypot(start[0] - end[0], start[1] - end[1]) > 0.01)
    y_mm, x_mm = (s for a, s in enumerate(spacing) if a != int(axis))
    p, q = (shown.to_source.point(Point.model_validate(end)) for end in (start, end))
    true = float(np.hypot((p.x - q.x) * x_mm, (p.y - q.y) * y_mm))
    on_view = [(a - b) * mm for a, b, mm in zip(start, end, shown.mm_per_pixel, strict=True)]
    assert float(np.hypot(*on_view)) == pytest.approx(true, rel=1e-6)
    assert use("measure", shown, start=start, end=end).facts == {"length_mm": pytest.approx(rounded(true), rel=1e-3)}


@settings(max_examples=40)
@given(st.lists(STEP, max_size=5), st.integers(60, 140), st.integers(60, 100))
def test_a_disc_is_where_the_maths_says_after_any_chain(steps, x, y):
    image = Image.of(Source.of(discs((x, y, 12)), spacing_mm=(0.7, 0.7)), grey=Grey.between(0, 100))
    shown = walked(image, [step for step in steps if step[0] in ("orient", "zoom")])
    middle = shown.from_source.point(Point(x=x, y=y))
    edge = shown.from_source.point(Point(x=x + 12, y=y))
    radius = max(abs(edge.x - middle.x), abs(edge.y - middle.y))
    rows, columns = np.mgrid[: shown.height, : shown.width] + 0.5
    away = np.hypot(columns - middle.x, rows - middle.y) / radius
    assert (shown.pixels[away < 0.85] > 200).all()
    assert (shown.pixels[away > 1.15] < 50).all()


BRIGHT = "RAS"


@given(SIDES)
def test_planes_are_shown_upright_with_the_patients_right_or_front_at_the_left(orientation):
    volume = np.zeros((8, 8, 8), np.uint8)
    corner = tuple(slice(4, 8) if side in BRIGHT else slice(0, 4) for side in orientation)
    volume[corner] = 255  # the patient's right, front, upper part
    source = Source.of(volume, orientation=orientation, spacing_mm=(1.0, 1.0, 1.0))
    for axis, side in enumerate(orientation):
        index = 6 if side in BRIGHT else 1
        pixels = Image.of(source, axis, index, grey=Grey.between(0, 255)).pixels
        assert pixels[:4, :4].min() == 255, "right and front at the left; front or head at the top"
        assert pixels[4:].max() == pixels[:, 4:].max() == 0


def test_a_picture_of_unknown_orientation_is_shown_as_stored():
    assert upright(Source.of(np.zeros((4, 4), np.uint8)), 0) == (False, 0)


def test_a_volume_opens_on_its_middle_axial_plane():
    source = Source.of(np.zeros((4, 6, 8), np.uint8), orientation=("L", "A", "S"))
    assert (first_view(source).axis, first_view(source).index) == (2, 4)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16, np.int32, np.float32])
def test_a_window_renders_what_the_formula_of_the_standard_gives(dtype):
    stored = np.linspace(-120 if np.dtype(dtype).kind != "u" else 0, 120, 64).reshape(8, 8).astype(dtype)
    source = Source.of(stored, slope=2.0, intercept=-30.0, unit="HU")
    level, width = 40.0, 160.0
    pixels = Image.of(source, grey=Grey(level=level, width=width)).pixels
    share = ((stored.astype(float) * 2 - 30 - level) / width + 0.5).clip(0, 1)  # DICOM PS3.3 C.11.2.1.3.2
    assert (pixels == np.rint(share * 255)).all()


def test_the_linear_window_is_half_a_value_off_the_exact_one():
    """DICOM PS3.3 C.11.2.1.2.1: with centre 2048 and width 4096 the 4096 values 0 to 4095 fill the range."""
    grey = Grey(level=2048, width=4096, function="LINEAR")
    assert grey.apply(np.array([0, 4095])).tolist() == [0, 255]
    assert grey.apply(np.array([2047.5])).tolist() == [128]


def test_a_film_of_small_bright_values_is_shown_inverted():
    source = Source.of(np.array([[0, 255]], np.uint8), inverted=True)
    assert Image.of(source).pixels.tolist() == [[255, 0]]


def test_what_is_shrunk_along_one_side_is_averaged_there():
    stripes = np.tile(np.array([0, 200], np.uint8), (10, 100))  # single bright columns: to skip some would show
    source = Source.of(stripes, spacing_mm=(40.0, 1.0))
    image = Image.of(source, limit=100)
    assert image.width < 200
    assert image.height > 10
    assert image.pixels.std() < 40


def test_the_same_view_has_the_same_id_and_the_same_pixels():
    first, second = (Image.of(ct(discs((80, 80, 30)))) for _ in range(2))
    assert first.id == second.id
    assert first.shown().hash == second.shown().hash == "c5fb398f6dee763fe2fbc38a7a8fc45d"  # on every machine


def test_the_hash_tells_pictures_of_other_shape_apart():
    assert pixel_hash(np.zeros((2, 3), np.uint8)) != pixel_hash(np.zeros((3, 2), np.uint8))


def test_no_view_changes_what_is_measured():
    image = Image.of(ct(discs((80, 80, 30), low=-50, high=70)))
    measured = use("measure", image, box=[60, 60, 100, 90]).facts
    views = [
        image.look(grey=CT_PRESETS["lung"]),
        view("mark", image, boxes=[[60, 60, 100, 90]]),
        view("zoom", image, box=[50, 50, 120, 110], factor=4),
        view("crop", image, box=[60, 60, 100, 90]),
        view("orient", image, rotate=180),
        view("segment", image),
        Image.of(image.data, limit=64),
    ]
    for shown in views:
        box = shown.from_source.box(Box(x0=60, y0=60, x1=100, y1=90)).model_dump()
        assert use("measure", shown, box=box).facts == pytest.approx(measured)


def test_what_has_no_value_is_black():
    assert Grey.between(0, 10).apply(np.array([np.nan, -np.inf, 5, np.inf])).tolist() == [0, 0, 128, 255]


@pytest.mark.parametrize("top", [1e200, 1e308, 1.79e308])
def test_a_grey_window_of_values_near_the_limit_of_floats_is_finite(top):
    image = Image.of(Source.of(np.array([[-top, 0.0], [0.0, top]])))
    assert np.isfinite([image.grey.level, image.grey.width]).all()
    assert image.pixels[0, 0] < image.pixels[0, 1] < image.pixels[1, 1]


@pytest.mark.parametrize(("level", "width"), [(float("inf"), 1), (float("nan"), 1), (0, float("inf"))])
def test_a_grey_window_that_is_not_finite_is_refused(level, width):
    with pytest.raises(ValidationError):
        Grey(level=level, width=width)
