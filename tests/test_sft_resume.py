import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from agent.training.checkpoints import DRAFT, PROGRESS, SaveError, drafted, rotate, whole
from agent.training.toml import toml
from tests.conftest import needs
from tests.training import ORACLE, RULES, config, lines

needs("torch", "torchvision", "transformers", "trl", "peft")

OVERREAD = Path(sys.executable).parent / "overread"
SCOPE = {"name": "locate", "count": 30}
VALIDATION = {"task": {"name": "shape", "split": "validation", "count": 2}, "every": 4, "max_new_tokens": 8}
EXPERT = {"policy": {"name": "sft.expert"}}
STAGES = (
    {"steps": 7, "data": [{"task": {"name": "shape", "count": 3}, **EXPERT}, {"task": SCOPE, **EXPERT}]},  # epochs end
    {"steps": 6, "data": [ORACLE], "learning_rate": 2e-3},
)


def wanted(tiny, **changes):
    """Two stages, checkpoints that fall on no line of metrics, validations, and something to be left out."""
    more = {"env": RULES, "validation": VALIDATION, **changes}
    trainer = {"save_steps": 3, "logging_steps": 2, **more.pop("trainer", {})}
    return config(tiny, *more.pop("stages", STAGES), trainer=trainer, **more)


def command(folder, made, *more):
    folder.parent.mkdir(exist_ok=True)
    path = folder.parent / f"{folder.name}.toml"
    path.write_text(toml(made))
    return [OVERREAD, "sft", path, "--out", folder, *more]


def run(folder, made, *more, code=0, **settings):
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command(folder, made, *more), capture_output=True, text=True, env=environment, **settings)
    assert done.returncode == code, done.stderr
    return done


def begun(folder, made, *more, **settings):
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    called = command(folder, made, *more)
    return subprocess.Popen(called, stderr=subprocess.PIPE, text=True, env=environment, **settings)


def timeless(folder):
    """The lines of metrics without what a clock says."""
    return [
        {name: value for name, value in line.items() if name not in ("seconds", "tokens_per_s")}
        for line in lines(folder)
    ]


def same(one, other, *files):
    assert all((one / file).read_bytes() == (other / file).read_bytes() for file in ("left_out.jsonl", *files))
    assert timeless(one) == timeless(other)
    played = [sorted(path.name for path in (folder / "episodes").iterdir()) for folder in (one, other)]
    assert played[0] == played[1]


def finished(folder):
    about = folder / "run.json"
    return about.exists() and json.loads(about.read_text())["state"] == "finished"


def numbers(folder):
    return [int(path.name) for path in whole(folder / "checkpoints")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "changes"),
    [
        ("qwen2_5_vl", {}),
        ("qwen3_vl", {"sft": {"workers": 1}, "trainer": {"per_device_train_batch_size": 1}}),
        ("qwen3_vl", {"model": {"train": "lora", "init": "random"}, "lora": {"lora_dropout": 0.2}}),
    ],
)
def test_a_training_that_is_killed_again_and_again_ends_as_one_that_is_not(tiny_models, tmp_path, family, changes):
    made = wanted(tiny_models(family), **changes)
    began = time.perf_counter()
    run(tmp_path / "whole", made)
    took = time.perf_counter() - began
    rng = np.random.default_rng(7)
    kills, folder = 0, tmp_path / "killed"
    while kills < 40:
        process = begun(folder, made, *(["--resume"] if (folder / "run.json").exists() else []))
        try:
            _, said = process.communicate(timeout=float(rng.uniform(0.3, 0.9)) * took)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            kills += 1
            if finished(folder):  # it was killed on its way out
                break
            continue
        assert process.returncode == 0, said
        break
    assert kills >= 1
    same(tmp_path / "whole", folder, "model/model.safetensors")
    assert finished(folder)


def spawned(process):
    """The number of the worker that a process has started, as soon as it is there."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while True:
        assert process.poll() is None
        for number in children.read_text().split():
            with suppress(FileNotFoundError, ProcessLookupError):
                if b"spawn_main" in Path(f"/proc/{number}/cmdline").read_bytes():
                    return number


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.0, 0.5, 2.0])
def test_no_worker_outlives_a_training_that_is_killed_while_the_worker_starts(tiny_models, tmp_path, seconds):
    process = begun(tmp_path / "killed", wanted(tiny_models("qwen3_vl"), sft={"workers": 1}))
    worker = spawned(process)
    time.sleep(seconds)
    process.kill()
    process.communicate(timeout=30)  # it ends when nobody holds the pipe
    until = time.monotonic() + 30
    while Path(f"/proc/{worker}").exists():
        assert time.monotonic() < until
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.parametrize(("asked", "code"), [(signal.SIGTERM, 75), (signal.SIGINT, 130)])
def test_a_training_that_is_asked_to_stop_keeps_its_step_and_goes_on_exactly(tiny_models, tmp_path, asked, code):
    made = wanted(tiny_models("qwen3_vl"), sft={"workers": 1}, trainer={"save_steps": 100})
    run(tmp_path / "whole", made)
    folder = tmp_path / "stopped"
    process = begun(folder, made, start_new_session=True)
    for line in process.stderr:
        if re.match(r" step 4/13  s0", line):
            os.killpg(process.pid, asked)  # as a terminal and a scheduler do: the worker hears it too
            break
    _, said = process.communicate()
    assert process.wait() == code, said
    assert "Traceback" not in said
    again = re.search(r"stopped; go on with: overread sft (\S+) --out (\S+) --resume", said)
    assert again
    assert again[2] == str(folder)
    (step,) = numbers(folder)
    assert 4 <= step < 7
    run(folder, made, "--resume")
    same(tmp_path / "whole", folder, "model/model.safetensors")


@pytest.mark.slow
def test_a_worker_leaves_signals_to_the_training(tiny_models, tmp_path):
    made = wanted(tiny_models("qwen3_vl"), stages=({"steps": 40},), sft={"workers": 1})
    del made["validation"]
    process = begun(tmp_path / "run", made)
    worker = int(spawned(process))
    for line in process.stderr:
        if re.match(r" step 2/40  s0", line):
            os.kill(worker, signal.SIGTERM)
            os.kill(worker, signal.SIGINT)
            break
    _, said = process.communicate()
    assert process.wait() == 0, said


@pytest.mark.slow
def test_one_that_is_stopped_while_it_validates_validates_again(tiny_models, tmp_path):
    validation = {**VALIDATION, "max_new_tokens": 300, "every": 3}
    stages = ({"steps": 5},)
    made = wanted(tiny_models("qwen3_vl"), stages=stages, validation=validation, trainer={"save_steps": 100})
    run(tmp_path / "whole", made)
    folder = tmp_path / "stopped"
    process = begun(folder, made)
    while not (folder / "episodes" / "step-0000003.index").exists():
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate()
    assert process.wait() == 75, said
    assert numbers(folder) == [3]
    assert [line["step"] for line in lines(folder) if "validation" in line] == [0]
    run(folder, made, "--resume")
    same(tmp_path / "whole", folder, "model/model.safetensors")


@pytest.mark.slow
def test_a_full_disk_is_said_in_one_sentence_and_the_last_checkpoint_stands(tiny_models, tmp_path):
    made = wanted(tiny_models("qwen3_vl"), stages=({"steps": 4},), trainer={"save_steps": 1}, sft={"keep": 9})
    run(tmp_path / "whole", made)
    size = max(path.stat().st_size for path in (tmp_path / "whole" / "checkpoints" / "1").iterdir())
    folder = tmp_path / "full"
    process = begun(folder, made)
    while not numbers(folder):
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGSTOP)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size // 2, size // 2))
    os.kill(process.pid, signal.SIGCONT)
    _, said = process.communicate()
    assert process.wait() == 3, said
    assert "Traceback" not in said
    (error,) = [line for line in said.splitlines() if line.startswith("error: ")]
    assert re.match(r"error: \S+/checkpoints/\d could not be written, what was saved before stands: ", error)
    assert not [*(folder / "checkpoints" / DRAFT).glob("*")]
    assert numbers(folder) == [*range(1, len(numbers(folder)) + 1)]
    run(folder, made, "--resume")
    same(tmp_path / "whole", folder, "model/model.safetensors")


@pytest.mark.slow
def test_a_loss_that_is_no_number_stops_the_training_and_names_what_made_it(tiny_models, tmp_path):
    from safetensors.torch import load_file, save_file

    made = wanted(tiny_models("qwen3_vl"), stages=({"steps": 4},), trainer={"save_steps": 2})
    folder = tmp_path / "run"
    process = begun(folder, made)
    while not numbers(folder):
        time.sleep(0.01)
    process.kill()
    process.communicate()
    (step, *_) = numbers(folder)
    path = folder / "checkpoints" / str(step) / "model.safetensors"
    weights = load_file(path)
    weights["model.language_model.norm.weight"][0] = float("nan")
    save_file(weights, path, {"format": "pt"})
    said = run(folder, made, "--resume", code=5).stderr
    assert re.search(
        rf"error: step {step + 1}: the loss is nan, so nothing more can be learned; "
        r"it was made of s0\.\d number \d+ \(\w+/train/\d+\), s0",
        said,
    )
    assert "missing keys" not in said  # those that are tied to others
    assert numbers(folder) == [step]


@pytest.mark.slow
def test_two_processes_learn_what_one_does(tiny_models, tmp_path):
    """The same samples a step, half of them in each process: the loss is the same but for rounding."""
    made = wanted(tiny_models("qwen3_vl"), stages=({"steps": 4, "batch": 4},), trainer={"logging_steps": 1})
    run(tmp_path / "one", made)
    made["trainer"]["ddp_backend"] = "gloo"
    called = command(tmp_path / "two", made)
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "-m", "agent.cli", *called[1:]]
    root = Path(__file__).parent.parent
    environment = os.environ | {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    done = subprocess.run(launch, capture_output=True, text=True, cwd=root, env=environment)
    assert done.returncode == 0, done.stderr
    one, two = timeless(tmp_path / "one"), timeless(tmp_path / "two")
    assert [(line["step"], line.get("samples"), line.get("tokens")) for line in one] == [
        (line["step"], line.get("samples"), line.get("tokens")) for line in two
    ]
    for name in ("loss", "grad_norm"):
        assert [line[name] for line in two if name in line] == pytest.approx(
            [line[name] for line in one if name in line], rel=1e-2
        )


@pytest.mark.slow
def test_the_command_says_how_often_it_was_right_before_and_after(tiny_models, tmp_path):
    made = wanted(tiny_models("qwen3_vl"), stages=({"steps": 2},))
    done = run(tmp_path / "run", made, "--json")
    told = json.loads(done.stdout)
    assert told["untrained"]["played"] == told["trained"]["played"] == 2
    assert (told["run"], done.stderr) == (str(tmp_path / "run"), "")
    again = run(tmp_path / "run", made, "--resume", code=2)
    assert "is finished, its model is" in again.stderr
    changed = run(tmp_path / "new", made, "--set", "stage.0.steps=1")
    assert re.search(
        r"right, of 2 questions: untrained 0\.\d+ \(.* to .*\), trained 0\.\d+ \(.* to .*\)", changed.stdout
    )
    assert " step 1/1  s0  loss " in changed.stderr


@pytest.mark.slow
def test_a_dry_run_writes_nothing(tiny_models, tmp_path):
    done = run(tmp_path / "run", wanted(tiny_models("qwen3_vl")), "--dry-run")
    assert "qwen3_vl" in done.stdout
    assert not (tmp_path / "run").exists()


def half_written(folder):
    with drafted(folder) as draft:
        draft.mkdir()
        raise OSError("no room")


def test_a_folder_has_its_name_when_it_is_whole(tmp_path):
    with drafted(tmp_path / "model") as draft:
        draft.mkdir()
        (draft / "a").write_text("1")
        assert not (tmp_path / "model").exists()
    assert (tmp_path / "model" / "a").read_text() == "1"
    with pytest.raises(SaveError, match="model could not be written, what was saved before stands: no room"):
        half_written(tmp_path / "model")
    assert [path.name for path in tmp_path.rglob("*")] == ["model", "a"]


def test_only_whole_checkpoints_count_and_the_newest_are_kept(tmp_path):
    for step in (2, 10, 9, 30):
        (tmp_path / str(step)).mkdir()
        (tmp_path / str(step) / PROGRESS).write_text("{}")
    (tmp_path / "40").mkdir()  # not whole
    (tmp_path / DRAFT / "checkpoint-50").mkdir(parents=True)
    assert [path.name for path in whole(tmp_path)] == ["2", "9", "10", "30"]
    rotate(tmp_path, 2)
    assert [path.name for path in whole(tmp_path)] == ["10", "30"]
