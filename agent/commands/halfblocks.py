"""A small picture in any terminal: two pixels a character."""

import cv2
import numpy as np
from rich.style import Style
from rich.text import Text

LEFT = " " * 13


def halfblocks(pixels: np.ndarray, columns: int, rows: int) -> Text:
    """(H, W) or (H, W, 3), uint8, in at most `columns` by `rows` characters: upper half in front, lower behind."""
    height, width = pixels.shape[:2]
    shrink = min(columns / width, 2 * rows / height)
    columns, rows = max(1, round(width * shrink)), max(1, round(height * shrink / 2))
    small = cv2.resize(pixels, (columns, 2 * rows), interpolation=cv2.INTER_AREA)
    colors = np.repeat(small[..., None], 3, axis=2) if small.ndim == 2 else small
    text = Text()
    for upper, lower in zip(colors[::2], colors[1::2], strict=True):
        text.append(LEFT)
        for front, back in zip(upper, lower, strict=True):
            text.append("▀", Style(color=_rgb(front), bgcolor=_rgb(back)))
        text.append("\n")
    text.rstrip()
    return text


def _rgb(color: np.ndarray) -> str:
    return f"rgb({color[0]},{color[1]},{color[2]})"
