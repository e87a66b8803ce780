"""What the issue on adaptation asks of its rows, and what was reached: the first table on adaptation in docs/results.md.

Everything here is read from benchmarks/results; a bar is met where as many methods as it asks for reach it, on average
over seeds.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from gaps import SUCCESS, closed_by, is_gap, oracle_of
from tables import read

Reached = Mapping[str, tuple[float, int]]  # by method: the figure and the number of its seeds
NI_GAP, OF_ORACLE, RMA_GAP, MOST = 0.95, 0.95, 0.85, 0.5
FAMILIES = ("cheetah-cripple", "ant-cripple", "ant-cripple-sami", "cheetah-mass-damping")
OTHERWISE_PAID = "SaMI's best, which has 1 for each of 1,000 steps in it"
SPLITS = {"test": 0.9, "extreme": 0.75}  # gap closed after ten seconds of motion
ERRORS = {"payload": 0.1, "friction": 0.15, "motor_strength": 0.05}
COVERAGE = 0.05


@dataclass(frozen=True)
class Bar:
    """One line: `methods` of those that `reached` something need at least `least`, or where `below` at most that."""

    criterion: int
    what: str
    asked: str
    reached: Reached
    least: float
    methods: int = 1
    below: bool = False
    show: Callable[[float], str] = "{:z.2f}".format
    missing: str = "not measured"

    def cells(self) -> list[Any]:
        best = sorted(self.reached.items(), key=lambda item: item[1][0], reverse=not self.below)[:3]
        meets = [v <= self.least if self.below else v >= self.least for v, _ in self.reached.values()]
        verdict = ("met" if sum(meets) >= self.methods else "short") if best else self.missing
        said = ", ".join(f"{name} {self.show(value)}" for name, (value, _) in best)
        seeds = sorted({n for _, (_, n) in best})
        return [self.criterion, self.what, self.asked, said or "–", " or ".join(map(str, seeds)) or "–", verdict]


def rows() -> list[list[Any]]:
    """Cells of the table, without its columns: criterion, of, asked, reached, seeds, verdict."""
    return [bar.cells() for part in (goals(), dynamics(), legs(), parameters(), gradients()) for bar in part]


def figures(name: str) -> Mapping[str, Any]:
    """Of a row, or none where it has not been measured."""
    result = read(f"adaptation/{name}")
    return result["figures"] if result else {}


def goals() -> Iterator[Bar]:
    found = figures("cheetah-vel")
    seeds = {m: v["seeds"] for m, v in found["comparison"]["splits"]["test"]["methods"].items()} if found else {}
    closed = {m: (v["gap_closed_ni"], seeds[m]) for m, v in found.get("published", {}).items() if m != "oracle"}
    asked = f"{NI_GAP:g} by two methods"
    yield Bar(1, "cheetah-vel: gap closed after two episodes, by Ni et al.", asked, closed, NI_GAP, methods=2)
    found = figures("cheetah-dir")
    methods = found["comparison"]["splits"]["train"]["methods"] if found else {}
    of = {m: (v["mean"] / methods["oracle"]["mean"], v["seeds"]) for m, v in methods.items() if m != "oracle"}
    asked = f"{OF_ORACLE:g} by two methods"
    yield Bar(2, "cheetah-dir: return over the oracle's", asked, of, OF_ORACLE, methods=2)


def dynamics() -> Iterator[Bar]:
    for name in FAMILIES:
        found = figures(name)
        for split in ("train", "moderate", "extreme"):
            ratio = {}
            for method, of in found.get("published", {}).items():
                if split in of and method != "oracle":
                    alone = found["one_by_one"].get(split, {}).get(method)
                    seeds = len(alone) if alone else found["comparison"]["splits"][split]["methods"][method]["seeds"]
                    ratio[method] = (of[split]["over_asked"], seeds)
            whose = OTHERWISE_PAID if name == "ant-cripple" else "SaMI's best"
            yield Bar(3, f"{name}, {split}: return over what is asked of {whose}", "1", ratio, 1.0)


def legs() -> Iterator[Bar]:
    closed, missing = of_success("quadruped-rma", "test", ("rma", "recurrent"))
    asked = f"{RMA_GAP:g} by rma and recurrent"
    what = "quadruped-rma, test: gap in success rate to the policy that is told the truth closed"
    yield Bar(4, what, asked, closed, RMA_GAP, methods=2, missing=missing)
    for key, what in (("recovered", "walk as before"), ("follows", "follow the command")):
        what = f"robots that {what} 2 s after a motor died, the worst of three motors"
        yield Bar(4, what, "half of them", after_losses(f"{key}_within_2_s"), MOST, show="{:.0%}".format)
    for name in ("quadruped-damage", "quadruped-payload", "go1-transfer"):
        for split, least in SPLITS.items():
            closed, missing = after_ten_seconds(name, split)
            what = f"{name}, {split}: gap closed after 10 s of motion"
            yield Bar(5, what, f"{least:g}", closed, least, missing=missing)


def after_losses(key: str) -> Reached:
    """The share of robots of each method, mean over seeds, with the motor whose loss leaves the fewest."""
    found: dict[str, tuple[float, int]] = {}
    for loss, seeds in figures("motor-loss").get("motor_loss", {}).items():  # METHOD, MOTOR
        method, share = loss.split(",")[0], float(np.mean([one[key] for one in seeds]))
        if method != "oracle":
            found[method] = min(found.get(method, (share, len(seeds))), (share, len(seeds)))
    return found


def of_success(name: str, split: str, names: Sequence[str]) -> tuple[Reached, str]:
    """The gap between the success rates of the randomised controller and of the oracle that each of `names` closes.

    As RMA's paper counts it: in episodes that begin without having seen anything. Or else why there is none.
    """
    methods = figures(name).get("splits", {}).get(split, {})
    _, best = oracle_of(methods, ("oracle",), SUCCESS)
    if not is_gap(methods, best, SUCCESS):
        return {}, "no gap" if best else "not measured"
    closed = {}
    for method in (m for m in names if m in methods):
        firsts = [curve[0] for curve in methods[method]]
        closed[method] = (float(closed_by(methods, method, firsts, best, SUCCESS).mean()), len(firsts))
    return closed, ""


def after_ten_seconds(name: str, split: str) -> tuple[dict[str, tuple[float, int]], str]:
    """The gap that each method of a row closes within ten seconds of motion, or else why there is none."""
    methods = figures(name).get("splits", {}).get(split, {})
    _, best = oracle_of(methods)
    if not is_gap(methods, best):
        return {}, "no gap" if best else "not measured"
    closed = {}
    for method in (m for m in methods if m not in ("randomised", "oracle", "finetune")):
        points = [p for p in zip(*methods[method], strict=True) if 0 < p[0]["robot_seconds"] <= 10]
        if points:  # a round of `search` takes longer
            closed[method] = (float(closed_by(methods, method, points[-1], best).mean()), len(methods[method]))
    return closed, ""


def parameters() -> Iterator[Bar]:
    files = {
        "fit": "identification",
        "identify": "identify",
    }  # the fit is told which six quantities vary, as no twin is
    found = {method: of for method, file in files.items() if (of := figures(file).get("parameters"))}
    seeds = {method: len({p["seed"] for p in of}) for method, of in found.items()}
    for kind, most in ERRORS.items():
        worst = {m: (max(over_seeds(of, "median_error_over_true", kind)), seeds[m]) for m, of in found.items()}
        what = f"{kind}: median error after 4 s of walking"
        yield Bar(6, what, f"{most:.0%}", worst, most, below=True, show="{:.1%}".format)
    off = {method: (off_by(of), seeds[method]) for method, of in found.items()}
    what = "how far from 90 % of the truths the 90 % intervals hold, of the worst parameter"
    yield Bar(6, what, f"{COVERAGE:.0%}", off, COVERAGE, below=True, show="{:.1%}".format)


def off_by(parameters: Sequence[Mapping[str, Any]]) -> float:
    """How far from .9 the coverage of the parameter is that is furthest off."""
    return max(abs(coverage - 0.9) for coverage in over_seeds(parameters, "coverage"))


def over_seeds(parameters: Sequence[Mapping[str, Any]], figure: str, kind: str = "") -> list[float]:
    """Of each parameter of a kind the mean over seeds."""
    by_name: dict[str, list[float]] = {}
    for one in parameters:
        if one["parameter"].startswith(kind):
            by_name.setdefault(one["parameter"], []).append(one[figure])
    return [float(np.mean(of)) for of in by_name.values()]


def gradients() -> Iterator[Bar]:
    for name in ("cheetah-dir", "ant-dir"):
        means, runs = (figures(f"gradients-{name}").get(key, {}) for key in ("means", "returns"))
        for steps in (1, 3):
            reached = {m: (v[steps], len(runs[m])) for m, v in means.items() if m != "randomised"}
            least = means["randomised"][steps] if means else 0.0
            asked = f"over finetune's {least:.0f}" if means else "over finetune's"
            what = f"{name}: return after {steps} gradient step{'s' * (steps > 1)}"
            yield Bar(7, what, asked, reached, least, show="{:.0f}".format)
