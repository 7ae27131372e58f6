import asyncio

import pytest

from agent.chats import chat_for
from agent.loop import play, play_all
from agent.policies.local import local, of_session
from agent.render import Rendered, render
from agent.session import Session, load_model
from tests.conftest import needs

needs("torch", "torchvision", "transformers")

import torch  # noqa: E402

GREEDY = {"temperature": 0.0, "max_new_tokens": 12}
LIVELY = {"temperature": 1.0, "max_new_tokens": 12}


@pytest.fixture
def session(tiny_model):
    return Session(*load_model(tiny_model, dtype="float32"), chat_for(tiny_model), kept=4)


def watched(session):
    """How many conversations each forward pass of the model reads, from now on."""
    rows = []
    session.model.register_forward_pre_hook(
        lambda model, args, given: rows.append(given["input_ids"].shape[0]), with_kwargs=True
    )
    return rows


def never(logits, token):
    logits = logits.clone()
    logits[..., token] = -torch.inf
    return logits


def of_all_lengths(question):
    """Questions whose prompts differ in length, with one image, two and none."""
    longer = question.model_copy(update={"id": "longer", "text": question.text + " Say it in millimetres." * 9})
    pair = question.model_copy(update={"id": "pair", "images": (*question.images, question.images[0].look(turns=1))})
    bare = question.model_copy(update={"id": "bare", "images": ()})
    return [question, longer, pair, bare]


def prompts(session, make_env, questions):
    """What is first read of each question."""
    env, found = make_env(), []
    for one in questions:
        env.reset(options={"question": one})
        found.append(render(env.episode, session.chat))
    return found


def replies(policy, make_env, questions, at_once):
    episodes = asyncio.run(play_all(lambda: make_env(max_turns=2), policy, questions, at_once))
    assert [episode.stop for episode in episodes] == ["turn_limit"] * len(questions)
    return [turn.reply for episode in episodes for turn in episode.turns]


@pytest.mark.parametrize("how", [GREEDY, LIVELY])
def test_replies_written_side_by_side_are_those_written_alone(session, make_env, question, how):
    questions = of_all_lengths(question)
    alone = replies(of_session(session, "alone", **how), make_env, questions, 1)
    rows = watched(session)
    beside = replies(of_session(session, "beside", batch=4, **how), make_env, questions, 4)
    assert max(rows) > 1
    assert [reply.token_ids for reply in beside] == [reply.token_ids for reply in alone]
    for one, other in zip(alone, beside, strict=True):
        assert other.logprobs == pytest.approx(one.logprobs, abs=1e-4)


def test_a_turn_of_a_batch_costs_only_what_is_new_in_it(session, make_env, question):
    questions = of_all_lengths(question)
    shortest = min(len(prompt.ids) for prompt in prompts(session, make_env, questions))
    lengths = []
    session.model.register_forward_pre_hook(
        lambda model, args, given: lengths.append(given["input_ids"].shape[1]), with_kwargs=True
    )
    replies(of_session(session, "x", batch=4, **GREEDY), make_env, questions, 4)
    assert min(length for length in lengths if length > 1) < shortest
    lengths.clear()
    session.kept = 0
    replies(of_session(session, "x", batch=4, **GREEDY), make_env, questions, 4)
    assert min(length for length in lengths if length > 1) >= shortest


def test_two_may_go_on_from_one_beginning(session, make_env, question):
    """As the members of a group do: what was read once is read for both."""
    (start,) = prompts(session, make_env, [question])
    session.read([start])
    one, other = (Rendered([*start.ids, *session.chat.encode(text)], [], [], start.images, 0) for text in "ab")
    both = session.read([one, other])
    for prompt, row in zip((one, other), both, strict=True):
        fresh = Session(session.model, session.processor, session.chat).read([prompt])
        assert torch.allclose(fresh[0], row, atol=1e-4)


def test_no_more_are_written_side_by_side_than_the_batch(session, make_env, question):
    rows = watched(session)
    replies(of_session(session, "two", batch=2, **GREEDY), make_env, of_all_lengths(question), 4)
    assert max(rows) == 2


def test_a_reply_that_ends_leaves_the_others_as_they_are(session, make_env, question):
    """Rows end one after another where their contexts are full at different lengths."""
    questions = of_all_lengths(question)
    room = max(len(prompt.ids) for prompt in prompts(session, make_env, questions)) + 20

    def written(batch):
        policy = of_session(session, "x", max_context=room, batch=batch, temperature=1.0, max_new_tokens=400)
        return asyncio.run(play_all(lambda: make_env(max_turns=1), policy, questions, batch))

    alone, rows = written(1), watched(session)
    beside = written(4)
    lengths = [episode.turns[0].reply.num_tokens for episode in alone]
    assert len(set(lengths)) > 2
    assert len(set(rows)) > 2
    tokens = [[episode.turns[0].reply.token_ids for episode in episodes] for episodes in (alone, beside)]
    assert tokens[0] == tokens[1]


def test_one_who_gives_up_holds_up_nobody(session, make_env, question):
    session.model.lm_head.register_forward_hook(lambda module, args, logits: never(logits, session.chat.end))
    policy = of_session(session, "x", batch=2, temperature=1.0, max_new_tokens=1200)

    async def both():
        short = play(make_env(max_turns=1, max_seconds=0.3), policy, question, seed=1)
        long = play(make_env(max_turns=1), policy, question.model_copy(update={"id": "other"}), seed=2)
        return await asyncio.gather(short, long)

    rows = watched(session)
    given_up, other = asyncio.run(both())
    assert given_up.stop == "timeout"
    assert other.turns[0].reply.num_tokens == 1200
    assert rows[-1] == 1


def test_all_who_wait_are_told_of_a_model_that_breaks(session, make_env, question):
    def broken(*_):
        raise RuntimeError("the device is lost")

    session.model.register_forward_pre_hook(broken)
    policy = of_session(session, "x", batch=4, **GREEDY)
    episodes = asyncio.run(play_all(make_env, policy, of_all_lengths(question), 4))
    assert [episode.stop for episode in episodes] == ["engine_fault"] * 4
    assert all("the device is lost" in episode.problem for episode in episodes)


def test_a_reply_does_not_depend_on_what_fills_its_row_up(session, question, make_env):
    """The logits of the shortest prompt, alone and beside the longest."""
    shown = prompts(session, make_env, of_all_lengths(question))
    beside = session.read(shown)
    for prompt, row in zip(shown, beside, strict=True):
        assert torch.allclose(session.read([prompt])[0], row, atol=1e-4)


def test_a_batch_of_none_is_refused(tiny_model):
    from agent.config import ConfigError, build

    with pytest.raises(ConfigError, match="batch"):
        build("agent.policies", {"name": "local", "model": str(tiny_model), "batch": 0})
    assert callable(local(tiny_model, batch=3))
