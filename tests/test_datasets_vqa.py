"""Loaders of questions about pictures, on tiny data in the layouts of the real sets with their oddities."""

import importlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.convert import convert
from envs.datasets import (
    DataError,
    MissingImage,
    Row,
    Task,
    asked,
    card,
    choices,
    inside,
    kept,
    letters,
    opened,
    place,
    unlettered,
)
from envs.tasks.discs import discs
from envs.tasks.jsonl import jsonl
from envs.tasks.medframeqa import medframeqa
from envs.tasks.medxpertqa import medxpertqa
from envs.tasks.mmmu_med import SUBJECTS, mmmu_med
from envs.tasks.omnimedvqa import omnimedvqa
from envs.tasks.path_vqa import path_vqa
from envs.tasks.pmc_vqa import pmc_vqa
from envs.tasks.slake import slake
from envs.tasks.vqa_rad import vqa_rad
from tests import datasets_made as made
from tests.conftest import needs
from tools.geometry import Box, Point
from tools.image import Image, Place
from tools.lookup import find
from tools.study import Source, Study

NAMES = (
    "vqa_rad", "slake", "path_vqa", "pmc_vqa", "omnimedvqa", "medxpertqa", "mmmu_med", "medframeqa", "jsonl",
)  # fmt: skip


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch) -> Path:
    """Where pictures out of parquet files are kept."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("OVERREAD_CACHE", str(folder))
    return folder


def row(**cells: Any) -> Row:
    return Row(Path("a.json"), 1, cells)


def said(tasks: list[Task]) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(question.kind, truth.answer, truth.accepted) for question, truth in tasks]


def refusal(act: Callable[[], Any]) -> str:
    with pytest.raises(DataError) as refused:
        act()
    return str(refused.value)


@pytest.mark.parametrize("name", NAMES)
def test_every_data_set_says_its_licence_and_home(name):
    about = card(name)
    assert about is not None
    assert all(about[:3])


def test_a_phantom_has_no_card():
    assert card("discs") is None


# One data set after another.


def test_slake_goes_by_the_words_of_an_answer_not_by_its_answer_type(tmp_path):
    tasks = list(slake(made.slake(tmp_path)))
    assert said(tasks) == [
        ("open", "Liver", ()), ("yes_no", "yes", ()), ("open", "Right", ()), ("open", "Spleen", ()),
    ]  # fmt: skip
    assert tasks[2][0].tags["answer_type"] == "CLOSED"
    assert tasks[0][0].id == "slake/test/1"
    tags = {"modality": "MRI", "anatomy": "Abdomen", "task": "Organ", "language": "en", "answer_type": "OPEN"}
    assert tasks[0][0].tags == {**tags, "base": "vqa"}


def test_slake_asks_in_one_language_unless_told_otherwise(tmp_path):
    made.slake(tmp_path)
    assert said(list(slake(tmp_path, language="zh"))) == [("yes_no", "yes", ("有",))]
    assert len(list(slake(tmp_path, language="all"))) == 5


def test_slake_has_the_boxes_that_question_or_answer_name(tmp_path):
    tasks = list(slake(made.slake(tmp_path)))
    assert [[p.shape for p in truth.regions] for _, truth in tasks] == [
        [Box(x0=4, y0=5, x1=14, y1=13)], [Box(x0=4, y0=5, x1=14, y1=13)], [Box(x0=4, y0=5, x1=14, y1=13)], [],
    ]  # fmt: skip


@pytest.mark.parametrize("content", ['{"Liver": 3}', "no", '[{"Liver": [1, 2]}]', '[{"Liver": [35, 0, 10, 5]}]'])
def test_slake_boxes_that_are_none_are_a_bad_row(content, tmp_path):
    made.slake(tmp_path)
    (tmp_path / "imgs/xmlab1/detection.json").write_text(content)
    assert "test.json, row 1: " in refusal(lambda: next(slake(tmp_path)))


def test_vqa_rad_of_the_hub(tmp_path):
    needs("pyarrow")
    tasks = list(vqa_rad(made.vqa_rad_hub(tmp_path)))
    assert said(tasks) == [("yes_no", "yes", ()), ("open", "left upper lobe", ()), ("open", "axial", ())]
    assert tasks[0][0].study.id == tasks[1][0].study.id != tasks[2][0].study.id
    assert (tasks[2][0].images[0].pixels == made.pixels(2)).all()


@pytest.mark.parametrize(
    ("split", "ids"), [("test", ["vqa_rad/test/1", "vqa_rad/test/2"]), ("train", ["vqa_rad/train/3"])]
)
def test_vqa_rad_in_one_file_is_split_by_its_phrase_type(split, ids, tmp_path):
    tasks = list(vqa_rad(made.vqa_rad_public(tmp_path), split))
    assert [question.id for question, _ in tasks] == ids
    if split == "test":
        assert said(tasks) == [("yes_no", "no", ()), ("open", "8", ())]


def test_path_vqa_reads_all_shards(tmp_path):
    needs("pyarrow")
    tasks = list(path_vqa(made.path_vqa(tmp_path)))
    assert [question.id for question, _ in tasks] == [
        f"path_vqa/test/test-0000{shard}-of-00002-{row}" for shard in (0, 1) for row in (1, 2)
    ]
    assert said(tasks)[:2] == [("open", "cardiovascular", ()), ("yes_no", "no", ())]


def test_pmc_vqa_in_both_versions(tmp_path):
    made.pmc_vqa(tmp_path)
    stain, panel = pmc_vqa(tmp_path)
    assert stain[0].choices == ("H&E", "PAS", "Silver", "Congo red")
    assert said([stain, panel]) == [("choice", "B", ("PAS",)), ("choice", "B", ())]  # "A" as a word would be wrong
    ((question, truth),) = pmc_vqa(tmp_path, "test_2")
    assert (question.id, truth.answer, truth.accepted) == ("pmc_vqa/test_2/7", "C", ("PET",))


def test_omnimedvqa_has_two_to_four_options_and_two_names_for_modality(tmp_path):
    four, two = omnimedvqa(made.omnimedvqa(tmp_path))
    assert four[0].choices == ("MRI", "CT", "PET", "X-ray")
    assert two[0].choices == ("No", "Yes")
    assert said([four, two]) == [("choice", "B", ("CT",)), ("choice", "A", ("No",))]
    assert {q.tags["modality"] for q, _ in (four, two)} == {"CT(Computed Tomography)"}


def test_medxpertqa_in_both_ways_of_writing(tmp_path):
    first, second = medxpertqa(made.medxpertqa(tmp_path))
    assert first[0].text == "What is shown?"
    assert first[0].choices == second[0].choices == ("atrophy", "bleeding", "cyst", "dysplasia", "edema")
    assert said([first, second]) == [("choice", "E", ("edema",)), ("choice", "B", ("bleeding",))]
    assert [source.role for source in first[0].study.sources] == ["image 1", "image 2"]


def test_mmmu_med_keeps_the_pictures_apart_by_their_number(tmp_path):
    needs("pyarrow")
    compare, long = list(mmmu_med(made.mmmu_med(tmp_path, SUBJECTS)))[:2]
    assert compare[0].text == "Compare <image 1> with <image 2>."
    assert [source.role for source in compare[0].study.sources] == ["image 1", "image 2"]
    assert compare[0].choices == ('It is "larger"', "It's smaller")
    assert said([compare, long]) == [("choice", "B", ("It's smaller",)), ("open", "24", ("twenty-four",))]


def test_mmmu_med_does_not_go_on_without_a_subject(tmp_path):
    needs("pyarrow")
    made.mmmu_med(tmp_path, SUBJECTS[:4])
    assert "no Public_Health/validation-*.parquet for the split 'validation'" in refusal(lambda: mmmu_med(tmp_path))
    assert len(list(mmmu_med(tmp_path, subjects=SUBJECTS[:4]))) == 8


def test_medframeqa_has_two_to_five_frames(tmp_path):
    needs("pyarrow")
    tasks = list(medframeqa(made.medframeqa(tmp_path)))
    assert [len(question.study.sources) for question, _ in tasks] == [2, 5]
    assert said(tasks)[0] == ("choice", "C", ("brightness",))


# What all of them refuse.


@pytest.mark.parametrize(
    ("split", "told"),
    [
        ("tset", "no split 'tset'; there are: train, validation, test"),
        (
            "train",
            "no train.json for the split 'train'; splits that are there: test; the folder holds: imgs/, test.json",
        ),
    ],
)
def test_a_split_that_is_not_there_is_refused_with_those_that_are(split, told, tmp_path):
    made.slake(tmp_path)
    assert told in refusal(lambda: slake(tmp_path, split))


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    assert refusal(lambda: slake(tmp_path / "none")) == f"{tmp_path / 'none'}: there is no such folder"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_split_without_questions_is_refused(language, tmp_path):
    made.slake(tmp_path, records=[] if language == "en" else made.SLAKE[:3])
    told = refusal(lambda: list(slake(tmp_path, language=language)))
    assert told == f"{tmp_path / 'test.json'}: holds no question, or none that the settings ask for"


BROKEN = [
    ({"question": None}, "row 2: no 'question'; its columns are: img_id, img_name"),
    ({"answer": ["a"]}, "row 2: 'answer' holds list, not text"),
    ({"img_name": "xmlab9/source.jpg"}, "there is no such picture"),
    ({"img_name": "../../x.jpg"}, "row 2: '../../x.jpg' is not the name of a file inside"),
    ({"img_name": 7}, "there is no such picture"),
    ({"qid": 1}, "row 2: its id 'slake/test/1' is also that of row 1"),
]


@pytest.mark.parametrize(("change", "told"), BROKEN)
def test_a_bad_row_is_named_and_can_be_left_out(change, told, tmp_path):
    records = [made.SLAKE[0], {**made.SLAKE[1], **change}, made.SLAKE[4]]
    made.slake(tmp_path, records=records)
    assert told in refusal(lambda: list(slake(tmp_path)))
    bad: list[DataError] = []
    assert [q.id for q, _ in slake(tmp_path, on_bad=bad.append)] == ["slake/test/1", "slake/test/5"]
    assert len(bad) == 1


def test_a_missing_picture_is_told_apart_from_a_broken_one(tmp_path):
    made.slake(tmp_path)
    (tmp_path / "imgs/xmlab1/source.jpg").write_bytes(b"\xff\xd8\xff cut short")
    (tmp_path / "imgs/xmlab2/source.jpg").unlink()
    bad: list[DataError] = []
    assert list(slake(tmp_path, on_bad=bad.append)) == []
    assert [isinstance(problem, MissingImage) for problem in bad] == [False, False, False, True]
    assert "row 1: " in str(bad[0])
    assert "cannot be read" in str(bad[0])


def test_a_text_with_half_a_character_is_still_a_question(tmp_path):
    made.slake(tmp_path)
    (tmp_path / "test.json").write_text(json.dumps([{**made.SLAKE[0], "question": "What \ud800 is?"}]))
    question, _ = next(slake(tmp_path))
    assert question.text == "What ? is?"
    assert question.model_dump_json()


@pytest.mark.parametrize("name", ["/etc/passwd", "C:\\x.png", "a/../../b", "..", "a/..", "a\\..\\..\\b", "a\0b"])
def test_a_path_out_of_the_folder_is_refused(name):
    assert "is not the name of a file inside data" in refusal(lambda: inside(row(), Path("data"), name))


@pytest.mark.parametrize(
    ("name", "path"), [("a/b.png", "data/a/b.png"), ("a/../b.png", "data/a/../b.png"), ("a\\b", "data/a/b")]
)
def test_a_path_that_stays_in_the_folder_is_taken(name, path):
    assert inside(row(), Path("data"), name) == Path(path)


@given(st.lists(st.sampled_from(["..", ".", "a", "/", "\\", "b.png"]), max_size=6))
def test_no_name_leads_out_of_the_folder(parts):
    try:
        path = inside(row(), Path("/data/set"), "/".join(parts) if parts else "")
    except DataError:
        return
    assert path.resolve().is_relative_to("/data/set")


def test_pictures_out_of_a_table_are_written_once(cache):
    content = made.encoded(1)["bytes"]
    first = kept(content)
    before = first.stat().st_mtime_ns
    assert kept(content) == first
    assert first.is_relative_to(cache / "images")
    assert (first.stat().st_mtime_ns, first.read_bytes()) == (before, content)
    assert [path.name for path in first.parent.iterdir()] == [first.name]


@pytest.mark.parametrize("image", [None, 3, {}, {"bytes": None, "path": None}, ""])
def test_what_is_no_picture_is_refused(image, tmp_path):
    assert "a picture is a path or the bytes of a file" in refusal(lambda: opened(row(), tmp_path, [(image, "")]))


def test_a_row_without_pictures_is_refused(tmp_path):
    assert "names no picture" in refusal(lambda: opened(row(), tmp_path, []))


def test_a_picture_that_changes_on_disk_is_read_again(tmp_path):
    made.picture(tmp_path / "a.png", 1)
    before = opened(row(), tmp_path, [("a.png", "")])
    made.picture(tmp_path / "a.png", 22)
    assert (opened(row(), tmp_path, [("a.png", "")]).sources[0].plane() == made.pixels(22)).all()
    assert before.id != opened(row(), tmp_path, [("a.png", "")]).id


# Choices and answers.


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (["a", "b"], ("a", "b")),
        ("['a', \"b's\"]", ("a", "b's")),
        ('["a", "b"]', ("a", "b")),
        ({"B": "b", "A": "a"}, ("a", "b")),
        ([{"letter": "B", "content": "b"}, {"letter": "A", "content": "a"}], ("a", "b")),
        ([" A:a ", "B: b"], ("a", "b")),
        (["(A) a", "(B) b"], ("a", "b")),
        (["A. a", "C. b"], ("A. a", "C. b")),
        (["A: a", "b"], ("A: a", "b")),
        (["a", "b", None, ""], ("a", "b")),
        ([1, 2.5], ("1", "2.5")),
        ([], ()),
    ],
)
def test_choices_are_read_however_they_are_written(value, read):
    assert choices(row(), value) == read


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("a or b", "choices are a list or an object by letter, not NoneType"),
        (3, "choices are a list or an object by letter, not int"),
        (["a", None, "c"], "choice 2 of 3 is empty"),
        ({"A": "a", "C": "c"}, "choices have the letters A, C; they must be A, B"),
        ([{"letter": "A"}, {"content": "b"}], "choices have the letters A, None; they must be A, B"),
    ],
)
def test_choices_that_are_none_are_refused(value, told):
    assert told in refusal(lambda: choices(row(), value))


@given(st.lists(st.text("abc ABC:.()", min_size=1).map(str.strip).filter(bool), min_size=1, max_size=5))
def test_letters_in_front_are_taken_off_once(texts):
    lettered = [f"{letter}: {text}" for letter, text in zip("ABCDE", texts, strict=False)]
    assert unlettered(lettered) == tuple(texts)


@pytest.mark.parametrize(
    ("answer", "lettered", "found"),
    [
        ("B", None, ("B",)), ("(B)", None, ("B",)), ("B.", True, ("B",)), (" LIVER ", None, ("B",)),
        ("right  lung.", False, ("A",)), ("spleen", None, ("C", "D")),
    ],
)  # fmt: skip
def test_an_answer_is_a_letter_or_the_text_of_a_choice(answer, lettered, found):
    assert letters(row(), answer, ("Right lung", "liver", "spleen", "Spleen."), lettered) == found


@pytest.mark.parametrize(
    ("answer", "lettered"), [("E", None), ("kidney", None), ("b", None), ("liver", True), ("B", False), ("", None)]
)
def test_an_answer_that_is_not_among_the_choices_is_refused(answer, lettered):
    told = refusal(lambda: letters(row(), answer, ("Right lung", "liver"), lettered))
    assert told == f"a.json, row 1: the answer {answer!r} is not among its choices A: Right lung, B: liver"


def test_an_answer_that_is_a_letter_and_another_choice_is_refused():
    assert letters(row(), "A", ("A", "B")) == ("A",)
    assert letters(row(), "A", ("B", "A"), True) == ("A",)
    told = refusal(lambda: letters(row(), "A", ("B", "A")))
    assert "the answer 'A' is the letter of one choice and the text of another" in told


STUDY = Study(sources=(Source.of(np.zeros((30, 40), np.uint8)),))


def test_two_choices_of_the_same_words_are_both_right():
    _, truth = asked(row(), id="1", text="?", study=STUDY, answer="x", origin="o", choices=["x", "y", "X"])
    assert (truth.answer, truth.accepted) == ("A", ("C", "x"))


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"choices": [str(n) for n in range(27)]}, "choices: Tuple should have at most 26 items"),
        ({"kind": "essay"}, "kind: Input should be 'open'"),
        ({"kind": "yes_no"}, "the answer '3' is neither yes nor no"),
        ({"tolerance": "wide"}, "tolerance: Input should be a valid number"),
    ],
)
def test_what_makes_no_question_is_a_bad_row(more, told):
    assert told in refusal(
        lambda: asked(row(), **{"id": "1", "text": "?", "study": STUDY, "answer": "3", "origin": "o", **more})
    )


# Places.


@pytest.mark.parametrize(
    ("numbers", "coordinates", "shape"),
    [
        ([4, 3, 40, 30], "px", Box(x0=4, y0=3, x1=40, y1=30)),
        ([0.1, 0.1, 1, 1], "0-1", Box(x0=4, y0=3, x1=40, y1=30)),
        ([100, 100, 1000, 1000], "0-1000", Box(x0=4, y0=3, x1=40, y1=30)),
        ([0, 0, 999, 999], "0-999", Box(x0=0, y0=0, x1=40, y1=30)),
        ([20, 0], "px", Point(x=20, y=0)),
        ([500, 500], "0-1000", Point(x=20, y=15)),
    ],
)
def test_a_place_is_in_px_whatever_its_convention(numbers, coordinates, shape):
    found = place(row(), STUDY.sources[0], numbers, coordinates).shape
    assert found.numbers == pytest.approx(shape.numbers)


@pytest.mark.parametrize(
    ("numbers", "coordinates", "told"),
    [
        ([10, 3, 4, 30], "px", "an empty box: x 10 to 4, y 3 to 30"),
        ([4, 3, 41, 30], "px", "[4, 3, 41, 30] in px lies outside of its picture of 40 by 30 px"),
        ([4, 3, 40, 31], "px", "lies outside"),
        ([4, -1, 6, 30], "px", "lies outside"),
        ([4, 3, 10, 12], "0-1", "lies outside"),
        ([41, 3], "px", "lies outside"),
        ([4, 3, 40], "px", "a box is [x0, y0, x1, y1], not 3 numbers"),
        (["a", 3, 40, 30], "px", "Input should be a valid number"),
        ([float("nan"), 3, 40, 30], "px", "Input should be a finite number"),
    ],
)
def test_a_place_that_is_none_or_outside_is_refused(numbers, coordinates, told):
    assert told in refusal(lambda: place(row(), STUDY.sources[0], numbers, coordinates))


# The hash of a split.


def test_the_hash_of_a_split_is_the_same_everywhere_and_in_any_order():
    tasks = [asked(row(), id=id, text="?", study=STUDY, answer="yes", origin="o") for id in "ab"]
    assert made.split_hash(tasks) == made.split_hash(tasks[::-1]) == "5f9a8a4db16a115e1be09220bcd4df42"


@pytest.mark.parametrize(
    "change", [{"id": "x"}, {"text": "x"}, {"choices": ("x",)}, {"kind": "open"}, {"study": STUDY}]
)
def test_the_hash_of_a_split_tells_every_change_of_a_question(change):
    ((question, truth),) = discs(count=1)
    assert made.split_hash([(question.model_copy(update=change), truth)]) != made.split_hash([(question, truth)])


def test_the_hash_of_a_split_tells_a_change_of_the_truth_and_of_a_role():
    ((question, truth),) = discs(count=1)
    other = truth.model_copy(update={"answer": "x"})
    (source,) = question.study.sources
    prior = question.model_copy(update={"study": Study(sources=(source.model_copy(update={"role": "prior"}),))})
    hashes = {
        made.split_hash([(question, truth)]),
        made.split_hash([(question, other)]),
        made.split_hash([(prior, truth)]),
    }
    assert len(hashes) == 3


# Questions of one's own.


OWN = {"images": ["a.png"], "question": "Is it?", "answer": "yes"}
TWO = {**OWN, "images": ["a.png", {"path": "b.png", "role": "prior"}]}


def own(tmp_path: Path, *records: dict[str, Any]) -> list[Task]:
    for number, name in enumerate(("a.png", "b.png")):
        made.picture(tmp_path / name, number)
    made.write_jsonl(tmp_path / "test.jsonl", records)
    return list(jsonl(tmp_path))


def test_a_question_of_ones_own_needs_three_things(tmp_path):
    ((question, truth),) = own(tmp_path, OWN)
    assert (question.id, question.kind, truth.answer) == ("jsonl/test/1", "yes_no", "yes")
    assert (question.images[0].pixels == made.pixels(0)).all()


def test_a_file_of_ones_own_may_be_named_itself(tmp_path):
    own(tmp_path, OWN)
    assert [q.id for q, _ in jsonl(tmp_path / "test.jsonl")] == ["jsonl/test/1"]
    assert refusal(lambda: jsonl(tmp_path, "train")) == "no split 'train'; there are: test"
    assert "no test.jsonl for the split 'test'" in refusal(lambda: jsonl(made.picture(tmp_path / "e/a.png", 1).parent))


def test_all_that_can_be_said_of_a_question(tmp_path):
    record = {
        **TWO, "id": 7, "kind": "number", "answer": "12 mm", "accepted": ["1.2 cm"], "tolerance": 0.2, "within": 1,
        "boxes": [[4, 3, 8, 9], {"image": 1, "box": [0, 0, 40, 30]}], "points": [[5, 5]], "coordinates": "px",
        "tags": {"modality": "CR", "site": 3}, "views": [{"image": 1, "window": [0, 0, 20, 10], "turns": 1}],
    }  # fmt: skip
    record["images"][1] |= {"spacing_mm": [0.2, 0.4], "modality": "CR"}
    ((question, truth),) = own(tmp_path, record)
    assert (truth.accepted, truth.tolerance, truth.within) == (("1.2 cm",), 0.2, 1.0)
    a, b = question.study.sources
    assert (b.role, b.modality, b.spacing_mm) == ("prior", "CR", (0.2, 0.4))
    assert truth.regions == (
        Place(source=a.id, shape=Box(x0=4, y0=3, x1=8, y1=9)),
        Place(source=b.id, shape=Box(x0=0, y0=0, x1=40, y1=30)),
        Place(source=a.id, shape=Point(x=5, y=5)),
    )
    assert question.tags == {"modality": "CR", "site": "3"}
    (view,) = question.images
    assert (view.source, view.window, view.turns) == (b.id, Box(x0=0, y0=0, x1=20, y1=10), 1)


def test_what_is_said_of_an_image_makes_it_another_one(tmp_path):
    stated = {**OWN, "images": [{"path": "a.png", "spacing_mm": [1, 1]}]}
    (plain, _), (scaled, _) = own(tmp_path, OWN, stated)
    assert plain.study.id != scaled.study.id
    assert scaled.images[0].spacing_mm == (1, 1)


@pytest.mark.parametrize(
    ("record", "told"),
    [
        ({**OWN, "anwser": "no"}, "no key 'anwser'; did you mean 'answer'?"),
        ({**OWN, "patient": "x"}, "no key 'patient'; tags take what is yours"),
        ({"question": "?", "answer": "a"}, "no 'images'"),
        ({**OWN, "images": "a.png"}, "'images' holds 'a.png', not a list"),
        ({**OWN, "images": [["a.png"]]}, "a picture is a path or the bytes of a file, not list"),
        ({**OWN, "images": ["/a.png"]}, "is not the name of a file inside"),
        ({**OWN, "images": [{"path": "a.png", "colour": 1}]}, "'colour' cannot be said of an image; what can: path, "),
        ({**OWN, "images": [{"path": "a.png", "spacing_mm": [1]}]}, "images: 1 spacings for the axes yx"),
        ({"images": ["a.png"], "question": "?"}, "no 'answer'"),
        ({**OWN, "kind": "essay"}, "kind: Input should be 'open'"),
        ({**OWN, "choices": ["no", "perhaps"]}, "the answer 'yes' is not among its choices A: no, B: perhaps"),
        ({**OWN, "tags": ["CR"]}, "'tags' holds \"['CR']\", not an object"),
        ({**OWN, "boxes": [[1, 2, 3, 4]]}, "'coordinates' is missing; say what boxes and points count: px, 0-1,"),
        ({**OWN, "boxes": [[1, 2, 3, 4]], "coordinates": "%"}, "'coordinates' is '%'; say what"),
        ({**OWN, "boxes": [[1, 2]], "coordinates": "px"}, "[1, 2] is no box"),
        ({**OWN, "points": [[1, 2, 3, 4]], "coordinates": "px"}, "[1, 2, 3, 4] is no point"),
        ({**OWN, "boxes": [[9, 2, 3, 4]], "coordinates": "px"}, "an empty box: x 9 to 3"),
        ({**OWN, "boxes": [[1, 2, 3, 4]], "coordinates": "0-1"}, "lies outside of its picture"),
        ({**OWN, "boxes": [{"image": 1, "box": [1, 2, 3, 4]}], "coordinates": "px"}, "names no image; there are 1"),
        ({**OWN, "boxes": [{"index": 1, "box": [1, 2, 3, 4]}], "coordinates": "px"}, "names no plane of an image"),
        ({**OWN, "views": [{"image": 0, "zoom": 2}]}, "views.zoom: Extra inputs are not permitted"),
        ({**OWN, "views": [{"window": [0, 0, 0, 9]}]}, "views: an empty box"),
        ({**OWN, "views": [3]}, "'views' holds '3', not an object"),
        ({**OWN, "masks": ["none.png"]}, "there is no such picture"),
    ],
)  # fmt: skip
def test_what_cannot_be_a_question_of_ones_own_is_refused(record, told, tmp_path):
    message = refusal(lambda: own(tmp_path, record))
    assert message.startswith(f"{tmp_path / 'test.jsonl'}, row 1: ")
    assert told in message


def test_a_file_has_one_convention_of_coordinates(tmp_path):
    first = {**OWN, "boxes": [[1, 2, 3, 4]], "coordinates": "px"}
    second = {**OWN, "boxes": [[0.1, 0.2, 0.3, 0.4]], "coordinates": "0-1"}
    told = refusal(lambda: own(tmp_path, first, OWN, second))
    assert told.endswith("row 3: coordinates are 0-1 here and px in row 1: a file has one kind")


# What is converted loads back.


def same(before: Task, after: Task) -> None:
    """Both ask, show and hold the same; only the ids of sources differ, which follow from their files."""
    (question, truth), (again, held) = before, after
    for name in ("id", "text", "kind", "choices", "origin", "tags"):
        assert getattr(again, name) == getattr(question, name)
    for source, other in zip(question.study.sources, again.study.sources, strict=True):
        assert other.model_dump(exclude={"id"}) == source.model_dump(exclude={"id"})
        for index in range(source.count()):
            assert np.array_equal(other.plane(0, index), source.plane(0, index))
    for image, other in zip(question.images, again.images, strict=True):
        assert other.model_dump(exclude={"id", "source"}) == image.model_dump(exclude={"id", "source"})
        assert np.array_equal(other.pixels, image.pixels)
    numbers = {s.id: n for q in (question, again) for n, s in enumerate(q.study.sources)}
    places = [[(numbers[p.source], p.axis, p.index, p.shape) for p in t.regions] for t in (truth, held)]
    assert places[0] == places[1]
    judged = {"regions", "findings"}  # the former are compared above, the latter judge nothing and are not written
    assert held.model_dump(exclude=judged) == truth.model_dump(exclude=judged)


@pytest.mark.parametrize("name", ["discs", "shape", "count", "locate", "measure", "volume", "clip", "change", "window"])
def test_what_is_made_up_can_be_converted_and_loads_back(name, tmp_path):
    tasks = list(find("envs.tasks", name)(count=2))
    path, questions, _ = convert(tasks, tmp_path / "out")
    assert questions == 2
    for before, after in zip(tasks, jsonl(path), strict=True):
        same(before, after)


def test_what_was_loaded_can_be_converted_and_loads_back(tmp_path):
    tasks = list(slake(made.slake(tmp_path / "slake"), language="all"))
    path, questions, images = convert(tasks, tmp_path / "out")
    assert (path.name, questions, images) == ("test.jsonl", 5, 2)
    for before, after in zip(tasks, jsonl(tmp_path / "out"), strict=True):
        same(before, after)
    again = list(jsonl(tmp_path / "out"))
    convert(again, tmp_path / "twice")
    assert made.split_hash(jsonl(tmp_path / "twice")) == made.split_hash(again)


def test_masks_and_views_of_volumes_load_back(tmp_path):
    from tools.mask import Mask

    rng = np.random.default_rng(0)
    source = Source.of(
        rng.normal(0, 100, (5, 12, 16)).astype(np.float32), unit="HU", modality="CT", spacing_mm=(2.0, 0.5, 0.5),
        orientation=("I", "P", "L"), role="current",
    )  # fmt: skip
    film = Source.of(rng.integers(0, 255, (3, 12, 16, 3), np.uint8), color=True, axes="tyx", times_s=(0.0, 0.5, 1.0))
    image = Image.of(source, 1, 7).look(window=Box(x0=2, y0=1, x1=12, y1=4))
    task = asked(
        row(), id="1", text="Outline it.", study=Study(sources=(source, film)), answer="", kind="mask",
        origin="lab/test", images=[image, Image.of(film, 0, 2)], masks=[Mask.of(rng.random((12, 16)) > 0.5)],
        places=[Place(source=source.id, index=3, shape=Box(x0=1, y0=1, x1=5.25, y1=6))],
    )  # fmt: skip
    path, *_ = convert([task], tmp_path)
    ((again, held),) = jsonl(path)
    same(task, (again, held))


@pytest.mark.parametrize(
    ("array", "more"),
    [
        (np.arange(12, dtype=np.uint16).reshape(3, 4), {}),
        (np.arange(12, dtype=np.int16).reshape(3, 4) - 6, {"unit": "HU", "slope": 2.0}),
        (np.arange(36, dtype=np.uint8).reshape(3, 4, 3), {"color": True}),
        (np.arange(36, dtype=np.uint16).reshape(3, 4, 3), {"color": True}),
        (np.arange(24, dtype=np.uint8).reshape(1, 4, 6), {}),
        (np.arange(12, dtype=">f4").reshape(3, 4), {}),
    ],
)
def test_every_kind_of_array_loads_back(array, more, tmp_path):
    study = Study(sources=(Source.of(array, **more),))
    task = asked(row(), id="1", text="?", study=study, answer="a", origin="lab/test")
    path, *_ = convert([task], tmp_path)
    ((again, _),) = jsonl(path)
    assert np.array_equal(again.study.sources[0].plane(), study.sources[0].plane())
    assert again.study.sources[0].model_dump(exclude={"id", "dtype"}) == study.sources[0].model_dump(
        exclude={"id", "dtype"}
    )


def test_an_image_that_no_file_holds_is_refused(tmp_path):
    film = Source.of(np.zeros((2, 4, 5, 3), np.uint16), color=True, axes="tyx")
    task = asked(row(), id="1", text="?", study=Study(sources=(film,)), answer="a", origin="lab/test")
    told = refusal(lambda: convert([task], tmp_path))
    assert "no PNG or NPY holds <u2 of the shape (2, 4, 5)" in told


def test_a_file_that_is_there_is_not_written_over(tmp_path):
    convert(discs(count=1), tmp_path)
    with pytest.raises(FileExistsError, match="is there already; choose another folder"):
        convert(discs(count=2), tmp_path)
    assert len(list(jsonl(tmp_path, "train"))) == 1


def test_what_goes_wrong_halfway_leaves_no_file(tmp_path):
    def broken():
        yield next(discs())
        raise DataError("row 2")

    with pytest.raises(DataError):
        convert(broken(), tmp_path)
    assert not (tmp_path / "train.jsonl").exists()


def test_the_documented_examples_load(tmp_path):
    text = importlib.import_module("envs.tasks.jsonl").__doc__ or ""
    records = [json.loads(part) for part in re.split(r"\n(?= *\{)", text.split("\n\n")[1])]
    for name in "abc":
        made.PILImage.fromarray(np.zeros((100, 120), np.uint8)).save(tmp_path / f"{name}.png")
    made.write_jsonl(tmp_path / "test.jsonl", records)
    assert [question.kind for question, _ in jsonl(tmp_path)] == ["yes_no", "choice", "number"]
