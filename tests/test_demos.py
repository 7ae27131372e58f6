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
from envs.episode import Episode, Question, Truth
from envs.grading import grade
from sft.contents import contents
from sft.demos import APART, Order, dropped, make, read_tries, totals
from sft.replay import ReplayError, replayed
from tests.datasets_made import picture, write_jsonl

OVERREAD = Path(sys.executable).parent / "overread"
SHAPE = {"name": "shape", "split": "test", "count": 40, "view_px": 64}
MIXED = {"name": "phantoms", "split": "test", "count": 24, "view_px": 64}
ORACLE = {"name": "oracle"}


@pytest.fixture
def told(capsys):
    """Run `overread data demos`: (exit code, stdout, stderr)."""

    def demos(*words: object) -> tuple[int, str, str]:
        code = run(["data", "demos", *map(str, words)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return demos


@pytest.fixture(scope="module")
def shapes(tmp_path_factory) -> Path:
    """Six demonstrations by the oracle: a zoom, then the answer."""
    folder = tmp_path_factory.mktemp("runs") / "shapes"
    code = run(["data", "demos", "--set", "task.name=shape", "--set", "task.view_px=64", "--policy", "oracle",
                "--count", "6", "--out", str(folder), "-q"])  # fmt: skip
    assert code == 0
    return folder


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


def test_what_the_oracle_shows_in_every_family_is_kept_and_replays(told, tmp_path):
    words = [f"--set=task.{name}={value}" for name, value in MIXED.items()]
    code, out, _ = told(*words, "--policy", "oracle", "--out", tmp_path / "run", "--json")
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
    code, out, _ = told("check", tmp_path / "run")
    assert (code, out) == (0, "24 demonstrations, 0 do not replay\n")


def test_the_expert_shows_where_nobody_else_is_named(told, tmp_path):
    code, out, _ = told("--set", "task.name=shape", "--count", 3, "--out", tmp_path / "run", "--json")
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


def test_a_policy_that_is_told_the_truth_by_a_setting_is_refused(told, tmp_path):
    code, _, err = told(
        "--set", "task.name=shape", "--policy", "protocol", "--set", "policy.truth_of=1", "--out", tmp_path
    )
    assert (code, err) == (2, "error: protocol has no setting 'truth_of'; it takes: dialect.\n")
    assert not any(tmp_path.iterdir())


# ---- dropped


def ended(task: tuple[Question, Truth], *replies: str, **more: Any) -> Episode:
    env = ReadingEnv([task], **more)
    env.reset(options={"question": task[0]})
    for reply in replies:
        env.step(reply)
    return env.episode


ZOOM = '<tool_call>{"name": "zoom", "arguments": {"image": "img0", "box": [10, 10, 90, 90]}}</tool_call>'
AWAY = ZOOM.replace("[10, 10, 90, 90]", "[900, 900, 950, 950]")


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


def test_too_many_faults_stop_a_making_and_are_played_again_when_it_goes_on(lab, told, tmp_path):
    weak = lab(
        "weak",
        "def weak():\n    async def policy(episode):\n        raise RuntimeError('no power')\n    return policy\n",
    )
    code, _, err = told(
        "--set", "task.name=shape", "--policy", weak["name"], "--count", 40, "--out", tmp_path / "run", "-q"
    )
    assert (code, err) == (3, "error: 32 of 32 episodes ended by a fault, not by an answer: RuntimeError: no power\n")
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    (tmp_path / "run" / "run.json").write_text(json.dumps({**facts, "policy": ORACLE}))
    code, out, _ = told("--resume", tmp_path / "run", "--json")
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
def test_an_episode_that_was_kept_but_not_logged_is_not_kept_twice(left, shapes, tmp_path):
    shutil.copytree(shapes, tmp_path / "run")
    lines = (tmp_path / "run" / "tries.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "run" / "tries.jsonl").write_bytes(b"".join(lines[:-1]) + left)
    assert run(["data", "demos", "--resume", str(tmp_path / "run"), "-q"]) == 0
    assert settled(tmp_path / "run") == settled(shapes)
    assert read_tries(tmp_path / "run") == read_tries(shapes)


@pytest.mark.slow
def test_three_workers_make_what_one_makes(tmp_path):
    order = Order(task={**SHAPE, "count": 150}, policy=ORACLE)
    one, three = done(order, tmp_path / "one"), done(order.model_copy(update={"workers": 3}), tmp_path / "three")
    assert one == three
    assert settled(tmp_path / "one") == settled(tmp_path / "three")
    assert len(list((tmp_path / "three" / "episodes").glob("*.jsonl"))) == 3


def test_rows_that_cannot_be_used_stop_a_making_or_are_named(told, tmp_path):
    picture(tmp_path / "a.png", 1)
    row = {"id": "1", "images": ["a.png"], "question": "What is it?", "answer": "a film"}
    write_jsonl(tmp_path / "test.jsonl", [row, {**row, "id": "2", "images": ["b.png"]}])
    words = ["--set", "task.name=jsonl", "--set", f"task.root={tmp_path}", "--policy", "oracle"]
    code, _, err = told(*words, "--out", tmp_path / "a", "-q")
    assert code == 4
    assert "row 2: " in err
    code, out, err = told(*words, "--out", tmp_path / "b", "--skip-bad", "--json")
    assert (code, json.loads(out)["kept"]) == (0, 1)
    assert err.startswith("skipped: ")
    assert told("check", tmp_path / "b")[:2] == (0, "1 demonstrations, 0 do not replay\n")
    (tmp_path / "a.png").unlink()
    picture(tmp_path / "a.png", 2)
    code, out, _ = told("check", tmp_path / "b")
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
def test_what_cannot_be_asked_for_is_refused_in_a_sentence(words, says, told, shapes, tmp_path):
    (tmp_path / "eval" / "episodes").mkdir(parents=True)
    code, _, err = told(*(word.format(run=shapes, eval=tmp_path / "eval") for word in words))
    assert code == 2
    assert says in err


# ---- replayed


def changed(folder: Path, number: int, change: Callable[[dict[str, Any]], None]) -> None:
    """Change one stored episode by hand."""
    path = folder / "episodes" / "w0.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    record = json.loads(lines[number])
    change(record)
    lines[number] = json.dumps(record) + "\n"
    path.write_text("".join(lines))


def first_act(record: dict[str, Any]) -> dict[str, Any]:
    act: dict[str, Any] = record["turns"][0]["acts"][0]
    return act


CHANGES: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "a reply": (
        lambda r: r["turns"][0]["reply"].update(text=ZOOM.replace("90, 90", "30, 30")),
        "turn 1: the actions: stored ...",
    ),
    "a reply's thought": (
        lambda r: r["turns"][1]["reply"].update(text=r["turns"][1]["reply"]["text"].replace("I know", "I guess")),
        "turn 2: the reply's thought: stored 'I know the truth.', came 'I guess the truth.'",
    ),
    "the truth": (
        lambda r: r["truth"].update(answer="Z"),
        "the truth's answer: stored 'Z', came '",
    ),
    "the place of the truth": (
        lambda r: r["truth"].update(regions=[]),
        "the truth's regions: stored (), came (Place(",
    ),
    "what a tool said": (
        lambda r: first_act(r)["observation"].update(text="all is well"),
        "turn 1: zoom: the words: stored 'all is well', came '",
    ),
    "what a tool showed": (
        lambda r: first_act(r)["observation"]["images"].clear(),
        "turn 1: zoom: the pictures: stored [], came ['",
    ),
    "where it looked": (
        lambda r: first_act(r)["places"].clear(),
        "turn 1: the places of zoom: stored {}, came {'box'",
    ),
    "that it was refused": (
        lambda r: first_act(r).update(refused=True),
        "turn 1: the refusal of zoom: stored True, came False",
    ),
    "a tool": (
        lambda r: first_act(r)["action"].update(name="scalpel"),
        "turn 1: no tool 'scalpel'; there are: zoom, crop, ",
    ),
    "the question": (
        lambda r: r["question"].update(text="What now?"),
        "the question's text: stored 'What now?', came '",
    ),
    "the id": (
        lambda r: r["question"].update(id="shape/train/999"),
        "the task has no such question",
    ),
    "the opening": (
        lambda r: r["opening"].update(text=r["opening"]["text"] + "!"),
        "the opening: the words: stored '...",
    ),
    "the instructions": (lambda r: r.update(system="Guess."), "what is told first: stored 'Guess.', came '"),
    "the stop": (lambda r: r.update(stop="turn_limit"), "the stop: stored 'turn_limit', came 'answered'"),
    "the last turn": (lambda r: r["turns"].pop(), "the stop: stored 'answered', came 'None'"),
    "one turn more": (
        lambda r: r["turns"].append(r["turns"][1]),
        "turn 3: the episode is over after turn 2: answered",
    ),
    "no truth": (lambda r: r.update(truth=None), "no truth is stored: the episode was broken off, or never judged"),
}  # fmt: skip


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_to_what_is_stored_is_found_and_named(what, told, shapes, tmp_path):
    change, says = CHANGES[what]
    shutil.copytree(shapes, tmp_path / "run")
    changed(tmp_path / "run", 2, lambda record: record["tokens"].update(turns=[]) or change(record))
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    code, out, _ = told("check", tmp_path / "run", "-q")
    assert code == 4
    first, last = out.splitlines()
    assert says in first
    assert last == "6 demonstrations, 1 do not replay"
    assert {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("seen", [0, 1])
@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda path: path.unlink(), "the picture of img{seen} is missing: {path}"),
        (lambda path: path.write_text("no picture"), "the picture of img{seen} cannot be read: "),
        (lambda path: picture(path, 1), "the picture of img{seen} is not what was seen: {path}"),
    ],
    ids=["missing", "broken", "another"],
)
def test_a_picture_that_is_missing_or_another_is_named(spoil, says, seen, told, shapes, tmp_path):
    shutil.copytree(shapes, tmp_path / "run")
    episode = list(read(tmp_path / "run"))[3]
    path = episode.images[f"img{seen}"]._path
    spoil(path)
    code, out, _ = told("check", tmp_path / "run", "-q", "--json")
    (failed,) = json.loads(out)["failed"]
    assert (code, failed["question"]) == (4, episode.question.id)
    assert failed["why"].startswith(says.format(seen=seen, path=path))


def test_a_line_that_was_lost_is_missed(told, shapes, tmp_path):
    shutil.copytree(shapes, tmp_path / "run")
    path = tmp_path / "run" / "episodes" / "w0.jsonl"
    path.write_bytes(path.read_bytes()[:-40])
    code, out, err = told("check", tmp_path / "run", "-q")
    assert code == 4
    assert "run: 6 were kept, and 5 are there" in out
    assert "w0.jsonl, line 6: " in err


def test_a_truth_that_the_replay_contradicts_is_named(task):
    """The stored truth and that of the task are the same, and the answer is right by neither."""
    question, truth = task
    episode = ended(task, "<answer>1 mm</answer>")
    with pytest.raises(ReplayError, match=rf"the answer '1 mm' is wrong: the truth is '{truth.answer}'"):
        replayed(episode, question, truth, ReadingEnv([task]))


def test_a_replayed_episode_is_the_stored_one_and_its_views_know_their_sources(shapes):
    tasks = {
        question.id: (question, truth) for question, truth in questions({"name": "shape", "view_px": 64, "count": 6})
    }
    for episode in read(shapes):
        again = replayed(episode, *tasks[episode.question.id], ReadingEnv([tasks[episode.question.id]]))
        assert (again.id, again.policy, again.verdict, again.seed) == (
            episode.id, episode.policy, episode.verdict, episode.seed,
        )  # fmt: skip
        assert all(image.data is not None for image in again.images.values())
        with pytest.raises(FileNotFoundError):
            _ = episode.images["img0"].data


def test_other_rules_do_not_replay_what_was_played_under_these(told, shapes, tmp_path):
    shutil.copytree(shapes, tmp_path / "run")
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    (tmp_path / "run" / "run.json").write_text(json.dumps({**facts, "env": {"tools": ["crop"]}}))
    code, out, _ = told("check", tmp_path / "run", "-q")
    assert code == 4
    assert out.count("turn 1: no tool 'zoom'; there are: crop\n") == 6


@pytest.mark.slow
def test_what_is_too_long_for_a_model_is_named(told, shapes, tiny_models):
    model = tiny_models("qwen2_5_vl")
    code, out, _ = told("stats", shapes, "--model", model, "--json")
    most, least = (json.loads(out)["lengths"]["tokens"][name] for name in ("most", "least"))
    assert (code, least > 100) == (0, True)
    check = ["check", shapes, "-q", "--model", model, "--max-length"]
    assert told(*check, most)[0] == 0
    code, out, _ = told(*check, most - 1)
    assert code == 4
    assert f"it is {most} tokens long for {model}, and may have {most - 1}" in out


# ---- counted, handed out and brought in


def test_stats_count_what_is_there(told, shapes):
    code, out, _ = told("stats", shapes, "--json")
    said = json.loads(out)
    assert code == 0
    assert (said["episodes"], said["refused"], said["policies"]) == (6, 0, {"oracle": 6})
    assert (said["tools"], said["by"]["family"]) == ({"zoom": 6}, {"shape": 6})
    assert said["phases"] == {"act": 6, "answer": 6, "rethink": 6, "think": 6}
    assert said["lengths"]["turns"] == {"least": 2, "median": 2.0, "mean": 2.0, "most": 2}
    written = [sum(len(turn.reply.text) for turn in episode.turns) for episode in read(shapes)]
    assert said["lengths"]["characters"]["most"] == max(written)
    assert "zoom\t6" in told("stats", shapes, "--plain")[1]


def test_spreads_are_told_of_the_least_the_middle_and_the_most(task):
    answer = f"<answer>{task[1].answer}</answer>"
    found = contents([ended(task, answer), ended(task, ZOOM, AWAY, answer), ended(task, ZOOM, answer)])
    assert found["lengths"]["turns"] == {"least": 1, "median": 2.0, "mean": 2.0, "most": 3}
    assert found["lengths"]["images"] == {"least": 1, "median": 2.0, "mean": 1.67, "most": 2}
    assert (found["tools"], found["refused"]) == ({"zoom": 3}, 1)
    assert contents([])["lengths"] == {}


@pytest.mark.parametrize("layout", ["sharegpt", "trl"])
def test_what_is_handed_out_is_brought_in_again(layout, told, shapes, tmp_path):
    file = tmp_path / "out" / "shapes.jsonl"
    assert told("export", layout, shapes, "--out", file)[:2] == (0, f"{file}: 6 demonstrations\n")
    assert told("export", layout, shapes, "--out", file)[0] == 2
    code, out, err = told("import", layout, file, "--out", tmp_path / "in", "--json")
    assert (code, err) == (0, "")
    assert (json.loads(out)["kept"], json.loads(out)["tried"]) == (6, 6)
    theirs, ours = (Counter(e.answer for e in read(folder)) for folder in (tmp_path / "in", shapes))
    assert theirs == ours
    assert told("check", tmp_path / "in")[:2] == (0, "6 demonstrations, 0 do not replay\n")
    assert told("--resume", tmp_path / "in")[0] == 2


def test_what_comes_out_otherwise_is_not_brought_in_and_is_named(told, shapes, tmp_path):
    """One record states another answer than it leads to, one is no record."""
    file = tmp_path / "out" / "shapes.jsonl"
    told("export", "sharegpt", shapes, "--out", file)
    records = [json.loads(line) for line in file.read_text().splitlines()]
    stated = records[1]["answer"]
    records[1]["answer"] = "A" if stated != "A" else "B"
    del records[2]["images"]
    write_jsonl(file, records)
    code, out, err = told("import", "sharegpt", file, "--out", tmp_path / "in", "--json")
    assert code == 0
    assert (json.loads(out)["kept"], json.loads(out)["dropped"]) == (4, {"wrong": 1})
    assert err.startswith(f"skipped: {file}, row 3: ")
    (wrong,) = (one for one in read_tries(tmp_path / "in") if one.dropped)
    assert wrong.why == f"the answer {stated!r} is wrong; right is {records[1]['answer']!r}"
    assert told("check", tmp_path / "in")[0] == 0


def test_what_was_brought_in_does_not_replay_without_its_pictures(told, shapes, tmp_path):
    told("export", "sharegpt", shapes, "--out", tmp_path / "out" / "shapes.jsonl")
    told("import", "sharegpt", tmp_path / "out" / "shapes.jsonl", "--out", tmp_path / "in")
    shutil.rmtree(tmp_path / "out" / "images")
    code, out, _ = told("check", tmp_path / "in", "-q")
    assert code == 4
    assert out.splitlines()[-1] == "6 demonstrations, 6 do not replay"


def test_making_needs_no_torch():
    code = "import agent.commands.data_demos, sys; assert not {'torch', 'transformers', 'trl'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ)
