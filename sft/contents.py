"""What a run of demonstrations holds."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from agent.trace import every_image
from envs.episode import Episode
from sft.demos import BY


def contents(episodes: Iterable[Episode], length: Callable[[Episode], int] | None = None) -> dict[str, Any]:
    """How many there are of what; `length` gives the tokens of an episode, where they are to be told.

    Lengths are spreads: the least, the median, the mean and the most of an episode.
    """
    by: dict[str, Counter[str]] = {name: Counter() for name in BY}
    tools: Counter[str] = Counter()
    phases: Counter[str] = Counter()
    policies: Counter[str] = Counter()
    refused = 0
    lengths: dict[str, list[int]] = {"turns": [], "calls": [], "images": [], "characters": []}
    for episode in episodes:
        for name in BY:
            by[name].update([episode.question.tags[name]] if name in episode.question.tags else [])
        policies[episode.policy] += 1
        tools.update(call.name for call in episode.tool_calls)
        phases.update(span.phase for turn in episode.turns for span in turn.spans)
        refused += any(turn.refused for turn in episode.turns)
        lengths["turns"].append(len(episode.turns))
        lengths["calls"].append(len(episode.tool_calls))
        lengths["images"].append(sum(1 for _ in every_image(episode)))
        lengths["characters"].append(sum(len(turn.reply.text) for turn in episode.turns))
        if length is not None:
            lengths.setdefault("tokens", []).append(length(episode))
    return {
        "episodes": len(lengths["turns"]),
        "refused": refused,
        "policies": _sorted(policies),
        "by": {name: _sorted(found) for name, found in by.items() if found},
        "tools": _sorted(tools),
        "phases": _sorted(phases),
        "lengths": {name: _spread(values) for name, values in lengths.items() if values},
    }


def _sorted(found: Counter[str]) -> dict[str, int]:
    return dict(sorted(found.items(), key=lambda pair: (-pair[1], pair[0])))


def _spread(values: Sequence[int]) -> dict[str, float]:
    return {
        "least": min(values),
        "median": float(np.median(values)),
        "mean": round(float(np.mean(values)), 2),
        "most": max(values),
    }
