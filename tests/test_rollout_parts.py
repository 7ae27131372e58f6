"""The order of questions, the config, and parcels."""

import pickle
from itertools import pairwise

import numpy as np
import pytest

from agent.config import ConfigError
from agent.trace import every_image
from rl.order import Order, most_replaced
from rl.parcels import Parcel, ParcelError, packed, unpacked
from rl.resolved import decisive, resolved
from rl.settings import batches, training
from tests.conftest import needs

needs("tokenizers", "trl", "peft")

from tests.grpo import config, planned  # noqa: E402

POCKET = "agent/pocket"
TWO = [{"task": {"name": "discs", "count": 5}}, {"task": {"name": "shape", "count": 7}, "weight": 3}]


def test_the_same_config_asks_the_same_questions_in_the_same_order():
    made = planned(POCKET, data=TWO, grpo={"steps": 40})
    first, again, other = (Order(planned(POCKET, data=TWO, grpo={"steps": 40, "seed": n})) for n in (0, 0, 1))
    asked = [first[n] for n in range(len(first))]
    assert len(first) == made.rounds * made.own.questions == 80
    assert asked == [again[n] for n in range(80)]
    assert asked != [other[n] for n in range(80)]
    assert 0.6 < np.mean([one.source for one in asked]) < 0.9


def test_no_question_comes_twice_before_all_have_come_once():
    order = Order(planned(POCKET, data=TWO, grpo={"steps": 40}))
    discs = [one.number for n in range(len(order)) if (one := order[n]).source == 0]
    epochs = [discs[at : at + 5] for at in range(0, len(discs) - 4, 5)]
    assert all(sorted(epoch) == [0, 1, 2, 3, 4] for epoch in epochs)
    assert any(a != b for a, b in pairwise(epochs))


def test_questions_in_reserve_come_after_those_of_all_steps():
    made = planned(POCKET, rollout={"no_spread": "replace", "most_replaced": 0.5})
    order = Order(made)
    assert most_replaced(made) == 1
    assert (order.regular, len(order)) == (4, 6)
    assert [order[n] for n in range(4)] == [Order(planned(POCKET))[n] for n in range(4)]


@pytest.mark.parametrize(
    ("tables", "says"),
    [
        ({"data": []}, "there is no [[data]]"),
        ({"grpo": {"group": 1}}, "group"),
        (
            {"rollout": {"engine": "sglang"}},
            "no 'sglang' in rl/engines/; there are: transformers, vllm",
        ),
        ({"rollout": {"kv_tokens": 100}}, "rollout.kv_tokens 100 is less than one episode may have"),
        ({"rollout": {"ahead": 1}, "trainer": {"num_iterations": 2}}, "weights would be several steps old"),
        ({"trainer": {"num_generations": 4}}, "trainer.num_generations is stated elsewhere: by grpo.group"),
        ({"trainer": {"vllm_mode": "server"}}, "trainer.vllm_mode cannot be set"),
        ({"trainer": {"lernrate": 1}}, "trainer.lernrate is no setting of trl.GRPOConfig"),
        ({"model": {"train": "lora"}, "lora": {"use_dora": True}}, "lora.use_dora cannot be set"),
        ({"model": {"init": "random"}}, "a model that knows nothing is never right"),
        ({"lora": {"r": 4}}, "[lora] is set, and model.train is"),
        ({"env": {"max_trns": 2}}, "max_trns"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_loaded(tables, says):
    with pytest.raises(ConfigError) as told:
        planned(POCKET, **tables)
    assert says in str(told.value)


def test_a_batch_that_is_no_whole_number_of_parts_is_refused():
    made = planned(POCKET, trainer={"per_device_train_batch_size": 3})
    with pytest.raises(ConfigError, match=r"2 x grpo.group 2, 4 episodes, is not 1 devices x 3 episodes at a time x 1"):
        batches(made, 1)
    assert batches(planned(POCKET), 1) == (2, 2)


def test_a_training_may_go_on_with_other_workers_but_not_with_another_reward():
    before = decisive(resolved(training(config(POCKET))))
    assert before == decisive(resolved(training(config(POCKET, rollout={"workers": 4, "retries": 0}))))
    assert before != decisive(resolved(training(config(POCKET, env={"tools": ["zoom"], "rewards": "vitar"}))))
    assert before != decisive(resolved(training(config(POCKET, rollout={"temperature": 0.9}))))


@pytest.fixture
def episode(make_env, question):
    env = make_env()
    env.reset(seed=1, options={"question": question})
    env.step('<tool_call>{"name": "zoom", "arguments": {"image": "img0", "box": [0, 0, 128, 128]}}</tool_call>')
    env.step("<answer>9 mm</answer>")
    return env.episode


def test_an_episode_comes_back_whole_with_its_pixels(episode):
    came = unpacked(pickle.loads(pickle.dumps(packed(episode))), {})
    assert came == episode
    for one, other in zip(every_image(came), every_image(episode), strict=True):
        assert np.array_equal(one.pixels, other.pixels)


def test_pixels_that_were_sent_are_not_sent_again(episode):
    first = packed(episode)
    assert len(first.pixels) == 2
    second = packed(episode, first.pixels.keys())
    assert second.pixels == {}
    known = {}
    unpacked(first, known)
    assert [*every_image(unpacked(second, known))][1].pixels.any()


def test_pixels_that_never_came_or_changed_on_the_way_are_noticed(episode):
    parcel = packed(episode)
    (name, pixels), *_ = parcel.pixels.items()
    with pytest.raises(ParcelError, match="never came"):
        unpacked(Parcel(parcel.record, {}), {})
    with pytest.raises(ParcelError, match=f"the pixels of {name} came as"):
        unpacked(Parcel(parcel.record, {**parcel.pixels, name: pixels ^ 1}), {})
