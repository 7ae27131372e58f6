"""What is drawn when: the same for the same seed, whoever draws, and however often a training is stopped."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np


def drawn(shares: Sequence[float], count: int, seed: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """(pool, place) [count] of every sample: the pool it is of, and how many of that pool came before it."""
    which = np.random.default_rng([*seed, 0]).choice(len(shares), count, p=np.asarray(shares) / sum(shares))
    place = np.empty(count, np.int64)
    for pool in range(len(shares)):
        own = which == pool
        place[own] = np.arange(own.sum())
    return which, place


@lru_cache(maxsize=64)
def shuffled(size: int, seed: tuple[int, ...]) -> np.ndarray:
    """[size] the order of one epoch."""
    return np.random.default_rng(seed).permutation(size)


def number_of(size: int, place: int, seed: tuple[int, ...]) -> int:
    """The number, 0 to `size` - 1, that comes at this place: without replacement, epoch after epoch."""
    epoch, within = divmod(place, size)
    return int(shuffled(size, (*seed, epoch))[within])
