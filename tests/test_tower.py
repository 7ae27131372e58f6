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
from sft.tower import THINGS, UNKNOWN, Look, looked_at, looks

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


def test_every_token_knows_the_next_thing_in_reading_order_and_the_first_after_the_last():
    for look in seen("count", 0, 10):
        held = [token for token in range(len(look.holds)) if look.holds[token].any()]
        for token in range(len(look.holds)):
            after = next((other for other in held if other > token), held[0])
            assert np.array_equal(look.following[token], look.place[after, 2:])


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
