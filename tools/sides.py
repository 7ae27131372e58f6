"""Which side of the patient lies where on a view."""

from tools.image import Image, turned_letters
from tools.study import Source

SIDES = {"L": "left", "R": "right", "A": "front", "P": "back", "S": "head", "I": "feet"}
OPPOSITE = dict(zip("LRAPSI", "RLPAIS", strict=True))
PLANES = {"L": "sagittal", "R": "sagittal", "A": "coronal", "P": "coronal", "S": "axial", "I": "axial"}


def plane_name(source: Source, axis: int) -> str:
    """What radiologists call the planes of a volume across an axis; empty where the orientation is not known."""
    return PLANES.get(source.orientation[axis], "") if source.orientation and source.axes == "zyx" else ""


def edge_letters(image: Image) -> dict[str, str] | None:
    """The side of the patient at each edge of a view, as in {"left": "R", "top": "A" ...}; None: not known."""
    source = image.data
    if source.orientation is None:
        return None
    down, right = (o for a, o in enumerate(source.orientation) if source.axes == "yx" or a != image.axis)
    right, bottom = turned_letters(right, down, image.mirrored, image.turns)
    if not {right, bottom} <= OPPOSITE.keys():
        return None
    return {"left": OPPOSITE[right], "top": OPPOSITE[bottom], "right": right, "bottom": bottom}


def edges_said(image: Image) -> str:
    """The sides of the patient at the edges of a view, in words: a sentence."""
    letters = edge_letters(image)
    if letters is None:
        return "The file does not say which side of the patient lies where."
    left, top = SIDES[letters["left"]], SIDES[letters["top"]]
    right, bottom = SIDES[letters["right"]], SIDES[letters["bottom"]]
    return (
        f"Of the patient, {left} is at the left edge, {right} at the right, {top} at the top, {bottom} at the bottom."
    )
