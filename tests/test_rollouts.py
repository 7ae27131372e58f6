"""Rollouts on workers that Ray starts, and what becomes of them when something breaks."""

import json

import pytest

from tests.conftest import needs

needs("torch", "transformers", "trl", "peft", "ray")

import ray  # noqa: E402

from envs.episode import FAULTS  # noqa: E402
from rl.cluster import cluster  # noqa: E402
from rl.order import Order  # noqa: E402
from rl.rollouts import RolloutError, Rollouts  # noqa: E402
from rl.weights import Update  # noqa: E402
from rl.worker import Job  # noqa: E402
from tests.grpo import planned  # noqa: E402

pytestmark = pytest.mark.slow

CALL = '<tool_call>{"name": "zoom", "arguments": {"image": "img0", "box": [10, 10, 40, 40]}}</tool_call>'
ANSWER = "<answer>9 mm</answer>"
SHORT = {"reply_seconds": 3, "step_seconds": 3, "episode_seconds": 20, "retries": 2, "workers": 2, "at_once": 4}


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    """Ray, and the file that tells the engines of its workers what to say."""
    path = tmp_path_factory.mktemp("scripts") / "script.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OVERREAD_TEST_SCRIPT", str(path))  # a worker inherits it from whoever starts Ray
        with cluster(planned("agent/pocket").rollout, 0):
            yield path


@pytest.fixture
def rolling(script):
    """Rollouts of a scripted engine, and what they said."""

    def begin(plan=None, **rollout):
        script.write_text(json.dumps({"replies": [CALL, ANSWER], **(plan or {})}))
        made = planned("agent/pocket", rollout={"engine": "tests.scripted", **SHORT, **rollout})
        said = []
        rollouts = Rollouts(made, {}, Order(made).question, said.append)
        return rollouts, said

    return begin


def jobs(groups=4, members=3):
    return [
        Job(0, group, f"group {group}", group * members + member, 0)
        for group in range(groups)
        for member in range(members)
    ]


def of(job):
    return job.group, job.seed


def test_episodes_come_back_in_order_as_they_would_be_played_here(rolling):
    rollouts, said = rolling()
    with rollouts:
        rollouts.load(Update(0))
        episodes = rollouts.begin(jobs()).result(timeout=60)
    assert [(e.group, e.seed) for e in episodes] == [of(job) for job in jobs()]
    assert {e.stop for e in episodes} == {"answered"}
    assert all(len(e.images) == 2 and image.pixels.any() for e in episodes for image in e.images.values())
    assert {turn.reply.model_version for e in episodes for turn in e.turns} == {"step 0"}
    assert said == []


@pytest.mark.parametrize("what", ["raise", "hang", "die", "stick"])
def test_what_breaks_once_is_played_again_and_nothing_is_lost_or_counted_twice(rolling, tmp_path, what):
    rollouts, said = rolling({what: ["4/1", "7/0"], "once": str(tmp_path)})
    with rollouts:
        rollouts.load(Update(0))
        episodes = rollouts.begin(jobs()).result(timeout=120)
        assert [(e.group, e.seed) for e in episodes] == [of(job) for job in jobs()]
        assert {e.stop for e in episodes} == {"answered"}
        assert rollouts.lost >= 2
        assert said
        rollouts.load(Update(1))
        assert len(rollouts.begin(jobs(1)).result(timeout=60)) == 3


@pytest.mark.parametrize(("what", "stop"), [("raise", "engine_fault"), ("hang", "timeout")])
def test_what_breaks_again_and_again_ends_as_its_own_outcome_and_the_others_go_on(rolling, what, stop):
    rollouts, _ = rolling({what: ["4/1"]})
    with rollouts:
        rollouts.load(Update(0))
        episodes = rollouts.begin(jobs()).result(timeout=120)
    assert {e.seed: e.stop for e in episodes if e.stop in FAULTS} == {4: stop}


def test_a_worker_that_is_killed_is_followed_by_another_with_the_newest_weights(rolling):
    rollouts, said = rolling()
    with rollouts:
        rollouts.load(Update(3))
        ray.kill(rollouts._seats[0].actor)
        rollouts.load(Update(4))
        episodes = rollouts.begin(jobs(2)).result(timeout=120)
    assert any("worker 0 is replaced" in one for one in said)
    assert {e.stop for e in episodes} == {"answered"}
    assert {turn.reply.model_version for e in episodes for turn in e.turns} == {"step 4"}


def test_an_engine_that_cannot_start_is_told_in_one_sentence(rolling, script):
    rollouts, _ = rolling()
    script.unlink()
    with rollouts, pytest.raises(RolloutError, match=r"no worker starts: FileNotFoundError: .*script\.json"):
        rollouts.load(Update(0))
