"""What is told of a step, and when an alarm rings."""

import pytest

from agent.loop import play_safely
from envs.episode import Reply
from rl.alarms import FIRST, Watch
from rl.metrics import flattened, measured
from rl.settings import Alarms

ZOOM = '<tool_call>{{"name": "zoom", "arguments": {{"image": "img0", "box": {box}}}}}</tool_call>'
ANSWER = "<answer>9 mm</answer>"
CLOSE, WHOLE = ZOOM.format(box=[0, 0, 64, 64]), ZOOM.format(box=[0, 0, 256, 250])


@pytest.fixture
def played(make_env, question):
    def play(*replies, **more):
        env = make_env(**more)
        env.reset(seed=0, options={"question": question})
        for text in replies:
            env.step(Reply(text=text, token_ids=tuple(text.encode())))
        return env.episode

    return play


def test_calls_views_and_refusals_are_counted(played):
    looks = played(CLOSE, CLOSE, WHOLE, "nonsense", ANSWER)
    refused = played(ZOOM.format(box=[900, 900, 999, 999]), ANSWER)
    found = measured([looks, refused])
    assert found["tool_calls"] == {"mean": 2.0, "sd": 1.0, "min": 1.0, "max": 3.0}
    assert found["turns"]["mean"] == 3.5
    assert found["repeated_views"] == pytest.approx(1 / 3)
    assert found["whole_views"] == pytest.approx(1 / 3)
    assert found["malformed"] == pytest.approx(1 / 7)
    assert found["refused"] == pytest.approx(1 / 6)
    assert found["stops"] == {"answered": 1.0}
    assert found["written"] == looks.num_tokens + refused.num_tokens


def test_rewards_and_parts_are_those_of_the_verdicts(played):
    first, second = played(CLOSE, ANSWER), played(ANSWER)
    found = measured([first, second])
    rewards = [first.verdict.reward, second.verdict.reward]
    assert found["reward"]["mean"] == pytest.approx(sum(rewards) / 2)
    assert (found["reward"]["min"], found["reward"]["max"]) == (min(rewards), max(rewards))
    assert found["parts"].keys() == first.verdict.parts.keys()


async def broken(episode):
    raise RuntimeError("gone")


def test_a_fault_counts_as_a_fault_and_as_nothing_else(played, make_env, question):
    import asyncio

    fault = asyncio.run(play_safely(make_env(), broken, question))
    found = measured([fault, played(ANSWER)])
    assert (found["faults"], found["stops"]["engine_fault"]) == (0.5, 0.5)
    assert found["turns"]["mean"] == 1.0
    alone = measured([fault])
    assert alone["reward"] is None
    assert alone["right"] is None


def test_loggers_are_given_one_name_for_each_number():
    assert flattened({"a": {"mean": 1, "sd": 0.5}, "b": None, "c": 2}) == {"a/mean": 1.0, "a/sd": 0.5, "c": 2.0}


def line(**more):
    return {"tool_calls": {"mean": 2.0}, "tokens": {"mean": 100.0}, "faults": 0.0, "malformed": 0.0, "logp_gap": 1e-6,
            **more}  # fmt: skip


def rung(steps, **limits):
    """The names of the alarms at each step."""
    watch = Watch(Alarms(**limits))
    return [[said.partition(":")[0] for said in watch.read(one)] for one in steps]


def test_nothing_rings_where_nothing_is_wrong():
    assert rung([line()] * 20) == [[]] * 20


@pytest.mark.parametrize(("name", "value"), [("logp_gap", 0.06), ("faults", 0.11)])
def test_other_weights_and_too_many_faults_ring_at_once(name, value):
    alarm = {"logp_gap": "logp_gap", "faults": "fault_share"}[name]
    assert rung([line(), line(**{name: value})]) == [[], [alarm]]
    assert rung([line(**{name: value})], **{alarm: 0}) == [[]]


@pytest.mark.parametrize(
    ("alarm", "late"),
    [("tool_collapse", {"tool_calls": {"mean": 0.1}}), ("answer_growth", {"tokens": {"mean": 500.0}}),
     ("malformed_share", {"malformed": 0.95})],
)  # fmt: skip
def test_what_may_pass_rings_when_it_has_not_passed(alarm, late):
    usual, wrong = [line()] * FIRST, line(**late)
    assert rung([*usual, wrong, wrong, line(), wrong, wrong, wrong], patience=3)[FIRST:] == [[]] * 5 + [[alarm]]


def test_an_alarm_goes_on_where_the_training_goes_on():
    limits, wrong = Alarms(patience=2), line(tool_calls={"mean": 0.0})
    watch = Watch(limits)
    for one in [*[line()] * FIRST, wrong]:
        assert watch.read(one) == []
    again = Watch(limits, watch.state)
    assert [said.partition(":")[0] for said in again.read(wrong)] == ["tool_collapse"]
