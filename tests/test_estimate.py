import json
import shutil
from pathlib import Path

import pytest

from agent.config import ConfigError, load
from agent.loop import PolicyError, play
from agent.policies.scripted import scripted
from agent.trace import Writer
from agent.training.devices import Devices, devices_of
from agent.training.tables import Model
from sft.settings import training
from sft.shapes import PUBLISHED, chat_of, shape_of
from tests.conftest import needs

needs("torch", "transformers", "peft", "trl", "accelerate")

from sft.estimate import estimate  # noqa: E402
from sft.memory import GIB, LEFT, built, memory, parts  # noqa: E402

CONFIGS = sorted(Path("configs").glob("sft-*.toml"))
LAUNCH = Path("configs/accelerate/fsdp-8gpu.yaml")
ALL_LINEAR = r".*language_model.*\.(q|k|v|o|gate|up|down)_proj"
ORACLE = {"task": {"name": "discs", "count": 6}, "policy": {"name": "oracle"}}


def config(folder, **tables):
    """A config that trains a tiny model on what the oracle shows; `tables` replace those of it."""
    stage = {"name": "traces", "steps": 10, "batch": 4, "learning_rate": 1e-4, "data": [ORACLE]}
    model = {"path": str(folder), "train": "full", "frozen": ["vision"], "dtype": "float32"}
    whole = {"model": model, "stage": stage, "env": {"tools": ["zoom", "measure"], "prompt": "brief"}}
    for name, table in tables.items():
        whole[name] = {**whole.get(name, {}), **table}
    return {**whole, "stage": [whole["stage"]]}


def trained_once(folder, frozen=(), lora=None, checkpointing=False, length=512):
    """(model, optimiser) after one step on the CPU, in float32."""
    import torch
    from transformers import AutoModelForImageTextToText

    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).train()
    if lora:
        from peft import LoraConfig, get_peft_model

        model = get_peft_model(model, LoraConfig(**lora))
    for name, weight in model.named_parameters():
        part = "vision" if "visual." in name else "language"
        weight.requires_grad_(weight.requires_grad and part not in frozen)
    if checkpointing:
        model.gradient_checkpointing_enable()
    learning = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(learning)
    for weight in learning:
        weight.grad = torch.zeros_like(weight)
    optimizer.step()
    return model, optimizer


def size(tensors):
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def counted(folder, frozen=(), lora=None, trainer=None, devices=Devices(), dtype="float32"):
    model = Model(path=folder, train="lora" if lora else "full", dtype=dtype)
    return memory(built(shape_of(folder), model, lora or {}, frozen), trainer or {}, devices, 0, 0.0, dtype)


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("Qwen2.5-VL-7B-Instruct", 8_292_166_656),
        ("Qwen2.5-VL-3B-Instruct", 3_754_622_976),
        ("Qwen3-VL-8B-Instruct", 8_767_123_696),
        ("Qwen3-VL-4B-Instruct", 4_437_815_808),
    ],
)
def test_a_published_model_has_as_many_weights_as_are_published(name, weights):
    """8.29, 3.75, 8.77 and 4.44 billion, by the cards of these models."""
    found = parts(built(shape_of(f"models/{name}"), Model(path=Path(name), train="full"), {}, ["vision"]))
    assert sum(part.trained + part.frozen for part in found) == weights
    assert {part.name: bool(part.trained) for part in found} == {"vision": False, "merger": False, "language": True}


@pytest.mark.parametrize("path", ["models/Qwen2.5-VL-7B-Instruct", "elsewhere/qwen2_5-vl-7b", "Qwen2.5-VL-7B"])
def test_a_published_model_is_known_by_the_name_of_its_folder(path):
    assert shape_of(path).config == PUBLISHED["Qwen2.5-VL-7B-Instruct"][1]


def test_a_model_that_is_not_here_and_not_known_is_named():
    with pytest.raises(ConfigError, match=r"no folder models/other, and its name is none of: Qwen2\.5-VL-7B-Instruct"):
        shape_of("models/other")


@pytest.mark.parametrize("frozen", [[], ["vision"], ["language"]])
@pytest.mark.parametrize("lora", [None, {"r": 4, "target_modules": "all-linear"}])
def test_bytes_are_those_that_torch_allocates(tiny_model, frozen, lora):
    model, optimizer = trained_once(tiny_model, frozen, lora)
    told = counted(tiny_model, frozen, lora)
    learning = [weight for weight in model.parameters() if weight.requires_grad]
    state = [value for one in optimizer.state.values() for key, value in one.items() if key != "step"]
    assert told.weights == size(model.parameters())
    assert told.gradients == size(weight.grad for weight in learning)
    assert told.optimizer == size(state)


@pytest.mark.parametrize("checkpointing", [False, True])
def test_activations_are_at_least_the_peak_that_torch_reports_and_not_far_from_it(tiny_model, checkpointing):
    import torch
    from torch.distributed._tools.mem_tracker import MemTracker

    length = 1024
    model, optimizer = trained_once(tiny_model, checkpointing=checkpointing)
    tracker = MemTracker()
    tracker.track_external(model, optimizer)
    with tracker:
        ids = torch.arange(length)[None] % 200
        model.model(input_ids=ids, use_cache=False).last_hidden_state.pow(2).mean().backward()
    peak = {str(kind).rpartition(".")[2]: n for kind, n in tracker.get_tracker_snapshot("peak")[ids.device].items()}
    told = counted(tiny_model, trainer={"gradient_checkpointing": checkpointing}).per_token * length
    assert 1.0 <= told / (peak["ACT"] + peak["TEMP"]) < 1.35


def test_a_checkpoint_is_as_large_as_is_told(tiny_model, tmp_path):
    import torch

    model, optimizer = trained_once(tiny_model, ["vision"])
    model.save_pretrained(tmp_path)
    torch.save(optimizer.state_dict(), tmp_path / "optimizer.pt")
    written = sum((tmp_path / name).stat().st_size for name in ("model.safetensors", "optimizer.pt"))
    disk = estimate(config(tiny_model)).disk
    assert disk.checkpoint == pytest.approx(written, rel=0.02)
    assert disk.model == pytest.approx((tmp_path / "model.safetensors").stat().st_size, rel=0.02)
    assert disk.needed == 3 * disk.checkpoint + disk.model


def test_adapters_alone_are_in_a_checkpoint_of_theirs(tiny_model, tmp_path):
    import torch

    lora = {"r": 64, "target_modules": ALL_LINEAR}
    model, optimizer = trained_once(tiny_model, ["vision"], lora)
    model.save_pretrained(tmp_path)
    torch.save(optimizer.state_dict(), tmp_path / "optimizer.pt")
    written = sum((tmp_path / name).stat().st_size for name in ("adapter_model.safetensors", "optimizer.pt"))
    assert estimate(config(tiny_model, model={"train": "lora"}, lora=lora)).disk.checkpoint == pytest.approx(
        written, rel=0.05
    )


def test_eight_devices_share_what_one_would_hold(tiny_model):
    one, eight = counted(tiny_model), counted(tiny_model, devices=Devices(8, 8, 8, 8, True))
    assert (eight.weights, eight.gradients, eight.optimizer) == (
        one.weights // 8,
        one.gradients // 8,
        one.optimizer // 8,
    )
    assert one.gathered == 0 < eight.gathered


def test_what_learns_is_held_in_float32_where_it_is_spread(tiny_model):
    one, two = (
        counted(tiny_model, devices=devices, dtype="bfloat16") for devices in (Devices(), Devices(2, 2, 2, 2, True))
    )
    assert two.optimizer == one.optimizer  # twice the bytes, on two devices


def test_a_card_holds_as_many_tokens_as_its_room_allows(tiny_model):
    told = counted(tiny_model)
    most = told.longest(24)
    assert told.total(most) <= 24 * GIB - LEFT < told.total(most + 1)
    assert told.model_copy(update={"weights": 24 * GIB}).longest(24) == 0


def test_devices_are_those_of_the_launch_file(tmp_path):
    assert devices_of(LAUNCH) == Devices(8, 8, 8, 8, True, (), str(LAUNCH))
    path = tmp_path / "zero.yaml"
    path.write_text("distributed_type: DEEPSPEED\nnum_processes: 4\ndeepspeed_config: {zero_stage: 2}\n")
    assert devices_of(path)[:5] == (4, 1, 4, 4, False)
    path.write_text("distributed_type: MULTI_GPU\nnum_processes: 2\n")
    assert devices_of(path)[:5] == (2, 1, 1, 1, False)
    assert devices_of(None) == Devices()


@pytest.mark.parametrize(
    ("text", "said"),
    [("[", "not YAML"), ("a: 1", "must state num_processes"), ("num_processes: 0", "must state num_processes")],
)
def test_a_launch_file_that_cannot_be_used_is_refused(tmp_path, text, said):
    (tmp_path / "launch.yaml").write_text(text)
    with pytest.raises(ConfigError, match=said):
        devices_of(tmp_path / "launch.yaml")
    with pytest.raises(ConfigError, match="No such file"):
        devices_of(tmp_path / "none.yaml")


def test_a_layer_to_be_spread_that_the_model_has_not_is_named(tiny_model):
    with pytest.raises(ConfigError, match=r"x\.yaml: no layer of the model is one of \['LlamaLayer'\]"):
        counted(tiny_model, devices=Devices(2, 2, 2, 2, True, ("LlamaLayer",), "x.yaml"))


@pytest.fixture(scope="module")
def stored(tmp_path_factory, tiny_models):
    """A run of five demonstrations, of which one is good: (its folder, an image that is missing)."""
    import asyncio

    from agent.plan import questions
    from envs.env import ReadingEnv

    folder = tmp_path_factory.mktemp("demos")
    with Writer(folder) as writer:
        for number, (question, truth) in enumerate(questions({"name": "discs", "count": 5})):
            box = list(question.images[0].box.numbers)
            call = json.dumps({"name": "crop" if number == 1 else "zoom", "arguments": {"image": "img0", "box": box}})
            look = f"<think>{'Look. ' * (2000 if number == 4 else 1)}</think><tool_call>{call}</tool_call>"
            answer = f"<think>Seen.</think><answer>{'9999 mm' if number == 2 else truth.answer}</answer>"
            env = ReadingEnv([(question, truth)], tools=["zoom", "crop"])
            writer.write(asyncio.run(play(env, scripted([look, answer]), question)))
    return folder


def test_what_would_be_dropped_is_told_with_the_reason(tiny_model, stored, tmp_path):
    folder = tmp_path / "demos"
    shutil.copytree(stored, folder)
    from agent.trace import read

    first = next(iter(read(folder)))
    lost = first.turns[0].images[0].hash
    (folder / "images" / lost[:2] / f"{lost}.png").unlink()
    told = estimate(config(tiny_model, model={"max_length": 2000}, stage={"data": [{"run": str(folder)}]}))
    (found,) = told.stages[0].data
    assert (found.count, found.looked, len(found.tokens), len(found.long)) == (5, 5, 1, 1)
    assert found.dropped == {"an image is missing": 1, "asks for the unknown tool 'crop'": 1, "wrong": 1}
    lines = "\n".join(told.lines())
    assert f"dropped: 1 longer than max_length 2,000: {found.long[0]:,} tokens" in lines
    assert "dropped: 1 of 5: wrong" in lines


def test_tokens_are_those_that_are_trained_on(tiny_model):
    from agent.plan import questions
    from sft.mixture import Mixture

    made = config(tiny_model)
    (found,) = estimate(made).stages[0].data
    mixture = Mixture(training(made), 0)
    lengths = {len(mixture[n].example.rendered.ids) for n in range(40)}
    assert set(found.tokens) == lengths
    assert found.count == found.looked == len(list(questions(ORACLE["task"])))
    assert set(found.learned) >= {"think", "act", "rethink", "answer", "form"}
    example = mixture[0].example
    assert sum(found.learned.values()) == pytest.approx(sum(example.rendered.mask), rel=0.2)


def test_shares_and_epochs_follow_from_weights(tiny_model):
    data = [{**ORACLE, "weight": 4.0}, {**ORACLE, "task": {"name": "discs", "count": 3}}]
    (stage,) = estimate(config(tiny_model, stage={"data": data, "temperature": 2.0, "steps": 9})).stages
    assert [one.share for one in stage.data] == pytest.approx([2 / 3, 1 / 3])
    assert [stage.epochs(one) for one in stage.data] == pytest.approx([9 * 4 * (2 / 3) / 6, 9 * 4 / 3 / 3])


def test_an_estimate_is_also_an_object_of_json(tiny_model):
    told = estimate(config(tiny_model))
    assert json.loads(told.model_dump_json())["stages"][0]["memory"]["weights"] > 0
    assert told.lines()[-1] == "no problem; nothing was started"


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        (
            {"lora": {"target_modules": ["nothing"]}, "model": {"train": "lora"}},
            r"lora.target_modules: 'nothing' is no linear layer",
        ),
        ({"model": {"frozen": ["vision", "language"]}}, "both frozen, so nothing would be learned"),
        ({"stage": {"batch": 12}, "sft": {"accelerate": str(LAUNCH)}}, "batch 12 is not 8 devices x 1"),
        ({"stage": {"data": [{"run": "nowhere"}]}}, "nowhere holds no episodes/"),
    ],
)
def test_a_training_that_cannot_be_is_refused_in_words(tiny_model, tables, said):
    with pytest.raises(ConfigError, match=said):
        estimate(config(tiny_model, **tables))


def test_a_folder_that_is_no_whole_model_is_refused(tiny_model, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder)
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(PolicyError, match="holds no chat template"):
        estimate(config(folder))
    (folder / "config.json").unlink()
    with pytest.raises(PolicyError, match="holds no config"):
        estimate(config(folder))


def test_a_problem_is_told_with_what_to_change(tiny_model):
    told = estimate(config(tiny_model, model={"attention": "flash_attention_2", "max_length": 10}))
    assert len(told.problems) == 2
    assert "pip install 'overread[flash]', or \"auto\"" in told.problems[0]
    assert "all of discs/train by oracle that was looked at is dropped" in told.problems[1]
    assert told.lines()[-1] == "2 problems; nothing was started"


def test_where_no_card_is_large_enough_the_knobs_are_named(tiny_model):
    told = estimate(config(tiny_model, trainer={"gradient_checkpointing": False, "per_device_train_batch_size": 2}))
    stage = told.stages[0]
    large = stage.memory.model_copy(update={"weights": 100 * GIB})
    lines = "\n".join(told.model_copy(update={"stages": (stage.model_copy(update={"memory": large}),)}).lines())
    assert lines.count("too small") == 4
    for knob in ("gradient_checkpointing = true", "batch_size = 1", 'train = "lora"', 'optim = "adamw_8bit"'):
        assert knob in lines


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_shipped_config_fits_the_card_that_it_is_for(path):
    made = training(load([path]))
    devices = devices_of(made.own.accelerate)
    for number in range(len(made.stages)):
        model = built(shape_of(made.model.path), made.model, made.lora, made.frozen(number))
        needed = memory(model, made.trainer, devices, 1000, 0.5)
        assert needed.longest(80 if made.model.train == "full" else 24) >= made.model.max_length
        assert (devices.number == 8) == (made.model.train == "full")


@pytest.mark.slow
@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_dry_run_of_a_shipped_config_finds_no_problem_and_drops_nothing(path):
    told = estimate(load([path]))
    assert told.problems == ()
    assert not any(one.dropped or one.long for stage in told.stages for one in stage.data)
    assert not told.weights_here
    assert "its weights are not here" in "\n".join(told.lines())


def test_a_model_that_is_not_here_is_written_to_as_its_family_is(question):
    (image,) = question.images
    chats = {name: chat_of(shape_of(name)) for name in ("Qwen2.5-VL-7B", "Qwen3-VL-8B")}
    assert chats["Qwen3-VL-8B"].canvas(image) == (1000, 1000)
    width, height = chats["Qwen2.5-VL-7B"].canvas(image)
    assert (width % 28, height % 28) == (0, 0)
