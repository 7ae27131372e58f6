"""What a vision tower is taught is what lies on its views."""

import math

import numpy as np
import pytest

from envs.phantoms.lesions import KINDS
from sft.tower import THINGS, UNKNOWN, looks

TOKEN = 16


def task(name: str, **more: object) -> dict[str, object]:
    return {"name": name, "split": "train", "count": 100, **more}


def test_each_token_tells_of_the_nodule_under_it():
    for look in looks(task("count"), 0, 10, TOKEN):
        if look.pixels.shape != (128, 128):
            continue
        tokens = np.flatnonzero(look.holds[:, THINGS.index("nodule")])
        assert 1 <= len(tokens) <= 6
        for token in tokens:
            inside_x, inside_y, x, y = look.place[token]
            assert token == int(y * 8) * 8 + int(x * 8)
            assert x * 8 % 1 == pytest.approx(inside_x, abs=1e-5)
            assert y * 8 % 1 == pytest.approx(inside_y, abs=1e-5)
            column, row = round(x * 128), round(y * 128)
            spot = look.pixels[row - 1 : row + 1, column - 1 : column + 1].mean()
            around = look.pixels[max(row - 4, 0) : row + 4, max(column - 4, 0) : column + 4].mean()
            assert spot > around + 15


def test_a_close_look_has_the_nodule_nearly_in_its_middle_and_knows_its_type():
    close = [look for look in looks(task("count"), 0, 20, TOKEN) if look.pixels.shape != (128, 128)]
    assert len(close) == 40
    assert {look.kind for look in close} == set(range(len(KINDS)))
    for look in close:
        (token,) = np.flatnonzero(look.holds[:, 0])
        x, y = look.place[token, 2:]
        assert 0.1 < x < 0.9
        assert 0.1 < y < 0.9


def test_first_views_do_not_tell_a_type():
    first = [look for look in looks(task("shape"), 0, 5, TOKEN) if look.pixels.shape == (128, 128)]
    assert len(first) == 5
    assert {look.kind for look in first} == {UNKNOWN}


def test_masses_and_fibres_are_told_apart_and_fibres_tell_their_angle():
    seen = list(looks(task("measure"), 0, 40, TOKEN))
    whats = {THINGS[int(np.argmax(look.holds.sum(axis=0)))] for look in seen}
    assert whats == {"mass", "fibres"}
    angles = [look.half_angle for look in seen if not math.isnan(look.half_angle)]
    assert angles
    assert all(math.radians(15) <= half <= math.radians(75) for half in angles)


def test_the_same_numbers_give_the_same_looks():
    once, again = (list(looks(task("count"), 3, 6, TOKEN, seed=1)) for _ in range(2))
    assert all(
        np.array_equal(a.pixels, b.pixels) and np.array_equal(a.place, b.place, True)
        for a, b in zip(once, again, strict=True)
    )
    other = list(looks(task("count"), 3, 6, TOKEN, seed=2))
    assert not all(np.array_equal(a.pixels, b.pixels) for a, b in zip(once, other, strict=True))
