"""Ophiuchus as released: the outline that is graded is the newest of the episode, and the first is the truth itself."""

from envs.episode import Episode, Truth


def own_mask(episode: Episode, truth: Truth) -> float:
    """IoU by steps (3, 2, 1), 1 for form, and 2 for a tool where that is more than nothing; out of 6."""
    outlined = [*truth.masks, *(image.mask for image in episode.images.values() if image.mask)]
    if not outlined:
        return 0.0
    one, other = outlined[-1].array, truth.masks[0].array if truth.masks else outlined[-1].array
    iou = (one & other).sum() / (one | other).sum()
    steps = sum(iou > limit for limit in (0.5, 0.7, 0.8))
    return float(steps + 1 + 2 * (steps > 0 and bool(episode.tool_calls))) / 6
