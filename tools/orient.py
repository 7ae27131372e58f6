"""Turn or mirror an image."""

from typing import Annotated, Literal

from pydantic import Field

from tools.image import Image
from tools.sides import edge_letters, edges_said
from tools.tool import Observation, ToolError


def orient(
    image: Image,
    rotate: Annotated[Literal[0, 90, 180, 270], Field(description="degrees clockwise")] = 0,
    flip: Annotated[Literal["horizontal", "vertical"] | None, Field(description="after turning")] = None,
) -> Observation:
    """Show an image turned clockwise by `rotate` degrees, then mirrored left to right (flip "horizontal") or top to
    bottom ("vertical").

    Exact: no pixel is resampled, only moved.
    """
    if rotate == 0 and flip is None:
        raise ToolError("orient: nothing to do; give rotate (90, 180 or 270) or flip (horizontal or vertical)")
    turns, mirrored = image.turns + rotate // 90, image.mirrored
    if flip is not None:  # mirroring after n turns is mirroring before -n turns; top to bottom is that and a half turn
        turns, mirrored = (2 if flip == "vertical" else 0) - turns, not mirrored
    width, height = (image.height, image.width) if rotate in (90, 270) else (image.width, image.height)
    view = image.look(turns=turns % 4, mirrored=mirrored, width=width, height=height)
    return Observation(text=f"{_done(rotate, flip)} {_compared(image, view)}", images=(view,))


def _done(rotate: int, flip: str | None) -> str:
    turned = f"turned by {rotate} degrees clockwise" if rotate else ""
    flipped = {"horizontal": "mirrored left to right", "vertical": "mirrored top to bottom", None: ""}[flip]
    return f"The view is now {' and '.join(filter(None, (turned, flipped)))}."


def _compared(image: Image, view: Image) -> str:
    """Where the sides of the patient are now, and a warning where left and right have changed places."""
    before, after = edge_letters(image), edge_letters(view)
    if before is None or after is None:
        mirrored = "Left and right of what is shown have changed places. " if image.mirrored != view.mirrored else ""
        return mirrored + edges_said(view)
    moved = any({before[side], after[side]} == {"L", "R"} for side in ("left", "top"))
    return ("The patient's left and right have changed places. " if moved else "") + edges_said(view)
