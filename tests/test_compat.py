"""The published scorers, their traps included: each test names one."""

import json
import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs.compat.deeptumorvqa import deeptumorvqa
from envs.compat.llava_med import llava_med
from envs.compat.m3d_iou import m3d_iou
from envs.compat.medmultipoints import medmultipoints
from envs.compat.medsg import medsg
from envs.compat.medxpert import medxpert
from envs.compat.mmmu import mmmu
from envs.compat.outputs import rescore
from envs.compat.pmc_difflib import pmc_difflib
from envs.compat.vitar import vitar
from envs.rows import DataError
from tests.graders import CHOICES, graded
from tools.lookup import find, names


def terminated(*answers: str) -> str:
    """A reply of ViTAR that ends the episode, once for each answer."""
    actions = [{"name": "Terminate", "arguments": {"answer": answer}} for answer in answers]
    return json.dumps({"thought": "I see.", "actions": actions})


# ---- ViTAR: every row of what its scorer was seen to do


@pytest.mark.parametrize(
    ("reply", "answer", "exact"),
    [
        pytest.param(terminated("A"), "A", 1, id="the letter is right"),
        pytest.param(terminated("A. pneumonia"), "A", 0, id="a letter with its text is wrong"),
        pytest.param(terminated("left lung"), "Left_Lung", 1, id="case, spaces and underscores make no difference"),
        pytest.param("No", "no", 1, id="a reply that is no JSON is taken whole"),
        pytest.param(terminated("A", "B"), "A", 1, id="of several Terminates the first counts"),
        pytest.param(terminated("A", "B"), "B", 0, id="and the last does not"),
        pytest.param(terminated('the "left" lung'), 'the "left" lung', 0, id="an answer with escaped quotes fails"),
    ],
)
def test_vitar_is_exact_as_released(reply, answer, exact):
    assert vitar([reply], [answer])["exact"] == exact


def test_vitar_leaves_what_it_cannot_parse_out_of_its_denominator():
    replies = [terminated("A"), "I think it is A", terminated(""), "", terminated("B")]
    scores = vitar(replies, ["A"] * 5)
    assert (scores["letter"], scores["letter_of_all"], scores["parsable"]) == (0.5, 0.2, 0.4)


def test_vitar_takes_the_first_character_for_the_letter():
    assert vitar([terminated("Aorta")], ["A"])["letter"] == 1.0
    assert not graded("choice", "Aorta", "A").right


# ---- LLaVA-Med


def test_llava_med_takes_every_closed_question_for_yes_or_no():
    assert llava_med(["left"], ["left"], ["CLOSED"])["closed"] == 0.0
    assert llava_med(["left, now"], ["left"], ["CLOSED"])["closed"] == 1.0
    assert llava_med(["nodule"], ["no"], ["CLOSED"])["closed"] == 1.0
    assert llava_med(["yes and no", "yes and no"], ["yes", "no"], ["CLOSED"] * 2)["closed"] == 1.0


def test_llava_med_as_released_leaves_a_wrong_yes_or_no_out():
    scores = llava_med(["yes", "yes", "maybe"], ["yes", "no", "no"], ["CLOSED"] * 3)
    assert (scores["closed"], scores["closed_released"]) == (pytest.approx(1 / 3), 0.5)


def test_llava_med_recalls_everything_from_an_answer_that_names_everything():
    everything = "left lung right lung heart liver spleen"
    scores = llava_med([everything, "the lung"], ["left lung", "left lung"], ["OPEN", "OPEN"])
    assert scores["open_recall"] == (1.0 + 0.5) / 2
    assert graded("open", everything, "left lung").score == 0.0


def test_llava_med_recalls_more_of_a_word_said_thrice():
    assert llava_med(["left"], ["left lung"], ["OPEN"])["open_recall"] == 0.5
    assert llava_med(["left left left"], ["left lung"], ["OPEN"])["open_recall"] == 0.75


# ---- PMC-VQA


def test_pmc_difflib_lets_any_text_name_some_choice():
    right = [pmc_difflib(["complete nonsense xyz"], [choice], [CHOICES])["accuracy"] for choice in CHOICES]
    assert sorted(right) == [0.0, 0.0, 0.0, 1.0]
    assert not graded("choice", "complete nonsense xyz", "A").parsed
    assert pmc_difflib(["left lun"], ["left lung"], [CHOICES])["accuracy"] == 1.0
    assert pmc_difflib([""], ["left lung"], [CHOICES])["accuracy"] == 0.0


def test_pmc_difflib_takes_a_wrong_letter_for_right_where_one_short_choice_holds_both():
    choices = ["A: CT", "B: MRI", "C: Magnetic resonance spectroscopy", "D: PET"]
    assert pmc_difflib(["C"], ["A"], [choices])["accuracy"] == 1.0
    assert not graded("choice", "C", "A").right


# ---- MedXpertQA


@pytest.mark.parametrize(
    ("reply", "right"),
    [
        ("B", True), ("The answer is (B).", True), ("A lesion, so B", False),
        ("A lesion. Among A through E, the answer is B", True), ("Not C, D rather; B", False), ("b", False),
    ],
)  # fmt: skip
def test_medxpert_takes_the_first_capital_letter_behind_the_trigger(reply, right):
    assert medxpert([reply], ["B"])["accuracy"] == right


# ---- MMMU


@pytest.mark.parametrize(
    ("reply", "right"),
    [
        ("B", True), ("(B)", True), ("B.", True), ("A or B", True), ("B or A", False), ("(A) no, (B)", True),
        ("A lesion", False), ("I would say that it is left lung here", True), ("left lung", False), ("", False),
    ],
)  # fmt: skip
def test_mmmu_takes_the_last_choice_that_is_named(reply, right):
    assert mmmu([reply], ["B"], [("pneumonia", "left lung", "heart")])["accuracy"] == right


def test_mmmu_never_guesses_at_random():
    assert {mmmu(["nothing of it"], [letter], [CHOICES])["accuracy"] for letter in "ABCD"} == {0.0}
    assert mmmu(["nothing of it"], ["A"], [CHOICES])["parsable"] == 0.0


# ---- MedSG-Bench


@pytest.mark.parametrize(
    ("reply", "iou"),
    [
        ("[10, 10, 30, 30]", 1.0), ("(10,10),(30,30)", 1.0), ("<|box_start|>(10,10),(30,30)<|box_end|>", 1.0),
        ("[10, 10, 30, 20]", 0.5), ("[10, 10, 30, 30], [0, 0, 1, 1]", 1.0), ("[0, 0, 1, 1], [10, 10, 30, 30]", 0.0),
        ("[0, 0, 100, 100]", 0.04), ("none", 0.0), ("In 1, 2, 3, 4 steps: [10, 10, 30, 30]", 0.0),
    ],
)  # fmt: skip
def test_medsg_scores_the_first_box(reply, iou):
    assert medsg([reply], [[10, 10, 30, 30]])["iou"] == pytest.approx(iou)


def test_medsg_counts_what_reaches_each_level_and_both_ends_of_it():
    scores = medsg(["[0, 0, 10, 3]", "[0, 0, 10, 5]", "[0, 0, 10, 7]", "none"], [[0, 0, 10, 10]] * 4)
    assert scores == {"iou": pytest.approx(1.5 / 4), "iou_30": 0.75, "iou_50": 0.5, "iou_70": 0.25}


@pytest.mark.parametrize(
    "reply", ["1" * 3000, "(" + " " * 3000, "1, 2" + " " * 3000 + "x", "1," * 3000, "9" * 400 + ",1"]
)
def test_medsg_reads_a_long_reply_in_no_time(reply):
    began = time.process_time()
    assert medsg([reply], [[10, 10, 30, 30]])["iou"] == 0.0
    assert time.process_time() - began < 1.0


def test_medsg_splits_a_number_to_find_a_fourth():
    assert medsg(["1, 234, 67"], [[1, 23, 4, 67]])["iou"] == 1.0


# ---- MedMultiPoints


def fenced(value) -> str:
    return f"```json\n{json.dumps(value)}\n```"


def pointed(*points: tuple[int, int]) -> str:
    return fenced([{"point_2d": list(point), "label": "polyp"} for point in points])


def test_medmultipoints_lets_a_missing_point_and_one_told_twice_go():
    true = pointed((50, 50), (90, 90))
    for said in (pointed((50, 50)), pointed((50, 50), (50, 50))):
        scores = medmultipoints([said], [true])
        assert (scores["matching_accuracy"], scores["point_mae"]) == (1.0, 0.0)


def test_medmultipoints_matches_below_10_px():
    scores = medmultipoints([pointed((59, 50)), pointed((60, 50))], [pointed((50, 50))] * 2)
    assert (scores["matching_accuracy"], scores["point_mae"]) == (0.5, 9.5)


def test_medmultipoints_drops_broken_json_from_its_averages_unless_it_is_mended():
    broken = '```json\n{"counts": 1, "point_2d": [[50, 50], "label": "polyp"}\n```'
    true = fenced({"counts": 1, "point_2d": [[50, 50]], "label": "polyp"})
    strict, mended = (medmultipoints([true, broken], [true, true], repair=repair) for repair in (False, True))
    assert (strict["matching_accuracy"], strict["zero_cases"]) == (1.0, 1.0)
    assert mended["zero_cases"] == 0.0


def test_medmultipoints_reads_counts_under_either_key_and_counts_nothing_for_a_broken_reply():
    true = fenced({"counts": 3})
    scores = medmultipoints([fenced({"count": 3}), fenced({"counts": 5}), "three"], [true] * 3)
    assert (scores["count_mae"], scores["count_mse"]) == (pytest.approx(5 / 3), pytest.approx(13 / 3))


@pytest.mark.parametrize("x", ["NaN", "Infinity", "9" * 400, '"1"', "null"])
def test_medmultipoints_takes_no_point_from_what_is_no_number(x):
    scores = medmultipoints([f'```json\n[{{"point_2d": [{x}, 1]}}]\n```'], [pointed((1, 1))])
    assert (scores["zero_cases"], scores["point_mae"]) == (1.0, 0.0)


def test_medmultipoints_leaves_what_is_no_point_out_of_a_list_of_points():
    scores = medmultipoints([fenced({"point_2d": [[1, 1], 3, "x", [1]]})], [pointed((1, 1))])
    assert (scores["zero_cases"], scores["matching_accuracy"]) == (0.0, 1.0)


def test_medmultipoints_counts_nothing_where_the_count_is_beyond_all_bounds():
    reply = '```json\n{"counts": ' + "9" * 400 + "}\n```"
    assert medmultipoints([reply], [fenced({"counts": 3})])["count_mae"] == 3.0


# ---- M3D


def test_m3d_divides_by_the_box_around_both():
    scores = m3d_iou(["[0.0, 0.0, 0.0, 0.5, 0.5, 0.5]"], ["[0.25, 0.25, 0.25, 0.75, 0.75, 0.75]"])
    assert scores["iou"] == pytest.approx(0.25**3 / (0.75**3 + 1e-6))
    union = 2 * 0.5**3 - 0.25**3
    assert scores["iou"] < 0.25**3 / union


def test_m3d_scores_minus_one_without_a_box():
    box = "[0.0, 0.0, 0.0, 0.5, 0.5, 0.5]"
    assert m3d_iou(["none", box.replace(", ", ",")], [box, box])["iou"] == -1.0
    assert m3d_iou([box, "none"], [box, box])["iou"] == pytest.approx(0.0, abs=1e-5)


# ---- DeepTumorVQA


@pytest.mark.parametrize("reply", ["normal", "nodule", "not seen", "Now I see a lesion"])
def test_deeptumorvqa_takes_what_starts_with_no_for_a_no(reply):
    assert deeptumorvqa([reply], ["no"], ["binary"])["binary_accuracy"] == 1.0
    assert not graded("yes_no", reply, "no").parsed


def test_deeptumorvqa_counts_an_empty_reply_as_a_true_negative():
    scores = deeptumorvqa(["", "", "yes"], ["no", "yes", "yes"], ["binary"] * 3)
    assert scores == {
        "binary_accuracy": pytest.approx(1 / 3), "binary_sensitivity": 0.5, "binary_specificity": 1.0
    }  # fmt: skip


@pytest.mark.parametrize(
    ("reply", "right"),
    [("C", True), ("Cannot tell", True), ("<think>A or B</think> C", True), ("it is C", True), ("", False)],
)
def test_deeptumorvqa_takes_the_first_character_for_the_letter(reply, right):
    assert deeptumorvqa([reply], ["C"], ["choice"])["choice_accuracy"] == right


def test_deeptumorvqa_looks_at_the_first_number_and_at_no_unit():
    assert deeptumorvqa(["3 cm"], ["3 mm"], ["number"])["number_mra"] == 1.0
    assert deeptumorvqa(["In slice 4 it is 30 mm"], ["30 mm"], ["number"])["number_mra"] == pytest.approx(4 / 30)
    assert not graded("number", "3 cm", "3 mm").right


@pytest.mark.parametrize(("said", "within"), [("105", 1.0), ("105.1", 0.0), ("95", 1.0), ("none", 0.0)])
def test_deeptumorvqa_counts_both_ends_of_a_band(said, within):
    assert deeptumorvqa([said], ["100"], ["number"])["number_within_5"] == within


def test_deeptumorvqa_counts_a_part_of_a_category_apart():
    scores = deeptumorvqa(["the right lobe", "Right lobe!"], ["right lobe"] * 2, ["category"] * 2)
    assert (scores["category_accuracy"], scores["category_partial"]) == (0.5, 1.0)


# ---- all of them

TRUE = {
    "vitar": ["A"], "llava_med": ["yes"], "pmc_difflib": ["fracture"], "medxpert": ["A"], "mmmu": ["A"],
    "medsg": [[0, 0, 9, 9]], "medmultipoints": [pointed((1, 1))], "m3d_iou": ["[0, 0, 0, 1, 1, 1]"],
    "deeptumorvqa": ["1 mm"],
}  # fmt: skip
MORE = {"llava_med": [["OPEN"]], "pmc_difflib": [[CHOICES]], "mmmu": [[CHOICES]], "deeptumorvqa": [["number"]]}


@pytest.mark.parametrize("scorer", names("envs.compat"))
@given(
    reply=st.text(max_size=60)
    | st.sampled_from(["```json\n[[1]]\n```", "```json\n{}\n```", '```json\n[{"point_2d": [[]]}]\n```'])
)
def test_no_reply_breaks_a_scorer(scorer, reply):
    scores = find("envs.compat", scorer)([reply], TRUE[scorer], *MORE.get(scorer, []))
    assert all(map(math.isfinite, scores.values()))
    assert all(-1 <= value <= 1 or "mae" in name or "mse" in name or "rmse" in name for name, value in scores.items())


@pytest.mark.parametrize("scorer", names("envs.compat"))
def test_of_nothing_every_score_is_0(scorer):
    scores = find("envs.compat", scorer)([], [], *[[] for _ in MORE.get(scorer, [])])
    assert not any(scores.values())


@pytest.mark.parametrize("scorer", names("envs.compat"))
def test_a_scorer_says_that_it_is_not_for_claims(scorer):
    assert "traps; not for claims" in __import__(f"envs.compat.{scorer}", fromlist=["_"]).__doc__


# ---- outputs from a file


def written(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_outputs_are_scored_from_a_file(tmp_path):
    path = written(
        tmp_path / "made.jsonl",
        {"prediction": "(A)", "answer": "A", "options": {"A": "left", "B": "right"}},
        {"prediction": "", "answer": "B", "options": ["left", "right"]},
        {"prediction": "B", "answer": "B", "options": '["left", "right"]'},
    )
    assert rescore(path, "mmmu") == {"accuracy": pytest.approx(2 / 3), "parsable": pytest.approx(2 / 3)}


def test_the_kind_of_each_answer_and_boxes_are_read_too(tmp_path):
    closed = written(tmp_path / "a.jsonl", {"prediction": "yes", "answer": "yes", "answer_type": "CLOSED"})
    assert rescore(closed, "llava_med")["closed"] == 1.0
    boxes = written(tmp_path / "b.jsonl", {"prediction": "[0, 0, 9, 9]", "answer": [0, 0, 9, 9]})
    assert rescore(boxes, "medsg")["iou"] == 1.0


def test_what_a_file_lacks_is_said_with_its_row(tmp_path):
    path = written(tmp_path / "a.jsonl", {"prediction": "A", "answer": "A", "options": ["x"]}, {"prediction": "A"})
    with pytest.raises(DataError, match=r"a\.jsonl, row 2: no 'answer' or 'label'"):
        rescore(path, "vitar")
    with pytest.raises(LookupError, match="no 'mnmu' in envs/compat/; there are: deeptumorvqa, llava_med"):
        rescore(path, "mnmu")
