"""How soon `overread --help` is there, against `trl --help`.  Run: python tests/bench/start.py"""

import subprocess
import sys
from pathlib import Path

from pairs import compare, report

BIN = Path(sys.executable).parent


def run(*words: str) -> str:
    return subprocess.run([BIN / words[0], *words[1:]], capture_output=True, text=True, check=True).stdout


def main() -> int:
    assert "Commands" in run("overread", "--help"), "overread --help lists its commands"
    assert "grpo" in run("trl", "--help"), "trl --help lists its commands"
    bar = compare("overread --help vs trl --help", lambda: run("trl", "--help"), lambda: run("overread", "--help"), 2.0)
    return report([bar])


if __name__ == "__main__":
    sys.exit(main())
