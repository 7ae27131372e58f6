"""When too much goes wrong to go on."""

from dataclasses import dataclass

from envs.episode import FAULTS, Episode

MOST_FAULTS = 0.05


class PlayError(RuntimeError):
    """Playing that cannot go on; what was played is kept."""


@dataclass
class Faults:
    """How many episodes were played, and how many of them ended by a fault of ours."""

    played: int = 0
    faults: int = 0
    problem: str = ""

    def add(self, episode: Episode) -> None:
        self.played += 1
        if episode.stop in FAULTS:
            self.faults, self.problem = self.faults + 1, episode.problem

    def check(self) -> None:
        """Raises PlayError where too much went wrong to go on."""
        if self.faults > max(2, MOST_FAULTS * self.played):
            last = self.problem.strip().splitlines()[-1] if self.problem else "no reason given"
            raise PlayError(f"{self.faults} of {self.played} episodes ended by a fault, not by an answer: {last}")
