"""Stored demonstrations: they are played again as they are stored, counted, handed out and brought in."""

import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.plan import questions
from agent.trace import read
from envs.env import ReadingEnv
from sft.contents import contents
from sft.demos import read_tries
from sft.replay import ReplayError, replayed
from tests.datasets_made import picture, write_jsonl
from tests.demos import AWAY, ZOOM, ended

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
def test_a_change_to_what_is_stored_is_found_and_named(what, demos, shape_demos, tmp_path):
    change, says = CHANGES[what]
    shutil.copytree(shape_demos, tmp_path / "run")
    changed(tmp_path / "run", 2, lambda record: record["tokens"].update(turns=[]) or change(record))
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    code, out, _ = demos("check", tmp_path / "run", "-q")
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
def test_a_picture_that_is_missing_or_another_is_named(spoil, says, seen, demos, shape_demos, tmp_path):
    shutil.copytree(shape_demos, tmp_path / "run")
    episode = list(read(tmp_path / "run"))[3]
    path = episode.images[f"img{seen}"]._path
    spoil(path)
    code, out, _ = demos("check", tmp_path / "run", "-q", "--json")
    (failed,) = json.loads(out)["failed"]
    assert (code, failed["question"]) == (4, episode.question.id)
    assert failed["why"].startswith(says.format(seen=seen, path=path))


def test_a_line_that_was_lost_is_missed(demos, shape_demos, tmp_path):
    shutil.copytree(shape_demos, tmp_path / "run")
    path = tmp_path / "run" / "episodes" / "w0.jsonl"
    path.write_bytes(path.read_bytes()[:-40])
    code, out, err = demos("check", tmp_path / "run", "-q")
    assert code == 4
    assert "run: 6 were kept, and 5 are there" in out
    assert "w0.jsonl, line 6: " in err


def test_a_truth_that_the_replay_contradicts_is_named(task):
    """The stored truth and that of the task are the same, and the answer is right by neither."""
    question, truth = task
    episode = ended(task, "<answer>1 mm</answer>")
    with pytest.raises(ReplayError, match=rf"the answer '1 mm' is wrong: the truth is '{truth.answer}'"):
        replayed(episode, question, truth, ReadingEnv([task]))


def test_a_replayed_episode_is_the_stored_one_and_its_views_know_their_sources(shape_demos):
    tasks = {
        question.id: (question, truth) for question, truth in questions({"name": "shape", "view_px": 64, "count": 6})
    }
    for episode in read(shape_demos):
        again = replayed(episode, *tasks[episode.question.id], ReadingEnv([tasks[episode.question.id]]))
        assert (again.id, again.policy, again.verdict, again.seed) == (
            episode.id, episode.policy, episode.verdict, episode.seed,
        )  # fmt: skip
        assert all(image.data is not None for image in again.images.values())
        with pytest.raises(FileNotFoundError):
            _ = episode.images["img0"].data


def test_other_rules_do_not_replay_what_was_played_under_these(demos, shape_demos, tmp_path):
    shutil.copytree(shape_demos, tmp_path / "run")
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    (tmp_path / "run" / "run.json").write_text(json.dumps({**facts, "env": {"tools": ["crop"]}}))
    code, out, _ = demos("check", tmp_path / "run", "-q")
    assert code == 4
    assert out.count("turn 1: no tool 'zoom'; there are: crop\n") == 6


@pytest.mark.slow
def test_what_is_too_long_for_a_model_is_named(demos, shape_demos, tiny_models):
    model = tiny_models("qwen2_5_vl")
    code, out, _ = demos("stats", shape_demos, "--model", model, "--json")
    most, least = (json.loads(out)["lengths"]["tokens"][name] for name in ("most", "least"))
    assert (code, least > 100) == (0, True)
    check = ["check", shape_demos, "-q", "--model", model, "--max-length"]
    assert demos(*check, most)[0] == 0
    code, out, _ = demos(*check, most - 1)
    assert code == 4
    assert f"it is {most} tokens long for {model}, and may have {most - 1}" in out


# ---- counted, handed out and brought in


def test_stats_count_what_is_there(demos, shape_demos):
    code, out, _ = demos("stats", shape_demos, "--json")
    said = json.loads(out)
    assert code == 0
    assert (said["episodes"], said["refused"], said["policies"]) == (6, 0, {"oracle": 6})
    assert (said["tools"], said["by"]["family"]) == ({"zoom": 6}, {"shape": 6})
    assert said["phases"] == {"act": 6, "answer": 6, "rethink": 6, "think": 6}
    assert said["lengths"]["turns"] == {"least": 2, "median": 2.0, "mean": 2.0, "most": 2}
    written = [sum(len(turn.reply.text) for turn in episode.turns) for episode in read(shape_demos)]
    assert said["lengths"]["characters"]["most"] == max(written)
    assert "zoom\t6" in demos("stats", shape_demos, "--plain")[1]


def test_spreads_are_told_of_the_least_the_middle_and_the_most(task):
    answer = f"<answer>{task[1].answer}</answer>"
    found = contents([ended(task, answer), ended(task, ZOOM, AWAY, answer), ended(task, ZOOM, answer)])
    assert found["lengths"]["turns"] == {"least": 1, "median": 2.0, "mean": 2.0, "most": 3}
    assert found["lengths"]["images"] == {"least": 1, "median": 2.0, "mean": 1.67, "most": 2}
    assert (found["tools"], found["refused"]) == ({"zoom": 3}, 1)
    assert contents([])["lengths"] == {}


@pytest.mark.parametrize("layout", ["sharegpt", "trl"])
def test_what_is_handed_out_is_brought_in_again(layout, demos, shape_demos, tmp_path):
    file = tmp_path / "out" / "shapes.jsonl"
    assert demos("export", layout, shape_demos, "--out", file)[:2] == (0, f"{file}: 6 demonstrations\n")
    assert demos("export", layout, shape_demos, "--out", file)[0] == 2
    code, out, err = demos("import", layout, file, "--out", tmp_path / "in", "--json")
    assert (code, err) == (0, "")
    assert (json.loads(out)["kept"], json.loads(out)["tried"]) == (6, 6)
    theirs, ours = (Counter(e.answer for e in read(folder)) for folder in (tmp_path / "in", shape_demos))
    assert theirs == ours
    assert demos("check", tmp_path / "in")[:2] == (0, "6 demonstrations, 0 do not replay\n")
    assert demos("--resume", tmp_path / "in")[0] == 2


def test_what_comes_out_otherwise_is_not_brought_in_and_is_named(demos, shape_demos, tmp_path):
    """One record states another answer than it leads to, one is no record."""
    file = tmp_path / "out" / "shapes.jsonl"
    demos("export", "sharegpt", shape_demos, "--out", file)
    records = [json.loads(line) for line in file.read_text().splitlines()]
    stated = records[1]["answer"]
    records[1]["answer"] = "A" if stated != "A" else "B"
    del records[2]["images"]
    write_jsonl(file, records)
    code, out, err = demos("import", "sharegpt", file, "--out", tmp_path / "in", "--json")
    assert code == 0
    assert (json.loads(out)["kept"], json.loads(out)["dropped"]) == (4, {"wrong": 1})
    assert err.startswith(f"skipped: {file}, row 3: ")
    (wrong,) = (one for one in read_tries(tmp_path / "in") if one.dropped)
    assert wrong.why == f"the answer {stated!r} is wrong; right is {records[1]['answer']!r}"
    assert demos("check", tmp_path / "in")[0] == 0


def test_what_was_brought_in_does_not_replay_without_its_pictures(demos, shape_demos, tmp_path):
    demos("export", "sharegpt", shape_demos, "--out", tmp_path / "out" / "shapes.jsonl")
    demos("import", "sharegpt", tmp_path / "out" / "shapes.jsonl", "--out", tmp_path / "in")
    shutil.rmtree(tmp_path / "out" / "images")
    code, out, _ = demos("check", tmp_path / "in", "-q")
    assert code == 4
    assert out.splitlines()[-1] == "6 demonstrations, 6 do not replay"
