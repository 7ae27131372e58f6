import os
import subprocess
import sys
from pathlib import Path

import pytest

from agent.torch_setup import SMALL
from tests.conftest import needs

needs("torch", "torchvision", "transformers")

ROOT = Path(__file__).parent.parent


def run(code, **environment):
    """Run Python in a process of its own; returns what it printed."""
    clean = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"} | environment
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(command, cwd=ROOT, env=clean, capture_output=True, text=True, check=True).stdout.split()


def test_torchvision_can_be_imported_in_a_new_process_after_setting_up_twice():
    code = (
        "from agent.torch_setup import set_up_torch; set_up_torch(); set_up_torch()\n"
        "import os, torch, torchvision\n"
        "from torchvision.transforms.v2 import functional as f\n"
        "print(f.resize(torch.zeros(3, 8, 8), [4, 2], antialias=True).shape[1:].numel())\n"
        "print(torch.get_num_threads(), os.environ.get('OMP_NUM_THREADS'))"
    )
    pixels, *threads = run(code)
    assert pixels == "8"
    if (os.cpu_count() or 1) <= SMALL:
        assert threads == ["1", "1"]


@pytest.mark.slow
def test_the_number_of_threads_can_be_chosen():
    code = "from agent.torch_setup import set_up_torch; set_up_torch()\nimport torch\nprint(torch.get_num_threads())"
    assert run(code, OMP_NUM_THREADS="2") == ["2"]
