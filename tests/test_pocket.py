"""The policy that ships with the project: its folder is whole, and it reads."""

import asyncio
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.arms import Arm, environment
from agent.chats import chat_for
from agent.loop import play, play_all
from agent.policies.pocket import pocket
from agent.render import render
from agent.scope import wordings
from agent.torch_setup import set_up_torch
from agent.trained import POCKET, trained
from envs.env import ReadingEnv
from envs.grading import grade
from sft.expert import expert
from tests.conftest import needs
from tools.lookup import find

needs("torch", "torchvision", "transformers")
set_up_torch()

MB = 1e6
LEAST = {"shape": 0.85, "measure": 0.45, "count": 0.55, "hierarchy": 0.6}
"""The share it has to read rightly; what is measured on many more is in its card."""
CHAT = chat_for(POCKET)
RULES = trained(POCKET).env


def tasks(family, count, **more):
    return list(find("envs.tasks", family)("test", count, **more))


def read(asked, tools="auto"):
    """The episodes of the policy on questions, and how many are right."""
    truths = {question.id: truth for question, truth in asked}
    arm = Arm(policy="pocket", tools=tools)
    questions = [question for question, _ in asked]
    episodes = asyncio.run(
        play_all(lambda: environment(arm, RULES, asked, {}), pocket(batch=32), questions, at_once=32)
    )
    return episodes, sum(grade(episode, truths[episode.question.id]).right for episode in episodes)


def test_it_takes_at_most_20_mb():
    assert sum(path.stat().st_size for path in POCKET.iterdir()) <= 20 * MB


def test_the_stock_classes_load_it_whole():
    from transformers import AutoModelForImageTextToText, AutoProcessor

    model, told = AutoModelForImageTextToText.from_pretrained(POCKET, output_loading_info=True)
    assert not any(told[name] for name in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert type(model).__name__ == "Qwen3VLForConditionalGeneration"
    assert type(AutoProcessor.from_pretrained(POCKET)).__name__ == "Qwen3VLProcessor"


def test_the_stock_processor_makes_the_tokens_and_pixels_that_it_was_trained_on():
    """Of an episode with several views: the template, the pads of the images, the tokens of the text."""
    import torch
    from transformers import AutoProcessor

    (question, truth), *_ = asked = tasks("locate", 1)
    env = ReadingEnv(asked, **RULES)
    episode = asyncio.run(play(env, expert({question.id: truth}.__getitem__, slips=0.0), question))
    ours = render(episode, CHAT)
    processor = AutoProcessor.from_pretrained(POCKET)
    text = CHAT.decode(ours.ids).replace("<|image_pad|>", "")
    text = text.replace("<|vision_start|><|vision_end|>", "<|vision_start|><|image_pad|><|vision_end|>")
    theirs = processor(text=[text], images=[CHAT.picture(image) for image in ours.images], return_tensors="pt")
    assert len(ours.images) == len(theirs["image_grid_thw"]) > 1
    assert theirs["input_ids"][0].tolist() == ours.ids
    assert torch.isfinite(theirs["pixel_values"]).all()


@given(st.text())
def test_any_text_can_be_written_and_read(text):
    assert CHAT.decode(CHAT.encode(text)) == unicodedata.normalize("NFC", text)


def test_what_it_is_asked_is_made_of_whole_words():
    for family in trained(POCKET).families:
        for wording in wordings(family):
            assert len(CHAT.encode(wording)) <= len(wording) / 2


@pytest.mark.parametrize("family", LEAST)
def test_it_reads_by_looking(family):
    asked = tasks(family, 64)
    looked, right = read(asked)
    _, without = read(asked, tools="none")
    assert sum(episode.stop == "answered" for episode in looked) >= 40
    assert right / 64 >= LEAST[family]
    assert without < right / 2


def test_what_it_was_not_taught_it_leaves_alone(question):
    asked = question.model_copy(update={"text": "Is there a fracture?"})
    episode = asyncio.run(play(ReadingEnv([], **RULES), pocket(), asked))
    assert "This is outside what I was trained on" in episode.answer
    assert "nodule" in episode.answer
    assert "{" not in episode.answer
    assert episode.stop == "answered"
    assert not episode.tool_calls
