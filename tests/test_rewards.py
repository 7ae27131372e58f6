import pytest

from envs.env import ReadingEnv
from envs.episode import Truth, Verdict
from envs.score import judge
from envs.tasks.discs import discs

QUESTION, _ = next(discs("test"))


def rewarded(said: str, truth: Truth, kind: str = "number", weights: dict[str, float] | None = None) -> Verdict:
    question = QUESTION.model_copy(update={"kind": kind})
    env = ReadingEnv([(question, truth)], tools=["zoom"], rewards=weights or {"correct": 1.0})
    env.reset(options={"question": question})
    env.step(f"<answer>{said}</answer>")
    assert env.episode.verdict is not None
    return env.episode.verdict


@pytest.mark.parametrize(("off", "score"), [(0.0, 1.0), (0.099, 1.0), (-0.099, 1.0), (0.101, 0.0), (-0.101, 0.0)])
def test_a_length_may_be_off_by_a_tenth(off, score):
    assert rewarded(f"about {40 * (1 + off):.3f} mm", Truth(answer="40 mm")).reward == score


@pytest.mark.parametrize(("off", "score"), [(0.019, 1.0), (0.021, 0.0)])
def test_a_truth_may_be_stricter(off, score):
    assert rewarded(f"{40 * (1 + off):.3f} mm", Truth(answer="40 mm", tolerance=0.02)).reward == score


@pytest.mark.parametrize(("said", "score"), [("40", 1.0), ("40 mm", 1.0), ("40 cm", 0.0), ("4 cm", 0.0), ("none", 0.0)])
def test_a_length_in_another_unit_is_wrong(said, score):
    assert rewarded(said, Truth(answer="40 mm")).reward == score


@pytest.mark.parametrize(
    "said",
    ["40 mm.", "40mm", "**40 mm**", "40 MM", "40 mm, about", "In img0 it is 40 mm", "from 12 px to 52 px: 40 mm"],
)
def test_a_number_is_read_out_of_the_words_around_it(said):
    assert rewarded(said, Truth(answer="40 mm")).reward == 1.0


@pytest.mark.parametrize(("said", "score"), [("20", 1.0), ("20 nodules", 1.0), ("22", 0.0), ("19", 0.0)])
def test_a_count_is_exact(said, score):
    assert rewarded(said, Truth(answer="20"), kind="count").reward == score


@pytest.mark.parametrize(("said", "score"), [(" left LUNG\n", 1.0), ("right lung", 0.0), ("left", 0.0)])
def test_words_match_whatever_their_case(said, score):
    assert rewarded(said, Truth(answer="Left lung"), kind="open").reward == score


def test_rewards_are_weighed_and_kept_by_name():
    verdict = rewarded("1 mm", Truth(answer="40 mm"), weights={"correct": 1.0, "well_formed": 0.5})
    assert (verdict.reward, verdict.parts) == (0.5, {"correct": 0.0, "well_formed": 1.0})


def test_a_reward_outside_0_to_1_is_a_bug(tmp_path, monkeypatch):
    (tmp_path / "lab_rewards").mkdir()
    (tmp_path / "lab_rewards" / "bonus.py").write_text("def bonus(episode, truth): return 7\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match=r"'lab_rewards\.bonus' gave 7\.0, outside \[0, 1\]"):
        rewarded("1 mm", Truth(answer="1 mm"), weights={"lab_rewards.bonus": 1.0})


def test_without_a_truth_there_is_no_verdict():
    env = ReadingEnv([(QUESTION, None)], tools=["zoom"])
    env.reset(options={"question": QUESTION})
    _, reward, terminated, _, _ = env.step("<answer>1</answer>")
    assert (reward, terminated, env.episode.verdict) == (0.0, True, None)
    assert judge(env.episode, Truth(answer="1"), {"correct": 1.0}).reward == 1.0  # judged again, with one
