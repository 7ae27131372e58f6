"""What `overread data` tells, as tables."""

from collections.abc import Sequence, Sized
from typing import Any

from agent.data import Content, unknown_modalities
from agent.report import Table
from envs.datasets import Card
from envs.episode import Question, Truth
from envs.prompt import described
from envs.row_questions import ALPHABET
from envs.rows import DataError
from tools.image import Place

MOST = 20
"""How many bad rows, pairs or answers are told one by one."""


def counts(found: Content) -> dict[str, Any]:
    return {
        "hash": found.hash,
        "questions": found.kinds.total(),
        "studies": len({study for study, _ in found.pairs}),
        "images": len(found.images),
        "kinds": dict(found.kinds),
    }


def facts(name: str, about: Card | None, found: Content) -> Table:
    numbers = counts(found)
    rows = [("title", about.title), ("licence", about.licence), ("home", about.home)] if about else []
    rows += [(word, str(numbers[word])) for word in ("questions", "studies", "images", "hash")]
    kinds = ", ".join(f"{count} {kind}" for kind, count in found.kinds.most_common())
    return Table("Data set", ("loader", name), (*rows, ("kinds", kinds)))


def unknown(found: Content) -> list[str]:
    return [
        f"{value!r} is no known modality; {count} questions have it as their tag"
        for value, count in unknown_modalities(found).items()
    ]


def warned(warnings: Sequence[str]) -> list[Table]:
    return [Table("Before you trust its numbers", ("warning",), tuple((text,) for text in warnings))][: len(warnings)]


def wrong(bad: Sequence[DataError], missing: int) -> list[Table]:
    title = f"Bad rows: {len(bad)}, of which {missing} name an image that is not there"
    return [Table(title, ("row",), tuple((str(problem),) for problem in bad[:MOST]), _rest(bad))][: len(bad)]


def repeated(twice: Sequence[Sequence[str]]) -> list[Table]:
    """What is asked twice in a split."""
    rows = tuple((ids[0], ", ".join(ids[1:])) for ids in twice[:MOST])
    return [Table("The same question about the same images", ("question", "again"), rows, _rest(twice))][: len(twice)]


def in_both(both: dict[str, list[tuple[str, str]]]) -> list[Table]:
    """What two splits share, by the first question that has it."""
    words = {"images": "the same image", "near": "nearly the same image", "questions": "the same question and images"}
    rows: list[tuple[str, ...]] = []
    for what, pairs in both.items():
        first, *others = pairs[:MOST] or [("", "")]
        rows += [(words[what], str(len(pairs)), *first), *(("", "", *pair) for pair in others)]
    return [Table("In both splits", ("what", "n", "here", "there"), tuple(rows))] if both else []


def constant(found: Content, best: dict[str, dict[str, Any]]) -> Table:
    rows = []
    for kind, count in found.kinds.most_common():
        constant = best.get(kind, {})
        chance = f"{constant['chance']:.1%}" if "chance" in constant else ""
        right = f"{constant['right']:.1%}" if constant else ""
        rows.append((kind, str(count), constant.get("always", ""), right, chance))
    return Table("Kinds, and what a constant answer scores", ("kind", "n", "always", "right", "chance"), tuple(rows))


def spread(found: Content) -> list[Table]:
    """How the answers of each kind, and the values of each tag, are spread."""
    answers = [(f"Answers: {kind}", counted, found.kinds[kind]) for kind, counted in found.answers.items()]
    tags = [(f"Tag: {name}", counted, found.kinds.total()) for name, counted in found.tags.items()]
    return [
        Table(
            title,
            ("", "n", "share"),
            tuple((value, str(times), f"{times / count:.1%}") for value, times in counted.most_common(MOST)),
            _rest(counted),
        )
        for title, counted, count in [*answers, *tags]
    ]


def described_task(question: Question, truth: Truth) -> list[Table]:
    """One question: what is asked, the views shown first, what is true."""
    asked = [("kind", question.kind), ("question", question.text)]
    asked += [(letter, text) for letter, text in zip(ALPHABET, question.choices, strict=False)]
    sources = {source.id: source for source in question.study.sources}
    images = [
        (f"img{n}", described(sources[image.source], image.axis, image.index), f"{image.width} x {image.height}")
        for n, image in enumerate(question.images)
    ]
    true = [("also right", "; ".join(truth.accepted))]
    true += [(type(place.shape).__name__.lower(), _where(place, list(sources))) for place in truth.regions]
    true += [("mask", f"{int(mask.array.sum())} px") for mask in truth.masks]
    return [
        Table("Question", ("id", question.id), (*asked, *question.tags.items())),
        Table("Images", ("name", "what", "px"), tuple(images)),
        Table("Truth", ("answer", truth.answer), tuple(row for row in true if row[1])),
    ]


def _rest(all: Sized) -> str:
    return f"and {len(all) - MOST} more" if len(all) > MOST else ""


def _where(place: Place, sources: list[str]) -> str:
    plane = f", axis {place.axis}, index {place.index}" if place.axis or place.index else ""
    numbers = ", ".join(f"{number:g}" for number in place.shape.numbers)
    return f"[{numbers}] px of image {sources.index(place.source)}{plane}"
