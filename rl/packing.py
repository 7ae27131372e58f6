"""Episodes as TRL's GRPO takes them: a prompt, a completion, and which of its tokens the policy wrote.

What becomes of an episode follows from how it ended:

    answered                      judged; learned from
    at a limit, "penalise"        the same: the verdict says what no answer is worth
    at a limit, "mask"            judged, and its reward counts in its group; its tokens are not learned from
    at a limit, "ignore"          as a fault
    a fault, or a broken rule     no reward, which is not 0: its group is compared without it, nothing is learned
    group of equal rewards        "keep": learned from, at advantage 0; "filter": its tokens are not counted in the loss
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from agent.render import Chat, Rendered
from envs.episode import FAULTS, Episode
from rl.settings import Rollout
from tools.image import Image

SAME = 1e-6
"""Rewards that differ by less are the same."""


@dataclass(frozen=True)
class Packed:
    """One episode; P tokens of prompt, C of completion."""

    group: str
    prompt: tuple[int, ...]
    completion: tuple[int, ...]
    mask: tuple[int, ...]
    """[C] 1 where the policy wrote the token and something is learned from it."""
    logprobs: tuple[float, ...]
    """[C] as sampled; 0.0 where the policy did not write."""
    images: tuple[Image, ...]
    reward: float | None
    """None: left out of its group."""

    @property
    def learned(self) -> int:
        return sum(self.mask)


def packed(episode: Episode, rendered: Rendered | None, chat: Chat, how: Rollout) -> Packed:
    """An episode and its tokens; without them, or without a verdict, one that nothing is learned from."""
    limited = episode.stop not in ("answered", *FAULTS)
    if rendered is None or episode.verdict is None or (limited and how.over_limit == "ignore"):
        return empty(episode.group, chat)
    at = rendered.prompt
    mask = [0] * len(rendered.mask) if limited and how.over_limit == "mask" else rendered.mask
    return Packed(
        episode.group, tuple(rendered.ids[:at]), tuple(rendered.ids[at:]), tuple(mask[at:]),
        tuple(rendered.logprobs[at:]), tuple(rendered.images), episode.verdict.reward,
    )  # fmt: skip


def empty(group: str, chat: Chat) -> Packed:
    """The place of an episode that is left out: two tokens, none of them learned."""
    return Packed(group, (chat.end,), (chat.end,), (0,), (0.0,), (), None)


def teaches(rewards: Iterable[float | None]) -> bool:
    """Whether a group's rewards differ: those of equal reward have no advantage over each other."""
    told = [reward for reward in rewards if reward is not None]
    return len(told) > 1 and max(told) - min(told) > SAME


def flat(batch: Sequence[Packed]) -> list[str]:
    """The groups whose rewards do not differ."""
    rewards: dict[str, list[float | None]] = defaultdict(list)
    for one in batch:
        rewards[one.group].append(one.reward)
    return [group for group, told in rewards.items() if not teaches(told)]


def filtered(batch: Sequence[Packed]) -> list[Packed]:
    """The batch without a token of its flat groups; as it is where there is no other, as there nothing moves anyway."""
    idle = set(flat(batch))
    if len(idle) == len({one.group for one in batch}):
        return list(batch)
    return [replace(one, mask=(0,) * len(one.mask)) if one.group in idle else one for one in batch]


def columns(batch: Sequence[Packed], chat: Chat) -> tuple[Any, ...]:
    """What TRL's `_generate` returns: see `tests/test_trl_contract.py`.

    All images of an episode are named as images and as those of tools: TRL makes pixels of them all in one place then.
    """
    images = [[chat.picture(image) for image in one.images] or None for one in batch]
    return (
        [list(one.prompt) for one in batch],
        [list(one.completion) for one in batch],
        [list(one.mask) for one in batch],
        [[{"role": "assistant", "content": ""}] for _ in batch],
        [list(one.logprobs) for one in batch],
        {"reward": [one.reward for one in batch]},
        images,
        [one or [] for one in images],
    )
