"""Numbers, counts and the numbers of images: on both sides of every limit, in every unit and way of writing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs.episode import Truth
from envs.graders.quantities import DIMENSIONS, one, quantities
from envs.grading import Given
from tests.graders import became, graded, judged
from tools.image import Image
from tools.study import Source

# ---- what is read


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("40 mm", 40, "mm"), ("40mm", 40, "mm"), ("40-mm", 40, "mm"), ("40 MM", 40, "mm"), (".5 cm", 0.5, "cm"),
        ("-120 HU", -120, "hu"), ("−120 HU", -120, "hu"), ("+5 °", 5, "°"), ("45°", 45, "°"), ("12 %", 12, "%"),
        ("3,5 cm", 3.5, "cm"), ("1,234 mm3", 1234, "mm3"), ("1,234.5 ml", 1234.5, "ml"), ("1.234,5 ml", 1234.5, "ml"),
        ("0,123 m", 0.123, "m"), ("1.234.567 mm3", 1234567, "mm3"), ("2.5e3 mm", 2500, "mm"), ("40 mm²", 40, "mm2"),
        ("40 mm^2", 40, "mm2"), ("40 ㎜", 40, "mm"), ("４０ｍｍ", 40, "mm"), ("40 square millimetres", 40, "mm2"),
        ("4 cubic centimeters", 4, "cm3"), ("5 µm", 5, "μm"), ("5 micrometers", 5, "μm"), ("40 毫米", 40, "毫米"),
        ("120 Hounsfield units", 120, "hounsfield units"), ("4 cm/s", 4, "cm/s"), ("7", 7, ""), ("7 nodules", 7, ""),
    ],
)  # fmt: skip
def test_a_number_is_read_with_its_unit(text, value, unit):
    (found,) = quantities(text)
    assert (found.value, found.unit, found.exact) == (pytest.approx(value), unit, True)


@pytest.mark.parametrize("text", ["img0", "x0", "T2", "2nd", "3D", "1.2.3", "1e999", "1e99", "", "mm", "L4"])
def test_what_is_part_of_a_word_and_what_is_beyond_measure_is_no_number(text):
    assert quantities(text) == []


@pytest.mark.parametrize(
    "text",
    ["3-4 cm", "3–4 cm", "3 to 4 cm", "3 cm to 4 cm",
     "between 3 and 4 cm", "3 or 4 cm", "3 x 4 cm", "3x4 cm", "3/4 cm"],
)  # fmt: skip
def test_the_numbers_of_a_range_are_not_exact_and_share_its_unit(text):
    assert [(q.value, q.unit, q.exact) for q in quantities(text)] == [(3, "cm", False), (4, "cm", False)]


@pytest.mark.parametrize(
    "text", ["<5 mm", "> 5 mm", "≤ 5 mm", "less than 5 mm", "up to 5 mm", "at least 5 mm", "小于5 mm"]
)
def test_a_limit_is_no_exact_number(text):
    assert [(q.value, q.exact) for q in quantities(text)] == [(5, False)]
    assert not graded("number", text, "5 mm").parsed


@pytest.mark.parametrize(
    ("text", "is_one"), [("40 mm", True), (" 40 mm ", True), ("40 mm.", False), ("a 40 mm", False)]
)
def test_one_quantity_is_nothing_else(text, is_one):
    assert (one(text) is not None) == is_one


# ---- numbers


@pytest.mark.parametrize(
    ("text", "truth", "is_"),
    [
        ("33.1 mm", "33.1 mm", "strict"), ("3.31 cm", "33.1 mm", "strict"), ("3.305 cm", "33.05 mm", "strict"),
        ("0.0331 m", "33.1 mm", "strict"), ("33100 um", "33.1 mm", "strict"), ("33.1", "33.1 mm", "right"),
        ("33.1 mm", "33.1", "strict"), ("33.1 cm", "33.1 mm", "wrong"), ("33.1 px", "33.1 mm", "wrong"),
        ("33.1 HU", "33.1 mm", "wrong"), ("33.1 mm2", "33.1 mm", "wrong"), ("33.1 mm/s", "33.1 mm", "wrong"),
        ("250 mm²", "2.5 cm²", "strict"), ("3 ml", "3 cc", "strict"), ("3 l", "3000 ml", "strict"),
        ("3000 mm3", "3 ml", "strict"), ("45°", "45 degrees", "strict"), ("500 ms", "0.5 s", "strict"),
        ("-120 HU", "-120 HU", "strict"), ("120 HU", "-120 HU", "wrong"), ("minus 120 HU", "-120 HU", "right"),
        ("40 px", "40 mm", "wrong"), ("40 HU", "40 px", "wrong"), ("12 %", "0.12", "wrong"),
        ("33.1 mm.", "33.1 mm", "right"), ("**33.1 mm**", "33.1 mm", "right"), ("\\boxed{33.1 mm}", "33.1 mm", "right"),
        ("about 33 mm", "33.1 mm", "right"), ("In img0 it is 33.1 mm", "33.1 mm", "right"),
        ("33.1 mm, about", "33.1 mm", "right"), ("from 12 px to 52 px: 33.1 mm", "33.1 mm", "right"),
        ("80 px × 0.5 mm = 40 mm", "40 mm", "right"), ("Slice 4: 40 mm", "40 mm", "right"),
        ("The distance is 33.05 mm (3.305 cm).", "33.1 mm", "right"), ("33 mm (3.31 cm)", "33.1 mm", "right"),
        ("40 ± 2 mm", "40 mm", "right"), ("forty mm", "40 mm", "right"), ("四十毫米", "40 mm", "right"),
        ("20 mm, 40 mm", "40 mm", "unread"), ("40 mm, or rather 1 cm", "40 mm", "unread"),
        ("3-4 cm", "35 mm", "unread"), ("3 to 4 cm", "35 mm", "unread"), ("3 x 4 cm", "40 mm", "unread"),
        ("x0 is large", "3 mm", "unread"), ("1e999 mm", "3 mm", "unread"), ("very wide", "3 mm", "unread"),
        ("img3", "3 mm", "unread"),
    ],
)  # fmt: skip
def test_a_number_is_right_within_its_tolerance_in_whatever_unit(text, truth, is_):
    assert became("number", text, truth) == is_


@pytest.mark.parametrize(
    ("truth", "right", "wrong"),
    [
        ({}, ["90", "110"], ["89.99", "110.01"]),
        ({"tolerance": 0.05}, ["95", "105"], ["94.99", "105.01"]),
        ({"tolerance": 0.0}, ["100"], ["99.99", "100.01"]),
        ({"within": 2.0}, ["98", "102"], ["97.99", "102.01"]),
        ({"within": 0.0}, ["100"], ["99.99", "100.01"]),
        ({"within": 2.0, "tolerance": 0.05}, ["95", "105"], ["94.99", "105.01"]),
        ({"within": 20.0, "tolerance": 0.05}, ["80", "120"], ["79.99", "120.01"]),
    ],
)
def test_both_ends_of_a_tolerance_belong_to_it_and_the_wider_one_holds(truth, right, wrong):
    assert {became("number", f"{value} HU", "100 HU", **truth) for value in right} == {"strict"}
    assert {became("number", f"{value} HU", "100 HU", **truth) for value in wrong} == {"wrong"}


def test_an_absolute_tolerance_is_in_the_unit_of_the_truth():
    assert became("number", "4.2 cm", "40 mm", within=2.0) == "strict"
    assert became("number", "4.21 cm", "40 mm", within=2.0) == "wrong"


def test_the_errors_of_a_number_are_those_of_deeptumorvqa():
    bands = {"within_5": 0, "within_10": 0, "within_20": 0, "within_50": 1}
    assert graded("number", "60 mm", "100 mm").metrics == {"abs_error": 40.0, "rel_error": 0.4, "mra": 0.6, **bands}
    assert graded("number", "300 mm", "100 mm").metrics["mra"] == 0.0
    assert graded("number", "100 mm", "100 mm").metrics["mra"] == 1.0


@pytest.mark.parametrize(("said", "band", "inside"), [(105, 5, 1), (105.1, 5, 0), (80, 20, 1), (79.9, 20, 0)])
def test_both_ends_of_a_band_belong_to_it(said, band, inside):
    assert graded("number", str(said), "100").metrics[f"within_{band}"] == inside


@pytest.mark.parametrize(("said", "score"), [("110", 1.0), ("111", 0.89), ("150", 0.5), ("200", 0.0), ("300", 0.0)])
def test_a_wrong_number_scores_by_its_error(said, score):
    assert graded("number", said, "100").score == pytest.approx(score)


def test_of_a_true_0_there_is_no_relative_error():
    assert "rel_error" not in graded("number", "1 mm", "0 mm").metrics
    assert graded("number", "0 mm", "0 mm").metrics["rel_error"] == 0.0
    assert (graded("number", "0", "0").right, graded("number", "0.01", "0").right) == (True, False)


def test_the_nearest_of_the_accepted_numbers_counts():
    assert became("number", "20 mm", "40 mm", accepted=("2 cm",)) == "strict"


LENGTHS = sorted(DIMENSIONS["length"])


@given(st.floats(0.01, 1e6), st.sampled_from(LENGTHS), st.sampled_from(LENGTHS))
def test_a_unit_changes_nothing_but_how_it_is_written(value, unit, other):
    factor = DIMENSIONS["length"][unit] / DIMENSIONS["length"][other]
    assert graded("number", f"{value * factor:.12g} {other}", f"{value:.12g} {unit}").metrics["rel_error"] < 1e-9


@given(a=st.floats(0.1, 1e6), b=st.floats(0.1, 1e6))
def test_the_absolute_error_is_the_same_both_ways(a, b):
    ours, theirs = graded("number", f"{a!r} mm", f"{b!r} mm"), graded("number", f"{b!r} mm", f"{a!r} mm")
    assert ours.metrics["abs_error"] == theirs.metrics["abs_error"]


@given(st.sampled_from(sorted(DIMENSIONS)), st.sampled_from(sorted(DIMENSIONS)), st.data())
def test_no_unit_becomes_one_of_another_dimension(a, b, data):
    ours, theirs = (data.draw(st.sampled_from(sorted(DIMENSIONS[name]))) for name in (a, b))
    grade = graded("number", f"7 {ours}", f"7 {theirs}")
    assert grade.parsed
    if a != b:
        assert grade.score == 0.0


# ---- counts


@pytest.mark.parametrize(
    ("text", "truth", "is_"),
    [
        ("3", "3", "strict"), ("three", "3", "right"), ("Three.", "3", "right"), ("三", "3", "right"),
        ("三个结节", "3", "right"), ("有两个", "2", "right"), ("十二个", "12", "right"), ("二十三", "23", "right"),
        ("twenty-one", "21", "right"), ("There are 3.", "3", "right"), ("3 nodules", "3", "right"),
        ("3 nodules of 5 mm", "3", "right"), ("3.0", "3", "right"), ("2 + 1 = 3", "3", "right"),
        ("In img0 there are 3", "3", "right"), ("1,200", "1200", "right"), ("4", "3", "wrong"), ("2", "3", "wrong"),
        ("0", "0", "strict"), ("none", "0", "right"), ("There are no nodules.", "0", "right"), ("zero", "0", "right"),
        ("没有", "0", "right"), ("none", "3", "wrong"), ("no idea", "0", "unread"), ("no way to tell", "0", "unread"),
        ("2.5", "3", "unread"), ("3 mm", "3", "unread"), ("-3", "3", "unread"), ("many", "3", "unread"),
        ("2 or 3", "3", "unread"), ("2-3", "3", "unread"), ("at least 3", "3", "unread"), ("3 of 7", "3", "unread"),
        ("2 on the left, 1 on the right", "3", "unread"), ("1, 2, 3", "3", "unread"), ("一些", "1", "unread"),
        ("3 %", "3", "unread"),
    ],
)  # fmt: skip
def test_a_count_is_exact(text, truth, is_):
    assert became("count", text, truth) == is_


def test_a_count_may_be_off_where_the_truth_says_so():
    assert [became("count", text, "10", within=1) for text in ("9", "11", "12", "8")] == ["strict"] * 2 + ["wrong"] * 2
    assert [became("count", text, "10", tolerance=0.1) for text in ("9", "11", "12")] == ["strict"] * 2 + ["wrong"]
    assert graded("count", "12", "10").metrics == {"abs_error": 2.0}
    assert graded("count", "12", "10", accepted=("twelve",)).metrics == {"abs_error": 0.0}


@given(st.integers(0, 99))
def test_every_count_can_be_written_in_chinese(number):
    tens, ones = divmod(number, 10)
    digits = "零一二三四五六七八九"
    han = (digits[tens] if tens > 1 else "") + "十" * (tens > 0) + (digits[ones] if ones or not tens else "")
    assert became("count", f"{han}个", str(number)) == "right"


# ---- numbers of images


@pytest.mark.parametrize(
    ("text", "truth", "is_"),
    [
        ("2", "2", "strict"), ("img2", "2", "strict"), ("2", "img2", "strict"), ("slice 2", "2", "right"),
        ("slice #2", "2", "right"), ("Frame 2.", "2", "right"), ("frame 17", "17", "right"), ("image 2", "2", "right"),
        ("It is in img2", "2", "right"), ("slice 2 of 40", "2", "right"), ("2/40", "2", "right"),
        ("slice 2, shown on img5", "2", "right"), ("slice two", "2", "right"), ("the third image", "2", "right"),
        ("3rd slice", "2", "right"), ("第三张", "2", "right"), ("第3张", "2", "right"),
        ("2", "the third image", "strict"), ("Slice 2 is the first to show it", "2", "right"), ("3", "2", "wrong"),
        ("the second image", "2", "wrong"),
        ("img1 or img2", "2", "unread"), ("slices 1 to 3", "2", "unread"), ("1 and 2", "2", "unread"),
        ("between the slices", "2", "unread"), ("1.5", "2", "unread"), ("-2", "2", "unread"), ("2 mm", "2", "unread"),
        ("first or second", "0", "unread"), ("0th", "0", "unread"),
    ],
)  # fmt: skip
def test_an_image_is_named_by_its_number(text, truth, is_):
    assert became("sequence", text, truth) == is_


def test_a_neighbouring_slice_is_right_where_the_truth_says_so():
    said = [became("sequence", text, "10", within=1) for text in ("9", "11", "12", "8")]
    assert said == ["strict", "strict", "wrong", "wrong"]
    assert graded("sequence", "7", "10").metrics == {"abs_error": 3.0}


@pytest.mark.parametrize(("shown", "parsed"), [(1, False), (2, True)])
def test_a_view_of_a_volume_is_no_slice_of_it(shown, parsed):
    image = Image.of(Source.of(np.zeros((9, 8, 8), np.uint8)))
    grade = judged("sequence", Given(text="img2"), Truth(answer="2"), images=(image,) * shown)
    assert grade.parsed == parsed
