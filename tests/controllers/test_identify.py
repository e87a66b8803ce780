"""Search and identification: what a policy is told, what is inferred of a robot, and how sure it is."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from surefoot import api
from surefoot.cli.main import run
from surefoot.controllers.adaptation import METHODS, Budget, methods_of
from surefoot.controllers.adaptation.continual import continual
from surefoot.controllers.adaptation.finetune import finetune
from surefoot.controllers.adaptation.identify import (
    Learning,
    both_sides,
    fit,
    held_out,
    identified_walks,
    learn,
    truth,
    walk,
    walk_and_identify,
)
from surefoot.controllers.adaptation.search import as_begun, told_in_training
from surefoot.controllers.config import PlannerConfig
from surefoot.controllers.controller import Controller
from surefoot.controllers.envelope import envelope
from surefoot.controllers.evaluation import evaluate
from surefoot.controllers.identifier import STEPS, Identifier
from surefoot.controllers.planner import Planner
from surefoot.controllers.simulated_log import write_log
from surefoot.controllers.training import make_env
from surefoot.controllers.worlds import worlds_of
from surefoot.envs.batch_env import BatchEnv
from surefoot.envs.suites import load_suite, make_suite
from surefoot.envs.variation import Task
from surefoot.robots import SurefootError

pytest.importorskip("cma", reason="needs surefoot[adapt]")
NAMES = ("motor_strength.bthigh", "gravity")
LIGHT = Task({"gravity": 5.0})


@pytest.fixture(scope="module")
def told() -> Controller:
    """A cheetah that is told two parameters, and has an identifier of them."""
    hyperparameters = {"num_envs": 16, "n_steps": 16, "batch_size": 128, "net": (16, 16), "encoder_width": 4}
    controller = api.train(
        "half_cheetah", "run", method="search", vary={"gravity": "4:16", "motor_strength.bthigh": "0.5:1.5"}, steps=1024,
        hyperparameters=hyperparameters, progress=False,
    )  # fmt: skip
    learn(controller, 128 * STEPS * 10, plan=Learning(worlds=128, updates=500, batch_size=64))
    return controller


def test_what_the_identifier_learnt_from_is_part_of_the_training(told: Controller) -> None:
    assert told.timesteps == 1024 + 128 * STEPS * 10


def test_a_symmetric_robot_is_told_and_looked_at_on_both_sides() -> None:
    hyperparameters = {"num_envs": 4, "n_steps": 8, "batch_size": 16, "net": (8, 8), "encoder_width": 4}
    controller = api.train(
        "quadruped", "velocity", method="search", vary={"motor_strength.front_left": "0.3:1", "com.y": "-0.1:0.1"},
        steps=32, hyperparameters=hyperparameters, progress=False,
    )  # fmt: skip
    names = controller.settings.inputs
    legs = ["front_left"] * 3 + ["front_right"] * 3
    assert [name.split(".")[1].rsplit("_", 1)[0] for name in names if name.startswith("motor")] == legs
    env = make_env(controller.config, 4, seed=1)
    env.reset()
    windows, _ = walk(env, controller)
    true = torch.randn(4, len(names))
    seen, known = both_sides(controller, windows, true)
    assert seen.shape[0] == known.shape[0] == 8
    again = both_sides(controller, seen[4:], known[4:])
    assert torch.equal(again[0][4:], windows)
    assert torch.equal(again[1][4:], true)
    assert torch.equal(known[4:, names.index("com.y")], -true[:, names.index("com.y")])
    left, right = (names.index(f"motor_strength.front_{side}_calf") for side in ("left", "right"))
    assert torch.equal(known[4:, left], true[:, right])


def test_what_is_told_is_what_varies(told: Controller) -> None:
    assert told.settings.inputs == NAMES
    assert told.identifier is not None
    assert told.identifier.names == NAMES
    center, scale = told_in_training(told, 2)
    assert center == pytest.approx([1, 10], rel=0.2)
    assert scale == pytest.approx([1 / np.sqrt(12), 12 / np.sqrt(12)], rel=0.3)
    assert methods_of(told) == ["zero-shot", "finetune", "planner", "search"]  # meta_train notes "identify" besides


def test_held_out_robots(told: Controller) -> None:
    env = make_env(told.config, 256, seed=77)
    env.reset()
    true = env.inputs.truth(env.values, env.task.command()).copy()
    window, whole = walk(env, told)
    assert whole.all()
    assert told.identifier is not None
    with torch.no_grad():
        mean, std = (part.numpy() for part in told.identifier(window))
    error, spread = np.abs(mean - true), true.std(axis=0)
    assert (np.median(error, axis=0) < [0.65, 0.1] * spread).all()  # a guess is at .87
    covered = (error < 1.645 * std).mean(axis=0)
    assert (covered > 0.8).all()
    assert covered.mean() < 0.98
    assert (covered < 1.0).all()
    assert (std.mean(axis=0) < 0.8 * spread).all()  # and not for being unsure of everything


def test_the_average_of_windows_is_as_sure_as_it_says(told: Controller) -> None:
    identifier, env = told.identifier, make_env(told.config, 256, seed=77)
    assert identifier is not None
    env.trial = 10**9
    env.inputs.believed[:] = identifier.center
    env.reset()
    true, walks = truth(env), identified_walks(env, told, identifier)
    found = [next(walks) for _ in range(4)][-1]
    error = np.abs(found.mean - true)
    covered = (error < 1.645 * identifier.of_average(found.std, found.whole)).mean(axis=0)
    of_one = (error < 1.645 * found.std).mean(axis=0)  # as if an average were no surer than what it is of
    assert (np.abs(covered - 0.9) < 0.08).all()
    assert np.abs(of_one - 0.9).max() > 0.08
    identifier = Identifier(23, ("payload", "gravity"), changes=17)
    identifier.shared[:] = torch.tensor([0.0, 0.25])
    of = identifier.of_average(np.full((2, 2), 2.0), np.array([1, 4]))
    np.testing.assert_allclose(of, [[2, 2], [1, 2 * np.sqrt(0.25 + 0.75 / 4)]])


def test_windows_with_a_fall_say_nothing(told: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither of the parameters nor of how sure they are; who falls in each is any robot of the training."""
    windows, stands = [], [np.array([True, False, False]), np.array([True, True, False])]

    def falling(env: BatchEnv, controller: Controller) -> tuple[torch.Tensor, np.ndarray]:
        windows.append(walk(env, controller)[0])
        return windows[-1], stands[len(windows) - 1]

    monkeypatch.setitem(walk_and_identify.__globals__, "walk", falling)
    found, identifier = walk_and_identify(told, LIGHT, 3, (2,)), told.identifier
    assert identifier is not None
    with torch.no_grad():
        (mean, std), (later, of_later) = ([part.numpy() for part in identifier(window)] for window in windows)
    average = identifier.of_average((std + of_later) / 2, np.full(3, 2))
    np.testing.assert_allclose(found.mean, [(mean + later)[0] / 2, later[1], told_in_training(told, 2)[0]], rtol=1e-5)
    np.testing.assert_allclose(found.std, [average[0], of_later[1], told_in_training(told, 2)[1]], rtol=1e-5)


def watched(monkeypatch: pytest.MonkeyPatch) -> list[tuple[np.ndarray, np.ndarray]]:
    """What the robots of each walk of `learn` are, before and after it."""
    found: list[tuple[np.ndarray, np.ndarray]] = []

    def watching(env: BatchEnv, controller: Controller) -> tuple[torch.Tensor, np.ndarray]:
        before = env.values.copy()
        walked = walk(env, controller)
        found.append((before, env.values.copy()))
        return walked

    monkeypatch.setitem(learn.__globals__, "walk", watching)
    return found


SMALL = Learning(worlds=8, held_out=2, updates=2, batch_size=4)
FEW = {"num_envs": 4, "n_steps": 8, "batch_size": 16, "net": (8, 8), "encoder_width": 4}


@pytest.mark.parametrize("validation", [True, False])
def test_calibrated_on_robots_that_it_does_not_learn_from(
    validation: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    laws = {"train": [({"gravity": "4:16"}, 10)], "test": [({"gravity": "4:16"}, 4)]}
    if validation:
        laws["validation"] = [({"gravity": "4:16"}, 3)]
    suite = make_suite("heavy", "half_cheetah", "run", laws)
    suite.save(tmp_path / "heavy.json")
    controller = api.train(
        "half_cheetah",
        "run",
        method="search",
        suite=str(tmp_path / "heavy.json"),
        steps=32,
        hyperparameters=FEW,
        progress=False,
    )
    walks = watched(monkeypatch)
    learn(controller, 8 * STEPS * 6, plan=SMALL)
    splits = {split: set(suite.rows(split, make_env(controller.config, 1).table)[0].max(axis=1)) for split in laws}
    assert len(walks) == 5 + 2
    seen, held = ({v for before, _ in part for v in before.max(axis=1)} for part in (walks[:5], walks[5:]))
    assert seen <= splits["train"]
    assert held <= splits["validation" if validation else "train"]
    assert not seen & held
    assert len(seen | held) > 8 or validation
    assert suite.tasks("train") == load_suite(tmp_path / "heavy.json").tasks("train")


def test_few_tasks_are_all_learnt_from() -> None:
    for name, kept, out in (("cheetah-mass-damping", 20, 5), ("cheetah-dir", 2, 2), ("quadruped-payload", 128, 32)):
        suite, tasks = held_out(load_suite(name), seed=0)
        assert (len(suite.tasks("train")), len(tasks)) == (kept, out)


def test_what_is_learnt_of_a_walk_is_true_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    controller = api.train(
        "half_cheetah", "run", method="search", vary={"gravity": "4:16"}, steps=32,
        hyperparameters={**FEW, "redraw": 0.05}, progress=False,
    )  # fmt: skip
    walks = watched(monkeypatch)
    learn(controller, 8 * STEPS * 4, plan=SMALL)
    assert walks
    assert all(np.array_equal(before, after) for before, after in walks)


def test_robots_that_change_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    vary = {"gravity": "4:16", "gravity@p0.003": "4:16"}
    controller = api.train(
        "half_cheetah", "run", method="search", vary=vary, steps=32, hyperparameters=FEW, progress=False
    )
    walks, learnt = watched(monkeypatch), []
    monkeypatch.setitem(learn.__globals__, "fit", lambda *args: learnt.append(args[3]) or fit(*args))
    learn(controller, 8 * STEPS * 6, plan=SMALL)
    same = [np.array_equal(b, a) for before, after in walks[:5] for b, a in zip(before, after, strict=True)]
    assert 0 < len(learnt[0]) == sum(same) < len(same)


def test_it_learns_when_all_is_collected_and_in_time(told: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each sample as often as the others, with a rate that falls to 0; a budget of seconds holds for all of it."""
    now, rates, walks = [0.0], [], []

    class Adam(torch.optim.Adam):
        def step(self, closure: Any = None) -> None:
            rates.append((self.param_groups[0]["lr"], len(walks)))
            now[0] += 0.1
            super().step(closure)

    def walking(env: BatchEnv, controller: Controller) -> tuple[torch.Tensor, np.ndarray]:
        walks.append(env.num_envs)
        now[0] += env.num_envs / 8
        return torch.randn(env.num_envs, STEPS, 23), np.ones(env.num_envs, bool)

    monkeypatch.setattr(torch.optim, "Adam", Adam)
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    monkeypatch.setitem(learn.__globals__, "walk", walking)
    plan = dataclasses.replace(SMALL, updates=50)
    learn(told.copy(), 8 * STEPS * 6, plan=plan)
    assert walks == [8] * 5 + [4] * 2
    assert len(rates) == 50
    assert {after for _, after in rates} == {5}
    falling = [rate for rate, _ in rates]
    assert falling == sorted(falling, reverse=True)
    assert (falling[0], falling[-1]) == (plan.learning_rate, pytest.approx(0, abs=0.05 * plan.learning_rate))
    now[0], walks[:], rates[:] = 0.0, [], []
    learn(told.copy(), 10**9, 20.0, dataclasses.replace(SMALL, updates=10**9))
    assert 15 < now[0] < 21
    assert 5 < len(walks) < 15
    assert len(rates) > 50
    assert rates[-1][0] < 0.05 * plan.learning_rate
    now[0], walks[:] = 0.0, []
    learn(told.copy(), 10**9, 1.0, SMALL)
    assert walks == [8, 4]  # what it takes at least


def test_identify_tells_the_policy(told: Controller, tmp_path: Path) -> None:
    before = dict(told.told)
    runs = [METHODS["identify"](told, LIGHT, Budget(None, None, 20.0), episodes=4) for _ in range(2)]
    found = runs[0]
    assert told.told == before == {}
    assert [p.steps for p in found.curve] == [0, 200, 400]
    estimate = found.inferred["gravity"]
    assert estimate.true == 5.0
    assert abs(estimate.mean - 5.0) < 2.0
    assert found.controller.told == {name: e.mean for name, e in found.inferred.items()}
    assert found.controller.told_std == {name: e.std for name, e in found.inferred.items()}
    assert runs[1].inferred == found.inferred
    found.controller.save(tmp_path / "adapted.safetensors")
    kept = api.record(tmp_path / "adapted.safetensors", parameters=LIGHT, seconds=0.5)
    assert kept.inferred_names == NAMES
    np.testing.assert_allclose(kept.inferred_std[-1], [found.inferred[name].std for name in NAMES], rtol=1e-6)
    with pytest.raises(SurefootError, match=r"robot_seconds=5: expected 200 control steps or more, 10 s of motion"):
        METHODS["identify"](told, LIGHT, Budget(None, None, 5.0), episodes=2)


def test_what_it_is_told_decides_how_it_acts(told: Controller, tmp_path: Path) -> None:
    true = evaluate(told, task=LIGHT, episodes=2).returns
    lied = told.copy()
    lied.told = {"gravity": 16.0}
    assert not np.array_equal(evaluate(lied, task=LIGHT, episodes=2).returns, true)
    lied.told = {"gravity": 5.0, "motor_strength.bthigh": 1.0}
    assert np.array_equal(evaluate(lied, task=LIGHT, episodes=2).returns, true)
    lied.save(tmp_path / "told.safetensors")
    again = Controller.load(tmp_path / "told.safetensors")
    assert again.told == lied.told
    assert again.identifier is not None
    assert told.identifier is not None
    window = torch.randn(3, STEPS, 23)
    assert all(torch.equal(a, b) for a, b in zip(again.identifier(window), told.identifier(window), strict=True))
    lied.told = {"payload": 1.0}
    with pytest.raises(SurefootError, match="unknown parameter among the inputs 'payload'"):
        evaluate(lied, task=LIGHT, episodes=2)


def test_it_begins_with_what_an_average_robot_is_not_with_the_truth(
    told: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the gate, the page and the baseline would compare with an oracle."""
    begun = as_begun(told)
    assert begun.told == dict(zip(NAMES, told_in_training(told, 2)[0].tolist(), strict=True))
    assert (as_begun(begun), told.told) == (begun, {})
    shot = METHODS["zero-shot"](told, LIGHT, Budget(), episodes=3)
    searched = METHODS["search"](told, LIGHT, Budget(None, 240), episodes=3)
    with pytest.raises(SurefootError, match=r"budget steps=239: expected 240 control steps or more, 12 s of motion"):
        METHODS["search"](told, LIGHT, Budget(None, 239), episodes=3)
    assert np.array_equal(shot.after.evaluation.returns, searched.before.evaluation.returns)
    assert not np.array_equal(shot.after.evaluation.returns, evaluate(told, task=LIGHT, episodes=3, seed=1000).returns)
    cells = [envelope({"c": c}, {"gravity": "5:15", "motor_strength.bthigh": "0|1"}, cells=2, episodes=1).maps["c"]
             for c in (told, begun, _telling(told, 5.0))]  # fmt: skip
    assert np.array_equal(cells[0].returns, cells[1].returns)
    assert not np.array_equal(cells[0].returns, cells[2].returns)
    grid = {"gravity": "5:15", "motor_strength.bthigh": "0.5:1"}
    monkeypatch.setattr("surefoot.controllers.envelope.MOTION", 1.0)  # less than the 10 s that it looks at
    found = api.envelope(told, grid, cells=2, episodes=1).maps
    assert list(found) == ["before", "after 10 s of motion"]
    every = [Task({"gravity": g, NAMES[0]: m}) for m in (0.5, 1.0) for g in (5.0, 15.0)]
    curve = walk_and_identify(told.copy(), [*every, Task()], 5, (1,)).curve
    for one, point in zip(found.values(), curve, strict=True):
        assert np.array_equal(one.returns, point.evaluation.returns[:4].reshape(2, 2))
    with pytest.raises(SurefootError, match="motion of 9 s: expected 10 s or more"):
        api.envelope(told, grid, cells=2, episodes=1, motion=9.0)
    assert list(api.envelope(begun, grid, cells=1, episodes=1).maps) == ["controller"]  # it has been told
    compared = []

    def refusal(before: Controller, after: Controller, *_: object, **__: object) -> str:
        compared.append(before.told)
        return "worse"

    monkeypatch.setattr("surefoot.api.learning.refusal", refusal)
    kept = api.adapt(told, LIGHT, method="search", seconds=None, steps=400, episodes=1, gate=True)
    assert compared == [begun.told]
    assert (kept.refused, kept.controller.told) == ("worse", begun.told)
    alone = told.copy()
    alone.identifier = None  # which would tell it what it sees
    every = alone, as_begun(alone), _telling(alone, 5.0)
    changes = [continual(c, LIGHT, robots=2, seconds=6.0) for c in every]
    assert {change.method for change in changes} == {"zero-shot"}  # a search is none while it walks
    errors = [change.error for change in changes]
    assert np.array_equal(errors[0], errors[1])
    assert not np.array_equal(errors[0], errors[2])


def test_fine_tuning_goes_on_with_what_it_is_told(told: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, worlds = as_begun(told), []

    def make(*args: Any, **others: Any) -> BatchEnv:
        worlds.append(make_env(*args, **others))
        return worlds[-1]

    monkeypatch.setitem(finetune.__globals__, "make_env", make)
    found = finetune(told, LIGHT, Budget(None, 400), episodes=3)
    first = METHODS["zero-shot"](told, LIGHT, Budget(), episodes=3).after.evaluation
    assert np.array_equal(found.before.evaluation.returns, first.returns)
    shown = list(begun.told.values())
    assert np.array_equal(worlds[0].inputs.numbers, np.tile(shown, (worlds[0].num_envs, 1)))
    assert found.controller.told == begun.told
    last = evaluate(found.controller, task=LIGHT, episodes=3, seed=1000).returns
    assert np.array_equal(found.after.evaluation.returns, last)


def test_auto_identifies_where_the_budget_has_the_motion_for_it(told: Controller) -> None:
    controller = told.copy()
    controller.config = controller.config.model_copy(update={"method": "identify"})
    for motion, method in ((9.9, "zero-shot"), (10.0, "identify")):
        found = api.adapt(controller, LIGHT, method="auto", seconds=None, robot_seconds=motion, episodes=1)
        assert found.method == method


def test_nobody_stays_up_long_enough_to_be_looked_at(told: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
    def fallen(env: BatchEnv, controller: Controller) -> tuple[torch.Tensor, np.ndarray]:
        return torch.zeros(env.num_envs, STEPS, 23), np.zeros(env.num_envs, bool)

    monkeypatch.setitem(learn.__globals__, "walk", fallen)
    with pytest.raises(SurefootError, match="none of 4 robots stayed up so long"):
        learn(told.copy(), 100, plan=Learning(worlds=4))


def test_search_spends_its_budget_and_earns(told: Controller) -> None:
    runs = [METHODS["search"](told, LIGHT, Budget(None, 4000), episodes=3, points=2) for _ in range(2)]
    found = runs[0]
    assert 3000 < found.after.steps <= 4000
    assert [p.steps for p in found.curve] == sorted({p.steps for p in found.curve})
    assert np.array_equal(found.after.evaluation.returns, runs[1].after.evaluation.returns)
    assert set(found.controller.told) == set(NAMES)
    assert np.array_equal(
        evaluate(found.controller, task=LIGHT, episodes=3, seed=1000).returns, found.after.evaluation.returns
    )
    before = evaluate(_telling(told, 10.0), task=LIGHT, episodes=3, seed=1000).returns
    assert np.allclose(before, found.before.evaluation.returns, rtol=0.3)


def test_what_search_finds_is_no_estimate(told: Controller, tmp_path: Path) -> None:
    """The spread of CMA-ES's samples says how far it still looks, not how near the truth it is."""
    page = tmp_path / "page.html"
    found = api.adapt(told, LIGHT, method="search", seconds=None, steps=400, episodes=1, html=page)
    assert all(np.isnan(estimate.std) for estimate in found.inferred.values())
    assert found.controller.told == {name: estimate.mean for name, estimate in found.inferred.items()}
    assert found.controller.told_std == {}
    rows = {row[0]: row[1:] for row in api.inferred_table(found)["rows"]}
    assert rows["gravity"] == [f"{found.controller.told['gravity']:.3g}", "-", "5"]
    assert api.record(found.controller, seconds=0.2, inferred=found.inferred).inferred_names == ()
    assert '"inferredNames": []' in page.read_text() or '"inferredNames":[]' in page.read_text()


@pytest.mark.parametrize("better", [True, False])
def test_search_keeps_what_earns_more(told: Controller, monkeypatch: pytest.MonkeyPatch, better: bool) -> None:
    """Six trials a round for two numbers; the last round is of pairs from one start each: as it began, and as found."""
    rounds = []

    def returns(env: BatchEnv, controller: Controller, steps: int, starts: np.ndarray) -> np.ndarray:
        rounds.append((starts.tolist(), env.inputs.believed.copy()))
        toward = env.inputs.believed[:, env.inputs.known.index("gravity")]
        return toward if len(rounds) < 4 or better else -toward  # more gravity earns more, until the last round

    monkeypatch.setitem(METHODS["search"].__globals__, "_returns", returns)
    found = METHODS["search"](told, LIGHT, Budget(None, 4 * 6 * 20), episodes=2, points=2)
    assert [starts for starts, _ in rounds] == [[0] * 6] * 3 + [[0, 0, 1, 1, 2, 2]]
    assert [p.steps for p in found.curve] == [0, 240, 480]  # the round that compares is charged like the others
    begun, names = as_begun(told).told, list(found.inferred)
    pairs = rounds[-1][1].reshape(3, 2, 2)
    assert np.allclose(pairs[:, 0], [begun[name] for name in names])
    assert (found.controller.told["gravity"] > begun["gravity"]) == better
    assert np.allclose(pairs[:, 1], [found.controller.told[name] for name in names]) == better
    assert (found.controller.told == begun) != better


def _telling(controller: Controller, gravity: float) -> Controller:
    twin = controller.copy()
    twin.told = {"gravity": gravity, "motor_strength.bthigh": 1.0}
    return twin


def test_the_planner_simulates_what_was_identified(told: Controller) -> None:
    planned = told.copy()
    planned.plan = PlannerConfig(samples=3, horizon=1)
    found = METHODS["planner"](planned, LIGHT, Budget(None, None, 10.0), episodes=2)
    assert found.controller.plan == planned.plan
    assert found.controller.told == {name: e.mean for name, e in found.inferred.items()}
    assert [p.steps for p in found.curve] == [0, 200, 200]
    # Robots are imagined to be told what they are told, also where that has changed since the planner was made.
    env = worlds_of(planned.config, 2, told=planned.told, tasks=LIGHT)
    plans = Planner(found.controller, env)
    env.inputs.believed[:] = [[1.0] * len(NAMES), [2.0] * len(NAMES)]
    plans.act(env.reset())
    assert np.unique(plans.futures.inputs.believed) == pytest.approx([1.0, 2.0])
    at = [env.table.names.index(name) for name in NAMES]
    assert np.unique(plans.futures.values[:, at]) == pytest.approx([1.0, 2.0])  # and to be that
    identified, judged = found.curve[1:]
    assert not np.array_equal(judged.evaluation.returns, identified.evaluation.returns)


def test_a_log_tells_the_policy(told: Controller, tmp_path: Path) -> None:
    """The way from a real robot's motion to a controller for it: the fit's values, and how sure it is of them."""
    write_log(tmp_path / "walk.csv", told, parameters={"gravity": 7.0}, seconds=4.0)
    out = tmp_path / "told.safetensors"
    command = ["identify", "half_cheetah", str(tmp_path / "walk.csv"), "--fit", "gravity=4:16", "--tell"]
    told.save(tmp_path / "run.safetensors")
    assert run([*command, str(tmp_path / "run.safetensors"), "--out", str(out)]) == 0
    kept = Controller.load(out)
    assert kept.told["gravity"] == pytest.approx(7.0, abs=0.3)
    assert kept.told["motor_strength.bthigh"] == 1.0  # as on the nominal robot
    assert list(kept.told_std) == ["gravity"]
    assert kept.told_std["gravity"] < 0.3
    fit = api.identify("half_cheetah", tmp_path / "walk.csv", {"gravity": "4:16"}, seconds=2.0)
    with pytest.raises(SurefootError, match="the log is of robot 'half_cheetah', the controller drives 'hopper'"):
        api.tell(_of_another(told), fit)
    with pytest.raises(
        SurefootError, match="this controller is told no parameters: expected one that was trained with"
    ):
        api.tell(api.load("half_cheetah-run"), fit)


def _of_another(controller: Controller) -> Controller:
    other = controller.copy()
    other.config = other.config.model_copy(update={"robot": "hopper"})
    return other
