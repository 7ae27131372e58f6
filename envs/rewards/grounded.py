"""Did the policy look where the evidence is?"""

from collections.abc import Sequence

import numpy as np

from envs.episode import Episode, Truth
from envs.looks import Region, boxes, looks
from tools.geometry import Box


def grounded(episode: Episode, truth: Truth) -> float:
    """IoU of what was looked at and the truth's boxes, times the share of its planes that was not looked at.

    Both are sets of px of the source, over all planes. A look that holds another one was on the way there and does not
    count; so narrowing costs nothing, and looking everywhere earns nothing. 0 where the truth names no box: what
    cannot be checked is not paid.
    """
    areas = {source.id: source for source in episode.question.study.sources}
    wanted = boxes(truth.regions)
    seen = _narrowest([look.region for look in looks(episode) if look.region.plane[0] in areas])
    if not wanted or not seen:
        return 0.0
    looked_at, either = _area(seen), _area([*seen, *wanted])
    common = looked_at + _area(wanted) - either
    planes = sum(float(np.prod(areas[source].plane_shape(axis))) for source, axis, _ in {r.plane for r in seen})
    return min(1.0, max(0.0, common / either * (1 - looked_at / planes)))


def _narrowest(regions: Sequence[Region]) -> list[Region]:
    return [r for r in regions if not any(other != r and other.inside(r) for other in regions)]


def _area(regions: Sequence[Region]) -> float:
    """Area of the union, px."""
    planes = {region.plane for region in regions}
    return sum(_union([region.box for region in regions if region.plane == plane]) for plane in planes)


def _union(boxes: Sequence[Box]) -> float:
    """Area that some boxes of one plane cover: on the grid of all their edges."""
    xs, ys = np.unique([(b.x0, b.x1) for b in boxes]), np.unique([(b.y0, b.y1) for b in boxes])
    covered = np.zeros((len(ys) - 1, len(xs) - 1), bool)
    for box in boxes:
        (x0, x1), (y0, y1) = np.searchsorted(xs, (box.x0, box.x1)), np.searchsorted(ys, (box.y0, box.y1))
        covered[y0:y1, x0:x1] = True
    return float(np.diff(ys) @ covered @ np.diff(xs))
