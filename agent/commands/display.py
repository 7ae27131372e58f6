"""A reading as it happens, on stderr."""

import sys
from collections.abc import Sequence
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from agent.commands.halfblocks import halfblocks
from envs.episode import NOTICE, Episode, Truth
from envs.grading import grade
from envs.prompt import described
from envs.transcript import LABEL_WIDTH, Line, ending, lines, safe
from tools.image import Image

STYLES = {"think": "dim", "rethink": "dim", "act": "cyan", "seen": "", "refused": "yellow", "answer": "bold green"}
PICTURE = 48, 16
"""The most columns and rows that a picture takes."""


class Display:
    """Tells of an episode turn by turn. Quiet: says nothing. Plain: no colour, no pictures."""

    def __init__(self, *, quiet: bool = False, plain: bool = False, reasoning: bool = True, file: TextIO | None = None):
        self.console = Console(
            file=file or sys.stderr, quiet=quiet, no_color=plain or None, highlight=False, emoji=False
        )
        colors = self.console.color_system in ("truecolor", "256")  # fewer show no greys
        self.pictures = not plain and not quiet and self.console.is_terminal and colors
        self.reasoning = reasoning
        self._live: Live | None = None
        self._written = ""
        self._opened = False
        self._told = 0

    def opening(self, names: Sequence[str], policy: str) -> None:
        """Say what is read, and by whom."""
        self.console.print(Text(f" {NOTICE}", "dim"))
        for name in names:
            self.console.print(Text(f" {safe(name)}", "bold"), soft_wrap=True)
        self.console.print(Text(f" read by {policy}", "dim"))

    def question(self, episode: Episode) -> None:
        """Say what was asked of whom, for an episode read back."""
        self.console.print(Text(f" {episode.notice}", "dim"))
        self.console.print(Text(f" {safe(episode.question.text)}", "bold"))
        self.console.print(Text(f" read by {episode.policy or 'an unnamed policy'}", "dim"))

    def watch(self, episode: Episode) -> None:
        """Tell of what is new in an episode."""
        if not self._opened:
            self._opened = True
            for number, image in enumerate(episode.opening.images):
                source = next(s for s in episode.question.study.sources if s.id == image.source)
                self._print_row("", f"img{number}", f"{described(source, image.axis, image.index)}{_scale(image)}")
                self._picture(image)
        for number in range(self._told, len(episode.turns)):
            self._turn(episode, number)
        self._told = len(episode.turns)

    def stream(self, text: str) -> None:
        """Show what the policy writes while it writes, on a terminal; the whole turn is told in its place."""
        if not self.reasoning or self.console.quiet or not self.console.is_terminal:
            return
        if self._live is None:
            self._written = ""
            self._live = Live(console=self.console, transient=True)
            self._live.start()
        self._written += text
        self._live.update(Text(f" … {safe(self._written)}", "dim"))

    def still(self) -> None:
        """Take away what is being written: it is whole now, or broken off."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def truth(self, episode: Episode, truth: Truth) -> None:
        """Say what is true, and whether the answer is."""
        judged = grade(episode, truth)
        known = " or ".join([truth.answer, *truth.accepted])
        style = "green" if judged.right else "yellow"
        self.console.print(Text(f" truth {safe(known)} · {'right' if judged.right else 'wrong'}", style))

    def closing(self, episode: Episode, seconds: float, where: str) -> None:
        """Say how it ended and where the record is."""
        tokens = f" · {episode.num_tokens} tok" if episode.num_tokens else ""
        self.console.print(Text(f" {ending(episode)} · {seconds:.1f} s{tokens}", "dim"))
        if where:
            self.console.print(Text(f" {where}", "dim"), soft_wrap=True)

    def _turn(self, episode: Episode, number: int) -> None:
        self.still()
        for first, line in enumerate(lines(episode, number)):
            if line.kind in ("think", "rethink") and not self.reasoning:
                continue
            self._line(line, str(number + 1) if first == 0 else "")
        for image in episode.turns[number].images:
            self._picture(image)

    def _line(self, line: Line, number: str) -> None:
        self._print_row(number, line.label, line.text, line.note, STYLES[line.kind])

    def _print_row(self, number: str, label: str, text: str, note: str = "", style: str = "") -> None:
        lead = f"{number:>2} {label:{LABEL_WIDTH}} "
        width = max(20, self.console.width - len(lead) - len(note) - 2)
        wrapped = Text(text, style).wrap(self.console, width)
        for row, part in enumerate(wrapped):
            part.rstrip()
            head = Text(lead if row == 0 else " " * len(lead), "bold" if label == "answer" else "cyan")
            tail = Text(f"{'':{max(0, width - part.cell_len)}}  {note}" if row == 0 and note else "", "dim")
            self.console.print(Text.assemble(head, part, tail), soft_wrap=True)

    def _picture(self, image: Image) -> None:
        if self.pictures:
            self.console.print(halfblocks(image.pixels, *PICTURE))


def _scale(image: Image) -> str:
    if image.spacing_mm is None:
        return ""
    x, y = image.spacing_mm
    return f", {x:.4g} mm/px" if abs(x - y) < 1e-6 * x else f", {x:.4g} x {y:.4g} mm/px"
