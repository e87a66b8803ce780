"""Tables on the terminal."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

NARROWEST = 120  # columns when the output is no terminal: nothing is cut where a program reads it


def console() -> Console:
    """Standard output."""
    found = Console(highlight=False, markup=False)  # file names may have brackets
    if not found.is_terminal:
        found.width = max(found.width, NARROWEST)
    return found


def show(columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str | None = None, note: str = "") -> None:
    """Print a table: first column bold, the cells as plain text."""
    table = Table(*columns, title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for first, *rest in rows:
        table.add_row(Text(str(first), "bold"), *(Text(str(cell)) for cell in rest))
    out = console()
    out.print(table)
    if note:
        out.print(Text(note, "dim"))


def show_summary(summary: Mapping[str, Any]) -> None:
    """The table of `api.summary_table` and the like: {"columns", "rows", "note"}."""
    show(summary["columns"], summary["rows"], note=summary.get("note", ""))
