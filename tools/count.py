"""Count what is outlined on a view."""

from typing import Annotated

import cv2
import numpy as np
from pydantic import Field

from tools.geometry import Point
from tools.image import Image, Mark, source_aspect
from tools.pixels import outlined
from tools.ruler import Ruler, rounded
from tools.tool import Observation, Spot, ToolError

LISTED = 24
"""The most places that are named and numbered."""


def count(
    image: Image,
    smallest: Annotated[int, Field(ge=1, description="leave out what has fewer pixels of the source")] = 1,
    split: Annotated[bool, Field(description="part round things that touch, such as nuclei")] = False,
) -> Observation:
    """Count the separate things outlined on a view that `segment` made, and number them, the largest first.

    Pixels that meet at a corner belong together. Splitting is by watershed on the distance to the border.
    """
    pixels = outlined(image)
    if pixels is None:
        raise ToolError("count: nothing is outlined on this image; use segment first, then count on the view it gives")
    labels = _split(pixels.inside, source_aspect(image.data, image.axis)) if split else _labels(pixels.inside)
    sizes = np.bincount(labels.ravel())[1:]
    kept = [n + 1 for n in np.argsort(-sizes, kind="stable") if sizes[n] >= smallest]
    if not kept:
        raise ToolError(f"count: nothing here has {smallest} pixels; the largest has {sizes.max()}")
    centers = [_center(labels == n, pixels.box.x0, pixels.box.y0) for n in kept[:LISTED]]
    marks = tuple(Mark(shape=center, label=str(n + 1)) for n, center in enumerate(centers))
    view = image.look(marks=marks)
    spots = tuple(Spot(image=view.id, shape=view.from_source.point(center)) for center in centers)
    places = ", ".join(f"{{{n}}}" for n in range(len(spots)))
    ruler = Ruler.on(image, pixels.box)
    median = float(np.median(sizes[[n - 1 for n in kept]])) * ruler.x * ruler.y
    left_out = f", {len(sizes) - len(kept)} smaller left out" if len(kept) < len(sizes) else ""
    shown = f"The {LISTED} largest are at" if len(kept) > LISTED else "At"
    text = f"Count: {len(kept)}{left_out}, median area {ruler.area(median)}{ruler.caveat}. {shown} {places}."
    facts: dict[str, float | str] = {"count": len(kept), f"median_area_{ruler.unit}2": rounded(median)}
    return Observation(text=text, images=(view,), spots=spots, facts=facts)


def _labels(inside: np.ndarray) -> np.ndarray:
    """(H, W): 0 outside, 1, 2, ... for each connected part."""
    return cv2.connectedComponents(inside.astype(np.uint8), connectivity=8)[1]


def _split(inside: np.ndarray, aspect: float) -> np.ndarray:
    """The same, with parts cut at their waists.

    A new part begins where the distance to the border rises by a pixel, or a tenth of the greatest, above the waist:
    less is roughness of the border.
    """
    from scipy.ndimage import distance_transform_edt
    from skimage.morphology import reconstruction
    from skimage.segmentation import watershed

    depth = distance_transform_edt(np.pad(inside, 1), sampling=(aspect, 1.0))[1:-1, 1:-1]
    rise = max(1.0, 0.1 * float(depth.max()))
    peaks = inside & (depth - reconstruction(np.maximum(depth - rise, 0), depth) >= rise - 1e-6)
    return watershed(-depth, _labels(peaks), mask=inside)


def _center(inside: np.ndarray, x0: float, y0: float) -> Point:
    rows, columns = np.nonzero(inside)
    return Point(x=x0 + float(columns.mean()) + 0.5, y=y0 + float(rows.mean()) + 0.5)
