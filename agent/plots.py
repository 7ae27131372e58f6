"""The plots of a report, as SVG."""

import io
from collections.abc import Mapping, Sequence
from typing import Any


def plots(summary: Mapping[str, Any]) -> list[str]:
    """How often each reader is right, by family or kind, and along the ladder of corruptions.

    Raises ImportError where matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError("plots need matplotlib: pip install 'overread[eval]'") from None

    guesses = {f"{name} (does not look)": found["right"] for name, found in summary["baselines"].items()}
    readers = {name: arm["right"] for name, arm in summary["arms"].items()}
    made = [_bars(Figure, "Right, with 95 % intervals over studies", readers | guesses, hollow=set(guesses))]
    by = next((name for name in ("family", "task", "kind") if _rows(summary, name)), None)
    if by is not None:
        main = next(iter(summary["arms"]))
        rows = {value: row["right"] for value, row in summary["rows"][main][by]["rows"].items()}
        made.append(_bars(Figure, f"{main}: right by {by}", rows))
    if summary["robustness"]:
        made.append(_bars(Figure, "Right on corrupted studies", _ladder(summary)))
    return made


def _rows(summary: Mapping[str, Any], name: str) -> bool:
    return name in summary["rows"][next(iter(summary["arms"]))]


def _ladder(summary: Mapping[str, Any]) -> dict[str, Sequence[float | None]]:
    return {name: summary["arms"][arm]["right"] for name in summary["robustness"] for arm in summary["arms"]
            if arm.endswith(f"image {name}")}  # fmt: skip


def _bars(
    figure_of: Any, title: str, bars: Mapping[str, Sequence[float | None]], hollow: set[str] | None = None
) -> str:
    figure = figure_of(figsize=(9, 0.6 + 0.32 * len(bars)), layout="constrained")
    axes = figure.subplots()
    for place, (name, (mean, low, high)) in enumerate(bars.items()):
        filled = name not in (hollow or ())
        axes.barh(place, mean, color="#3b6ea5" if filled else "none", edgecolor="#3b6ea5", height=0.66)
        if low is not None and high is not None:
            axes.plot([low, high], [place, place], color="#111", linewidth=1.4)
        axes.text(1.02, place, f"{mean:.3f}", va="center", fontsize=9)
    axes.set_yticks(range(len(bars)), list(bars), fontsize=9)
    axes.set_xlim(0, 1)
    axes.invert_yaxis()
    axes.set_title(title, fontsize=10, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    svg = io.StringIO()
    figure.savefig(svg, format="svg", metadata={"Date": None})
    text = svg.getvalue()
    return text[text.index("<svg") :]
