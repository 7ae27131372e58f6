"""Names of run folders."""

import secrets
from datetime import datetime
from pathlib import Path


def new_run(parent: Path) -> Path:
    """A new, empty folder `parent/<time>-<4 hex>`, made now. Raises OSError where it cannot be."""
    folder = parent / f"{datetime.now():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    folder.mkdir(parents=True)
    return folder


def find_run(name: str, runs: Path) -> Path:
    """The run folder that a path, a name or the end of a name means. Raises FileNotFoundError."""
    if (Path(name) / "episodes").is_dir():
        return Path(name)
    found = sorted(path.parent for path in runs.glob("**/episodes") if path.parent.name.endswith(name))
    if len(found) == 1:
        return found[0]
    if found:
        raise FileNotFoundError(f"{len(found)} runs end in {name!r}: {', '.join(map(str, found[:5]))}")
    raise FileNotFoundError(f"no run {name!r} in {runs}/; `overread ask` makes one")
