"""`overread data` as a person and a program meet it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PILImage

from agent.cli import run
from agent.data import ALIKE, SIDE, alike, baselines, content, fingerprint, shared, unknown_modalities
from envs.rows import refuse
from envs.tasks.discs import discs
from envs.tasks.pmc_vqa import pmc_vqa
from envs.tasks.shape import shape
from envs.tasks.slake import slake
from tests import datasets_made as made

OVERREAD = Path(sys.executable).parent / "overread"


@pytest.fixture
def told(capsys):
    """Run a command line: (exit code, stdout, stderr)."""

    def data(*words: object) -> tuple[int, str, str]:
        code = run(["data", *map(str, words)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return data


@pytest.fixture
def spoilt(tmp_path) -> Path:
    """Five rows: one without an answer, one whose picture is not there, one whose picture is broken."""
    records = [
        *made.SLAKE[:2],
        {**made.SLAKE[2], "answer": None},
        {**made.SLAKE[4], "qid": 6, "img_name": "xmlab7/source.jpg"},
        {**made.SLAKE[4], "qid": 7, "img_name": "xmlab8/source.jpg"},
    ]
    made.slake(tmp_path, records=records)
    (tmp_path / "imgs/xmlab8").mkdir()
    (tmp_path / "imgs/xmlab8/source.jpg").write_text("no picture")
    return tmp_path


def test_check_tells_licence_hash_and_numbers(told, tmp_path):
    made.slake(tmp_path)
    code, out, err = told("check", "slake", "--root", tmp_path)
    assert (code, err) == (0, "")
    for words in ("SLAKE", "CC BY 4.0", made.split_hash(slake(tmp_path)), "3 open, 1 yes_no", "score them apart"):
        assert words in out
    assert "Bad rows" not in out


def test_check_lists_bad_rows_by_file_and_row_and_ends_with_4(told, spoilt):
    code, out, err = told("check", "slake", "--root", spoilt, "--plain")
    assert code == 4
    assert "Bad rows: 3, of which 1 name an image that is not there" in out
    assert f"{spoilt / 'test.json'}, row 3: no 'answer'" in out
    assert "row 4: " in out
    assert "there is no such picture" in out
    assert "row 5: " in out
    assert "this is text, not a picture" in out
    assert err == "error: 3 rows cannot be used; --skip-bad leaves them out\n"


def test_with_skip_bad_the_count_is_told_and_the_code_is_0(told, spoilt):
    code, out, err = told("check", "slake", "--root", spoilt, "--skip-bad", "--json")
    said = json.loads(out)
    assert (code, err) == (0, "3 bad rows were left out\n")
    assert (said["questions"], said["num_bad"], said["missing_images"], said["kinds"]) == (
        2,
        3,
        1,
        {"open": 1, "yes_no": 1},
    )
    assert said["licence"] == "CC BY 4.0"
    assert len(said["bad"]) == 3


@pytest.mark.parametrize("verb", [["stats"], ["show"], ["convert", "--out", "{root}/out"]])
def test_other_verbs_stop_at_a_bad_row_unless_it_is_skipped(verb, told, spoilt, capsys):
    words = [word.format(root=spoilt) for word in verb]
    command = [words[0], "slake", *(["9"] if verb == ["show"] else []), *words[1:], "--root", spoilt]
    code, out, err = told(*command)
    assert (code, out) == (4, "")
    assert err.startswith(f"error: {spoilt / 'test.json'}, row 3: no 'answer'")
    code, _, err = told(*command, "--skip-bad")
    if verb == ["show"]:
        assert (code, err) == (2, "error: slake has no question '9'; give its id, or a number from 1 to 2\n")
    else:
        assert (code, err) == (0, "3 bad rows were left out\n")


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["check", "slake"], 2, "slake.root: Missing required argument"),
        (["check", "slak", "--root", "."], 2, "no 'slak' in envs/tasks/; there are: "),
        (["check", "slake", "--root", "none"], 4, "none: there is no such folder"),
        (["check", "slake", "--root", "{root}", "--split", "dev"], 4, "no split 'dev'; there are: train, validation"),
        (["check", "slake", "--root", "{root}", "--against", "train"], 4, "no train.json for the split 'train'"),
        (["check", "slake", "--root", "{root}", "--set", "lang=en"], 2, "Did you mean 'language'?"),
        (["check", "slake", "--root", "{root}", "--set", "language=fr"], 2, "slake.language: Input should be 'en'"),
        (["check", "slake", "--root", "{root}", "--set", "en"], 2, "'en': a setting of a loader is written name=value"),
        (["check", "shape", "--root", "{root}"], 2, "shape has no setting 'root'"),
        (["show", "slake", "0", "--root", "{root}"], 2, "slake has no question '0'"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence(words, code, says, told, tmp_path):
    made.slake(tmp_path)
    got, _, err = told(*(word.format(root=tmp_path) for word in words))
    assert got == code
    assert says in err
    assert err.count("\n") == 1


def test_what_two_splits_share_is_found(told, tmp_path):
    """The train split has the test picture as it is, another of it saved smaller and paler, and one of its own."""
    made.slake(tmp_path)
    train = [
        {**made.SLAKE[0], "qid": 11, "question": "Which  ORGAN is shown?"},
        {**made.SLAKE[0], "qid": 12, "img_name": "xmlab3/source.jpg"},
        {**made.SLAKE[0], "qid": 13, "img_name": "xmlab4/source.jpg"},
    ]
    made.write_json(tmp_path / "train.json", train)
    made.picture(tmp_path / "imgs/xmlab4/source.jpg", 4)
    pale = PILImage.fromarray((made.pixels(2) * 0.8 + 20).astype(np.uint8)).resize((60, 45))
    (tmp_path / "imgs/xmlab3").mkdir()
    pale.save(tmp_path / "imgs/xmlab3/source.jpg", quality=80)
    code, out, _ = told("check", "slake", "--root", tmp_path, "--against", "train", "--json")
    assert code == 0
    assert json.loads(out)["shared"] == {
        "images": [["slake/test/1", "slake/train/11"]],
        "near": [["slake/test/5", "slake/train/12"]],
        "questions": [["slake/test/1", "slake/train/11"]],
    }
    _, out, _ = told("check", "slake", "--root", tmp_path, "--against", "train", "--plain")
    assert "nearly the same image\t1\tslake/test/5\tslake/train/12" in out


def test_a_question_that_is_asked_twice_is_found(told, tmp_path):
    made.slake(tmp_path, records=[made.SLAKE[0], made.SLAKE[1], {**made.SLAKE[0], "qid": 9}])
    _, out, _ = told("check", "slake", "--root", tmp_path, "--json")
    assert json.loads(out)["asked_twice"] == [["slake/test/1", "slake/test/9"]]


def test_an_unknown_modality_is_kept_and_told(told, tmp_path):
    made.slake(tmp_path, records=[made.SLAKE[0], {**made.SLAKE[1], "modality": "Thermoscan"}])
    code, out, _ = told("check", "slake", "--root", tmp_path, "--json")
    assert code == 0
    assert json.loads(out)["warnings"][-1] == "'Thermoscan' is no known modality; 1 questions have it as their tag"
    _, out, _ = told("stats", "slake", "--root", tmp_path, "--json")
    assert json.loads(out)["tags"]["modality"] == {"MRI": 1, "Thermoscan": 1}


@pytest.mark.parametrize(
    ("modality", "known"),
    [
        ("CT(Computed Tomography)", True), ("MR (Mag-netic Resonance Imaging)", True), ("X-Ray", True), ("US", True),
        ("OCT (Optical Coherence Tomography", True), ("Fundus Photography", True), ("Microscopy Images", True),
        ("Infrared Reflectance Imaging", True), ("pathology", True), ("Other", False), ("MRX", False),
    ],
)  # fmt: skip
def test_the_modalities_of_the_known_sets_are_known(modality, known, tmp_path):
    made.slake(tmp_path, records=[{**made.SLAKE[0], "modality": modality}])
    assert (unknown_modalities(content(slake(tmp_path), refuse)) == {}) == known


def test_stats_tell_what_a_constant_letter_scores(told, tmp_path):
    made.pmc_vqa(tmp_path)
    assert baselines(content(pmc_vqa(tmp_path), refuse)) == {"choice": {"always": "B", "right": 1.0, "chance": 0.25}}
    code, out, _ = told("stats", "pmc_vqa", "--root", tmp_path, "--plain")
    assert code == 0
    assert "choice\t2\tB\t100.0%\t25.0%" in out
    assert "Tag: language\n\tn\tshare\nen\t2\t100.0%" in out


def test_two_choices_that_are_both_right_count_for_both_letters(tmp_path):
    record = {"images": ["a.png"], "question": "?", "choices": ["x", "y", "X"], "answer": "x"}
    made.picture(tmp_path / "a.png", 1)
    made.write_jsonl(tmp_path / "test.jsonl", [record, {**record, "answer": "y"}, {**record, "answer": "C"}])
    from envs.tasks.jsonl import jsonl

    assert baselines(content(jsonl(tmp_path), refuse))["choice"] == {"always": "C", "right": 2 / 3, "chance": 1 / 3}


@pytest.mark.parametrize("which", ["2", "slake/test/2"])
def test_show_tells_one_question_and_saves_its_picture(which, told, tmp_path):
    made.slake(tmp_path)
    code, out, err = told("show", "slake", which, "--root", tmp_path, "--save", tmp_path / "q.png", "--plain")
    assert (code, err) == (0, "")
    for words in ("Is the liver healthy?", "img0\timage, 40 x 30", "[4, 5, 14, 13] px of image 0", "answer\tyes"):
        assert words in out
    with PILImage.open(tmp_path / "q.png") as saved:
        drawn = np.asarray(saved)[:30, :40].astype(int)
    plain = slake(tmp_path)
    shown = next(q for q, _ in plain if q.id == "slake/test/2").images[0].pixels.astype(int)
    changed = np.argwhere(np.abs(drawn - shown).sum(axis=2) > 0)
    assert len(changed)
    assert (changed.min(axis=0) >= [3, 2]).all()
    assert (changed.max(axis=0) <= [15, 16]).all()


def test_show_tells_a_program_everything(told, tmp_path):
    made.slake(tmp_path)
    _, out, _ = told("show", "slake", "--root", tmp_path, "--json")
    said = json.loads(out)
    assert (said["question"]["id"], said["truth"]["answer"], said["view"]) == ("slake/test/1", "Liver", None)


def test_convert_says_what_it_wrote_and_how_to_check_it(told, tmp_path):
    code, out, _ = told("convert", "shape", "--set", "count=3", "--out", tmp_path / "out")
    first, second = out.splitlines()
    assert (code, first) == (0, f"{tmp_path / 'out/train.jsonl'}: 3 questions about 3 images")
    code, out, _ = told(*second.split()[2:], "--json")
    assert (code, json.loads(out)["questions"]) == (0, 3)


def test_convert_keeps_the_licence_in_sight_and_writes_over_nothing(told, tmp_path):
    made.slake(tmp_path)
    words = ("convert", "slake", "--root", tmp_path, "--out", tmp_path / "out")
    assert told(*words)[1].startswith(f"{tmp_path / 'out/test.jsonl'}: 4 questions about 2 images; CC BY 4.0\n")
    code, _, err = told(*words)
    assert (code, err) == (3, f"error: {tmp_path / 'out/test.jsonl'}: is there already; choose another folder\n")


def test_ls_lists_data_sets_with_their_licence_and_what_is_made_up(told):
    _, out, _ = told("ls", "--json")
    listed = {task["name"]: task for task in json.loads(out)["tasks"]}
    assert listed["slake"]["licence"] == "CC BY 4.0"
    assert listed["discs"] == {"name": "discs"}
    assert "slake\tSLAKE\tCC BY 4.0" in told("ls", "--plain")[1]


def test_the_command_itself_ends_with_4_and_no_traceback(tmp_path):
    made.slake(tmp_path, records=[{**made.SLAKE[0], "answer": None}])
    command = [OVERREAD, "data", "stats", "slake", "--root", tmp_path, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 4
    error = json.loads(done.stdout)["error"]
    assert (error["code"], error["kind"]) == (4, "data")
    assert "row 1: no 'answer'" in error["message"]


# Fingerprints.


@pytest.mark.parametrize("change", ["jpeg", "smaller", "brighter", "grey"])
def test_an_image_that_is_only_saved_otherwise_looks_alike(change, tmp_path):
    for number in range(20):
        pixels = made.pixels(number)
        picture = PILImage.fromarray(pixels)
        if change == "jpeg":
            picture.save(tmp_path / "a.jpg", quality=60)
            picture = PILImage.open(tmp_path / "a.jpg")
        other = {
            "jpeg": picture,
            "smaller": picture.resize((32, 24), PILImage.Resampling.BICUBIC),
            "brighter": PILImage.fromarray((pixels * 0.7 + 50).astype(np.uint8)),
            "grey": picture.convert("L"),
        }[change]
        assert off(fingerprint(pixels), fingerprint(np.asarray(other))) <= ALIKE, number


def test_different_images_do_not_look_alike():
    prints = [fingerprint(made.pixels(number)) for number in range(30)]
    prints += [fingerprint(question.images[0].pixels) for question, _ in shape(count=20)]
    apart = [off(a, b) for n, a in enumerate(prints) for b in prints[:n]]
    assert min(apart) > ALIKE


def test_the_most_alike_is_found_at_the_limit_and_not_beyond():
    bits = np.zeros(SIDE * SIDE, np.uint8)
    at, beyond, nearer = bits.copy(), bits.copy(), bits.copy()
    at[:ALIKE], beyond[: ALIKE + 1], nearer[:3] = 1, 1, 1
    packed = {n: np.packbits(b).view(np.uint64) for n, b in [("0", bits), ("at", at), ("on", beyond), ("by", nearer)]}
    one = {"0": packed["0"]}
    assert alike(one, {"at": packed["at"], "on": packed["on"]}) == [("0", "at")]
    assert alike(one, {"on": packed["on"]}) == []
    assert alike(one, {"at": packed["at"], "by": packed["by"]}) == [("0", "by")]
    assert alike(one, {}) == alike({}, one) == []


def test_the_hash_of_a_described_split_is_that_of_its_tasks():
    assert content(discs(count=3), refuse).hash == made.split_hash(discs(count=3))


def test_a_split_shares_all_with_itself():
    found = content(discs(count=3), refuse, pixels=True)
    ids = [(f"discs/train/{n}",) * 2 for n in range(3)]
    assert shared(found, found) == {"images": ids, "near": [], "questions": ids}


def off(one: np.ndarray, other: np.ndarray) -> int:
    return int(np.bitwise_count(one ^ other).sum())
