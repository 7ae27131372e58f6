import asyncio

import pytest

from agent.conversation import Told, conversation
from agent.coordinates import THOUSANDTHS, in_pixels
from agent.loop import PolicyError, play
from agent.policies.scripted import scripted
from agent.render import render
from envs.env import ReadingEnv
from envs.episode import Act, Reply, ToolCall, Turn
from tools.geometry import Box, Point
from tools.tool import Observation, Spot

CALL = '<tool_call>{"name": "zoom", "arguments": {"image": "img0", "box": [0, 0, 56, 56]}}</tool_call>'
LOOK = f"<think>Closer.</think>{CALL}"
TWO = LOOK + CALL
ANSWER = "<think>Seen.</think><answer>9 mm</answer>"


def played(env, question, *replies):
    return asyncio.run(play(env, scripted(replies), question))


def text(ids):
    """Tokens of the byte chat, read: [ opens a message, ] ends it, # is a piece of an image."""
    return "".join(chr(i) if i < 256 else {256: "[", 257: "]", 259: "#"}.get(i, "") for i in ids)


def test_a_conversation_is_written_message_by_message(make_env, question, chat):
    env = make_env(max_turns=3)
    env.reset(options={"question": question})
    env.step(LOOK)
    system, user, reply, seen, rest = text(render(env.episode, chat).ids).replace("]\n[", "]\n\0[").split("\0")
    assert system == f"[system\n{env.episode.system}\n\n{chat.coordinates.said}]\n"
    assert user == "[user\nimg0 (512 x 512): " + "#" * 81 + f"\n{env.episode.opening.text}]\n"
    assert reply == f"[assistant\n{LOOK}]\n"
    told = env.episode.turns[0].acts[0].observation.words()
    assert seen == "[user\n<tool_response>\nimg1 (224 x 224): " + "#" * 16 + f"\n{told}\n</tool_response>]\n"
    assert rest == "[assistant\n"


def test_several_calls_are_answered_in_one_message(make_env, question, chat):
    env = make_env()
    env.reset(options={"question": question})
    env.step(TWO)
    out = render(env.episode, chat)
    last = text(out.ids).rpartition("[user\n")[2]
    assert last.count("<tool_response>") == last.count("</tool_response>") == 2
    assert last.index("img1 ") < last.index("</tool_response>\n<tool_response>") < last.index("img2 ")
    assert [image.id for image in out.images] == [image.id for image in env.episode.images.values()]


def test_only_what_the_policy_wrote_is_trained_on(make_env, question, chat):
    episode = played(make_env(), question, "not a call", LOOK, ANSWER)
    out = render(episode, chat)
    written = text(i for i, mask in zip(out.ids, out.mask, strict=True) if mask)
    assert written == f"not a call]{LOOK}]{ANSWER}]"
    assert len(out.ids) == len(out.mask) == len(out.logprobs)
    start = episode.model_copy(update={"turns": (), "stop": None})
    assert out.ids[: out.prompt] == render(start, chat).ids
    assert sum(out.mask[: out.prompt]) == 0


def test_sampled_tokens_are_copied_not_tokenized_again(make_env, question, chat):
    """300 is no byte: encode could not have made it."""
    env = make_env()
    env.reset(options={"question": question})
    env.step(Reply(text="hi", token_ids=(7, 300, 257), logprobs=(-0.1, -0.2, -0.3)))
    out = render(env.episode, chat)
    assert [i for i, mask in zip(out.ids, out.mask, strict=True) if mask] == [7, 300, 257]
    assert [p for p, mask in zip(out.logprobs, out.mask, strict=True) if mask] == [-0.1, -0.2, -0.3]


def test_the_line_break_after_a_sampled_end_is_not_the_policys(make_env, question, chat):
    env = make_env()
    env.reset(options={"question": question})
    env.step(Reply(text="hi", token_ids=(7, 257)))
    out = render(env.episode, chat)
    assert out.ids[out.prompt : out.prompt + 4] == [7, 257, 10, 256]
    assert out.mask[out.prompt : out.prompt + 4] == [1, 1, 0, 0]


CUT = Reply(text="\7\b", finish="length")


@pytest.mark.parametrize("cut", [CUT, CUT.model_copy(update={"token_ids": (7, 8)})])
def test_a_reply_that_was_cut_is_ended_for_the_policy(make_env, question, chat, cut):
    env = make_env()
    env.reset(options={"question": question})
    env.step(cut)
    out = render(env.episode, chat)
    assert out.ids[out.prompt : out.prompt + 4] == [7, 8, 257, 10]
    assert out.mask[out.prompt : out.prompt + 4] == [1, 1, 0, 0]


def test_an_episode_that_stopped_ends_with_the_last_reply(make_env, question, chat):
    out = render(played(make_env(), question, LOOK, ANSWER), chat)
    assert text(out.ids).endswith(f"{ANSWER}]")
    limited = played(make_env(max_turns=1), question, LOOK)
    out = render(limited, chat)
    assert text(out.ids).endswith(f"{LOOK}]")
    assert len(limited.images) == 2
    assert len(out.images) == out.ids.count(258) == 1


def test_each_prompt_begins_with_the_last(make_env, question, chat):
    """So that one episode is one training sequence."""
    env = make_env()
    env.reset(options={"question": question})
    before = render(env.episode, chat).ids
    for reply in ("a", LOOK, Reply(text="c", token_ids=(99, 100), finish="length"), TWO):
        env.step(reply)
        after = render(env.episode, chat).ids
        assert after[: len(before)] == before
        before = after
    env.step(ANSWER)
    assert render(env.episode, chat).ids[: len(before)] == before


def test_the_truth_never_reaches_the_policy(task, chat):
    question, truth = task
    shown = []
    for told in (truth, truth.model_copy(update={"answer": "99.9 mm", "regions": ()}), None):
        env = ReadingEnv([(question, told)], tools=["zoom"])
        env.reset(options={"question": question})
        shown.append([render(env.episode, chat).ids])
        for reply in (LOOK, ANSWER):
            env.step(reply)
            shown[-1].append(render(env.episode, chat).ids)
        assert env.episode.truth == told
    assert shown[0] == shown[1] == shown[2]


def test_an_observation_speaks_of_places_in_the_familys_numbers(make_env, question):
    """The image is 256 by 256 px: what lies at 64 lies at a quarter of any canvas."""
    env = make_env()
    env.reset(options={"question": question})
    image = env.episode.opening.images[0]
    shapes = Box(x0=64, y0=0, x1=128, y1=256), Point(x=64, y=32)
    spots = tuple(Spot(image=image.id, shape=shape) for shape in shapes)
    seen = Act(action=ToolCall(name="zoom", arguments={}), observation=Observation(text="at {0} and {1}", spots=spots))
    episode = env.episode.model_copy(update={"turns": (Turn(reply=Reply(text="x"), acts=(seen,)),)})
    for coordinates, told in (
        (THOUSANDTHS, "at [250, 0, 500, 1000] and [250, 125]\n"),
        (in_pixels(lambda image: (512, 128)), "at [128, 0, 256, 128] and [128, 16]\n"),
    ):
        *_, last = conversation(episode, coordinates)
        assert isinstance(last, Told)
        assert last.parts[1].text == told


def test_words_of_others_are_quoted(make_env, question):
    env = make_env()
    env.reset(options={"question": question})
    env.step('<tool_call>{"name": "</tool_response>", "arguments": {}}</tool_call>')
    ours = [part for said in conversation(env.episode, THOUSANDTHS) if isinstance(said, Told) for part in said.parts]
    text = "".join(part for part in ours if isinstance(part, str))
    assert question.text not in text
    assert text.count("</tool_response>") == 1


def test_a_script_that_has_ended_is_refused_in_words(make_env, question):
    with pytest.raises(PolicyError, match="the script holds 1 replies, and one more was asked for"):
        played(make_env(), question, LOOK)
