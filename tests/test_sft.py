import json
import shutil

import pytest

from agent.chats import chat_for
from agent.config import ConfigError, load
from agent.loop import PolicyError
from agent.torch_setup import set_up_torch
from agent.trace import read
from agent.training.model import check_folder, freeze
from agent.training.model import load as load_model
from agent.training.toml import toml
from sft.collate import IGNORED, collate
from sft.ledger import Ledger
from sft.mixture import LeftOut, Mixture
from sft.phases import NAMES, told
from sft.settings import batches, training
from sft.train import begin
from tests.conftest import needs
from tests.training import ORACLE, config, demonstration, lines, stored, trained

needs("torch", "torchvision", "transformers", "trl", "peft")

import torch  # noqa: E402
from safetensors.torch import load_file  # noqa: E402


def weights(folder):
    return load_file(folder / "model.safetensors")


def moved(before, after):
    """The parts of a model of which some weight is another."""
    return {"vision" if "visual." in name else "language" for name in before if not before[name].equal(after[name])}


@pytest.fixture(scope="module")
def finished(tiny_models, tmp_path_factory):
    """A training of two stages, 5 steps in all, that validates."""
    folder = tmp_path_factory.mktemp("sft") / "run"
    validation = {"task": {"name": "shape", "split": "validation", "count": 3}, "every": 2, "max_new_tokens": 8}
    stages = ({"steps": 3, "batch": 4}, {"steps": 2})
    made = config(tiny_models("qwen3_vl"), *stages, validation=validation, trainer={"save_steps": 2})
    return made, folder, trained(made, folder)


def test_the_loss_is_that_of_the_written_tokens_alone(tiny_model, family, tmp_path):
    """Cross entropy by hand, over all tokens of a step, which is taken in two halves."""
    from transformers import AutoImageProcessor, AutoModelForImageTextToText

    made = config(tiny_model, {"steps": 1, "batch": 4})
    trained(made, tmp_path / "run")
    mixture = Mixture(training(made), 0)
    examples = [mixture[n].example for n in range(4)]
    batch = collate(examples, chat_for(tiny_model), AutoImageProcessor.from_pretrained(tiny_model))
    labels, phases = batch.pop("labels"), batch.pop("phases")
    model = AutoModelForImageTextToText.from_pretrained(tiny_model)
    with torch.no_grad():
        logits = model(**batch).logits[:, :-1].flatten(0, 1)
    expected = torch.nn.functional.cross_entropy(
        logits, labels[:, 1:].flatten(), ignore_index=IGNORED, reduction="none"
    )
    (line,) = lines(tmp_path / "run")
    assert line["loss"] == pytest.approx(float(expected[expected > 0].mean()), rel=1e-4)
    assert line["tokens"] == int(labels.ne(IGNORED).sum()) == sum(one["learned"] for one in line["phases"].values())
    right = logits.argmax(-1) == labels[:, 1:].flatten()
    for number, name in enumerate(NAMES, start=1):
        own = phases[:, 1:].flatten() == number
        assert line["phases"][name]["loss"] == pytest.approx(float(expected[own].mean()), rel=1e-4)
        assert line["phases"][name]["accuracy"] == pytest.approx(float(right[own].float().mean()), abs=1e-6)
        assert line["phases"][name]["learned"] == int(own.sum())
    assert line["samples"] == 4


@pytest.mark.parametrize(
    ("frozen", "learns"),
    [([], {"vision", "language"}), (["vision"], {"language"}), (["language"], {"vision"})],
)
def test_what_is_frozen_stays_and_the_rest_moves(tiny_model, tmp_path, frozen, learns):
    trained(config(tiny_model, {"steps": 1}, model={"frozen": frozen}), tmp_path / "run")
    assert moved(weights(tiny_model), weights(tmp_path / "run" / "model")) == learns


def test_a_stage_can_have_other_frozen_parts(tiny_models, tmp_path):
    model = tiny_models("qwen3_vl")
    stages = ({"steps": 1, "frozen": ["language"]}, {"steps": 1})
    trained(config(model, *stages, model={"frozen": ["vision"]}, sft={"keep": 2}), tmp_path / "run")
    first, second = (weights(tmp_path / "run" / "checkpoints" / step) for step in "12")
    assert moved(weights(model), first) == {"vision"}
    assert moved(first, second) == {"language"}


def test_adapters_alone_learn_and_are_merged_in_the_end(tiny_model, tmp_path):
    from peft import PeftModel
    from transformers import AutoModelForImageTextToText

    lora = {"r": 4, "lora_alpha": 64, "target_modules": ["q_proj", "qkv"]}
    trained(config(tiny_model, {"steps": 2}, model={"train": "lora"}, lora=lora), tmp_path / "run")
    before, after = weights(tiny_model), weights(tmp_path / "run" / "model")
    changed = {name for name in before if not before[name].equal(after[name])}
    assert changed == {name for name in before if name.endswith((".q_proj.weight", ".qkv.weight"))}
    held = PeftModel.from_pretrained(
        AutoModelForImageTextToText.from_pretrained(tiny_model), tmp_path / "run" / "adapter"
    )
    for name, weight in held.merge_and_unload().state_dict().items():
        if name in after:
            torch.testing.assert_close(weight, after[name])


def test_a_frozen_part_has_no_adapter_that_learns(tiny_model):
    settings = training(config(tiny_model, model={"train": "lora"}))
    model = load_model(settings.model, 0, {})
    freeze(model, ["vision"], adapters=True)
    learns = {name for name, weight in model.named_parameters() if weight.requires_grad}
    assert learns == {name for name, _ in model.named_parameters() if "lora_" in name and ".visual." not in name}


@pytest.mark.parametrize(
    ("lora", "said"),
    [
        (
            {"target_modules": ["q_proj", "q_prj"]},
            r"'q_prj' is no linear layer of the model; there are: .*k_proj.*o_proj",
        ),
        ({"target_modules": ".*qproj"}, r"'\.\*qproj' is no linear layer of the model; there are: "),
        ({"target_modules": ["lm_head"]}, "lm_head cannot have an adapter"),
        ({"r": 0}, "lora: "),
    ],
)
def test_adapters_that_cannot_be_added_are_refused_in_words(tiny_model, lora, said):
    settings = training(config(tiny_model, model={"train": "lora"}, lora=lora))
    with pytest.raises(ConfigError, match=said):
        load_model(settings.model, 0, settings.lora)


def test_adapters_in_what_is_frozen_alone_are_refused(tiny_model, tmp_path):
    made = config(tiny_model, model={"train": "lora", "frozen": ["vision"]}, lora={"target_modules": ["qkv"]})
    with pytest.raises(ConfigError, match=r"lora\.target_modules lie in what is frozen, vision"):
        trained(made, tmp_path / "run")


def test_weights_can_be_drawn_anew_in_the_shape_of_a_folder(tiny_model, tmp_path):
    drawn = [load_model(training(config(tiny_model, model={"init": "random"})).model, seed, {}) for seed in (1, 1, 2)]
    first, same, other = (model.state_dict() for model in drawn)
    assert all(same[name].equal(weight) for name, weight in first.items())
    assert (
        moved(first, other) == moved(first, drawn[0].from_pretrained(tiny_model).state_dict()) == {"vision", "language"}
    )
    assert drawn[0].dtype == torch.float32


def test_weights_are_held_in_the_type_asked_for(tiny_model):
    for dtype in ("bfloat16", "float32"):
        made = training(config(tiny_model, model={"dtype": dtype, "train": "lora"}))
        model = load_model(made.model, 0, {})
        held = {weight.dtype for name, weight in model.named_parameters() if "lora_" not in name}
        assert held == {getattr(torch, dtype)}
        assert {w.dtype for name, w in model.named_parameters() if "lora_" in name} == {torch.float32}


def test_a_stage_starts_from_the_last(finished, tiny_models):
    made, folder, _ = finished
    shorter = trained({**made, "stage": made["stage"][:1]}, folder.parent / "first")
    first, both = weights(shorter.folder / "model"), weights(folder / "model")
    assert moved(weights(tiny_models("qwen3_vl")), first) == moved(first, both) == {"vision", "language"}
    steps = [line for line in lines(folder) if "loss" in line]
    assert [(line["step"], line["stage"]) for line in steps] == [*((n, "s0") for n in (1, 2, 3)), (4, "s1"), (5, "s1")]
    assert [line["samples"] for line in steps] == [4, 8, 12, 14, 16]
    rates = [line["learning_rate"] for line in steps]
    assert rates[0] == rates[3] == 1e-3  # each stage has a schedule of its own
    assert rates[2] < rates[0]


def test_tokens_that_are_not_learned_are_not_scored(tiny_models, tmp_path, monkeypatch):
    set_up_torch()
    import trl.trainer.utils

    scored = []
    own = trl.trainer.utils._ChunkedLogProbFunction.apply

    def watched(hidden, *more):
        scored.append(len(hidden))
        return own(hidden, *more)

    monkeypatch.setattr(trl.trainer.utils._ChunkedLogProbFunction, "apply", watched)
    trained(config(tiny_models("qwen3_vl")), tmp_path / "run")
    assert sum(scored) == lines(tmp_path / "run")[-1]["tokens"]


def test_the_model_at_the_end_is_a_whole_folder(finished):
    from transformers import AutoModelForImageTextToText, AutoProcessor

    _, folder, _ = finished
    check_folder(folder / "model")
    AutoProcessor.from_pretrained(folder / "model")
    model = AutoModelForImageTextToText.from_pretrained(folder / "model")
    last = weights(folder / "checkpoints" / "5")
    assert all(weight.equal(last[name]) for name, weight in model.state_dict().items() if name in last)


def test_it_validates_before_the_first_step_every_so_many_and_after_the_last(finished):
    _, folder, course = finished
    found = course.ledger.validated()
    assert [*found] == [0, 2, 4, 5]
    assert all(0 <= one["low"] <= one["right"] <= one["high"] <= 1 and one["played"] == 3 for one in found.values())
    played = [*read(folder)]
    assert sorted({episode.step for episode in played}) == [0, 2, 4, 5]
    assert all(len(turn.reply.token_ids) <= 8 for episode in played for turn in episode.turns)
    assert len(played) == 12
    assert {episode.policy for episode in played} == {"step 0", "step 2", "step 4", "step 5"}


def test_what_is_played_is_what_the_stored_model_would_write(finished):
    """The weights in memory and those on disk are the same: greedy replies are token for token."""
    import asyncio

    from agent.loop import play
    from agent.plan import questions
    from agent.policies.local import local
    from envs.env import ReadingEnv

    made, folder, _ = finished
    policy = local(folder / "model", temperature=0.0, max_new_tokens=8, device="cpu")
    played = {episode.question.id: episode for episode in read(folder) if episode.step == 5}
    for number, (question, truth) in enumerate(questions(made["validation"]["task"])):
        again = asyncio.run(play(ReadingEnv([(question, truth)], **made["env"]), policy, question, number))
        assert [turn.reply.token_ids for turn in again.turns] == [
            turn.reply.token_ids for turn in played[question.id].turns
        ]


def test_checkpoints_are_kept_as_asked_and_the_newest_is_one_of_them(finished):
    _, folder, _ = finished
    assert sorted(path.name for path in (folder / "checkpoints").iterdir() if path.name.isdigit()) == ["3", "5"]


def test_the_card_says_what_it_was_made_of(finished):
    made, folder, _ = finished
    facts = json.loads((folder / "run.json").read_text())
    assert (facts["kind"], facts["state"], facts["steps"]) == ("sft", "finished", 5)
    assert facts["data"]["s0.0"]["count"] == 12
    assert facts["progress"]["sources"] == {"s0.0": 12, "s1.0": 4}
    assert facts["progress"]["learned"] == lines(folder)[-2]["tokens"] > 0
    card = (folder / "card.md").read_text()
    for said in (
        "shape/train by oracle",
        facts["data"]["s0.0"]["hash"],
        "trl 1.16",
        "| 5 | 0.",
        "learning_rate = 0.001",
    ):
        assert said in card
    (folder / "again.toml").write_text((folder / "resolved.toml").read_text())
    assert training(load([folder / "again.toml"])) == training(made)


def test_a_finished_training_is_not_run_again(finished):
    made, folder, _ = finished
    with pytest.raises(ConfigError, match="is not empty; go on in it with --resume, or give another --out"):
        begin(training(made), folder, resume=False)
    with pytest.raises(ConfigError, match="is finished, its model is"):
        begin(training(made), folder, resume=True)


def test_a_training_goes_on_with_its_own_settings_alone(tiny_model, tmp_path):
    demos = stored(tmp_path / "demos")
    made = config(tiny_model, {"data": [{"run": str(demos)}, ORACLE]}, {"steps": 3})
    folder = tmp_path / "run"
    begin(training(made), folder, resume=False)
    with pytest.raises(ConfigError, match="is not the run of a training like this one, so there is nothing to resume"):
        begin(training(made), folder, resume=True)
    trained(made, tmp_path / "other")
    facts = json.loads((tmp_path / "other" / "run.json").read_text()) | {"state": "not finished"}
    (folder / "run.json").write_text(json.dumps(facts))
    begin(training({**made, "sft": {"workers": 2, "keep": 7}}), folder, resume=True)
    other = json.loads(json.dumps(made))
    other["stage"][1]["learning_rate"] = 2e-3
    other["env"]["max_turns"] = 4
    with pytest.raises(ConfigError, match=r"begun with another env\.max_turns, stage\.1\.learning_rate; set it"):
        begin(training(other), folder, resume=True)
    stored(demos, [demonstration_of_one()])
    with pytest.raises(ConfigError, match=r"begun with another data s0\.0\.count, data s0\.0\.hash"):
        begin(training(made), folder, resume=True)


def demonstration_of_one():
    from envs.tasks.discs import discs

    return demonstration(next(discs("test")))


def test_what_was_left_out_is_written_down_once_and_counted(tiny_models, tmp_path):
    cut = [demonstration_of_one(), demonstration_of_one().model_copy(update={"stop": "turn_limit"})]
    demos = stored(tmp_path / "demos", cut)
    made = config(tiny_models("qwen3_vl"), {"steps": 2, "data": [{"run": str(demos)}]})
    trained(made, tmp_path / "run")
    line = {"source": str(demos), "number": 1, "reason": "no answer (turn_limit)"}
    assert [json.loads(one) for one in (tmp_path / "run" / "left_out.jsonl").read_text().splitlines()] == [line]
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    assert facts["left_out"] == {str(demos): {"no answer (turn_limit)": 1}}
    assert "| no answer (turn_limit) | 1 |" in (tmp_path / "run" / "card.md").read_text()


def sums(loss, right, tokens):
    """What a batch tells of which everything is an answer."""
    nothing = [0.0, 0.0, 0.0]
    return [[loss, right, tokens] if name == "answer" else nothing for name in ("unwritten", *NAMES)]


def test_a_ledger_is_cut_back_to_where_a_checkpoint_was(tmp_path):
    ledger = Ledger(tmp_path, {})
    ledger.count(sums(2.0, 1.0, 2.0), 10, ["a", "b"])
    ledger.close(told(ledger.tally), step=1)
    ledger.leave_out([LeftOut("a", 3, "wrong")])
    ledger.count(sums(4.0, 0.0, 1.0), 5, ["a"])
    facts = json.loads(json.dumps(ledger.facts()))
    ledger.close(told(ledger.tally), step=2)
    ledger.leave_out([LeftOut("a", 4, "wrong"), LeftOut("a", 3, "wrong")])
    after = (tmp_path / "left_out.jsonl").read_text()
    whole = (tmp_path / "metrics.jsonl").read_text()
    (tmp_path / "metrics.jsonl").write_text(whole + '{"step": 3, "los')

    again = Ledger(tmp_path, facts)
    assert [line["step"] for line in lines(tmp_path)] == [1]
    assert again.reasons() == {"a": {"wrong": 1}}
    again.leave_out([LeftOut("a", 4, "wrong")])
    line = again.close(told(again.tally), step=2)
    assert (tmp_path / "left_out.jsonl").read_text() == after
    assert (line["loss"], line["accuracy"], line["tokens"], line["samples"]) == (4.0, 0.0, 3, 3)
    assert again.sources == {"a": 2, "b": 1}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"stage": []}, r"there is no \[\[stage\]\]: nothing would be learned"),
        ({"stage": {"name": "x"}}, r"a stage is written \[\[stage\]\]"),
        ({"trainer": {"lerning_rate": 1}}, r"trainer.lerning_rate is no setting of trl.SFTConfig; did you mean 'learn"),
        ({"trainer": {"max_steps": 5}}, "trainer.max_steps is stated elsewhere: by stage.steps"),
        ({"trainer": {"packing": True}}, "trainer.packing cannot be set"),
        ({"model": {"path": "x", "trian": "full"}}, "model has no setting 'trian'; .* Did you mean 'train'"),
        ({"model": {}}, "model must state path"),
        ({"model": {"path": "x", "frozen": ["tower"]}}, r"model\.frozen\.0: Input should be 'vision' or 'language'"),
        ({"model": {"path": "x", "frozen": ["vision", "language"]}}, "both frozen, so nothing would be learned"),
        ({"lora": {"rank": 8}}, "is set, and model.train is"),
        ({"model": {"path": "x", "train": "lora"}, "lora": {"rank": 8}}, "lora.rank is no setting of peft.LoraConfig"),
        ({"env": {"max_turn": 3}}, "max_turn"),
        ({"sft": {"workers": -1}}, r"sft\.workers: Input should be greater than or equal to 0"),
        ({"validation": {"every": 5}}, "validation must state task"),
        ({"validation": {"task": {"name": "shap"}}}, "no 'shap' in envs/tasks"),
        ({"validation": {"task": {"name": "shape", "split": "val"}}}, "validation.task: shape: no split 'val'"),
        ({"validation": {"task": {"name": "shape", "count": 0}}}, "validation.task has no question"),
        ({"eval": {}}, "the config has no setting 'eval'"),
    ],
)
def test_a_config_that_cannot_work_is_refused_before_anything_is_loaded(tmp_path, change, said):
    with pytest.raises(ConfigError, match=said):
        training(config(tmp_path) | change)


@pytest.mark.parametrize(
    ("stage", "said"),
    [
        ({"data": []}, r"stage\.0 has no data"),
        ({"data": [{"weight": 1.0}]}, r"stage\.0\.data\.0 needs either run, or task and policy"),
        ({"data": [{"run": "x", **ORACLE}]}, "needs either run, or task and policy"),
        ({"data": [{"task": {"name": "shape"}}]}, "needs either run, or task and policy"),
        ({"data": [{"run": "x", "weight": 0.0}]}, r"stage\.0\.data\.0\.weight: Input should be greater than 0"),
        ({"steps": 0}, r"stage\.0\.steps: Input should be greater than or equal to 1"),
        ({"stpes": 3}, r"stage\.0 has no setting 'stpes'"),
    ],
)
def test_a_stage_that_cannot_work_is_refused(tmp_path, stage, said):
    with pytest.raises(ConfigError, match=said):
        training(config(tmp_path, stage))


@pytest.mark.parametrize(
    ("trainer", "devices", "held"),
    [
        ({}, 1, (1, 12)),
        ({"per_device_train_batch_size": 4}, 1, (4, 3)),
        ({"per_device_train_batch_size": 4}, 3, (4, 1)),
        ({"gradient_accumulation_steps": 2}, 2, (3, 2)),
        ({"per_device_train_batch_size": 5}, 1, None),
        ({"per_device_train_batch_size": 4, "gradient_accumulation_steps": 2}, 1, None),
        ({}, 5, None),
    ],
)
def test_a_batch_is_spread_over_devices_and_over_time(tmp_path, trainer, devices, held):
    made = training({**config(tmp_path, {"batch": 12}), "trainer": trainer})
    if held is None:
        with pytest.raises(ConfigError, match=r"batch 12 is not .* devices x .* episodes at a time"):
            batches(made, made.stages[0], devices)
    else:
        assert batches(made, made.stages[0], devices) == held


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        ("config.json", "is not a model's folder"),
        ("processor_config.json", "does not say how large its images are"),
        ("tokenizer.json", "holds no tokenizer"),
        ("chat_template.jinja", "holds no chat template"),
    ],
)
def test_a_folder_that_lacks_something_is_refused_before_it_is_loaded(tiny_model, tmp_path, lost, said):
    shutil.copytree(tiny_model, tmp_path / "model", ignore=shutil.ignore_patterns("*.safetensors", lost))
    with pytest.raises(PolicyError, match=said):
        trained(config(tmp_path / "model"), tmp_path / "run")


def test_a_family_that_is_not_known_is_refused(tiny_models, tmp_path):
    shutil.copytree(tiny_models("qwen3_vl"), tmp_path / "model")
    path = tmp_path / "model" / "config.json"
    path.write_text(path.read_text().replace('"qwen3_vl"', '"llava"'))
    with pytest.raises(PolicyError, match="holds a 'llava' model; the families known are: qwen2_5_vl, qwen3_vl"):
        trained(config(tmp_path / "model"), tmp_path / "run")


def test_a_config_is_kept_as_toml(tmp_path):
    table = {
        "a": {"plain": 1, "of two words": [1.5, True, 'quoted "é"'], "in": {"x": [{"y": 1e-05}]}},
        "b": [{"c": 1}, {}],
    }
    (tmp_path / "kept.toml").write_text(toml(table))
    assert load([tmp_path / "kept.toml"]) == table
