import pytest

from agent.sampling import draw
from tests.conftest import needs

needs("torch")

import torch  # noqa: E402

LOGITS = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()


def draws(count=2000, **settings):
    generator = torch.Generator().manual_seed(1)
    return torch.bincount(torch.tensor([draw(LOGITS, generator, **settings)[0] for _ in range(count)]), minlength=4)


@pytest.mark.parametrize(
    ("settings", "shares"),
    [
        ({}, [0.5, 0.3, 0.15, 0.05]),
        ({"temperature": 0.5}, [0.25 / 0.365, 0.09 / 0.365, 0.0225 / 0.365, 0.0025 / 0.365]),
        ({"temperature": 0.0}, [1, 0, 0, 0]),
        ({"top_p": 0.8}, [0.5 / 0.8, 0.3 / 0.8, 0, 0]),
        ({"top_p": 0.81}, [0.5 / 0.95, 0.3 / 0.95, 0.15 / 0.95, 0]),
        ({"top_p": 0.01}, [1, 0, 0, 0]),
        ({"banned": (0,)}, [0, 0.6, 0.3, 0.1]),
        ({"banned": (0,), "temperature": 0.0}, [0, 1, 0, 0]),
        ({"banned": (0,), "top_p": 0.61}, [0, 0.3 / 0.45, 0.15 / 0.45, 0]),
    ],
    ids=str,
)
def test_tokens_are_drawn_as_often_as_they_are_likely(settings, shares):
    found = (draws(**settings) / 2000).tolist()
    assert found == pytest.approx(shares, abs=0.04)
    assert [share == 0 for share in found] == [share == 0 for share in shares]


@pytest.mark.parametrize("settings", [{}, {"top_p": 0.5}, {"banned": (3,)}, {"temperature": 0.0}], ids=str)
def test_the_log_probability_is_that_of_the_model_as_it_is(settings):
    token, logprob = draw(LOGITS, torch.Generator().manual_seed(0), **settings)
    assert logprob == pytest.approx(float(LOGITS[token]), abs=1e-6)


def test_the_log_probability_is_taken_at_the_temperature():
    token, logprob = draw(LOGITS, torch.Generator().manual_seed(0), temperature=0.5)
    assert logprob == pytest.approx(float(torch.log_softmax(LOGITS * 2, dim=-1)[token]), abs=1e-6)
