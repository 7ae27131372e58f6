"""Give work to several processes, and hear from each what it has done."""

import multiprocessing
from collections.abc import Callable, Coroutine, Sequence
from queue import Empty
from typing import Any

from agent import interrupts
from agent.config import ConfigError
from agent.faults import PlayError
from agent.loop import PolicyError

Tell = Callable[[Any], None]
"""Told of each thing as soon as it is done."""

Work = Callable[..., Coroutine[Any, Any, None]]
"""A function of a module: its arguments are those of one share of the work, then a `Tell`."""


def spread(work: Work, shares: Sequence[tuple[Any, ...]], tell: Tell) -> None:
    """Do all shares at once, each in a process of its own; a single one in this process.

    Raises PlayError where a process fails.
    """
    if len(shares) == 1:
        interrupts.run(work(*shares[0], tell))
        return
    spawn = multiprocessing.get_context("spawn")
    told: Any = spawn.Queue()
    processes = [spawn.Process(target=_worker, args=(work, share, told), daemon=True) for share in shares]
    for process in processes:
        process.start()
    try:
        running = len(processes)
        while running:
            try:
                what = told.get(timeout=1)
            except Empty:
                if any(process.exitcode for process in processes):
                    raise PlayError("a worker process died; start again with --resume") from None
                continue
            if isinstance(what, PlayError):
                raise what
            if what is None:
                running -= 1
            else:
                tell(what)
    finally:
        for process in processes:
            process.terminate()
            process.join()


def _worker(work: Work, share: tuple[Any, ...], told: Any) -> None:
    """What a worker process does; whatever ends it early is told in words, as the process above cannot see it."""
    try:
        interrupts.run(work(*share, told.put))
    except (PlayError, ConfigError, PolicyError, OSError, ValueError) as error:
        told.put(PlayError(str(error)))
    else:
        told.put(None)
