"""Tables on the terminal."""

from collections.abc import Iterable
from typing import TextIO

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from agent.report import Table
from envs.transcript import safe

WIDE = 160
"""Columns that a table may take where the output is no terminal."""


def print_tables(tables: Iterable[Table], file: TextIO, plain: bool = False) -> None:
    """Print tables one below the other; `plain` as lines with tabs."""
    console = Console(file=file, no_color=plain or None, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = WIDE
    for table in tables:
        if plain:
            print(
                f"\n{table.title}",
                *("\t".join(map(safe, row)) for row in (table.header, *table.rows)),
                sep="\n",
                file=file,
            )
            continue
        drawn = RichTable(title=Text(table.title, "bold"), title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
        for number, name in enumerate(table.header):
            words = number == 0 or any(row[number][:1].isalpha() for row in table.rows)
            drawn.add_column(Text(safe(name)), justify="left" if words else "right", overflow="fold")
        for row in table.rows:
            drawn.add_row(*(Text(safe(cell)) for cell in row))
        console.print(drawn)
        if table.note:
            console.print(Text(f" {table.note}", "dim"))
