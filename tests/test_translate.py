import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.chats.qwen import Limits
from agent.coordinates import THOUSANDTHS, in_pixels
from agent.loop import play
from agent.policies.scripted import scripted
from agent.translate import translated
from envs.dialects.tags import tags
from envs.env import ReadingEnv
from envs.episode import Reply
from envs.tasks.discs import discs

QWEN2_5 = in_pixels(Limits(28, 56 * 56, 1280 * 28 * 28).size)
ANSWER = "<think>Seen.</think><answer>9 mm</answer>"


def call(image, box, more=""):
    return f'<tool_call>{{"name": "crop", "arguments": {{"image": "{image}", "box": {box}{more}}}}}</tool_call>'


def played(*replies):
    task = next(discs("test"))
    env = ReadingEnv([task], tools=["crop"])
    return env, asyncio.run(play(env, scripted(replies), task[0]))


def test_a_demonstration_is_rewritten_in_thousandths():
    env, episode = played(
        f"<think>Closer.</think>{call('img0', [64, 0, 128, 256])}", call("img1", [16, 0, 32, 256]), ANSWER
    )
    first, second, last = translated(episode, THOUSANDTHS, env.tools, tags()).turns
    assert first.reply.text == f"<think>Closer.</think>{call('img0', [250, 0, 500, 1000])}"
    assert first.reply.canvas == ((1000, 1000),)
    assert second.reply.text == call("img1", [250, 0, 500, 1000])  # of img1, which is 64 px wide
    assert second.reply.canvas == ((1000, 1000), (1000, 1000))
    assert last.reply.text == ANSWER
    assert [act.places for act in first.acts] == [act.places for act in episode.turns[0].acts]


@pytest.mark.parametrize("coordinates", [THOUSANDTHS, QWEN2_5], ids=["qwen3_vl", "qwen2_5_vl"])
@settings(max_examples=30)
@given(x0=st.integers(0, 255), y0=st.integers(0, 255), data=st.data())
def test_a_translated_demonstration_looks_at_the_same_place(coordinates, x0, y0, data):
    x1, y1 = data.draw(st.integers(x0 + 1, 256)), data.draw(st.integers(y0 + 1, 256))
    env, episode = played(call("img0", [x0, y0, x1, y1]), ANSWER)
    other = translated(episode, coordinates, env.tools, tags())
    _, again = played(*(turn.reply for turn in other.turns))
    (place,) = again.turns[0].acts[0].places["box"]
    assert place.shape.model_dump() == pytest.approx([x0, y0, x1, y1], abs=1.0)


def test_what_was_sampled_or_could_not_be_read_stays_as_it_is():
    sampled = Reply(text=call("img0", [0, 0, 10, 10]), token_ids=(1, 2))
    odd = call("img7", [0, 0, 10, 10]), call("img0", [0, 0, 10]), call("img0", [0, 0, 10, 10], ', "deep": 1')
    env, episode = played(sampled, "no call", *odd, ANSWER)
    other = translated(episode, THOUSANDTHS, env.tools, tags())
    assert other.turns[:2] == episode.turns[:2]
    assert [turn.reply.text for turn in other.turns] == [turn.reply.text for turn in episode.turns]


def test_what_is_written_in_a_canvas_is_read_in_it():
    """From Qwen2.5-VL's pixels, 252 by 252 for this film, to thousandths."""
    env, episode = played(Reply(text=call("img0", [63, 63, 126, 126]), canvas=((252, 252),)), ANSWER)
    other = translated(episode, THOUSANDTHS, env.tools, tags())
    assert other.turns[0].reply.text == call("img0", [250, 250, 500, 500])


@pytest.mark.parametrize("coordinates", [THOUSANDTHS, QWEN2_5], ids=["qwen3_vl", "qwen2_5_vl"])
@settings(max_examples=30)
@given(x0=st.integers(0, 255), y0=st.integers(0, 255), data=st.data())
def test_the_boxes_of_an_answer_are_moved_too(coordinates, x0, y0, data):
    x1, y1 = data.draw(st.integers(x0 + 1, 256)), data.draw(st.integers(y0 + 1, 256))
    answer = f'<answer>[[{x0}, {y0}, {x1}, {y1}], {{"image": "img1", "box": [0, 0, 256, 128]}}]</answer>'
    question, truth = next(discs("test"))
    task = (question.model_copy(update={"kind": "boxes"}), truth)
    looked = call("img0", [0, 0, 256, 128])
    env = ReadingEnv([task], tools=["crop"], rewards={})
    episode = asyncio.run(play(env, scripted([looked, answer]), task[0]))
    other = translated(episode, coordinates, env.tools, tags())
    assert other.turns[1].reply.canvas == tuple(coordinates.canvas(image) for image in episode.images.values())
    again = asyncio.run(play(env, scripted([turn.reply for turn in other.turns]), task[0]))
    for before, after in zip(
        episode.turns[1].acts[0].places["answer"], again.turns[1].acts[0].places["answer"], strict=True
    ):
        assert after.shape.model_dump() == pytest.approx(before.shape.model_dump(), abs=1.0)


def test_what_else_an_answer_says_of_a_place_stays_with_it():
    question, truth = next(discs("test"))
    task = (question.model_copy(update={"kind": "points"}), truth)
    said = '<answer>[{"label": "1", "image": "img0", "point": [128, 64]}]</answer>'
    env = ReadingEnv([task], rewards={})
    episode = asyncio.run(play(env, scripted([said]), task[0]))
    other = translated(episode, THOUSANDTHS, env.tools, tags())
    assert other.turns[0].reply.text == '<answer>[{"label": "1", "image": "img0", "point": [500, 250]}]</answer>'
