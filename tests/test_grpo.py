import pytest

from tests.conftest import needs

needs("torch", "torchvision", "transformers", "trl", "peft", "datasets", "ray")


from tests.grpo import lines, planned, trained  # noqa: E402

CLOSE = 1e-5
"""How near the log-probabilities of engine and trainer are in float32, on average."""


@pytest.mark.parametrize("frozen", [(), ("vision",)], ids=["all learn", "tower frozen"])
@pytest.mark.parametrize("train", ["full", "lora"])
def test_the_engine_and_the_trainer_agree_on_every_token_after_every_sync(tiny_model, tmp_path, train, frozen):
    model = {"train": train, "frozen": list(frozen)}
    course = trained(planned(tiny_model, model=model, grpo={"steps": 6}), tmp_path / "run")
    told = lines(tmp_path / "run")
    assert [line["step"] for line in told] == [1, 2, 3, 4, 5, 6]
    assert all(line["logp_gap"] <= CLOSE for line in told), [line["logp_gap"] for line in told]
    assert [update.version for update in course.rollouts.loads] == [0, 1, 2, 3, 4, 5]
    first, last = course.rollouts.loads[0].weights, course.rollouts.loads[5].weights
    assert course.rollouts.loads[0].tower is (not frozen)
    assert all((first[name][1] != last[name][1]).any() for name in first)  # there was something to agree on
