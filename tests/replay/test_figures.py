"""Figures as SVG: well-formed, everything in its place, nothing from a name taken as markup."""

import copy
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from surefoot.replay.figures import comparison_figure, envelope_figure, write
from surefoot.robots import SurefootError

SVG = "{http://www.w3.org/2000/svg}"
EVIL = '<script>alert("x")</script> & co'
MAP: dict[str, Any] = {
    "robot": "quadruped", "task": "velocity", "parameters": "nominal", "criterion": "no fall", "episodes": 4, "seed": 0,
    "x": {"key": "payload", "unit": "kg", "values": [0.0, 4.0, 8.0, 12.0], "trained": [0.0, 6.0]},
    "y": {"key": "friction", "unit": "1", "values": [0.2, 0.6, 1.0], "trained": [0.6, 0.8]},
    "maps": {
        "before": {"success": [[0.0, 0.25, 0.5, 0.0], [1.0, 1.0, 0.75, 0.0], [1.0, 1.0, 1.0, 0.5]]},
        "after": {"success": [[1.0] * 4] * 3},
    },
}  # fmt: skip
COMPARISON: dict[str, Any] = {
    "suite": "s v1", "robot": "quadruped", "task": "velocity", "baseline": "plain", "oracle": None, "episodes": 2, "trial": 1,
    "splits": {
        "test": {
            "tasks": ["payload=1", "payload=2", "payload=3"], "thresholds": [0.0, 5.0, 10.0],
            "methods": {
                "plain": {"task_returns": [[1.0, 2.0, 3.0]], "profile": [1.0, 0.0, 0.0]},
                EVIL: {"task_returns": [[9.0, 4.0, 8.0], [7.0, 6.0, 8.0]], "profile": [1.0, 5 / 6, 0.0]},
            },
        },
    },
}  # fmt: skip


def parsed(text: str) -> ElementTree.Element:
    root = ElementTree.fromstring(text)
    assert root.tag == f"{SVG}svg"
    assert not list(root.iter(f"{SVG}script"))
    width, height = float(root.get("width", 0)), float(root.get("height", 0))
    for node in root.iter():  # nothing lies outside the picture
        for name, limit in (("x", width), ("cx", width), ("y", height), ("cy", height)):
            assert 0 <= float(node.get(name, 0)) <= limit, ElementTree.tostring(node)
    return root


def cells(root: ElementTree.Element) -> list[ElementTree.Element]:
    return [r for r in root.iter(f"{SVG}rect") if r.get("height") == "34"]


def test_a_map_has_a_cell_for_each_pair_and_outlines_the_training() -> None:
    root = parsed(envelope_figure(MAP))
    found = cells(root)
    assert len(found) == 24
    before, after = found[:12], found[12:]
    assert {r.get("fill") for r in after} == {"#00629b"}
    # Rows from the bottom: the first cell, of the lowest friction, is below the others, and fails.
    assert before[0].get("fill") == "#f09a3e"
    assert float(before[0].get("y", 0)) == max(float(r.get("y", 0)) for r in before)
    assert float(before[3].get("x", 0)) - float(before[0].get("x", 0)) == 3 * 34
    outlines = [p for p in root.iter(f"{SVG}path") if p.get("stroke-dasharray")]
    assert len(outlines) == 2
    # Payload from the edge of the map to 6, half way from the second value to the third; friction from the middle of the
    # second row by half a row.
    left, bottom = float(before[0].get("x", 0)), float(before[0].get("y", 0)) + 34
    d = outlines[0].get("d", "")
    assert d == f"M{left:.1f} {bottom - 2 * 34:.1f}h{2 * 34:.1f}v{34 / 2:.1f}h{-2 * 34:.1f}z"
    texts = [t.text for t in root.iter(f"{SVG}text")]
    for word in ("payload (kg)", "friction", "before", "after", "training range", "12", "0.6", "25"):
        assert word in texts


def test_a_map_without_a_known_training_has_no_outline() -> None:
    for trained in (None, [20.0, 30.0]):
        content = copy.deepcopy(MAP)
        content["x"]["trained"] = trained
        assert "training range" not in envelope_figure(content)
    fixed = copy.deepcopy(MAP)
    fixed["x"]["trained"] = [4.0, 4.0]  # did not vary: a line
    assert "h0.0v" in envelope_figure(fixed)


def test_names_on_an_axis_and_many_cells() -> None:
    named = copy.deepcopy(MAP)
    named["y"] |= {"key": EVIL, "values": ["none", "front_left_thigh+rear_right_thigh", EVIL], "trained": None}
    root = parsed(envelope_figure(named))
    assert EVIL in [t.text for t in root.iter(f"{SVG}text")]
    many = copy.deepcopy(MAP)
    for axis in ("x", "y"):
        many[axis] |= {"values": list(range(100)), "trained": None}
    many["maps"] = {"c": {"success": [[0.5] * 100] * 100}}
    assert len(list(parsed(envelope_figure(many)).iter(f"{SVG}rect"))) == 100 * 100 + 5


def test_a_comparison_draws_profiles_and_tasks() -> None:
    root = parsed(comparison_figure(COMPARISON))
    lines = list(root.iter(f"{SVG}polyline"))
    assert [line.get("class") for line in lines] == ["line s0", "line s1"]
    points = [[tuple(map(float, p.split(","))) for p in line.get("points", "").split()] for line in lines]
    top, bottom = points[1][0][1], points[1][-1][1]
    assert points[0][1][1] == points[0][2][1] == bottom
    assert points[1][1][1] == pytest.approx(bottom + 5 / 6 * (top - bottom), abs=0.1)
    dots = [d for d in root.iter(f"{SVG}circle") if d.get("class") == "s1 dot"]
    heights = [float(d.get("cy", 0)) for d in dots]  # means 8, 5, 8 in the order of the first method's 1, 2, 3
    assert heights[0] == heights[2] < heights[1]
    texts = [t.text for t in root.iter(f"{SVG}text")]
    assert "plain (baseline)" in texts
    assert EVIL in texts


def test_more_methods_than_colours_are_told_apart() -> None:
    content = copy.deepcopy(COMPARISON)
    one = content["splits"]["test"]["methods"]["plain"]
    content["splits"]["test"]["methods"] = {f"m{i}": one for i in range(9)}
    text = comparison_figure(content)
    styles = [line.split("{")[1] for line in text.split("@media (prefers-color-scheme: dark) {\n.s0")[0].splitlines()
              if line.startswith(".s")]  # fmt: skip
    assert len(set(styles)) == 9


def test_names_of_many_methods_stay_within_the_picture() -> None:
    content = copy.deepcopy(COMPARISON)
    one = content["splits"]["test"]["methods"]["plain"]
    content["splits"]["test"]["methods"] = {f"quadruped-randomised-{i}": one for i in range(9)}
    root = parsed(comparison_figure(content))
    names = [
        t
        for t in root.iter(f"{SVG}text")
        if (t.text or "").startswith("quadruped-randomised-") and len(t.text or "") < 24
    ]
    assert len(names) == 9
    assert all(float(t.get("x", 0)) + 7 * len(t.text or "") <= float(root.get("viewBox", "").split()[2]) for t in names)


def test_files_are_whole_and_the_same_each_time(tmp_path: Path) -> None:
    for content in (MAP, COMPARISON):
        for name in ("a.svg", "b.svg", "a.json"):
            write(tmp_path / name, content)
        assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
        assert json.loads((tmp_path / "a.json").read_text()) == content
    with pytest.raises(SurefootError, match=r"expected a name that ends in \.json or \.svg"):
        write(tmp_path / "a.png", MAP)
    assert {p.name for p in tmp_path.iterdir()} == {"a.svg", "b.svg", "a.json"}
