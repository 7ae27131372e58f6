"""Every command of the README does what the README says."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PILImage
from pydicom.data import get_testdata_file

from tests.conftest import needs

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, re.DOTALL)
COMMANDS = [line for kind, block in BLOCKS if not kind for line in block.splitlines() if line.startswith("overread ")]
SESSIONS = [block for _, block in BLOCKS if block.startswith("$ overread ask")]
BIN = Path(sys.executable).parent


@pytest.fixture
def desk(tmp_path, tiny_models):
    """A folder with the files that the commands name."""
    needs("torch", "transformers")
    shutil.copy(get_testdata_file("CT_small.dcm"), tmp_path / "scan.dcm")
    shutil.copy(get_testdata_file("JPGLosslessP14SV1_1s_1f_8b.dcm"), tmp_path / "echo.dcm")
    film = np.random.default_rng(0).integers(0, 255, (96, 96)).astype(np.uint8)
    PILImage.fromarray(film).save(tmp_path / "then.png")
    film[20:50, 30:60] = 255
    PILImage.fromarray(film).save(tmp_path / "now.png")
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    line = re.search(r'`(\{"id": .*?\})`', README)
    (tmp_path / "questions.jsonl").write_text(line[1] + "\n")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "Qwen2.5-VL-7B-Instruct").symlink_to(tiny_models("qwen2_5_vl"))
    (tmp_path / "my_lab").mkdir()
    code = next(block for kind, block in BLOCKS if kind == "python")
    (tmp_path / code.splitlines()[0].removeprefix("# ")).write_text(code)
    return tmp_path


def run(command: str, desk: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    words = shlex.split(command)
    return subprocess.run(
        [BIN / words[0], *words[1:]],
        cwd=desk,
        env={**os.environ, "PYTHONPATH": str(desk), "COLUMNS": "100", **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def test_there_are_commands_to_run():
    assert len(COMMANDS) >= 6
    assert README.index("make ask") < README.index("$ overread ask") < README.index("--policy models/")


@pytest.mark.parametrize("command", [c for c in COMMANDS if "chat_api" not in c])
def test_a_command_of_the_readme_runs(command, desk):
    fewer = " --set task.count=10" if "phantoms" in command else ""  # the whole of it takes half a minute
    done = run(command + fewer, desk)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [c for c in COMMANDS if "chat_api" in c])
def test_a_command_that_asks_a_server_runs_against_one(command, desk, tiny_server):
    model, url = tiny_server
    command = command.replace("http://localhost:8000/v1", url).replace("NAME", str(model))
    done = run(f"{command} --set policy.max_tokens=16 --set env.max_turns=2", desk, OPENAI_BASE_URL=url)
    assert done.returncode == 0, done.stderr
    assert "no answer" in done.stderr  # its model is a random one


def test_the_tool_of_the_readme_is_a_tool(desk):
    done = run("overread tools call my_lab.brightest now.png", desk)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("the brightest pixel is at [")


@pytest.mark.parametrize("session", SESSIONS)
def test_a_session_is_as_it_really_looks(session, desk):
    command, _, told = session.partition("\n")
    done = run(command.removeprefix("$ "), desk)

    def settled(text: str) -> str:
        """Without what differs from run to run: times and the name of the run."""
        return re.sub(r" *\d+ ms|\d+\.\d s|\d{8}-\d{6}-[0-9a-f]{4}", "", text)

    assert settled(done.stderr + done.stdout) == settled(told)


def test_the_picture_of_the_readme_is_made_by_the_program(desk):
    run(SESSIONS[0].partition("\n")[0].removeprefix("$ "), desk)
    (folder,) = (desk / "runs" / "ask").iterdir()
    run(f"overread show {folder} -q --save reading.png", desk)
    with PILImage.open(desk / "reading.png") as made, PILImage.open(ROOT / ".github" / "reading.png") as shown:
        assert made.size == shown.size
        assert np.array_equal(np.asarray(made), np.asarray(shown))


@pytest.mark.skipif(Path(sys.prefix) != ROOT / ".venv", reason="needs the .venv that make sets up")
def test_make_ask_answers():
    done = subprocess.run(
        ["make", "--no-print-directory", "ask"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("D\n")
    assert "truth D or stellate · right" in done.stderr
