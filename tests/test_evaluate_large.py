"""Ten thousand episodes: the same with one worker and with four, and in memory that stays as it is."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from agent.trace import read

ROOT = Path(__file__).parent.parent
COUNT = 10_000
PROGRAM = """
import json, os, sys
from pathlib import Path
from agent.arms import Arm
from agent.evaluate import evaluate
from agent.plan import Plan

def resident_mb():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

def main(folder, workers, count):
    zoom = '<tool_call>{"name": "zoom", "arguments": {"image": "img0", "box": [10, 10, 50, 50]}}</tool_call>'
    plan = Plan(
        task={"name": "phantoms", "split": "test", "count": count},
        policies={"script": {"name": "scripted", "replies": [zoom, "<answer>A</answer>"]}},
        env={}, arms=(Arm(policy="script"),), count=count,
    )
    Path(folder).mkdir()
    memory = []
    evaluate(plan, Path(folder), workers, lambda result: memory.append(resident_mb()))
    print(json.dumps(memory[:: count // 20]))

if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
"""


def played(folder: Path, workers: int, count: int = COUNT) -> list[float]:
    """Memory after every twentieth of the episodes, MB."""
    program = folder.parent / "program.py"
    program.write_text(PROGRAM)
    command = [sys.executable, program, folder, str(workers), str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env={"PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    memory: list[float] = json.loads(done.stdout)
    return memory


def digest(folder: Path) -> tuple[int, str]:
    """How many episodes there are, and a hash of all of them but for the time they took, in the order of their ids."""
    lines = {}
    for episode in read(folder):
        record = episode.model_dump(mode="json")
        for turn in record["turns"]:
            turn["seconds"] = 0.0
            for act in turn["acts"]:
                act["seconds"] = 0.0
        lines[episode.id] = hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
    return len(lines), hashlib.sha256("".join(lines[name] for name in sorted(lines)).encode()).hexdigest()


@pytest.mark.slow
def test_ten_thousand_episodes_are_the_same_with_one_worker_and_with_four_and_memory_stays_flat(tmp_path):
    memory = played(tmp_path / "one", 1)
    played(tmp_path / "four", 4)
    assert digest(tmp_path / "one") == digest(tmp_path / "four")
    assert digest(tmp_path / "one")[0] == COUNT
    assert max(memory[10:]) - memory[10] < 64, memory  # by then every cache is as full as it gets
    print(f"memory, MB, after every {COUNT // 20} episodes: {[round(m) for m in memory]}")
