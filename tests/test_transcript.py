import numpy as np
import pytest

from envs.env import ReadingEnv
from envs.episode import Episode
from envs.picture import picture
from envs.tasks.discs import discs
from envs.transcript import safe, transcript

TASKS = list(discs("test", 1))
QUESTION, TRUTH = TASKS[0]
CALL = '{"name": "zoom", "arguments": {"image": "img0", "box": [64, 32, 192, 160]}}'
ZOOM = f"<think>small</think><tool_call>{CALL}</tool_call>"


def played(*replies: str, **settings) -> Episode:
    env = ReadingEnv(TASKS, **{"tools": ["zoom", "measure"], **settings})
    env.reset(options={"question": QUESTION})
    for reply in replies:
        env.step(reply)
    return env.episode


def test_every_turn_is_told_in_order():
    told = transcript(played(ZOOM, "hm", "<think>so</think><answer>9 mm</answer>")).splitlines()
    heads = [line[:12].split() for line in told[1:-1]]
    assert heads == [["1", "think"], ["zoom"], [], ["2", "unread"], ["3", "rethink"], ["answer"]]
    assert told[3].strip() == "→ img1: 256 x 256. 128 by 128 pixels of the source, shown 2 times as large"
    assert told[-1].startswith("answered in 3 turns, reward")


@pytest.mark.parametrize(
    ("turns", "settings", "ending"),
    [
        ([], {}, "broken off after 0 turns"),
        (["hm"], {}, "broken off after 1 turn"),
        (["hm"], {"max_turns": 1}, "no answer after 1 turn: turn limit"),
    ],
)
def test_how_it_ended_is_said(turns, settings, ending):
    assert transcript(played(*turns, **settings)).splitlines()[-1] == ending


@pytest.mark.parametrize("hostile", ["\x1b[2J", "\x9b31m", "\r", "\x00", "\u202e", "\u2066", "\x07"])
def test_what_could_steer_a_terminal_is_shown_as_a_box(hostile):
    assert safe(f"a{hostile}b") == "a" + "\ufffd" * 1 + hostile[1:] + "b"
    told = transcript(played(f"<think>a{hostile}b</think><answer>c{hostile}d</answer>"))
    assert hostile[0] not in told


def test_the_picture_shows_the_box_that_was_asked_for_where_it_is():
    drawn = np.asarray(picture(played(ZOOM, "<answer>9 mm</answer>"))).astype(int)
    yellow = (np.abs(drawn - (255, 200, 0)) < 3).all(axis=2)
    panel = yellow[44 : 44 + 320, 12 : 12 + 320]  # img0, 256 px shown at 320
    rows, columns = np.nonzero(panel)
    assert (columns.min(), rows.min()) == (64 * 1.25, 32 * 1.25)
    assert (columns.max(), rows.max()) == (192 * 1.25, 160 * 1.25)
