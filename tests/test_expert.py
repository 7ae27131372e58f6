"""The expert reads as a careful reader does, and is right."""

import asyncio

import numpy as np
import pytest

from agent.loop import PolicyError, play
from envs.env import ReadingEnv
from envs.episode import Episode, Finding, ToolCall
from envs.grading import grade
from envs.phantoms.lesions import KINDS
from sft.expert import expert
from tools.lookup import find, names

FAMILIES = names("sft.strategies")
OTHERS = ("discs", "recall")
"""Those that have neither nodules nor difficulties."""
TOOLS = ("zoom", "segment", "measure")


def read(
    family: str, count: int, slips: float = 0.1, careful: float = 0.1, misses: float = 0.0, **more: object
) -> list[Episode]:
    """Demonstrations of a family, in order."""
    tasks = list(find("envs.tasks", family)("train", count, **more))
    truths = {question.id: truth for question, truth in tasks}
    env = ReadingEnv(tasks, prompt="brief", tools=TOOLS)
    policy = expert(truths.__getitem__, slips=slips, careful=careful, misses=misses)
    return [asyncio.run(play(env, policy, question, n)) for n, (question, _) in enumerate(tasks)]


def right(episode: Episode) -> bool:
    assert episode.truth is not None
    return grade(episode, episode.truth).right


@pytest.mark.parametrize("family", FAMILIES)
def test_an_expert_is_right_and_writes_what_the_strict_parser_reads(family):
    episodes = read(family, 40)
    assert np.mean([right(episode) for episode in episodes]) >= 0.95
    assert all(turn.strict and turn.thought for episode in episodes for turn in episode.turns)
    assert {episode.stop for episode in episodes} == {"answered"}


@pytest.mark.parametrize("family", [family for family in FAMILIES if family not in OTHERS])
@pytest.mark.parametrize("difficulty", [0.0, 1.0])
def test_it_is_right_at_every_difficulty(family, difficulty):
    assert np.mean([right(episode) for episode in read(family, 12, difficulty=difficulty)]) >= 0.9


@pytest.mark.parametrize("family", [family for family in FAMILIES if family not in ("measure", *OTHERS)])
def test_every_nodule_that_is_looked_at_lies_within_its_close_look(family):
    for episode in read(family, 20, slips=0):
        assert episode.truth is not None
        (source,) = episode.question.study.sources
        nodules = [finding.place.shape for finding in episode.truth.findings]
        for image in [*episode.images.values()][1:]:
            assert image.source == source.id
            assert any(image.window.intersection(box) == box for box in nodules)


def test_without_slips_no_call_is_refused_and_with_them_each_is_put_right():
    assert not any(turn.refused for episode in read("shape", 30, slips=0) for turn in episode.turns)
    slipped = read("shape", 30, slips=1)
    refused = [any(turn.refused for turn in episode.turns) for episode in slipped]
    assert 5 < sum(refused) < 28  # the others look where nothing lies
    assert all(len(episode.turns) == 3 for episode in slipped)
    assert all(right(episode) for episode in slipped)
    lost = [episode for episode, was in zip(slipped, refused, strict=True) if not was]
    assert all("othing" in e.turns[1].thought or "wrong" in e.turns[1].thought for e in lost)


def test_it_looks_at_all_at_once_or_at_one_after_the_other_and_no_further_than_it_must():
    episodes = [e for e in read("hierarchy", 80, slips=0) if e.truth and e.truth.answer in ("yes", "A", "B", "C", "D")]
    single = [e for e in episodes if len(e.turns[0].acts) == 1]
    together = [e for e in episodes if len(e.turns[0].acts) > 1]
    assert single
    assert len(together) > len(single)
    assert all(len(e.tool_calls) == 6 for e in together)
    assert min(len(e.tool_calls) for e in single) < 6


@pytest.mark.parametrize("family", ["count", "hierarchy", "locate", "measure"])
def test_one_who_is_careful_is_right_with_one_look_a_turn(family):
    episodes = read(family, 30, slips=0, careful=1)
    assert np.mean([right(episode) for episode in episodes]) >= 0.95
    assert all(len(turn.acts) == 1 for episode in episodes for turn in episode.turns)


def test_one_who_is_careful_judges_each_nodule_as_it_is_seen_and_keeps_count():
    for episode in read("count", 10, slips=0, careful=1):
        assert episode.truth
        asked = next(kind for kind in KINDS if kind in episode.question.text)
        found = 0
        for turn, finding in zip(episode.turns[1:], seen_in_order(episode), strict=True):
            same = finding.name == asked
            found += same
            assert f"is {finding.name}: {'yes' if same else 'no'}, {found} so far." in turn.thought
        assert episode.turns[-1].thought.endswith(f"That makes {found}.")
        assert episode.truth.answer == str(found)


@pytest.mark.parametrize("family", ["count", "hierarchy", "locate"])
def test_a_look_that_misses_is_said_to_be_at_nothing_and_the_answer_is_right_all_the_same(family):
    told = []
    for episode in read(family, 20, slips=0, careful=1, misses=0.3):
        assert episode.truth
        assert right(episode)
        for turn, view in zip(episode.turns[1:], [*episode.images.values()][1:], strict=True):
            shows = any(view.window.intersection(f.place.shape) is not None for f in episode.truth.findings)
            assert ("is empty: no" in turn.thought) == (not shows)
            told.append(shows)
    assert 0.1 < 1 - np.mean(told) < 0.4


def test_one_who_is_to_place_nodules_says_at_every_turn_how():
    for episode in read("locate", 10, slips=0, careful=1):
        done = "to box so far" if episode.question.kind == "boxes" else "to point at so far"
        assert all(done in turn.thought for turn in episode.turns[1:])


def seen_in_order(episode: Episode) -> list[Finding]:
    """What the close looks of an episode show, each one nodule."""
    assert episode.truth
    return [
        next(f for f in episode.truth.findings if view.window.intersection(f.place.shape) == f.place.shape)
        for view in [*episode.images.values()][1:]
    ]


@pytest.mark.parametrize("careful", [0, 1])
def test_angles_are_taken_where_whole_hundredths_are_true(careful):
    episodes = [e for e in read("measure", 150, slips=0, careful=careful) if e.question.tags["what"] == "angle"]
    assert len(episodes) > 40
    assert np.mean([right(episode) for episode in episodes]) >= 0.97


def test_one_who_is_careful_looks_at_fibres_twice_and_each_look_shows_them():
    for episode in [e for e in read("measure", 40, slips=0, careful=1) if e.question.tags["what"] == "angle"]:
        assert episode.truth
        (place,) = episode.truth.regions
        wide, close = [*episode.images.values()][1:3]
        assert wide.window.intersection(place.shape) == close.window.intersection(place.shape) == place.shape
        assert close.window.width < wide.window.width / 4
        assert close.window.intersection(wide.window) == close.window


def test_choices_that_are_shuffled_are_read_out_up_to_the_one_that_is_meant():
    for e in read("shape", 20, slips=0):
        assert e.truth
        place = "ABCD".index(e.truth.answer)
        recited = "\n".join(f"{'ABCD'[n]}. {e.question.choices[n]}" for n in range(place + 1))
        assert recited in e.opening.text
        assert f"\n{recited}</think><answer>{e.truth.answer}</answer>" in e.turns[-1].reply.text


def test_a_mass_is_outlined_without_a_closer_look_or_after_one():
    first = [e.tool_calls[0].name for e in read("measure", 60, slips=0) if e.question.tags["what"] != "angle"]
    assert {"segment", "zoom"} == set(first)
    assert first.count("segment") > first.count("zoom")


def test_the_same_seed_gives_the_same_demonstration_and_another_seed_another_wording():
    (question, truth), = find("envs.tasks", "shape")("train", 1)  # fmt: skip
    env = ReadingEnv([(question, truth)], prompt="brief", tools=TOOLS)
    policy = expert({question.id: truth}.__getitem__)
    texts = [[t.reply.text for t in asyncio.run(play(env, policy, question, seed)).turns] for seed in (0, 0, *range(9))]
    assert texts[0] == texts[1]
    assert len({tuple(text) for text in texts}) > 2


def test_places_are_written_in_whole_hundredths_of_the_view():
    calls = [call for e in read("count", 5, slips=0) for call in e.tool_calls]
    assert all(isinstance(call, ToolCall) for call in calls)
    shares = [number / 128 * 100 for call in calls for number in call.arguments["box"]]
    np.testing.assert_allclose(shares, np.round(shares), atol=1e-2)


def test_without_the_truth_and_for_other_families_it_says_so():
    with pytest.raises(PolicyError, match="knows the truth, which only made-up studies have"):
        expert()
    (question, truth), = find("envs.tasks", "clip")("train", 1)  # fmt: skip
    env = ReadingEnv([(question, truth)])
    with pytest.raises(PolicyError, match="cannot read questions of the family 'clip'; those it knows: count"):
        asyncio.run(play(env, expert({question.id: truth}.__getitem__), question))
