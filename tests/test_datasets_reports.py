"""Loaders of reports, structured and free; and what holds for every loader of regions, volumes and reports."""

import math
from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.evaluate import Result
from agent.summary import reports
from envs.answers import written
from envs.datasets import DataError, Task, card
from envs.env import ReadingEnv
from envs.episode import Answer
from envs.grading import Given, Grade, grade
from envs.tasks.cxr_report import cxr_report
from envs.tasks.radrestruct import radrestruct
from tests import datasets_made
from tests import grounding_made as made
from tests.conftest import needs
from tools.lookup import find
from tools.mask import Mask

NAMES = (
    "medsg", "medmultipoints", "medreginstruct", "mecovqa", "m3d_vqa", "rad3d", "deeptumorvqa", "radrestruct",
    "cxr_report", "vitar",
)  # fmt: skip
SETTINGS: dict[str, list[dict[str, Any]]] = {
    "medreginstruct": [{}, {"split": "region2text"}],
    "mecovqa": [{"part": part} for part in ("Grounding", "Region", "Complex")],
    "m3d_vqa": [{}, {"form": "open"}],
    "deeptumorvqa": [{}, {"form": "free"}],
    "cxr_report": [{}, {"split": "train"}, {"split": "validation"}],
    "vitar": [{"columns": {**made.COLUMNS, "options": "opts"}}],
}


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch) -> None:
    monkeypatch.setenv("OVERREAD_CACHE", str(tmp_path_factory.mktemp("cache")))


def refusal(act: Callable[[], Any]) -> str:
    with pytest.raises(DataError) as refused:
        act()
    return str(refused.value)


def said(tasks: list[Task]) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(question.kind, truth.answer, truth.accepted) for question, truth in tasks]


# Rad-ReStruct.


def first_image(tasks: list[Task]) -> list[Task]:
    return [task for task in tasks if task[0].tags["image"] == "CXR1_1-1001"]


def test_rad_restruct_has_yes_or_no_choices_and_several_right_answers(tmp_path):
    tasks = list(radrestruct(made.radrestruct(tmp_path)))
    assert said(first_image(tasks)) == [
        ("yes_no", "no", ()),
        ("yes_no", "yes", ()),
        ("yes_no", "yes", ()),
        ("open", "left lower lobe, right lower lobe", ()),
        ("yes_no", "no", ()),
        ("choice", "A", ("mild",)),
    ]


def test_rad_restruct_asks_about_each_image_of_a_report(tmp_path):
    tasks = list(radrestruct(made.radrestruct(tmp_path)))
    assert len(tasks) == 2 * len(made.RESTRUCT)
    assert [q.id for q, _ in tasks[:3]] == [
        "radrestruct/test/CXR1_1-1001/1/1", "radrestruct/test/CXR1_1-2001/1/1", "radrestruct/test/CXR1_1-1001/1/2",
    ]  # fmt: skip
    assert (tasks[1][0].images[0].pixels == made.pixels(2)).all()


def test_rad_restruct_puts_the_history_before_the_question_and_the_options_behind(tmp_path):
    question, _ = first_image(list(radrestruct(made.radrestruct(tmp_path))))[3]
    assert question.text == (
        "Are there any signs in the lung? yes\n"
        "Is there an opacity in the lung? yes\n"
        "In which part of the body?\n"
        "Name all that apply, with commas between: apex, left lower lobe, right lower lobe"
    )
    assert question.choices == ()
    degree, _ = first_image(list(radrestruct(tmp_path)))[5]
    assert degree.text == "Are there any signs in the lung? yes\nWhat is the degree?"
    assert degree.choices == ("mild", "severe", "no selection")


def test_rad_restruct_says_which_question_opens_which(tmp_path):
    tasks = first_image(list(radrestruct(made.radrestruct(tmp_path))))
    parents = [question.tags.get("parent", "").rpartition("/")[2] for question, _ in tasks]
    assert parents == ["", "", "2", "3", "3", "2"]  # "another opacity" hangs on the first one
    assert [question.tags["level"] for question, _ in tasks] == ["1", "1", "2", "3", "2", "2"]
    assert [question.tags["instance"] for question, _ in tasks] == ["1", "1", "1", "1", "2", "1"]
    ids = {question.id for question, _ in tasks}
    assert {question.tags["parent"] for question, _ in tasks if "parent" in question.tags} <= ids
    assert tasks[2][0].tags["path"] == "lung_signs_opacity"
    assert {question.tags["report"] for question, _ in tasks} == {"CXR1_1-1001/1"}


ANOTHER = [
    made.pair(["Are there any signs?", ["yes"]], [], "lung_signs"),
    made.pair(["Is there an opacity?", ["yes"]], [], "lung_signs_opacity"),
    made.pair(["What is the degree?", ["no selection"]], [], "lung_signs_opacity_degree", ("mild", "no selection")),
    made.pair(["Is there another opacity?", ["yes"]], [], "lung_signs_opacity"),
    made.pair(["What is the degree?", ["mild"]], [], "lung_signs_opacity_degree", ("mild", "no selection")),
    made.pair(["Is there another opacity?", ["no"]], [], "lung_signs_opacity"),
    made.pair(["Is there an opacity of the heart?", ["no"]], [], "lung_signs_opacity of the heart"),
]


def test_rad_restruct_hangs_each_finding_on_the_one_before(tmp_path):
    tasks = first_image(list(radrestruct(made.radrestruct(tmp_path, ANOTHER))))
    parents = [question.tags.get("parent", "").rpartition("/")[2] for question, _ in tasks]
    assert parents == ["", "1", "2", "2", "4", "4", "1"]
    assert [question.tags["level"] for question, _ in tasks] == ["1", "2", "3", "2", "3", "2", "2"]
    assert [question.tags["instance"] for question, _ in tasks] == ["1", "1", "1", "2", "2", "3", "1"]


@pytest.mark.parametrize(
    ("said_no", "right"),
    [
        ("", [True, True, True, True, True]),
        ("4", [True, True, True, False, False]),
        ("2", [True, False, False, False, False]),
        ("1", [False, False, False, False, False]),
    ],
)
def test_what_hangs_on_a_finding_that_was_missed_counts_as_not_there(said_no, right, tmp_path):
    tasks = first_image(list(radrestruct(made.radrestruct(tmp_path, ANOTHER[:5]))))
    told = reports([played(task, f"CXR1_1-1001/1/{said_no}") for task in tasks])
    assert (told["reports"], told["reports right"]) == (1, float(all(right)))
    assert told["questions right"].mean == pytest.approx(sum(right) / len(right))


def played(task: Task, missed: str) -> Result:
    """What comes of a question that is answered as is true, or by no where its id ends so."""
    question, truth = task
    answer = "no" if question.id.endswith(f"/{missed}") else truth.answer
    verdict = find("envs.graders", question.kind)(question, truth, Given(text=answer))
    return Result(
        arm="main", number=0, question=question.id, study=question.study.id, kind=question.kind, tags=question.tags,
        answer=answer, truth=truth.answer, grade=verdict, cause="right" if verdict.right else "wrong answer",
        stop="answered", turns=1, tool_calls=0, refused=0, tokens=0, seconds=0.0,
    )  # fmt: skip


def test_rad_restruct_counts_a_report_once_for_each_of_its_images(tmp_path):
    tasks = list(radrestruct(made.radrestruct(tmp_path)))
    told = reports([played(task, "CXR1_1-2001/1/2") for task in tasks])
    assert (told["reports"], told["reports right"]) == (2, 0.5)


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("left lower lobe, right lower lobe", True),
        ("Right lower lobe, left lower lobe.", True),
        ("left lower lobe", False),
        ("apex, left lower lobe, right lower lobe", False),
        ("left lower lobe, right upper lobe", False),
    ],
)
def test_several_right_answers_are_right_in_any_order_and_only_together(answer, right, tmp_path):
    question, truth = first_image(list(radrestruct(made.radrestruct(tmp_path))))[3]
    assert find("envs.graders", "open")(question, truth, Given(text=answer)).right is right


LOBES = ("apex", "left lower lobe")


@pytest.mark.parametrize(
    ("pair", "told"),
    [
        (
            made.pair(["Which?", ["hilum"]], [], "a", LOBES, answer_type="multi_choice"),
            "'hilum' is not among its choices",
        ),
        (made.pair(["Which?", ["A"]], [], "a", LOBES), "the answer 'A' is not among its choices A: apex"),
        (made.pair(["Which?", []], [], "a", LOBES), "a single_choice has 0 answers"),
        (made.pair(["Which?", list(LOBES)], [], "a", LOBES), "a single_choice has 2 answers"),
        (made.pair(["Which?", ["apex"]], ["yes"], "a", LOBES), "its history is not a list of [question, [answers]]"),
        (made.pair(["Which?", "apex"], [], "a", LOBES), "'answers' holds 'apex', not a list"),
        (["Which?", ["apex"], []], 'not [question, [answers], history, {"answer_type", "options", "path"}]'),
        (["Which?", ["apex"], [], {"options": []}], 'not [question, [answers], history, {"answer_type"'),
        (["Which?", ["apex"], [], {"path": "a", "answer_type": "single_choice"}], "no 'options'"),
        ({"question": "Which?"}, "not [question, [answers], history"),
    ],
)
def test_rad_restruct_refuses_what_it_cannot_read(pair, told, tmp_path):
    made.radrestruct(tmp_path, [made.RESTRUCT[0], pair])
    message = refusal(lambda: list(radrestruct(tmp_path)))
    assert "1.json, row 2: " in message
    assert told in message
    assert len(list(radrestruct(tmp_path, on_bad=lambda problem: None))) == 2


@pytest.mark.parametrize(
    ("content", "told"),
    [("{", "row 1: not JSON ("), ('{"a": 1}', "row 1: not a list of questions"), ("[]", "no question")],
)
def test_rad_restruct_says_what_is_wrong_with_a_report(content, told, tmp_path):
    made.radrestruct(tmp_path)
    (tmp_path / "test_qa_pairs/1.json").write_text(content)
    assert told in refusal(lambda: list(radrestruct(tmp_path)))


@pytest.mark.parametrize(
    ("mapping", "told"),
    [
        ({"2": ["a"]}, "names no image of the report '1'"),
        ({"1": ["CXR9"]}, "images/CXR9.png: there is no such picture"),
        ({"1": ["../x"]}, "'../x.png' is not the name of a file inside"),
        ([1], "not an object that has a list of images for each report"),
    ],
)
def test_rad_restruct_needs_to_know_the_images_of_a_report(mapping, told, tmp_path):
    made.radrestruct(tmp_path, mapping=mapping)
    assert told in refusal(lambda: list(radrestruct(tmp_path)))


def test_rad_restruct_refuses_an_image_that_cannot_be_read(tmp_path):
    (made.radrestruct(tmp_path) / "images/CXR1_1-1001.png").write_bytes(b"no picture")
    told = refusal(lambda: next(radrestruct(tmp_path)))
    assert "1.json, row 1: " in told
    assert "CXR1_1-1001.png: this is text, not a picture" in told


def test_rad_restruct_needs_its_map_of_images(tmp_path):
    made.radrestruct(tmp_path)
    (tmp_path / "id_to_img_mapping_frontal_reports.json").unlink()
    assert "there is no such file; it says which images a report has" in refusal(lambda: radrestruct(tmp_path))


# Reports of chest X-rays.


def test_a_report_has_the_sections_that_hold_something(tmp_path):
    tasks = list(cxr_report(made.cxr_report(tmp_path)))
    assert said(tasks) == [
        ("report", "Findings: The lungs are clear. Impression: Normal chest.", ()),
        ("report", "Impression: Normal chest.", ()),
    ]  # the third, which has neither, is left out
    (question, _), (single, _) = tasks
    assert question.id == "cxr_report/test/s1"
    assert [source.role for source in question.study.sources] == ["view 1", "view 2"]
    assert [source.role for source in single.study.sources] == [""]
    assert question.tags == {"modality": "X-ray", "anatomy": "chest", "task": "study", "language": "en", "prior": "no"}


def test_a_report_of_an_image_that_cannot_be_read_is_refused(tmp_path):
    (made.cxr_report(tmp_path) / "images/2.png").write_bytes(made.pixels(2).tobytes()[:99])
    told = refusal(lambda: next(cxr_report(tmp_path)))
    assert "test.json, row 1: " in told
    assert "2.png: " in told


@pytest.mark.parametrize("split", ["train", "validation"])
def test_a_pair_has_a_current_image_and_a_prior_one(split, tmp_path):
    tasks = list(cxr_report(made.cxr_report(tmp_path), split))
    assert [(question.text, truth.answer) for question, truth in tasks] == [
        ("Write the findings.", "New effusion."),
        ("Write the findings.", "No effusion."),
        ("Write the findings.", "Clear."),
    ]
    question, _ = tasks[0]
    assert [source.role for source in question.study.sources] == ["current", "prior"]
    assert [(image.pixels == made.pixels(n)).all() for n, image in enumerate(question.images, start=1)] == [True, True]


def test_a_current_image_that_is_passed_twice_has_no_prior(tmp_path):
    _, same, copy = cxr_report(made.cxr_report(tmp_path), "train")
    for question in (same[0], copy[0]):  # the same file, and a copy of it under another name
        assert [source.role for source in question.study.sources] == ["current"]
        assert (len(question.images), question.tags["prior"]) == (1, "no")


@pytest.mark.parametrize(
    ("record", "told"),
    [
        ({"id": "x", "image": ["1.png"]}, "holds neither 'findings' nor 'impression', nor a 'reference'"),
        ({"id": "x", "findings": "Clear."}, "no 'image'"),
        ({"id": "x", "image": 3, "findings": "Clear."}, "'image' holds 3, not a list"),
        ({"id": "x", "image": ["9.png"], "findings": "Clear."}, "there is no such picture"),
        ({"id": "x", "image": ["../1.png"], "findings": "Clear."}, "'../1.png' is not the name of a file inside"),
        ({"id": "x", "image": [], "findings": "Clear."}, "names no picture"),
        ({"id": "x", "image": ["1.png"], "findings": ["Clear."]}, "'findings' holds list, not text"),
        (
            {"id": "x", "image": ["1.png"] * 3, "text": "?", "reference": "Clear."},
            "a current image and a prior one, not 3",
        ),
        ({"id": "x", "image": ["1.png"], "reference": "Clear."}, "no 'text'"),
        ({"id": "x", "image": ["1.png"], "conversations": made.talk("a", "b", "c", "d")}, "asks 2 times for a report"),
    ],
)
def test_what_is_no_report_is_refused(record, told, tmp_path):
    made.cxr_report(tmp_path, [made.VIEWS[0], record])
    message = refusal(lambda: list(cxr_report(tmp_path)))
    assert "test.json, row 2: " in message
    assert told in message


# What holds for all of them.


@pytest.mark.parametrize("name", NAMES)
def test_every_data_set_says_its_licence_and_home(name):
    about = card(name)
    assert about is not None
    assert all(about[:3])
    assert about.warnings


def loaded(name: str, root: Path) -> list[Task]:
    if name == "vitar":
        needs("pyarrow")
    getattr(made, name)(root)
    return [task for settings in SETTINGS.get(name, [{}]) for task in find("envs.tasks", name)(root, **settings)]


def judged(task: Task) -> Grade:
    """What the grader says where the truth is the answer: played in the environment, but for an outline."""
    question, truth = task
    if question.kind == "mask":
        union = Mask.of(reduce(np.logical_or, (mask.array for mask in truth.masks)))
        told = Given(text="img0", mask=union, mask_place=truth.regions[0])
        outlined: Grade = find("envs.graders", "mask")(question, truth, told)
        return outlined
    env = ReadingEnv([task], tools=[])
    env.reset(options={"question": question})
    views = {(i.source, i.axis, i.index): (name, i) for name, i in reversed(env.episode.images.items())}
    places = [(*views[spot.source, spot.axis, spot.index], spot) for spot in truth.regions]
    text = written(places) if question.kind in ("boxes", "points") else truth.answer
    env.step(find("envs.dialects", "tags")().write("I know.", (Answer(text=text),)))
    return grade(env.episode, truth)


@pytest.mark.parametrize("name", NAMES)
def test_the_truth_is_graded_right(name, tmp_path):
    tasks = loaded(name, tmp_path)
    assert tasks
    for task in tasks:
        verdict = judged(task)
        assert (verdict.right, verdict.parsed, verdict.problem) == (True, True, ""), (task[0].id, verdict)
        assert math.isclose(verdict.score, 1.0, abs_tol=0.02)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_loaded_twice_is_the_same(name, tmp_path):
    assert datasets_made.split_hash(loaded(name, tmp_path)) == datasets_made.split_hash(loaded(name, tmp_path))


@pytest.mark.parametrize("name", ["medsg", "medmultipoints", "medreginstruct"])
def test_a_loader_reads_nothing_ahead(name, tmp_path):
    records = getattr(made, {"medsg": "MEDSG", "medmultipoints": "MULTIPOINTS", "medreginstruct": "FIND"}[name])
    tasks = find("envs.tasks", name)(getattr(made, name)(tmp_path, [records[0], {"broken": 1}]))
    next(tasks)  # the broken row has not been met
    assert "row 2: no " in refusal(lambda: next(tasks))


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_without_the_data_set_is_refused_in_words(name, tmp_path):
    load = find("envs.tasks", name)
    assert "there is no such folder" in refusal(lambda: load(tmp_path / "none"))
    assert "the folder holds: nothing" in refusal(lambda: load(tmp_path))
    assert "no split 'tset'; there are: " in refusal(lambda: load(tmp_path, "tset"))
