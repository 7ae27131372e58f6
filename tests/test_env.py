import asyncio
import importlib
import json
import time

import gymnasium
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env

import envs
from agent.loop import Patience, play, play_all
from envs.env import ReadingEnv
from envs.episode import Episode, Question, Reply, Truth
from envs.tasks.discs import discs
from tools.image import Image
from tools.study import Source, Study
from tools.tool import ToolError

TASKS = list(discs("test", 3))
QUESTION, TRUTH = TASKS[0]


def make_env(**more) -> ReadingEnv:
    return ReadingEnv(TASKS, **{"tools": ["zoom", "crop", "measure"], **more})


def call(name: str, **arguments) -> str:
    return f"<think>look</think><tool_call>{json.dumps({'name': name, 'arguments': arguments})}</tool_call>"


def answer(text: str) -> str:
    return f"<think>so</think><answer>{text}</answer>"


def saying(*replies: str | Reply):
    async def policy(episode: Episode) -> Reply:
        reply = replies[len(episode.turns)]
        return reply if isinstance(reply, Reply) else Reply(text=reply)

    return policy


def played(*replies: str | Reply, **more) -> Episode:
    return asyncio.run(play(make_env(**more), saying(*replies), QUESTION))


@pytest.mark.parametrize("mode", ["ansi", "rgb_array"])
def test_the_environment_keeps_the_gymnasium_contract(mode):
    env = gymnasium.make("overread/Reading-v0", render_mode=mode, tools=["zoom"])
    check_env(env.unwrapped)
    env.reset(seed=1)
    drawn = env.render()
    assert isinstance(drawn, str) if mode == "ansi" else drawn.dtype == np.uint8 and drawn.shape[2] == 3


def test_the_same_seed_draws_the_same_question():
    asked = []
    for _ in range(2):
        env = make_env()
        env.reset(seed=7)
        asked.append(env.episode.question.id)
    assert asked[0] == asked[1]


def test_an_expert_measures_the_disc_and_is_paid_in_full():
    (region,) = TRUTH.regions
    disc, y = region.shape, region.shape.center.y
    episode = played(
        call("zoom", image="img0", box=disc.numbers, factor=2),
        call("measure", image="img0", start=[disc.x0, y], end=[disc.x1, y]),
        answer(TRUTH.answer),
    )
    assert [span.phase for turn in episode.turns for span in turn.spans] == [
        "think", "act", "rethink", "act", "rethink", "answer",
    ]  # fmt: skip
    assert TRUTH.answer.split()[0] in episode.turns[1].acts[0].observation.text
    assert episode.turns[0].acts[0].places["box"] == (region,)
    assert episode.turns[0].images[0].window == disc
    assert episode.stop == "answered"
    parts = episode.verdict.parts
    assert parts["correct"] == parts["well_formed"] == parts["looked"] == 1.0
    assert episode.verdict.reward == pytest.approx(0.980, abs=1e-3)  # three turns, and a box that lies close


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        ("hello", "write <think>"),
        ("<think>x</think><tool_call>(oops</tool_call>", "in JSON"),
        (call("scalpel"), "no tool 'scalpel'; there are: zoom, crop, measure"),
        (call("crop", image="img9", box=[0, 0, 5, 5]), "no image 'img9'; there are: img0"),
        (call("crop", image=3, box=[0, 0, 5, 5]), "image: Input should be a valid string"),
        (call("crop", image="img0", box=[5, 0, 5, 5]), "an empty box"),
        (call("crop", image="img0", box=[0, 0, 5]), "a box is [x0, y0, x1, y1], not 3 numbers"),
        (call("crop", image="img0", box=["a", 0, 5, 5]), "box.x0: Input should be a valid number"),
        (call("crop", image="img0", box=[0, 0, "NaN", 5]), "box.x1: Input should be a finite number"),
        (call("crop", image="img0", box=[900, 0, 950, 5]), "lies outside the image, which is 256 by 256"),
        (call("crop", image="img0", box=[0, 0, 5, 5], depth=3), "crop: no argument 'depth'; it takes: image, box"),
        (call("crop", image="img0"), "box: Field required"),
        (call("zoom", image="img0", box=[0, 0, 5, 5], factor=99), "less than or equal to 16"),
    ],
)
def test_a_bad_request_is_refused_in_one_short_sentence_and_costs_nothing_else(reply, told):
    env = make_env()
    env.reset(options={"question": QUESTION})
    observation, reward, terminated, truncated, _ = env.step(reply)
    assert told in observation.text
    assert len(observation.text) < 200
    assert "\n" not in observation.text
    assert env.episode.turns[-1].refused
    assert (reward, terminated, truncated) == (0.0, False, False)


def test_coordinates_are_read_in_the_size_the_policy_says_it_wrote_them_in():
    def box(canvas):
        reply = Reply(text=call("crop", image="img0", box=[0, 0, 1, 1]), canvas=canvas)
        return played(reply, answer("1")).turns[0].acts[0].places["box"][0].shape.numbers

    assert box(None) == [0, 0, 1, 1]
    assert box(((1000, 1000),)) == pytest.approx([0, 0, 0.256, 0.256])
    assert box(((252, 252),)) == pytest.approx([0, 0, 256 / 252, 256 / 252])


def test_a_view_that_was_not_yet_shown_has_no_coordinates_to_write_in():
    two = (
        call("crop", image="img0", box=[0, 0, 500, 500])
        + call("crop", image="img1", box=[0, 0, 9, 9]).partition("</think>")[2]
    )
    episode = played(Reply(text=two, canvas=((1000, 1000),)), answer("1"))
    first, second = episode.turns[0].acts
    assert not first.refused
    assert second.observation.text == "crop: you have not seen 'img1' yet; wait until it is shown"


def test_calls_of_one_turn_are_carried_out_in_order_and_may_build_on_each_other():
    two = (
        call("crop", image="img0", box=[0, 0, 50, 50])
        + call("crop", image="img1", box=[0, 0, 9, 9]).partition("</think>")[2]
    )
    episode = played(two, answer("1"))
    assert [image.width for image in episode.images.values()] == [256, 50, 9]


@pytest.mark.parametrize(
    ("limit", "replies", "stop"),
    [
        ({"max_turns": 2}, ["no", "no"], "turn_limit"),
        ({"max_tokens": 3}, [Reply(text="no", token_ids=(1, 2)), Reply(text="no", token_ids=(1,))], "token_limit"),
        ({}, [Reply(text="", finish="context")], "token_limit"),
        ({"max_images": 2}, [call("crop", image="img0", box=[0, 0, 5, 5])], "image_limit"),
    ],
)
def test_each_limit_ends_the_episode_with_its_own_stop(limit, replies, stop):
    episode = played(*replies, **limit)
    assert episode.stop == stop
    assert episode.verdict.parts["correct"] == 0.0


def test_a_policy_that_never_replies_is_timed_out_and_not_judged():
    async def asleep(episode: Episode) -> Reply:
        await asyncio.sleep(60)
        raise AssertionError

    began = time.monotonic()
    episode = asyncio.run(play(make_env(max_seconds=0.2), asleep, QUESTION))
    assert time.monotonic() - began < 5
    assert (episode.stop, episode.verdict) == ("timeout", None)


@pytest.fixture
def slow_tool(tmp_path, monkeypatch):
    """The name of a tool that takes a second."""
    (tmp_path / "lab_slow").mkdir()
    (tmp_path / "lab_slow" / "nap.py").write_text(
        "import time\nfrom tools.image import Image\nfrom tools.tool import Observation\n"
        'def nap(image: Image) -> Observation:\n    """Nap."""\n'
        "    time.sleep(1)\n    return Observation(text='ok')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    return "lab_slow.nap"


@pytest.mark.parametrize(("seconds", "stop"), [(0.2, "timeout"), (20, "answered")])
def test_a_tool_that_hangs_ends_its_episode_when_patience_does(slow_tool, seconds, stop):
    policy = saying(call("nap", image="img0"), answer("1"))
    episode = asyncio.run(play(make_env(tools=[slow_tool]), policy, QUESTION, patience=Patience(step=seconds)))
    assert episode.stop == stop
    if stop == "timeout":
        assert episode.problem == "the reply was not carried out within 0.2 s"
        assert (len(episode.turns), episode.turns[0].acts, episode.verdict) == (1, (), None)


def test_a_reply_is_waited_for_as_long_as_patience_has():
    async def asleep(episode: Episode) -> Reply:
        await asyncio.sleep(60)
        raise AssertionError

    episode = asyncio.run(play(make_env(), asleep, QUESTION, patience=Patience(reply=0.2)))
    assert (episode.stop, episode.problem) == ("timeout", "no reply within 0.2 s")


def test_running_out_of_turns_is_truncation_and_answering_is_termination():
    env = make_env(max_turns=1)
    env.reset(options={"question": QUESTION})
    assert env.step("no")[2:4] == (False, True)
    with pytest.raises(ResetNeeded, match="call reset"):
        env.step("no")
    env.reset(options={"question": QUESTION})
    assert env.step(answer("1"))[2:4] == (True, False)


def test_both_parsers_results_are_recorded_and_the_strict_one_can_be_enforced():
    slip = "<think>a<answer>9 mm"
    kept = played(slip).turns[0]
    assert (kept.strict, kept.repaired[0].text, kept.acts[0].action.text) == (False, "9 mm", "9 mm")
    refused = played(slip, answer("9 mm"), repair=False).turns[0]
    assert (refused.repaired[0].text, refused.refused) == ("9 mm", True)


def test_the_truth_is_nowhere_until_the_episode_has_stopped():
    """Neither in what the policy is given, nor in what a tool is given."""
    seen: list[str] = []
    secret = "4815162342 mm"

    async def spy(episode: Episode) -> Reply:
        seen.append(repr(episode) + episode.model_dump_json() + repr(vars(episode)))
        return Reply(text=call("crop", image="img0", box=[0, 0, 9, 9]) if not episode.turns else answer("1"))

    episode = asyncio.run(play(ReadingEnv([(QUESTION, Truth(answer=secret))], tools=["crop"]), spy, QUESTION))
    assert len(seen) == 2
    assert not any(secret in text for text in seen)
    assert episode.truth.answer == secret
    assert "truth" not in type(QUESTION).model_fields


def test_a_tool_is_given_images_and_arguments_and_no_truth(tmp_path, monkeypatch):
    (tmp_path / "lab_spies").mkdir()
    (tmp_path / "lab_spies" / "spy.py").write_text(
        "from tools.image import Image\nfrom tools.tool import Observation\nseen = []\n"
        'def spy(image: Image) -> Observation:\n    """Spy."""\n'
        "    seen.append(repr((vars(image), image.data, vars(image.data), image.__pydantic_private__)))\n"
        "    return Observation(text='ok')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    secret = "4815162342 mm"
    env = ReadingEnv([(QUESTION, Truth(answer=secret))], tools=["lab_spies.spy"])
    asyncio.run(play(env, saying(call("spy", image="img0"), answer("1")), QUESTION))
    (seen,) = importlib.import_module("lab_spies.spy").seen
    assert QUESTION.study.sources[0].id in seen
    assert secret not in seen


def test_many_at_once_come_back_in_order_and_a_slow_one_holds_up_nobody():
    done: list[str] = []

    async def policy(episode: Episode) -> Reply:
        slow = episode.question.id.endswith("/0")
        await asyncio.sleep(0.3 if slow else 0)
        if len(episode.turns) == 1:
            done.append(episode.question.id)
        return Reply(text="no" if not episode.turns else answer("1"))

    episodes = asyncio.run(play_all(make_env, policy, [question for question, _ in TASKS]))
    assert [episode.question.id for episode in episodes] == [question.id for question, _ in TASKS]
    assert done[-1].endswith("/0")


def test_an_engine_that_breaks_ends_its_own_episode_and_no_other():
    async def policy(episode: Episode) -> Reply:
        if episode.question.id.endswith("/1"):
            raise RuntimeError("the engine is gone")
        return Reply(text=answer("1"))

    episodes = asyncio.run(play_all(make_env, policy, [question for question, _ in TASKS]))
    assert [episode.stop for episode in episodes] == ["answered", "engine_fault", "answered"]
    assert "the engine is gone" in episodes[1].problem
    assert episodes[1].verdict is None


def test_a_tool_that_breaks_is_a_fault_of_ours(tmp_path, monkeypatch):
    (tmp_path / "lab_tools").mkdir()
    (tmp_path / "lab_tools" / "broken.py").write_text(
        "from tools.image import Image\nfrom tools.tool import Observation\n"
        'def broken(image: Image) -> Observation:\n    """Break."""\n    return 1 / 0\n'
    )
    monkeypatch.syspath_prepend(tmp_path)

    async def policy(episode: Episode) -> Reply:
        return Reply(text=call("broken", image="img0"))

    (episode,) = asyncio.run(play_all(lambda: make_env(tools=["lab_tools.broken"]), policy, [QUESTION]))
    assert (episode.stop, episode.verdict) == ("tool_fault", None)
    assert "ZeroDivisionError" in episode.problem
    assert "broken" in episode.turns[0].reply.text  # what broke it is kept


def test_an_environment_without_questions_says_so():
    with pytest.raises(ValueError, match="give the environment tasks"):
        ReadingEnv().reset()


def test_a_record_survives_writing_and_reading():
    episode = played(call("crop", image="img0", box=[0, 0, 9, 9]), "nonsense", answer("1"))
    assert Episode.model_validate_json(episode.model_dump_json()) == episode
    assert episode.notice == "Research use only, not a medical device."


def test_importing_the_environment_makes_its_name_known():
    assert envs.__name__ == "envs"
    assert "overread/Reading-v0" in gymnasium.registry
    assert issubclass(ToolError, Exception)


def test_the_same_question_asked_twice_is_played_with_two_seeds():
    episodes = asyncio.run(play_all(make_env, saying(answer("1")), [QUESTION, QUESTION], seed=7))
    assert [episode.seed for episode in episodes] == [7, 8]


def test_an_image_that_cannot_be_read_ends_its_own_episode_and_no_other():
    def gone(axis: int, index: int) -> np.ndarray:
        raise OSError("gone")

    source = Source.lazy(gone, id="x", axes="yx", shape=(8, 8), dtype="|u1")
    bad = Question(id="bad", text="?", study=Study(sources=(source,)), images=(Image.of(source),))
    episodes = asyncio.run(play_all(make_env, saying(answer("1")), [QUESTION, bad, QUESTION]))
    assert [episode.stop for episode in episodes] == ["answered", "tool_fault", "answered"]
    assert "gone" in episodes[1].problem


def test_a_timeout_of_the_policys_own_is_a_fault_of_its_engine():
    async def policy(episode: Episode) -> Reply:
        raise TimeoutError("socket")

    (episode,) = asyncio.run(play_all(lambda: make_env(max_seconds=60), policy, [QUESTION]))
    assert (episode.stop, episode.truth) == ("engine_fault", TRUTH)


def test_an_episode_that_has_ended_stays_as_it_is():
    env = make_env()
    env.reset(options={"question": QUESTION})
    env.step(answer("1"))
    assert env.give_up("engine_fault", "too late").stop == "answered"


def test_what_goes_wrong_can_be_stored_whatever_it_says():
    env = make_env()
    env.reset(options={"question": QUESTION})
    episode = env.give_up("engine_fault", "no file '\udcff.png'")
    assert Episode.model_validate_json(episode.model_dump_json()) == episode


def test_two_truths_for_one_question_are_refused():
    with pytest.raises(ValueError, match="two tasks have the id 'discs/test/0' and different truths"):
        ReadingEnv([(QUESTION, TRUTH), (QUESTION, Truth(answer="1 mm"))])


def test_calls_past_the_most_images_are_refused_within_a_turn():
    crops = call("crop", image="img0", box=[0, 0, 5, 5]).partition("</think>")[2] * 9
    episode = played(crops, max_images=4)
    assert len(episode.images) == 4
    assert [act.refused for act in episode.turns[0].acts] == [False] * 3 + [True] * 6
    assert episode.stop == "image_limit"


def test_infinity_is_no_argument():
    episode = played(call("zoom", image="img0", box=[1, 2, 30, 40]).replace("40]", "1e999]"), answer("1"))
    assert episode.turns[0].refused
    assert Episode.model_validate_json(episode.model_dump_json()) == episode


def test_a_disc_is_the_same_wherever_the_reading_begins_and_however_large_it_is_shown():
    first, second = discs("test", 2)
    ((question, truth),) = discs("test", 1, start=1, view_px=128)
    assert (question.id, question.study.id, truth) == (second[0].id, second[0].study.id, second[1])
    assert (question.images[0].width, second[0].images[0].width) == (128, 256)
    assert first[0].study.id != question.study.id
