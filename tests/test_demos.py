"""Demonstrations: what is kept is right, comes out again as it is stored, and was made without telling a teacher."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.cli import run
from agent.loop import play
from agent.plan import questions
from agent.policies.protocol import protocol
from agent.trace import read
from envs.env import ReadingEnv
from envs.grading import grade
from sft.demos import APART, Order, dropped, make, read_tries, totals
from tests.datasets_made import picture, write_jsonl
from tests.demos import AWAY, ZOOM, ended

OVERREAD = Path(sys.executable).parent / "overread"
SHAPE = {"name": "shape", "split": "test", "count": 40, "view_px": 64}
MIXED = {"name": "phantoms", "split": "test", "count": 24, "view_px": 64}
ORACLE = {"name": "oracle"}


@pytest.fixture
def lab(tmp_path, monkeypatch) -> Callable[[str, str], dict[str, Any]]:
    """Write a policy of one's own; gives its table."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(name: str, code: str) -> dict[str, Any]:
        folder = tmp_path / f"lab_{name}"
        folder.mkdir()
        (folder / f"{name}.py").write_text(code)
        return {"name": f"lab_{name}.{name}"}

    return write


def done(order: Order, folder: Path) -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    make(order, folder)
    return totals(read_tries(folder))


def settled(folder: Path) -> list[dict[str, Any]]:
    """Every episode, without what differs from run to run."""
    found = [json.loads(episode.model_dump_json()) for episode in read(folder)]
    for turn in (turn for record in found for turn in record["turns"]):
        turn["seconds"] = 0
        for act in turn["acts"]:
            act["seconds"] = 0
    return sorted(found, key=lambda record: record["id"])


# ---- made


def test_what_the_oracle_shows_in_every_family_is_kept_and_replays(demos, tmp_path):
    words = [f"--set=task.{name}={value}" for name, value in MIXED.items()]
    code, out, _ = demos(*words, "--policy", "oracle", "--out", tmp_path / "run", "--json")
    said = json.loads(out)
    assert (code, said["asked"], said["tried"], said["kept"], said["rate"], said["dropped"]) == (0, 24, 24, 24, 1.0, {})
    families = Counter(question.tags["family"] for question, _ in questions(MIXED))
    assert len(families) > 6
    assert said["by"]["family"] == {name: {"tried": n, "kept": n} for name, n in sorted(families.items())}
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (facts["kind"], facts["task"], facts["policy"], facts["env"], facts["tries"]) == (
        "demos", MIXED, ORACLE, {}, 1,
    )  # fmt: skip
    assert {name: facts[name] for name in said if name != "run"} == {n: said[n] for n in said if n != "run"}
    code, out, _ = demos("check", tmp_path / "run")
    assert (code, out) == (0, "24 demonstrations, 0 do not replay\n")


def test_the_expert_shows_where_nobody_else_is_named(demos, tmp_path):
    code, out, _ = demos("--set", "task.name=shape", "--count", 3, "--out", tmp_path / "run", "--json")
    assert code == 0
    assert {episode.policy for episode in read(tmp_path / "run")} == {"sft.expert"}
    assert json.loads(out)["kept"] == 3


def test_the_rate_of_the_rules_is_that_of_a_direct_count(tmp_path):
    """Of every third question another distance is said to be true than the rules measure."""
    picture(tmp_path / "a.png", 1)
    why = "because a picture file states no size on the patient (its dpi is for printing)."
    said = f"The distance is {{}} px, in pixels of the source {why}"
    asked = "How far is it from (2, 3) to ({}, 3)?"
    rows = [
        {"id": str(n), "images": ["a.png"], "question": asked.format(n + 3), "kind": "open",
         "answer": said.format(n + 1 if n % 3 else 40)}
        for n in range(20)
    ]  # fmt: skip
    write_jsonl(tmp_path / "test.jsonl", rows)
    task = {"name": "jsonl", "root": str(tmp_path)}
    right = []
    for question, truth in questions(task):
        episode = asyncio.run(play(ReadingEnv([(question, truth)]), protocol(), question))
        right += [question.id] if grade(episode, truth).right else []
    found = done(Order(task=task, policy={"name": "protocol"}), tmp_path / "run")
    assert 0 < len(right) < 20
    assert sorted(episode.id for episode in read(tmp_path / "run")) == sorted(right)
    assert (found["kept"], found["rate"]) == (len(right), round(len(right) / 20, 6))
    assert found["dropped"] == {"wrong": 20 - len(right)}


LATE = f"""
def late(truth_of, dialect="tags"):
    from envs.episode import Reply
    async def policy(episode):
        attempt, number = divmod(episode.seed, {APART})
        said = truth_of(episode.question.id).answer if attempt >= number % 4 else "Z"
        return Reply(text=f"<answer>{{said}}</answer>")
    return policy
"""


@pytest.mark.parametrize(("tries", "kept", "tried"), [(1, 2, 8), (3, 6, 2 * (1 + 2 + 3 + 3)), (4, 8, 20), (9, 8, 20)])
def test_a_question_is_asked_until_it_is_answered_rightly_or_often_enough(tries, kept, tried, lab, tmp_path):
    """Question n is answered rightly from try n % 4 on, counted from 0."""
    order = Order(task={**SHAPE, "count": 8}, policy=lab("late", LATE), tries=tries)
    found = done(order, tmp_path / "run")
    assert (found["asked"], found["kept"], found["tried"]) == (8, kept, tried)
    assert found["rate"] == round(kept / tried, 6)
    assert sum(found["dropped"].values()) == tried - kept
    assert len({episode.id for episode in read(tmp_path / "run")}) == kept


@pytest.mark.parametrize(("count", "asked"), [(1, 1), (31, 31), (32, 32), (33, 33), (None, 40)])
def test_as_many_questions_are_asked_as_are_wanted(count, asked, tmp_path):
    assert done(Order(task=SHAPE, policy=ORACLE, count=count), tmp_path / "run")["asked"] == asked


SPY = """
def spy(dialect="tags"):
    from envs.episode import Reply
    async def policy(episode):
        with open(SEEN, "a") as file:
            file.write(episode.model_dump_json() + repr(vars(episode)) + chr(10))
        return Reply(text="<answer>guess</answer>")
    return policy
"""


def test_a_teacher_never_sees_the_truth(lab, tmp_path):
    """What it is given is the same whatever is true, and the words of the truth stand nowhere in it."""
    picture(tmp_path / "a.png", 1)
    teacher = lab("spy", SPY.replace("SEEN", repr(str(tmp_path / "seen"))))
    seen: list[str] = []
    for number, answer in enumerate(("xenolith", "guess")):
        folder = tmp_path / str(number)
        folder.mkdir()
        shutil.copy(tmp_path / "a.png", folder)
        row = {"id": "1", "images": ["a.png"], "question": "What is it?", "answer": answer, "boxes": [[3, 5, 17, 19]]}
        write_jsonl(folder / "test.jsonl", [{**row, "coordinates": "px"}])
        order = Order(task={"name": "jsonl", "root": str(folder)}, policy=teacher)
        found = done(order, folder / "run")
        assert (found["kept"], found["dropped"]) == ((0, {"wrong": 1}), (1, {}))[number]
        seen.append((tmp_path / "seen").read_text().replace(str(folder), ""))
        (tmp_path / "seen").unlink()
    assert "What is it?" in seen[0]
    assert "xenolith" not in seen[0]
    assert seen[0] == seen[1]


def test_a_policy_that_is_told_the_truth_by_a_setting_is_refused(demos, tmp_path):
    code, _, err = demos(
        "--set", "task.name=shape", "--policy", "protocol", "--set", "policy.truth_of=1", "--out", tmp_path
    )
    assert (code, err) == (2, "error: protocol has no setting 'truth_of'; it takes: dialect.\n")
    assert not any(tmp_path.iterdir())


# ---- dropped


@pytest.mark.parametrize(
    ("replies", "reason", "why"),
    [
        ([ZOOM, "{right}"], "", ""),
        ([AWAY, ZOOM, "{right}"], "", ""),
        (["{right}"], "", ""),
        ([ZOOM, "<answer>1 mm</answer>"], "wrong", "the answer '1 mm' is wrong; right is"),
        ([ZOOM, "<answer>large</answer>"], "malformed", "the answer cannot be read: "),
        ([ZOOM, "<answer>It is {said}</answer>"], "malformed", "the answer 'It is "),
        ([ZOOM, "It is {right}"], "malformed", "turn 2 is not written as asked: write <think>"),
        (["hello", "{right}"], "malformed", "turn 1 is not written as asked: write <think>"),
        ([AWAY, "{right}"], "refused last", "it answers after a refusal: zoom: box [900, 900, 950, 950] lies outside"),
        ([ZOOM, ZOOM], "limit", "it came to no answer: turn_limit after 2 turns"),
        ([ZOOM], "limit", "it came to no answer: broken off after 1 turns"),
    ],
)
def test_what_is_no_demonstration_is_dropped_for_a_reason(replies, reason, why, task):
    right = f"<answer>{task[1].answer}</answer>"
    turns = [reply.replace("{right}", right).replace("{said}", task[1].answer) for reply in replies]
    found = dropped(ended(task, *turns, max_turns=max(2, len(turns))), task[1])
    assert found[0] == reason
    assert found[1].startswith(why)


def test_a_fault_is_a_reason_with_its_last_line(task):
    env = ReadingEnv([task])
    env.reset(options={"question": task[0]})
    broken = env.give_up("engine_fault", "Traceback\nRuntimeError: no power")
    assert dropped(broken, task[1]) == ("fault", "it ended by a fault: engine_fault, RuntimeError: no power")


def test_too_many_faults_stop_a_making_and_are_played_again_when_it_goes_on(lab, demos, tmp_path):
    weak = lab(
        "weak",
        "def weak():\n    async def policy(episode):\n        raise RuntimeError('no power')\n    return policy\n",
    )
    code, _, err = demos(
        "--set", "task.name=shape", "--policy", weak["name"], "--count", 40, "--out", tmp_path / "run", "-q"
    )
    assert (code, err) == (3, "error: 32 of 32 episodes ended by a fault, not by an answer: RuntimeError: no power\n")
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    (tmp_path / "run" / "run.json").write_text(json.dumps({**facts, "policy": ORACLE}))
    code, out, _ = demos("--resume", tmp_path / "run", "--json")
    assert code == 0
    assert (json.loads(out)["kept"], json.loads(out)["tried"], json.loads(out)["dropped"]) == (40, 40, {})


# ---- gone on with


@pytest.mark.slow
def test_after_a_kill_the_making_goes_on_and_gives_the_same_set(tmp_path):
    words = ["--set", "task.name=shape", "--set", "task.view_px=64", "--policy", "oracle", "--count", "100"]
    command = [OVERREAD, "data", "demos", *words, "--out"]
    tries = tmp_path / "killed" / "tries.jsonl"
    with subprocess.Popen([*command, tmp_path / "killed", "-q"]) as process:
        while process.poll() is None and (not tries.exists() or tries.read_bytes().count(b"\n") < 10):
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    assert 10 <= tries.read_bytes().count(b"\n") < 100
    assert run(["data", "demos", "--resume", str(tmp_path / "killed"), "-q"]) == 0
    assert run(["data", "demos", *words, "--out", str(tmp_path / "whole"), "-q"]) == 0
    assert settled(tmp_path / "killed") == settled(tmp_path / "whole")
    facts = [json.loads((tmp_path / name / "run.json").read_text()) for name in ("killed", "whole")]
    assert facts[0] == facts[1]


@pytest.mark.parametrize("left", [b"", b'{"number": 5, "quest'])
def test_an_episode_that_was_kept_but_not_logged_is_not_kept_twice(left, shape_demos, tmp_path):
    shutil.copytree(shape_demos, tmp_path / "run")
    lines = (tmp_path / "run" / "tries.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "run" / "tries.jsonl").write_bytes(b"".join(lines[:-1]) + left)
    assert run(["data", "demos", "--resume", str(tmp_path / "run"), "-q"]) == 0
    assert settled(tmp_path / "run") == settled(shape_demos)
    assert read_tries(tmp_path / "run") == read_tries(shape_demos)


@pytest.mark.slow
def test_three_workers_make_what_one_makes(tmp_path):
    order = Order(task={**SHAPE, "count": 150}, policy=ORACLE)
    one, three = done(order, tmp_path / "one"), done(order.model_copy(update={"workers": 3}), tmp_path / "three")
    assert one == three
    assert settled(tmp_path / "one") == settled(tmp_path / "three")
    assert len(list((tmp_path / "three" / "episodes").glob("*.jsonl"))) == 3


def test_rows_that_cannot_be_used_stop_a_making_or_are_named(demos, tmp_path):
    picture(tmp_path / "a.png", 1)
    row = {"id": "1", "images": ["a.png"], "question": "What is it?", "answer": "a film"}
    write_jsonl(tmp_path / "test.jsonl", [row, {**row, "id": "2", "images": ["b.png"]}])
    words = ["--set", "task.name=jsonl", "--set", f"task.root={tmp_path}", "--policy", "oracle"]
    code, _, err = demos(*words, "--out", tmp_path / "a", "-q")
    assert code == 4
    assert "row 2: " in err
    code, out, err = demos(*words, "--out", tmp_path / "b", "--skip-bad", "--json")
    assert (code, json.loads(out)["kept"]) == (0, 1)
    assert err.startswith("skipped: ")
    assert demos("check", tmp_path / "b")[:2] == (0, "1 demonstrations, 0 do not replay\n")
    (tmp_path / "a.png").unlink()
    picture(tmp_path / "a.png", 2)
    code, out, _ = demos("check", tmp_path / "b")
    assert code == 4
    assert "jsonl/test/1: the study: stored '" in out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--policy", "oracle"], "no [task] to be shown; write one, or give --set task.name=..."),
        (["--set", "task.name=shap"], "no 'shap' in envs/tasks/; there are: "),
        (["--set", "task.name=shape", "--set", "demos.trys=2"], "demos has no setting 'trys'; it takes: count, tries"),
        (["--set", "task.name=shape", "--set", "demos.tries=0"], "demos.tries: Input should be greater than or equal"),
        (["--set", "task.name=shape", "--count", "0"], "demos.count: Input should be greater than or equal to 1"),
        (["--set", "task.name=shape", "--out", "{run}"], "is not empty; give another --out"),
        (["--resume", "{run}", "--count", "3"], "--resume goes on as the run was begun; leave out its configs"),
        (["check", "{run}", "--max-length", "9"], "--model and --max-length go together"),
        (["stats", "{eval}"], "is no run of demonstrations"),
        (["export", "nobody", "{run}", "--out", "{eval}/x.json"], "no 'nobody' in sft/formats/; there are: "),
        (["import", "nobody", "x", "--out", "{eval}/x"], "no 'nobody' in sft/formats/; there are: "),
    ],
)
def test_what_cannot_be_asked_for_is_refused_in_a_sentence(words, says, demos, shape_demos, tmp_path):
    (tmp_path / "eval" / "episodes").mkdir(parents=True)
    code, _, err = demos(*(word.format(run=shape_demos, eval=tmp_path / "eval") for word in words))
    assert code == 2
    assert says in err


def test_making_needs_no_torch():
    code = "import agent.commands.data_demos, sys; assert not {'torch', 'transformers', 'trl'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ)
