"""A person at a terminal: what is typed is carried out, or said to be wrong and asked again."""

import asyncio
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PILImage

from agent.loop import PolicyError, play
from agent.policies.person import person
from agent.trace import read

OVERREAD = Path(sys.executable).parent / "overread"
ZOOM = "zoom img0 box=[64,64,128,128]"


@pytest.fixture
def typed(make_env, question):
    """Play an episode in which these lines are typed; then the terminal is closed."""

    def episode(*lines: str):
        left = iter(lines)

        def ask(prompt: str) -> str:
            if (line := next(left, None)) is None:
                raise EOFError
            return line

        return asyncio.run(play(make_env(), person(ask), question))

    return episode


def test_what_is_typed_is_carried_out(typed):
    episode = typed("think Closer.", ZOOM, "answer 9 mm")
    assert (episode.stop, episode.answer) == ("answered", "9 mm")
    assert [turn.thought for turn in episode.turns] == ["Closer.", ""]
    assert episode.tool_calls[0].arguments == {"image": "img0", "box": [64, 64, 128, 128]}


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["scalpel"], "no 'scalpel'; there are: think, answer, views, zoom, crop"),
        (["zoom 'img0"], "No closing quotation"),
        (["think <answer>a</answer>", "answer b", "think so"], "a thought or an answer cannot hold the tag <answer>"),
        (["answer a</answer>"], "a thought or an answer cannot hold the tag </answer>"),
        (["zoom img0 factor=NaN"], "nan is no number that can be kept; type it again"),
    ],
)
def test_what_cannot_be_carried_out_is_said_and_asked_again(typed, capsys, lines, said):
    episode = typed(*lines, "answer 9 mm")
    assert (episode.answer, len(episode.turns)) == ("9 mm", 1)
    assert said in capsys.readouterr().err


def test_a_closed_terminal_is_told_of_in_words(typed):
    with pytest.raises(PolicyError, match="the terminal was closed before an answer was given"):
        typed(ZOOM)


@pytest.mark.parametrize("stdout_too", [True, False])
@pytest.mark.parametrize(("key", "code"), [(b"\x03", 130), (b"\x04", 3)], ids=["ctrl-c", "ctrl-d"])
def test_ctrl_c_and_ctrl_d_at_the_prompt_end_at_once_and_keep_what_was_played(key, code, stdout_too, tmp_path):
    PILImage.fromarray(np.full((128, 128), 40, np.uint8)).save(tmp_path / "film.png")
    master, slave = pty.openpty()

    def at_the_terminal() -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.setsid()
        os.close(os.open(os.ttyname(0), os.O_RDWR))  # the first terminal opened becomes the one that sends Ctrl-C

    out = slave if stdout_too else subprocess.DEVNULL
    command = [OVERREAD, "play", "film.png", "what?", "--plain"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdin=slave, stdout=out, stderr=slave, preexec_fn=at_the_terminal
    ) as process:
        os.close(slave)
        os.write(master, b"crop img0 box=[1,2,30,40]\n")
        seen = b""
        while seen.count(b"what next? ") < 2:
            seen += os.read(master, 4096)
        os.write(master, key)
        try:
            process.wait(timeout=60)
        finally:
            process.kill()
            rest = told(master)
    assert process.returncode == code
    assert b"Traceback" not in rest
    assert b"Fatal" not in rest
    assert (b"the terminal was closed" in rest) == (code == 3)
    (run,) = (tmp_path / "runs" / "ask").iterdir()
    (episode,) = read(run)
    assert (episode.stop, len(episode.turns)) == (None, 1)


def told(master: int) -> bytes:
    """What is left to be read of a terminal that nobody holds any more."""
    seen = b""
    try:
        while more := os.read(master, 4096):
            seen += more
    except OSError:  # Linux says EIO at the end
        pass
    os.close(master)
    return seen
