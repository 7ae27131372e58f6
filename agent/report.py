"""The report of an evaluation as tables: for the terminal, for Markdown and for one HTML file with plots."""

import html
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from agent.evaluate import Result
from envs.episode import NOTICE

Numbers = Mapping[str, Any]


class Table(NamedTuple):
    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def tables(summary: Numbers, results: Sequence[Result] = ()) -> list[Table]:
    """Every table of a report that has rows, the most important first."""
    arms = summary["arms"]
    found = [
        Table("Readers", ("reader", "n", "right", "95 %", "score", "strict", "unread", "faults"), _readers(arms), WHAT),
        Table("Without looking", ("guess", "n", "right", "95 %", "score"), _guesses(summary["baselines"]), GUESSES),
        Table(
            "Against the first", ("reader", "n", "difference", "95 %", "McNemar p", "permutation p"), _pairs(summary)
        ),
        Table("What tools did", ("reader", *EFFECTS), _effects(summary["tools"])),
        Table("What became of the answers", ("reader", *_causes(arms)), _cause_rows(arms)),
        Table(
            "Cost of a question",
            ("reader", "turns", "tool calls", "refused", "tokens", "seconds"),
            _cost(arms, results),
        ),
        *_by_tag(summary),
        Table("Corrupted", ("corruption/level", "right", "relative robustness"), _ladder(summary["robustness"])),
        Table("Out of distribution", ("reader", "in", "out", "relative robustness"), _ood(summary.get("ood", {}))),
        Table("Reports", ("reader", "reports", "all right", "questions right", "macro F1"), _reports(summary)),
        Table("Seeds", ("seed", "right"), _seeds(summary["seeds"])),
        Table("Scores of the graders", ("reader", "score", "n", "mean"), _metrics(arms)),
    ]  # fmt: skip
    return [table for table in found if table.rows]


WHAT = "Every question counts: what cannot be read, or was not answered, is wrong. Intervals are drawn over studies."
GUESSES = "What those earn who do not look at the study: the data's own floor."
EFFECTS = ("helped", "harmed", "right with and without", "neither")


def markdown(title: str, facts: Mapping[str, str], found: Sequence[Table]) -> str:
    """The report as Markdown."""
    parts = [f"# {title}", "", NOTICE, "", *(f"- {name}: {value}" for name, value in facts.items())]
    for table in found:
        parts += ["", f"## {table.title}", "", *([table.note, ""] if table.note else [])]
        parts += [
            "| " + " | ".join(_cell(c) for c in row) + " |" for row in (table.header, ["---"] * len(table.header))
        ]
        parts += ["| " + " | ".join(_cell(c) for c in row) + " |" for row in table.rows]
    return "\n".join(parts) + "\n"


def page(title: str, facts: Mapping[str, str], found: Sequence[Table], plots: Sequence[str]) -> str:
    """The report as one HTML file, which asks nothing of the network. `plots` are SVG."""
    body = [f"<h1>{html.escape(title)}</h1><p>{NOTICE}</p><ul>"]
    body += [f"<li>{html.escape(name)}: {html.escape(value)}</li>" for name, value in facts.items()]
    body += ["</ul>", *(f"<figure>{plot}</figure>" for plot in plots)]
    for table in found:
        head = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in table.header)
        rows = "".join("<tr>" + _html_row(row) + "</tr>" for row in table.rows)
        note = f"<p>{html.escape(table.note)}</p>" if table.note else ""
        body.append(f"<h2>{html.escape(table.title)}</h2>{note}<table><tr>{head}</tr>{rows}</table>")
    head = f'<meta charset="utf-8"><title>{html.escape(title)}</title><style>{STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(body)}</body></html>\n'


STYLE = (
    "body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#111;"
    "background:#fff}table{border-collapse:collapse;margin:.6rem 0 1.6rem}td,th{padding:.25rem .7rem;text-align:right;"
    "border-bottom:1px solid #ccc}td:first-child,th:first-child{text-align:left}figure{margin:1rem 0}"
    "svg{max-width:100%;height:auto}@media(prefers-color-scheme:dark){body{background:#151515;color:#eee}td,th{border-color:#444}"
    "figure{background:#fff}}"
)


def _html_row(row: Sequence[str]) -> str:
    first, *rest = (html.escape(cell) for cell in row)
    return f'<th scope="row">{first}</th>' + "".join(f"<td>{cell}</td>" for cell in rest)


def _readers(arms: Numbers) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (name, _count(a), *_share(a["right"]), _number(a["score"][0]), _number(a["strict"][0]), _percent(a["unread"]),
         _percent(a["faults"]))
        for name, a in arms.items()
    )  # fmt: skip


def _count(arm: Numbers) -> str:
    return f"{arm['played']}" + (f" of {arm['played'] + arm['missing']}" if arm["missing"] else "")


def _guesses(baselines: Numbers) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (name, str(b["questions"]), *_share(b["right"]), _number(b["score"][0])) for name, b in baselines.items()
    )


def _pairs(summary: Numbers) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (
            pair["b"],
            str(pair["questions"]),
            *_share(pair["right"], "+.3f"),
            _p(pair["mcnemar"]),
            _p(pair["permutation"]),
        )
        for pair in summary["compared"]
    )


def _effects(effects: Numbers) -> tuple[tuple[str, ...], ...]:
    return tuple((name, *(str(effect[what]) for what in EFFECTS)) for name, effect in effects.items())


def _causes(arms: Numbers) -> tuple[str, ...]:
    return tuple(sorted({cause for arm in arms.values() for cause in arm["causes"]}, key=lambda c: (c != "right", c)))


def _cause_rows(arms: Numbers) -> tuple[tuple[str, ...], ...]:
    return tuple((name, *(str(arm["causes"].get(c, 0)) for c in _causes(arms))) for name, arm in arms.items())


def _cost(arms: Numbers, results: Sequence[Result]) -> tuple[tuple[str, ...], ...]:
    rows = []
    for name, arm in arms.items():
        seconds = [result.seconds for result in results if result.arm == name]
        took = f"{sum(seconds) / len(seconds):.3f}" if seconds else "-"
        rows.append((name, *(f"{arm[what]:.2f}" for what in ("turns", "tool calls", "refused", "tokens")), took))
    return tuple(rows)


def _by_tag(summary: Numbers) -> list[Table]:
    """For every tag one table: its values down, the readers of the real studies across, each played once."""
    arms = [name for name in summary["arms"] if not any(f", {what} " in name for what in ("image", "views", "seed"))]
    names = list(dict.fromkeys(name for rows in summary["rows"].values() for name in rows))
    found = []
    for name in names:
        by_arm = {arm: summary["rows"][arm][name] for arm in arms if name in summary["rows"][arm]}
        values = list(dict.fromkeys(value for table in by_arm.values() for value in table["rows"]))
        rows = [(value, _asked(by_arm, value), *(_at(by_arm, arm, value) for arm in arms)) for value in values]
        means = tuple(_number(by_arm[arm]["mean over rows"]) if arm in by_arm else "-" for arm in arms)
        title = f"Right by {'kind of answer' if name == 'kind' else name}"
        found.append(Table(title, (name, "n", *arms), (*rows, ("mean over rows", "", *means))))
    return found


def _asked(by_arm: Numbers, value: str) -> str:
    return str(max(table["rows"][value]["questions"] for table in by_arm.values() if value in table["rows"]))


def _at(by_arm: Numbers, arm: str, value: str) -> str:
    row = by_arm[arm]["rows"].get(value) if arm in by_arm else None
    return "-" if row is None else f"{row['right'][0]:.3f}"


def _ladder(steps: Numbers) -> tuple[tuple[str, ...], ...]:
    return tuple((name, _number(s["right"]), _number(s["relative robustness"])) for name, s in steps.items())


def _ood(splits: Numbers) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (name, _number(s["in"]["right"][0]), _number(s["out"]["right"][0]), _number(s["relative robustness"]))
        for name, s in splits.items()
    )


def _reports(summary: Numbers) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (name, str(r["reports"]), _number(r["reports right"]), _number(r["questions right"][0]), _number(r["macro f1"]))
        for name, r in summary.get("reports", {}).items()
    )


def _seeds(seeds: Numbers) -> tuple[tuple[str, ...], ...]:
    if len(seeds["right"]) < 2:
        return ()
    rows = [(seed, _number(right)) for seed, right in seeds["right"].items()]
    return (*rows, ("mean", _number(seeds["mean"])), ("SD", _number(seeds["sd"])))


def _metrics(arms: Numbers) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (name, metric, str(found["n"]), f"{found['mean']:.4g}")
        for name, arm in arms.items()
        for metric, found in arm["metrics"].items()
    )


def _share(ends: Sequence[float | None], form: str = ".3f") -> tuple[str, str]:
    """A mean, and its interval."""
    mean, low, high = ("-" if end is None else f"{end + 0.0:{form}}" for end in ends)  # + 0.0: no minus before a zero
    return mean, "-" if low == "-" else f"{low} to {high}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
