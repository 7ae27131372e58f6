"""A signal ends a run at once, whichever thread the system gives it to."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROGRAM = """
import asyncio, signal, sys, threading, time
from agent import interrupts

signal.signal(signal.{name}, signal.default_int_handler)  # a shell may have it ignored

def elsewhere():
    time.sleep(0.3)  # by then the loop sleeps
    signal.pthread_kill(threading.get_ident(), signal.{name})

async def nothing_to_do():
    threading.Thread(target=elsewhere, daemon=True).start()
    try:
        await asyncio.Event().wait()
    finally:
        print("ended in order")

try:
    {run}(nothing_to_do())
except KeyboardInterrupt:
    print("interrupted")
"""


def told(run: str, name: str, seconds: float) -> str:
    program = PROGRAM.format(run=run, name=name)
    return subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=seconds, check=True
    ).stdout


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_given_to_another_thread_wakes_the_loop(name):
    assert "interrupted" in told("interrupts.run", name, 60)


def test_without_it_the_loop_sleeps_on():
    with pytest.raises(subprocess.TimeoutExpired):
        told("asyncio.run", "SIGINT", 3)
