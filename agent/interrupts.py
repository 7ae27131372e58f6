"""Run a coroutine so that a signal is always noticed at once."""

import asyncio
import signal
import socket
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run`, with a loop that every signal wakes. For the main thread.

    Python runs a signal's handler between two instructions of the main thread. A signal that comes when the loop is
    about to fall asleep, or that the system hands to another thread, only leaves a note there; without the socket
    of `signal.set_wakeup_fd` the loop would sleep on, and Ctrl-C would do nothing until something else happened.
    """
    asleep, waker = socket.socketpair()
    with asleep, waker, asyncio.Runner() as runner:
        asleep.setblocking(False)
        waker.setblocking(False)
        runner.get_loop().add_reader(asleep, asleep.recv, 4096)
        before = signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        try:
            return runner.run(coroutine)
        finally:
            signal.set_wakeup_fd(before)
