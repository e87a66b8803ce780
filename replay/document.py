"""A report as one self-contained HTML file: headings, tables, figures and videos; no script, no network, opens from disk."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from ..robots.files import check_name, replacing
from .page import THEME

_STATIC = Path(__file__).parent / "static"
# What the browser may load: what stands in the file, and nothing from any host.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src data:"
_KINDS = {".svg": "image/svg+xml", ".png": "image/png", ".webp": "image/webp", ".mp4": "video/mp4"}


@dataclass(frozen=True)
class Figure:
    """A picture or video: its content, the kind of file (.svg, .png, .webp or .mp4), and what it shows.

    A `folded` one is seen when its caption is clicked; `still` (*.webp) is what is seen of a video before it plays.
    """

    content: bytes
    suffix: str
    caption: str
    folded: bool = False
    still: bytes = b""


@dataclass(frozen=True)
class Section:
    """A part of a report: tables by title ({"columns", "rows", "note"}), then figures."""

    title: str
    tables: Sequence[tuple[str, Mapping[str, Any]]] = ()
    figures: Sequence[Figure] = ()
    note: str = ""


def write_document(path: str | Path, title: str, sections: Sequence[Section], note: str = "") -> None:
    """Write the file, whole or not at all. Raises `SurefootError` for another name than *.html, or where the disk refuses."""
    check_name(path, ".html")
    text = document(title, sections, note)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def document(title: str, sections: Sequence[Section], note: str = "") -> str:
    """The same as text. Everything that people name is escaped; figures are images, so that nothing in them can act."""
    style = "".join((_STATIC / name).read_text("utf-8") for name in ("page.css", "document.css"))
    links = "".join(f'<a href="#part-{i}">{escape(part.title)}</a>' for i, part in enumerate(sections))
    body = "\n".join(_section(i, part) for i, part in enumerate(sections))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<link rel="icon" href="data:,">
<title>{escape(title)}</title>
<style>
{style}</style>
</head>
<body class="document">
<header>
  {THEME}
  <h1>{escape(title)}</h1>
  {_note(note)}
  <nav aria-label="Parts">{links if len(sections) > 1 else ""}</nav>
</header>
{body}
<footer>Written by Surefoot; opens without a network.</footer>
</body>
</html>
"""


def _section(number: int, part: Section) -> str:
    tables = "\n".join(_card(title, table) for title, table in part.tables)
    figures = "\n".join(map(_figure, part.figures))
    return f'<section id="part-{number}">\n<h2>{escape(part.title)}</h2>\n{_note(part.note)}\n{tables}\n{figures}\n</section>'


def _card(title: str, table: Mapping[str, Any]) -> str:
    heading = f"<h3>{escape(title)}</h3>" if title else ""
    return f'<div class="card">{heading}{html_table(table)}{_note(str(table.get("note") or ""))}</div>'


def html_table(table: Mapping[str, Any]) -> str:
    """A table {"columns", "rows"} of text and numbers as HTML, escaped."""
    head = "".join(f"<th>{escape(str(column))}</th>" for column in table["columns"])
    rows = ("".join(f"<td>{escape(_cell(value))}</td>" for value in row) for row in table["rows"])
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(f'<tr>{row}</tr>' for row in rows)}</tbody></table>"


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _figure(figure: Figure) -> str:
    source = _data(figure.content, figure.suffix)
    name = escape(figure.caption, quote=True)
    if figure.suffix == ".mp4":
        still = f' poster="{_data(figure.still, ".webp")}"' if figure.still else ""
        how = f'controls loop muted playsinline preload="metadata"{still}'
        shown = f'<video {how} aria-label="{name}" src="{source}"></video>'
    else:
        shown = f'<img alt="{name}" src="{source}">'
    kind = ' class="drawn"' if figure.suffix == ".svg" else ""
    if figure.folded:
        return f"<details><summary>{escape(figure.caption)}</summary><figure{kind}>{shown}</figure></details>"
    return f"<figure{kind}>{shown}<figcaption>{escape(figure.caption)}</figcaption></figure>"


def _data(content: bytes, suffix: str) -> str:
    return f"data:{_KINDS[suffix]};base64,{base64.b64encode(content).decode()}"


def _note(text: str) -> str:
    return f'<p class="note">{escape(text)}</p>' if text else ""
