import pytest

from agent.config import ConfigError
from agent.trace import read
from tests.conftest import needs

needs("torch", "torchvision", "transformers", "trl", "peft", "datasets", "ray")

import torch  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

from agent.training.begin import Interrupted  # noqa: E402
from agent.training.checkpoints import whole  # noqa: E402
from agent.training.seam import TrainingError  # noqa: E402
from rl.check import Broken, broken  # noqa: E402
from rl.weights import Receiver  # noqa: E402
from tests.grpo import TASK, lines, planned, trained  # noqa: E402

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


def played(folder):
    """What was played, in order: the step, the question, the seed and every token."""
    return [
        (e.step, e.question.id, e.seed, [turn.reply.token_ids for turn in e.turns])
        for e in sorted(read(folder), key=lambda e: (e.step, e.group, e.seed))
    ]


@pytest.mark.parametrize("iterations", [1, 2])
def test_a_training_that_was_stopped_goes_on_as_if_it_had_not_been(tiny_models, tmp_path, iterations):
    """Also past the end of an epoch: there are 3 questions. Bit for bit where replies are not written side by side."""
    made = planned(
        tiny_models("qwen3_vl"), data=[{"task": {**TASK, "count": 3}}], grpo={"steps": 4}, rollout={"batch": 1},
        trainer={"num_iterations": iterations},
    )  # fmt: skip
    trained(made, tmp_path / "whole")
    asked = iter([False] * (2 if iterations == 1 else 1) + [True])  # it is asked between two rounds
    with pytest.raises(Interrupted):
        trained(made, tmp_path / "stopped", stop=lambda: next(asked))
    assert [path.name for path in whole(tmp_path / "stopped" / "checkpoints")] == ["2"]
    trained(made, tmp_path / "stopped", resume=True)
    assert played(tmp_path / "stopped") == played(tmp_path / "whole")
    assert len(played(tmp_path / "whole")) == 4 * 4 // iterations
    one, other = (load_file(tmp_path / name / "model" / "model.safetensors") for name in ("whole", "stopped"))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_training_that_broke_off_plays_again_what_was_not_kept_and_keeps_it_once(tiny_models, tmp_path):
    """It breaks after three steps, of which two are in a checkpoint."""
    made = planned(tiny_models("qwen3_vl"), grpo={"steps": 4}, rollout={"batch": 1}, trainer={"save_steps": 2})
    trained(made, tmp_path / "whole")
    left = iter([False] * 3)
    with pytest.raises(StopIteration):
        trained(made, tmp_path / "broken", stop=lambda: next(left))
    assert [line["step"] for line in lines(tmp_path / "broken")] == [1, 2, 3]
    trained(made, tmp_path / "broken", resume=True)
    assert [line["step"] for line in lines(tmp_path / "broken")] == [1, 2, 3, 4]
    assert played(tmp_path / "broken") == played(tmp_path / "whole")


def test_a_training_that_is_finished_is_not_run_again(tiny_models, tmp_path):
    made = planned(tiny_models("qwen3_vl"), grpo={"steps": 1})
    trained(made, tmp_path / "run")
    with pytest.raises(ConfigError, match="is finished"):
        trained(made, tmp_path / "run", resume=True)


def test_other_weights_at_the_engine_are_noticed_before_anything_is_learned(tiny_models, tmp_path, monkeypatch):
    """One tensor of the second sync is another on its way."""
    whole_of = Receiver.whole

    def corrupted(self, update):
        for name, weight in whole_of(self, update):
            harmed = update.version == 1 and name.endswith("layers.0.mlp.down_proj.weight")
            yield name, weight + 0.3 if harmed else weight

    monkeypatch.setattr(Receiver, "whole", corrupted)
    with pytest.raises(TrainingError, match=r"step 2: logp_gap: the engine's log-probabilities are"):
        trained(planned(tiny_models("qwen3_vl"), grpo={"steps": 3}), tmp_path / "run")
    assert [line["step"] for line in lines(tmp_path / "run")] == [1]


def test_an_episode_that_breaks_a_rule_is_left_out_alone_and_named(tiny_models, tmp_path, monkeypatch):
    def harmed(episode, rendered, chat, features):
        found = broken(episode, rendered, chat, features)
        return [Broken("pixels", "img0 was harmed")] if episode.seed == 1 and not found else found

    monkeypatch.setattr("rl.rounds.broken", harmed)
    trained(planned(tiny_models("qwen3_vl"), grpo={"steps": 1}), tmp_path / "run")
    (line,) = lines(tmp_path / "run")
    assert (line["broken"], line["episodes"]) == (1, 4)
    told = {e.seed: e.problem for e in read(tmp_path / "run")}
    assert told == {0: "", 1: "left out, pixels: img0 was harmed", 2: "", 3: ""}
