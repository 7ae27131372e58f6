import pytest

from agent.render import render
from envs.episode import FAULTS, Episode, Reply, Stop, Verdict
from rl.packing import empty, filtered, flat, packed, teaches
from rl.settings import Rollout

LIMITS = ("turn_limit", "token_limit", "image_limit")


@pytest.fixture
def episode(chat, make_env, question):
    """A look and an answer, sampled."""
    env = make_env()
    env.reset(seed=1, options={"question": question})
    for text in ('{"name": "zoom", "arguments": {"image": "img0", "box": [0, 0, 128, 128]}}', "<answer>9 mm</answer>"):
        ids = (*text.encode(), chat.end)
        env.step(Reply(text=text, token_ids=ids, logprobs=tuple(-0.1 * n for n in range(len(ids)))))
    return env.episode.model_copy(update={"group": "group 1"})


def ended(episode: Episode, stop: Stop, reward: float | None = 0.25) -> Episode:
    verdict = None if reward is None else Verdict(reward=reward, parts={})
    return episode.model_copy(update={"stop": stop, "verdict": verdict})


def test_prompt_and_completion_are_the_episode_and_no_token_of_an_observation_is_learned(episode, chat):
    rendered = render(episode, chat)
    made = packed(episode, rendered, chat, Rollout())
    assert [*made.prompt, *made.completion] == rendered.ids
    assert len(made.completion) == len(made.mask) == len(made.logprobs)
    written = [token for token, mask in zip(made.completion, made.mask, strict=True) if mask]
    assert written == [token for turn in episode.turns for token in turn.reply.token_ids]
    assert all(logprob == 0.0 for logprob, mask in zip(made.logprobs, made.mask, strict=True) if not mask)
    assert (len(made.images), made.reward) == (2, episode.verdict.reward)


@pytest.mark.parametrize("stop", FAULTS)
def test_a_fault_is_left_out_and_never_paid_0(episode, chat, stop):
    made = packed(ended(episode, stop, None), render(episode, chat), chat, Rollout())
    assert (made.reward, made.learned, made.images) == (None, 0, ())
    assert made.group == "group 1"


def test_an_episode_that_breaks_a_rule_is_left_out(episode, chat):
    assert packed(episode, None, chat, Rollout()) == empty("group 1", chat)


@pytest.mark.parametrize("stop", LIMITS)
def test_what_becomes_of_an_episode_at_a_limit_is_chosen(episode, chat, stop):
    over, rendered = ended(episode, stop), render(episode, chat)
    penalised, masked, ignored = (
        packed(over, rendered, chat, Rollout(over_limit=how)) for how in ("penalise", "mask", "ignore")
    )
    assert (penalised.reward, penalised.learned) == (0.25, sum(rendered.mask))
    assert (masked.reward, masked.learned, masked.completion) == (0.25, 0, penalised.completion)
    assert ignored == empty("group 1", chat)


@pytest.mark.parametrize("how", ["penalise", "mask", "ignore"])
def test_an_answered_episode_is_learned_from_whatever_becomes_of_others(episode, chat, how):
    assert packed(episode, render(episode, chat), chat, Rollout(over_limit=how)).learned > 0


@pytest.mark.parametrize(
    ("rewards", "teaches_something"),
    [([0.0, 1.0], True), ([0.5, 0.5], False), ([0.5, None], False), ([None, None], False), ([0.5, None, 0.6], True),
     ([0.5, 0.5 + 1e-9], False), ([], False)],
)  # fmt: skip
def test_a_group_teaches_where_rewards_differ(rewards, teaches_something):
    assert teaches(rewards) is teaches_something


def batch(chat, *groups):
    """Episodes of two tokens each; a group is its rewards."""
    made = [(f"group {n}", reward) for n, rewards in enumerate(groups) for reward in rewards]
    whole = [empty(group, chat) for group, _ in made]
    return [
        type(one)(one.group, one.prompt, (1, 2), (1, 1), (-1.0, -1.0), (), reward)
        for one, (_, reward) in zip(whole, made, strict=True)
    ]


def test_flat_groups_are_found_and_filtered_without_a_trace_in_the_loss(chat):
    made = batch(chat, [0.0, 1.0], [0.5, 0.5], [0.5, None])
    assert flat(made) == ["group 1", "group 2"]
    kept = filtered(made)
    assert [one.learned for one in kept] == [2, 2, 0, 0, 0, 0]
    assert [one.reward for one in kept] == [one.reward for one in made]


def test_where_all_groups_are_flat_they_are_kept_as_a_loss_needs_a_token(chat):
    made = batch(chat, [0.5, 0.5], [1.0, 1.0])
    assert filtered(made) == made
