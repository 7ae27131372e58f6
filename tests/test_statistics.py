"""How sure a number is: known answers."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.statistics import interval, mcnemar, permutation, robustness


def test_the_mean_is_that_of_all_questions_whatever_the_studies():
    assert interval([1, 1, 1, 0], ["a", "a", "a", "b"]).mean == 0.75


def test_an_interval_of_coin_flips_is_as_wide_as_the_binomial_one():
    values = np.random.default_rng(0).integers(0, 2, 400)
    found = interval(values, [str(n) for n in range(400)])
    half = 1.96 * math.sqrt(found.mean * (1 - found.mean) / 400)
    assert found.low == pytest.approx(found.mean - half, abs=0.01)
    assert found.high == pytest.approx(found.mean + half, abs=0.01)


def test_questions_about_one_study_say_no_more_than_the_study():
    values = np.random.default_rng(0).integers(0, 2, 50)
    once = interval(values, [str(n) for n in range(50)])
    often = interval(np.repeat(values, 10), [str(n) for n in range(50) for _ in range(10)])
    assert often.high - often.low == pytest.approx(once.high - once.low, abs=0.03)


def test_where_all_studies_agree_others_may_still_differ():
    """The rule of three, two-sided: of 30 studies without a hit, up to 11.6 % may have one (Clopper & Pearson)."""
    studies = [str(n) for n in range(30)]
    assert interval([0] * 30, studies) == pytest.approx((0.0, 0.0, 0.1157), abs=1e-4)
    assert interval([1] * 30, studies) == pytest.approx((1.0, 0.8843, 1.0), abs=1e-4)
    assert interval([0] * 30, studies, span=(-1, 1)) == pytest.approx((0.0, -0.1157, 0.1157), abs=1e-4)


def test_one_study_alone_says_nothing_of_others():
    assert math.isnan(interval([1, 0], ["a", "a"]).low)


def test_no_values_have_no_mean():
    with pytest.raises(ValueError, match="no values"):
        interval([], [])


@given(st.lists(st.tuples(st.floats(0, 1), st.sampled_from("abcdef")), min_size=2, max_size=30))
def test_an_interval_holds_its_mean_or_is_unknown(pairs):
    found = interval([value for value, _ in pairs], [study for _, study in pairs])
    assert math.isnan(found.low) or found.low - 1e-9 <= found.mean <= found.high + 1e-9


@pytest.mark.parametrize(
    ("only_a", "only_b", "p"),
    [(0, 0, 1.0), (0, 5, 0.0625), (1, 9, 0.021484375), (10, 10, 1.0), (0, 6, 0.03125)],
)
def test_mcnemar_is_the_binomial_test_of_the_questions_that_one_alone_got_right(only_a, only_b, p):
    a = [True] * only_a + [False] * only_b + [True, False] * 7
    b = [False] * only_a + [True] * only_b + [True, False] * 7
    assert mcnemar(a, b) == pytest.approx(p)


def test_readers_that_score_alike_are_not_told_apart_and_others_are():
    studies = [str(n) for n in range(40)]
    rng = np.random.default_rng(1)
    a = rng.random(40)
    assert permutation(a, a, studies) == 1.0
    assert permutation(a, a + rng.normal(0, 0.1, 40), studies) > 0.05
    assert permutation(a, a + 0.2, studies) == pytest.approx(1 / 2001)


def test_signs_are_flipped_study_by_study():
    """All from one study: nothing can be learned, however many questions there are."""
    assert permutation([1.0] * 100, [0.0] * 100, ["a"] * 100) == 1.0


@pytest.mark.parametrize(("iid", "ood", "rr"), [(0.8, 0.4, 0.5), (0.5, 0.5, 1.0), (0.4, 0.6, 1.5), (0.0, 0.3, None)])
def test_relative_robustness_is_the_share_that_is_kept_and_unknown_where_nothing_was_right(iid, ood, rr):
    assert robustness(iid, ood) == (rr if rr is None else pytest.approx(rr))
