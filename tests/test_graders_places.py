"""Boxes, points and outlines: what they earn, in what order they are named, and against the libraries."""

import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs.env import ReadingEnv
from envs.episode import Question, Truth
from envs.graders.mask import components, overlap
from envs.graders.matching import matched, overlaps
from envs.grading import Given, Grade, grade
from tests.graders import judged
from tools.geometry import Box, Point
from tools.image import Image, Place
from tools.mask import Mask
from tools.study import Source, Study

SIZE = 100
BOX, OTHER = (10, 10, 30, 30), (60, 60, 80, 90)
WHOLE = (0, 0, SIZE, SIZE)


def place(*numbers: float, source: str = "s", index: int = 0) -> Place:
    shape = Point.model_validate(numbers) if len(numbers) == 2 else Box.model_validate(numbers)
    return Place(source=source, index=index, shape=shape)


def places(*shapes: tuple[float, ...]) -> tuple[Place, ...]:
    return tuple(place(*shape) for shape in shapes)


def found(kind: str, said: tuple[Place, ...] | None, true: tuple[Place, ...], text: str = "[]", **truth) -> Grade:
    return judged(kind, Given(text=text, places=said), Truth(answer="", regions=true, **truth))


# ---- boxes


@pytest.mark.parametrize(
    ("said", "true", "score", "right"),
    [
        ([], [], 1.0, True),
        ([], [BOX], 0.0, False),
        ([BOX], [], 0.0, False),
        ([BOX], [BOX], 1.0, True),
        ([BOX, OTHER], [BOX, OTHER], 1.0, True),
        ([BOX], [BOX, OTHER], 0.5, False),
        ([BOX, OTHER], [BOX], 0.5, False),
        ([BOX, BOX], [BOX], 0.5, False),
        ([BOX, BOX, BOX, BOX], [BOX], 0.25, False),
        ([(10, 10, 30, 20)], [BOX], 0.5, True),  # half of it: the limit belongs to what is right
        ([(10, 10, 30, 19.9)], [BOX], 0.495, False),
        ([(10, 10, 50, 30)], [BOX], 0.5, True),
        ([(10, 10, 50.1, 30)], [BOX], 20 / 40.1, False),
        ([WHOLE], [BOX], 0.04, False),
        ([WHOLE, WHOLE], [BOX, OTHER], (0.06 + 0.04) / 2, False),
        ([(20, 20, 21, 21)], [BOX], 1 / 400, False),
        ([(30, 10, 50, 30)], [BOX], 0.0, False),
    ],
)
def test_boxes_score_by_overlap_and_every_one_too_many_or_missing_counts(said, true, score, right):
    result = found("boxes", places(*said), places(*true))
    assert (result.score, result.right) == (pytest.approx(score), right)
    assert result.metrics["iou_mean"] == pytest.approx(score)


def test_tiles_over_everything_earn_little():
    tiles = places(*((x, y, x + 10, y + 10) for x in range(0, 100, 10) for y in range(0, 100, 10)))
    assert found("boxes", tiles, places(BOX)).score < 0.01


def test_what_is_no_list_of_boxes_is_unread():
    for said in (None, places((1, 2))):
        result = found("boxes", said, places(BOX))
        assert (result.parsed, result.problem) == (False, "no list of boxes")


def test_boxes_on_another_plane_or_source_are_not_found():
    true = (place(*BOX, index=3),)
    for said in (place(*BOX), place(*BOX, index=3, source="t"), place(*BOX, index=3).model_copy(update={"axis": 1})):
        assert found("boxes", (said,), true).score == 0.0
    assert found("boxes", true, true).right


@pytest.mark.parametrize(
    ("iou", "found_at"), [(0.29, []), (0.3, [30]), (0.5, [30, 50]), (0.69, [30, 50]), (0.7, [30, 50, 70])]
)
def test_precision_recall_and_f1_are_told_at_three_levels(iou, found_at):
    metrics = found("boxes", places((10, 10, 30, 10 + 20 * iou), OTHER), places(BOX)).metrics
    for level in (30, 50, 70):
        expected = (0.5, 1.0, 2 / 3) if level in found_at else (0.0, 0.0, 0.0)
        told = tuple(metrics[f"{name}_{level}"] for name in ("precision", "recall", "f1"))
        assert told == pytest.approx(expected)


def test_boxes_are_strict_where_the_list_is_written_as_asked():
    for text, strict in (
        (json.dumps([{"image": "img0", "box": BOX}]), 1.0),
        (json.dumps([BOX]), 1.0),
        (f"It is {BOX}", 0),
    ):
        result = found("boxes", places(BOX), places(BOX), text=text)
        assert (result.score, result.strict) == (1.0, strict)


numbers = st.integers(0, 90)
box = st.builds(lambda x, y, w, h: (x, y, x + w, y + h), numbers, numbers, st.integers(1, 40), st.integers(1, 40))
boxes = st.lists(box, max_size=5)


@given(said=boxes, true=boxes, data=st.data())
def test_the_order_of_boxes_means_nothing_and_truth_and_answer_may_change_sides(said, true, data):
    result = found("boxes", places(*said), places(*true))
    shuffled = found("boxes", places(*data.draw(st.permutations(said))), places(*data.draw(st.permutations(true))))
    turned = found("boxes", places(*true), places(*said))
    for other in (shuffled, turned):
        assert (other.score, other.right) == (pytest.approx(result.score), result.right)
        assert other.metrics["f1_50"] == pytest.approx(result.metrics["f1_50"])
    assert turned.metrics["precision_50"] == result.metrics["recall_50"]


@given(said=boxes, true=boxes, more=st.sampled_from([(200, 200, 220, 220), (-9, -9, 0, 0)]))
def test_a_box_around_nothing_never_helps(said, true, more):
    with_it, without = (found("boxes", places(*boxes), places(*true)) for boxes in ([*said, more], said))
    assert with_it.score <= without.score
    assert not with_it.right


@given(said=st.lists(box, min_size=1, max_size=4), true=st.lists(box, min_size=1, max_size=4))
def test_no_other_way_to_pair_boxes_is_worth_more(said, true):
    iou = overlaps(places(*said), places(*true))
    table = iou if iou.shape[0] <= iou.shape[1] else iou.T
    best = max(
        sum(table[row, column] for row, column in enumerate(columns))
        for columns in itertools.permutations(range(table.shape[1]), table.shape[0])
    )
    assert iou[matched(iou)].sum() == pytest.approx(best)


@given(said=st.lists(box, min_size=1, max_size=5), true=st.lists(box, min_size=1, max_size=5))
def test_overlaps_are_those_of_pycocotools_and_of_box(said, true):
    from pycocotools import mask as coco

    def wide(boxes):
        return np.array([[x0, y0, x1 - x0, y1 - y0] for x0, y0, x1, y1 in boxes], float)

    iou = overlaps(places(*said), places(*true))
    assert iou == pytest.approx(np.array(coco.iou(wide(said), wide(true), [0] * len(true))))
    assert iou == pytest.approx(np.array([[a.shape.iou(b.shape) for b in places(*true)] for a in places(*said)]))


@pytest.mark.parametrize("huge", [1e300, 1.7e308])
def test_a_box_beyond_all_numbers_is_wrong_and_no_error(huge):
    for said in ([(-huge, -huge, huge, huge)], [(0, 0, huge, 1e-300)]):
        assert found("boxes", places(*said), places(BOX)).score < 1e-9


# ---- points


@pytest.mark.parametrize(
    ("said", "true", "truth", "f1"),
    [
        ([], [], {}, 1.0),
        ([], [(50, 50)], {}, 0.0),
        ([(50, 50)], [], {}, 0.0),
        ([(60, 50)], [(50, 50)], {}, 1.0),  # 10 px: MedMultiPoints
        ([(60.01, 50)], [(50, 50)], {}, 0.0),
        ([(53, 54)], [(50, 50)], {"within": 5}, 1.0),
        ([(53, 54.01)], [(50, 50)], {"within": 5}, 0.0),
        ([(50, 50)], [(50, 50)], {"within": 0}, 1.0),
        ([(30, 30)], [BOX], {}, 1.0),  # the edge belongs to the box
        ([(30.01, 30)], [BOX], {}, 0.0),
        ([(29, 29)], [BOX], {"within": 5}, 0.0),  # of its centre
        ([(23, 24)], [BOX], {"within": 5}, 1.0),
        ([(50, 50), (51, 50)], [(50, 50)], {}, 2 / 3),
        ([(50, 50)], [(50, 50), (90, 90)], {}, 2 / 3),
        ([(50, 50), (50, 50)], [(50, 50), (90, 90)], {}, 0.5),
        ([(46, 50), (54, 50)], [(45, 50), (55, 50)], {}, 1.0),
        ([(50, 50), (41, 50)], [(50, 50), (59, 50)], {}, 1.0),  # the nearest pair alone would leave one out
    ],
)
def test_points_are_found_one_to_one_within_their_radius(said, true, truth, f1):
    result = found("points", places(*said), places(*true), **truth)
    assert (result.score, result.right) == (pytest.approx(f1), f1 == 1.0)
    assert result.metrics["f1"] == pytest.approx(f1)


def test_the_mean_distance_is_that_of_the_points_found():
    metrics = found("points", places((53, 54), (90, 10)), places((50, 50), (90, 90))).metrics
    assert (metrics["distance_mean"], metrics["precision"], metrics["recall"]) == (5.0, 0.5, 0.5)
    assert "distance_mean" not in found("points", places((0, 0)), places((50, 50))).metrics


def test_points_everywhere_earn_little():
    grid = places(*((x, y) for x in range(0, 100, 5) for y in range(0, 100, 5)))
    assert found("points", grid, places((50, 50), (20, 70))).score < 0.02


def test_points_on_another_plane_are_not_found_and_boxes_are_no_points():
    assert found("points", (place(50, 50, index=1),), places((50, 50))).score == 0.0
    assert found("points", (place(20, 20, index=1),), places(BOX)).score == 0.0
    assert found("points", (place(20, 20, index=1),), places(BOX), within=5).score == 0.0
    for said in (None, places(BOX)):
        assert found("points", said, places(BOX)).problem == "no list of points"


points = st.lists(st.tuples(numbers, numbers), max_size=6)


@given(said=points, true=points, data=st.data())
def test_the_order_of_points_means_nothing_and_truth_and_answer_may_change_sides(said, true, data):
    result = found("points", places(*said), places(*true))
    shuffled = found("points", places(*data.draw(st.permutations(said))), places(*data.draw(st.permutations(true))))
    turned = found("points", places(*true), places(*said))
    assert shuffled.score == result.score == turned.score
    assert turned.metrics.get("distance_mean") == pytest.approx(result.metrics.get("distance_mean"))


close = st.lists(st.tuples(st.integers(0, 30), st.just(0)), max_size=6)


@given(said=close, true=close)
def test_no_other_way_to_pair_points_finds_more(said, true):
    near = [[math.dist(a, b) <= 10 for b in true] for a in said]
    hits = found("points", places(*said), places(*true)).metrics["f1"] * (len(said) + len(true)) / 2
    assert not said or not true or hits == pytest.approx(_most(near, frozenset(range(len(true)))))


def _most(near: list[list[bool]], free: frozenset[int]) -> int:
    """The most pairs, by trying all."""
    if not near:
        return 0
    without = _most(near[1:], free)
    return max([without, *(1 + _most(near[1:], free - {n}) for n in free if near[0][n])])


# ---- outlines


def square(*corners: int, size: int = SIZE) -> np.ndarray:
    marked = np.zeros((size, size), bool)
    x0, y0, x1, y1 = corners
    marked[y0:y1, x0:x1] = True
    return marked


def outlined(said: np.ndarray, *true: np.ndarray, text: str = "img1", index: int = 0) -> Grade:
    truth = Truth(answer="", regions=places(BOX), masks=tuple(Mask.of(mask) for mask in true))
    return judged("mask", Given(text=text, mask=Mask.of(said), mask_place=place(*WHOLE, index=index)), truth)


@pytest.mark.parametrize(
    ("said", "dice", "right"),
    [
        (square(*BOX), 1.0, True),
        (square(10, 10, 30, 24), 2 * 280 / 680, True),
        (square(10, 10, 37, 30), 2 * 400 / 940, True),
        (square(13, 10, 33, 27), 2 * 289 / 740, True),
        (square(16, 10, 36, 30), 0.7, True),  # the limit
        (square(16, 10, 37, 30), 2 * 280 / 820, False),
        (square(60, 60, 80, 80), 0.0, False),
        (square(*WHOLE), 2 * 400 / 10400, False),
        (square(10, 10, 11, 11), 2 / 401, False),
        (np.zeros((SIZE, SIZE), bool), 0.0, False),
    ],
)
def test_an_outline_is_right_from_a_dice_of_7_tenths_on(said, dice, right):
    result = outlined(said, square(*BOX))
    assert (result.score, result.right) == (pytest.approx(dice), right)
    assert result.metrics["iou"] == pytest.approx(dice / (2 - dice))


def test_several_instances_are_one_set_of_pixels_and_are_counted():
    two = square(*BOX), square(60, 60, 80, 80)
    both = outlined(two[0] | two[1], *two)
    assert (both.right, both.metrics["instances"], both.metrics["instances_error"]) == (True, 2, 0)
    one = outlined(two[0], *two)
    assert (one.score, one.metrics["instances_error"]) == (pytest.approx(2 / 3), 1)


def test_to_outline_nothing_is_right_where_there_is_nothing():
    assert outlined(np.zeros((SIZE, SIZE), bool)).right
    assert outlined(square(*BOX)).score == 0.0


def test_an_outline_on_another_plane_is_wrong_and_of_another_size_unread():
    elsewhere = outlined(square(*BOX), square(*BOX), index=1)
    assert (elsewhere.parsed, elsewhere.score) == (True, 0.0)
    assert elsewhere.problem == "the outline lies on another plane than the truth"
    other = outlined(square(1, 1, 9, 9, size=50), square(*BOX))
    assert (other.parsed, other.problem) == (False, "the outline's plane of 50 by 50 px is not the truth's")


def test_without_an_outline_the_answer_is_unread():
    truth = Truth(answer="", regions=places(BOX), masks=(Mask.of(square(*BOX)),))
    assert judged("mask", Given(text="img0"), truth).problem == "no image is named on which something is outlined"


masks = st.integers(0, 2**16 - 1).map(lambda bits: np.array([bits >> n & 1 for n in range(16)], bool).reshape(4, 4))


@given(masks, masks)
def test_dice_and_iou_are_those_of_the_libraries(a, b):
    from pycocotools import mask as coco
    from scipy.spatial import distance
    from skimage.measure import label

    dice, iou = overlap(a, b)
    assert (dice, iou) == overlap(b, a)
    if a.any() or b.any():
        assert dice == pytest.approx(1 - distance.dice(a.ravel(), b.ravel()))
        assert iou == pytest.approx(1 - distance.jaccard(a.ravel(), b.ravel()))
    if a.any() and b.any():
        ours, theirs = (coco.encode(np.asfortranarray(mask, np.uint8)) for mask in (a, b))
        assert iou == pytest.approx(float(coco.iou([ours], [theirs], [0])[0, 0]))
    assert components(a) == label(a, connectivity=2).max()


@pytest.mark.parametrize(
    ("text", "right", "strict"),
    [("img1", True, True), ("It is outlined on img1.", True, False), ("img0", False, False),
     ("img1 or img2", False, False), ("img7", False, False), ("", False, False)],
)  # fmt: skip
def test_the_outline_that_counts_is_that_of_the_one_image_named(text, right, strict):
    source = Source.of(square(*BOX).astype(np.uint8) * 200)
    truth = Truth(
        answer="", regions=(Place(source=source.id, shape=Box.model_validate(BOX)),), masks=(Mask.of(square(*BOX)),)
    )
    question = Question(
        id="q", text="Outline it.", study=Study(sources=(source,)), images=(Image.of(source),), kind="mask"
    )
    env = ReadingEnv([(question, truth)], tools=["segment"], rewards={})
    env.reset(options={"question": question})
    for _ in range(2):
        env.step('<tool_call>{"name": "segment", "arguments": {"image": "img0"}}</tool_call>')
    env.step(f"<answer>{text}</answer>")
    result = grade(env.episode, truth)
    assert (result.right, result.strict > 0) == (right, strict)
