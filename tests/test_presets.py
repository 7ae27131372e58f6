"""ViTAR's released reward and the hardened one, over what the released tool was seen to do."""

import json
from typing import Any

import numpy as np
import pytest
from gymnasium.error import ResetNeeded

from agent.config import ConfigError, call
from envs.env import REWARDS, ReadingEnv
from envs.episode import Question, Truth
from envs.score import HARDENED, PRESETS, VITAR, judge
from tools.image import Image
from tools.study import Source, Study

SOURCE = Source.of(np.full((100, 200), 80, np.uint8))


def asked(truth: str = "Left_Lung", **more: Any) -> ReadingEnv:
    """An environment like ViTAR's, 200 by 100 px, opened on a question."""
    images = (Image.of(SOURCE),)
    question = Question(id="q", text="Which lung?", study=Study(sources=(SOURCE,)), images=images)
    env = ReadingEnv([(question, Truth(answer=truth))], **{"tools": ["mark"], "dialect": "vitar", **more})
    env.reset(options={"question": question})
    return env


def turn(*actions: tuple[str, dict[str, Any]]) -> str:
    listed = [{"name": name, "arguments": arguments} for name, arguments in actions]
    return json.dumps({"thought": "so", "actions": listed})


def mark(*boxes: Any, name: str = "mark") -> tuple[str, dict[str, Any]]:
    return name, {"image": "img0", "boxes": list(boxes)}


def end(answer: Any, key: str = "answer") -> tuple[str, dict[str, Any]]:
    return "Terminate", {key: answer}


FINE, REFUSED, UNREAD = 0.05, 0.015, 0.035
"""What `hardened` pays for a wrong answer after a turn that was carried out, refused or not understood."""


@pytest.mark.parametrize(
    ("reply", "told", "vitar", "hardened"),
    [
        pytest.param(turn(mark([10, 10, 50, 50])), "Marked 1 box.", 0.2, FINE, id="valid box"),
        pytest.param(turn(mark([0, 0, 200, 100])), "Marked 1 box.", 0.2, FINE, id="whole image"),
        pytest.param(turn(mark([10, 10, 11, 11])), "too small to be seen", 0.0, REFUSED, id="1-px box"),
        pytest.param(turn(mark([900, 900, 999, 999])), "lies outside the image", 0.0, REFUSED, id="outside"),
        pytest.param(turn(mark([-50, -50, -10, -10])), "lies outside the image", 0.0, REFUSED, id="negative"),
        pytest.param(turn(mark()), "nothing to mark", 0.0, REFUSED, id="empty list"),
        pytest.param(turn(mark([1, 1, 9, 9], name="zoom")), "no tool 'zoom'", 0.0, REFUSED, id="tool named zoom"),
        pytest.param(turn(mark([50, 50, 10, 10])), "an empty box", 0.0, REFUSED, id="inverted"),
        pytest.param(turn(mark(10, 10, 50, 50)), "a box is [x0, y0, x1, y1]", 0.0, REFUSED, id="flat list"),
        pytest.param(turn(), "write one JSON object", 0.0, UNREAD, id="no actions"),
    ],
)
def test_what_a_turn_is_told_and_paid(reply, told, vitar, hardened):
    """Of the first seven the released code pays each 0.2."""
    env = asked(rewards="vitar")
    seen, reward, terminated, _, info = env.step(reply)
    assert told in seen.text
    assert (reward, terminated, info) == (0.0, False, {})
    _, reward, *_ = env.step(turn(end("right lung")))
    assert reward == pytest.approx(vitar + 0.2)  # the answer is a step as well
    assert judge(env.episode, env.episode.truth, HARDENED).reward == pytest.approx(hardened)


@pytest.mark.parametrize(
    ("reply", "answer", "vitar", "hardened"),
    [
        pytest.param(turn(end("right lung")), "right lung", 0.2, 0.05, id="Terminate"),
        pytest.param(turn(end("right lung", key="ans")), "right lung", 0.0, 0.02, id="key ans"),
        pytest.param(turn(end(3)), "3", 0.0, 0.02, id="numeric answer"),
        pytest.param(turn(end("")), "", 0.0, 0.05, id="empty answer"),
        pytest.param(turn(mark([10, 10, 50, 50]), end("right lung")), "right lung", 0.2, 0.05, id="second of two"),
    ],
)
def test_what_an_end_is_read_as_and_paid(reply, answer, vitar, hardened):
    """The released code takes the three in the middle for errors and goes on."""
    env = asked(rewards="vitar")
    _, reward, terminated, *_ = env.step(reply)
    assert (terminated, env.episode.answer) == (True, answer)
    assert reward == pytest.approx(vitar)
    assert judge(env.episode, env.episode.truth, HARDENED).reward == pytest.approx(hardened)


def test_the_first_of_two_actions_is_carried_out_before_the_second_ends_the_episode():
    env = asked()
    env.step(turn(mark([10, 10, 50, 50]), end("left lung")))
    assert [act.refused for act in env.episode.turns[0].acts] == [False, False]
    assert len(env.episode.images) == 2


@pytest.mark.parametrize(
    ("reply", "truth", "exact"),
    [
        pytest.param(turn(end("A")), "A", 1.0, id="letter"),
        pytest.param(turn(end("A. pneumonia")), "A", 0.0, id="letter and words"),
        pytest.param(turn(end("left lung")), "Left_Lung", 1.0, id="case, space and underscore"),
        pytest.param("No", "no", 0.0, id="no JSON: paid as released, no answer here"),
        pytest.param(turn(end("A"), end("B")), "A", 1.0, id="the first of two ends"),
        pytest.param(turn(end("A"), end("B")), "B", 0.0, id="not the second"),
        pytest.param(turn(end('a "halo" sign')), 'a "halo" sign', 1.0, id="quotes: lost as released, read here"),
        pytest.param(turn(end("")), "", 0.0, id="nothing is never right"),
    ],
)
def test_an_answer_is_right_letter_by_letter(reply, truth, exact):
    env = asked(truth, rewards={"vitar_exact": 1.0}, max_turns=1)
    env.step(reply)
    assert env.episode.verdict.reward == exact


def test_vitar_pays_garbage_before_the_answer_and_hardened_does_not():
    def paid(preset: str, *replies: str) -> float:
        env = asked(rewards=preset)
        return [env.step(reply)[1] for reply in replies][-1]

    garbage, right = turn(mark([0, 0, 200, 100])), turn(end("Left_Lung"))
    assert paid("vitar", right) == pytest.approx(1.2)
    assert paid("vitar", garbage, right) == pytest.approx(1.4)
    assert paid("hardened", garbage, right) < paid("hardened", right)


def test_no_more_than_two_steps_are_paid():
    env = asked(rewards="vitar")
    for box in range(3):
        env.step(turn(mark([box, 10, 50, 50])))
    assert env.step(turn(end("right lung")))[1] == pytest.approx(0.4)


def test_hardened_is_the_default_and_lies_within_0_and_1():
    assert REWARDS == "hardened"
    assert asked().rewards == HARDENED
    assert sum(HARDENED.values()) == pytest.approx(1.0)
    assert min(HARDENED.values()) > 0


def test_by_its_weights_no_wrong_answer_of_hardened_passes_a_right_one():
    """`correct` is at least 1/2 if right and at most 1/8 if wrong; brief, looked and turns pay if right only."""
    form = HARDENED["well_formed"] + HARDENED["tool_fault"]
    assert form == pytest.approx(0.05)
    assert HARDENED["correct"] / 8 + HARDENED["grounded"] + form < HARDENED["correct"] / 2


def test_rewards_are_a_preset_by_name_or_weights():
    assert asked(rewards="vitar").rewards == VITAR == {"vitar_step": 0.4, "vitar_exact": 1.0}
    assert asked(rewards={"correct": 2.0}).rewards == {"correct": 2.0}
    env = asked(rewards="vitar")
    env.rewards["vitar_step"] = 9.0
    assert PRESETS["vitar"]["vitar_step"] == 0.4


def test_an_unknown_preset_or_reward_is_refused_in_words():
    with pytest.raises(LookupError, match="no preset 'soft' of rewards; there are: hardened, vitar"):
        ReadingEnv(rewards="soft")
    with pytest.raises(LookupError, match="no 'corect' in envs/rewards/; there are: brief, correct"):
        ReadingEnv(rewards={"corect": 1.0})


@pytest.mark.parametrize("given", [3, {"correct": "much"}, {"correct": float("inf")}, ["correct"]])
def test_rewards_of_another_type_are_refused_in_a_config(given):
    with pytest.raises(ConfigError, match="rewards"):
        call("env", ReadingEnv, {"rewards": given})


def test_nothing_before_the_end_depends_on_the_truth_and_there_is_no_second_try():
    """VISTA-Gym tells a policy that its answer is wrong and lets it try again."""
    replies = [turn(mark([10, 10, 50, 50])), "hello", turn(mark()), turn(end("left lung"))]

    def told(truth: str) -> tuple[list[Any], list[Any]]:
        env = asked(truth)
        steps = [env.step(reply) for reply in replies]
        with pytest.raises(ResetNeeded):
            env.step(turn(end("right lung")))
        return [(seen, *rest) for seen, *rest in steps[:-1]], [steps[-1][0], *steps[-1][2:4]]

    (before, last), (before_too, last_too) = told("Left_Lung"), told("right lung")
    assert before == before_too
    assert [step[1:] for step in before] == [(0.0, False, False, {})] * 3
    assert last == last_too  # only the reward and its parts tell, and then it is over
