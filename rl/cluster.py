"""The Ray cluster that workers live on: one that is joined, or one that is started for this training alone."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rl.settings import Rollout

HOME = Path(__file__).parents[1]
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is sent anywhere
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_memory_monitor_refresh_ms": "0",  # it ends workers for what others hold
}
LEAST_STORE = 256 * 2**20
"""Bytes of Ray's object store, at least."""


@contextlib.contextmanager
def cluster(how: Rollout, nbytes: int) -> Iterator[None]:
    """Connect to Ray; `nbytes` is the size of the weights that travel through its store. Raises ConnectionError."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ModuleNotFoundError:
        raise ImportError("rollouts need ray: pip install 'overread[train]'") from None
    shared: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False, "include_dashboard": False}
    if how.address:
        shared = {"address": how.address, "logging_level": "ERROR", "log_to_driver": False}
    else:
        shared |= {"num_cpus": max(os.cpu_count() or 1, -(-how.workers * how.cpus // 1))}
        shared |= {"object_store_memory": max(LEAST_STORE, 3 * nbytes)}
    if ray.is_initialized():
        yield
        return
    # Ray puts the current folder first on its workers' path: ours are to be found there
    with contextlib.chdir(HOME), _own_signals():
        ray.init(**shared)
    try:
        yield
    finally:
        ray.shutdown()


@contextlib.contextmanager
def _own_signals() -> Iterator[None]:
    """Keep our answers to signals: Ray has its own, which end the process at once."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, answer in kept.items():
                signal.signal(number, answer)
