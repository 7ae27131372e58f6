"""Loaders of questions about volumes: what is shown, what the answer is, and what contradicts its file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envs.datasets import DataError, MissingImage, Task
from envs.episode import Truth
from envs.tasks.deeptumorvqa import BINARY, NUMERIC, deeptumorvqa
from envs.tasks.m3d_vqa import m3d_vqa
from envs.tasks.rad3d import rad3d
from tests import grounding_made as made
from tools.geometry import Box
from tools.image import Place


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch) -> None:
    """Where volumes are unpacked."""
    monkeypatch.setenv("OVERREAD_CACHE", str(tmp_path_factory.mktemp("cache")))


def refusal(act: Callable[[], Any]) -> str:
    with pytest.raises(DataError) as refused:
        act()
    return str(refused.value)


def said(tasks: list[Task]) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(question.kind, truth.answer, truth.accepted) for question, truth in tasks]


# M3D-VQA.


def test_m3d_vqa_has_volumes_with_choices(tmp_path):
    question, truth = next(m3d_vqa(made.m3d_vqa(tmp_path)))
    (source,) = question.study.sources
    assert (question.id, question.text) == ("m3d_vqa/test5k/M3D_VQA_test5k-2", "Which plane?")
    assert (question.kind, question.choices) == ("choice", ("Axial", "Coronal", "Sagittal", "Oblique"))
    assert truth == Truth(answer="A", accepted=("Axial",))
    assert (source.axes, source.shape) == ("zyx", (5, 6, 8))  # the first axis, of length 1, is left out
    assert question.tags == {"modality": "CT", "task": "plane", "language": "en"}


@pytest.mark.parametrize(
    ("form", "first"),
    [
        ("choice", [("choice", "A", ("Axial",)), ("choice", "C", ("Kidney",))]),
        ("open", [("open", "Axial", ()), ("open", "Kidney", ())]),
    ],
)
def test_m3d_vqa_is_asked_with_choices_or_without(form, first, tmp_path):
    tasks = list(m3d_vqa(made.m3d_vqa(tmp_path), form=form))
    assert said(tasks) == [*first, ("yes_no", "yes", ()), ("boxes", "", ()), ("boxes", "", ())]
    assert [bool(question.choices) for question, _ in tasks[:2]] == [form == "choice"] * 2


def test_m3d_vqa_gives_a_box_in_space_as_that_of_its_middle_slice(tmp_path):
    *_, (liver, here), (body, whole) = m3d_vqa(made.m3d_vqa(tmp_path))
    source = liver.study.sources[0].id
    # of 5 by 6 by 8 voxels: z 1 to 3, y 2 to 4, x 2 to 4, the last included
    assert here.regions == (Place(source=source, axis=0, index=2, shape=Box(x0=2, y0=2, x1=5, y1=5)),)
    assert whole.regions == (Place(source=source, axis=0, index=2, shape=Box(x0=0, y0=0, x1=8, y1=6)),)
    assert [(image.axis, image.index) for q in (liver, body) for image in q.images] == [(0, 2), (0, 2)]
    assert liver.text == "Where is the liver? Put the box on the slice that is shown."


VOXEL = st.tuples(st.integers(0, 99), st.integers(0, 99))


@settings(max_examples=40)
@given(z=VOXEL, y=VOXEL, x=VOXEL)
def test_m3d_vqa_boxes_go_there_and_back(z, y, x, tmp_path_factory):
    root = tmp_path_factory.mktemp("m3d")
    made.array(root / "a.npy", shape=(1, 100, 100, 100))
    spans = [sorted(span) for span in (z, y, x)]
    numbers = [round(first / 100, 3) for first, _ in spans] + [round(last / 100, 3) for _, last in spans]
    made.write_csv(root / "M3D_VQA_test5k.csv", made.M3D_HEADER, [["a.npy", "?", *[""] * 4, str(numbers), "", 5]])
    ((_, truth),) = m3d_vqa(root)
    (spot,) = truth.regions
    assert spot.shape.numbers == [spans[2][0], spans[1][0], spans[2][1] + 1, spans[1][1] + 1]
    assert spans[0][0] <= spot.index <= spans[0][1]


def m3d_row(*change: tuple[str, Any]) -> list[Any]:
    cells = dict(zip(made.M3D_HEADER, made.M3D[0], strict=True)) | dict(change)
    return list(cells.values())


BOX_ROW = tuple((f"Choice {letter}", "") for letter in "ABCD")


@pytest.mark.parametrize(
    ("record", "told"),
    [
        (m3d_row(("Answer Choice", "E")), "the answer 'E' is not among its choices A: Axial, B: Coronal"),
        (m3d_row(("Answer Choice", "")), "no 'Answer Choice'"),
        (m3d_row(("Choice B", "")), "choice 2 of 4 is empty"),
        (m3d_row(("Image Path", "ct/2.npy")), "there is no such picture"),
        (m3d_row(("Image Path", "/ct/2.npy")), "'/ct/2.npy' is not the name of a file inside"),
        (m3d_row(*BOX_ROW, ("Answer", "[0.2, 0.2, 0.2, 0.1, 0.9, 0.9]")), "is a box without any depth"),
        (m3d_row(*BOX_ROW, ("Answer", "[0.2, 0.8, 0.2, 0.9, 0.1, 0.9]")), "an empty box"),
        (m3d_row(*BOX_ROW, ("Answer", "[0, 0, 0, 32, 256, 256]")), "is no box in a volume: six parts from 0 to 1"),
    ],
)
def test_m3d_vqa_refuses_what_it_cannot_read(record, told, tmp_path):
    made.m3d_vqa(tmp_path, [made.M3D[0], record])
    message = refusal(lambda: list(m3d_vqa(tmp_path)))
    assert "M3D_VQA_test5k.csv, row 3: " in message
    assert told in message


def test_m3d_vqa_has_its_tables_in_a_folder_beside_the_volumes(tmp_path):
    made.m3d_vqa(tmp_path)
    (tmp_path / "M3D-VQA").mkdir()
    (tmp_path / "M3D_VQA_test5k.csv").rename(tmp_path / "M3D-VQA/M3D_VQA_test.csv")
    assert next(m3d_vqa(tmp_path, "test"))[0].id == "m3d_vqa/test/M3D_VQA_test-2"


def cut_short(path: Path, keep: int) -> None:
    path.write_bytes(path.read_bytes()[:keep])


@pytest.mark.parametrize(("keep", "told"), [(0, "is empty"), (200, "Axial.npy"), (20, "Axial.npy")])
def test_m3d_vqa_refuses_a_volume_that_is_cut_short(keep, told, tmp_path):
    cut_short(made.m3d_vqa(tmp_path) / "ct/1/Axial.npy", keep)
    message = refusal(lambda: next(m3d_vqa(tmp_path)))
    assert "M3D_VQA_test5k.csv, row 2: " in message
    assert told in message


def test_m3d_vqa_needs_its_columns(tmp_path):
    header = ["Path" if name == "Image Path" else name for name in made.M3D_HEADER]
    made.m3d_vqa(tmp_path, header=header)
    assert "no 'Image Path'; its columns are: Path, Question" in refusal(lambda: next(m3d_vqa(tmp_path)))


# 3D-RAD.


def test_3d_rad_has_numbers_words_yes_and_no_and_choices(tmp_path):
    tasks = list(rad3d(made.rad3d(tmp_path)))
    assert said(tasks) == [
        ("number", "31 mm", ()),
        ("open", "30x13 mm", ()),
        ("open", "2-3 mm", ()),
        ("open", "Up to 3 mm", ()),
        ("yes_no", "no", ()),
        ("choice", "B", ("Resolved Lesion",)),
    ]
    question, _ = tasks[0]
    assert question.id == "rad3d/test/Task3_Medical_Computation/Size-2"
    assert question.tags == {
        "modality": "CT", "anatomy": "chest", "task": "Medical Computation", "language": "en", "answer_type": "Open",
        "subtask": "Size",
    }  # fmt: skip
    assert tasks[4][0].choices == ()


def test_3d_rad_finds_a_volume_by_its_name_or_the_array_made_of_it(tmp_path):
    nifti, _, array, *_ = rad3d(made.rad3d(tmp_path))
    assert nifti[0].study.sources[0].spacing_mm == pytest.approx((5.0, 0.83, 0.83))
    assert array[0].study.sources[0].spacing_mm is None
    assert {source.shape for question, _ in (nifti, array) for source in question.study.sources} == {(5, 6, 8)}


def test_3d_rad_prefers_a_volume_that_states_its_size(tmp_path):
    made.rad3d(tmp_path)
    made.volume(tmp_path / "zz/test_1_a_2.nii.gz", 1)
    assert all(question.study.sources[0].spacing_mm for question, _ in rad3d(tmp_path))


@pytest.mark.parametrize(
    ("answer", "kind"), [("12 mm", "number"), ("1.2 cm", "number"), ("12", "open"), ("mm", "open")]
)
def test_3d_rad_has_a_number_only_where_its_unit_is_known(answer, kind, tmp_path):
    question, truth = next(rad3d(made.rad3d(tmp_path, [size_row(("Answer", answer))])))
    assert (question.kind, truth.answer) == (kind, answer)


def test_3d_rad_finds_a_volume_by_the_name_that_ct_rate_gave_it(tmp_path):
    made.rad3d(tmp_path)
    (volume,) = tmp_path.rglob("test_1_a_1.nii.gz")
    volume.rename(volume.with_name("valid_1_a_1.nii.gz"))
    question, _ = next(rad3d(tmp_path))
    assert question.study.sources[0].spacing_mm == pytest.approx((5.0, 0.83, 0.83))


def test_3d_rad_does_not_choose_between_two_volumes_of_one_name(tmp_path):
    made.volume(made.rad3d(tmp_path) / "valid/valid_1_a/test_1_a_1.nii.gz", spacing_mm=(1.0, 1.0, 1.0))
    told = refusal(lambda: next(rad3d(tmp_path)))
    assert "Size.csv, row 2: " in told
    assert "more than once; keep one of valid/valid_1_a/test_1_a_1.nii.gz, valid_fixed/valid_1/valid_1_a/test" in told


@pytest.mark.parametrize("keep", [0, 30, 150])
def test_3d_rad_refuses_a_volume_that_is_cut_short(keep, tmp_path):
    (volume,) = made.rad3d(tmp_path).rglob("test_1_a_1.nii.gz")
    cut_short(volume, keep)
    told = refusal(lambda: next(rad3d(tmp_path)))
    assert "Size.csv, row 2: " in told
    assert "test_1_a_1.nii.gz" in told


@pytest.mark.parametrize(
    ("answer", "kind"),
    [("1.5 cm", "number"), ("27 mm.", "number"), ("1 millimeter", "number"), ("Less than 5 mm.", "open"),
     ("7.5 x 4 mm", "open"), ("50% loss", "open"), ("17", "open")],
)  # fmt: skip
def test_3d_rad_takes_one_number_with_a_unit_for_a_number(answer, kind, tmp_path):
    question, truth = next(rad3d(made.rad3d(tmp_path, [size_row(("Answer", answer))])))
    assert (question.kind, truth.answer) == (kind, answer)


def size_row(*change: tuple[str, Any]) -> list[Any]:
    cells = dict(zip(made.RAD3D_HEADER, made.SIZES[0], strict=True)) | dict(change)
    return list(cells.values())


FOUR = (("Choice A", "Yes"), ("Choice B", "Perhaps"))


@pytest.mark.parametrize(
    ("record", "told"),
    [
        (size_row(("VolumeName", "test_9_a_1.nii.gz")), "holds no test_9_a_1.nii.gz, nor a .npy of it"),
        (size_row(("VolumeName", "../test_1_a_1.nii.gz")), "holds no ../test_1_a_1.nii.gz"),
        (size_row(("VolumeName", "-")), "no 'VolumeName'"),
        (size_row(("Answer", "-")), "no 'Answer'"),
        (size_row(*FOUR, ("AnswerChoice", "C")), "the answer 'C' is not among its choices A: Yes, B: Perhaps"),
        (size_row(("Choice A", "Yes"), ("Choice B", "No")), "the answer '31 mm' is neither yes nor no"),
    ],
)
def test_3d_rad_refuses_what_it_cannot_read(record, told, tmp_path):
    made.rad3d(tmp_path, [record])
    assert told in refusal(lambda: list(rad3d(tmp_path)))
    bad: list[DataError] = []
    assert len(list(rad3d(tmp_path, on_bad=bad.append))) == 2
    assert [isinstance(problem, MissingImage) for problem in bad] == ["holds no" in told]


def test_3d_rad_needs_its_columns(tmp_path):
    made.rad3d(tmp_path, header=["Volume" if name == "VolumeName" else name for name in made.RAD3D_HEADER])
    assert "no 'VolumeName'; its columns are: Task, Subtask, Volume" in refusal(lambda: next(rad3d(tmp_path)))


# DeepTumorVQA.


@pytest.mark.parametrize("nested", [True, False])
def test_deeptumorvqa_takes_the_choices_out_of_the_text(nested, tmp_path):
    grade, lesion, volume = deeptumorvqa(made.deeptumorvqa(tmp_path, nested=nested))
    assert grade[0].id == "deeptumorvqa/test/bench_1"
    assert grade[0].text == "How large is the spleen?"
    assert grade[0].choices == ("Normal (no splenomegaly)", "Moderate", "Severe", "Mild")
    assert said([grade, lesion, volume]) == [
        ("choice", "A", ("Normal (no splenomegaly)",)), ("choice", "B", ("Yes",)), ("choice", "A", ("1523.4 cm³",)),
    ]  # fmt: skip
    assert grade[0].tags == {
        "modality": "CT", "anatomy": "spleen", "task": "medical reasoning", "language": "en",
        "subtype": "splenomegaly grading",
    }  # fmt: skip


@pytest.mark.parametrize("tolerance", [0.05, 0.1, 0.2, 0.5])
def test_deeptumorvqa_asks_freely_for_words_yes_or_no_and_numbers(tolerance, tmp_path):
    tasks = list(deeptumorvqa(made.deeptumorvqa(tmp_path), form="free", tolerance=tolerance))
    assert said(tasks) == [("open", "Normal (no splenomegaly)", ()), ("yes_no", "yes", ()), ("number", "1523.4", ())]
    assert [truth.tolerance for _, truth in tasks] == [None, None, tolerance]
    assert tasks[2][0].text == "What is the volume?"


@pytest.mark.parametrize(
    ("shown", "axes", "shape"),
    [("volume", "zyx", (5, 6, 8)), ("image", "yx", (30, 40)), ("film", "tyx", (4, 32, 32))],
)
def test_deeptumorvqa_shows_a_volume_an_image_or_a_film(shown, axes, shape, tmp_path):
    question, _ = next(deeptumorvqa(made.deeptumorvqa(tmp_path), shown=shown))
    assert (question.study.sources[0].axes, question.study.sources[0].shape) == (axes, shape)


def test_deeptumorvqa_validates_on_the_pictures_of_the_benchmark(tmp_path):
    record = made.tumor_record()
    made.write_csv(made.deeptumorvqa(tmp_path) / "train/val_qa_pool.csv", list(record), [list(record.values())])
    ((question, truth),) = deeptumorvqa(tmp_path, "validation")
    assert (question.id, truth.answer) == ("deeptumorvqa/validation/bench_1", "A")
    assert question.study.sources[0].shape == (5, 6, 8)
    made.volume(tmp_path / "train/ct/BDMAP_1/ct.nii.gz", number=1)  # its own come first
    ((own, _),) = deeptumorvqa(tmp_path, "validation")
    assert own.study.id != question.study.id


@pytest.mark.parametrize(
    ("shown", "name"),
    [
        ("volume", "ct/BDMAP_1/ct.nii.gz"),
        ("image", "images_2d/whole/BDMAP_1.png"),
        ("film", "videos/whole/BDMAP_1.mp4"),
    ],
)
@pytest.mark.parametrize("keep", [0, 40])
def test_deeptumorvqa_refuses_a_picture_that_is_cut_short(shown, name, keep, tmp_path):
    cut_short(made.deeptumorvqa(tmp_path) / "benchmark" / name, keep)
    told = refusal(lambda: next(deeptumorvqa(tmp_path, shown=shown)))
    assert "test_qa.json, row 1: " in told
    assert name.rpartition("/")[2] in told


def test_deeptumorvqa_knows_what_answers_each_subtype():
    assert (len(NUMERIC), len(BINARY), NUMERIC & BINARY) == (11, 15, frozenset())


@pytest.mark.parametrize("off", [0.004, -0.004])
def test_deeptumorvqa_takes_a_spacing_that_is_rounded(off, tmp_path):
    spacing = f"[{0.83 + off:.3f} 0.83 5.0]"
    assert list(deeptumorvqa(made.deeptumorvqa(tmp_path, [made.tumor_record(spacing=spacing)])))


FREE = {"form": "free"}


@pytest.mark.parametrize(
    ("change", "more", "told"),
    [
        ({"shape": "(6, 8, 5)"}, {}, "where its picture has [8, 6, 5]"),
        ({"spacing": "[0.83 0.85 5.0]"}, {}, "states a spacing of [0.83, 0.85, 5.0] mm where its volume has"),
        ({"spacing": "[0.83 0.83]"}, {}, "states a spacing of [0.83, 0.83] mm"),
        ({"mc_question": "How large is it?"}, {}, "'mc_question' holds no choices A: ... B: ...: 'How large is it?'"),
        ({"correct_option": "E"}, {}, "the answer 'E' is not among its choices"),
        ({"correct_option": None}, {}, "no 'correct_option'"),
        ({"image_id": "BDMAP_2"}, {}, "there is no such picture"),
        ({"image_id": "../../x"}, {}, "there is no such picture"),
        ({"image_id": "../../../x"}, {}, "is not the name of a file inside"),
        ({"question_subtype": "PDAC existence"}, FREE, "'Normal (no splenomegaly)' is neither yes nor no"),
        ({"question_subtype": "organ HU ratio"}, FREE, "'organ hu ratio' is answered by one number, not 'Normal"),
        ({"question_subtype": "organ HU ratio", "answer": "2 to 3"}, FREE, "is answered by one number, not '2 to 3'"),
        ({"question_subtype": None}, FREE, "no 'question_subtype'"),
        ({"qid": "bench_2"}, {}, "its id 'deeptumorvqa/test/bench_2' is also that of row 1"),
    ],
)
def test_deeptumorvqa_refuses_what_it_cannot_read(change, more, told, tmp_path):
    made.deeptumorvqa(tmp_path, [made.TUMORS[1], made.tumor_record(**change)])
    message = refusal(lambda: list(deeptumorvqa(tmp_path, **more)))
    assert "test_qa.json, row 2: " in message
    assert told in message


def test_deeptumorvqa_refuses_a_tolerance_that_is_not_reported(tmp_path):
    told = refusal(lambda: deeptumorvqa(made.deeptumorvqa(tmp_path), tolerance=0.15))
    assert told == "no tolerance 0.15; there are: 0.05, 0.1, 0.2, 0.5"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ('{"version": 4}', "holds no question"),
        ('{"questions": [{"qid": ', "row 1: not JSON ("),
        ('{"questions": ["what?"]}', "row 1: holds str, not a record with columns"),
    ],
)
def test_deeptumorvqa_says_what_is_wrong_with_its_file(content, told, tmp_path):
    made.deeptumorvqa(tmp_path)
    (tmp_path / "benchmark/test_qa.json").write_text(content)
    assert told in refusal(lambda: list(deeptumorvqa(tmp_path)))
