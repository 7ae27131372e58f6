"""An evaluation: every question counts, what was played is kept, and the same results give the same bytes."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image as PILImage

from agent.arms import Arm
from agent.causes import cause
from agent.cli import main
from agent.commands.ask import environment
from agent.config import load
from agent.evaluate import Result, evaluate, read_results
from agent.faults import PlayError
from agent.plan import Design, Plan, designed, loader, questions
from agent.summary import compared, reports, summarise, written
from agent.survey import survey
from agent.trace import read
from envs.env import ReadingEnv
from envs.episode import Truth
from envs.grading import Grade, grade
from envs.tasks.discs import discs
from tools.geometry import Box, Point
from tools.image import Place

OVERREAD = Path(sys.executable).parent / "overread"
DISCS = {"name": "discs", "split": "test", "count": 40}


def plan(*arms: Arm, task=DISCS, **more) -> Plan:
    names = dict.fromkeys(arm.policy for arm in arms)
    policies = {name: {"name": name} for name in names}
    return Plan(task=task, policies=policies, env={}, arms=arms, count=task["count"], **more)


def played(plan: Plan, folder: Path, workers: int = 1) -> list[Result]:
    folder.mkdir(exist_ok=True)
    evaluate(plan, folder, workers)
    return read_results(folder)


ORACLE, RULES = Arm(policy="oracle"), Arm(policy="protocol")


def test_who_knows_the_truth_is_right_everywhere_and_rules_say_what_they_cannot(tmp_path):
    results = played(plan(ORACLE, RULES), tmp_path)
    assert len(results) == 80
    oracle = [result for result in results if result.arm == "oracle"]
    assert all(result.grade.right and result.cause == "right" and result.tool_calls == 1 for result in oracle)
    assert {result.cause for result in results if result.arm == "protocol"} == {"parse"}


def test_the_episodes_are_kept_by_arm_and_question(tmp_path):
    played(plan(ORACLE, task={**DISCS, "count": 3}), tmp_path)
    assert sorted(episode.id for episode in read(tmp_path)) == [f"oracle/discs/test/{n}" for n in range(3)]


def test_every_way_of_putting_the_questions_is_played(tmp_path):
    """The oracle is right whatever it is shown, and where a tool must come first but there is no place to look at."""
    task = {"name": "phantoms", "split": "test", "count": 12, "view_px": 64, "families": ["count", "shape", "volume"]}
    ways = [{"tools": tools} for tools in ("none", "forced", "oracle", "noisy")]
    ways += [{"views": views} for views in ("blank", "shuffled", "elsewhere")]
    ways += [{"image": image} for image in ("blank", "shuffled", "blur/2", "brightness/3", "noise/1")]
    arms = [Arm(policy="oracle", **way) for way in ways]
    results = played(plan(*arms, task=task), tmp_path)
    assert len(results) == 12 * len(arms)
    assert all(result.grade.right for result in results)
    calls = {arm.name: [r.tool_calls for r in results if r.arm == arm.name] for arm in arms}
    assert set(calls["oracle, tools none"]) == set(calls["oracle, tools noisy"]) == {0}
    assert min(calls["oracle, tools forced"]) == 1
    assert {r.cause for r in results if r.arm == "oracle, views elsewhere"} == {"right", "right answer, wrong place"}


def test_what_was_played_is_not_played_again_and_a_broken_line_is_played_anew(tmp_path):
    played(plan(ORACLE), tmp_path)
    path = tmp_path / "results.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:10]) + lines[10][:50])
    before = [json.loads(line)["seconds"] for line in lines[:10]]
    results = played(plan(ORACLE), tmp_path)
    assert len(results) == 40
    assert [json.loads(line)["seconds"] for line in path.read_bytes().splitlines()[:10]] == before
    assert len(path.read_bytes().splitlines()) == 40


def settled(results: list[Result]) -> list[Result]:
    """Without what differs from run to run."""
    return [result.model_copy(update={"seconds": 0.0}) for result in results]


@pytest.mark.slow
def test_four_workers_find_what_one_finds(tmp_path):
    noisy = Arm(policy="oracle", image="noise/3")
    one = settled(played(plan(ORACLE, noisy), tmp_path / "one"))
    four = settled(played(plan(ORACLE, noisy), tmp_path / "four", workers=4))
    assert one == four
    hashes = [
        sorted(image.hash for episode in read(tmp_path / name) for image in episode.images.values())
        for name in ("one", "four")
    ]
    assert hashes[0] == hashes[1]


def test_a_task_that_can_begin_anywhere_is_the_same_from_there(tmp_path):
    all_of_it = [question.id for question, _ in questions(DISCS)]
    assert [question.id for question, _ in questions(DISCS, 7, 12)] == all_of_it[7:12]
    assert [question.id for question, _ in questions(DISCS, 32, 64)] == all_of_it[32:40]


CONFIG = """
[task]
name = "discs"
split = "test"
count = 64
[policy]
name = "oracle"
[eval]
tools = ["auto", "none"]
images = ["blank"]
"""


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def overread(desk, monkeypatch, capsys):
    """Run a command line at the desk, in this process."""
    monkeypatch.chdir(desk)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    before = signal.getsignal(signal.SIGTERM)

    def run(*words: str) -> Done:
        code = main(words)
        told = capsys.readouterr()
        return Done(code, told.out, told.err)

    yield run
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    (tmp_path / "discs.toml").write_text(CONFIG)
    return tmp_path


def test_the_command_writes_a_run_and_prints_its_tables(desk, overread):
    done = overread("eval", "discs.toml", "--out", "run", "--set", "task.count=8")
    assert done.returncode == 0, done.stderr
    for words in (
        "Readers",
        "oracle, tools none",
        "Without looking",
        "constant answer",
        "What tools did",
        "Cost of a question",
    ):
        assert words in done.stdout
    summary = json.loads((desk / "run" / "summary.json").read_text())
    assert summary["arms"]["oracle"]["right"][0] == 1.0
    report = (desk / "run" / "report.html").read_text()
    assert "<svg" in report
    assert "http://" not in report.replace("http://www.w3.org", "").replace("http://purl.org", "").replace(
        "http://creativecommons.org", ""
    )
    assert "| oracle | 8 | 1.000 |" in (desk / "run" / "report.md").read_text()


@pytest.mark.slow
def test_an_evaluation_that_was_killed_and_goes_on_gives_the_same_summary(desk, overread):
    whole = overread("eval", "discs.toml", "--out", "whole")
    assert whole.returncode == 0, whole.stderr
    rng = random.Random(os.getpid())
    process = subprocess.Popen(
        [OVERREAD, "eval", "discs.toml", "--out", "part"],
        cwd=desk,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    kills = 0
    while process.poll() is None and kills < 4:
        results = desk / "part" / "results.jsonl"
        least = (results.stat().st_size if results.exists() else 0) + rng.randint(1, 20_000)
        while process.poll() is None and not (results.exists() and results.stat().st_size >= least):
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += 1
        process = subprocess.Popen(
            [OVERREAD, "eval", "--resume", "part"], cwd=desk, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
    assert process.wait() == 0
    assert kills >= 2
    assert (desk / "part" / "summary.json").read_bytes() == (desk / "whole" / "summary.json").read_bytes()


def test_another_plan_cannot_go_on_with_a_run_and_the_difference_is_named(desk, overread):
    overread("eval", "discs.toml", "--out", "run", "--set", "task.count=4")
    done = overread("eval", "discs.toml", "--resume", "run", "--set", "env.max_turns=3")
    assert done.returncode == 2
    assert "plan.count" in done.stderr
    assert "plan.env" in done.stderr
    again = overread("eval", "discs.toml", "--out", "run")
    assert (again.returncode, "run is not empty" in again.stderr) == (2, True)


def test_a_gate_that_is_missed_ends_with_its_own_code(desk, overread):
    passed = overread("eval", "discs.toml", "--set", "task.count=4", "--fail-under", "0.99")
    assert passed.returncode == 0, passed.stderr
    missed = overread("eval", "discs.toml", "-p", "protocol", "--set", "task.count=4", "--fail-under", "0.5")
    assert (missed.returncode, "error: right 0.000 is under 0.5" in missed.stderr) == (5, True)


def test_runs_on_other_data_are_not_compared(desk, overread):
    for name, count in (("a", 4), ("b", 4), ("c", 5)):
        overread("eval", "discs.toml", "--out", name, "--set", f"task.count={count}")
    alike = overread("eval", "compare", "a", "b", "--json")
    assert alike.returncode == 0, alike.stderr
    assert json.loads(alike.stdout)["compared"]["mcnemar"] == 1.0
    other = overread("eval", "compare", "a", "c")
    assert (other.returncode, "differ in their data" in other.stderr) == (4, True)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("task.name=dics", "no 'dics' in envs/tasks/"),
        ("task.cuont=3", "discs has no setting 'cuont'"),
        ("task.split=tset", "no split 'tset'; there are: train, validation, test"),
        ("task.count=0", "the task holds no question"),
        ("eval.tools=[]", "eval.tools is empty"),
        ('eval.tools=["hammer"]', "eval.tools.0"),
        ("eval.imges=1", "eval has no setting 'imges'"),
        ("env.max_turn=3", "env has no setting 'max_turn'"),
        ('eval.ood={modality="MR"}', "eval.ood: 0 of 64 questions have modality=MR"),
    ],
)
def test_what_cannot_be_played_is_refused_in_words(overread, change, words):
    done = overread("eval", "discs.toml", "--set", change)
    assert done.returncode in (2, 4)
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_policy_that_breaks_on_every_question_ends_the_evaluation_in_words(desk, overread):
    (desk / "dark_lab").mkdir()
    (desk / "dark_lab" / "broken.py").write_text(
        "def broken():\n    async def policy(episode):\n        raise RuntimeError('no power')\n    return policy\n"
    )
    done = overread("eval", "discs.toml", "-p", "dark_lab.broken")
    assert done.returncode == 3
    assert "episodes ended by a fault, not by an answer: RuntimeError: no power" in done.stderr
    assert "Traceback" not in done.stderr


def result(question: str, right: bool, arm: str = "a", **more) -> Result:
    judged = Grade(scorer="yes_no/1", score=float(right), right=right, parsed=True)
    fields = {
        "arm": arm, "number": 0, "question": question, "study": question, "kind": "yes_no", "truth": "yes",
        "answer": "yes", "grade": judged, "cause": "right" if right else "wrong answer",
        "stop": "answered", "turns": 1, "tool_calls": 0, "refused": 0, "tokens": 0, "seconds": 0.0,
    }  # fmt: skip
    return Result(**(fields | more))


def test_readers_are_compared_on_the_questions_that_both_were_asked():
    a = [result("1", True), result("2", False), result("3", True)]
    b = [result("2", True, "b"), result("3", True, "b"), result("4", True, "b")]
    found = compared(a, b)
    assert (found["questions"], found["right"].mean, found["only a right"], found["only b right"]) == (2, 0.5, 0, 1)


def test_a_child_is_taken_as_none_where_its_parent_was_answered_no():
    tags = {"report": "r"}
    child = {"tags": tags | {"parent": "p"}, "kind": "choice"}
    parent_no = result("p", True, answer="no", truth="no", tags=tags)
    assert reports([parent_no, result("c", False, answer="B", truth="E", **child)])["reports right"] == 1.0
    missed = result("p", False, answer="no", truth="yes", tags=tags)
    assert reports([missed, result("c", True, answer="B", truth="B", **child)])["questions right"].mean == 0.0
    assert reports([missed, result("c", False, answer="B", truth="no", **child)])["questions right"].mean == 0.5
    found = result("p", True, answer="yes", truth="yes", tags=tags)
    assert reports([found, result("c", True, answer="B", truth="B", **child)])["reports right"] == 1.0


TASK = next(discs("test"))


def ended(*replies: str, **more):
    env = ReadingEnv([TASK], rewards={}, **more)
    env.reset(options={"question": TASK[0]})
    for reply in replies:
        env.step(reply)
    return env.episode


def zoom(box: Box) -> str:
    arguments = json.dumps({"image": "img0", "box": box.numbers})
    return f'<tool_call>{{"name": "zoom", "arguments": {arguments}}}</tool_call>'


DISC = TASK[1].regions[0].shape
AWAY = Box(x0=0, y0=0, x1=12, y1=12)
RIGHT, WRONG = f"<answer>{TASK[1].answer}</answer>", "<answer>1 mm</answer>"


@pytest.mark.parametrize(
    ("replies", "became"),
    [
        ([zoom(DISC), RIGHT], "right"),
        ([RIGHT], "right"),
        ([zoom(AWAY), RIGHT], "right answer, wrong place"),
        ([zoom(DISC), WRONG], "right place, wrong answer"),
        ([zoom(AWAY), WRONG], "wrong place"),
        ([WRONG], "not looked"),
        (['<tool_call>{"name": "zom", "arguments": {}}</tool_call>', WRONG], "tool refusal"),
        (["<answer>very large</answer>"], "parse"),
        ([zoom(DISC)] * 8, "limit"),
    ],
)
def test_why_an_answer_is_wrong_is_told_by_what_went_amiss_first(replies, became):
    episode = ended(*replies)
    assert cause(episode, TASK[1], grade(episode, TASK[1])) == became


def test_an_answer_in_a_reply_that_had_to_be_mended_is_right_but_not_strict():
    exact, mended = (grade(ended(reply), TASK[1]) for reply in (RIGHT, RIGHT.removesuffix("</answer>")))
    assert (exact.right, exact.strict, mended.right, mended.strict) == (True, 1.0, True, 0.0)


def test_a_fault_is_nobodys_wrong_answer():
    env = ReadingEnv([TASK])
    env.reset(options={"question": TASK[0]})
    episode = env.give_up("engine_fault", "no power")
    assert cause(episode, TASK[1], grade(episode, TASK[1])) == "fault"


def test_the_guesses_of_a_survey_do_not_look():
    found = survey(discs("test", 200))
    assert (found.count, found.studies, found.kinds) == (200, 200, {"number": 200})
    constant = [guess.grade.right for guess in found.baselines["constant answer"]]
    assert 0.0 < sum(constant) / len(constant) < 0.2
    assert survey(discs("test", 200)).hash == found.hash
    assert survey(discs("validation", 200)).hash != found.hash


def test_a_truth_that_no_grader_takes_for_right_is_found_before_anything_is_played():
    broken = TASK[1].model_copy(update={"answer": "large"})
    with pytest.raises(ValueError, match="question 'discs/test/0': the truth 'large' holds no number"):
        survey([(TASK[0], broken)])
    boxes = TASK[0].model_copy(update={"kind": "boxes"})
    point = Place(source=TASK[0].images[0].source, shape=Point(x=3, y=3))
    with pytest.raises(ValueError, match="question 'discs/test/0': its truth 'x' is no right answer to it"):
        survey([(boxes, Truth(answer="x", regions=(point,)))])


def test_a_question_does_not_tell_its_own_answer_to_those_who_guess():
    """Asked in words of its own, or in words whose every other answer differs, nothing can be guessed."""
    task, truth = TASK
    texts = ["same", "same", "same", "alone"]
    kept = [
        (
            task.model_copy(update={"id": str(n), "kind": "open", "text": text}),
            truth.model_copy(update={"answer": answer}),
        )
        for n, (text, answer) in enumerate(zip(texts, ["liver", "liver", "heart", "spleen"], strict=True))
    ]
    guesses = survey(kept).baselines["what others asked in the same words answer"]
    assert [(guess.number, guess.grade.right) for guess in guesses] == [(0, True), (1, True), (2, False)]


def test_the_same_results_give_the_same_bytes_in_whatever_order_they_came(tmp_path):
    arms = (ORACLE, RULES)
    results = played(plan(*arms, task={**DISCS, "count": 6}), tmp_path)
    found = survey(discs("test", 6))
    mixed = results[::-1]
    assert written(summarise(arms, results, found)) == written(summarise(arms, mixed, found))
    json.loads(written(summarise(arms, results, found)), parse_constant=lambda name: pytest.fail(name))


def test_a_design_names_its_arms_the_main_one_first():
    design = designed(
        {"tools": ["auto", "none"], "images": ["blank"], "seeds": [0, 1], "corruptions": ["blur"], "beside": ["oracle"]}
    )
    assert [arm.name for arm in design.arms("qwen")] == [
        "qwen", "qwen, tools none", "qwen, seed 1", "qwen, image blank",
        "qwen, image blur/1", "qwen, image blur/2", "qwen, image blur/3", "oracle",
    ]  # fmt: skip
    assert isinstance(design, Design)


CONFIGS = (Path(__file__).parent.parent / "configs").rglob("*.toml")


@pytest.mark.parametrize("path", sorted(p for p in CONFIGS if "[eval]" in p.read_text()), ids=lambda p: p.name)
def test_the_configs_that_ship_are_understood(path):
    tables = load([path])
    assert loader(tables["task"]).__name__ == tables["task"]["name"]
    assert "overread eval" in path.read_text().splitlines()[0] + path.read_text().splitlines()[1]
    environment(tables.get("env", {}))
    assert len(designed(tables["eval"]).arms("x")) > 3


def test_too_many_faults_stop_an_evaluation(tmp_path, monkeypatch):
    (tmp_path / "fragile_lab").mkdir()
    (tmp_path / "fragile_lab" / "fragile.py").write_text(
        "def fragile():\n    async def policy(episode):\n        raise RuntimeError('no power')\n    return policy\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    wrong = Plan(task=DISCS, policies={"x": {"name": "fragile_lab.fragile"}}, env={}, arms=(Arm(policy="x"),), count=40)
    with pytest.raises(PlayError, match="32 of 32 episodes ended by a fault, not by an answer: RuntimeError: no power"):
        evaluate(wrong, tmp_path)
    assert all(result.cause == "fault" for result in read_results(tmp_path))
    mended = wrong.model_copy(update={"policies": {"x": {"name": "oracle"}}})
    evaluate(mended, tmp_path)  # what ended by a fault is played again when the run goes on
    assert [result.cause for result in read_results(tmp_path)] == ["right"] * 40


def test_a_truth_without_regions_has_no_wrong_place():
    episode = ended(zoom(AWAY), WRONG)
    bare = Truth(answer=TASK[1].answer)
    assert cause(episode, bare, grade(episode, bare)) == "wrong answer"


def test_outputs_of_others_are_scored_by_a_published_formula(desk, overread):
    rows = [("A", "A"), ("left lung", "Left_Lung"), ("b. x", "B")]
    lines = (json.dumps({"prediction": prediction, "answer": answer}) + "\n" for prediction, answer in rows)
    (desk / "outputs.jsonl").write_text("".join(lines))
    done = overread("eval", "rescore", "vitar", "outputs.jsonl", "--json")
    assert json.loads(done.stdout)["scores"]["exact"] == pytest.approx(2 / 3)
    wrong = overread("eval", "rescore", "vitr", "outputs.jsonl")
    assert (wrong.returncode, "no 'vitr' in envs/compat/; there are: deeptumorvqa" in wrong.stderr) == (2, True)


def test_a_judge_is_asked_about_free_answers_alone_and_its_opinions_are_kept(desk, overread):
    lines = [
        {"id": str(n), "images": ["film.png"], "question": "What is it?", "kind": "open", "answer": answer}
        for n, answer in enumerate(["a nodule", "a vessel"])
    ]
    (desk / "own.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    PILImage.fromarray(np.arange(64 * 64, dtype=np.uint8).reshape(64, 64)).save(desk / "film.png")
    settings = ("--set", "task.name=jsonl", "--set", "task.root=own.jsonl", "--set", "eval.images=[]")
    played = overread("eval", *settings, "-p", "oracle", "--out", "run", "-q")
    assert played.returncode == 0, played.stderr
    script = ("-p", "scripted", "--set", 'policy.replies=["same"]')
    done = overread("eval", "judge", "run", *script, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["agreement"]
    assert (found["count"], found["agree"], found["kappa"]) == (2, 1.0, None)
    assert len((desk / "run" / "judge.jsonl").read_text().splitlines()) == 2
    overread("eval", "discs.toml", "--out", "numbers", "--set", "task.count=2", "-q")
    none = overread("eval", "judge", "numbers", *script)
    assert (none.returncode, "holds no free answer of oracle" in none.stderr) == (4, True)
