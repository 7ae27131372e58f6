"""Qwen2.5-VL: places are pixels of the image after its resizing to whole patches (arXiv:2502.13923, 2.1.2)."""

from pathlib import Path

from agent.chats.qwen import image_limits, qwen_chat
from agent.coordinates import in_pixels
from agent.render import Chat


def qwen2_5_vl(folder: Path) -> Chat:
    """How the Qwen2.5-VL model in a folder is written to. Raises PolicyError."""
    limits = image_limits(folder)
    return qwen_chat(folder, limits, in_pixels(limits.size))
