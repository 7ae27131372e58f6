"""Loaders of questions about regions: every convention ends in px of the right image, and nothing is guessed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envs.datasets import Convention, DataError, MissingImage, Row, Task, check_size, nearest, place
from envs.episode import Truth
from envs.row_images import PARTS
from envs.row_talk import exchanges
from envs.tasks.mecovqa import mecovqa
from envs.tasks.medmultipoints import medmultipoints
from envs.tasks.medreginstruct import medreginstruct
from envs.tasks.medsg import medsg
from envs.tasks.vitar import vitar
from tests import grounding_made as made
from tests.conftest import needs
from tools.geometry import Box, Point
from tools.image import Place
from tools.study import Source


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch) -> Path:
    """Where pictures out of tables are kept."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("OVERREAD_CACHE", str(folder))
    return folder


def row(**cells: Any) -> Row:
    return Row(Path("a.json"), 1, cells)


def refusal(act: Callable[[], Any]) -> str:
    with pytest.raises(DataError) as refused:
        act()
    return str(refused.value)


def where(task: Task) -> list[tuple[int, list[float]]]:
    """The number of the image, from 0, and the numbers of each region."""
    numbers = {source.id: n for n, source in enumerate(task[0].study.sources)}
    return [(numbers[spot.source], spot.shape.numbers) for spot in task[1].regions]


def film(width: int, height: int) -> Source:
    return Source(id="film", axes="yx", shape=(height, width), dtype="|u1")


# Coordinates.


@pytest.mark.parametrize(
    ("coordinates", "box"),
    [("px", [0, 0, 125, 250]), ("0-1", [0, 0, 1, 1]), ("0-999", [0, 0, 999, 999]), ("0-1000", [0, 0, 1000, 1000])],
)
def test_the_whole_of_an_image_is_the_whole_in_every_convention(coordinates, box):
    assert place(row(), film(125, 250), box, coordinates).shape == Box(x0=0, y0=0, x1=125, y1=250)


@pytest.mark.parametrize(
    ("coordinates", "width", "height"), [("px", 1, 1), ("0-1", 200, 100), ("0-999", 200 / 999, 100 / 999)]
)
def test_a_box_of_ones_means_what_its_convention_says(coordinates, width, height):
    shape = place(row(), film(200, 100), [0, 0, 1, 1], coordinates).shape
    assert shape.numbers == pytest.approx([0, 0, width, height])


SIZES = st.integers(1, 3000)
SHARES = st.floats(0, 1)


@given(SIZES, SIZES, st.sampled_from(sorted(PARTS)), SHARES, SHARES)
def test_coordinates_go_there_and_back(width, height, coordinates: Convention, x, y):
    parts = PARTS[coordinates]
    shape = place(row(), film(width, height), [x * parts, y * parts], coordinates).shape
    assert isinstance(shape, Point)
    assert (shape.x / width * parts, shape.y / height * parts) == pytest.approx((x * parts, y * parts), abs=1e-6)


@given(SIZES, SIZES, st.sampled_from(sorted(PARTS)))
def test_the_far_corner_never_lies_outside(width, height, coordinates: Convention):
    parts = PARTS[coordinates]
    assert place(row(), film(width, height), [parts, parts], coordinates).shape.numbers == [width, height]


@pytest.mark.parametrize("size", [(40, 30), ("40", "30"), (40.0, 30.0)])
def test_a_size_that_is_true_is_no_matter(size):
    check_size(row(), film(40, 30), size)


@pytest.mark.parametrize("size", [(30, 40), (40,), ("40", None), ("wide", "high"), (40, 30, 1)])
def test_a_size_that_is_not_that_of_the_image_is_a_bad_row(size):
    assert "where its picture has [40, 30]" in refusal(lambda: check_size(row(), film(40, 30), size))


def test_leading_folders_that_are_not_there_are_left_out(tmp_path):
    made.picture(tmp_path / "images/a.png", 1)
    for name in ("images/a.png", "./images/a.png", "home/data/images/a.png", "home/x/../data/images/a.png"):
        assert (tmp_path / nearest(row(), tmp_path, name)).resolve() == (tmp_path / "images/a.png").resolve()
    assert nearest(row(), tmp_path, "images/b.png") == "images/b.png"


@pytest.mark.parametrize("name", ["../a.png", "/images/a.png", "x/../../a.png", "x/y/../../../images/a.png"])
def test_no_folder_is_left_out_of_a_name_that_leads_out(name, tmp_path):
    made.picture(tmp_path / "images/a.png", 1)
    assert "is not the name of a file inside" in refusal(lambda: nearest(row(), tmp_path / "images", name))


def test_leaving_out_a_folder_does_not_lead_out_either(tmp_path):
    made.picture(tmp_path / "secret.png", 1)
    (tmp_path / "images").mkdir()
    assert nearest(row(), tmp_path / "images", "x/../secret.png") == "x/../secret.png"


@given(st.lists(st.sampled_from(["..", ".", "a", "b.png", "images"]), min_size=1, max_size=6))
@settings(max_examples=50)
def test_what_is_left_of_a_name_stays_in_the_folder(parts):
    root = Path(__file__).parent
    try:
        name = nearest(row(), root, "/".join(parts))
    except DataError:
        return
    assert (root / name).resolve().is_relative_to(root)


# Conversations.


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ([], "no 'conversations' or 'messages'"),
        (made.talk("Where?"), "not question and answer in turn"),
        (made.talk("Where?", "Here.", "And?"), "not question and answer in turn"),
        ([*made.talk("Where?"), *made.talk("And where?")], "not question and answer in turn"),
        ([{"from": "nurse", "value": "Where?"}], "'nurse' speaks in its conversation; those who may: human, user, gpt"),
        ([{"from": "human", "value": ["Where?"]}], "a message of its conversation holds list, not text"),
        (["Where?"], "its conversation holds str, not a message"),
    ],
)
def test_what_is_no_conversation_is_a_bad_row(said, told):
    bad = row(conversations=said or None)
    assert told in refusal(lambda: exchanges(bad))


def test_a_conversation_is_read_in_both_ways_of_writing():
    llava = row(conversations=made.talk("<image>\nWhere?", "Here.", "How many <image> are there?", 3))
    openai = row(messages=[{"role": "system", "content": "You read."}, {"role": "user", "content": "<image>\nWhere?"},
                           {"role": "assistant", "content": "Here."}])  # fmt: skip
    assert [(talk.question, talk.answered) for talk in exchanges(llava)] == [
        ("Where?", "Here."), ("How many are there?", "3"),
    ]  # fmt: skip
    assert [(talk.question, talk.answered) for talk in exchanges(openai)] == [("Where?", "Here.")]


# MedSG-Bench.


def test_medsg_gives_the_box_of_a_difference_on_the_second_image(tmp_path):
    question, truth = next(medsg(made.medsg(tmp_path)))
    first, second = question.study.sources
    assert (question.id, question.kind) == ("medsg/test/Task1-1", "boxes")
    assert question.text == "Compare these two images: what differs?"
    assert question.tags == {"task": "Registered_Diff", "language": "en", "images": "2"}
    assert [source.role for source in (first, second)] == ["image 1", "image 2"]
    assert [image.source for image in question.images] == [first.id, second.id]
    assert (question.images[1].pixels == made.pixels(2)).all()
    assert truth == Truth(answer="", regions=(Place(source=second.id, shape=Box(x0=1, y0=2, x1=9, y1=8)),))


def test_medsg_settles_which_image_a_box_belongs_to(tmp_path):
    tasks = list(medsg(made.medsg(tmp_path)))
    assert {q.tags["task"]: [spot for spot, _ in where((q, t))] for q, t in tasks} == {
        "Registered_Diff": [1], "Non_Registered_Diff": [1],  # the last
        "multi_view": [1], "cross_modal": [2],  # beside the first, the one that the question names
        "object_tracking": [3], "concept": [1],  # only the first is named, or none: the last
        "patch": [0],  # the source, which the patches follow
        "referring": [0],  # its file is called ..._Liver.png
    }  # fmt: skip


def test_medsg_draws_the_region_that_a_question_speaks_of(tmp_path):
    question, _ = next(medsg(made.medsg(tmp_path), task="multi_view"))
    assert question.text == "The object marked in the first image [region 1]. Locate it in the second image."
    drawn = [[(mark.shape, mark.label) for mark in image.marks] for image in question.images]
    assert drawn == [[(Box(x0=5, y0=6, x1=15, y1=16), "1")], [], []]


def test_medsg_of_the_training_part_goes_by_the_image_that_the_answer_names(tmp_path):
    third, first, named = medsg(made.medsg_train(tmp_path), "train")
    assert (third[0].id, first[0].id) == ("medsg/train/referring/1/1", "medsg/train/referring/1/2")
    assert (third[0].text, first[0].text) == ("Identify: RightVentricle.", "Identify: Spleen.")
    assert where(third) == [(2, [10, 12, 30, 25])]
    assert where(first) == [(0, [0, 0, 1, 1])]
    assert where(named) == [(1, [3, 3, 6, 6])]
    assert (named[0].id, named[0].tags["task"]) == ("medsg/train/crossmodality/1", "cross_modal")


def test_medsg_gives_one_task_where_asked(tmp_path):
    assert [q.tags["task"] for q, _ in medsg(made.medsg(tmp_path), task="patch")] == ["patch"]


def medsg_row(**more: Any) -> dict[str, Any]:
    return {**made.medsg_record("concept", "Find it.", [1, 2, 3, 4]), **more}


LOST = medsg_row(task="referring", question="Find the <|object_ref_start|>Liver<|object_ref_end|>.")


@pytest.mark.parametrize(
    ("record", "told"),
    [
        (LOST, "does not say on which of its 2 images the box lies"),
        (medsg_row(question="Find it in the second or the third image."), "does not say on which of its 2 images"),
        (medsg_row(question="Find it in the seventh image."), "does not say on which of its 2 images"),
        (medsg_row(size=[30, 40]), "states a size of [30, 40] where its picture has [40, 30]"),
        (medsg_row(answer=[3, 2, 1, 4]), "[3, 2, 1, 4]: an empty box: x 3 to 1, y 2 to 4"),
        (medsg_row(answer=[1, 2, 41, 4]), "[1, 2, 41, 4] in px lies outside of its picture of 40 by 30 px"),
        (medsg_row(answer=[1, 2, 3]), "a box is [x0, y0, x1, y1], not 3 numbers"),
        (medsg_row(answer=[1, 2]), "a box is [x0, y0, x1, y1], not 2 numbers"),
        (medsg_row(answer=["1", "2", "3", "4"]), "['1', '2', '3', '4'].x0: Input should be a valid number"),
        (medsg_row(answer="here"), "'answer' holds 'here', not a list"),
        (medsg_row(answer=None), "no 'answer'; its columns are: task, images"),
        (medsg_row(task="guess"), "no task 'guess'; there are: Registered_Diff, Non_Registered_Diff, multi_view"),
        (medsg_row(images=["Task1/9.png"]), "there is no such picture"),
        (medsg_row(images=["../1.png"]), "'../1.png' is not the name of a file inside"),
        (medsg_row(images="1.png"), "'images' holds '1.png', not a list"),
        (medsg_row(conversations=made.talk("Where?", "There.")), "an answer holds 0 boxes where it must hold one"),
        (medsg_row(conversations=made.talk("Where?", made.BOX.format(9, 2, 3, 4))), "an empty box"),
        (medsg_row(conversations=made.talk("Where?", made.BOX.format("1.2.3", 2, 3, 4))), "an answer holds 0 boxes"),
        (medsg_row(question="Like " + made.BOX.format("x", 2, 3, 4)), "its question holds a box that cannot be read"),
    ],
)
def test_medsg_refuses_what_it_cannot_place(record, told, tmp_path):
    made.medsg(tmp_path, [made.MEDSG[0], record])
    message = refusal(lambda: list(medsg(tmp_path)))
    assert "Task1.json, row 2: " in message
    assert told in message
    bad: list[DataError] = []
    assert len(list(medsg(tmp_path, on_bad=bad.append))) == len(bad) == 1
    assert isinstance(bad[0], MissingImage) == ("no such picture" in told)


# MedMultiPoints.


def test_medmultipoints_tells_its_five_answers_apart(tmp_path):
    tasks = list(medmultipoints(made.medmultipoints(tmp_path)))
    assert [(q.kind, t.answer, [numbers for _, numbers in where((q, t))]) for q, t in tasks] == [
        ("points", "", [[3.5, 4], [30, 20.2]]),
        ("boxes", "", [[0, 0, 1, 1]]),
        ("count", "3", []),
        ("count", "0", []),
        ("points", "2", [[1, 2], [3, 4]]),
        ("boxes", "1", [[1, 2, 3, 4]]),
        ("boxes", "", []),
    ]
    question, _ = tasks[4]
    assert (question.id, question.text) == ("medmultipoints/test/multi-task-test-5", "Where are the polyps?")
    assert question.tags == {"task": "cnt_and_point", "label": "polyp", "language": "en", "source": "hyper-kvasir"}


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_medmultipoints_of_columns_asks_what_it_is_told_to(kind, tmp_path):
    needs("pyarrow")
    made.medmultipoints_columns(tmp_path, kind)
    points, boxes, count, *none = medmultipoints(tmp_path, "columns")
    assert (points[0].kind, points[0].text) == ("points", "Point to every normal sperm.")
    assert where(points) == [(0, [3.5, 4.0]), (0, [20.0, 21.0])]
    assert where(boxes) == [(0, [1.0, 2.0, 6.0, 7.0]), (0, [18.0, 19.0, 22.0, 23.0])]
    assert (count[0].kind, count[1]) == ("count", Truth(answer="2"))
    assert [(q.kind, t) for q, t in none] == [
        ("points", Truth(answer="")), ("boxes", Truth(answer="")), ("count", Truth(answer="0")),
    ]  # fmt: skip
    both, _ = medmultipoints(tmp_path, "columns", ["count_boxes"])
    assert (both[0].kind, both[1].answer, where(both)) == ("boxes", "2", where(boxes))
    assert both[0].id.endswith("-1/count_boxes")


def test_a_file_that_is_no_arrow_stream_is_a_bad_row(tmp_path):
    needs("pyarrow")
    (tmp_path / "a-train-1.arrow").write_bytes(b"PAR1 and then nothing")
    assert "row 1: not an Arrow stream (" in refusal(lambda: list(medmultipoints(tmp_path, "columns")))


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("There are three.", "its answer is not JSON: 'There are three.'"),
        ('{"label": "polyp"}', "its answer holds neither points nor boxes nor a count"),
        ('"three"', "its answer holds neither points nor boxes nor a count"),
        ('{"counts": "many"}', "'many' is no count"),
        ('{"counts": null}', "its answer holds neither points nor boxes nor a count"),
        ('{"counts": 1, "count": 2}', "its 'counts' is 1 and its 'count' is 2"),
        ('{"counts": -1}', "'-1' is no count"),
        ('{"counts": true}', "'True' is no count"),
        ('{"counts": 3, "point_2d": [[1, 2]]}', "its count is 3 and it lists 1"),
        ('{"point_2d": [[1, 2]], "bbox_2d": []}', "its answer holds neither"),
        ('{"point_2d": 3}', "its 'point_2d' holds int, not a list"),
        ('[{"point_2d": [1, 2]}, {"bbox_2d": [1, 2, 3, 4]}]', "its answer lists what are not all points, or all boxes"),
        ('[{"point_2d": [41, 2]}]', "[41, 2] in px lies outside of its picture of 40 by 30 px"),
        ('[{"point_2d": ["a", 2]}]', "['a', 2].x: Input should be a valid number"),
        ('[{"point_2d": [true, 2]}]', "[True, 2].x: Input should be a valid number"),
        ('[{"point_2d": null}]', "None: a point is [x, y], not None"),
        ('{"counts": 2, "point_2d": [3, 4]}', "3: a point is [x, y], not 3"),
        ('[{"point_2d": [1, 2, 3, 4]}]', "[1, 2, 3, 4]: a point is [x, y], not 4 numbers"),
        ('[{"bbox_2d": [1, 2]}]', "[1, 2]: a box is [x0, y0, x1, y1], not 2 numbers"),
        ('[{"bbox_2d": [9, 2, 3, 4]}]', "an empty box"),
    ],
)
def test_medmultipoints_refuses_what_is_no_answer(answer, told, tmp_path):
    made.medmultipoints(tmp_path, [made.said(answer)])
    assert told in refusal(lambda: list(medmultipoints(tmp_path)))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"img_size": [30, 40]}, "states a size of [30, 40] where its picture has [40, 30]"),
        ({"count": 3}, "its count is 3 and its 'points' are 2"),
        ({"points": [[1.0, 2.0], [50.0, 1.0]]}, "lies outside of its picture"),
        ({"label": None}, "no 'label'"),
    ],
)
def test_medmultipoints_refuses_columns_that_contradict_each_other(change, told, tmp_path):
    needs("pyarrow")
    made.medmultipoints_columns(tmp_path, **change)
    asks = ["points", "boxes", "count_points"]
    assert told in refusal(lambda: list(medmultipoints(tmp_path, "columns", asks)))


def test_medmultipoints_needs_its_pictures(tmp_path):
    made.medmultipoints(tmp_path)
    (tmp_path / "MedMultiPoints-images/a.png").unlink()
    assert "MedMultiPoints-images/a.png: there is no such picture" in refusal(lambda: next(medmultipoints(tmp_path)))


# MedRegInstruct.


def test_medreginstruct_asks_for_boxes_in_999ths(tmp_path):
    task, *_ = medreginstruct(made.medreginstruct(tmp_path))
    question, truth = task
    assert (question.kind, truth.answer) == ("boxes", "")
    assert question.text == "Please locate vessel wall in this MRI scan."
    assert where(task) == [(0, [0, 0, 40, 30]), (0, pytest.approx([0, 0, 40 / 999, 30 / 999]))]
    assert question.tags == {"task": "text2region", "language": "en"}


def test_medreginstruct_takes_the_boxes_of_a_description_as_its_evidence(tmp_path):
    _, english, chinese, _ = medreginstruct(made.medreginstruct(tmp_path))
    assert (english[0].kind, english[1].answer) == ("open", "No effusion.")
    assert where(english) == [(0, pytest.approx([0, 0, 40 / 3, 30])), (0, pytest.approx([80 / 3, 0, 40, 30]))]
    assert (chinese[0].kind, chinese[1].answer) == ("open", "胰尾部见一肿块。")
    assert chinese[0].text == "请定位并描述这张医学影像中的胰腺癌"


def test_medreginstruct_may_find_nothing(tmp_path):
    *_, (question, truth) = medreginstruct(made.medreginstruct(tmp_path))
    assert (question.kind, truth) == ("boxes", Truth(answer=""))


def test_medreginstruct_draws_the_region_that_is_to_be_named(tmp_path):
    ((question, truth),) = medreginstruct(made.medreginstruct(tmp_path), "region2text")
    whole = pytest.approx([0, 0, 40, 30 * 500 / 999])
    assert (question.kind, question.text, truth.answer) == ("open", "What is this [region 1]?", "right mandible")
    assert [(mark.label, mark.shape.numbers) for mark in question.images[0].marks] == [("1", whole)]
    assert where((question, truth)) == [(0, whole)]


@pytest.mark.parametrize(
    ("language", "ids"), [("en", ["8", "9", "11"]), ("zh", ["10"]), ("all", ["8", "9", "10", "11"])]
)
def test_medreginstruct_asks_in_the_languages_it_is_told_to(language, ids, tmp_path):
    tasks = medreginstruct(made.medreginstruct(tmp_path), language=language)
    assert [question.id.rpartition("/")[2] for question, _ in tasks] == ids


def test_medreginstruct_does_not_take_the_region_of_a_question_for_its_answer(tmp_path):
    told = made.talk(
        "<image>\nWhat lies beside <ref>it</ref><box>[[0, 0, 9, 9]]</box>?", "<ref>mass</ref><box>[]</box>"
    )
    ((question, truth),) = medreginstruct(made.medreginstruct(tmp_path, [{**made.FIND[0], "conversations": told}]))
    assert (question.kind, truth.regions, len(question.images[0].marks)) == ("boxes", (), 1)


def find_row(answer: str, **more: Any) -> dict[str, Any]:
    return {**made.FIND[0], "conversations": made.talk("<image>\nPlease locate <ref>a</ref>.", answer), **more}


@pytest.mark.parametrize(
    ("record", "told"),
    [
        (find_row("<ref>a</ref><box>[[0, 0, 1000, 9]]</box>"), "in 0-999 lies outside of its picture of 40 by 30 px"),
        (find_row("<ref>a</ref><box>[[-1, 0, 10, 9]]</box>"), "in 0-999 lies outside of its picture"),
        (find_row("<ref>a</ref><box>[[9, 0, 5, 9]]</box>"), "an empty box: x 9 to 5"),
        (find_row("<ref>a</ref><box>[[9, 0, 5]]</box>"), "is no list of boxes [x1, y1, x2, y2]"),
        (find_row("<ref>a</ref><box>[1, 2, 5, 6]</box>"), "is no list of boxes"),
        (
            find_row("<ref>a</ref><box>[[0, 0, 0.5, 1.0]]</box>"),
            "is no list of boxes [x1, y1, x2, y2] in whole numbers",
        ),
        (
            find_row("", conversations=made.talk("<image>\nWhat is <box>[[x1, 0, 5, 9]]</box>?", "A lung.")),
            "its question holds a box that cannot be read",
        ),
        (find_row("<ref>a</ref><box>[[x1, y1, x2, y2]]</box>"), "its answer holds a box that cannot be read"),
        (find_row(""), "its answer is empty"),
        (find_row("<box>[]</box>", width=41), "states a size of [41, 30] where its picture has [40, 30]"),
        (find_row("<box>[]</box>", image="b.png"), "there is no such picture"),
        (find_row("<box>[]</box>", image="/b.png"), "'/b.png' is not the name of a file inside"),
        (find_row("<box>[]</box>", image=None), "no 'image'"),
    ],
)
def test_medreginstruct_refuses_what_it_cannot_place(record, told, tmp_path):
    made.medreginstruct(tmp_path, [record])
    assert told in refusal(lambda: list(medreginstruct(tmp_path)))


# MeCoVQA.


def test_mecovqa_asks_for_an_outline(tmp_path):
    ((question, truth),) = mecovqa(made.mecovqa(tmp_path))
    assert (question.kind, question.text, truth.answer) == ("mask", "Outline the liver.", "")
    (mask,) = truth.masks
    assert (mask.width, mask.height, mask.array.sum()) == (40, 30, 10 * 8 + 2 * 2)
    assert where((question, truth)) == [(0, [4, 5, 22, 22])]
    assert question.tags == {"task": "Grounding", "language": "en"}


def test_mecovqa_outlines_the_region_that_is_asked_about(tmp_path):
    what, healthy = mecovqa(made.mecovqa(tmp_path), part="Region")
    assert (what[0].kind, what[0].text, what[1].answer) == ("open", "What is [the outlined region]?", "The liver.")
    assert what[0].images[0].mask is not None
    assert what[0].images[0].mask.array[5:13, 4:14].all()
    assert where(what) == [(0, [4, 5, 22, 22])]
    assert (healthy[0].kind, healthy[0].images[0].mask, healthy[1].answer) == ("open", None, "Yes, it is.")
    assert healthy[0].tags["answer_type"] == "open"


def test_mecovqa_may_ask_for_an_outline_beside_a_region(tmp_path):
    made.mask(tmp_path / "masks/part.png", (30, 20, 35, 25))
    told = made.talk("Beside <region>masks/liver.png</region>?", "<SEG> <mask>masks/part.png</mask>")
    ((question, truth),) = mecovqa(made.mecovqa(tmp_path, told))
    assert question.images[0].mask is not None
    assert where((question, truth)) == [(0, [30, 20, 35, 25])]
    assert truth.masks[0].array.sum() == 25


def test_mecovqa_has_plain_questions(tmp_path):
    ((question, truth),) = mecovqa(made.mecovqa(tmp_path), part="Complex")
    assert (question.kind, question.text, truth) == ("open", "What modality is this?", Truth(answer="An MRI."))


def test_mecovqa_does_not_show_the_outline_that_it_asks_for(tmp_path):
    both = made.talk("<image>\nOutline <region>masks/liver.png</region>.", "<SEG> <mask>masks/liver.png</mask>")
    assert "asked for is the region that is shown" in refusal(lambda: list(mecovqa(made.mecovqa(tmp_path, both))))


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("<SEG> <mask>masks/small.png</mask>", "a mask of 10 by 10 px on an image of 40 by 30"),
        ("<SEG> <mask>masks/none.png</mask>", "masks/none.png: nothing is marked in this mask"),
        ("<SEG> <mask>masks/lost.png</mask>", "there is no such picture"),
        ("<SEG> <mask>../liver.png</mask>", "'../liver.png' is not the name of a file inside"),
        ("<SEG> <mask>masks/liver.png</mask> <mask>masks/liver.png</mask>", "an exchange has one mask"),
        ("It is <mask>masks/liver.png</mask>", "an answer with a <mask> must hold <SEG>"),
        ("It is <SEG>.", "an answer with <SEG> must name its <mask>"),
    ],
)
def test_mecovqa_refuses_what_is_no_mask(answer, told, tmp_path):
    made.mecovqa(tmp_path, made.talk("<image>\nOutline the liver.", answer))
    assert told in refusal(lambda: list(mecovqa(tmp_path)))


# ViTAR.


def test_vitar_reads_columns_by_the_map_that_it_is_given(tmp_path):
    needs("pyarrow")
    words, letter = vitar(made.vitar(tmp_path), columns={**made.COLUMNS, "options": "opts"})
    assert (words[0].kind, words[0].text, words[1].answer) == ("open", "What is in the box?", "A polyp")
    assert where(words) == [(0, [0, 0, 40, 30])]
    assert (letter[0].choices, letter[1].answer, letter[1].accepted) == (("cyst", "polyp"), "B", ("polyp",))
    assert where(letter) == [(0, [10, 15, 20, 30])]
    assert (words[0].images[0].pixels == made.pixels(1)).all()


def test_vitar_reads_a_box_by_the_convention_and_not_by_its_size(tmp_path):
    needs("pyarrow")
    made.vitar(tmp_path, made.vitar_row(box=[0.0, 0.0, 1.0, 1.0]))
    told = {kind: next(vitar(tmp_path, columns={**made.COLUMNS, "coordinates": kind})) for kind in ("px", "0-1")}
    assert {kind: where(task) for kind, task in told.items()} == {
        "px": [(0, [0, 0, 1, 1])],
        "0-1": [(0, [0, 0, 40, 30])],
    }


def test_vitar_reads_a_file_that_is_named_itself(tmp_path):
    needs("pyarrow")
    path = made.vitar(tmp_path) / "data/train-00000-of-00001.parquet"
    plain = {key: value for key, value in made.COLUMNS.items() if key not in ("boxes", "coordinates")}
    question, truth = next(vitar(path, columns=plain))
    assert question.origin == "vitar/train-00000-of-00001"
    assert truth.regions == ()


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        (None, "columns: no entry 'question', 'answer', 'image'; say which column holds it; the columns of "
         "train-00000-of-00001.parquet are: q, reward, reward.truth, opts, img, box"),
        ({"coordinates": None}, "columns: no entry 'coordinates'; say which column holds it"),
        ({"question": "query"}, "columns: question = 'query' is no column; the columns of"),
        ({"answer": "reward.score"}, "columns: answer = 'reward.score' is no column; the columns of"),
        ({"coordinates": "percent"}, "coordinates are 'percent'; they must be one of px, 0-1, 0-1000, 0-999"),
        ({"picture": "img"}, "columns: no entry 'picture'; there are: question, answer, image, options"),
    ],
)  # fmt: skip
def test_vitar_refuses_a_map_that_leads_nowhere(columns, told, tmp_path):
    needs("pyarrow")
    made.vitar(tmp_path)
    if columns is not None:
        columns = {key: value for key, value in {**made.COLUMNS, **columns}.items() if value is not None}
    assert told in refusal(lambda: vitar(tmp_path, columns=columns))


@pytest.mark.parametrize(
    ("record", "told"),
    [
        (made.vitar_row(box=[[0.0, 0.0, 2.0, 1.0]]), "in 0-1 lies outside of its picture"),
        (made.vitar_row(box=[[0.5, 0.0, 0.1, 1.0]]), "an empty box"),
        (made.vitar_row(box=[[0.5, 0.0, 0.1]]), "not [x0, y0, x1, y1] or a list of such"),
        (made.vitar_row(reward={"truth": None}), "no 'answer'"),
        (made.vitar_row(img=[made.encoded(1), made.encoded(2)]), "it has boxes and 2 images"),
        (made.vitar_row(img=[{"bytes": None, "path": "lost.png"}]), "there is no such picture"),
        (made.vitar_row(opts=["cyst", "stone"]), "the answer 'A polyp' is not among its choices A: cyst, B: stone"),
    ],
)
def test_vitar_refuses_a_row_that_it_cannot_read(record, told, tmp_path):
    needs("pyarrow")
    made.vitar(tmp_path, record)
    assert told in refusal(lambda: list(vitar(tmp_path, columns={**made.COLUMNS, "options": "opts"})))


def test_vitar_refuses_what_is_no_parquet_file(tmp_path):
    needs("pyarrow")
    (tmp_path / "train.parquet").write_bytes(b"PAR1")
    assert "train.parquet: not parquet (" in refusal(lambda: vitar(tmp_path, columns=made.COLUMNS))
