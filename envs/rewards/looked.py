"""Did the policy look closer, and not just call tools?"""

from envs.episode import Episode, Truth
from envs.grading import grade
from envs.looks import Look, Region, looks, shown

NEW = 0.9
"""A look that has this IoU with an earlier one, or more, shows nothing new."""

CLOSER = 0.6
"""A look at more than this share of the view it was made from is no closer look."""


def looked(episode: Episode, truth: Truth) -> float:
    """The share of looks that are new and closer; 0 without a look, and after an answer that is not right.

    On another slice or frame than the view it was made from a look need not be smaller, but still be new: going back
    to a plane that was shown pays nothing. It is a share, so that more looks earn no more.
    """
    told = looks(episode)
    if not told or not grade(episode, truth).right:
        return 0.0
    seen = [shown(image) for image in episode.opening.images]
    paid = 0
    for look in told:
        paid += _closer(look) and _new(look.region, seen)
        seen.append(look.region)
    return paid / len(told)


def _closer(look: Look) -> bool:
    return look.region.plane != look.parent.plane or look.region.box.area <= CLOSER * look.parent.box.area


def _new(region: Region, seen: list[Region]) -> bool:
    return all(region.iou(other) < NEW for other in seen)
