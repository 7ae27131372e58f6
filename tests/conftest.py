"""Shared pieces: a question with a true answer, an environment, a chat whose tokens are bytes, tiny models."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from agent.cli import run
from agent.coordinates import in_pixels
from agent.render import Chat
from envs.env import ReadingEnv
from envs.episode import Question, Truth
from envs.tasks.discs import discs
from tests.tiny import build

hypothesis.settings.register_profile("unhurried", deadline=None)  # how long an example takes depends on what else runs
hypothesis.settings.load_profile("unhurried")


def needs(*packages: str) -> None:
    """Skip the test, and say why, where a package is not installed."""
    for package in packages:
        if find_spec(package) is None:
            pytest.skip(f"needs {package}, which is not installed", allow_module_level=True)


@pytest.fixture
def task() -> tuple[Question, Truth]:
    """A film of 256 by 256 px, and what is true of it."""
    return next(discs("test"))


@pytest.fixture
def question(task: tuple[Question, Truth]) -> Question:
    return task[0]


@pytest.fixture
def make_env(task: tuple[Question, Truth]) -> Callable[..., ReadingEnv]:
    """A new environment on that film, with any other settings."""
    return lambda **more: ReadingEnv([task], **{"tools": ["zoom", "crop"], **more})


@pytest.fixture
def chat() -> Chat:
    """One token a byte; 256 opens a message, 257 ends it, an image is 258, then 259 for each 28 by 28 px, then 260."""
    return Chat(
        encode=lambda text: list(text.encode()),
        quote=lambda text: list(text.encode()),
        decode=lambda ids: bytes(i for i in ids if i < 256).decode(),
        open=lambda role: [256, *f"{role}\n".encode()],
        end=257,
        gap=(10,),
        image=lambda image: [258, *[259] * (image.width // 28 * (image.height // 28)), 260],
        pad=259,
        banned=(258, 259, 260),
        picture=lambda image: image.pixels,
        coordinates=in_pixels(lambda image: (image.width * 2, image.height * 2)),
    )


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a tiny model of a family, made when first asked for."""
    made: dict[str, Path] = {}

    def folder(family: str) -> Path:
        needs("torch", "torchvision", "transformers")
        if family not in made:
            made[family] = build(family, tmp_path_factory.mktemp("models") / f"tiny-{family}")
        return made[family]

    return folder


@pytest.fixture(scope="session", params=["qwen2_5_vl", "qwen3_vl"])
def family(request: pytest.FixtureRequest) -> str:
    """Each family of models in turn."""
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def tiny_model(tiny_models: Callable[[str], Path], family: str) -> Path:
    """The folder of a tiny model, of each family in turn."""
    return tiny_models(family)


@pytest.fixture(scope="session")
def tiny_server(tiny_models: Callable[[str], Path]) -> Iterator[tuple[Path, str]]:
    """`transformers serve` on loopback, with a tiny Qwen3-VL."""
    needs("fastapi", "uvicorn")
    folder = tiny_models("qwen3_vl")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.serve", str(folder), str(port)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as server:
        try:
            _wait_for(f"http://127.0.0.1:{port}/health", server)
            yield folder, f"http://127.0.0.1:{port}/v1"
        finally:
            server.terminate()
            server.communicate()


def _wait_for(url: str, server: subprocess.Popen[bytes], seconds: int = 60) -> None:
    for _ in range(seconds * 10):
        assert server.poll() is None, server.stderr.read().decode()  # type: ignore[union-attr]
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except urllib.error.URLError:
            time.sleep(0.1)
    raise TimeoutError(f"{url} gave no answer for {seconds} s")


@pytest.fixture
def demos(capsys):
    """Run `overread data demos`: (exit code, stdout, stderr)."""

    def told(*words: object) -> tuple[int, str, str]:
        code = run(["data", "demos", *map(str, words)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return told


@pytest.fixture(scope="session")
def shape_demos(tmp_path_factory) -> Path:
    """Six demonstrations by the oracle: a zoom, then the answer."""
    folder = tmp_path_factory.mktemp("runs") / "shapes"
    code = run(["data", "demos", "--set", "task.name=shape", "--set", "task.view_px=64", "--policy", "oracle",
                "--count", "6", "--out", str(folder), "-q"])  # fmt: skip
    assert code == 0
    return folder


@pytest.fixture(scope="session")
def rollouts(tiny_models: Callable[[str], Path]) -> Callable[[str], Any]:
    """The rollout of a family, played once; nothing of it is changed."""
    from tests.sampled import Rollout

    made: dict[str, Any] = {}

    def of(family: str) -> Any:
        if family not in made:
            made[family] = Rollout(tiny_models(family))
        return made[family]

    return of


@pytest.fixture
def good(rollouts: Callable[[str], Any], family: str) -> Any:
    """The rollout of each family in turn."""
    return rollouts(family)
