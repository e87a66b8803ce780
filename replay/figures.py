"""Comparisons, robustness maps, curves and gaits as SVG: no plotting library, the same bytes for the same content.

The first two take what `Comparison.content` and `Envelope.content` give, which is also what is written as JSON.
"""

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from ..robots.files import check_name, replacing
from .palette import colours

Content = Mapping[str, Any]
Line = tuple[Sequence[float], Sequence[float]]  # x and y
Band = tuple[Sequence[float], Sequence[float]]  # low and high at the x of a line

SUFFIXES = (".json", ".svg")
WIDTH, PANEL = 960, 190  # px: of a comparison, and the height of one of its plots
LEFT, RIGHT, GAP = 56, 16, 74  # px beside and between plots
CELL, MAP = 34, 420  # px: a cell of a map where there are few, and the most that all of them may take
FAILS, SURVIVES = (0xF0, 0x9A, 0x3E), (0x00, 0x62, 0x9B)  # palette's orange and blue, which the colour-blind tell apart
INK = ("#1c1e21", "#e8e9ea")  # what was commanded: dashed, as on the page
STYLE = """
svg { background: #ffffff; font: 12px system-ui, sans-serif; }
text { fill: #1c1e21; } .quiet { fill: #5c6167; font-size: 11px; } .title { font-size: 15px; font-weight: 600; }
.grid { stroke: #ececE6; } .frame { stroke: #dcdcd6; fill: none; }
.line { fill: none; stroke-width: 1.75; stroke-linejoin: round; } .band { stroke: none; fill-opacity: .18; }
@media (prefers-color-scheme: dark) {
  svg { background: #1e2125; } text { fill: #e8e9ea; } .quiet { fill: #a3a8ae; }
  .grid { stroke: #2a2e33; } .frame { stroke: #363a40; }
}
"""


def write(path: str | Path, content: Content) -> None:
    """Write a comparison or a robustness map, whole or not at all. Raises `SurefootError` unless it is *.json or *.svg."""
    check_name(path, *SUFFIXES)
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    if Path(path).suffix == ".svg":
        text = comparison_figure(content) if "splits" in content else envelope_figure(content)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def comparison_figure(content: Content) -> str:
    """For each split the performance profile, and beside it every task's return; one colour a method.

    Below them the reward by second of motion, where it was kept, and of trials the return by episode.
    """
    splits: Mapping[str, Content] = content["splits"]
    methods = list(next(iter(splits.values()))["methods"])
    roles = {content["baseline"]: "before", content["oracle"]: "oracle"}
    notes = {"before": " (baseline)", "oracle": " (oracle)"}
    parts, foot = _legend([method + notes.get(roles.get(method, ""), "") for method in methods], 48)
    parts.append(_text(LEFT, 24, f"{content['suite']}: {content['robot']} {content['task']}", "title"))
    width = (WIDTH - LEFT - RIGHT - GAP) / 2
    kept = all("by_second" in m for found in splits.values() for m in found["methods"].values())
    trials = content["trial"] > 1
    rows = 2 if kept or trials else 1  # of plots a split
    for row, (split, found) in enumerate(splits.items()):
        top = foot + 26 + rows * row * (PANEL + 70)
        results = found["methods"]
        tasks = {m: [sum(seed) / len(seed) for seed in zip(*results[m]["task_returns"], strict=True)] for m in methods}
        order = sorted(range(len(found["tasks"])), key=lambda task: tasks[methods[0]][task])
        profiles = [(found["thresholds"], results[m]["profile"]) for m in methods]
        each = [(list(range(1, len(order) + 1)), [tasks[m][task] for task in order]) for m in methods]
        title = f"{split}: share of seeds and tasks above a return"
        parts += _plot(LEFT, top, width, title, "return", profiles, (0.0, 1.0))
        title = f"{split}: return on each task, in the order of {methods[0]}"
        parts += _plot(LEFT + width + GAP, top, width, title, "task", each, None, dots=True)
        if rows > 1:
            top += PANEL + 70
        if trials:
            episodes = [(list(range(1, content["trial"] + 1)), results[m]["by_episode"]) for m in methods]
            sure = {k: results[m]["by_episode_interval"] for k, m in enumerate(methods)}
            bands = {k: ([e[0] for e in of], [e[1] for e in of]) for k, of in sure.items() if None not in of}
            title = f"{split}: return by episode of a trial"
            parts += _plot(LEFT, top, width, title, "episode", episodes, None, bands=bands)
        if kept:
            seconds = [(results[m]["by_second"]["seconds"], results[m]["by_second"]["reward"]) for m in methods]
            title = f"{split}: reward of a step, over {'a trial' if trials else 'an episode'}"
            left = LEFT + (width + GAP) * trials
            parts += _plot(left, top, width, title, "seconds of motion", seconds, None)
    shown = colours([roles.get(m) or ("after" if m == _first(methods, roles) else m) for m in methods])
    return _svg(WIDTH, foot + 26 + rows * len(splits) * (PANEL + 70) - 20, parts, shown)


def envelope_figure(content: Content) -> str:
    """One heat map of success a controller, side by side, the training range outlined."""
    x, y, maps = content["x"], content["y"], content["maps"]
    cell = max(min(CELL, MAP // max(len(x["values"]), len(y["values"]))), 1)
    across, up = cell * len(x["values"]), cell * len(y["values"])
    # Beside a map: the names of its rows, and its axis.
    left = LEFT + max(10.0, 6.5 * max(len(_short(v)) for v in y["values"]) - 26)
    step = max(across, 240) + left + 16
    title = f"{content['robot']} {content['task']}: what the controller survives"
    said = f"success: {content['criterion']}; {content['episodes']} episodes a cell; robot: {content['parameters']}"
    parts = [_text(LEFT, 24, title, "title"), _text(LEFT, 42, said, "quiet")]
    for i, (name, found) in enumerate(maps.items()):
        parts += _heat_map(left + i * step, 82, cell, name if len(maps) > 1 else "", x, y, found["success"])
    foot = 82 + up + 58
    for i in range(5):
        share = i / 4
        parts.append(f'<rect x="{left + 52 * i}" y="{foot}" width="52" height="12" fill="{_heat(share)}"/>')
        parts.append(_text(left + 52 * i + 26, foot + 26, f"{share:.0%}", "quiet", "middle"))
    if _span(x) and _span(y):
        parts.append(f'<rect x="{left + 280}" y="{foot}" width="22" height="12" {_OUTLINE}/>')
        parts.append(_text(left + 310, foot + 11, "training range", "quiet"))
    return _svg(max(len(maps) * step, 640), foot + 44, parts, [])


def curves_figure(curves: Sequence[Content]) -> str:
    """Curves {"label", "x", "y", "xlabel", "ylabel"} and maybe "low" and "high", the edges of an interval: two plots a row.

    Those with the same axes share a plot; those with the same label share a colour, `palette`'s for it, or where they are
    "commanded" the dashed ink.
    """
    labels = list(dict.fromkeys(str(curve["label"]) for curve in curves))
    asked = {str(curve["label"]) for curve in curves if curve.get("commanded")}
    own = iter(colours([label for label in labels if label not in asked]))
    shown = [INK if label in asked else next(own) for label in labels]
    plots: dict[tuple[str, str], list[Content]] = {}
    for curve in curves:
        plots.setdefault((str(curve["xlabel"]), str(curve["ylabel"])), []).append(curve)
    parts, foot = _legend(labels, 24)
    width = (WIDTH - LEFT - RIGHT - GAP) / 2
    for i, ((xlabel, ylabel), found) in enumerate(plots.items()):
        lines = [(curve["x"], curve["y"]) for curve in found]
        bands = {k: (curve["low"], curve["high"]) for k, curve in enumerate(found) if "low" in curve}
        left, top = LEFT + i % 2 * (width + GAP), foot + 24 + i // 2 * (PANEL + 70)
        classes = [labels.index(str(curve["label"])) for curve in found]
        parts += _plot(left, top, width, ylabel, xlabel, lines, None, bands=bands, classes=classes)
    return _svg(WIDTH, foot + 24 + -(-len(plots) // 2) * (PANEL + 70) - 20, parts, shown)


def gait_figure(gaits: Sequence[Content]) -> str:
    """Hildebrand's gait diagrams: for each of `gait.footfalls` a bar wherever a foot is on the ground, over seconds."""
    parts: list[str] = []
    top, left = 34.0, 100
    scale = (WIDTH - left - RIGHT) / max(len(gait["contact"]) * gait["dt"] for gait in gaits)
    for i, gait in enumerate(gaits):
        steps, dt, bar = len(gait["contact"]), gait["dt"], 18
        parts.append(_text(left, top - 10, f"{gait['label']}: feet on the ground"))
        for row, foot in enumerate(gait["feet"]):
            y = top + row * (bar + 4)
            parts.append(_text(left - 8, y + 13, foot, "quiet", "end"))
            parts.append(f'<path class="grid" d="M{left} {y + bar + 2:.1f}h{steps * dt * scale:.1f}"/>')
            for start, stop in _runs([bool(touches[row]) for touches in gait["contact"]]):
                x, width = left + start * dt * scale, (stop - start) * dt * scale
                box = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{bar}" rx="2"'
                parts.append(f'<rect class="s{i} dot" {box}/>')
        bottom = top + len(gait["feet"]) * (bar + 4)
        ticks = _ticks(gait["start"], gait["start"] + steps * dt, 8)
        places = {f"{_short(round(v, 6))} s": left + (v - gait["start"]) * scale for v in ticks}
        parts += [_text(x, bottom + 14, text, "quiet", "middle") for text, x in places.items()]
        top = bottom + 56
    return _svg(WIDTH, top - 30, parts, colours([gait["label"] for gait in gaits]))


def _runs(values: Sequence[bool]) -> list[tuple[int, int]]:
    """(first, one after the last) of each stretch of True."""
    edges = [i for i, (a, b) in enumerate(itertools.pairwise([False, *values, False])) if a != b]
    return list(zip(edges[::2], edges[1::2], strict=True))


def _legend(labels: Sequence[str], y: float) -> tuple[list[str], float]:
    """Labels beside their colours, and the height at which they end."""
    parts, x = [], float(LEFT)
    for i, label in enumerate(labels):
        if x > LEFT and x + 24 + 7 * len(label) > WIDTH - RIGHT:
            x, y = float(LEFT), y + 20
        parts += [f'<path class="line s{i}" d="M{x:.1f} {y - 4}h18"/>', _text(x + 24, y, label)]
        x += 44 + 7 * len(label)
    return parts, y + 12


_OUTLINE = 'fill="none" stroke="#101214" stroke-width="2" stroke-dasharray="5 3"'


def _heat_map(
    left: float, top: float, cell: int, title: str, x: Content, y: Content, success: Sequence[Sequence[float]]
) -> list[str]:
    across, up = cell * len(x["values"]), cell * len(y["values"])
    parts = [_text(left, top - 8, title)]
    for row, shares in enumerate(success):
        for column, share in enumerate(shares):
            px, py = left + column * cell, top + up - (row + 1) * cell
            parts.append(f'<rect x="{px}" y="{py}" width="{cell}" height="{cell}" fill="{_heat(share)}"/>')
            if cell >= 26:
                ink = "#ffffff" if share > 0.8 else "#101214"
                number = f'style="fill:{ink}" text-anchor="middle" font-size="10.5"'
                parts.append(f'<text x="{px + cell / 2}" y="{py + cell / 2 + 4}" {number}>{100 * share:.0f}</text>')
    every = math.ceil((6 + 5.5 * max(len(_short(v)) for v in x["values"])) / cell)
    for i, value in enumerate(x["values"]):
        if i % every == 0:
            parts.append(_text(left + (i + 0.5) * cell, top + up + 15, _short(value), "quiet", "middle"))
    for i, value in enumerate(y["values"]):
        if i % math.ceil(16 / cell) == 0:
            parts.append(_text(left - 5, top + up - (i + 0.5) * cell + 4, _short(value), "quiet", "end"))
    parts.append(_text(left + across / 2, top + up + 34, _named(x), "", "middle"))
    where = f"{left - 14 - 6.5 * max(len(_short(v)) for v in y['values']):.1f} {top + up / 2}"
    parts.append(f'<text text-anchor="middle" transform="translate({where}) rotate(-90)">{escape(_named(y))}</text>')
    sides = [side for side in (_span(x), _span(y)) if side is not None]
    if len(sides) == 2:
        (x0, x1), (y0, y1) = sides
        # A path, because a rectangle without width is not drawn: a parameter that did not vary leaves a line.
        width, height = (x1 - x0) * cell, (y1 - y0) * cell
        box = f'd="M{left + x0 * cell:.1f} {top + up - y1 * cell:.1f}h{width:.1f}v{height:.1f}h{-width:.1f}z"'
        parts += [f'<path {box} fill="none" stroke="#ffffff" stroke-width="4"/>', f"<path {box} {_OUTLINE}/>"]
    return parts


def _span(axis: Content) -> tuple[float, float] | None:
    """The training range in cells from the axis's start; cells are around their values. None where it is not on the map."""
    values, trained = axis["values"], axis["trained"]
    if trained is None or any(isinstance(v, str) for v in values):
        return None
    low, high = trained
    if high < values[0] or low > values[-1]:
        return None
    start = 0.0 if low <= values[0] else _place(low, values)
    return start, float(len(values)) if high >= values[-1] and high > low else _place(high, values)


def _place(value: float, values: Sequence[float]) -> float:
    """Where a value lies, in cells: the i-th is in the middle of cell i."""
    after = next((i for i, v in enumerate(values) if v >= value), len(values) - 1)
    if after == 0:
        return 0.5
    before = values[after - 1]
    return after - 0.5 + (value - before) / (values[after] - before)


def _heat(share: float) -> str:
    """From orange over white to blue."""
    end, weight = (FAILS, 1 - 2 * share) if share < 0.5 else (SURVIVES, 2 * share - 1)
    return "#" + "".join(f"{round(0xF7 + (c - 0xF7) * weight):02x}" for c in end)


def _plot(
    left: float, top: float, width: float, title: str, xlabel: str,
    lines: Sequence[Line], yrange: tuple[float, float] | None, dots: bool = False, bands: Mapping[int, Band] | None = None,
    classes: Sequence[int] | None = None,
) -> list[str]:  # fmt: skip
    """Lines over common axes, or `dots` over whole numbers; line i has class s{i}, or that of `classes`, and maybe a band."""
    bands, kinds = bands or {}, classes or range(len(lines))
    x0, x1 = _extent([v for xs, _ in lines for v in xs])
    x0, x1 = (x0 - 0.5, x1 + 0.5) if dots else (x0, x1)
    edges = [v for low, high in bands.values() for v in (*low, *high)]
    y0, y1 = yrange or _extent([v for _, ys in lines for v in ys] + edges, 0.05)
    bottom = top + PANEL

    def px(v: float) -> float:
        return left + (v - x0) / (x1 - x0) * width

    def py(v: float) -> float:
        return bottom - (v - y0) / (y1 - y0) * PANEL

    parts = [_text(left, top - 8, title), _text(left + width, bottom + 30, xlabel, "quiet", "end")]
    for v in _ticks(y0, y1):
        parts.append(f'<path class="grid" d="M{left:.1f} {py(v):.1f}h{width:.1f}"/>')
        parts.append(_text(left - 5, py(v) + 4, _short(v), "quiet", "end"))
    numbers = [v for v in _ticks(x0, x1) if not dots or v == round(v)]
    parts += [_text(px(v), bottom + 15, _short(v), "quiet", "middle") for v in numbers]
    parts.append(f'<rect class="frame" x="{left:.1f}" y="{top}" width="{width:.1f}" height="{PANEL}"/>')
    for i, (low, high) in bands.items():
        xs = lines[i][0]
        around = [*zip(xs, low, strict=True), *reversed([*zip(xs, high, strict=True)])]
        path = " ".join(f"{px(x):.1f},{py(y):.1f}" for x, y in around)
        parts.append(f'<polygon class="s{kinds[i]} band" points="{path}"/>')
    for i, (xs, ys) in zip(kinds, lines, strict=True):
        points = [(px(x), py(y)) for x, y in zip(xs, ys, strict=True)]
        if dots:
            parts += [f'<circle class="s{i} dot" cx="{x:.1f}" cy="{y:.1f}" r="2.5"/>' for x, y in points]
        else:
            parts.append(f'<polyline class="line s{i}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}"/>')
    return parts


def _svg(width: float, height: float, parts: Sequence[str], shown: Sequence[tuple[str, str]]) -> str:
    """The file; `shown` are (light, dark) colours of the classes s0, s1, ..., dashed where a colour comes again."""
    light, dark = "", ""
    for i, (on_light, on_dark) in enumerate(shown):
        again = shown[:i].count((on_light, on_dark))
        dash = f" stroke-dasharray: {8 / again:g} 3;" if again else ""
        dash = " stroke-dasharray: 5 4;" if (on_light, on_dark) == INK else dash
        filled = f".s{i}.dot, .s{i}.band"
        light += f".s{i} {{ stroke: {on_light};{dash} }} {filled} {{ fill: {on_light}; stroke: none; }}\n"
        dark += f".s{i} {{ stroke: {on_dark}; }} {filled} {{ fill: {on_dark}; }}\n"
    style = f"<style>{STYLE}{light}@media (prefers-color-scheme: dark) {{\n{dark}}}\n</style>"
    size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n' + "\n".join([style, *parts]) + "\n</svg>\n"


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    kind = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{kind} text-anchor="{anchor}">{escape(text)}</text>'


def _first(methods: Sequence[str], roles: Mapping[Any, str]) -> str | None:
    """The method that the figure is about: the first that is neither baseline nor oracle."""
    return next((m for m in methods if m not in roles), None)


def _named(axis: Content) -> str:
    return axis["key"] if axis["unit"] in ("", "1", "0/1") else f"{axis['key']} ({axis['unit']})"


def _short(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def _extent(values: Sequence[float], room: float = 0.0) -> tuple[float, float]:
    low, high = min(values), max(values)
    span = high - low or abs(high) or 1.0
    room = room if high > low else 0.5
    return low - room * span, high + room * span


def _ticks(low: float, high: float, count: int = 4) -> list[float]:
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [i * step for i in range(first, math.floor(high / step + 1e-9) + 1)]
