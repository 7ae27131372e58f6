"""`overread data`: check, describe, show and convert data sets."""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Group, Parameter
from PIL import Image as PILImage

from agent.cli import BAD_DATA, DONE
from agent.commands.common import Output
from agent.commands.data_tables import (
    constant,
    counts,
    described_task,
    facts,
    in_both,
    repeated,
    spread,
    unknown,
    warned,
    wrong,
)
from agent.commands.tables import print_tables
from agent.config import ConfigError, build, load
from agent.data import baselines, content, shared, sheet
from agent.report import Table
from envs.datasets import Card, MissingImage, Task, card
from envs.rows import DataError, OnBad, refuse
from tools.lookup import names

HELP = """Check, describe, show and convert data sets.

For example:

    overread data ls
    overread data check slake --root ~/data/Slake1.0 --against train
"""
app = App(name="data", help_format="plaintext", help=HELP)
app.command("agent.commands.data_demos:app", name="demos")

DATA = Group("Data", sort_key=6)


@Parameter(name="*", group=DATA)
@dataclass(frozen=True)
class Chosen:
    """Which part of a data set."""

    root: Annotated[Path | None, Parameter(show_default=False)] = None
    "The folder it lies in."
    split: Annotated[str | None, Parameter(show_default=False)] = None
    "Its split; if not given, the one that is usually evaluated."
    skip_bad: Annotated[bool, Parameter(negative="", show_default=False)] = False
    "Leave out rows that cannot be used."
    set: Annotated[tuple[str, ...], Parameter(negative="", show_default=False)] = ()
    "A setting of the loader such as language=zh; may be given again."

    def tasks(self, name: str, on_bad: OnBad, **other: Any) -> Iterator[Task]:
        """The questions. Raises ConfigError for a name or a setting that there is not."""
        if wrong := next((change for change in self.set if "=" not in change), None):
            raise ConfigError(f"{wrong!r}: a setting of a loader is written name=value")
        settings = load(changes=[f"task.{change}" for change in self.set]).get("task", {})
        given = {"root": self.root, "split": self.split, **other}
        stated = {key: value for key, value in given.items() if value is not None}
        return iter(build("envs.tasks", {**settings, **stated, "name": name}, on_bad=on_bad))


@app.command
def ls(output: Output = Output()) -> int:
    """List the tasks: data sets that can be loaded, and what can be made up.

    JSON output: {"tasks": [{"name", "title", "licence", "home", "warnings"}]}; what is made up has a name only.
    """
    cards = {name: card(name) for name in names("envs.tasks")}
    if output.json:
        print(json.dumps({"tasks": [{"name": name, **_said(about)} for name, about in cards.items()]}))
        return DONE
    rows = [(name, about.title, about.licence) if about else (name, "made up", "") for name, about in cards.items()]
    print_tables([Table("Tasks", ("name", "title", "licence"), tuple(rows))], sys.stdout, output.plain)
    return DONE


@app.command
def check(
    name: str,
    *,
    against: str | None = None,
    chosen: Chosen = Chosen(),
    output: Output = Output(),
) -> int:
    """Read a whole split, look at every image, and say what is wrong.

    For example:

        overread data check slake --root ~/data/Slake1.0
        overread data check slake --root ~/data/Slake1.0 --against train --skip-bad

    Exit code 4 where a row cannot be used, unless --skip-bad leaves it out.
    JSON output: {"name", "title", "licence", "home", "warnings", "hash", "questions", "studies", "images", "kinds",
    "bad", "num_bad", "missing_images", "asked_twice", "shared"}.

    Parameters
    ----------
    name
        A loader: a file in envs/tasks.
    against
        Another split: say which images and questions are in both.
    """
    bad: list[DataError] = []
    found = content(chosen.tasks(name, bad.append), bad.append, pixels=True)
    other = content(chosen.tasks(name, _ignore, split=against), _ignore, pixels=True) if against else None
    both = {} if other is None else shared(found, other)
    missing = sum(isinstance(problem, MissingImage) for problem in bad)
    twice = [ids for ids in found.pairs.values() if len(ids) > 1]
    about = card(name)
    warnings = [*(about.warnings if about else ()), *unknown(found)]
    if output.json:
        numbers = {"num_bad": len(bad), "missing_images": missing, "asked_twice": twice, "shared": both}
        told = {"name": name, **_said(about), "warnings": warnings, **counts(found), "bad": [*map(str, bad)]}
        print(json.dumps(told | numbers, ensure_ascii=False))
    else:
        tables = [facts(name, about, found), *warned(warnings), *wrong(bad, missing)]
        tables += [*repeated(twice), *in_both(both)]
        print_tables(tables, sys.stdout, output.plain)
    return _ended(bad, chosen.skip_bad, output)


@app.command
def stats(name: str, *, chosen: Chosen = Chosen(), output: Output = Output()) -> int:
    """Say how answers, languages and modalities are spread, and what a constant answer would score.

    For example:

        overread data stats pmc_vqa --root ~/data/PMC-VQA --split test_2

    JSON output: {"questions", "kinds", "answers", "baselines", "tags"}.

    Parameters
    ----------
    name
        A loader: a file in envs/tasks.
    """
    bad: list[DataError] = []
    found = content(chosen.tasks(name, bad.append if chosen.skip_bad else refuse), refuse)
    best = baselines(found)
    if output.json:
        told = {"answers": found.answers, "baselines": best, "tags": found.tags}
        print(json.dumps(counts(found) | told, ensure_ascii=False))
    else:
        print_tables([constant(found, best), *spread(found)], sys.stdout, output.plain)
    return _ended(bad, chosen.skip_bad, output)


@app.command
def show(
    name: str, which: str = "1", *, save: Path | None = None, chosen: Chosen = Chosen(), output: Output = Output()
) -> int:
    """Show one question: what is asked, what the images are, what is true.

    For example:

        overread data show slake 3 --root ~/data/Slake1.0 --save question.png
        overread data show slake slake/test/11934 --root ~/data/Slake1.0

    JSON output: {"question", "truth", "view"}, as they are stored.

    Parameters
    ----------
    name
        A loader: a file in envs/tasks.
    which
        The id of a question, or its number in the split, from 1.
    save
        Write its views side by side, with the true boxes and points drawn (PNG).
    """
    bad: list[DataError] = []
    question, truth = _found(chosen.tasks(name, bad.append if chosen.skip_bad else refuse), which, name)
    if save is not None:
        PILImage.fromarray(sheet(question, truth)).save(save, "PNG")
    if output.json:
        told = {"question": question.model_dump(mode="json"), "truth": truth.model_dump(mode="json")}
        print(json.dumps(told | {"view": str(save) if save else None}, ensure_ascii=False))
        return DONE
    print_tables(described_task(question, truth), sys.stdout, output.plain)
    return DONE


@app.command
def convert(name: str, *, out: Path, chosen: Chosen = Chosen(), output: Output = Output()) -> int:
    """Write a split in the plain JSONL format, with its images, as PNG and NPY files, beside it.

    For example:

        overread data convert slake --root ~/data/Slake1.0 --out slake-plain
        overread data convert shape --set count=20 --out shapes

    JSON output: {"file", "questions", "images", "licence"}.

    Parameters
    ----------
    name
        A loader: a file in envs/tasks.
    out
        A folder; the questions are written to OUT/<split>.jsonl, which must not be there.
    """
    from agent.convert import convert as write

    bad: list[DataError] = []
    tasks = chosen.tasks(name, bad.append if chosen.skip_bad else refuse)
    path, questions, images = write(tasks, out)
    about = card(name)
    if output.json:
        told = {"file": str(path), "questions": questions, "images": images, "licence": about and about.licence}
        print(json.dumps(told, ensure_ascii=False))
    else:
        print(f"{path}: {questions} questions about {images} images" + (f"; {about.licence}" if about else ""))
        print(f"overread data check jsonl --root {out} --split {path.stem}")
    return _ended(bad, chosen.skip_bad, output)


def _ignore(problem: DataError) -> None:
    """What is wrong with a split that is only compared with is told when it is checked itself."""


def _ended(bad: Sequence[DataError], skip: bool, output: Output) -> int:
    """Say how many rows were left out, or that there are bad ones."""
    if bad and skip:
        if not output.quiet:
            print(f"{len(bad)} bad rows were left out", file=sys.stderr)
        return DONE
    if bad and not output.json:
        print(f"error: {len(bad)} rows cannot be used; --skip-bad leaves them out", file=sys.stderr)
    return BAD_DATA if bad else DONE


def _found(tasks: Iterator[Task], which: str, name: str) -> Task:
    count = 0
    for count, (question, truth) in enumerate(tasks, start=1):
        if which in (question.id, str(count)):
            return question, truth
    raise ConfigError(f"{name} has no question {which!r}; give its id, or a number from 1 to {count}")


def _said(about: Card | None) -> dict[str, Any]:
    return about._asdict() if about else {}
