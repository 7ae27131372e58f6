"""The command `overread`: finds the verb, runs it, and turns every failure into one sentence and an exit code.

Nothing heavy is imported before a verb is known, so that help is there at once.
"""

import json
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from typing import Any, NoReturn

VERBS = {
    "ask": ("agent.commands.ask:ask", "Ask a question about a study and watch it being read."),
    "show": ("agent.commands.show:show", "Show a stored episode in the terminal."),
    "tools": ("agent.commands.tools:app", "List the image tools, or try one on a study."),
    "eval": ("agent.commands.eval:app", "Measure how well a policy reads, beside baselines that do not look."),
    "data": ("agent.commands.data:app", "Check, describe, show and convert data sets."),
    "sft": ("agent.commands.sft:sft", "Teach a model to read, by demonstrations."),
    "grpo": ("agent.commands.grpo:grpo", "Teach a model to read by its own attempts."),
    "lint": ("agent.commands.lint:lint", "Say what a reward would pay to those who cheat."),
    "play": ("agent.commands.play:play", "Be the reader yourself: the tools, the rules and the record are the same."),
    "doctor": ("agent.commands.doctor:doctor", "Say what is installed and what works; or whether a run is whole."),
}
OVERVIEW = """\
overread: a vision-language policy reads medical images with tools, step by step.
Research use only, not a medical device.

  overread ask scan.dcm "How wide is the vessel from (629, 320) to (689, 435)?"
  overread tools call measure scan.dcm --args '{{"start": [629, 320], "end": [689, 435]}}'

Commands
{verbs}

`overread COMMAND --help` tells more. `overread --version` prints the version.
Exit codes: 0 done, 1 unexpected error, 2 usage or config, 3 environment not fit, 4 bad input data,
5 a check was not passed, 75 stopped by SIGTERM, 130 Ctrl-C (what was recorded is kept).
"""

DONE, UNEXPECTED, USAGE, UNFIT, BAD_DATA, GATE, STOPPED, INTERRUPTED = 0, 1, 2, 3, 4, 5, 75, 130


class Stopped(BaseException):
    """The process was asked to end (SIGTERM)."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; returns its exit code."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    signal.signal(signal.SIGTERM, _stop)
    sys.excepthook = _unexpected
    home = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    sys.path += [home, os.getcwd()]  # a tool of one's own is found, after ours: it hides none of them
    try:
        code = begin(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except Stopped:
        return STOPPED
    except BrokenPipeError:  # the reader of our output has gone, as with `| head`
        _speak_to_nobody()
        return DONE
    except OSError as error:  # what we had to say could not be written
        _speak_to_nobody()
        return fail(arguments, UNFIT, "environment", said(error))
    return code


def begin(arguments: list[str]) -> int:
    """Answer at once what needs nothing to be loaded; run everything else."""
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(overview(), end="")
        return DONE
    if arguments[0] == "--version":
        from importlib.metadata import version

        print(f"overread {version('overread')}")
        return DONE
    return run(arguments)


def overview() -> str:
    """The help of the command as a whole."""
    return OVERVIEW.format(verbs="\n".join(f"  {name:8} {says}" for name, (_, says) in VERBS.items()))


def run(arguments: list[str]) -> int:
    """Parse a command line and call its verb."""
    from cyclopts import App, CycloptsError

    app = App(name="overread", help_format="plaintext", help_on_error=False, suppress_keyboard_interrupt=False)
    for name, (where, _) in VERBS.items():
        app.command(where, name=name)
    try:
        return app(arguments, exit_on_error=False, print_error=False, result_action="return_value") or DONE
    except CycloptsError as error:
        return fail(arguments, USAGE, "usage", " ".join(str(error).split()))
    except BrokenPipeError:  # an OSError that is nobody's fault
        raise
    except Exception as error:
        answer = next((answer for failure, answer in expected().items() if isinstance(error, failure)), None)
        if answer is None:
            raise
        if "--debug" in arguments:
            traceback.print_exc()
        return fail(arguments, *answer, said(error))


def expected() -> dict[type[Exception], tuple[int, str]]:
    """The failures that have an answer: their exit code and kind."""
    from agent.config import ConfigError
    from agent.faults import PlayError
    from agent.loop import PolicyError
    from agent.training.seam import TrainingError
    from envs.rows import DataError
    from tools.files import FileError
    from tools.tool import ToolError

    return {
        FileError: (BAD_DATA, "data"),
        DataError: (BAD_DATA, "data"),
        ConfigError: (USAGE, "config"),
        ToolError: (USAGE, "tool"),
        PolicyError: (UNFIT, "policy"),
        TrainingError: (GATE, "training"),
        PlayError: (UNFIT, "playing"),
        ImportError: (UNFIT, "environment"),
        OSError: (UNFIT, "environment"),
    }


def said(error: Exception) -> str:
    """A failure in one sentence."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error) or type(error).__name__


def fail(arguments: Sequence[str], code: int, kind: str, message: str) -> int:
    """Say what went wrong, for a person on stderr or for a program on stdout."""
    message = "".join(c if c.isprintable() else "\ufffd" for c in message)  # nothing that steers a terminal
    if "--json" in arguments:
        print(json.dumps({"error": {"code": code, "kind": kind, "message": message}}, ensure_ascii=False))
    else:
        print(f"error: {message}", file=sys.stderr)
    return code


def _unexpected(kind: type[BaseException], error: BaseException, where: Any) -> None:
    """What is said of a fault of our own."""
    if "--debug" in sys.argv:
        sys.__excepthook__(kind, error, where)
        return
    message = f"{kind.__name__}: {error} (a fault of overread's own; --debug shows where)"
    fail(sys.argv, UNEXPECTED, "unexpected", message)


def _speak_to_nobody() -> None:
    """Let what is still to be written to stdout go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _stop(signal_number: int, frame: Any) -> NoReturn:
    raise Stopped


if __name__ == "__main__":
    sys.exit(main())
