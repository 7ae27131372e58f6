import pickle
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.config import ConfigError
from agent.trace import read
from agent.training.drawing import drawn, shuffled
from envs.tasks.discs import discs
from sft.mixture import Mixture as Mixed
from sft.mixture import MixtureError, pools
from sft.settings import training
from sft.sources import Source
from tests.conftest import needs
from tests.training import ORACLE, config, demonstration, stored

needs("tokenizers")

SHARES = st.lists(st.floats(0.05, 1.0), min_size=1, max_size=5)
SEEDS = st.tuples(st.integers(0, 2**31 - 1), st.integers(0, 5))


def source(name: str, tags: str) -> Source:
    """As many demonstrations as there are letters, each tagged with its own."""
    return Source(name, len(tags), lambda number: None, lambda number: None, lambda tag: iter(tags), lambda: name)


def mixture(model: Path, *data: dict, max_length: int = 8192, seed: int = 0, **stage) -> Mixed:
    stage = {"data": list(data) or [ORACLE], **stage}
    return Mixed(training(config(model, stage, model={"max_length": max_length}, sft={"seed": seed})), 0)


@given(SHARES, SEEDS, st.integers(1, 300), st.integers(0, 300))
def test_a_sample_is_the_same_however_many_there_are(shares, seed, count, more):
    which, place = drawn(shares, count, seed)
    longer = drawn(shares, count + more, seed)
    assert (which == longer[0][:count]).all()
    assert (place == longer[1][:count]).all()


@given(SHARES, SEEDS, st.integers(1, 300))
def test_a_pool_gives_its_places_one_after_the_other(shares, seed, count):
    which, place = drawn(shares, count, seed)
    for pool in range(len(shares)):
        assert place[which == pool].tolist() == list(range((which == pool).sum()))


@given(SHARES, SEEDS)
@settings(max_examples=30)
def test_pools_are_drawn_as_often_as_they_should(shares, seed):
    count = 4000
    which, _ = drawn(shares, count, seed)
    for pool, share in enumerate(np.array(shares) / sum(shares)):
        assert abs((which == pool).sum() - count * share) <= 6 * (count * share * (1 - share)) ** 0.5 + 1e-9


@given(st.integers(1, 200), SEEDS, st.integers(0, 3))
def test_an_epoch_holds_every_number_once_and_each_has_its_own_order(size, seed, epoch):
    order = shuffled(size, (*seed, 1, 0, epoch))
    assert sorted(order.tolist()) == list(range(size))
    if size > 20:
        assert order.tolist() != shuffled(size, (*seed, 1, 0, epoch + 1)).tolist()


@given(st.lists(st.floats(0.1, 10.0), min_size=1, max_size=5), st.floats(0.5, 4.0))
def test_a_source_is_drawn_by_its_weight_at_the_temperature(weights, temperature):
    made = pools([source(str(n), "a" * (n + 1)) for n in range(len(weights))], weights, temperature, None)
    raised = np.array(weights) ** (1 / temperature)
    assert [pool.share for pool in made] == pytest.approx((raised / raised.sum()).tolist())
    assert [len(pool.numbers) for pool in made] == list(range(1, len(weights) + 1))


@given(st.text("abc", min_size=1, max_size=40), st.text("abc", min_size=1, max_size=40), st.floats(0.2, 5.0))
def test_a_demonstration_with_a_rare_tag_is_drawn_more_often(first, second, weight):
    """Each weighs 1 / the root of how frequent its tag is in the stage."""
    made = pools([source("x", first), source("y", second)], [weight, 1.0], 1.0, "letter")
    each = {0: weight / (weight + 1) / len(first), 1: 1 / (weight + 1) / len(second)}
    frequency = Counter()
    for place, letters in enumerate((first, second)):
        for letter in letters:
            frequency[letter] += each[place]
    expected = {
        (place, number): each[place] * frequency[letter] ** -0.5
        for place, letters in enumerate((first, second))
        for number, letter in enumerate(letters)
    }
    found = {(pool.source, int(n)): pool.share / len(pool.numbers) for pool in made for n in pool.numbers}
    assert found == pytest.approx({key: value / sum(expected.values()) for key, value in expected.items()})


def test_within_a_source_nothing_is_seen_twice_before_all_is_seen(tiny_model, tmp_path):
    mixed = mixture(tiny_model, {"run": str(stored(tmp_path))}, steps=10)
    numbers = [mixed[n].number for n in range(20)]
    assert all(sorted(numbers[epoch : epoch + 5]) == [0, 1, 2, 3, 4] for epoch in range(0, 20, 5))
    assert len({tuple(numbers[epoch : epoch + 5]) for epoch in range(0, 20, 5)}) > 1


def test_a_sample_is_the_same_whoever_takes_it_and_when(tiny_model, tmp_path):
    data = ({"run": str(stored(tmp_path / "demos")), "weight": 2.0}, ORACLE)
    mixed = mixture(tiny_model, *data, steps=10)
    forward = {n: mixed[n] for n in range(12)}
    again = pickle.loads(pickle.dumps(mixed))
    for n in reversed(range(12)):
        assert (again[n].source, again[n].number) == (forward[n].source, forward[n].number)
        assert again[n].example.rendered.ids == forward[n].example.rendered.ids
    others = mixture(tiny_model, *data, steps=10, seed=1)
    assert [others[n].number for n in range(12)] != [forward[n].number for n in range(12)]
    assert {sample.source for sample in forward.values()} == {"s0.0", "s0.1"}


@pytest.mark.slow
def test_another_process_draws_the_same(tiny_models, tmp_path):
    mixed = mixture(tiny_models("qwen3_vl"), steps=10)
    (tmp_path / "mixed").write_bytes(pickle.dumps(mixed))
    code = (
        "import pickle, sys\nmixed = pickle.load(open(sys.argv[1], 'rb'))\n"
        "print([(mixed[n].number, sum(mixed[n].example.rendered.ids)) for n in (7, 3)])"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "mixed"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str([(mixed[n].number, sum(mixed[n].example.rendered.ids)) for n in (7, 3)])


def test_what_nothing_should_be_learned_from_is_left_out_and_named(tiny_model, tmp_path):
    """Of eight only number 0 is whole, short and right."""
    tasks = list(discs("train", count=8))
    good = [demonstration(task) for task in tasks]
    wrong = good[1].model_copy(update={"truth": good[1].truth.model_copy(update={"answer": "1 mm"})})
    cropped = demonstration(tasks[2])
    turn = cropped.turns[0]
    act = turn.acts[0].model_copy(update={"action": turn.acts[0].action.model_copy(update={"name": "scalpel"})})
    unknown = cropped.model_copy(update={"turns": (turn.model_copy(update={"acts": (act,)}), *cropped.turns[1:])})
    cut = good[3].model_copy(update={"stop": "turn_limit"})
    long = good[4].model_copy(update={"system": "Look. " * 4000})
    folder = stored(tmp_path, [good[0], wrong, unknown, cut, long, good[5], good[6], good[7]])
    lost = next(episode for n, episode in enumerate(read(folder)) if n == 5).turns[0].images[0].hash
    (folder / "images" / lost[:2] / f"{lost}.png").unlink()
    path = folder / "episodes" / "w0.jsonl"
    lines = path.read_bytes().split(b"\n")
    lines[6] = lines[6].replace(b'"version":1', b'"version":7')
    lines[7] = lines[7][:-9] + b" nonsense"
    path.write_bytes(b"\n".join(lines))

    mixed = mixture(tiny_model, {"run": str(folder)}, max_length=2000, steps=8)
    samples = [mixed[n] for n in range(8)]
    assert [sample.number for sample in samples] == [0] * 8
    left = {one.number: one.reason for sample in samples for one in sample.left_out}
    assert left == {
        1: "wrong",
        2: "asks for the unknown tool 'scalpel'",
        3: "no answer (turn_limit)",
        4: "longer than 2000 tokens",
        5: "an image is missing",
        6: "a line that is no whole episode",
        7: "a line that is no whole episode",
    }
    assert {one.source for sample in samples for one in sample.left_out} == {str(folder)}


def test_what_comes_next_in_its_epoch_takes_the_place_of_what_is_left_out(tiny_model, tmp_path):
    good = [demonstration(task) for task in discs("train", count=6)]
    good[2] = good[2].model_copy(update={"stop": "turn_limit"})
    mixed = mixture(tiny_model, {"run": str(stored(tmp_path, good))}, steps=3)
    order = shuffled(6, (0, 0, 1, 0, 0)).tolist()
    after = {number: order[(place + 1) % 6] for place, number in enumerate(order)}
    assert [mixed[n].number for n in range(6)] == [after[2] if number == 2 else number for number in order]


def test_a_source_of_which_nothing_can_be_used_stops_the_training(tiny_model, tmp_path):
    cut = [demonstration(task).model_copy(update={"stop": "turn_limit"}) for task in discs("train", count=3)]
    mixed = mixture(tiny_model, {"run": str(stored(tmp_path, cut))})
    with pytest.raises(MixtureError, match=r"3 demonstrations in a row are left out; the last, number \d: no answer"):
        mixed[0]


def test_a_right_answer_that_nobody_can_judge_is_learned_from(tiny_model, tmp_path):
    untold = demonstration(next(discs("train"))).model_copy(update={"truth": None, "verdict": None})
    assert mixture(tiny_model, {"run": str(stored(tmp_path, [untold]))})[0].number == 0


def test_places_are_written_in_the_familys_numbers(tiny_model, family, tmp_path):
    mixed = mixture(tiny_model, {"run": str(stored(tmp_path, [demonstration(next(discs("train")))]))})
    text = mixed.chat.decode(mixed[0].example.rendered.ids)
    (episode,) = read(tmp_path)
    box = episode.turns[0].acts[0].action.arguments["box"]
    image = episode.opening.images[0]
    canvas = mixed.chat.canvas(image)[0]
    assert str(round(box[0] * canvas / image.width)) + ", " in text
    assert (str(box) in text) == (canvas == image.width)


def test_a_folder_that_holds_no_demonstrations_is_refused(tiny_model, tmp_path):
    with pytest.raises(ConfigError, match="holds no episodes/: make it with `overread data demos`"):
        mixture(tiny_model, {"run": str(tmp_path)})
    with pytest.raises(ConfigError, match="holds no demonstration"):
        mixture(tiny_model, {"run": str(stored(tmp_path, []))})
