"""Episodes that are played by a script, for the tests of demonstrations."""

from typing import Any

from envs.env import ReadingEnv
from envs.episode import Episode, Question, Truth


def ended(task: tuple[Question, Truth], *replies: str, **more: Any) -> Episode:
    env = ReadingEnv([task], **more)
    env.reset(options={"question": task[0]})
    for reply in replies:
        env.step(reply)
    return env.episode


ZOOM = '<tool_call>{"name": "zoom", "arguments": {"image": "img0", "box": [10, 10, 90, 90]}}</tool_call>'
AWAY = ZOOM.replace("[10, 10, 90, 90]", "[900, 900, 950, 950]")
