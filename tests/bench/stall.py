"""How long an event loop stands still while work goes on beside it in threads."""

import asyncio
import time
from collections.abc import Callable, Sequence

TICK_S = 0.001


async def stalled(work: Sequence[Callable[[], object]]) -> float:
    """The longest time, s, by which the loop was late while all of `work` was carried out in threads."""
    begun = asyncio.gather(*(asyncio.to_thread(each) for each in work))
    longest = 0.0
    while not begun.done():
        before = time.perf_counter()
        await asyncio.sleep(TICK_S)
        longest = max(longest, time.perf_counter() - before - TICK_S)
    await begun
    return longest


def longest_stalls(work: Sequence[Callable[[], object]], rounds: int) -> list[float]:
    """One figure a round, s, the shortest first."""
    return sorted(asyncio.run(stalled(work)) for _ in range(rounds))
