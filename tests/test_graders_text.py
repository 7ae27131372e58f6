"""Answers in words and numbers: what is right, what is wrong, and what cannot be read."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs.episode import Kind, Question, Truth
from envs.grading import Given, Grade
from tools.lookup import find
from tools.study import Study

KINDS: tuple[Kind, ...] = ("choice", "yes_no", "open", "number", "count", "sequence", "report")
TRUTHS = {"choice": "B", "yes_no": "yes", "open": "left lung", "number": "33.1 mm", "count": "3", "sequence": "4",
          "report": "No new effusion."}  # fmt: skip
CHOICES = ("pneumonia", "left lung", "left lung and pleura", "fracture")


def graded(kind: Kind, text: str, answer: str | None = None, choices=CHOICES, **truth) -> Grade:
    question = Question(
        id="q", text="?", study=Study(sources=()), images=(), kind=kind, choices=choices if kind == "choice" else ()
    )
    judged = find("envs.graders", kind)(question, Truth(answer=answer or TRUTHS[kind], **truth), Given(text=text))
    assert 0 <= judged.strict <= 1
    assert all(math.isfinite(value) for value in judged.metrics.values())
    return judged


def told(kind: Kind, text: str, answer: str | None = None, **more) -> str:
    """What the grader makes of it, in a word."""
    judged = graded(kind, text, answer, **more)
    if not judged.parsed:
        assert (judged.score, judged.strict, judged.right) == (0.0, 0.0, False)
        return "unread"
    return ("strict" if judged.strict == 1.0 else "right") if judged.right else "wrong"


@pytest.mark.parametrize("kind", KINDS)
def test_the_truth_is_right_and_an_empty_answer_is_unread(kind):
    assert told(kind, TRUTHS[kind]) == "strict"
    for nothing in ("", "  ", ".", "\n"):
        assert told(kind, nothing) == "unread"


@pytest.mark.parametrize("kind", KINDS)
@given(text=st.text(max_size=200))
def test_no_text_breaks_a_grader(kind, text):
    graded(kind, text)


PIECES = st.sampled_from(
    ["A", "b", "(C)", "left", "lung", "no", "yes", "3", "3.5", "mm", "cm", "-", "to", "img2", ",", ".", "是", "三"]
)


@pytest.mark.parametrize("kind", KINDS)
@given(pieces=st.lists(PIECES, max_size=8))
def test_what_is_strict_is_right_and_what_is_right_is_read(kind, pieces):
    judged = graded(kind, " ".join(pieces))
    assert judged.strict <= judged.score
    assert judged.parsed or not judged.right


@pytest.mark.parametrize(
    ("text", "became"),
    [
        ("B", "strict"), ("b", "right"), ("(B)", "right"), ("B.", "right"), ("\uff22", "right"),
        ("B. left lung", "right"), ("B) left lung", "right"), ("left lung", "right"), ("Left Lung.", "right"),
        ("The answer is B", "right"), ("The answer is (B).", "right"), ("答案是B", "right"),
        ("It is the left lung.", "right"), ("I choose (B)", "right"), ("A", "wrong"),
        ("left lung and pleura", "wrong"), ("It is the left lung and pleura.", "wrong"), ("pneumonia", "wrong"),
        ("I can see a lesion", "unread"), ("A lesion is seen", "unread"), ("complete nonsense xyz", "unread"),
        ("E", "unread"), ("A or B", "unread"), ("pneumonia, left lung, fracture", "unread"), ("A, B, C, D", "unread"),
        ("(A) (B)", "unread"), ("There is no pneumonia", "unread"), ("not the left lung", "unread"),
        ("lung", "unread"), ("B. pneumonia", "unread"), ("cannot answer: I am a set of rules", "unread"),
    ],
)  # fmt: skip
def test_a_choice_is_named_by_its_letter_or_in_its_words_and_never_guessed(text, became):
    assert told("choice", text) == became


def test_choices_may_carry_their_letters():
    choices = ("A: pneumonia", "B: left lung")
    assert told("choice", "left lung", choices=choices) == "right"
    assert told("choice", "B: left lung", choices=choices) == "right"
    assert told("choice", "pneumonia", "B: left lung", choices=choices) == "wrong"


def test_a_truth_that_is_no_choice_is_a_broken_question():
    with pytest.raises(ValueError, match="question 'q': the truth 'spleen' is none of its choices"):
        graded("choice", "A", "spleen")


@pytest.mark.parametrize(
    ("text", "truth", "became"),
    [
        ("yes", "yes", "strict"), ("Yes", "yes", "strict"), ("Yes.", "yes", "right"), ("no", "yes", "wrong"),
        ("Yes, there is no shift.", "yes", "right"), ("No, it is normal.", "no", "right"),
        ("The answer is no.", "no", "right"), ("是", "yes", "strict"), ("没有", "no", "strict"),
        ("不是。", "no", "right"), ("有", "no", "wrong"), ("normal", "no", "unread"), ("nodule", "no", "unread"),
        ("none of them", "no", "unread"), ("not", "no", "unread"), ("No mass is seen", "no", "unread"),
        ("Yes. No.", "yes", "unread"), ("no, ... yes", "no", "unread"), ("maybe", "yes", "unread"),
        ("yesterday", "yes", "unread"),
    ],
)  # fmt: skip
def test_a_verdict_stands_for_itself(text, truth, became):
    assert told("yes_no", text, truth) == became


@pytest.mark.parametrize(
    ("text", "truth", "became"),
    [
        ("Left lung", "left lung", "strict"), ("the left lung.", "left lung", "strict"),
        ("left  LUNG", "left lung", "strict"), ("lung, left", "left lung", "right"),
        ("left pulmonary", "left lung", "right"), ("right lung", "left lung", "wrong"),
        ("lung", "left lung", "wrong"), ("left lung and right lung", "left lung", "wrong"),
        ("left lung right lung heart liver spleen", "left lung", "wrong"), ("no effusion", "effusion", "wrong"),
        ("without effusion", "no effusion", "right"), ("effusion", "no effusion", "wrong"),
        ("chest X-ray", "chest radiograph", "right"), ("CT scan", "computed tomography", "right"),
        ("MRI", "CT", "wrong"), ("two", "2", "right"), ("5 mm", "0.5 cm", "right"), ("5 mm", "5 cm", "wrong"),
        ("5", "5 mm", "wrong"), ("tumour", "tumor", "right"), ("左肺", "左肺", "strict"), ("右肺", "左肺", "wrong"),
        ("左侧 肺", "左肺", "right"), ("fi\uFB01nding", "fifinding", "strict"),
    ],
)  # fmt: skip
def test_free_text_says_the_same_no_more_and_no_less(text, truth, became):
    assert told("open", text, truth) == became


def test_other_answers_may_be_accepted():
    assert told("open", "heart failure", "cardiac failure", accepted=("CHF",)) == "right"
    assert told("open", "chf", "cardiac failure", accepted=("CHF",)) == "strict"
    assert graded("open", "heart attack", "heart failure").metrics == {"token_f1": 0.5, "token_recall": 0.5}


@pytest.mark.parametrize(
    ("text", "truth", "became"),
    [
        ("33.1 mm", "33.1 mm", "strict"), ("3.31 cm", "33.1 mm", "strict"), ("33.1", "33.1 mm", "right"),
        ("The distance is 33.05 mm (3.305 cm).", "33.1 mm", "right"), ("0.0331 m", "33.1 mm", "strict"),
        ("33.1 cm", "33.1 mm", "wrong"), ("33.1 px", "33.1 mm", "wrong"), ("33.1 HU", "33.1 mm", "wrong"),
        ("110 mm", "100 mm", "strict"), ("110.1 mm", "100 mm", "wrong"), ("90 mm", "100 mm", "strict"),
        ("89.9 mm", "100 mm", "wrong"), ("3-4 cm", "35 mm", "unread"), ("3 to 4 cm", "35 mm", "unread"),
        ("about 35 mm", "35 mm", "right"), ("1 cm, or rather 35 mm", "35 mm", "right"),
        ("35 mm, or rather 1 cm", "35 mm", "wrong"), ("3,5 cm", "35 mm", "strict"), ("1,200 mm", "1200 mm", "strict"),
        ("-120 HU", "-120 HU", "strict"), ("120 HU", "-120 HU", "wrong"), ("250 mm²", "2.5 cm²", "strict"),
        ("250 mm2", "2.5 cm2", "strict"), ("3 ml", "3 cc", "strict"), ("45°", "45 degrees", "strict"),
        ("500 ms", "0.5 s", "strict"), ("三", "3", "unread"), ("x0 is large", "3 mm", "unread"),
        ("1e999 mm", "3 mm", "unread"), ("very wide", "3 mm", "unread"),
    ],
)  # fmt: skip
def test_a_number_is_right_within_its_tolerance_in_whatever_unit(text, truth, became):
    assert told("number", text, truth) == became


@pytest.mark.parametrize(
    ("off", "became"), [(0.0, "strict"), (2.0, "strict"), (2.01, "wrong"), (-2.0, "strict"), (-2.01, "wrong")]
)
def test_both_ends_of_an_absolute_tolerance_belong_to_it(off, became):
    assert told("number", f"{50 + off} HU", "50 HU", within=2.0) == became


@pytest.mark.parametrize(
    ("value", "became"), [("105", "strict"), ("105.1", "wrong"), ("95", "strict"), ("94.9", "wrong")]
)
def test_both_ends_of_a_relative_tolerance_belong_to_it(value, became):
    assert told("number", value, "100", tolerance=0.05) == became


def test_the_errors_of_a_number_are_those_of_deeptumorvqa():
    metrics = graded("number", "60 mm", "100 mm").metrics
    assert metrics == {
        "abs_error": 40.0,
        "rel_error": 0.4,
        "mra": 0.6,
        "within_5": 0,
        "within_10": 0,
        "within_20": 0,
        "within_50": 1,
    }
    assert graded("number", "300 mm", "100 mm").metrics["mra"] == 0.0


@given(
    st.floats(0.01, 1e6), st.sampled_from([("mm", "cm", 0.1), ("cm", "mm", 10), ("ml", "l", 0.001), ("s", "ms", 1000)])
)
def test_a_unit_changes_nothing_but_how_it_is_written(value, units):
    unit, other, factor = units
    assert graded("number", f"{value * factor:.12g} {other}", f"{value:.12g} {unit}").metrics["rel_error"] < 1e-6


@pytest.mark.parametrize(
    ("text", "truth", "became"),
    [
        ("3", "3", "strict"), ("three", "3", "right"), ("三", "3", "right"), ("There are 3.", "3", "right"),
        ("3.0", "3", "right"), ("4", "3", "wrong"), ("2.5", "3", "unread"), ("3 mm", "3", "unread"),
        ("-3", "3", "unread"), ("many", "3", "unread"), ("of 7, 3", "3", "right"), ("3 of 7", "3", "wrong"),
        ("0", "0", "strict"), ("none", "0", "unread"),
    ],
)  # fmt: skip
def test_a_count_is_exact(text, truth, became):
    assert told("count", text, truth) == became


def test_a_count_may_be_off_where_the_truth_says_so():
    assert [told("count", text, "10", within=1) for text in ("9", "11", "12")] == ["strict", "strict", "wrong"]
    assert graded("count", "12", "10").metrics == {"abs_error": 2.0}


@pytest.mark.parametrize(
    ("text", "truth", "became"),
    [
        ("2", "2", "strict"), ("img2", "2", "strict"), ("2", "img2", "strict"), ("slice 2", "2", "right"),
        ("Frame 2.", "2", "right"), ("It is in img2", "2", "right"), ("the third image", "2", "right"),
        ("3", "2", "wrong"), ("img1 or img2", "2", "unread"), ("between the slices", "2", "unread"),
        ("1.5", "2", "unread"),
    ],
)  # fmt: skip
def test_an_image_is_named_by_its_number(text, truth, became):
    assert told("sequence", text, truth) == became


def test_a_neighbouring_slice_is_right_where_the_truth_says_so():
    assert [told("sequence", text, "10", within=1) for text in ("9", "11", "12", "8")] == [
        "strict",
        "strict",
        "wrong",
        "wrong",
    ]


REPORT = "Compared to prior, the left effusion has increased. No pneumothorax."


def test_a_report_has_the_scores_of_the_libraries():
    from rouge_score.rouge_scorer import RougeScorer
    from sacrebleu.metrics import BLEU

    other = "The left effusion has increased. The heart is large."
    metrics = graded("report", other, REPORT).metrics
    assert metrics["rouge_l"] == pytest.approx(RougeScorer(["rougeL"]).score(REPORT, other)["rougeL"].fmeasure)
    assert metrics["bleu_4"] == pytest.approx(BLEU(effective_order=True).sentence_score(other, [REPORT]).score / 100)
    assert metrics["bleu_1"] > metrics["bleu_2"] > metrics["bleu_4"]
    assert 0 < metrics["meteor"] < 1


def test_the_same_report_scores_one_and_another_little():
    same = graded("report", REPORT, REPORT)
    assert same.score == pytest.approx(1.0)
    assert same.metrics["bleu_4"] == pytest.approx(1.0)
    assert same.metrics["meteor"] > 0.99
    assert graded("report", "Fracture of the wrist.", REPORT).score < 0.2


@pytest.mark.parametrize(
    ("text", "f1"),
    [("increased, compared to prior", 1.0), ("increased", 0.5), ("decreased", 0.0), ("clear lungs", 0.0)],
)
def test_words_of_change_are_counted_apart(text, f1):
    assert graded("report", text, REPORT).metrics["temporal_f1"] == pytest.approx(f1)


def test_two_reports_without_a_word_of_change_agree_on_it():
    assert graded("report", "Clear lungs.", "Normal heart.").metrics["temporal_f1"] == 1.0


@pytest.mark.parametrize("kind", ["number", "count", "sequence", "yes_no"])
def test_a_truth_that_cannot_be_read_is_a_broken_question(kind):
    with pytest.raises(ValueError, match="question 'q': the truth 'large' "):
        graded(kind, "3", "large")
