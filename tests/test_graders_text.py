"""Answers in words: what is right, what is wrong, and what cannot be read."""

import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envs.episode import Kind
from envs.graders.report import CHANGES
from envs.graders.synonyms import SAME
from tests.graders import CHOICES, became, graded

TRUTHS: dict[Kind, str] = {
    "choice": "B", "yes_no": "yes", "open": "left lung", "number": "33.1 mm", "count": "3", "sequence": "4",
    "report": "No new effusion.",
}  # fmt: skip
KINDS = list(TRUTHS)


# ---- all that read words


@pytest.mark.parametrize("kind", KINDS)
def test_the_truth_is_right_and_an_empty_answer_is_unread(kind):
    assert became(kind, TRUTHS[kind], TRUTHS[kind]) == "strict"
    for nothing in ("", "  ", ".", "\n", "**", "。"):
        assert became(kind, nothing, TRUTHS[kind]) == "unread"


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=50)
@given(text=st.text(max_size=200))
def test_no_text_breaks_a_grader(kind, text):
    graded(kind, text, TRUTHS[kind])


PIECES = st.sampled_from(
    ["A", "b", "(C)", "B.", "left", "lung", "no", "yes", "the answer is", "not", "and", "3", "3.5", "1,000", "mm", "cm",
     "-", "to", "<", "=", "±", "img2", "third", ",", ".", "是", "三", "第", "个", "1e999", "**", "\\boxed{", "}", "/"]
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=100)
@given(pieces=st.lists(PIECES, max_size=8))
def test_no_order_of_words_breaks_a_grader(kind, pieces):
    """What a grade must hold, strict <= score among it, is checked for each."""
    graded(kind, " ".join(pieces), TRUTHS[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_a_long_answer_takes_no_long_time(kind):
    began = time.process_time()
    for text in ("=" * 20_000, "a " * 20_000, "1 to " * 5_000, "no, " * 5_000, "(A) " * 5_000, "1," * 10_000):
        graded(kind, text, TRUTHS[kind])
    assert time.process_time() - began < 8


@pytest.mark.parametrize("kind", ["number", "count", "sequence", "yes_no"])
def test_a_truth_that_cannot_be_read_is_a_broken_question(kind):
    with pytest.raises(ValueError, match="question 'q': the truth 'large' "):
        graded(kind, "3", "large")


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_that_names_everything_earns_nothing(kind):
    everything = {
        "choice": ", ".join(f"{letter}. {text}" for letter, text in zip("ABCD", CHOICES, strict=True)),
        "yes_no": "yes and no",
        "open": "left lung, right lung, liver, heart, spleen, left kidney, right kidney",
        "number": ", ".join(f"{n} mm" for n in range(1, 60)),
        "count": ", ".join(map(str, range(10))),
        "sequence": ", ".join(map(str, range(10))),
        "report": " ".join(sorted(CHANGES)) + " no effusion pneumothorax heart lung",
    }
    grade = graded(kind, everything[kind], TRUTHS[kind])
    assert not grade.right
    assert grade.score < (0.2 if kind == "report" else 1e-9)


# ---- choices


@pytest.mark.parametrize(
    ("text", "is_"),
    [
        ("B", "strict"), (" B\n", "strict"), ("b", "right"), ("(B)", "right"), ("(b)", "right"), ("[B]", "right"),
        ("B.", "right"), ("B)", "right"), ("B:", "right"), ("Ｂ", "right"), ("（Ｂ）", "right"), ("**B**", "right"),
        ("\\boxed{B}", "right"), ("B. left lung", "right"), ("B) left lung", "right"), ("B.left lung", "right"),
        ("(B) left lung", "right"), ("B: Left Lung", "right"), ("B - left lung", "right"), ("B left lung", "right"),
        ("b) left lung", "right"), ("B、左肺", "right"), ("left lung", "right"), ("Left Lung.", "right"),
        ("the left lung", "right"), ("It is the left lung.", "right"), ("Option B", "right"),
        ("The answer is B", "right"), ("The answer is (B).", "right"), ("Answer: B", "right"),
        ("**Answer:** B", "right"), ("The correct answer is option B, because it is opaque.", "right"),
        ("答案是B", "right"), ("答案：B。", "right"), ("选B", "right"), ("I choose (B)", "right"),
        ("I think it is (B).", "right"), ("B is correct", "right"), ("B. There is no sign of a fracture.", "right"),
        ("A", "wrong"), ("left lung and pleura", "wrong"), ("It is the left lung and pleura.", "wrong"),
        ("C. left lung and pleura", "wrong"), ("pneumonia", "wrong"), ("A pneumonia", "wrong"),
        ("I can see a lesion", "unread"), ("A lesion is seen", "unread"), ("A lesion", "unread"),
        ("The answer is a lesion", "unread"), ("The answer is A lesion", "unread"), ("I see", "unread"),
        ("a", "wrong"), ("complete nonsense xyz", "unread"), ("left lun", "unread"), ("lung", "unread"),
        ("left", "unread"), ("E", "unread"), ("(E)", "unread"), ("Z.", "unread"), ("A or B", "unread"),
        ("A and B", "unread"), ("A, B, C, D", "unread"), ("(A) (B)", "unread"), ("B. left lung, C.", "unread"),
        ("pneumonia, left lung, fracture", "unread"), ("pneumonia or fracture", "unread"),
        ("There is no pneumonia", "unread"), ("not the left lung", "unread"), ("anything but not B", "unread"),
        ("(A) is wrong, the answer is (B)", "unread"), ("B is wrong", "unread"), ("(B) is not right", "unread"),
        ("B. pneumonia", "unread"), ("B pneumonia", "unread"), ("cannot answer: I am a set of rules", "unread"),
        ("C.T. scan", "unread"), ("e.g. this", "unread"), ("vitamin A.", "unread"),
    ],
)  # fmt: skip
def test_a_choice_is_named_by_its_letter_or_in_its_words_and_never_guessed(text, is_):
    assert became("choice", text, "B") == is_


@pytest.mark.parametrize("choices", [("A: pneumonia", "B: left lung"), ("(A) pneumonia", "(B) left lung")])
def test_choices_may_carry_their_letters(choices):
    for text in ("left lung", "B: left lung", "B. left lung", "B"):
        for truth in ("B", "left lung", choices[1]):
            assert became("choice", text, truth, choices=choices) in ("right", "strict")
    assert became("choice", "pneumonia", "B", choices=choices) == "wrong"


def test_a_truth_may_be_the_text_of_a_choice_and_several_may_be_right():
    assert became("choice", "B", "left lung") == "strict"
    assert became("choice", "D", "B", accepted=("fracture",)) == "strict"
    assert became("choice", "A", "B", accepted=("fracture",)) == "wrong"


def test_choices_of_the_same_text_are_one_choice():
    same = ("left", "right", "Left")
    assert became("choice", "left", "A", choices=same) == "right"
    assert became("choice", "left", "C", choices=same) == "right"
    assert became("choice", "left", "B", choices=same) == "wrong"


@pytest.mark.parametrize(
    ("text", "is_"),
    [("yes", "right"), ("Yes, there is.", "right"), ("no", "wrong"), ("No, it is normal.", "wrong"),
     ("There is no fracture", "unread"), ("yes, or no", "unread")],
)  # fmt: skip
def test_choices_of_yes_and_no_are_read_as_such(text, is_):
    assert became("choice", text, "A", choices=("Yes", "No")) == is_


def test_a_choice_of_one_letter_or_of_signs_is_named_by_itself_alone():
    assert became("choice", "a lesion", "B", choices=("lesions", "a")) == "unread"
    assert became("choice", "+", "A", choices=("+", "-")) == "right"
    assert became("choice", "-", "A", choices=("+", "-")) == "wrong"


def test_a_choice_may_be_called_an_option():
    for text, is_ in (
        ("Option 2", "right"),
        ("option 1", "wrong"),
        ("2", "unread"),
        ("The answer is option 2.", "unread"),
    ):
        assert became("choice", text, "B", choices=("Option 1", "Option 2")) == is_


@given(order=st.permutations(range(4)), text=st.sampled_from(CHOICES))
def test_a_choice_told_in_words_is_right_wherever_it_stands(order, text):
    choices = tuple(CHOICES[n] for n in order)
    for true, letter in zip(choices, "ABCD", strict=True):
        assert graded("choice", text, letter, choices=choices).right == (text == true)


def test_a_truth_that_is_no_choice_is_a_broken_question():
    with pytest.raises(ValueError, match="question 'q': the truth 'spleen' is none of its choices"):
        graded("choice", "A", "spleen")


# ---- yes and no


@pytest.mark.parametrize(
    ("text", "truth", "is_"),
    [
        ("yes", "yes", "strict"), ("Yes", "yes", "strict"), ("Yes.", "yes", "right"), ("**yes**", "yes", "right"),
        ("no", "yes", "wrong"), ("Yes, there is no shift.", "yes", "right"), ("No, it is normal.", "no", "right"),
        ("no there is none", "no", "right"), ("The answer is no.", "no", "right"), ("Answer: yes", "yes", "right"),
        ("I see a mass, yes", "yes", "right"), ("true", "yes", "right"), ("False.", "no", "right"),
        ("yes", "True", "strict"), ("是", "yes", "strict"), ("是的，有结节", "yes", "right"), ("没有", "no", "strict"),
        ("不是。", "no", "right"), ("有", "no", "wrong"), ("no", "否", "strict"), ("Ｎｏ", "no", "right"),
        ("normal", "no", "unread"), ("nodule", "no", "unread"), ("none of them", "no", "unread"),
        ("not", "no", "unread"), ("No mass is seen", "no", "unread"), ("no nodule", "no", "unread"),
        ("there is no nodule", "no", "unread"), ("yes and no", "yes", "unread"), ("yes or no", "no", "unread"),
        ("yes/no", "yes", "unread"), ("Yes. No.", "yes", "unread"), ("no, ... yes", "no", "unread"),
        ("no wait, yes", "yes", "unread"), ("Yes, but no", "yes", "unread"), ("maybe", "yes", "unread"),
        ("yesterday", "yes", "unread"), ("northern", "no", "unread"), ("是，不是", "yes", "unread"),
        ("The image, yes, is dark", "yes", "unread"), ("没有异常", "no", "unread"), ("I know", "no", "unread"),
    ],
)  # fmt: skip
def test_a_yes_or_a_no_stands_for_itself(text, truth, is_):
    assert became("yes_no", text, truth) == is_


# ---- free text


@pytest.mark.parametrize(
    ("text", "truth", "is_"),
    [
        ("Left lung", "left lung", "strict"), ("left lung.", "left lung", "strict"),
        ("left  LUNG", "left lung", "strict"), ("the left lung", "left lung", "right"),
        ("It is in the left lung.", "left lung", "right"), ("The answer is left lung", "left lung", "right"),
        ("left-sided lung", "left lung", "right"), ("lung, left", "left lung", "right"),
        ("left pulmonary", "left lung", "right"), ("right lung", "left lung", "wrong"),
        ("lung", "left lung", "wrong"), ("left", "left lung", "wrong"),
        ("left lung and right lung", "left lung", "wrong"), ("left lung lobe", "left lung", "wrong"),
        ("not left lung", "left lung", "wrong"),
        ("no effusion", "effusion", "wrong"), ("without effusion", "no effusion", "right"),
        ("no evidence of effusion", "no effusion", "right"), ("effusion", "no effusion", "wrong"),
        ("no effusion, pneumothorax", "no pneumothorax, effusion", "wrong"),
        ("left lung, right kidney", "right lung, left kidney", "wrong"),
        ("right kidney, left lung", "left lung and right kidney", "right"), ("spleen; liver", "Liver, Spleen", "right"),
        ("chest X-ray", "chest radiograph", "right"), ("X光", "x-ray", "right"),
        ("CT scan", "computed tomography", "right"), ("MRI", "CT", "wrong"), ("磁共振", "MRI", "right"),
        ("two", "2", "right"), ("twenty-one", "21", "right"),
        ("5 mm", "0.5 cm", "right"), ("5 mm", "5 cm", "wrong"), ("5", "5 mm", "wrong"), ("3,5 cm", "3.5 cm", "right"),
        ("5 mm2", "5 mm", "wrong"), ("tumour", "tumor", "right"), ("左肺", "左肺", "strict"), ("右肺", "左肺", "wrong"),
        ("左侧 肺", "左肺", "right"), ("左肺。", "左肺", "strict"), ("fi\uFB01nding", "fifinding", "strict"),
        ("ＣＴ", "CT", "strict"), ("T2-weighted", "t2 weighted", "strict"), ("the", "left lung", "unread"),
        ("yes", "Yes", "strict"), ("Bilateral", "both", "right"), ("both lungs", "left lung", "wrong"),
    ],
)  # fmt: skip
def test_free_text_says_the_same_no_more_and_no_less(text, truth, is_):
    assert became("open", text, truth) == is_


def test_other_answers_may_be_accepted():
    assert became("open", "weak heart", "cardiac failure", accepted=("CHF", "weak heart")) == "strict"
    assert became("open", "chf", "cardiac failure", accepted=("CHF",)) == "strict"
    assert graded("open", "heart attack", "heart failure").metrics == {"token_f1": 0.5, "token_recall": 0.5}
    assert graded("open", "heart", "heart failure").metrics == {"token_f1": pytest.approx(2 / 3), "token_recall": 0.5}


def test_a_part_of_the_truth_scores_nothing_however_much_of_it_is_recalled():
    grade = graded("open", "lung heart liver left spleen", "left lung")
    assert (grade.score, grade.metrics["token_recall"]) == (0.0, 1.0)


def test_no_synonym_is_of_two_meanings():
    forms = [form for same in SAME.values() for form in same]
    assert len(forms) == len(set(forms))
    assert not set(forms) & set(SAME)


@given(kept=st.sampled_from(sorted(SAME)), data=st.data())
def test_synonyms_say_the_same_both_ways(kept, data):
    form = data.draw(st.sampled_from(SAME[kept]))
    assert graded("open", f"{form} seen", f"{kept} seen").right
    assert graded("open", f"{kept} seen", f"{form} seen").right


@given(
    st.lists(st.sampled_from(["left lung", "liver", "no effusion", "3 cm", "右肾"]), min_size=1, max_size=4), st.data()
)
def test_the_order_of_a_list_means_nothing(parts, data):
    shuffled = data.draw(st.permutations(parts))
    assert graded("open", "; ".join(shuffled), ", ".join(parts)).right


# ---- reports

REPORT = "The left effusion has increased and is now stable. No pneumothorax."


def test_a_report_has_the_scores_of_the_libraries():
    from nltk.translate.meteor_score import single_meteor_score
    from rouge_score.rouge_scorer import RougeScorer
    from sacrebleu.metrics import BLEU

    class Nothing:
        def synsets(self, word):
            return []

    said, true = "the left effusion has increased the heart is large", "the left effusion has increased no pneumothorax"
    metrics = graded("report", said.capitalize() + ".", true).metrics
    assert metrics["rouge_l"] == pytest.approx(RougeScorer(["rougeL"]).score(true, said)["rougeL"].fmeasure)
    for n in range(1, 5):
        theirs = BLEU(max_ngram_order=n, effective_order=True).sentence_score(said, [true]).score / 100
        assert metrics[f"bleu_{n}"] == pytest.approx(theirs)
    assert metrics["meteor"] == pytest.approx(single_meteor_score(true.split(), said.split(), wordnet=Nothing()))
    assert metrics["bleu_1"] > metrics["bleu_2"] > metrics["bleu_4"]


def test_a_report_of_two_words_may_have_all_of_bleu():
    assert graded("report", "Clear lungs.", "Clear lungs.").metrics["bleu_4"] == pytest.approx(1.0)


def test_the_same_report_scores_one_and_another_little():
    same = graded("report", REPORT, REPORT)
    assert same.score == pytest.approx(1.0)
    assert same.metrics["bleu_4"] == pytest.approx(1.0)
    assert same.metrics["meteor"] > 0.99
    other = graded("report", "Fracture of the wrist.", REPORT)
    assert (other.right, other.score < 0.2) == (False, True)


@pytest.mark.parametrize(("words", "right"), [(4, True), (3, False)])
def test_a_report_is_right_from_half_of_rouge_on(words, right):
    """4 words of 8, of which 4 are said: F1 = 2/3 · ...; 3 of them: 6/11 is right, 2 of 8 in 8 is not."""
    true = "a b c d e f g h"
    said = " ".join([*true.split()[:words], *"wxyz"[: 8 - words], "v"][:8])
    grade = graded("report", said, true)
    assert grade.score == pytest.approx(words / 8)
    assert grade.right == right


def test_chinese_reports_are_compared_by_character():
    assert graded("report", "心脏正常", "心脏大小正常").score == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("text", "f1"),
    [("increased, now stable", 1.0), ("increased", 2 / 3), ("decreased", 0.0), ("clear lungs", 0.0)],
)
def test_words_of_change_are_counted_apart(text, f1):
    assert graded("report", text, REPORT).metrics["temporal_f1"] == pytest.approx(f1)


def test_two_reports_without_a_word_of_change_agree_on_it():
    assert graded("report", "Clear lungs.", "Normal heart.").metrics["temporal_f1"] == 1.0


def test_the_nearest_accepted_report_counts():
    assert graded("report", "Clear lungs.", REPORT, accepted=("Clear lungs.",)).score == pytest.approx(1.0)


@pytest.mark.parametrize(
    "package", ["sacrebleu.metrics.bleu", "rouge_score.rouge_scorer", "nltk.translate.meteor_score"]
)
def test_without_the_packages_it_is_said_what_to_install(package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=r"pip install 'overread\[eval\]'"):
        graded("report", "Clear lungs.", REPORT)
