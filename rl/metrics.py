"""What a step's episodes were like, in numbers."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import fmean, pstdev
from typing import Any

from agent.trace import every_image
from envs.episode import FAULTS, Episode, Malformed
from envs.grading import grade
from envs.looks import shown

WHOLE = 0.9
"""A view of so much of what was shown at the start, or more, is one of the whole of it."""


def measured(episodes: Sequence[Episode]) -> dict[str, Any]:
    """The numbers of a step; what cannot be said of no episode is missing."""
    judged = [episode for episode in episodes if episode.verdict is not None]
    played = [episode for episode in episodes if episode.stop not in FAULTS]
    turns = [turn for episode in played for turn in episode.turns]
    acts = [act for turn in turns for act in turn.acts]
    calls = [episode.tool_calls for episode in played]
    return {
        "episodes": len(episodes),
        "written": sum(episode.num_tokens for episode in episodes),
        "reward": _spread(episode.verdict.reward for episode in judged if episode.verdict),
        "parts": {name: _spread(values) for name, values in _parts(judged).items()},
        "right": _share(grade(e, e.truth).right for e in judged if e.truth is not None),
        "tool_calls": _spread(map(len, calls)),
        "turns": _spread(len(episode.turns) for episode in played),
        "tokens": _spread(episode.num_tokens for episode in played),
        "images": _spread(len(episode.images) for episode in played),
        "refused": _share(act.refused for act in acts if not isinstance(act.action, Malformed)),
        "malformed": _share(not turn.strict for turn in turns),
        "repeated_views": _share(_repeated(played)),
        "whole_views": _share(whole for episode in played for whole in _whole(episode)),
        "stops": {str(stop): count / len(episodes) for stop, count in Counter(e.stop for e in episodes).items()},
        "faults": _share(episode.stop in FAULTS for episode in episodes),
    }


def seconds(episodes: Iterable[Episode]) -> dict[str, float]:
    """Seconds that episodes spent, all added up though they were played side by side."""
    turns = [turn for episode in episodes for turn in episode.turns]
    return {
        "writing": sum(turn.seconds for turn in turns),
        "tools": sum(act.seconds for turn in turns for act in turn.acts),
    }


def flattened(found: Mapping[str, Any], before: str = "") -> dict[str, float]:
    """The numbers under one name each, as "reward/mean": what loggers take."""
    told: dict[str, float] = {}
    for name, value in found.items():
        if isinstance(value, Mapping):
            told |= flattened(value, f"{before}{name}/")
        elif value is not None:
            told[f"{before}{name}"] = float(value)
    return told


def _parts(judged: Iterable[Episode]) -> dict[str, list[float]]:
    told: dict[str, list[float]] = {}
    for episode in judged:
        assert episode.verdict is not None
        for name, score in episode.verdict.parts.items():
            told.setdefault(name, []).append(score)
    return told


def _repeated(episodes: Iterable[Episode]) -> list[bool]:
    """Of each view that a tool showed: whether it had been shown before."""
    told = []
    for episode in episodes:
        names = [image.id for image in every_image(episode)]
        first = len(episode.opening.images)
        told += [name in names[:place] for place, name in enumerate(names) if place >= first]
    return told


def _whole(episode: Episode) -> Iterator[bool]:
    """Of each view that a tool showed of a plane that the opening shows: whether it shows as good as all of that."""
    opening = {shown(image).plane: image.window.area for image in episode.opening.images}
    for turn in episode.turns:
        for image in turn.images:
            if area := opening.get(shown(image).plane):
                yield image.window.area >= WHOLE * area


def _spread(values: Iterable[float]) -> dict[str, float] | None:
    told = [float(value) for value in values]
    if not told:
        return None
    return {"mean": fmean(told), "sd": pstdev(told), "min": min(told), "max": max(told)}


def _share(values: Iterable[bool]) -> float | None:
    told = [bool(value) for value in values]
    return sum(told) / len(told) if told else None
