"""Show another moment of a film."""

from bisect import bisect_right
from typing import Annotated

from pydantic import Field

from tools.image import Image
from tools.ruler import digits
from tools.study import Source
from tools.tool import Observation, ToolError


def frame(
    image: Image,
    index: Annotated[int | None, Field(description="number of the frame, from 0")] = None,
    seconds: Annotated[float | None, Field(description="time since the film began")] = None,
) -> Observation:
    """Show another frame of a film: by its number `index`, or the one shown at a time in `seconds`.

    The region shown, its size, turning and grey window are kept. Marks and outlines belong to their frame.
    """
    source = image.data
    if source.axes == "zyx":
        raise ToolError("frame: this is a volume, which has no frames; use slice")
    if source.axes != "tyx":
        raise ToolError("frame: this is a single picture, which has no frames; use zoom to look closer")
    if (index is None) == (seconds is None):
        raise ToolError("frame: give either index or seconds")
    number = index if index is not None else _shown_at(source, seconds or 0.0)
    last = source.count() - 1
    if not 0 <= number <= last:
        raise ToolError(f"frame: there is no frame {number}; there are 0 to {last}")
    time = f", {digits(source.times_s[number])} s after the film began" if source.times_s else ""
    view = image.look(index=number, marks=(), mask=None)
    return Observation(text=f"Frame {number} of 0 to {last}{time}.", images=(view,))


def _shown_at(source: Source, seconds: float) -> int:
    """The last frame that begins at or before a time."""
    if not source.times_s:
        raise ToolError(f"frame: this film states no times; give an index, 0 to {source.count() - 1}")
    first, last = source.times_s[0], source.times_s[-1]
    if not first <= seconds <= last:
        raise ToolError(f"frame: there is no frame at {seconds:g} s; the film runs from {first:g} to {last:g} s")
    return bisect_right(source.times_s, seconds) - 1
