"""Name directions in the patient by the side they point to."""

import numpy as np


def letters(directions: np.ndarray) -> tuple[str, ...] | None:
    """The side towards which each of [n, 3] directions points most, each side of the body used once.

    The components are towards the patient's left, back and head (DICOM PS3.3 C.7.6.2.1.1). None where a direction is
    no direction.
    """
    lengths = np.linalg.norm(directions, axis=1, keepdims=True)
    if not np.isfinite(directions).all() or (lengths < 1e-6).any():
        return None
    shares = np.abs(directions / lengths)
    found = [""] * len(directions)
    for _ in directions:  # the clearest first
        n, side = np.unravel_index(np.argmax(shares), shares.shape)
        found[n] = ("LPS" if directions[n, side] > 0 else "RAI")[side]
        shares[n, :] = shares[:, side] = -1
    return tuple(found)
