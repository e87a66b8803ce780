"""The report's page: whole, escaped, and no way to any host."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from surefoot.replay.document import Figure, Section, document, html_table, write_document
from surefoot.robots import SurefootError

EVIL = '"><script>alert(1)</script><img src=http://example.com/x onerror=alert(2)>'


class Tags(HTMLParser):
    """Every tag with its attributes."""

    def __init__(self, text: str):
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_every_text_is_escaped_and_nothing_is_asked_of_a_host() -> None:
    table = {"columns": [EVIL], "rows": [[EVIL], [1.23456]], "note": EVIL}
    figures = [Figure(b"<svg/>", ".svg", EVIL), Figure(b"x", ".mp4", EVIL), Figure(b"x", ".webp", EVIL, folded=True)]
    text = document(EVIL, [Section(EVIL, [(EVIL, table)], figures, EVIL), Section("b")], EVIL)
    tags = Tags(text).found
    assert not [tag for tag, _ in tags if tag in ("script", "iframe", "object", "base", "form")]
    for _, attributes in tags:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href"):
            assert re.match(r"data:|#", attributes.get(name) or "#")
    assert "http" not in re.sub(r"http-equiv|http://example.com/x", "", text)
    assert "default-src 'none'" in text
    assert [tag for tag, _ in tags].count("video") == 1
    assert "1.235" in text


def test_tables_need_no_page() -> None:
    assert html_table({"columns": ["a"], "rows": [["<b>"]]}) == (
        "<table><thead><tr><th>a</th></tr></thead><tbody><tr><td>&lt;b&gt;</td></tr></tbody></table>"
    )


def test_a_wrong_name_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(SurefootError, match=r"ends in \.html"):
        write_document(tmp_path / "report.pdf", "a", [])
    assert not list(tmp_path.iterdir())
