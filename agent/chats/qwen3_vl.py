"""Qwen3-VL: places are thousandths of the image (arXiv:2511.21631, grounding data)."""

from pathlib import Path

from agent.chats.qwen import image_limits, qwen_chat
from agent.coordinates import THOUSANDTHS
from agent.render import Chat


def qwen3_vl(folder: Path) -> Chat:
    """How the Qwen3-VL model in a folder is written to. Raises PolicyError."""
    return qwen_chat(folder, image_limits(folder), THOUSANDTHS)
