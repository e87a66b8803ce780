"""Which method is better on a suite, by how much, and how sure is that? All of them meet the same episodes.

The protocol is facts/protocols.md's: a method is one controller or the seeds of one training; its score on a task is the mean
return of a seed's episodes. Tasks are the suite's and stay; what chance decided (seeds, or the episodes where there is one
seed alone) is drawn again for the intervals. A seed is one controller that meets all tasks, and is drawn with
all of its scores; episodes are drawn within each task (see `statistics.bootstrap`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..envs.suites import TaskSuite
from ..robots import unknown
from .adaptation.inference import infers
from .adaptation.search import as_begun
from .controller import Controller
from .safety import CRITERIA
from .shipped import find
from .splits import SplitResult, evaluate_suite
from .statistics import (
    WORST,
    Statistic,
    bootstrap,
    cvar,
    gap_closed,
    iqm,
    mean,
    oracle_gap,
    out_of_distribution_gap,
    performance_profile,
    probability_of_improvement,
)

THRESHOLDS = 51  # of a performance profile
CURVE = 100  # points, at most, of the reward over a trial


@dataclass(frozen=True)
class Comparison:
    """S seeds of each method on T tasks of each split, E episodes each.

    Attributes:
        results: by method and split, one of each seed.
        baseline, oracle: the methods by which gaps are measured, where given.
        seed: of the episodes. trial: how many of them in a row are one trial; a task's score is then the mean over them.
    """

    suite: TaskSuite
    splits: tuple[str, ...]
    results: Mapping[str, Mapping[str, tuple[SplitResult, ...]]]
    episodes: int
    seed: int
    baseline: str | None = None
    oracle: str | None = None
    trial: int = 1

    def returns(self, method: str, split: str) -> np.ndarray:
        """(S, T, E)."""
        return np.array([result.returns for result in self.results[method][split]])

    def scores(self, method: str, split: str) -> np.ndarray:
        """(S, T), means over episodes."""
        return self.returns(method, split).mean(axis=2)

    def inside(self) -> str | None:
        """The split that out-of-distribution gaps are measured from: robots as in training, met there as late as may be."""
        unmet = ("test", "validation", "train")
        return next((s for s in unmet if s in self.splits and self.suite.follows_training(s)), None)

    def figures(self, method: str, split: str) -> dict[str, Any]:
        """Everything about one method on one split; None where it cannot be said."""
        scores, evaluations = self.scores(method, split), [r.evaluation for r in self.results[method][split]]
        safety = [e.safety.figures() for e in evaluations if e.safety is not None]
        tracking = np.mean([e.tracking for e in evaluations])
        found: dict[str, Any] = {"seeds": len(scores)}
        for name, statistic in (("mean", mean), ("iqm", iqm), ("cvar", cvar)):
            found[name] = float(statistic(scores))
            found[f"{name}_interval"] = self._interval(statistic, split, method)
        found |= self._against_baseline(method, split) if self.baseline not in (None, method) else {}
        found |= self._against_oracle(method, split) if self.oracle not in (None, method) else {}
        inside = self.inside()
        if inside is not None and not self.suite.follows_training(split):
            gap = out_of_distribution_gap(mean(self.scores(method, inside)), mean(scores))
            found["out_of_distribution_gap"] = float(gap)
        trained = [r.trained for r in self.results[method][split] if r.trained is not None]
        if trained:
            found["training_steps"], found["training_seconds"] = np.mean(trained, axis=0).tolist()
        goals = [e.succeeded for e in evaluations if e.succeeded is not None]
        found |= {"success": float(np.mean(goals))} if goals else {}
        found |= {
            "tracking": float(tracking),
            "safety": {name: float(np.mean([one[name] for one in safety])) for name in CRITERIA},
            "task_returns": scores.tolist(),
        }
        return found | self._by_second(method, split) | (self._by_episode(method, split) if self.trial > 1 else {})

    def content(self) -> dict[str, Any]:
        """The whole comparison as what JSON holds: figures by split and method, with performance profiles."""
        splits = {}
        for split in self.splits:
            every = [self.scores(method, split) for method in self.results]
            low, high = min(s.min() for s in every), max(s.max() for s in every)
            room = 0.02 * (high - low or 1.0)  # so that every profile goes from 1 to 0
            thresholds = np.linspace(low - room, high + room, THRESHOLDS)
            methods = {}
            for method, scores in zip(self.results, every, strict=True):
                profile = performance_profile(scores, thresholds).tolist()
                methods[method] = _plain({**self.figures(method, split), "profile": profile})
            tasks = [str(task) for task in self.suite.tasks(split)]
            splits[split] = {"tasks": tasks, "thresholds": thresholds.tolist(), "methods": methods}
        about = {
            "suite": str(self.suite),
            "sha256": self.suite.sha256,
            "robot": self.suite.robot,
            "task": self.suite.task,
        }
        how: dict[str, Any] = {"episodes": self.episodes, "trial": self.trial, "seed": self.seed}
        how |= {"baseline": self.baseline, "oracle": self.oracle, "inside": self.inside()}
        how["elsewhere"] = [m for m, of in self.results.items() if any(r.elsewhere for s in of.values() for r in s)]
        return {**about, **how, "cvar_share": WORST, "splits": splits}

    def _by_episode(self, method: str, split: str) -> dict[str, Any]:
        """How a method gets better within a trial: mean returns of its episodes, with intervals."""
        evaluations = [result.evaluation for result in self.results[method][split]]
        shape = (len(evaluations), self.trial, -1, self.episodes)
        runs = np.array([e.by_episode for e in evaluations]).reshape(shape)  # (S, K, T, E)
        # As in _runs: seeds are drawn again, or the episodes of the only one.
        alone = len(runs) == 1
        drawn = runs[0].transpose(2, 0, 1) if alone else runs.mean(axis=3)
        intervals = [
            list(bootstrap(mean, drawn[:, k], by_task=alone)) if len(drawn) > 1 else None for k in range(self.trial)
        ]
        return {"by_episode": runs.mean(axis=(0, 2, 3)).tolist(), "by_episode_interval": intervals}

    def _by_second(self, method: str, split: str) -> dict[str, Any]:
        """The mean reward of a step over the seconds of an episode or trial, nothing where it was not kept.

        A seed whose robots have all fallen earns nothing from then on, as a robot that has fallen.
        """
        evaluations = [result.evaluation for result in self.results[method][split]]
        seconds = evaluations[0].robot_seconds / evaluations[0].lengths.sum()
        steps = max(len(e.by_step) for e in evaluations)
        if not steps:
            return {}
        every = -(-steps // CURVE)
        seeds = np.mean([np.pad(e.by_step, (0, steps - len(e.by_step))) for e in evaluations], axis=0)
        padded = np.pad(seeds, (0, -steps % every), constant_values=np.nan)  # the last point is of fewer steps
        by_step = np.nanmean(padded.reshape(-1, every), axis=1)
        middles = seconds * every * (np.arange(len(by_step)) + 0.5)
        return {"by_second": {"seconds": middles.tolist(), "reward": by_step.tolist()}}

    def _against_baseline(self, method: str, split: str) -> dict[str, Any]:
        assert self.baseline is not None
        mine, theirs = self._runs(split, method, self.baseline)
        return {
            "probability_of_improvement": float(probability_of_improvement(mine, theirs)),
            "probability_of_improvement_interval": self._interval(
                probability_of_improvement, split, method, self.baseline
            ),
        }

    def _against_oracle(self, method: str, split: str) -> dict[str, Any]:
        assert self.oracle is not None
        mine, best = self.scores(method, split), self.scores(self.oracle, split)
        found: dict[str, Any] = {"oracle_gap": float(oracle_gap(mean(mine), mean(best)))}
        if self.baseline not in (None, method):
            base = self.scores(self.baseline, split)
            found["gap_closed"] = float(_gap_closed(mine, base, best))
            found["gap_closed_interval"] = self._interval(_gap_closed, split, method, self.baseline, self.oracle)
            found["task_gap_closed"] = gap_closed(mine.mean(axis=0), base.mean(axis=0), best.mean(axis=0)).tolist()
        return found

    def _alone(self, *methods: str) -> bool:
        """Whether none of the methods has more than one seed, so that only episodes are left to chance."""
        return all(len(self.results[method][self.splits[0]]) == 1 for method in methods)

    def _runs(self, split: str, *methods: str) -> list[np.ndarray]:
        """What is drawn again of each method, (R, T): its seeds, or episodes where none has more than one seed.

        Beside methods of several seeds one of a single seed counts as it is, without uncertainty of its own.
        """
        returns = [self.returns(method, split) for method in methods]
        return [r[0].T for r in returns] if self._alone(*methods) else [r.mean(axis=2) for r in returns]

    def _interval(self, statistic: Statistic, split: str, *methods: str) -> list[float] | None:
        """95 % interval of a statistic of the methods' scores, None where there is one run of one episode alone."""
        runs = self._runs(split, *methods)
        if all(len(r) == 1 for r in runs):
            return None
        pairs = statistic is probability_of_improvement  # of runs; the others are about scores, means over episodes
        alone = self._alone(*methods)
        return list(bootstrap(_of_means(statistic) if alone and not pairs else statistic, *runs, by_task=alone))


def compare(
    methods: Mapping[str, Sequence[Controller]],
    suite: TaskSuite,
    splits: Sequence[str] | None = None,
    *,
    baseline: str | None = None,
    oracle: str | None = None,
    episodes: int = 10,
    trial: int = 1,
    seed: int = 1000,
) -> Comparison:
    """The same `episodes` episodes on every task of each split (all by default) for every controller of every method.

    `methods` holds the seeds of each by name, `baseline` and `oracle` are two of those names. Controllers of `search` and
    `identify` are told what an average robot of their training is (`as_begun`), but for the oracle's, which know the truth;
    those of `identify` then find out what their robot is, every four seconds of a trial, unless they plan.
    With `trial` K they are trials, K episodes in a row of which a controller remembers the earlier ones. Raises
    `SurefootError` for a suite of another robot or task, and for unknown splits and names.
    """
    wanted = tuple(dict.fromkeys(splits or suite.splits))
    for name in (baseline, oracle):
        if name is not None and name not in methods:
            raise unknown("method", name, methods)
    for split in wanted:  # what is wrong is said before anything is simulated
        suite.tasks(split)
    for controllers in methods.values():
        for controller in controllers:
            suite.check_for(controller.config.robot, controller.config.task)
    results: dict[str, dict[str, tuple[SplitResult, ...]]] = {}
    for name, controllers in methods.items():
        asked: dict[str, Any] = {"episodes": episodes, "trial": trial, "seed": seed, "safety": True}
        found = [
            evaluate_suite(
                c if name == oracle else as_begun(c), suite, wanted, **asked, infers=name != oracle and infers(c)
            )
            for c in controllers
        ]
        results[name] = dict(zip(wanted, zip(*found, strict=True), strict=True))
    return Comparison(suite, wanted, results, episodes, seed, baseline, oracle, trial)


def load_methods(sources: Sequence[str | Path]) -> dict[str, list[Controller]]:
    """The controllers of each source by a short name: one, or those of the folders seed_* in it, in their order.

    Raises `SurefootError` for a source that is not there, and for a seed without a controller.
    """
    paths = {str(source): find(source) for source in sources}
    names = [Path(source).name for source in paths]
    methods = {}
    for (source, path), name in zip(paths.items(), names, strict=True):
        seeds = [p for p in path.glob("seed_*") if p.is_dir()]
        seeds.sort(key=lambda p: (len(p.name), p.name))
        methods[name if names.count(name) == 1 else source] = [Controller.load(p) for p in seeds or [path]]
    return methods


def method_name(source: str | Path, sources: Sequence[str | Path]) -> str:
    """What `load_methods(sources)` calls one of them."""
    name = Path(source).name
    return name if [Path(s).name for s in dict.fromkeys(map(str, sources))].count(name) == 1 else str(source)


def _gap_closed(mine: np.ndarray, baseline: np.ndarray, oracle: np.ndarray) -> np.ndarray:
    """Of the mean returns over all tasks, whatever the number of runs."""
    return gap_closed(mean(mine), mean(baseline), mean(oracle))


def _of_means(statistic: Statistic) -> Statistic:
    """The statistic of scores that are means over the runs, which are episodes here: (..., R, T) -> (..., 1, T)."""
    return lambda *runs: statistic(*(r.mean(axis=-2, keepdims=True) for r in runs))


def _plain(value: Any) -> Any:
    """With None for NaN, which JSON does not have."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
