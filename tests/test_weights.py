import pickle

import numpy as np
import pytest

from tests.conftest import needs

needs("torch", "torchvision", "transformers", "peft")

import torch  # noqa: E402

from agent.session import load_model  # noqa: E402
from agent.training.model import adapted, freeze  # noqa: E402
from rl.weights import Receiver, Update, originals, packed, unpacked, update_of  # noqa: E402


@pytest.fixture
def model(tiny_model):
    return load_model(tiny_model, "cpu", "float32")[0]


def with_adapters(model, **lora):
    """Adapters that do something: as they begin, they are zero."""
    made = adapted(model, {"r": 4, "lora_alpha": 12, **lora})
    with torch.no_grad():
        for name, weight in made.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.1)
    return made


@pytest.mark.parametrize("kind", ["float32", "bfloat16", "float16"])
def test_a_weight_comes_back_bit_for_bit(kind):
    weight = torch.randn(3, 5, generator=torch.Generator().manual_seed(0)).to(getattr(torch, kind))
    assert torch.equal(unpacked(*pickle.loads(pickle.dumps(packed(weight)))), weight)


def test_what_was_packed_does_not_change_with_the_model():
    weight = torch.ones(3)
    held = packed(weight)
    weight += 1
    assert held[1].tolist() == [1, 1, 1]


def test_only_weights_that_learn_travel(model):
    freeze(model, ("vision",), adapters=False)
    update = update_of(model, 3)
    assert update.version == 3
    assert update.weights.keys() == {name for name, weight in model.named_parameters() if "visual" not in name}
    assert not update.tower
    freeze(model, (), adapters=False)
    assert update_of(model, 3).tower
    assert originals(model) == {}


def test_a_receiver_gives_whole_weights_as_they_are(model):
    update = update_of(model, 0)
    came = dict(Receiver({}).whole(update))
    assert all(torch.equal(came[name], weight) for name, weight in model.named_parameters())


@pytest.mark.parametrize("rslora", [False, True])
def test_adapters_are_merged_as_peft_merges_them_and_nothing_else_travels(model, rslora):
    learner = with_adapters(model, use_rslora=rslora)
    held = pickle.loads(pickle.dumps(originals(learner)))
    update = update_of(learner, 1)
    assert update.tower
    assert update.nbytes == sum(w.nbytes for name, w in learner.named_parameters() if "lora_" in name)
    came = dict(Receiver(held).whole(update))
    merged = dict(learner.merge_and_unload().named_parameters())
    assert came.keys() == held.keys()
    assert len(came) > 10
    for name, weight in came.items():
        assert (weight - merged[name]).abs().max() < 1e-6, name
        assert not np.array_equal(weight.numpy(), held[name][1]), name


def test_updates_do_not_add_up(model):
    """Each is added to the weights as they were in the beginning."""
    learner = with_adapters(model)
    receiver, update = Receiver(originals(learner)), update_of(learner, 1)
    first, again = dict(receiver.whole(update)), dict(receiver.whole(update))
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_an_adapter_of_an_unknown_weight_is_refused(model):
    update = update_of(with_adapters(model), 1)
    with pytest.raises(ValueError, match=r"an adapter of .*q_proj.*weight came, but not the weight"):
        list(Receiver({}).whole(Update(1, update.weights, {n: s for n, s in update.scales.items() if "q_proj" in n})))
