"""What our seam to TRL rests on: where one of these fails, TRL has moved, and rl/trainer.py must follow."""

import inspect
from dataclasses import replace
from importlib.metadata import version

import pytest

from tests.conftest import needs

needs("torch", "torchvision", "transformers", "trl", "peft", "datasets", "ray")

from agent.torch_setup import set_up_torch  # noqa: E402

set_up_torch()

import torch  # noqa: E402
from trl import GRPOTrainer  # noqa: E402

from agent.chats import chat_for  # noqa: E402
from agent.session import load_model  # noqa: E402
from rl.alarms import Watch  # noqa: E402
from rl.ledger import Ledger  # noqa: E402
from rl.packing import Packed, empty  # noqa: E402
from rl.rounds import Round  # noqa: E402
from rl.trainer import arguments, trainer_class  # noqa: E402
from tests.grpo import HereCourse, planned  # noqa: E402


def test_trl_is_the_one_that_was_read():
    assert version("trl") == "1.16.0"


def test_generate_is_asked_for_prompts_and_returns_eight_things():
    source = inspect.getsource(GRPOTrainer._generate)
    assert [*inspect.signature(GRPOTrainer._generate).parameters] == ["self", "prompts"]
    assert source.rstrip().endswith(
        "return prompt_ids, completion_ids, tool_mask, completions, logprobs, extra_fields, images, tool_images"
    )


def test_a_rollout_function_still_loses_the_images():
    """Why `_generate` is overridden: on the day that this fails, it and the override can go."""
    assert "images = None\n            multimodal_fields = {}" in inspect.getsource(GRPOTrainer._generate)


SILENT = {"logp_gap": 0}
"""Log-probabilities that are given, and not sampled, are far from the trainer's."""


class Given:
    """A round that is given instead of played."""

    spare = 0

    def __init__(self, batch):
        self.batch = batch

    def play(self, number, step, update):
        return Round(self.batch, {"seconds": {}})


@pytest.fixture(scope="module")
def scored(tiny_models, tmp_path_factory):
    """What TRL makes of a batch of two groups of three."""
    made = planned(tiny_models("qwen3_vl"), grpo={"steps": 1, "group": 3}, alarms=SILENT)
    folder = tmp_path_factory.mktemp("runs")
    course = HereCourse(made, folder, {}, lambda: False, lambda line: None)
    course.ledger, course.watch = Ledger(folder, {}), Watch(made.alarms)
    model = load_model(made.model.path, "cpu", "float32")[0]
    trainer = trainer_class()(course, model=model, args=arguments(made, folder, 1), processing_class=course.processor)
    trainer.model.train()

    def score(batch):
        course.rounds = Given(batch)
        inputs = [trainer.train_dataset[n // 3] for n in range(6)]
        return trainer._generate_and_score_completions(inputs)

    return score


@pytest.fixture(scope="module")
def chat(tiny_models):
    return chat_for(tiny_models("qwen3_vl"))


@pytest.fixture
def seen(make_env, question, chat):
    """(tokens, image) of the film of a question."""
    env = make_env()
    env.reset(options={"question": question})
    (image,) = env.episode.opening.images
    return chat.image(image), image


def one(seen, reward, group="a", views=1):
    """An episode that writes two tokens and shows `views` images, the second after what was written."""
    tokens, image = seen
    later = tokens * (views > 1)
    prompt, completion = (5, *tokens * (views > 0)), (7, 8, *later)
    mask, logprobs = (1, 1, *(0 for _ in later)), (-1.0, -1.0, *(0.0 for _ in later))
    return Packed(group, prompt, completion, mask, logprobs, (image,) * views, reward)


def advantages(rewards):
    """Of a group: GRPO's, over those that were judged; 0 for those that were not."""
    told = torch.tensor([reward for reward in rewards if reward is not None])
    mean, sd = told.mean(), told.std() if len(told) > 1 else torch.tensor(0.0)
    return [0.0 if reward is None else float((reward - mean) / (sd + 1e-4)) for reward in rewards]


@pytest.mark.parametrize(
    "rewards",
    [
        (0.0, 0.5, 1.0), (0.5, 0.5, 0.5), (0.0, None, 1.0), (0.7, None, 0.7), (None, 0.7, None), (None, None, None),
    ],
)  # fmt: skip
def test_a_group_is_compared_with_those_of_it_that_were_judged(scored, seen, rewards):
    whole = (1.0, 0.0, 0.25)
    made = scored([*(one(seen, r, "a") for r in rewards), *(one(seen, r, "b") for r in whole)])
    found = made["advantages"].tolist()
    assert found[:3] == pytest.approx(advantages(rewards), abs=1e-4)
    assert found[3:] == pytest.approx(advantages(whole), abs=1e-4)


def test_all_pixels_reach_the_loss_those_of_the_opening_and_those_of_tools(scored, seen):
    batch = [one(seen, n / 6, "ab"[n // 3], views=n % 3) for n in range(6)]
    made = scored(batch)
    assert made["num_images"] == [0, 1, 2, 0, 1, 2]
    assert len(made["image_grid_thw"]) == 6
    features = int(made["image_grid_thw"].prod(-1).sum()) // 4
    ids = torch.cat([made["prompt_ids"], made["completion_ids"]], dim=1)
    assert int((ids == seen[0][1]).sum()) == features == int(made["mm_token_type_ids"].sum())


def test_one_episode_with_a_token_too_few_still_blinds_the_whole_batch_in_trl(scored, seen):
    """Why every episode is checked before it is given to TRL."""
    whole = [one(seen, n / 6, "ab"[n // 3]) for n in range(6)]
    assert "pixel_values" in scored(whole)
    cut = replace(whole[2], prompt=(whole[2].prompt[0], whole[2].prompt[1], *whole[2].prompt[3:]))
    assert "pixel_values" not in scored([*whole[:2], cut, *whole[3:]])


def test_an_episode_that_is_left_out_takes_nothing_from_the_others(scored, seen, chat):
    whole = [one(seen, n / 6, "ab"[n // 3]) for n in range(6)]
    made = scored([*whole[:2], empty("a", chat), *whole[3:]])
    assert len(made["image_grid_thw"]) == 5
    learned = made["completion_mask"] * made["tool_mask"]
    assert learned.sum(1).tolist() == [2, 2, 0, 2, 2, 2]
    assert int(made["num_items_in_batch"]) == 10
