"""What a training runs on, as its run card says it."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

LIBRARIES = ("overread", "torch", "transformers", "trl", "peft", "accelerate", "datasets", "tokenizers", "numpy")


def surroundings() -> dict[str, Any]:
    """What it runs on: versions, hardware, and the commit of this code where it is a checkout."""
    return {"versions": _versions(), "hardware": _hardware(), "commit": _commit()}


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _hardware() -> dict[str, Any]:
    import torch

    gpus = [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "gpus": gpus,
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 2**30, 1),
        "system": platform.platform(),
    }


def _commit() -> str | None:
    """The commit, and whether anything was changed since; None where there is no checkout, or no git."""
    home = Path(__file__).parents[2]
    try:
        asked = ["git", "-C", str(home), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
        done = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if (home / ".git").exists() else None
