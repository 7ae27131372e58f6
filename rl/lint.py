"""What a reward would pay to those who cheat, found by letting them play.

A reward is flagged where it
- pays a reader without a right answer more than `SHARE` of what the honest one earns;
- pays a right answer with a cheat more than the honest reader, or more than the same answer without the cheat;
- pays the honest reader no more for a right answer than for a wrong one;
- leaves [0, 1], is no number, or raises;
- pays another amount when the same record is judged again.
"""

import asyncio
from collections.abc import Mapping
from typing import NamedTuple

from agent.loop import play
from agent.policies.scripted import scripted
from envs.env import ReadingEnv
from envs.episode import Episode, Question
from envs.score import judge
from rl.cheats import MAX_TURNS, cheats
from rl.readers import Case, Script, answer
from rl.studies import studies

SHARE = 0.2
"""The most that a reader without a right answer may earn, as a share of what the honest one does."""
HAIR = 1e-9
HONEST, MISTAKEN = "honest reader", "honest reader, but wrong"


class Game(NamedTuple):
    """An episode that was played, and those it is compared with."""

    cheat: str
    right: bool
    """Whether the right answer was given."""
    episode: Episode
    honest: Episode
    without: Episode | None
    """The same reading, but for the cheat."""


class Finding(NamedTuple):
    """What a reader earned at a question of some kind."""

    cheat: str
    kind: str
    right: bool
    earns: float
    honest: float
    """What the honest reader earned at the same question."""
    why: str
    """Why that is flagged; empty where it is not."""


class Paid(NamedTuple):
    reward: float
    problem: str
    """What is wrong with the reward by itself."""


def games(seed: int = 0) -> list[Game]:
    """Let the honest and those who cheat play every study, drawn with `seed`."""
    tasks = list(studies(seed))
    env = ReadingEnv(tasks, rewards={}, max_turns=MAX_TURNS)
    return [game for question, truth in tasks for game in _at(env, Case(question, truth))]


def lint(weights: Mapping[str, float], played: list[Game]) -> list[Finding]:
    """Judge what was played by these rewards."""
    return [_found(game, weights) for game in played]


def _at(env: ReadingEnv, case: Case) -> list[Game]:
    """Everyone's reading of one question."""
    honest = _played(env, case.question, (*case.looking, answer(case.right)))
    mistaken = _played(env, case.question, (*case.looking, answer(case.wrong)))
    found = [Game(HONEST, True, honest, honest, None), Game(MISTAKEN, False, mistaken, honest, None)]
    for cheat in cheats(case):
        episode = _played(env, cheat.question, cheat.replies)
        without = _played(env, cheat.question, cheat.without) if cheat.without else None
        found.append(Game(cheat.name, cheat.right, episode, honest, without))
    return found


def _played(env: ReadingEnv, question: Question, replies: Script) -> Episode:
    return asyncio.run(play(env, scripted(replies), question))


def _found(game: Game, weights: Mapping[str, float]) -> Finding:
    paid, honest = _paid(game.episode, weights), _paid(game.honest, weights)
    without = _paid(game.without, weights) if game.without else None
    why = paid.problem or honest.problem or _flaw(game, paid.reward, honest.reward, without and without.reward)
    return Finding(game.cheat, game.episode.question.kind, game.right, paid.reward, honest.reward, why)


def _flaw(game: Game, earns: float, honest: float, without: float | None) -> str:
    """Why what was earned is too much; empty where it is not."""
    if game.cheat == MISTAKEN:
        return "wrong pays as much as right" if earns > 0 and earns >= honest else ""
    if without is not None and earns > without + HAIR:
        return f"the cheat adds {earns - without:.2f}"
    if game.right:
        return "pays more than honest reading" if earns > honest + HAIR else ""
    return f"more than {SHARE:.0%} of honest reading" if earns > SHARE * honest + HAIR else ""


def _paid(episode: Episode, weights: Mapping[str, float]) -> Paid:
    truth = episode.truth
    record = Episode.model_validate_json(episode.model_dump_json())
    try:
        first, again = judge(episode, truth, weights), judge(record, truth, weights)
    except Exception as error:  # a reward of one's own may raise anything: that is what is looked for
        return Paid(0.0, f"{type(error).__name__}: {error}")
    if first is None or again is None:
        raise ValueError(f"an episode that stopped by {episode.stop} cannot be judged")
    return Paid(first.reward, "" if first == again else "pays another amount when the record is judged again")
