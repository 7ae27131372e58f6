"""Lists to be read out: what is asked for is in them once."""

import pytest

from agent.config import ConfigError, build
from envs.env import ReadingEnv
from envs.grading import grade
from envs.tasks.recall import recall

COUNT = 60


def lines(question):
    return question.text.splitlines()[1:]


def test_a_question_is_the_same_wherever_the_reading_begins():
    assert list(recall("train", 3, 7)) == list(recall("train", 10))[7:]
    assert [q.text for q, _ in recall("test", 5)] != [q.text for q, _ in recall("train", 5)]


def test_what_is_asked_for_stands_in_the_list_once():
    for question, truth in recall("train", COUNT, ways=("value",)):
        (line,) = [line for line in lines(question) if line.startswith(question.tags["named"] + " ")]
        assert line == f"{question.tags['named']} {truth.answer}"


def test_a_word_comes_once_and_the_one_that_follows_it_is_the_answer():
    for question, truth in recall("train", COUNT, ways=("word",), words=9):
        (said,) = lines(question)
        words = said.split()
        assert len(set(words)) == len(words) <= 9
        assert words[words.index(question.tags["named"]) + 1] == truth.answer


def test_the_letter_is_that_of_the_choice_that_is_named():
    for question, truth in recall("train", COUNT, ways=("choice",)):
        assert question.choices["ABCDEFG".index(truth.answer)] == question.tags["named"]


def test_those_of_a_type_are_counted_and_named():
    for question, truth in recall("train", COUNT, ways=("tally", "which")):
        (said,) = lines(question)
        those = [name for name, kind in map(str.split, said.split(", ")) if kind == question.tags["named"]]
        assert truth.answer == (str(len(those)) if question.tags["what"] == "tally" else " and ".join(those))


def test_nothing_is_to_be_seen_and_the_answer_is_judged():
    for task in recall("test", 20):
        env = ReadingEnv([task])
        env.reset(options={"question": task[0]})
        assert not env.episode.images
        env.step(f"<think>Read.</think><answer>{task[1].answer}</answer>")
        assert grade(env.episode, task[1]).right


@pytest.mark.parametrize(
    ("setting", "says"),
    [({"words": 3}, "recall.words"), ({"ways": ()}, "recall.ways"), ({"ways": ["song"]}, "recall.ways.0")],
)
def test_a_setting_that_is_not_allowed_is_named(setting, says):
    with pytest.raises(ConfigError, match=says):
        build("envs.tasks", {"name": "recall", **setting})
