"""The truth of the made-up families: what is drawn is what is stated, and number n is the same whoever draws it."""

import math
import re
import subprocess
import sys
import tracemalloc
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.config import ConfigError, build
from envs.episode import Question, Truth
from envs.phantoms import pictures
from envs.phantoms.film import film, first_view, source
from envs.phantoms.ground import Hardness
from envs.phantoms.lesions import CELL, KINDS, Lesion, glyph, places
from envs.phantoms.masses import bounds
from envs.phantoms.series import Setting, checked
from envs.tasks import measure as measuring
from envs.tasks.phantoms import FAMILIES, phantoms
from tools.caliper import diameters
from tools.geometry import Box
from tools.image import Image
from tools.lookup import find
from tools.sides import edge_letters
from tools.study import content_id

ROOT = Path(__file__).parent.parent
Task = tuple[Question, Truth]


def made(family: str, count: int = 8, **given: Any) -> list[Task]:
    return list(find("envs.tasks", family)(**{"split": "validation", "count": count, **given}))


def plain(split: str = "validation", difficulty: float = 0.5) -> Setting:
    return checked("shape", split, difficulty, "mixed", 128)


def digest(tasks: list[Task]) -> str:
    """Of all that a question holds: words, recipes, the pixels of every source and first view, and the truth."""
    parts: list[bytes] = []
    for question, truth in tasks:
        parts += [question.model_dump_json().encode(), truth.model_dump_json().encode()]
        parts += [np.ascontiguousarray(image.pixels).tobytes() for image in question.images]
    return content_id(*parts)


def digest_of(start: int, families: tuple[str, ...] = FAMILIES) -> str:
    return digest([task for family in families for task in made(family, 2, start=start)])


# --- what every family gives ---


@pytest.mark.parametrize("family", FAMILIES)
def test_a_question_says_where_it_comes_from_and_shows_little(family):
    for number, (question, truth) in enumerate(made(family, start=3), start=3):
        assert (question.id, question.origin) == (f"{family}/validation/{number}", f"{family}/validation")
        assert {"family", "task", "difficulty", "background", "modality"} <= question.tags.keys()
        assert question.tags["task"] == question.kind
        assert all(max(image.width, image.height) == image.limit == 128 for image in question.images)
        assert all(source.header == {} for source in question.study.sources)
        assert question.kind in ("choice",) or not question.choices
        assert not question.choices or question.choices["ABCDE".index(truth.answer)] == truth.accepted[0]


@pytest.mark.parametrize("family", FAMILIES)
def test_number_n_is_the_same_wherever_counting_starts(family):
    counted = made(family, 7)
    assert digest(made(family, 3, start=4)) == digest(counted[4:])
    assert len({question.study.id for question, _ in counted}) == (4 if family == "hierarchy" else 7)


@pytest.mark.parametrize("family", FAMILIES)
def test_splits_have_nothing_in_common(family):
    seen = {split: {q.study.id for q, _ in made(family, split=split)} for split in ("train", "validation", "test")}
    assert not seen["train"] & seen["validation"] | seen["train"] & seen["test"] | seen["validation"] & seen["test"]


def test_another_process_draws_the_same_bytes():
    code = "from tests.test_phantoms import digest_of; print(digest_of(5))"
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == digest_of(5)


@pytest.mark.slow
def test_one_worker_and_four_draw_the_same_bytes():
    spawned = get_context("spawn")
    with ProcessPoolExecutor(1, spawned) as one, ProcessPoolExecutor(4, spawned) as four:
        assert list(one.map(digest_of, range(0, 40, 2))) == list(four.map(digest_of, range(0, 40, 2)))


OPTIONS = {
    "locate": {"answer": ["boxes", "points", "mixed"]},
    "measure": {"what": ["axis", "area", "angle", "mixed"]},
    "window": {"what": ["quadrant", "type", "value", "mixed"]},
    "volume": {"what": ["slice", "diameter", "mixed"]},
    "clip": {"event": ["appears", "disappears", "mixed"]},
    "change": {"what": ["type", "growth", "mixed"], "registered": [True, False, None]},
}


@st.composite
def family_and_settings(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    family = draw(st.sampled_from(FAMILIES))
    shared = {
        "split": st.sampled_from(["train", "validation", "test"]),
        "start": st.integers(0, 10**9),
        "difficulty": st.floats(0, 1),
        "background": st.sampled_from(["synthetic", "real", "mixed"]),
        "view_px": st.integers(64, 144),
    }
    own = {name: st.sampled_from(values) for name, values in OPTIONS.get(family, {}).items()}
    return family, draw(st.fixed_dictionaries(shared | own))


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(family_and_settings())
def test_no_allowed_setting_breaks_a_family_and_every_region_lies_on_its_source(case):
    family, given = case
    ((question, truth),) = made(family, 1, **given)
    sources = {source.id: source for source in question.study.sources}
    for region in truth.regions:
        height, width = sources[region.source].plane_shape()
        box = region.shape if isinstance(region.shape, Box) else Box(x0=0, y0=0, x1=1, y1=1)
        assert 0 <= box.x0 < box.x1 <= width
        assert 0 <= box.y0 < box.y1 <= height
        assert 0 <= region.index < sources[region.source].count()
    for image in question.images:
        assert image.pixels.max() > image.pixels.min()


# --- what the first view does not tell ---


@settings(max_examples=40, derandomize=True)
@given(
    number=st.integers(0, 10**6),
    difficulty=st.floats(0, 1),
    factor=st.sampled_from([4, 6, 8]),
    kinds=st.lists(st.tuples(st.sampled_from(KINDS), st.sampled_from(KINDS)), min_size=1, max_size=8),
)
def test_lesions_of_other_types_have_the_same_first_view_to_the_last_bit(number, difficulty, factor, kinds):
    setting = plain(difficulty=difficulty)
    plate = film(setting.rng(number), setting, factor)
    middles = places(setting.rng(number), setting.view_px, len(kinds))
    views, sources = [], []
    for which in (0, 1):
        rng = setting.rng(number)
        drawn = [plate.lesion(rng, pair[which], place) for pair, place in zip(kinds, middles, strict=True)]
        picture = source(plate.painted(rng, drawn), plate.unit)
        views.append(first_view(picture, setting).pixels)
        sources.append(picture.plane())
    assert (views[0] == views[1]).all()
    assert (sources[0] == sources[1]).all() == all(a == b for a, b in kinds)


@given(st.integers(30, 150), st.sampled_from([4, 6, 8]), st.integers(100, 30000))
def test_the_blocks_of_two_fibres_are_the_same_at_every_angle(degrees, factor, total):
    drawn = measuring.fibres(degrees, factor, total)
    blocks = drawn.reshape(2, factor, 2, factor).sum(axis=(1, 3), dtype=int)
    assert (blocks == total).all()


@pytest.mark.parametrize("difficulty", [0.0, 1.0])
def test_what_a_window_hides_is_all_black_or_all_white_at_first(difficulty):
    for question, truth in made("window", 30, difficulty=difficulty):
        (image,), (region,) = question.images, truth.regions
        box = image.from_source.box(region.shape)
        shown = image.pixels[int(box.y0) - 2 : int(box.y1) + 3, int(box.x0) - 2 : int(box.x1) + 3]
        assert set(np.unique(shown)) == {0 if question.tags["field"] == "lung" else 255}


def test_the_same_first_view_may_show_either_side_of_the_patient():
    (question, _), *_ = made("side", 1)
    (stored,), (view,) = question.study.sources, question.images
    other = stored.model_copy(update={"orientation": tuple("RLPAIS"["LRAPSI".index(s)] for s in stored.orientation)})
    other._read = stored._read
    again = Image.of(other, limit=128, mirrored=view.mirrored, turns=view.turns)
    assert (again.pixels == view.pixels).all()
    assert edge_letters(again) != edge_letters(view)


def test_the_first_slice_is_free_of_the_ball_and_the_first_frame_comes_before_the_event():
    for question, truth in made("volume", 20, what="slice"):
        assert question.images[0].index == 0
        assert truth.regions[0].index >= 3  # a ball reaches at least 2.5 slices, and ends before the first
        assert int(truth.answer) == truth.regions[0].index
    assert all(int(truth.answer) >= 1 for _, truth in made("clip", 20))


# --- what is drawn is what is stated ---


def bright(values: np.ndarray, above: float) -> Box:
    """The box around what is brighter than most of a plane by so much."""
    return bounds(values > np.median(values) + above)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("factor", [4, 6, 8])
def test_a_lesion_changes_its_box_out_to_the_edges_and_nothing_else(kind, factor):
    setting = plain()
    plate = film(setting.rng(0), setting, factor)
    lesion = Lesion(kind, 40, 71, 40.0 * plate.unit)
    without = plate.exposed(setting.rng(1))
    with_it = plate.painted(setting.rng(1), [lesion])
    added = with_it.astype(int) - without
    assert bounds(added > 0) == lesion.box(factor)
    assert added.min() == 0
    assert added.sum() == 4 * round(40.0 * plate.unit * factor**2)


@settings(derandomize=True)
@given(st.sampled_from(KINDS), st.integers(4, 8), st.integers(200, 20000))
def test_each_quarter_of_a_lesion_has_the_sum_it_is_given(kind, factor, total):
    blocks = glyph(kind, factor, total).reshape(2, factor, 2, factor).sum(axis=(1, 3), dtype=int)
    assert (blocks == total).all()


@settings(max_examples=30, derandomize=True)
@given(st.integers(0, 10**6), st.floats(0, 1), st.sampled_from([4, 6]))
def test_the_brightest_lesion_stays_within_the_bits_of_its_file(number, difficulty, factor):
    setting = plain(difficulty=difficulty)
    plate = film(setting.rng(number), setting, factor)
    values = plate.exposed(setting.rng(number))
    most = max(
        glyph(kind, factor, round(1.15 * plate.hardness.strength * plate.unit * factor**2)).max() for kind in KINDS
    )
    assert values.min() >= 0
    assert int(values.max()) + int(most) < 256 * plate.unit


@settings(derandomize=True)
@given(st.integers(0, 10**6), st.integers(64, 200), st.integers(1, 8), st.sampled_from([0, 3, 8]))
def test_lesions_do_not_touch_and_lie_on_the_view(number, view_px, count, clear):
    found = places(plain().rng(number), view_px, count, clear)
    assert len(set(found)) == count
    for n, (x, y) in enumerate(found):
        assert min(x, y) - 1 >= 2  # a shift of 2 px keeps it on the view
        assert max(x, y) + 1 <= view_px
        assert min(abs(x - view_px / 2), abs(y - view_px / 2)) >= clear
        assert all(max(abs(x - u), abs(y - v)) >= CELL - 4 for u, v in found[:n])


def test_the_box_of_a_lesion_is_where_its_pixels_are():
    for question, truth in made("shape", 30, difficulty=0.0):
        (stored,), (region,) = question.study.sources, truth.regions
        box = region.shape
        x0, y0 = int(box.x0) - 4, int(box.y0) - 4
        around = stored.plane()[y0 : y0 + 16, x0 : x0 + 16].astype(float)
        found = bright(around, 18 * (16 if stored.dtype == "<u2" else 1))
        assert (found.x0 + x0, found.y0 + y0, found.x1 + x0, found.y1 + y0) == tuple(box.numbers)


def test_a_mass_is_as_long_and_as_large_as_is_stated():
    for question, truth in made("measure", 40, difficulty=0.0):
        if question.tags["what"] == "angle":
            continue
        (stored,), (region,) = question.study.sources, truth.regions
        values = stored.plane().astype(float)
        inside = values > (np.median(values) + values.max()) / 2
        part = np.zeros(inside.shape, bool)
        part[int(region.shape.y0) : int(region.shape.y1), int(region.shape.x0) : int(region.shape.x1)] = True
        assert bounds(inside & part) == region.shape
        y_mm, x_mm = stored.spacing_mm
        told = float(truth.answer.split()[0])
        if question.tags["what"] == "area":
            assert (inside & part).sum() * x_mm * y_mm == pytest.approx(told, rel=0.02)
        else:
            assert diameters(inside & part, (x_mm, y_mm))[0] == pytest.approx(told, abs=1.5 * max(x_mm, y_mm))


@pytest.mark.parametrize("degrees", [30, 60, 90, 120])
def test_fibres_open_upwards_by_the_angle(degrees):
    factor = 24
    drawn = measuring.fibres(degrees, factor, 24 * 24 * 40)
    row = factor - 10  # 9.5 px above the middle
    right = int(drawn[row, factor:].argmax()) + 0.5
    assert right == pytest.approx(
        9.5 * math.tan(math.radians(degrees / 2)), abs=1.2 / math.cos(math.radians(degrees / 2))
    )
    assert (drawn == drawn[:, ::-1]).all()


def test_the_hounsfield_value_is_that_of_the_pixels():
    for question, truth in made("window", 20, what="value"):
        (stored,), (region,) = question.study.sources, truth.regions
        cut = Box(x0=region.shape.center.x - 5, y0=region.shape.center.y - 5,
                  x1=region.shape.center.x + 5, y1=region.shape.center.y + 5)  # fmt: skip
        assert stored.values(0, 0, cut).mean() == pytest.approx(float(truth.answer.split()[0]), abs=8)
        assert stored.unit == "HU"


def test_the_quadrant_is_that_of_the_lesion():
    for _, truth in made("window", 20, what="quadrant"):
        (region,) = truth.regions
        down, right = (n > 256 for n in (region.shape.center.y, region.shape.center.x))
        assert truth.accepted == (f"{'lower' if down else 'upper'} {'right' if right else 'left'}",)


def test_the_ball_is_largest_on_the_slice_and_as_wide_as_is_stated():
    for question, truth in made("volume", 20, what="diameter", difficulty=0.0):
        (stored,), (region,) = question.study.sources, truth.regions
        box = region.shape
        cut = np.s_[int(box.y0) : int(box.y1), int(box.x0) : int(box.x1)]
        lit = [(stored.plane(0, n)[cut] > 16 + 30 + 30).sum() for n in range(stored.count())]
        assert int(np.argmax(lit)) == region.index
        assert lit[0] == lit[-1] == 0
        wide = 2 * math.sqrt(lit[region.index] / math.pi) * stored.spacing_mm[1]
        assert wide == pytest.approx(float(truth.answer.split()[0]), rel=0.06)


def test_the_spot_comes_or_goes_at_the_frame():
    for question, truth in made("clip", 20, difficulty=0.0):
        (stored,), (region,) = question.study.sources, truth.regions
        box, turn = region.shape, int(truth.answer)
        cut = np.s_[int(box.y0) : int(box.y1), int(box.x0) - 4 : int(box.x1) + 4]  # the picture sways by 2 px each way
        lit = [bool((stored.plane(0, n)[cut] > 16 + 30 + 30).sum() > 0.6 * box.area) for n in range(stored.count())]
        appears = question.tags["event"] == "appears"
        assert lit == [(n >= turn) == appears for n in range(stored.count())]
        assert len(stored.times_s) == stored.count()


def test_only_the_box_has_changed_and_all_else_lies_off_by_the_shift():
    for question, truth in made("change", 12, what="type", difficulty=0.0):
        prior, now = (source.plane().astype(float) for source in question.study.sources)
        x, y = map(int, question.tags["shift_px"].split())
        height, width = now.shape
        moved = np.full_like(now, np.nan)
        moved[max(y, 0) : height + min(y, 0), max(x, 0) : width + min(x, 0)] = prior[
            max(-y, 0) : height - max(y, 0), max(-x, 0) : width - max(x, 0)
        ]
        unit = 16 if question.study.sources[0].dtype == "<u2" else 1
        (region,) = truth.regions
        assert region.source == question.study.sources[1].id
        differs = (
            np.nan_to_num(np.abs(now - moved)) > 18 * unit
        )  # noise of 3 is cut off at 2.9 times that, and lies on both
        found = bounds(differs)
        assert found.intersection(region.shape) == found
        assert found.contains(region.shape.center)


def test_a_mass_has_grown_by_what_is_stated():
    for question, truth in made("change", 20, what="growth", difficulty=0.0):
        wide = []
        for stored in question.study.sources:
            values = stored.plane().astype(float)
            inside = values > (np.median(values) + values.max()) / 2
            wide.append(2 * math.sqrt(inside.sum() / math.pi) * stored.spacing_mm[0])
        assert wide[1] - wide[0] == pytest.approx(float(truth.answer.split()[0]), rel=0.05)


@pytest.mark.parametrize("registered", [True, False])
def test_a_prior_film_is_registered_as_asked(registered):
    shifts = {question.tags["shift_px"] for question, _ in made("change", 12, registered=registered)}
    assert (shifts == {"0 0"}) == registered


def test_the_side_is_the_patients():
    answers = Counter()
    for question, truth in made("side", 40):
        (stored,), (region,) = question.study.sources, truth.regions
        upright = Image.of(stored)  # as radiologists look: the patient's right at the left edge
        assert edge_letters(upright)["left"] == "R"
        at = upright.from_source.point(region.shape.center)
        assert truth.accepted == ("right" if at.x < upright.width / 2 else "left",)
        answers[truth.answer] += 1
    assert min(answers["A"], answers["B"]) >= 10


def test_a_count_is_that_of_the_type():
    tasks = made("count", 60)
    for question, truth in tasks:
        alike = int(re.search(r"\d+", question.text)[0])
        assert int(truth.answer) == len(truth.regions) <= alike == 6
    assert {int(truth.answer) for _, truth in tasks} == set(range(7))  # from none to all


def test_a_child_agrees_with_its_parent_and_shares_its_study():
    tasks = made("hierarchy", 40)
    for (parent, yes), (child, where) in zip(tasks[::2], tasks[1::2], strict=True):
        assert (parent.tags["level"], child.tags["level"]) == ("0", "1")
        assert (parent.tags["parent"], child.tags["parent"]) == ("", parent.id)
        assert parent.tags["report"] == child.tags["report"]
        assert parent.study.id == child.study.id
        assert (where.accepted == ("there is none",)) == (yes.answer == "no")
        assert (yes.regions, bool(yes.regions)) == (where.regions, yes.answer == "yes")
    assert {truth.answer for _, truth in tasks[::2]} == {"yes", "no"}


# --- difficulty and backgrounds ---


def test_difficulty_makes_lesions_fainter_noisier_and_more():
    easy, hard = (Hardness.of(plain(difficulty=d)) for d in (0.0, 1.0))
    assert easy.strength > hard.strength
    assert easy.noise < hard.noise
    assert easy.ratio > hard.ratio
    assert (easy.alike, hard.alike) == (3, 8)


@pytest.mark.parametrize("difficulty", [0.0, 1.0])
def test_the_noise_is_as_strong_as_is_stated(difficulty):
    setting = plain(difficulty=difficulty)
    plate = film(setting.rng(2), setting)
    apart = (plate.exposed(setting.rng(3)).astype(float) - plate.exposed(setting.rng(4))) / plate.unit
    assert apart.std() == pytest.approx(plate.hardness.noise * math.sqrt(2), rel=0.1)


def test_backgrounds_are_what_was_asked_for_and_real_ones_are_other_pictures_in_training():
    seen = {}
    for split in ("train", "validation", "test"):
        tags = [q.tags for q, _ in made("shape", 40, split=split, background="real")]
        assert {t["background"] for t in tags} == {"real"}
        seen[split] = {t["picture"] for t in tags}
    assert not seen["train"] & (seen["validation"] | seen["test"])
    assert not set(pictures.TRAIN) & set(pictures.HELD_OUT)
    assert {q.tags["background"] for q, _ in made("shape", 20, background="synthetic")} == {"synthetic"}
    assert {q.tags["background"] for q, _ in made("shape", 20)} == {"synthetic", "real"}


def test_without_a_real_picture_mixed_is_synthetic_and_real_is_refused(monkeypatch):
    monkeypatch.setattr(pictures, "HELD_OUT", ("not_installed.dcm", "nibabel:not_installed.nii"))
    assert {q.tags["background"] for q, _ in made("shape", 10)} == {"synthetic"}
    with pytest.raises(ImportError, match=r"none is installed: pip install 'overread\[demo\]'"):
        made("shape", 1, background="real")


# --- settings, and the mix ---


@pytest.mark.parametrize(
    ("family", "given", "told"),
    [
        ("shape", {"split": "dev"}, "shape: no split 'dev'; there are: train, validation, test"),
        ("count", {"background": "chest"}, "count: no background 'chest'; there are: synthetic, real, mixed"),
        ("side", {"difficulty": 1.01}, r"side: difficulty 1\.01 is not between 0 \(easy\) and 1 \(hard\)"),
        ("side", {"difficulty": math.nan}, "side: difficulty nan is not between"),
        ("clip", {"view_px": 63}, "clip: view_px 63 is not between 64 and 512"),
        ("clip", {"view_px": 513}, "clip: view_px 513 is not between 64 and 512"),
        ("clip", {"event": "blinks"}, "clip: no event 'blinks'; there are: appears, disappears, mixed"),
        ("locate", {"answer": "masks"}, "locate: no answer 'masks'; there are: boxes, points, mixed"),
        ("measure", {"what": "volume"}, "measure: no what 'volume'; there are: axis, area, angle, mixed"),
        ("shape", {"start": -1}, "shape: count 8 and start -1 cannot be negative"),
        ("shape", {"count": -1}, "shape: count -1 and start 0 cannot be negative"),
        ("phantoms", {"families": ["shape", "discs"]}, "phantoms: no family 'discs'; there are: shape, locate"),
        ("phantoms", {"families": []}, "phantoms: 0 weights for 0 families"),
        ("phantoms", {"weights": [1.0]}, "phantoms: 1 weights for 10 families; give one for each"),
        ("phantoms", {"families": ["shape"], "weights": [0.0]}, r"weights \[0\.0\] are not shares"),
        ("phantoms", {"families": ["shape", "clip"], "weights": [2.0, -1.0]}, "give numbers from 0, not all 0"),
    ],
)
def test_what_is_not_allowed_is_refused_in_words_at_once(family, given, told):
    with pytest.raises(ValueError, match=told):
        find("envs.tasks", family)(**{"split": "validation", "count": 8, **given})


@pytest.mark.parametrize("given", [{"difficulty": 0.0}, {"difficulty": 1.0}, {"view_px": 64}, {"count": 0}])
def test_the_limits_themselves_are_allowed(given):
    assert len(made("shape", **{"count": 1, **given})) == given.get("count", 1)


def test_a_mix_holds_the_questions_of_its_families_as_often_as_it_is_told():
    mixed = list(phantoms(["shape", "side"], [3.0, 1.0], "test", 200))
    often = Counter(question.tags["family"] for question, _ in mixed)
    assert 130 <= often["shape"] <= 170  # 150 expected, 6.1 the standard deviation
    for number in (0, 1, 2, 150):
        family = mixed[number][0].tags["family"]
        assert digest([mixed[number]]) == digest(made(family, 1, split="test", start=number))
    assert digest(list(phantoms(["shape", "side"], [3.0, 1.0], "test", 2, 100))) == digest(mixed[100:102])


def test_a_weight_of_0_leaves_a_family_out():
    mixed = phantoms(["shape", "clip"], [1.0, 0.0], "test", 20)
    assert {question.tags["family"] for question, _ in mixed} == {"shape"}


def test_a_family_is_built_from_a_table():
    assert len(list(build("envs.tasks", {"name": "change", "count": 2, "registered": False}))) == 2
    with pytest.raises(ConfigError, match="volume has no setting 'slices'"):
        build("envs.tasks", {"name": "volume", "slices": 9})


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_phantoms():
    tracemalloc.start()
    held = [tracemalloc.get_traced_memory()[0] for _ in phantoms(split="train", count=1200)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert max(held[200:]) - max(held[:200]) < 2 * 2**20  # bytes; a film of 512 by 512 px and 12 bits takes 2**19
    assert peak < 150 * 2**20  # beside what is held, no more than a few phantoms are being made at once


def test_all_spots_are_asked_for_and_are_to_be_seen_on_the_first_view():
    for question, truth in find("envs.tasks", "spots")("test", 20):
        view = question.images[0]
        assert f"{len(truth.regions)} " in question.text
        for finding, region in zip(truth.findings, truth.regions, strict=True):
            assert finding.place.shape.center == region.shape
            at = view.from_source.point(region.shape)
            spot = view.pixels[round(at.y) - 1 : round(at.y) + 1, round(at.x) - 1 : round(at.x) + 1].mean()
            assert spot > np.median(view.pixels[max(round(at.y) - 5, 0) :, max(round(at.x) - 5, 0) :][:10, :10]) + 15
