"""An episode as a conversation: who says what, in order. `render` writes it in tokens, `chat_api` in messages."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from agent.coordinates import Coordinates, moved
from envs.episode import Episode, Reply
from tools.geometry import Box, Point
from tools.image import Image
from tools.tool import Observation, Size, Spot


class Quote(NamedTuple):
    """Words of others: a question, a header, what a tool read. `render` and `chat_api` let no marker in them count."""

    text: str


Part = str | Quote | Image


class Told(NamedTuple):
    """What the policy is told: our own words (str), those of others, and images."""

    role: Literal["system", "user"]
    parts: tuple[Part, ...]


def conversation(episode: Episode, coordinates: Coordinates) -> Iterator[Told | Reply]:
    """All of an episode so far, ending where the policy is to write next, or with its last reply where it stopped."""
    known = {image.id: image for image in episode.images.values()}
    shown = len(episode.opening.images)

    def move(spot: Spot) -> Box | Point:
        image = known[spot.image]
        return moved(spot.shape, image, coordinates.canvas(image))

    def seen(observation: Observation, first: int, end: str = "") -> tuple[Part, ...]:
        parts: list[Part] = []
        for number, image in enumerate(observation.images, first):
            parts += [coordinates.caption(f"img{number}", image), image, "\n"]
        return (*parts, Quote(observation.words(move) + end))

    yield Told("system", (f"{episode.system}\n\n{coordinates.said}",))
    yield Told("user", seen(episode.opening, 0))
    for number, turn in enumerate(episode.turns, start=1):
        yield turn.reply
        if number == len(episode.turns) and episode.stop is not None:
            return
        parts: list[Part] = []
        for act in turn.acts:
            lead = "\n<tool_response>\n" if parts else "<tool_response>\n"
            parts += [lead, *seen(act.observation, shown, end="\n"), "</tool_response>"]
            shown += len(act.observation.images)
        yield Told("user", tuple(parts))


def canvases(episode: Episode, coordinates: Coordinates) -> tuple[Size, ...]:
    """The canvas of every image shown so far: what a reply written now states as its own."""
    return tuple(coordinates.canvas(image) for image in episode.images.values())
