import asyncio
import shutil
import time

import pytest

from agent.chats import chat_for
from agent.loop import PolicyError, play
from agent.policies import local as module
from agent.policies.local import local, streamed
from agent.render import render
from envs.episode import Reply
from tests.conftest import needs

needs("torch", "torchvision", "transformers")

import torch  # noqa: E402

CALL = '<tool_call>{{"name": "zoom", "arguments": {{"image": "img0", "box": {box}}}}}</tool_call>'
ANSWER = "<answer>9 mm</answer>"
SHORT = {"max_new_tokens": 12, "temperature": 1.0}


@pytest.fixture
def forcing(monkeypatch):
    """Models loaded from now on find the tokens of this list irresistible, one after another."""
    wanted = []

    def pushed(module, inputs, logits):
        if wanted:
            logits = logits.clone()
            logits[..., wanted.pop(0)] += 1e4
        return logits

    def load(*settings):
        model, processor = loaded(*settings)
        model.lm_head.register_forward_hook(pushed)
        return model, processor

    loaded = module.load_model
    monkeypatch.setattr(module, "load_model", load)
    return wanted


def in_turns(*policies):
    """A policy for each turn; the last goes on."""

    async def policy(episode):
        return await policies[min(len(episode.turns), len(policies) - 1)](episode)

    return policy


def looks(chat):
    """A reply of tokens that zooms into the middle of img0, in the family's own coordinates."""

    async def policy(episode):
        width, height = chat.canvas(episode.images["img0"])
        text = CALL.format(box=[width // 4, height // 4, width * 3 // 4, height * 3 // 4])
        canvas = tuple(chat.canvas(image) for image in episode.images.values())
        return Reply(text=text, token_ids=(*chat.encode(text), chat.end), canvas=canvas)

    return policy


def judged(folder, chat, out, temperature):
    """(L,) log-probability of every token but the first, by one pass over the whole episode, nothing kept."""
    from transformers import AutoImageProcessor, AutoModelForImageTextToText

    model = AutoModelForImageTextToText.from_pretrained(folder).eval()
    pictures = [chat.picture(image) for image in out.images]
    seen = AutoImageProcessor.from_pretrained(folder)(images=pictures, return_tensors="pt")
    ids = torch.tensor([out.ids])
    with torch.no_grad():
        logits = model(input_ids=ids, mm_token_type_ids=(ids == chat.pad).int(), **seen).logits[0, :-1]
    every = torch.log_softmax(logits / temperature, dim=-1)
    return every.gather(1, ids[0, 1:, None])[:, 0]


def test_a_model_plays_a_whole_episode(tiny_model, make_env, question):
    prompts = []
    policy = local(tiny_model, **SHORT)

    async def watched(episode):
        prompts.append(render(episode, chat_for(tiny_model)).ids)
        return await policy(episode)

    episode = asyncio.run(play(make_env(max_turns=3), watched, question))
    assert (episode.stop, len(episode.turns)) == ("turn_limit", 3)
    assert all(turn.reply.num_tokens == len(turn.reply.logprobs) == 12 for turn in episode.turns)
    assert all(turn.reply.finish == "length" for turn in episode.turns)
    assert episode.turns[0].reply.model_version == tiny_model.name
    out = render(episode, chat_for(tiny_model))
    for prompt, turn in zip(prompts, episode.turns, strict=True):
        assert out.ids[: len(prompt) + 12] == [*prompt, *turn.reply.token_ids]
    assert sum(out.mask) == 36


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_log_probabilities_are_those_of_a_whole_pass(tiny_model, make_env, question, temperature):
    """So the views that came back mid-episode did reach the model, in their places."""
    chat = chat_for(tiny_model)
    policy = local(tiny_model, max_new_tokens=12, temperature=temperature, top_p=0.9)
    episode = asyncio.run(play(make_env(max_turns=4), in_turns(policy, looks(chat), looks(chat), policy), question))
    assert len(episode.images) == 3
    out = render(episode, chat)
    assert len(out.images) == 3
    expected = judged(tiny_model, chat, out, temperature)
    sampled = [n for n, logprob in enumerate(out.logprobs) if logprob]
    assert len(sampled) == 24
    assert [out.logprobs[n] for n in sampled] == pytest.approx([float(expected[n - 1]) for n in sampled], abs=1e-4)


def test_a_forced_call_is_carried_out_and_its_view_comes_back(tiny_model, make_env, question, forcing):
    chat = chat_for(tiny_model)
    width, height = chat.canvas(question.images[0])
    box = [width // 4, height // 4, width // 2, height // 2]
    for text in (CALL.format(box=box), ANSWER):
        forcing += [*chat.encode(text), chat.end]
    episode = asyncio.run(play(make_env(), local(tiny_model, max_new_tokens=200), question))
    assert episode.stop == "answered"
    assert episode.answer == "9 mm"
    assert [turn.reply.finish for turn in episode.turns] == ["stop", "stop"]
    (place,) = episode.turns[0].acts[0].places["box"]
    assert place.shape.model_dump() == pytest.approx([64, 64, 128, 128])
    assert len(render(episode, chat).images) == 2


def test_sampled_tokens_are_copied_also_those_that_encode_would_not_make(tiny_model, make_env, question, forcing):
    chat = chat_for(tiny_model)
    whole = chat.encode("answer")
    letters = [token for letter in "answer" for token in chat.encode(letter)]
    assert whole != letters
    forcing += [*letters, chat.end]
    episode = asyncio.run(play(make_env(max_turns=1), local(tiny_model), question))
    out = render(episode, chat)
    assert episode.turns[0].reply.text == "answer"
    assert [i for i, mask in zip(out.ids, out.mask, strict=True) if mask] == [*letters, chat.end]


def test_a_seed_gives_the_same_tokens_whatever_else_runs(tiny_model, make_env, question):
    def tokens(seed, episode_seed=None, alone=True):
        policy = local(tiny_model, seed=seed, **SHORT)

        async def both():
            games = [play(make_env(max_turns=2), policy, question, seed=episode_seed)]
            if not alone:
                torch.rand(3)
                games += [play(make_env(max_turns=3), policy, question, seed=99 + n) for n in range(2)]
            return (await asyncio.gather(*games))[0]

        return [turn.reply.token_ids for turn in asyncio.run(both()).turns]

    first = tokens(0)
    state = torch.get_rng_state()
    assert tokens(0) == first
    assert torch.equal(torch.get_rng_state(), state)
    assert tokens(0, alone=False) == first
    assert tokens(1) != first
    assert tokens(0, episode_seed=5) != first
    assert first[0] != first[1]


def test_a_turn_costs_only_what_is_new_in_it(tiny_model, make_env, question):
    from agent.session import Session, load_model

    chat = chat_for(tiny_model)
    session = Session(*load_model(tiny_model), chat)
    lengths = []
    session.model.register_forward_pre_hook(
        lambda model, args, given: lengths.append((given["input_ids"].shape[1], len(given.get("image_grid_thw", [])))),
        with_kwargs=True,
    )
    env = make_env()
    env.reset(options={"question": question})
    first = render(env.episode, chat)
    session.read([first])
    env.step(asyncio.run(looks(chat)(env.episode)))
    second = render(env.episode, chat)
    (kept,) = session.read([second])
    (fresh,) = Session(session.model, session.processor, chat).read([second])
    new = len(second.ids) - len(first.ids)
    assert lengths == [(len(first.ids), 1), (new, 1), (len(second.ids), 2)]
    assert torch.allclose(kept, fresh, atol=1e-4)


def test_another_image_at_the_same_place_is_read_anew(tiny_model, make_env, question):
    """Its tokens are the same: only the pixels differ."""
    from agent.session import Session, load_model

    chat = chat_for(tiny_model)
    session = Session(*load_model(tiny_model), chat)
    env = make_env()
    env.reset(options={"question": question})
    first = render(env.episode, chat)
    other = render(env.episode, chat)
    other.images = [question.images[0].look(mirrored=True)]
    other.ids = [*first.ids, *chat.encode("a")]
    session.read([first])
    kept, fresh = session.read([other]), Session(session.model, session.processor, chat).read([other])
    assert torch.equal(kept, fresh)


def test_a_model_without_images_reads_words_alone(tiny_model, make_env, question):
    bare = question.model_copy(update={"images": ()})
    episode = asyncio.run(play(make_env(max_turns=2), local(tiny_model, **SHORT), bare))
    assert [turn.reply.num_tokens for turn in episode.turns] == [12, 12]


def test_a_full_context_ends_the_episode(tiny_model, make_env, question):
    env = make_env()
    env.reset(options={"question": question})
    length = len(render(env.episode, chat_for(tiny_model)).ids)
    for room, written in ((length + 5, 5), (length, 0), (length - 1, 0)):
        policy = local(tiny_model, max_context=room, **SHORT)
        episode = asyncio.run(play(make_env(), policy, question))
        (turn,) = episode.turns
        assert (turn.reply.finish, turn.reply.num_tokens, episode.stop) == ("context", written, "token_limit")


def test_an_episode_that_is_out_of_time_frees_the_model(tiny_model, make_env, question):
    told = []
    policy = local(tiny_model, max_new_tokens=5000, temperature=1.0, on_text=told.append)
    episode = asyncio.run(play(make_env(max_seconds=0.3), policy, question))
    assert episode.stop == "timeout"
    assert "no reply within the 0.3 s" in episode.problem
    time.sleep(0.2)
    count = len(told)
    time.sleep(0.2)
    assert len(told) == count > 0


def test_markers_of_images_are_never_written(tiny_model, make_env, question, forcing):
    """Not even where the model wants nothing else: they would stand for images that are not there."""
    chat = chat_for(tiny_model)
    forcing += chat.banned
    episode = asyncio.run(play(make_env(max_turns=1), local(tiny_model, max_new_tokens=4), question))
    assert len(chat.banned) == episode.turns[0].reply.num_tokens == 4
    assert not set(episode.turns[0].reply.token_ids) & set(chat.banned)


def test_what_is_written_is_told_while_it_is_written(tiny_model, make_env, question, forcing):
    chat, told = chat_for(tiny_model), []
    forcing += [*chat.encode("<answer>é肺</answer>"), chat.end]
    episode = asyncio.run(play(make_env(), local(tiny_model, on_text=told.append), question))
    assert "".join(told) == episode.turns[0].reply.text == "<answer>é肺</answer>"
    assert len(told) > 3


def test_a_character_is_told_when_it_is_whole():
    told = []
    say = streamed(lambda ids: bytes(ids).decode("utf-8", "replace"), told.append)
    for byte in "a肺b".encode():
        say(byte)
    assert told == ["a", "肺", "b"]


def test_a_folder_without_weights_is_refused_in_words(tiny_model, tmp_path):
    broken = tmp_path / "model"
    shutil.copytree(tiny_model, broken)
    (broken / "model.safetensors").write_bytes(b"nonsense")
    with pytest.raises(PolicyError, match="cannot be loaded: "):
        local(broken)
    (broken / "model.safetensors").unlink()
    with pytest.raises(PolicyError, match=r"cannot be loaded: .*model\.safetensors"):
        local(broken)
    with pytest.raises(PolicyError, match="is not a model's folder"):
        local(tmp_path)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_refused_in_words(tiny_model):
    with pytest.raises(PolicyError, match="no device 'cuda' here; there is: cpu"):
        local(tiny_model, device="cuda")
