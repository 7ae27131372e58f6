"""What keeping the record costs: rollouts with a trace against rollouts without.  Run: python tests/bench/record.py

Each rollout is 3 views of 256 x 256 and 4 replies of 300 tokens; the engine takes 2 ms a token, some replies are longer
than others, and an episode is written when it stops, while others go on.
"""

import asyncio
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
from pairs import CONTROL, timed

from agent.loop import Watch, play_all
from agent.trace import Writer, read
from envs.env import ReadingEnv
from envs.episode import Episode, Reply
from envs.tasks.discs import discs

ROLLOUTS, AT_ONCE = 24, 12
MUST_SHARE, MUST_BYTES, MUST_S = 0.01, 25_000, 100e-6
TASKS = list(discs("test", ROLLOUTS))
RNG = np.random.default_rng(0)
TOKENS = [tuple(int(t) for t in RNG.integers(0, 150_000, 300)) for _ in range(4)]
LOGPROBS = [tuple(float(p) for p in -RNG.random(300, np.float32)) for _ in range(4)]
REPLY_S = 300 * 0.002 * RNG.lognormal(-0.1, 0.4, (ROLLOUTS, 4))
CALL = '{{"name": "zoom", "arguments": {{"image": "img0", "box": [{}, 20, 148, 148]}}}}'
ZOOM = f"<think>{{}}</think><tool_call>{CALL}</tool_call>"


async def policy(episode: Episode) -> Reply:
    turn = len(episode.turns)
    await asyncio.sleep(REPLY_S[int(episode.question.id.rpartition("/")[2])][turn])
    text = ZOOM.format("the edge is sharp " * 60, 20 + turn) if turn < 3 else "<answer>9 mm</answer>"
    return Reply(text=text, token_ids=TOKENS[turn], logprobs=LOGPROBS[turn])


def rollouts(watch: Watch = lambda episode: None) -> list[Episode]:
    make_env = lambda: ReadingEnv(TASKS, tools=["zoom"])  # noqa: E731
    return asyncio.run(play_all(make_env, policy, [question for question, _ in TASKS], AT_ONCE, watch=watch))


def recorded(folder: Path) -> None:
    with Writer(folder) as writer:
        rollouts(lambda episode: writer.write(episode) if episode.stop else None)


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        recorded(folder / "first")  # also warms up
        episodes = rollouts()
        stored = list(read(folder / "first"))
        assert {e.question.id: e.turns for e in stored}.keys() == {e.question.id: e.turns for e in episodes}.keys()
        assert all(e.turns[3].reply.token_ids == TOKENS[3] for e in stored)
        size = sum(p.stat().st_size for p in (folder / "first" / "episodes").iterdir()) / ROLLOUTS
        with Writer(folder / "again") as writer:
            named = [e.model_copy(update={"id": f"s0-{n}", "group": "s0"}) for n, e in enumerate(episodes)]
            for episode in named:  # the pictures are on disk now: what is timed next is the record itself
                writer.write(episode)
            each = min(timed(lambda: [writer.write(episode) for episode in named]) for _ in range(50)) / ROLLOUTS
        off, on, control = [], [], []
        for number in range(3):
            off.append(timed(rollouts))
            on.append(timed(lambda n=number: recorded(folder / f"run{n}")))
            control.append(timed(rollouts))
    share = statistics.median(b / a - 1 for a, b in zip(off, on, strict=True))
    noise = statistics.median(c / a for a, c in zip(off, control, strict=True))
    void = not CONTROL[0] <= noise <= CONTROL[1]
    rows = [
        ("trace on, share of rollout wall", share * 100, MUST_SHARE * 100, "%"),
        ("bytes an episode, pictures apart", size, MUST_BYTES, "B"),
        ("time an episode, pictures apart, best", each * 1e6, MUST_S * 1e6, "us"),
    ]
    print(f"control (off against off) {noise:.3f}{'  void: machine too noisy' if void else ''}")
    for what, figure, must, unit in rows:
        print(f"{what:40} {figure:10.2f} {unit:3} must be at most {must:g}  {'holds' if figure <= must else 'FAILS'}")
    return int(not void and any(figure > must for _, figure, must, _ in rows))


if __name__ == "__main__":
    sys.exit(main())
