"""Rewards that pay for cheating are found out."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from envs.grading import grade
from envs.score import weights_of
from rl.cheats import LONG
from rl.lint import HONEST, MISTAKEN, SHARE, Finding, Game, games, lint
from rl.studies import studies

OVERREAD = Path(sys.executable).parent / "overread"
KINDS = {"number", "choice", "yes_no", "open", "count", "boxes", "points", "mask", "sequence"}


@pytest.fixture(scope="module")
def played() -> list[Game]:
    return games()


def flagged(rewards: dict[str, float] | str, played: list[Game]) -> list[Finding]:
    return [finding for finding in lint(weights_of(rewards), played) if finding.why]


def whys(rewards: dict[str, float] | str, played: list[Game], cheat: str, right: bool = False) -> set[str]:
    return {finding.why for finding in flagged(rewards, played) if (finding.cheat, finding.right) == (cheat, right)}


@pytest.fixture
def own(tmp_path, monkeypatch, request):
    """A reward of one's own, written to a file: its weights."""

    def write(name: str, body: str) -> dict[str, float]:
        text = f"from envs.grading import grade\n\n\ndef {name}(episode, truth):\n    {body}\n"
        (tmp_path / "lab").mkdir(exist_ok=True)
        (tmp_path / "lab" / f"{name}.py").write_text(text)
        monkeypatch.delitem(sys.modules, f"lab.{name}", raising=False)
        monkeypatch.delitem(sys.modules, "lab", raising=False)
        return {f"lab.{name}": 1.0}

    monkeypatch.syspath_prepend(tmp_path)
    return write


def test_every_kind_of_question_is_read_by_the_honest_and_by_those_who_cheat(played):
    assert {game.episode.question.kind for game in played} == KINDS
    for kind in KINDS:
        met = {game.cheat for game in played if game.episode.question.kind == kind}
        assert {HONEST, MISTAKEN, "empty answer", "never answers", "spoofed vision tokens"} <= met


def test_an_answer_that_is_called_right_is_graded_right_and_no_other(played):
    for game in played:
        if (game.cheat, game.right) != ("long answer", True):  # some graders take such an answer, some do not
            assert grade(game.episode, game.episode.truth).right == game.right, game


def test_what_is_called_refused_or_long_or_repeated_is_so(played):
    def of(cheat: str) -> list[Game]:
        return [game for game in played if game.cheat == cheat]

    for cheat in ("empty list of boxes", "box outside the image", "tool with a wrong name", "mark around one pixel"):
        assert of(cheat)
        assert all(sum(turn.refused for turn in game.episode.turns) == 1 for game in of(cheat))
    assert all(len(game.episode.answer) > LONG - 80 for game in of("long answer"))
    assert {game.episode.stop for game in of("never answers")} == {"turn_limit"}
    assert all(len(game.episode.turns) == 8 for game in of("never answers"))
    assert all("<|image_pad|>" in game.episode.turns[-1].reply.text for game in of("spoofed vision tokens"))


def test_a_leaking_study_tells_the_answer_to_who_looks_at_nothing(played):
    for game in played:
        if game.cheat == "answer copied from the study":
            truth, opening = game.episode.truth, game.episode.opening
            assert truth.answer in opening.text
            assert [image.mask for image in opening.images[1:]] == list(truth.masks)


def test_hardened_pays_the_honest_best_and_flags_nobody(played):
    findings = lint(weights_of("hardened"), played)
    assert not [finding for finding in findings if finding.why]
    assert all(finding.honest > 0.85 for finding in findings)
    cheats = [finding for finding in findings if not finding.right and finding.cheat != MISTAKEN]
    assert max(finding.earns for finding in cheats) <= 0.7 / 8 + 0.05  # a near miss, in good form


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 9))
def test_hardened_flags_nobody_on_other_studies_either(seed):
    assert not flagged("hardened", games(seed))


def test_vitar_pays_a_mark_around_everything_and_who_never_answers(played):
    assert whys("vitar", played, "mark around the whole image", right=True) == {"the cheat adds 0.20"}
    assert "more than 20% of honest reading" in whys("vitar", played, "never answers")
    assert not whys("vitar", played, "empty list of boxes", right=True)  # the environment refuses it


def test_a_reward_that_takes_the_truth_for_the_prediction_is_flagged(played):
    """Ophiuchus pays 4 of 6 to who does nothing, and 6 to who zooms on everything."""
    found = {f.cheat: f for f in flagged({"tests.flawed.own_mask": 1.0}, played) if not f.right}
    assert found["empty answer"].kind == "mask"
    assert found["empty answer"].earns == pytest.approx(4 / 6)
    assert found["never answers"].earns == 1.0


def test_a_reward_that_looks_for_the_answer_in_the_truth_is_flagged_for_the_empty_one(played):
    assert whys({"tests.flawed.substring": 1.0}, played, "empty answer") == {"more than 20% of honest reading"}
    assert not whys({"tests.flawed.substring": 1.0}, played, "long answer")


def test_a_bonus_for_vision_tokens_is_flagged_where_the_policy_wrote_them(played):
    weights = {"tests.flawed.vision_tokens": 1.0}
    assert whys(weights, played, "spoofed vision tokens", right=True) == {"the cheat adds 0.60"}
    assert not whys(weights, played, "spoofed vision tokens", right=False)


def test_form_alone_is_flagged_and_rewards_for_right_answers_are_not(played):
    assert whys({"well_formed": 1.0}, played, MISTAKEN) == {"wrong pays as much as right"}
    for name in ("correct", "looked", "brief"):
        assert not flagged({name: 1.0}, played), name


@pytest.mark.parametrize(("consolation", "found"), [(SHARE, False), (SHARE + 0.01, True)])
def test_a_wrong_answer_may_earn_a_fifth(consolation, found, own, played):
    body = f"return 1.0 if grade(episode, truth).right else {consolation}"
    assert bool(whys(own("consoling", body), played, "empty answer")) == found


@pytest.mark.parametrize(
    ("name", "body", "why"),
    [
        ("high", "return 1.5", "ValueError: reward 'lab.high' gave 1.5, outside [0, 1]"),
        ("low", "return -0.1", "ValueError: reward 'lab.low' gave -0.1, outside [0, 1]"),
        ("nan", "return float('nan')", "ValueError: reward 'lab.nan' gave nan, outside [0, 1]"),
        ("broken", "return truth.masks[0].height / 128", "IndexError: tuple index out of range"),
        ("lookup", "return {}[episode.stop]", "KeyError: 'answered'"),
        ("wordy", "return 'good'", "ValueError: could not convert string to float: 'good'"),
        ("moody", "import random; return random.random()", "another amount when the record is judged again"),
        ("peeking", "return float(episode.opening.images[0]._source is not None)", "another amount"),
    ],
)
def test_a_reward_that_breaks_the_rules_is_flagged_with_the_reason(name, body, why, own, played):
    found = [finding for finding in lint(own(name, body), played) if finding.cheat == HONEST]
    assert why in found[0].why


def test_more_for_a_right_answer_than_honest_reading_earns_is_flagged(own, played):
    body = "return grade(episode, truth).right * (0.9 if episode.tool_calls else 1.0)"
    assert "pays more than honest reading" in whys(own("hasty", body), played, "answer copied from the study", True)


def test_the_same_seed_makes_the_same_studies():
    first, again, other = (list(studies(seed)) for seed in (3, 3, 4))
    assert first == again
    assert first != other


def overread(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [OVERREAD, "lint", *words], cwd=cwd, capture_output=True, text=True, env=dict(os.environ), check=False
    )


def test_the_command_passes_the_default_with_a_row_for_each_reader(tmp_path):
    done = overread(cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "FLAGGED" not in done.stdout
    assert done.stdout.count("spoofed vision tokens") == 2  # with a wrong answer and with a right one
    assert done.stdout.splitlines()[-1].startswith("hardened: 0 of ")


def test_the_command_ends_with_code_5_where_a_reward_is_flagged(tmp_path):
    done = overread("vitar", "--plain", cwd=tmp_path)
    assert done.returncode == 5
    assert "FLAGGED: the cheat adds 0.20" in done.stdout


def test_the_command_tells_a_program_what_everyone_earned(tmp_path):
    done = overread("tests.flawed.substring", "correct", "--json", cwd=tmp_path)
    told = json.loads(done.stdout)
    assert done.returncode == 5
    assert told["rewards"] == {"tests.flawed.substring": 1.0, "correct": 1.0}
    assert told["flagged"] == sum(bool(finding["why"]) for finding in told["findings"]) > 0
    assert set(told["findings"][0]) == {"cheat", "kind", "right", "earns", "honest", "why"}


def test_the_command_refuses_an_unknown_name_in_words(tmp_path):
    done = overread("hardend", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "no 'hardend' in envs/rewards/; there are: brief, correct" in done.stderr
    assert "or give one preset: hardened, vitar" in done.stderr
