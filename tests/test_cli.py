"""The command line as a person or a script meets it: real processes, real files."""

import functools
import json
import os
import pty
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PILImage
from pydicom.data import get_testdata_file

from agent.cli import VERBS, overview
from agent.trace import read

OVERREAD = Path(sys.executable).parent / "overread"
BETWEEN = "How far is it from (10, 20) to (40, 60)?"


@pytest.fixture
def picture(tmp_path) -> Path:
    path = tmp_path / "disc.png"
    rows, columns = np.mgrid[:128, :128]
    disc = ((columns - 60) ** 2 + (rows - 70) ** 2 < 20**2) * 150 + 40
    PILImage.fromarray(disc.astype(np.uint8)).save(path)
    return path


RULES = {"OVERREAD_POLICY__NAME": "protocol"}
"""Read by the rules, which need no model."""


def overread(*words: object, cwd: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [OVERREAD, *map(str, words)]
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, env={**os.environ, **RULES, **(env or {})}, check=False
    )


def test_help_lists_every_verb_and_each_verb_has_help_with_an_example(tmp_path):
    assert all(f"  {verb} " in overview() for verb in VERBS)
    for verb in VERBS:
        words = (verb, "call", "--help") if verb == "tools" else (verb, "--help")
        done = overread(*words, cwd=tmp_path)
        assert done.returncode == 0
        assert f"    overread {verb}" in done.stdout


def test_the_answer_alone_goes_to_stdout(picture, tmp_path):
    done = overread("ask", picture, BETWEEN, cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith("The distance is 50 px, in pixels of the source because")
    assert done.stdout.count("\n") == 1
    assert "Research use only, not a medical device." in done.stderr
    assert "measure" in done.stderr


def test_quiet_says_nothing_but_the_answer(picture, tmp_path):
    done = overread("ask", picture, BETWEEN, "-q", cwd=tmp_path)
    assert done.stderr == ""
    assert done.stdout.startswith("The distance is 50 px")


def test_reasoning_can_be_hidden(picture, tmp_path):
    done = overread("ask", picture, BETWEEN, "-R", cwd=tmp_path)
    assert "think" not in done.stderr
    assert "measure" in done.stderr


def test_json_tells_a_program_everything_and_the_record_is_where_it_says(picture, tmp_path):
    done = overread("ask", picture, BETWEEN, "--json", cwd=tmp_path)
    told = json.loads(done.stdout)
    assert (told["stop"], told["turns"], told["tools"]) == ("answered", 3, 2)
    (episode,) = read(tmp_path / told["trace"])
    assert episode.answer == told["answer"]
    assert (tmp_path / told["trace"] / "run.json").exists()


def test_a_stored_episode_can_be_shown_again_and_saved_as_a_picture(picture, tmp_path):
    asked = overread("ask", picture, BETWEEN, "--plain", cwd=tmp_path)
    run = next((tmp_path / "runs" / "ask").iterdir()).name
    shown = overread("show", run[-4:], "--plain", "--save", "reading", cwd=tmp_path)
    told = [line for line in asked.stderr.splitlines() if line[:3].strip().isdigit() or line.startswith("   ")]
    assert told
    assert [line for line in told if line not in shown.stdout] == []
    with PILImage.open(tmp_path / "reading") as saved:
        assert saved.width > 300


def test_the_dialect_is_said_once(picture, tmp_path):
    done = overread("ask", picture, BETWEEN, "--set", "env.dialect=vitar", cwd=tmp_path)
    assert done.stdout.startswith("The distance is 50 px")


def test_a_question_that_is_not_utf_8_is_still_a_question(picture, tmp_path):
    command = [os.fsencode(OVERREAD), b"ask", os.fsencode(picture), b"What is \xff?", b"-p", b"protocol"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert (done.returncode, done.stdout[:13]) == (0, b"cannot answer")


def test_a_question_may_be_long(picture, tmp_path):
    done = overread("ask", picture, f"{BETWEEN} {'Which of these describes it best? ' * 40}", cwd=tmp_path)
    assert done.stdout.startswith("The distance is 50 px")


def test_a_tool_in_the_current_folder_is_found(picture, tmp_path):
    (tmp_path / "my_lab").mkdir()
    (tmp_path / "my_lab" / "hello.py").write_text(
        "from tools.image import Image\nfrom tools.tool import Observation\n"
        'def hello(image: Image) -> Observation:\n    """Greet."""\n    return Observation(text="hello")\n'
    )
    assert overread("tools", "call", "my_lab.hello", picture, cwd=tmp_path).stdout == "hello\n"


@pytest.mark.parametrize("words", [["--help"], ["tools", "ls"], ["nope", "--json"]])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_that_cannot_be_written_is_said_in_one_sentence(words, unbuffered, tmp_path):
    environ = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [OVERREAD, *words], stdout=full, stderr=subprocess.PIPE, text=True, env=environ, check=False
        )
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_no_log_keeps_nothing(picture, tmp_path):
    overread("ask", picture, BETWEEN, "--no-log", cwd=tmp_path)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["asq"], 2, 'Unknown command "asq". Did you mean "ask"?'),
        (["ask", "{picture}", "what?", "--polcy", "x"], 2, "Unknown option: --polcy. Did you mean --policy?"),
        (["ask", "{picture}", "{picture}"], 2, "put the question after the files"),
        (["ask", "what?"], 2, "give one or more files, then the question in quotes"),
        (["ask", "none.png", "what?"], 4, "none.png"),
        (["ask", "{picture}", "what?", "--policy", "seer"], 2, "no 'seer' in agent/policies/; there are: chat_api"),
        (["ask", "{picture}", "what?", "--policy", "oracle"], 3, "oracle knows the truth, which only an evaluation"),
        (["ask", "{picture}", "what?", "--set", "policy.dialct=vitar"], 2, "Did you mean 'dialect'?"),
        (
            ["ask", "{picture}", "what?", "--set", "env.max_turns=many"],
            2,
            "env.max_turns: Input should be a valid integer",
        ),
        (["ask", "{picture}", "what?", "--set", "envs.max_turns=2"], 2, "no table [envs]; there are: [policy], [env]"),
        (["ask", "{picture}", "what?", "--set", 'env.tools=["geometry"]'], 2, "env: "),
        (["ask", "{picture}", "what?", "--set", "env.max_turns=0"], 2, "env.max_turns: Input should be greater"),
        (["ask", "{picture}", "what?", "--set", "policy.name=3"], 2, "needs a name"),
        (["ask", "{picture}", "what?", "--config", "none.toml"], 2, "none.toml: No such file"),
        (["ask", "{picture}", "what?", "--policy", "./none/"], 3, "none"),
        (["show", "none"], 3, "no run 'none' in runs/"),
        (["play", "{picture}", "what?"], 2, "needs a terminal"),
        (["tools", "call", "scalpel", "{picture}"], 2, "no tool 'scalpel'; there are: zoom, crop"),
        (["tools", "call", "zoom", "{picture}", "--args", "{"], 2, "--args is not JSON"),
        (["tools", "call", "zoom", "{picture}", "--args", '{"box": [5, 5, 5, 9]}'], 2, "an empty box"),
        (["doctor", "--require", "scalpel"], 3, ""),
    ],
)
def test_every_failure_is_one_sentence_and_a_code(words, code, told, picture, tmp_path):
    words = [word.format(picture=picture) if "{picture}" in word else word for word in words]
    done = overread(*words, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") <= 2
    as_json = overread(*words, "--json", cwd=tmp_path)
    assert as_json.returncode == code
    if "doctor" not in words:
        assert json.loads(as_json.stdout)["error"]["code"] == code


def test_a_runs_folder_that_cannot_be_written_is_said_before_the_policy_starts(picture, tmp_path):
    (tmp_path / "runs").write_text("a file in the way")
    done = overread("ask", picture, BETWEEN, cwd=tmp_path)
    assert done.returncode == 3
    assert ": Not a directory" in done.stderr
    assert done.stderr.count("\n") <= 1


def test_a_disk_that_takes_no_more_costs_the_record_not_the_answer(picture, tmp_path):
    full = functools.partial(resource.setrlimit, resource.RLIMIT_FSIZE, (64, 64))
    command = [OVERREAD, "ask", picture, BETWEEN, "-p", "protocol"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, preexec_fn=full, check=False)
    assert done.returncode == 3
    assert done.stdout.startswith("The distance is 50 px")
    assert "is not whole: File too large" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("asked_to_end", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 75)])
def test_ctrl_c_and_sigterm_keep_what_was_recorded(asked_to_end, code, picture, tmp_path):
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "slow.py").write_text(
        "import asyncio\nfrom envs.episode import Reply\n"
        'CROP = \'<tool_call>{"name": "crop", "arguments": {"image": "img0", "box": [1, 2, 30, 40]}}</tool_call>\'\n'
        "def slow():\n"
        "    async def policy(episode):\n"
        "        await asyncio.sleep(60 if episode.turns else 0)\n"
        "        return Reply(text=CROP)\n"
        "    return policy\n"
    )
    command = [OVERREAD, "ask", picture, "what?", "--policy", "lab.slow"]
    environ = {**os.environ, "PYTHONPATH": str(tmp_path)}
    heeding = functools.partial(signal.signal, signal.SIGINT, signal.default_int_handler)  # ignored in the background
    with subprocess.Popen(
        command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, env=environ, preexec_fn=heeding
    ) as process:
        while "crop" not in process.stderr.readline():
            pass
        time.sleep(0.2)
        process.send_signal(asked_to_end)
        rest = process.stderr.read()
    assert process.returncode == code
    assert "Traceback" not in rest
    (run,) = (tmp_path / "runs" / "ask").iterdir()
    (episode,) = read(run)
    assert (episode.stop, len(episode.turns)) == (None, 1)
    assert "broken off after 1 turn" in overread("show", run, cwd=tmp_path).stdout


def test_a_person_plays_at_a_terminal(picture, tmp_path):
    master, slave = pty.openpty()
    command = [OVERREAD, "play", picture, "how wide?", "--plain"]
    with subprocess.Popen(command, cwd=tmp_path, stdin=slave, stdout=subprocess.PIPE, stderr=slave) as process:
        os.close(slave)
        os.write(master, b"scalpel\nthink It is round.\nzoom img0 box=[40,50,80,90] factor=2\nanswer 40 px\n")
        out = process.stdout.read()
        process.wait()
    os.close(master)
    assert process.returncode == 0
    assert out.endswith(b"40 px\n")
    (run,) = (tmp_path / "runs" / "ask").iterdir()
    (episode,) = read(run)
    assert [turn.thought for turn in episode.turns] == ["It is round.", ""]
    assert episode.images["img1"].width == 80


def test_one_tool_can_be_tried_from_the_shell(picture, tmp_path):
    done = overread("tools", "call", "zoom", picture, "--args", '{"box": [40, 50, 80, 90]}', "--json", cwd=tmp_path)
    told = json.loads(done.stdout)
    with PILImage.open(tmp_path / told["view"]) as view:
        assert view.size == (80, 80)
    assert "2 times as large" in told["text"]


def test_a_measurement_tells_its_value_and_its_unit(tmp_path):
    echo = get_testdata_file("JPGLosslessP14SV1_1s_1f_8b.dcm")
    places = '{"start": [629, 320], "end": [689, 435]}'
    told = json.loads(overread("tools", "call", "measure", echo, "--args", places, "--json", cwd=tmp_path).stdout)
    assert (told["value"], told["unit"], told["view"]) == (33.05, "mm", None)
    assert told["text"] == "The distance is 33.05 mm (3.305 cm), in the plane of the ultrasound beam."


def test_a_reader_that_has_gone_is_no_error(tmp_path):
    done = subprocess.run(f"{OVERREAD} tools ls | head -1", shell=True, cwd=tmp_path, capture_output=True, check=False)
    assert (done.stderr, done.stdout.count(b"\n")) == (b"", 1)


def test_doctor_says_what_is_there_and_what_is_not(tmp_path):
    done = overread("doctor", "--json", cwd=tmp_path)
    states = {finding["name"]: finding["state"] for finding in json.loads(done.stdout)["findings"]}
    assert done.returncode == 0
    assert {states[name] for name in ("read", "api", "names", "codecs", "video", "runs")} == {"ok"}


def test_a_made_up_question_is_asked_by_its_id_and_the_truth_is_told_beside_the_answer(tmp_path):
    done = overread("ask", "--task", "shape/test/7", "--set", "env.max_turns=2", cwd=tmp_path)
    assert "(shape/test/7)" in done.stderr
    assert "A. cavitated  B. clustered  C. solid  D. stellate" in done.stderr
    assert " truth D or stellate · wrong" in done.stderr  # the rules have none for it
    told = json.loads(overread("ask", "--task", "shape/test/7", "--json", cwd=tmp_path).stdout)
    assert (told["truth"], told["right"]) == ("D", False)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--task", "shape"],
            "'shape' is no made-up question; write FAMILY/SPLIT/NUMBER, as in shape/test/7, of: shape",
        ),
        (["--task", "slake/test/1"], "'slake/test/1' is no made-up question"),
        (["--task", "shape/tset/1"], "shape: no split 'tset'; there are: train"),
        (["--task", "shape/test/1", "--set", "task.colour=red"], "shape has no setting 'colour'"),
        (["--task", "shape/test/1", "{picture}", "what?"], "leave the files and the question out"),
    ],
)
def test_a_made_up_question_that_there_is_not_is_refused(words, said, picture, tmp_path):
    done = overread("ask", *(word.format(picture=picture) for word in words), cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
