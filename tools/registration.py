"""Lay one picture on another: (H, W) float32 arrays, and maps between them in px."""

from collections.abc import Iterator

import cv2
import numpy as np

from tools.geometry import Affine, scaling, shift

OVERLAP = 0.25
"""The least share of the fixed picture that must be covered for a shift to be believed."""
CENTER = 0.5
"""For OpenCV the centre of a pixel is whole; here pixel 0 covers [0, 1)."""


def warped(values: np.ndarray, where: Affine, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """A picture laid where a map puts it, (height, width) as in `size` (width, height); and which px it covers, bool.

    It is blurred before it is shrunk, so that nothing is skipped.
    """
    height, width = values.shape
    shrink = min(1.0, float(np.sqrt(abs(where.xx * where.yy - where.xy * where.yx))))
    small = (max(1, round(width * shrink)), max(1, round(height * shrink)))
    if small != (width, height):
        values = cv2.resize(values, small, interpolation=cv2.INTER_AREA)
        where = scaling(width / small[0], height / small[1]).then(where)
    matrix = _opencv(where)
    laid = cv2.warpAffine(values, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    covered = cv2.warpAffine(np.ones_like(values), matrix, size, flags=cv2.INTER_LINEAR)
    return laid, covered > 0.999


def standard(values: np.ndarray) -> np.ndarray:
    """The same picture with mean 0 and standard deviation 1, float32; all 0 where it is flat."""
    centered = values.astype(np.float64) - values.mean(dtype=np.float64)
    return (centered / (centered.std() or 1.0)).astype(np.float32)


def best_shift(fixed: np.ndarray, moving: np.ndarray, covered: np.ndarray) -> Affine:
    """The shift of `moving`, in whole px, after which it is most like `fixed` where it covers it; both `standard`.

    By the peak of the cross-correlation (Guizar-Sicairos et al., Optics Letters 33, 2008), with and without
    whitening, which suit fine detail and noise in turn; no shift at all where neither is better.
    """
    filled = np.where(covered, moving, np.median(moving[covered]))
    return max(_shifts(fixed, filled), key=lambda way: likeness(fixed, *_moved(moving, covered, way)))


def _shifts(fixed: np.ndarray, moving: np.ndarray) -> Iterator[Affine]:
    from skimage.registration import phase_cross_correlation

    yield Affine()
    if np.ptp(fixed) == 0 or np.ptp(moving) == 0:
        return
    for normalization in ("phase", None):
        (dy, dx), _, _ = phase_cross_correlation(fixed, moving, normalization=normalization)
        yield shift(float(dx), float(dy))


def refined(fixed: np.ndarray, moving: np.ndarray, covered: np.ndarray, start: Affine, motion: int) -> Affine:
    """The map near `start` after which `moving` is most like `fixed`; `motion` is the kind of map that OpenCV may give.

    By the enhanced correlation coefficient (Evangelidis and Psarakis, IEEE TPAMI 30, 2008). Raises ValueError if none
    is found.
    """
    backward = _opencv(start.inverse()).astype(np.float32)
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 200, 1e-6)
    mask = covered.astype(np.uint8)
    try:
        _, found = cv2.findTransformECC(fixed, moving, backward, motion, stop, mask, 5)
    except cv2.error:
        raise ValueError("no way was found to fit one on the other; use align 'none'") from None
    (xx, xy, x0), (yx, yy, y0) = found.tolist()
    return shift(-CENTER, -CENTER).then(Affine(xx, xy, x0, yx, yy, y0)).then(shift(CENTER, CENTER)).inverse()


def likeness(fixed: np.ndarray, moving: np.ndarray, covered: np.ndarray) -> float:
    """The correlation coefficient where both are, in [-1, 1]; -1 where they hardly meet, 0 where one is flat."""
    if covered.mean() < OVERLAP:
        return -1.0
    a, b = fixed[covered], moving[covered]
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def _moved(values: np.ndarray, covered: np.ndarray, way: Affine) -> tuple[np.ndarray, np.ndarray]:
    size = (values.shape[1], values.shape[0])
    laid, inside = warped(values, way, size)
    return laid, inside & (warped(covered.astype(np.float32), way, size)[0] > 0.999)


def _opencv(where: Affine) -> np.ndarray:
    """[2, 3] the same map for OpenCV."""
    m = shift(CENTER, CENTER).then(where).then(shift(-CENTER, -CENTER))
    return np.array([[m.xx, m.xy, m.x0], [m.yx, m.yy, m.y0]])
