"""Where a policy looked, told from what its calls named and showed: never from what it wrote about them."""

from collections.abc import Iterator
from typing import NamedTuple

from envs.episode import Act, Episode, ToolCall
from tools.geometry import Box
from tools.image import Image, Place

MOST = 100
"""How many looks are told; a call may name any number of boxes."""

Plane = tuple[str, int, int]
"""Source, axis and index."""


class Region(NamedTuple):
    """A box on a plane, px of the plane."""

    plane: Plane
    box: Box

    def iou(self, other: "Region") -> float:
        """0 on another plane."""
        return self.box.iou(other.box) if self.plane == other.plane else 0.0

    def inside(self, other: "Region") -> bool:
        return self.plane == other.plane and self.box.intersection(other.box) == self.box


class Look(NamedTuple):
    """A region that a call went to, and the view it was found on."""

    region: Region
    parent: Region


def looks(episode: Episode) -> list[Look]:
    """The regions that the calls carried out went to, in order, the first `MOST` of them.

    A view of another part or another plane than the view it was made from (zoom, crop, slice, frame) is a look at that
    part. Where there is none, each box that the call names is one (mark, segment, measure). The same part in another
    light or size (window, orient, a zoom on all of it) is no look.
    """
    images = {f"img{n}": image for n, image in enumerate(episode.opening.images)}
    found: list[Look] = []
    for turn in episode.turns:
        for act in turn.acts:
            found += _of(act, images)
            images |= {f"img{len(images) + n}": image for n, image in enumerate(act.observation.images)}
    return found[:MOST]


def shown(image: Image) -> Region:
    """The part of a plane that a view shows."""
    return Region((image.source, image.axis, image.index), image.window)


def boxes(places: tuple[Place, ...]) -> list[Region]:
    """The boxes among some places."""
    return [
        Region((place.source, place.axis, place.index), place.shape) for place in places if isinstance(place.shape, Box)
    ]


def _of(act: Act, images: dict[str, Image]) -> Iterator[Look]:
    named = act.action.arguments.get("image") if isinstance(act.action, ToolCall) else None
    if not isinstance(named, str) or named not in images:
        return
    parent = shown(images[named])
    moved = [region for region in map(shown, act.observation.images) if region != parent]
    pointed = [region for places in act.places.values() for region in boxes(places) if region != parent]
    yield from (Look(region, parent) for region in moved or pointed)
