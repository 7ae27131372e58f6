"""`overread doctor RUN`: whether the episodes of a run are whole."""

import asyncio
import json
import os
import struct

import pytest

from agent.cli import run
from agent.loop import play
from agent.png import png
from agent.policies.scripted import scripted
from agent.trace import Writer, describe, read
from rl.check import broken_pixels
from tests.conftest import needs
from tests.sampled import ANSWER, names, told, with_reply

needs("torch", "torchvision", "transformers")


@pytest.fixture
def doctor(capsys):
    """Run `overread doctor`: (exit code, stdout, stderr)."""

    def told(*words):
        code = run(["doctor", *map(str, words)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return told


@pytest.fixture
def stored(good, tmp_path):
    """A run of two sampled episodes, which says what model it is of."""
    folder = tmp_path / "runs" / "grpo-7f3a"
    describe(folder, kind="grpo", settings={"model": {"path": str(good.folder)}})
    with Writer(folder) as writer:
        writer.write(good.episode)
        writer.write(good.episode)
    return folder


def test_a_run_that_is_whole_is_found_whole(stored, doctor):
    assert doctor(stored) == (0, "2 episodes, 0 broken, 0 lines could not be read\n", "")
    by_name = doctor("7f3a", "--runs", stored.parent, "--json")
    assert by_name[0] == 0
    assert json.loads(by_name[1]) == {"episodes": 2, "broken": [], "unreadable": []}


def picture_file(folder, image):
    return folder / "images" / image.hash[:2] / f"{image.hash}.png"


def test_a_picture_that_was_changed_on_disk_is_found_in_every_episode(stored, good, doctor):
    image = good.episode.turns[0].images[0]
    picture_file(stored, image).write_bytes(png(255 - image.pixels))
    code, out, _ = doctor(stored)
    first, second, last = out.splitlines()
    assert code == 3
    assert first.startswith("w0-0 pixels: the pixels of img1 (turn 1) have the hash ")
    assert second.startswith("w0-1 pixels: ")
    assert last == "2 episodes, 2 broken, 0 lines could not be read"


HARMED = {
    "it is missing": lambda data: None,
    "it is empty": lambda data: b"",
    "it is cut": lambda data: data[:-40],
    "it is words": lambda data: b"no picture",
    "its pixels are called otherwise": lambda data: data.replace(b"IDAT", b"IDAX"),
    "its pixels end after 1 byte": lambda data: data[:33] + b"\0\0\0\1" + data[37:],  # behind signature and header
}


@pytest.mark.parametrize("harm", HARMED)
def test_a_picture_that_cannot_be_read_is_found_in_words(stored, good, doctor, harm):
    path = picture_file(stored, good.episode.turns[0].images[0])
    harmed = HARMED[harm](path.read_bytes())
    path.unlink()
    if harmed is not None:
        path.write_bytes(harmed)
    code, out, _ = doctor(stored)
    assert code == 3
    assert out.startswith("w0-0 pixels: img1 (turn 1) cannot be read: ")
    assert out.endswith("2 episodes, 2 broken, 0 lines could not be read\n")
    assert out.count("\n") == 3


def test_a_token_file_that_was_cut_costs_the_episodes_behind_the_cut(stored, doctor):
    tokens = stored / "episodes" / "w0.tokens"
    os.truncate(tokens, tokens.stat().st_size - 4)
    code, out, _ = doctor(stored)
    assert code == 3
    assert out.splitlines() == [
        f"{stored / 'episodes' / 'w0.jsonl'}, line 2: w0.tokens ends before the tokens of this episode",
        "1 episodes, 0 broken, 1 lines could not be read",
    ]
    code, out, _ = doctor(stored, "--json")
    found = json.loads(out)
    assert (code, found["episodes"], found["broken"], len(found["unreadable"])) == (3, 1, [], 1)


def test_a_logprob_that_is_no_number_on_disk_is_found(stored, good, doctor):
    tokens = stored / "episodes" / "w0.tokens"
    first = good.episode.turns[0].reply.num_tokens
    with open(tokens, "r+b") as file:
        file.seek(tokens.stat().st_size // 2 + 4 * first)  # the second episode's ids of turn 1 come before
        file.write(struct.pack("<f", float("nan")))
    code, out, _ = doctor(stored, "--json")
    (found,) = json.loads(out)["broken"]
    assert (code, found["id"], found["invariant"]) == (3, "w0-1", "logprobs")
    place = good.rendered.prompt
    assert found["says"] == f"turn 1: the logprob of token {place} is nan, expected a number of at most 0"


def test_a_marker_of_an_image_on_disk_is_found(stored, good, doctor):
    with open(stored / "episodes" / "w0.tokens", "r+b") as file:
        file.write(struct.pack("<i", good.chat.pad))
    code, out, _ = doctor(stored)
    assert code == 3
    assert out.startswith(f"w0-0 banned: turn 1: token 0 of its reply is {good.chat.pad}, expected none of ")
    assert out.endswith("2 episodes, 1 broken, 0 lines could not be read\n")


def test_of_what_nobody_sampled_the_pixels_alone_are_looked_at(make_env, question, tmp_path, doctor):
    """So no model is needed."""
    episode = asyncio.run(play(make_env(), scripted([ANSWER]), question))
    with Writer(tmp_path) as writer:
        writer.write(episode)
    whole = "1 episodes, 0 broken, 0 lines could not be read\n"
    assert doctor(tmp_path) == (0, whole, "1 episodes have no sampled tokens: only their pixels were checked\n")
    assert doctor(tmp_path, "-q") == (0, whole, "")
    picture_file(tmp_path, episode.opening.images[0]).unlink()
    code, out, _ = doctor(tmp_path)
    assert code == 3
    assert out.startswith("w0-0 pixels: img0 (opening) cannot be read: ")
    (back,) = read(tmp_path)
    assert names(broken_pixels(back)) == ["pixels"]


def test_several_runs_are_told_apart(stored, good, doctor, tmp_path):
    other = tmp_path / "runs" / "other"
    with Writer(other) as writer:
        writer.write(with_reply(good.episode, 2, model_version=""))
    code, out, _ = doctor(stored, other, "--model", good.folder)
    assert code == 3
    assert out.splitlines() == [
        "other/w0-0 version: turn 2 has no model_version, expected the name of the model that wrote it",
        "3 episodes, 1 broken, 0 lines could not be read",
    ]


def test_an_episode_that_breaks_twice_is_counted_once(good, doctor, tmp_path):
    with Writer(tmp_path) as writer:
        writer.write(told(with_reply(good.episode, 2, model_version=""), 3, ()))
    code, out, _ = doctor(tmp_path, "--model", good.folder)
    assert code == 3
    assert [line.split(":")[0] for line in out.splitlines()[:-1]] == ["w0-0 version", "w0-0 logprobs"]
    assert out.endswith("1 episodes, 1 broken, 0 lines could not be read\n")


def test_what_doctor_cannot_do_is_one_sentence(stored, doctor, tmp_path):
    assert doctor("none", "--runs", tmp_path)[::2] == (
        3,
        f"error: no run 'none' in {tmp_path}/; `overread ask` makes one\n",
    )
    says = f"error: {tmp_path} is not a model's folder: it holds no config.json\n"
    assert doctor(stored, "--model", tmp_path)[::2] == (3, says)
    (stored / "run.json").unlink()
    says = f"error: {stored} does not say what model wrote its tokens; give its folder by --model\n"
    assert doctor(stored)[::2] == (2, says)
    (stored / "run.json").write_text("[]")
    assert doctor(stored)[::2] == (2, says)
    says = "error: --require asks for what is installed, not for a run; leave one of the two out\n"
    assert doctor(stored, "--require", "local")[::2] == (2, says)
    assert doctor("--model", tmp_path)[::2] == (2, "error: --model is of a run; name the run as well\n")
