"""A stage teaches a vision tower places, and leaves nothing behind but the tower."""

import pytest

from agent.config import ConfigError
from sft.settings import training
from sft.trainer import arguments
from tests.conftest import needs
from tests.training import ORACLE, config, lines, trained

needs("torch", "torchvision", "transformers", "trl")

PLACES = {"teach": "places", "steps": 4, "data": [{"task": {"name": "count", "count": 20}}]}


@pytest.fixture(scope="module")
def ran(tiny_models, tmp_path_factory):
    """The folder of a training that taught places first, and replies then, from random weights."""
    folder = tmp_path_factory.mktemp("placing") / "run"
    trained(wanted(tiny_models), folder)
    return folder


def wanted(tiny_models, **more):
    return config(tiny_models("qwen3_vl"), PLACES, {"steps": 2}, model={"init": "random"}, sft={"keep": 9}, **more)


def weights(folder):
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


def test_its_lines_tell_how_well_places_are_told(ran):
    told = [line for line in lines(ran) if line["stage"] == "s0"]
    assert [line["step"] for line in told] == [1, 2, 3, 4]
    for line in told:
        assert line["loss"] > 0
        assert 0 <= line["places"]["found"] <= 1
        assert line["tokens"] == 0
    assert "places" not in lines(ran)[-1]


def test_nothing_is_played_before_replies_are_taught(tiny_models, tmp_path):
    asked = {"task": {"name": "shape", "split": "validation", "count": 2}, "every": 2, "max_new_tokens": 4}
    trained(wanted(tiny_models, validation=asked), tmp_path / "run")
    assert [line["step"] for line in lines(tmp_path / "run") if "validation" in line] == [4, 6]


def test_only_the_tower_learns_and_the_head_is_gone_afterwards(ran):
    import torch

    from agent.training.model import TOWER, load

    drawn = load(training(config(ran.parent, model={"path": str(tiny(ran)), "init": "random"})).model, 0, {})
    first, last = weights(ran / "checkpoints" / "4"), weights(ran / "model")
    assert {name for name in first if name.startswith("places.")} == {"places.weight", "places.bias"}
    assert not [name for name in last if name.startswith("places.")]
    for name, value in drawn.state_dict().items():
        if name in first and TOWER not in f".{name}":
            assert torch.equal(first[name], value), name
    handed = [name for name in first if "deepstack" in name and "linear_fc2" in name]
    assert handed
    assert not any(first[name].any() for name in handed)  # it begins at nothing, and no place is asked of it
    assert not torch.equal(first["model.visual.blocks.0.attn.qkv.weight"], drawn.model.visual.blocks[0].attn.qkv.weight)


def tiny(run):
    import json

    return json.loads((run / "run.json").read_text())["settings"]["model"]["path"]


@pytest.mark.parametrize("step", [2, 4])
def test_it_goes_on_exactly(ran, tiny_models, tmp_path, step):
    import shutil

    import torch

    folder = tmp_path / "again"
    trained(wanted(tiny_models, trainer={"save_steps": 2}), folder)
    for later in (folder / "checkpoints").iterdir():
        if later.name.isdigit() and int(later.name) > step:
            shutil.rmtree(later)
    shutil.rmtree(folder / "model")
    about = folder / "run.json"
    about.write_text(about.read_text().replace('"finished"', '"not finished"'))
    trained(wanted(tiny_models, trainer={"save_steps": 2}), folder, resume=True)
    one, two = weights(ran / "model"), weights(folder / "model")
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_a_learning_rate_of_the_tower_is_its_own(tiny_models):
    import torch

    from sft.trainer import part_rates

    language, vision = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    optimizer = torch.optim.AdamW([*language.parameters(), *vision.parameters()], lr=1.0, weight_decay=0.5)
    part_rates(optimizer, {id(weight) for weight in vision.parameters()}, 0.25)
    rates = {id(weight): group["lr"] for group in optimizer.param_groups for weight in group["params"]}
    assert [rates[id(weight)] for weight in (*language.parameters(), *vision.parameters())] == [1, 1, 0.25, 0.25]
    assert {group["weight_decay"] for group in optimizer.param_groups} == {0.5}


def test_a_stage_with_such_a_rate_moves_the_tower_by_it(tiny_models, tmp_path):
    from agent.training.model import TOWER

    made = config(tiny_models("qwen3_vl"), {"vision_learning_rate": 1e-12})
    trained(made, tmp_path / "run")
    before, after = weights(tiny_models("qwen3_vl")), weights(tmp_path / "run" / "model")
    moved = {True: 0.0, False: 0.0}
    for name, weight in after.items():
        moved[TOWER in name] = max(moved[TOWER in name], float((weight - before[name]).abs().max()))
    assert moved[True] < 1e-8
    assert moved[False] > 1e-4


@pytest.mark.parametrize(
    ("stage", "model", "said"),
    [
        ({"data": [ORACLE]}, {}, "needs either run, or task alone: where places are taught, nobody plays"),
        ({}, {"train": "lora"}, "the whole vision tower learns, and nothing else"),
        ({"frozen": ["language"]}, {}, "the whole vision tower learns, and nothing else"),
        ({"teach": "where"}, {}, "teach"),
    ],
)
def test_what_cannot_be_taught_so_is_refused(tiny_models, stage, model, said):
    with pytest.raises(ConfigError, match=said):
        training(config(tiny_models("qwen3_vl"), PLACES | stage, model=model))


def test_several_devices_are_refused(tiny_models, tmp_path):
    made = training(config(tiny_models("qwen3_vl"), PLACES | {"batch": 4}))
    with pytest.raises(ConfigError, match="on one device alone"):
        arguments(made, 0, tmp_path, devices=2)
