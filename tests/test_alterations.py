"""Studies that are altered: the frame stays, what is seen changes as stated."""

import numpy as np
import pytest

from agent.alterations import BLUR_PX, BRIGHTNESS, altered, blank, corruption, elsewhere, of, view_of
from agent.arms import Arm, environment, evidence, put
from envs.episode import Truth
from envs.tasks.discs import discs
from tests.phantoms import use
from tools.geometry import Box
from tools.image import Image, Place
from tools.study import Source

TASKS = list(discs("test", 4))
(QUESTION, TRUTH), (OTHER, _) = TASKS[:2]


def volume() -> Source:
    values = np.random.default_rng(0).normal(40, 20, (6, 32, 48)).astype(np.float32)
    orientation = ("S", "P", "L")
    return Source.of(values, unit="HU", modality="CT", spacing_mm=(3.0, 0.5, 0.5), orientation=orientation)


def test_a_blank_study_shows_one_grey_and_keeps_its_frame():
    image = altered(QUESTION, blank, "blank").images[0]
    real = QUESTION.images[0]
    assert len(np.unique(image.pixels)) == 1
    assert (image.source, image.window, image.width, image.spacing_mm) == (
        real.source, real.window, real.width, real.spacing_mm,
    )  # fmt: skip
    assert (image.layer, image.id == real.id) == ("blank", False)
    assert len(np.unique(QUESTION.images[0].pixels)) > 1


def test_tools_see_nothing_either_on_a_blank_study():
    image = altered(QUESTION, blank, "blank").images[0]
    closer = use("zoom", image, box=[10, 10, 50, 50]).images[0]
    assert len(np.unique(closer.pixels)) == 1
    assert "SD 0" in use("measure", image, box=[10, 10, 50, 50]).text


def test_a_blank_volume_still_has_its_slices():
    view = view_of(Image.of(volume(), 0, 3), blank, "blank")
    other = use("slice", view, index=1, axis="coronal").images[0]
    assert (other.axis, other.index, len(np.unique(other.pixels))) == (1, 1, 1)


def test_a_shuffled_study_shows_the_other_one_in_the_frame_of_the_first():
    image = altered(QUESTION, of(OTHER.images[0]), "shuffled").images[0]
    assert np.abs(image.pixels.astype(int) - OTHER.images[0].pixels).max() <= 1
    assert image.source == QUESTION.images[0].source


@pytest.mark.parametrize("inverted", [False, True])
def test_brightness_makes_what_is_seen_brighter_also_where_small_values_are_bright(inverted):
    source = Source.of(np.full((40, 40), 100, np.uint8), inverted=inverted)
    image = Image.of(source)
    brighter = view_of(image, corruption("brightness", 1), "brightness/1")
    factor = brighter.pixels.mean() / image.pixels.mean()
    low, high = BRIGHTNESS[0]
    assert low - 0.05 <= factor <= min(high, 255 / image.pixels.mean()) + 0.05


@pytest.mark.parametrize("level", [1, 2, 3])
def test_a_blur_spreads_a_point_over_its_width(level):
    dot = np.zeros((41, 41), np.uint8)
    dot[20, 20] = 255
    blurred = view_of(Image.of(Source.of(dot)), corruption("blur", level), f"blur/{level}").pixels
    columns = np.nonzero(blurred.sum(axis=0))[0]
    assert columns.max() - columns.min() + 1 <= BLUR_PX[level - 1]
    assert 0 < blurred.max() < 100


def test_noise_is_the_same_for_the_same_seed_and_another_for_another():
    make = corruption("noise", 2)
    one, same, other = (view_of(QUESTION.images[0], make, "noise/2", seed).pixels for seed in (0, 0, 1))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    assert one.mean() > QUESTION.images[0].pixels.mean()


def test_a_colour_picture_stays_one():
    colours = np.random.default_rng(0).integers(0, 255, (30, 30, 3), np.uint8)
    image = Image.of(Source.of(colours, color=True))
    for change in (blank, of(OTHER.images[0]), corruption("blur", 1), corruption("noise", 3)):
        assert view_of(image, change, "x").pixels.shape == (30, 30, 3)


def test_there_are_three_levels():
    with pytest.raises(ValueError, match="no level 4 of blur; there are: 1, 2, 3"):
        corruption("blur", 4)


def test_elsewhere_is_another_part_of_the_same_size():
    part = QUESTION.images[0].look(window=Box(x0=10, y0=20, x1=60, y1=50))
    moved = elsewhere(part)
    assert (moved.width, moved.height, moved.source) == (part.width, part.height, part.source)
    assert moved.window.intersection(part.window) is None


def test_what_tools_show_is_replaced_and_what_they_say_still_points_at_it():
    shuffled = Arm(policy="x", views="shuffled")
    env = environment(shuffled, {"tools": ["zoom"]}, TASKS[:1], {QUESTION.images[0].source: OTHER})
    env.reset(options={"question": QUESTION})
    env.step('<tool_call>{"name": "zoom", "arguments": {"image": "img0", "box": [10, 10, 90, 90]}}</tool_call>')
    (view,) = env.episode.turns[0].images
    assert (view.layer, view.window) == ("shuffled", Box(x0=10, y0=10, x1=90, y1=90))
    assert env.episode.opening.images[0].layer == ""


def test_without_tools_there_are_none_and_forced_means_that_one_comes_first():
    none = environment(Arm(policy="x", tools="none"), {}, TASKS[:1], {})
    assert not none.tools
    env = environment(Arm(policy="x", tools="forced"), {}, TASKS[:1], {})
    env.reset(options={"question": QUESTION})
    env.step("<answer>3 mm</answer>")
    assert env.episode.stop is None
    assert env.episode.turns[0].acts[0].observation.text == "look first: use a tool before you answer"
    env.step('<tool_call>{"name": "zoom", "arguments": {"image": "img0", "box": [10, 10, 90, 90]}}</tool_call>')
    env.step("<answer>3 mm</answer>")
    assert (env.episode.stop, env.episode.answer) == ("answered", "3 mm")


def test_the_evidence_is_shown_whole_and_a_noisy_one_beside_it():
    (place,) = TRUTH.regions
    (view,) = evidence(QUESTION, TRUTH)
    assert view.window.intersection(place.shape) == place.shape
    shown = put(Arm(policy="x", tools="oracle"), QUESTION, TRUTH, OTHER)
    assert [image.window for image in shown.images] == [QUESTION.images[0].window, view.window]
    noisy = [put(Arm(policy="x", tools="noisy", seed=n), QUESTION, TRUTH, OTHER).images[1].window for n in range(20)]
    assert len({str(window) for window in noisy}) > 10
    assert any(window.iou(view.window) < 0.5 for window in noisy)


def test_the_evidence_of_another_slice_is_shown_on_that_slice():
    source = volume()
    question = QUESTION.model_copy(update={"images": (Image.of(source, 0, 1),)})
    place = Place(source=source.id, axis=0, index=4, shape=Box(x0=5, y0=5, x1=15, y1=15))
    (view,) = evidence(question, Truth(answer="x", regions=(place,)))
    assert (view.axis, view.index, view.grey) == (0, 4, question.images[0].grey)


def test_an_arm_is_called_by_what_is_unusual_in_it():
    assert Arm(policy="qwen").name == "qwen"
    assert Arm(policy="qwen", tools="none", seed=2).name == "qwen, tools none, seed 2"
