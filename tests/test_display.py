"""What is shown of a reading while it goes on."""

import asyncio
import io

import pytest

from agent.commands.display import Display
from agent.loop import play
from agent.policies.scripted import scripted
from envs.env import ReadingEnv

REPLY = "<think>A disc.</think><answer>9 mm</answer>"


@pytest.fixture
def screen(monkeypatch):
    """A file that passes for a terminal."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return io.StringIO()


def test_what_is_written_is_shown_on_a_terminal_and_taken_away_when_it_is_whole(screen, task):
    display = Display(file=screen)
    display.stream("<think>A ")
    display.stream("disc.</think>")
    asyncio.run(play(ReadingEnv([task]), scripted([REPLY]), task[0], watch=display.watch))
    said = screen.getvalue()
    assert "<think>A disc.</think>" in said
    assert said.index("\x1b[2K") < said.index("think     ") < said.index("answer")
    assert said.count("\x1b[?25l") == said.count("\x1b[?25h") == 1  # the cursor is back


def test_what_was_broken_off_leaves_the_cursor_where_it_was(screen):
    display = Display(file=screen)
    display.stream("<think>A ")
    display.still()
    display.still()
    assert screen.getvalue().endswith("\x1b[2K")
    assert "\x1b[?25h" in screen.getvalue()


def test_escapes_in_what_is_written_are_not_carried_out(screen):
    display = Display(file=screen)
    display.stream("\x1b[31mred\x1b]0;title\x07")
    display.still()
    assert "\x1b[31m" not in screen.getvalue()
    assert "\x1b]0;" not in screen.getvalue()


@pytest.mark.parametrize("more", [{}, {"reasoning": False}, {"quiet": True}])
def test_elsewhere_only_whole_turns_are_told(more, monkeypatch):
    file = io.StringIO()
    if more:
        monkeypatch.setenv("FORCE_COLOR", "1")
    Display(file=file, **more).stream("<think>A ")
    assert file.getvalue() == ""
