"""What published scorers and rewards let through, held against these graders: one test for each."""

import gymnasium as gym
import numpy as np
import pytest

from envs.env import ReadingEnv
from envs.episode import Episode, Kind, Question, Truth
from envs.grading import grade
from rl.readers import call
from tests.graders import CHOICES, became, graded
from tools.geometry import Box
from tools.image import Image, Place
from tools.mask import Mask
from tools.study import Source, Study

INSIDE = np.zeros((100, 100), bool)
INSIDE[10:30, 10:30] = True
BOX = Box(x0=10, y0=10, x1=30, y1=30)
FILM = Source.of(INSIDE.astype(np.uint8) * 200)
TRUTH = Truth(answer="", regions=(Place(source=FILM.id, shape=BOX),), masks=(Mask.of(INSIDE),))


def played(kind: Kind, *replies: str, source: Source = FILM, **truth) -> Episode:
    """An episode about a bright square, which `truth` knows as an outline and a box."""
    known = TRUTH.model_copy(update=truth)
    question = Question(id="q", text="Where?", study=Study(sources=(source,)), images=(Image.of(source),), kind=kind)
    env = ReadingEnv([(question, known)], rewards={})
    env.reset(options={"question": question})
    for reply in replies:
        env.step(reply)
    return env.episode


def answered(text: str) -> str:
    return f"<answer>{text}</answer>"


# ---- ViTAR: its scorer is exact letter by letter


@pytest.mark.parametrize(
    ("kind", "text", "truth"),
    [
        pytest.param("choice", "A", "A", id="the letter"),
        pytest.param("choice", "A. pneumonia", "A", id="the letter and its text, wrong there"),
        pytest.param("open", "left lung", "Left_Lung", id="an underscore"),
        pytest.param("yes_no", "No", "no", id="a bare no"),
        pytest.param("open", 'the "left" lung', 'the "left" lung', id="quotes, lost there"),
        pytest.param("number", "3", "3", id="a number, refused there"),
    ],
)
def test_what_vitar_scores_or_fails_to_score_is_right(kind, text, truth):
    assert became(kind, text, truth) in ("right", "strict")


def test_of_several_answers_in_a_reply_the_last_counts_and_the_reply_is_not_strict():
    """ViTAR takes the first."""
    episode = played("open", answered("left") + answered("right"), answer="right")
    assert grade(episode, episode.truth).right
    assert not episode.turns[-1].strict


def test_an_answer_that_cannot_be_parsed_is_wrong_and_counts():
    """ViTAR leaves it out of its denominator: a grade there is for every episode, also one without an answer."""
    for episode in (played("yes_no", "I do not know", answer="yes"), played("yes_no", answered("?"), answer="yes")):
        judged = grade(episode, Truth(answer="yes"))
        assert (judged.parsed, judged.right, judged.score) == (False, False, 0.0)


# ---- Ophiuchus: the article is an answer, and the true outline is at hand


def test_the_article_of_a_sentence_is_no_choice():
    assert became("choice", "I can see a lesion", "A") == "unread"


@pytest.mark.parametrize(
    "replies",
    [
        pytest.param([answered("img0")], id="no tool at all: 4.0 there"),
        pytest.param([call("zoom", box=[0, 0, 100, 100]), answered("img1")], id="zoom on the whole image: 6.0 there"),
        pytest.param([call("mark", boxes=[[10, 10, 30, 30]]), answered("img1")], id="a mark is no outline"),
    ],
)
def test_an_outline_that_nobody_made_is_no_answer(replies):
    episode = played("mask", *replies)
    judged = grade(episode, episode.truth)
    assert (judged.parsed, judged.score) == (False, 0.0)


def test_an_outline_made_on_a_zoomed_and_turned_view_is_that_of_the_source():
    turned = [call("zoom", box=[5, 5, 45, 40]), call("orient", image="img1", rotate=90)]
    episode = played("mask", *turned, call("segment", image="img2"), answered("img3"))
    assert [turn.refused for turn in episode.turns] == [False] * 4
    assert grade(episode, episode.truth).score == 1.0


# ---- VISTA-Gym: a wrong answer is told of, and may be given again


def test_a_wrong_answer_ends_the_episode_and_is_not_told_of():
    episode = played("yes_no", answered("no"), answer="yes")
    assert episode.stop == "answered"
    assert episode.turns[-1].acts[-1].observation.words() == ""
    with pytest.raises(gym.error.ResetNeeded):
        played("yes_no", answered("no"), answered("yes"), answer="yes")


# ---- nearest choice, substrings, everything at once


def test_nonsense_is_no_choice():
    """PMC-VQA's and MedEvalKit's difflib finds one."""
    assert became("choice", "complete nonsense xyz", "C") == "unread"


def test_an_empty_answer_is_part_of_no_truth():
    """Visual-RFT, issue 176: "" is in every string."""
    assert became("open", "", "left lung") == "unread"
    assert became("choice", "", "A") == "unread"


def test_a_closed_question_need_not_be_yes_or_no():
    """LLaVA-Med, issue 113; 61 questions of SLAKE."""
    assert became("open", "left", "Left") == "strict"


@pytest.mark.parametrize("text", ["normal", "nodule", "not seen", "Now I see it"])
def test_what_begins_with_no_is_no_no(text):
    """DeepTumorVQA's startswith."""
    assert became("yes_no", text, "no") == "unread"


def test_an_empty_reply_is_no_true_negative():
    """DeepTumorVQA's specificity."""
    assert not graded("yes_no", "", "no").right


def test_a_long_answer_that_holds_the_true_one_is_wrong():
    assert became("open", "left lung " + "and so on " * 200, "left lung") == "wrong"


def test_all_choices_named_are_none():
    assert became("choice", " ".join(CHOICES), "A") == "unread"


def test_words_of_a_tool_that_hold_the_label_are_no_answer():
    """BIOAgents: the label in the text of a tool makes a wrong answer succeed."""
    labelled = FILM.model_copy(update={"role": "left lung"})
    episode = played("open", answered("heart"), source=labelled, answer="left lung")
    assert "left lung" in episode.opening.text
    assert not grade(episode, episode.truth).right


# ---- boxes: units, and what precision is


def test_a_box_of_one_pixel_is_a_box_of_one_pixel():
    """Elsewhere [0, 0, 1, 1] is guessed to be the whole image."""
    episode = played("boxes", answered('[{"image": "img0", "box": [0, 0, 1, 1]}]'))
    (place,) = episode.turns[-1].acts[-1].places["answer"]
    assert place.shape.numbers == [0, 0, 1, 1]
    assert grade(episode, episode.truth).score == 0.0


def test_precision_is_over_what_was_said_and_recall_over_what_is_true():
    """MedEvalKit and MedRegA mix them up."""
    said = '[{"image": "img0", "box": [10, 10, 30, 30]}, {"image": "img0", "box": [50, 50, 60, 60]}]'
    metrics = grade(played("boxes", answered(said)), TRUTH).metrics
    assert (metrics["precision_50"], metrics["recall_50"]) == (0.5, 1.0)


def test_a_point_that_is_missing_and_a_reply_that_is_broken_both_cost():
    """MedMultiPoints counts neither."""
    truth = Truth(answer="", regions=(*TRUTH.regions, Place(source=FILM.id, shape=Box(x0=60, y0=60, x1=70, y1=70))))
    one = played("points", answered('[{"image": "img0", "point": [20, 20]}]'))
    assert grade(one, truth).score == pytest.approx(2 / 3)
    assert not grade(played("points", answered("```json\n[[[")), truth).parsed


def test_an_overlap_is_over_the_union_and_not_over_the_box_around_both():
    """M3D."""
    episode = played("boxes", answered('[{"image": "img0", "box": [20, 20, 40, 40]}]'))
    assert grade(episode, TRUTH).score == pytest.approx(100 / 700)
