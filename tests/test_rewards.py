"""What each reward pays, on both sides of every limit."""

import json
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envs.env import ReadingEnv
from envs.episode import Episode, Kind, Question, Reply, Truth, Verdict
from envs.grading import grade
from envs.looks import MOST, looks
from envs.score import HARDENED, judge
from envs.tasks.discs import discs
from rl.readers import Case, answer, call
from rl.studies import studies
from tools.geometry import Box
from tools.image import Image, Place
from tools.lookup import find, names
from tools.study import Source, Study

QUESTION, _ = next(discs("test"))
FILM = Source.of(np.arange(10_000, dtype=np.uint16).reshape(100, 100))
VOLUME = Source.of(np.zeros((5, 100, 100), np.uint8))
BOX = [40, 40, 60, 60]
"""Where the evidence is, px: 4 % of a plane."""
TILES = [[x, y, x + 20, y + 20] for x in range(0, 100, 20) for y in range(0, 100, 20)]
RIGHT = answer("yes")


def asked(
    source: Source, answer: str = "yes", regions: tuple[Any, ...] = (BOX,), kind: Kind = "yes_no", index: int = 0
):
    """A question about a source, with evidence in these boxes of one of its planes."""
    places = tuple(Place(source=source.id, index=index, shape=Box.model_validate(box)) for box in regions)
    question = Question(id="q", text="Is it so?", study=Study(sources=(source,)), images=(Image.of(source),), kind=kind)
    return question, Truth(answer=answer, regions=places)


def played(task: tuple[Question, Truth], *replies: str | Reply, **more: Any) -> Episode:
    env = ReadingEnv([task], **{"rewards": {}, **more})
    env.reset(options={"question": task[0]})
    for reply in replies:
        if env.episode.stop is None:
            env.step(reply)
    return env.episode


def paid(name: str, episode: Episode) -> float:
    return find("envs.rewards", name)(episode, episode.truth)


def zoom(*box: float, image: str = "img0") -> str:
    return call("zoom", image=image, box=list(box))


# ---- all of them


def rewarded(said: str, truth: Truth, weights: dict[str, float]) -> Verdict | None:
    return played((QUESTION, truth), f"<answer>{said}</answer>", tools=["zoom"], rewards=weights).verdict


def test_rewards_are_weighed_and_kept_by_name():
    verdict = rewarded("1 mm", Truth(answer="40 mm"), {"vitar_exact": 1.0, "well_formed": 0.5})
    assert (verdict.reward, verdict.parts) == (0.5, {"vitar_exact": 0.0, "well_formed": 1.0})


def test_a_reward_outside_0_to_1_is_a_bug(tmp_path, monkeypatch):
    (tmp_path / "lab_rewards").mkdir()
    (tmp_path / "lab_rewards" / "bonus.py").write_text("def bonus(episode, truth): return 7\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match=r"'lab_rewards\.bonus' gave 7\.0, outside \[0, 1\]"):
        rewarded("1 mm", Truth(answer="1 mm"), {"lab_rewards.bonus": 1.0})


def test_without_a_truth_there_is_no_verdict():
    env = ReadingEnv([(QUESTION, None)], tools=["zoom"])
    env.reset(options={"question": QUESTION})
    _, reward, terminated, _, _ = env.step("<answer>1</answer>")
    assert (reward, terminated, env.episode.verdict) == (0.0, True, None)
    assert judge(env.episode, Truth(answer="1"), {"correct": 1.0}).reward == 1.0  # judged again, with one


CASES = [Case(*task) for task in studies()]
coordinates = st.integers(-20, 150) | st.floats(-10, 140, allow_nan=False)
arguments = st.fixed_dictionaries(
    {"image": st.sampled_from(["img0", "img1", "img2", "other"])},
    optional={
        "box": st.lists(coordinates, min_size=4, max_size=4),
        "boxes": st.lists(st.lists(coordinates, min_size=4, max_size=4), max_size=4),
        "point": st.lists(coordinates, min_size=2, max_size=2),
        "index": st.integers(-1, 9),
        "preset": st.just("full"),
    },
)
moves = st.builds(
    lambda name, given: call(name, **given), st.sampled_from(["zoom", "mark", "slice", "segment"]), arguments
)
readings = st.lists(moves | st.text(max_size=40), max_size=4)
said = st.sampled_from(["", "yes", "no", "A", "3", "img0", "img1", "[]", "[[1, 2, 30, 40]]", "5 mm"]) | st.text(
    alphabet=st.characters(exclude_characters="<>"), max_size=20
)


@settings(max_examples=60)
@given(case=st.sampled_from(CASES), reading=readings, told=said, ends=st.booleans())
def test_no_reading_makes_a_reward_raise_or_leave_0_to_1(case, reading, told, ends):
    episode = played((case.question, case.truth), *reading, *([answer(told)] if ends else []), max_turns=5)
    stopped = episode.model_copy(update={"truth": case.truth})
    for name in names("envs.rewards"):
        assert 0.0 <= paid(name, stopped) <= 1.0


@settings(max_examples=60)
@given(case=st.sampled_from(CASES), good=readings, bad=readings, told=said)
def test_hardened_never_pays_a_wrong_answer_what_it_pays_a_right_one(case, good, bad, told):
    task, right = (case.question, case.truth), (*case.work, *good, answer(case.right))
    one, other = played(task, *right), played(task, *bad, answer(told))
    assert grade(one, case.truth).right
    if not grade(other, case.truth).right:
        assert judge(other, case.truth, HARDENED).reward < judge(one, case.truth, HARDENED).reward


# ---- where was it looked


def test_a_look_is_told_from_what_a_call_showed_or_named():
    replies = [
        zoom(10, 10, 30, 30),
        call("zoom", image="img1", box=[0, 0, 10, 10]),  # enlarged twice: 5 px of the source
        call("mark", boxes=[BOX, [1, 1, 9, 9]]),
        call("window", preset="full"),
        zoom(0, 0, 100, 100),
        zoom(900, 900, 950, 950),
    ]
    told = looks(played(asked(FILM), *replies, RIGHT))
    assert [look.region.box.numbers for look in told] == [[10, 10, 30, 30], [10, 10, 15, 15], BOX, [1, 1, 9, 9]]
    assert [look.parent.box.numbers for look in told] == [[0, 0, 100, 100], [10, 10, 30, 30], *[[0, 0, 100, 100]] * 2]


def test_a_call_that_names_any_number_of_boxes_is_a_bounded_number_of_looks():
    boxes = [[n % 90, n // 90, n % 90 + 5, n // 90 + 5] for n in range(5000)]
    episode = played(asked(FILM), call("mark", boxes=boxes), RIGHT)
    began = time.process_time()
    assert 0 <= paid("looked", episode) + paid("grounded", episode) <= 2
    assert len(looks(episode)) == MOST
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    ("replies", "pays"),
    [
        pytest.param([zoom(*BOX)], 0.96, id="on it, in 4 % of the plane"),
        pytest.param([call("mark", boxes=[BOX])], 0.96, id="marked"),
        pytest.param([zoom(40, 40, 60, 50)], 0.5 * 0.98, id="on half of it"),
        pytest.param([zoom(40, 40, 80, 60)], 0.5 * 0.92, id="twice as wide"),
        pytest.param([zoom(0, 0, 40, 40)], 0.0, id="beside it"),
        pytest.param([zoom(0, 0, 99, 100)], 0.04 / 0.99 * 0.01, id="nearly everywhere"),
        pytest.param([zoom(0, 0, 100, 100)], 0.0, id="whole image"),
        pytest.param([call("mark", boxes=[[0, 0, 100, 100]])], 0.0, id="whole image marked"),
        pytest.param([zoom(20, 20, 80, 80), zoom(*BOX)], 0.96, id="narrowed"),
        pytest.param([zoom(*BOX), zoom(20, 20, 80, 80)], 0.96, id="the same, back again"),
        pytest.param([zoom(*BOX), zoom(*BOX)], 0.96, id="twice the same"),
        pytest.param([zoom(*BOX), zoom(0, 0, 20, 20)], 0.5 * 0.92, id="there and elsewhere"),
        pytest.param([call("mark", boxes=TILES)], 0.0, id="everywhere in pieces"),
        pytest.param([zoom(41, 41, 42, 42)], 1 / 400 * 0.9999, id="one pixel of it"),
        pytest.param([], 0.0, id="nowhere"),
    ],
)
def test_looking_at_the_evidence_pays_by_area(replies, pays):
    assert paid("grounded", played(asked(FILM), *replies, RIGHT)) == pytest.approx(pays, abs=1e-9)
    assert paid("grounded", played(asked(FILM), *replies, answer("no"))) == pytest.approx(pays, abs=1e-9)


def test_looking_pays_on_the_plane_of_the_evidence_only():
    on_slice = [call("slice", index=3), zoom(*BOX, image="img1")]
    assert paid("grounded", played(asked(VOLUME, index=3), *on_slice, RIGHT)) == pytest.approx(0.96)
    assert paid("grounded", played(asked(VOLUME, index=2), *on_slice, RIGHT)) == 0.0


def test_several_places_are_one_set_of_pixels():
    task = asked(FILM, regions=([0, 0, 20, 20], [10, 0, 30, 20], [80, 80, 90, 90]))
    both = [zoom(0, 0, 30, 20), zoom(80, 80, 90, 90)]
    assert paid("grounded", played(task, *both, RIGHT)) == pytest.approx(1 - 0.07)
    assert paid("grounded", played(task, both[1], RIGHT)) == pytest.approx(1 / 7 * 0.99)


def test_where_no_box_is_known_no_look_is_paid_for_its_place():
    assert paid("grounded", played(asked(FILM, regions=()), zoom(*BOX), RIGHT)) == 0.0


@pytest.mark.parametrize(
    ("replies", "pays"),
    [
        pytest.param([zoom(0, 0, 60, 100)], 1.0, id="60 % of the view"),
        pytest.param([zoom(0, 0, 61, 100)], 0.0, id="61 %"),
        pytest.param([zoom(0, 0, 60, 100), call("zoom", image="img1", box=[0, 0, 120, 120])], 1.0, id="60 % of that"),
        pytest.param([zoom(0, 0, 60, 100), call("zoom", image="img1", box=[0, 0, 120, 124])], 0.5, id="62 % of that"),
        pytest.param([zoom(0, 0, 50, 50), zoom(0, 0, 45, 50)], 0.5, id="IoU 0.9 with the look before"),
        pytest.param([zoom(0, 0, 50, 50), zoom(0, 0, 44, 50)], 1.0, id="IoU 0.88"),
        pytest.param([zoom(0, 0, 50, 50), zoom(50, 50, 90, 90), zoom(0, 0, 50, 50)], 2 / 3, id="again, later"),
        pytest.param([zoom(0, 0, 50, 50)] * 4, 0.25, id="four times the same"),
        pytest.param([zoom(0, 0, 100, 100)], 0.0, id="whole image"),
        pytest.param([call("window", preset="full")], 0.0, id="other greys"),
        pytest.param([call("window", preset="full"), zoom(*BOX)], 1.0, id="other greys, then closer"),
        pytest.param([call("mark", boxes=[BOX])], 1.0, id="a mark"),
        pytest.param([zoom(900, 900, 950, 950)], 0.0, id="refused"),
        pytest.param([], 0.0, id="no look"),
    ],
)
def test_a_new_and_closer_look_pays_after_a_right_answer(replies, pays):
    assert paid("looked", played(asked(FILM), *replies, RIGHT)) == pytest.approx(pays)
    assert paid("looked", played(asked(FILM), *replies, answer("no"))) == 0.0
    assert paid("looked", played(asked(FILM), *replies, max_turns=len(replies) or 1)) == 0.0


@pytest.mark.parametrize(("axes", "tool"), [("zyx", "slice"), ("tyx", "frame")])
@pytest.mark.parametrize(
    ("indices", "pays"), [([3], 1.0), ([3, 4], 1.0), ([3, 0], 0.5), ([3, 3], 1.0), ([0], 0.0), ([3, 4, 3, 0], 0.5)]
)
def test_another_slice_or_frame_is_a_new_look_until_it_was_shown(axes, tool, indices, pays):
    """The slice now shown, asked for again, is no look."""
    source = Source.of(np.zeros((5, 100, 100), np.uint8), axes=axes)
    replies = [call(tool, image=f"img{n}", index=index) for n, index in enumerate(indices)]
    assert paid("looked", played(asked(source), *replies, RIGHT)) == pytest.approx(pays)


# ---- what did it cost


@pytest.mark.parametrize(
    ("length", "pays"), [(100, 1.0), (500, 1.0), (501, 1499 / 1500), (1250, 0.5), (2000, 0.0), (9000, 0.0)]
)
def test_a_right_answer_in_few_words_pays(length, pays):
    def reply(text: str) -> str:
        return answer(text, thought="x" * (length - len(answer("", thought="."))) + ".")

    assert len(reply("")) == length
    assert paid("brief", played(asked(FILM), reply("yes"))) == pytest.approx(pays)
    assert paid("brief", played(asked(FILM), reply("no"))) == 0.0


def test_words_are_counted_over_all_turns_and_a_long_truth_is_not_counted():
    long = "<think>" + "x" * 3000 + "</think>"
    two = paid("brief", played(asked(FILM), long + zoom(*BOX), RIGHT))
    written = len(long + zoom(*BOX) + RIGHT) - len("yes")
    assert two == pytest.approx((2000 - written / 2) / 1500)
    report = "no finding " * 200
    assert paid("brief", played(asked(FILM, answer=report.strip(), kind="open"), answer(report.strip()))) == 1.0


@pytest.mark.parametrize(("looks", "pays"), [(0, 1.0), (1, 0.875), (7, 0.125), (8, 0.0), (9, 0.0)])
def test_each_turn_after_the_first_costs_an_eighth(looks, pays):
    replies = [zoom(*BOX)] * looks
    assert paid("turns", played(asked(FILM), *replies, RIGHT, max_turns=20)) == pays
    assert paid("turns", played(asked(FILM), *replies, answer("no"), max_turns=20)) == 0.0


@pytest.mark.parametrize(
    ("replies", "share", "formed"),
    [
        ([RIGHT], 1.0, 1.0),
        ([zoom(*BOX), RIGHT], 1.0, 1.0),
        ([zoom(900, 900, 950, 950), RIGHT], 0.0, 0.5),
        ([zoom(*BOX) + call("scalpel"), RIGHT], 0.5, 0.5),
        (["hello", RIGHT], 1.0, 0.5),
        (["hello"], 1.0, 0.0),
    ],
)
def test_calls_that_are_refused_and_replies_that_cannot_be_read_cost(replies, share, formed):
    episode = played(asked(FILM), *replies)
    stopped = episode.model_copy(update={"truth": Truth(answer="yes")})
    assert (paid("tool_fault", stopped), paid("well_formed", stopped)) == (share, formed)


# ---- is it right


@pytest.mark.parametrize(
    ("box", "right"), [(BOX, True), ([40, 40, 60, 58], True), ([40, 40, 60, 46], False), ([0, 0, 20, 20], False)]
)
def test_a_right_answer_pays_at_least_a_half_and_another_at_most_an_eighth(box, right):
    episode = played(asked(FILM, kind="boxes"), answer(json.dumps([{"image": "img0", "box": box}])))
    found = grade(episode, episode.truth)
    assert found.right == right
    assert paid("correct", episode) == pytest.approx((1 + found.score) / 2 if right else found.score / 8)


def test_without_an_answer_nothing_is_right():
    assert paid("correct", played(asked(FILM), "hello", max_turns=1)) == 0.0
