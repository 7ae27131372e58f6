"""An episode as one picture: the views in the order they were seen, with what was asked of each drawn on it."""

import textwrap
from collections.abc import Iterator

import numpy as np
from PIL import Image as PILImage
from PIL import ImageDraw, ImageFont

from envs.episode import Act, Episode, ToolCall
from envs.transcript import ending, safe, spoken
from tools.geometry import Box, Point
from tools.image import Image

PANEL_PX, TEXT_PX, GAP_PX, LINE_PX, COLUMNS = 320, 80, 12, 24, 4
INK, PAPER, ACCENT, QUIET = (235, 235, 235), (22, 24, 28), (255, 200, 0), (150, 156, 166)
BODY, HEAD = ImageFont.load_default(13), ImageFont.load_default(17)


def picture(episode: Episode) -> PILImage.Image:
    """RGB: the question, a panel for each view, the answer."""
    panels = [_panel(*panel) for panel in _panels(episode)]
    columns = max(1, min(COLUMNS, len(panels)))
    rows = -(-len(panels) // columns)
    width = GAP_PX + columns * (PANEL_PX + GAP_PX)
    fits = max(20, (width - 2 * GAP_PX) // 9)
    said = f"Answer: {episode.answer}" if episode.answer is not None else ending(episode)
    last = textwrap.wrap(safe(said), fits, max_lines=3, placeholder="…")
    height = 44 + rows * (PANEL_PX + TEXT_PX + GAP_PX) + len(last) * LINE_PX + GAP_PX
    sheet = PILImage.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((GAP_PX, 12), textwrap.shorten(safe(episode.question.text), fits, placeholder="…"), INK, HEAD)
    for number, panel in enumerate(panels):
        row, column = divmod(number, columns)
        sheet.paste(panel, (GAP_PX + column * (PANEL_PX + GAP_PX), 44 + row * (PANEL_PX + TEXT_PX + GAP_PX)))
    for line, text in enumerate(last):
        draw.text((GAP_PX, height - GAP_PX - (len(last) - line) * LINE_PX), text, ACCENT, HEAD)
    return sheet


def _panels(episode: Episode) -> Iterator[tuple[str, Image, str, list[Act]]]:
    """(name, view, thought that led on from it, the calls made on it) for every view."""
    calls = [(act, turn) for turn in episode.turns for act in turn.acts if isinstance(act.action, ToolCall)]
    for name, image in episode.images.items():
        made = [(act, turn) for act, turn in calls if act.action.arguments.get("image") == name]  # type: ignore[union-attr]
        thought = made[-1][1].thought if made else (episode.turns[-1].thought if episode.turns else "")
        yield name, image, thought, [act for act, _ in made]


def _panel(name: str, image: Image, thought: str, acts: list[Act]) -> PILImage.Image:
    panel = PILImage.new("RGB", (PANEL_PX, PANEL_PX + TEXT_PX), PAPER)
    view = PILImage.fromarray(image.pixels).convert("RGB")
    grow = min(PANEL_PX / view.width, PANEL_PX / view.height)
    view = view.resize((max(1, round(view.width * grow)), max(1, round(view.height * grow))))
    draw = ImageDraw.Draw(view)
    for act in acts:
        _draw_places(draw, act, image, grow)
    panel.paste(view, ((PANEL_PX - view.width) // 2, (PANEL_PX - view.height) // 2))
    words = ImageDraw.Draw(panel)
    asked = "; ".join(f"{act.action.name} {_rest(act)}" for act in acts if isinstance(act.action, ToolCall))
    words.text((0, PANEL_PX + 4), textwrap.shorten(safe(f"{name}  {asked}"), 46, placeholder="…"), ACCENT, BODY)
    for line, text in enumerate(textwrap.wrap(safe(thought), 48, max_lines=4, placeholder="…")):
        words.text((0, PANEL_PX + 22 + 16 * line), text, QUIET, BODY)
    return panel


def _rest(act: Act) -> str:
    return spoken({n: v for n, v in act.action.arguments.items() if n != "image"})  # type: ignore[union-attr]


def _draw_places(draw: ImageDraw.ImageDraw, act: Act, image: Image, grow: float) -> None:
    """The boxes of a call; its points as crosses, joined in order."""
    points: list[tuple[float, float]] = []
    for place in (place for places in act.places.values() for place in places):
        if isinstance(place.shape, Box):
            box = image.from_source.box(place.shape)
            draw.rectangle(tuple(np.multiply(box.numbers, grow)), outline=ACCENT, width=2)
        else:
            points.append(_on_panel(image.from_source.point(place.shape), grow))
    for x, y in points:
        draw.line((x - 5, y, x + 5, y), fill=ACCENT, width=2)
        draw.line((x, y - 5, x, y + 5), fill=ACCENT, width=2)
    if len(points) > 1:
        draw.line(points, fill=ACCENT, width=2)


def _on_panel(point: Point, grow: float) -> tuple[float, float]:
    return point.x * grow, point.y * grow
