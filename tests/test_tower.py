"""What a vision tower is taught is what lies on its views."""

import math
from dataclasses import replace

import numpy as np
import pytest

from agent.chats.qwen import Limits
from agent.plan import questions
from envs.phantoms.lesions import KINDS
from sft.settings import Data
from sft.sources import Unusable, opened
from sft.strategies import close_look
from sft.tower import THINGS, UNKNOWN, Look, looked_at, looks
from tools.geometry import Point

SIZES = Limits(patch=16, min_pixels=16**2, max_pixels=128**2)


def seen(name: str, start: int, stop: int, seed: int = 0) -> list[Look]:
    asked = questions({"name": name, "split": "train", "count": 100}, start, stop)
    rngs = (np.random.default_rng([seed, number]) for number in range(start, stop))
    return [
        look for (question, truth), rng in zip(asked, rngs, strict=True) for look in looks(question, truth, SIZES, rng)
    ]


def test_each_token_tells_of_the_nodule_under_it():
    for look in seen("count", 0, 10):
        if look.view.pixels.shape != (128, 128):
            continue
        tokens = np.flatnonzero(look.holds[:, THINGS.index("nodule")])
        assert 1 <= len(tokens) <= 6
        for token in tokens:
            inside_x, inside_y, x, y = look.place[token]
            assert token == int(y * 8) * 8 + int(x * 8)
            assert x * 8 % 1 == pytest.approx(inside_x, abs=1e-5)
            assert y * 8 % 1 == pytest.approx(inside_y, abs=1e-5)
            column, row = round(x * 128), round(y * 128)
            spot = look.view.pixels[row - 1 : row + 1, column - 1 : column + 1].mean()
            around = look.view.pixels[max(row - 4, 0) : row + 4, max(column - 4, 0) : column + 4].mean()
            assert spot > around + 15


def in_order(look):
    """The places, in the view, of what lies on it, in reading order."""
    held = np.flatnonzero(look.holds.any(axis=1))
    return [look.place[token, 2:] for token in held[np.argsort(look.rank[held])]]


def test_the_tokens_of_a_column_tell_of_one_thing_and_the_columns_of_one_after_the_other():
    for look in seen("count", 0, 10):
        places = in_order(look)
        if len(np.unique(look.told_of, axis=0)) > len(places):
            continue  # two lie under one token
        for token, told in enumerate(look.told_of):
            columns = SIZES.size(look.view)[0] // SIZES.patch
            assert np.array_equal(told, places[token % columns % len(places)])


def test_things_are_counted_from_top_to_bottom_and_from_left_to_right():
    several = [look for look in seen("count", 0, 10) if look.view.width == 128]
    for look in several:
        held = look.holds.any(axis=1)
        assert look.rank[held][0] == 0
        assert (np.diff(look.rank[held]) > 0).all()  # one is missed out where two lie under one token
        assert (look.rank[~held] == UNKNOWN).all()
        bands = [(int(y * 8), x) for x, y in in_order(look)]
        assert bands == sorted(bands)
        assert len(bands) > 1


def test_the_digits_are_those_that_an_expert_writes():
    for look in [look for look in seen("count", 0, 10) if look.view.width == 128]:
        for (x, y), digits in zip(look.told_of, look.digits, strict=True):
            across, down, left, top = digits[::2] * 10 + digits[1::2]
            assert [across, down] == pytest.approx([min(round(float(v) * 100), 99) for v in (x, y)])
            call = close_look(look.view, Point(x=float(x) * 128, y=float(y) * 128))
            assert [round(v / 1.28) for v in call.arguments["box"][:2]] == [left, top]


def test_a_close_look_has_the_nodule_nearly_in_its_middle_and_knows_its_type():
    close = [look for look in seen("count", 0, 20) if look.view.pixels.shape != (128, 128)]
    assert len(close) == 40
    assert {look.kind for look in close} == set(range(len(KINDS)))
    for look in close:
        (token,) = np.flatnonzero(look.holds[:, 0])
        x, y = look.place[token, 2:]
        assert 0.1 < x < 0.9
        assert 0.1 < y < 0.9


def test_first_views_do_not_tell_a_type():
    first = [look for look in seen("shape", 0, 5) if look.view.pixels.shape == (128, 128)]
    assert len(first) == 5
    assert {look.kind for look in first} == {UNKNOWN}


def test_masses_and_fibres_are_told_apart_and_fibres_tell_their_angle():
    found = seen("measure", 0, 40)
    whats = {THINGS[int(np.argmax(look.holds.sum(axis=0)))] for look in found}
    assert whats == {"mass", "fibres"}
    angles = [look.half_angle for look in found if not math.isnan(look.half_angle)]
    assert angles
    assert all(math.radians(15) <= half <= math.radians(75) for half in angles)


def test_the_same_numbers_give_the_same_looks():
    once, again = (seen("count", 3, 6, seed=1) for _ in range(2))
    assert all(
        np.array_equal(a.view.pixels, b.view.pixels) and np.array_equal(a.place, b.place, True)
        for a, b in zip(once, again, strict=True)
    )
    other = seen("count", 3, 6, seed=2)
    assert not all(np.array_equal(a.view.pixels, b.view.pixels) for a, b in zip(once, other, strict=True))


def test_a_question_about_no_place_is_left_out():
    source = opened(Data(task={"name": "measure"}), {}, seed=0)
    assert looked_at(source, 0, SIZES, (0,))
    question, truth = source.asked(0)
    nowhere = replace(source, asked=lambda number: (question, truth.model_copy(update={"regions": ()})))
    with pytest.raises(Unusable, match="no place"):
        looked_at(nowhere, 0, SIZES, (0,))
