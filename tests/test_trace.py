import asyncio
import json
import os
import resource
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from agent.loop import play
from agent.trace import ROW, STOPS, Writer, index, read, read_at
from envs.env import ReadingEnv
from envs.episode import Reply
from envs.tasks.discs import discs

TASKS = list(discs("test", 2))
CROP = '<think>a</think><tool_call>{"name": "crop", "arguments": {"image": "img0", "box": [3, 4, 50, 60]}}</tool_call>'


@pytest.fixture
def episode():
    async def policy(episode):
        if episode.turns:
            return Reply(text="<answer>9 mm</answer>", token_ids=(7, 151_655), logprobs=(-0.5, -0.25))
        return Reply(text=CROP, token_ids=(1, 2, 3), logprobs=(-1.0, -2.0, -4.0))

    env = ReadingEnv(TASKS, tools=["crop"])
    return asyncio.run(play(env, policy, TASKS[0][0]))


def test_an_episode_comes_back_as_it_was_with_its_tokens_and_its_pixels(tmp_path, episode):
    with Writer(tmp_path) as writer:
        writer.write(episode)
    (back,) = read(tmp_path)
    assert back == episode.model_copy(update={"id": "w0-0"})
    assert back.turns[1].reply.token_ids == (7, 151_655)
    assert back.turns[1].reply.logprobs == (-0.5, -0.25)
    for name, image in episode.images.items():
        assert np.array_equal(back.images[name].pixels, image.pixels)


def test_an_image_shown_often_is_stored_once(tmp_path, episode):
    with Writer(tmp_path) as writer:
        for _ in range(5):
            writer.write(episode)
    assert len(list(tmp_path.glob("images/*/*.png"))) == 2
    assert not list(tmp_path.glob("images/*/*.new"))


def test_the_index_finds_an_episode_without_reading_the_others(tmp_path, episode):
    with Writer(tmp_path, "w3") as writer:
        for step in (4, 5):
            writer.write(episode.model_copy(update={"step": step, "group": "g"}))
    rows = index(tmp_path, "w3")
    assert rows["step"].tolist() == [4, 5]
    assert rows["turns"].tolist() == [2, 2]
    assert [STOPS[stop] for stop in rows["stop"]] == ["answered", "answered"]
    assert rows["reward"][0] == pytest.approx(episode.verdict.reward)
    assert read_at(tmp_path, "w3", int(rows["offset"][1]), int(rows["length"][1])).step == 5


def test_a_broken_last_line_is_skipped_and_counted_and_the_next_writer_goes_on(tmp_path, episode):
    with Writer(tmp_path) as writer:
        writer.write(episode)
        writer.write(episode)
    path = tmp_path / "episodes" / "w0.jsonl"
    os.truncate(path, path.stat().st_size - 100)
    with Writer(tmp_path) as writer:
        writer.write(episode)
    broken: list[str] = []
    assert len(list(read(tmp_path, broken))) == 2
    assert len(broken) == 1
    assert "w0.jsonl, line 2" in broken[0]


def test_a_later_version_is_skipped_in_words(tmp_path, episode):
    with Writer(tmp_path) as writer:
        writer.write(episode)
    path = tmp_path / "episodes" / "w0.jsonl"
    path.write_text(path.read_text().replace('"version":1', '"version":2'))
    broken: list[str] = []
    assert list(read(tmp_path, broken)) == []
    assert "episode of version 2; this overread reads version 1" in broken[0]


def test_a_folder_without_episodes_is_no_run(tmp_path):
    with pytest.raises(FileNotFoundError, match="it is not a run"):
        next(read(tmp_path))


def test_a_writer_killed_at_work_loses_at_most_the_line_it_was_writing(tmp_path):
    code = f"""
import asyncio, itertools, sys
sys.path.insert(0, {os.getcwd()!r})
from pathlib import Path
from agent.loop import play
from agent.trace import Writer
from envs.env import ReadingEnv
from envs.episode import Reply
from envs.tasks.discs import discs
tasks = list(discs("test", 1))
async def policy(episode): return Reply(text="<answer>1</answer>", token_ids=(1, 2), logprobs=(-1.0, -2.0))
episode = asyncio.run(play(ReadingEnv(tasks, tools=["crop"]), policy, tasks[0][0]))
with Writer(Path({str(tmp_path)!r})) as writer:
    for n in itertools.count():
        writer.write(episode)
        print(n, flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        told = [next(process.stdout) for _ in range(50)]
        process.kill()
        told += process.stdout.readlines()
    whole = [line for line in told if line.endswith("\n")]
    broken: list[str] = []
    episodes = list(read(tmp_path, broken))
    assert len(episodes) >= len(whole) >= 50
    assert len(broken) <= 1
    assert all(episode.turns[0].reply.token_ids == (1, 2) for episode in episodes)


def test_names_with_a_dot_keep_their_own_files(tmp_path, episode):
    for worker in ("gpu1.0", "gpu1.1"):
        with Writer(tmp_path, worker) as writer:
            writer.write(episode)
            assert len(index(tmp_path, worker)) == 1
    assert len(list(read(tmp_path))) == 2


def test_two_writers_of_one_name_are_one_too_many(tmp_path, episode):
    with Writer(tmp_path), pytest.raises(OSError, match="another writer is at work on it"):
        Writer(tmp_path)
    with Writer(tmp_path) as writer:  # the first has closed
        writer.write(episode)


@pytest.mark.parametrize("harm", ["torn row", "missing row", "torn line"])
def test_an_index_that_was_broken_off_is_mended_by_the_next_writer(harm, tmp_path, episode):
    with Writer(tmp_path) as writer:
        writer.write(episode)
        writer.write(episode)
    rows, lines = tmp_path / "episodes" / "w0.index", tmp_path / "episodes" / "w0.jsonl"
    size, path = (rows.stat().st_size, rows) if harm != "torn line" else (lines.stat().st_size, lines)
    os.truncate(path, size - {"torn row": 5, "missing row": ROW.itemsize, "torn line": 100}[harm])
    with Writer(tmp_path) as writer:
        writer.write(episode.model_copy(update={"step": 7}))
    found = index(tmp_path, "w0")
    assert len(found) == (2 if harm == "torn line" else 3)
    last = read_at(tmp_path, "w0", int(found["offset"][-1]), int(found["length"][-1]))
    assert last.step == 7
    assert len({episode.id for episode in read(tmp_path)}) == len(found)


def test_a_disk_that_fills_up_within_an_episode_leaves_nothing_of_it(tmp_path, episode):
    with Writer(tmp_path) as writer:
        writer.write(episode)
        size = (tmp_path / "episodes" / "w0.jsonl").stat().st_size
        now = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 200, now[1]))
        try:
            with pytest.raises(OSError, match="File too large"):
                writer.write(episode)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, now)
        writer.write(episode)
    broken: list[str] = []
    assert (len(list(read(tmp_path, broken))), broken) == (2, [])
    assert len(index(tmp_path, "w0")) == 2


def test_workers_that_show_the_same_image_do_not_get_in_each_others_way(tmp_path, episode):
    def work(name: str) -> None:
        with Writer(tmp_path, name) as writer:
            writer.write(episode)

    for attempt in range(10):
        shutil.rmtree(tmp_path / "images", ignore_errors=True)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, [f"w{attempt}-{n}" for n in range(8)]))
    assert len(list(read(tmp_path))) == 80


@pytest.mark.parametrize("shape", ['"opening":null', '"opening":{}', '"question":[]'])
def test_a_line_of_another_shape_is_skipped_and_said(shape, tmp_path, episode):
    with Writer(tmp_path) as writer:
        writer.write(episode)
        writer.write(episode)
    path = tmp_path / "episodes" / "w0.jsonl"
    first, second = path.read_text().splitlines()
    record = json.loads(first) | json.loads(f"{{{shape}}}")
    path.write_text(f"{json.dumps(record)}\n{second}\n")
    broken: list[str] = []
    assert len(list(read(tmp_path, broken))) == 1
    assert len(broken) == 1
