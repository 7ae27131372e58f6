"""The default reader at work on real studies: it measures what it is pointed at, and says so."""

import asyncio
import os

import cv2
import nibabel
import numpy as np
import pydicom
import pytest
from PIL import Image as PILImage
from pydicom.data import get_testdata_file

from agent.commands.ask import asked
from agent.loop import play
from agent.policies.protocol import protocol
from envs.env import ReadingEnv
from envs.episode import Episode


def read(question: str, *files: str | tuple[str, str], dialect: str = "tags") -> Episode:
    paths = [file if isinstance(file, tuple) else ("", file) for file in files]
    env = ReadingEnv(dialect=dialect)
    return asyncio.run(play(env, protocol(dialect), asked(paths, question)))


def seen(episode: Episode, tool: str):
    """What the first call of a tool brought back."""
    return next(a.observation for t in episode.turns for a in t.acts if getattr(a.action, "name", "") == tool)


@pytest.mark.parametrize("dialect", ["tags", "vitar"])
def test_the_aorta_is_as_wide_as_the_scanner_printed(dialect):
    echo = get_testdata_file("JPGLosslessP14SV1_1s_1f_8b.dcm")
    episode = read("How wide is the ascending aorta, from (629, 320) to (689, 435)?", echo, dialect=dialect)
    assert seen(episode, "measure").facts["length_mm"] / 10 == pytest.approx(3.3, abs=0.02)  # "Asc Ao Diam 3.3 cm"
    assert "3.305 cm" in episode.answer
    assert all(turn.strict for turn in episode.turns)
    assert "not a model" in episode.turns[0].thought


def test_a_film_without_a_pixel_size_is_not_measured_in_mm():
    episode = read("How wide is the nodule from (1200, 1000) to (1300, 1100)?", get_testdata_file("RG1_UNCR.dcm"))
    assert "141.4 px" in episode.answer
    assert "a pixel size of 0 by 0 mm, which cannot be" in episode.answer
    assert " mm " not in episode.answer.replace("0 by 0 mm", "").replace("0 mm,", "")


def test_a_ct_is_read_in_hounsfield_units_from_the_stored_values():
    path = get_testdata_file("CT_small.dcm")
    episode = read("What is the mean HU in [40, 40, 60, 60]?", path)

    header = pydicom.dcmread(path)
    values = header.pixel_array[40:60, 40:60] * float(header.RescaleSlope) + float(header.RescaleIntercept)
    assert seen(episode, "measure").facts["mean_HU"] == pytest.approx(values.mean(), abs=0.05)
    assert "HU" in episode.answer


def test_the_slice_of_a_nifti_volume_that_is_asked_for_is_opened():
    path = os.path.join(os.path.dirname(nibabel.__file__), "tests", "data", "example4d.nii.gz")
    episode = read("What is the mean value in [30, 30, 50, 50] of axial slice 5?", path)
    volume = np.asarray(nibabel.load(path).dataobj)[..., 0]  # (i, j, k): columns, rows, slices
    assert seen(episode, "slice").images[0].index == 5
    assert seen(episode, "measure").facts["mean"] == pytest.approx(volume[30:50, 30:50, 5].mean(), rel=1e-3)


@pytest.mark.parametrize("where", ["in frame 50", "at 1.667 s"])
def test_the_frame_of_a_film_that_is_asked_for_is_opened(where):
    path = get_testdata_file("color3d_jpeg_baseline.dcm")
    episode = read(f"How wide is it from (200, 100) to (300, 150) {where}?", path)
    (image,) = seen(episode, "frame").images
    assert (image.index, image.data.count()) == (50, 120)
    length = float(np.hypot(100, 50)) * 0.5105
    assert seen(episode, "measure").facts["length_mm"] == pytest.approx(length, rel=1e-3)


def test_what_is_new_is_found_on_the_current_image_of_a_pair(tmp_path):
    rng = np.random.default_rng(0)
    before = cv2.GaussianBlur(rng.integers(40, 120, (200, 200)).astype(np.uint8), (0, 0), 3)
    after = before.copy()
    cv2.circle(after, (140, 60), 12, 230, -1)
    for name, array in (("then", before), ("now", after)):
        PILImage.fromarray(array).save(tmp_path / f"{name}.png")
    pair = ("prior", tmp_path / "then.png"), ("current", tmp_path / "now.png")
    episode = read("What is new?", *pair)
    (call,) = episode.tool_calls
    assert call.arguments == {"image": "img1", "other": "img0"}  # the current is compared with the prior
    spots = seen(episode, "compare").spots
    assert any(spot.shape.contains(type(spot.shape.center)(x=140, y=60)) for spot in spots)


def test_a_thing_is_sized_where_it_is_pointed_at(tmp_path):
    film = np.full((200, 200), 40, np.uint8)
    cv2.circle(film, (120, 90), 25, 200, -1)
    PILImage.fromarray(film).save(tmp_path / "disc.png")
    episode = read("How large is the disc at (120, 90)?", tmp_path / "disc.png")
    diameter = next(v for name, v in seen(episode, "segment").facts.items() if "diameter" in name)
    assert diameter == pytest.approx(51, abs=1.5)


def test_bright_things_are_counted(tmp_path):
    film = np.full((200, 200), 40, np.uint8)
    for x, y in ((30, 40), (100, 40), (60, 120), (150, 150)):
        cv2.circle(film, (x, y), 12, 200, -1)
    PILImage.fromarray(film).save(tmp_path / "discs.png")
    episode = read("How many bright discs are there?", tmp_path / "discs.png")
    assert seen(episode, "count").facts["count"] == 4


def test_three_points_make_an_angle(tmp_path):
    PILImage.fromarray(np.zeros((100, 100), np.uint8)).save(tmp_path / "film.png")
    episode = read(
        "What is the angle at (50, 50) between (90, 50), (50, 50), (50, 10)?".replace("at (50, 50) ", ""),
        tmp_path / "film.png",
    )
    assert "90 degrees" in episode.answer


@pytest.mark.parametrize("question", ["Is there a nodule?", "What is this?", "Compare this with last year."])
def test_a_question_without_a_rule_is_refused(question, tmp_path):
    PILImage.fromarray(np.zeros((40, 40), np.uint8)).save(tmp_path / "film.png")
    episode = read(question, tmp_path / "film.png")
    assert episode.answer.startswith("cannot answer: I am a set of rules, not a model.")
    assert not episode.tool_calls


def test_what_a_tool_refuses_is_passed_on(tmp_path):
    PILImage.fromarray(np.zeros((40, 40), np.uint8)).save(tmp_path / "film.png")
    episode = read("How long is it from (5, 5) to (300, 300)?", tmp_path / "film.png")
    assert episode.answer.startswith("cannot answer: ")
    assert "outside" in episode.answer


@pytest.mark.parametrize("box", ["[10, 20, 10, 60]", "[10, 20, 60, 20]"])
@pytest.mark.parametrize("asked", ["What is the mean value in {}?", "How large is it in {}?", "How many in {}?"])
def test_an_empty_box_is_refused_in_words(asked, box, tmp_path):
    PILImage.fromarray(np.zeros((100, 100), np.uint8)).save(tmp_path / "film.png")
    episode = read(asked.format(box), tmp_path / "film.png")
    assert episode.answer == f"cannot answer: the box {box} is empty: x0 and x1 must differ, and y0 and y1."
    assert not episode.tool_calls
