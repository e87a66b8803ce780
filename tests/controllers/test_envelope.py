"""Robustness maps: every cell is the robot that its axes name, beside what the training had."""

import json
from typing import Any

import numpy as np
import pytest

from surefoot import api
from surefoot.controllers.config import TrainConfig
from surefoot.controllers.controller import Controller
from surefoot.controllers.envelope import TRACKING, envelope
from surefoot.controllers.evaluation import run_episodes
from surefoot.controllers.training import make_algorithm, make_env
from surefoot.controllers.worlds import worlds_of
from surefoot.envs.variation import Task
from surefoot.robots import SurefootError


def changed(controller: Controller, **fields: Any) -> Controller:
    """With short episodes, and fields of its configuration changed."""
    twin = controller.copy()
    options = {"episode_seconds": 0.4, **fields.pop("options", {})}
    twin.config = controller.config.model_copy(update={"options": options, **fields})
    return twin


@pytest.fixture(scope="module")
def walker() -> Controller:
    return changed(api.load("quadruped-velocity"))


def test_each_cell_is_its_robot(walker: Controller) -> None:
    """Without its motors a robot falls in .4 s, on the floor of another planet it does not."""
    grid = {"gravity": "4:12", "dead_actuator": "none|front_left|front+rear"}
    found = envelope({"walker": walker}, grid, cells=4, episodes=2, seed=3)
    assert found.x.values == pytest.approx((4, 6.66667, 9.33333, 12))
    assert found.y.values == ("none", "front_left", "front+rear")
    falls = found.maps["walker"].falls
    assert falls.shape == (3, 4)
    assert (falls[2, 1:] == 1).all()
    assert (falls[:2] == 0).all()
    assert (found.maps["walker"].success[2, 1:] == 0).all()

    # The whole batch again, by hand: rows of y, columns of x, episodes of a cell in a row, then the nominal robot.
    tasks = [Task({"gravity": g, "dead_actuator": d}) for d in found.y.values for g in found.x.values]
    env = worlds_of(walker.config, 26, tasks=[t for t in (*tasks, Task()) for _ in range(2)], seed=3, autoreset=False)
    result = run_episodes(env, walker)
    for name, values in (("returns", result.returns), ("tracking", result.tracked), ("falls", result.fell)):
        assert getattr(found.maps["walker"], name) == pytest.approx(values[:24].reshape(3, 4, 2).mean(axis=2))
    good = (result.tracked > TRACKING) & ~result.fell
    assert np.array_equal(found.maps["walker"].success, good[:24].reshape(3, 4, 2).mean(axis=2))
    assert found.criterion == "no fall and tracking above 0.6"


def test_before_and_after_meet_the_same(walker: Controller) -> None:
    weak = walker.copy()
    for parameter in weak.policy.action_net.parameters():
        parameter.data.mul_(-3.0)
    grid = {"payload": "0:12", "vx": "-1:1"}  # a command is an axis, too
    found = envelope({"before": walker, "after": walker.copy(), "weak": weak}, grid, cells=2, episodes=2)
    assert np.array_equal(found.maps["before"].returns, found.maps["after"].returns)
    assert found.maps["weak"].returns.mean() < found.maps["before"].returns.mean()
    assert (found.y.unit, found.y.trained) == ("m/s", (-1.5, 1.5))
    assert np.abs(found.maps["before"].tracking[0] - found.maps["before"].tracking[1]).max() > 1e-3


@pytest.mark.parametrize(
    ("config", "key", "trained"),
    [
        ({"vary": {"payload": "0:3"}}, "payload", (0, 3)),
        ({"vary": {"payload": "0:3"}}, "friction", (1, 1)),  # did not vary
        ({"vary": {}, "parameters": {"payload": 2.0}}, "payload", (2, 2)),
        ({"vary": {"friction": "log:0.3:1.5"}}, "friction", (0.3, 1.5)),
        ({"vary": {"motor_strength.*": "0.8:1.2"}}, "motor_strength.front_left", (0.8, 1.2)),
        (
            {"vary": {"motor_strength": "0.8:1.2", "motor_strength.front": "0.5:1"}},
            "motor_strength.front_left",
            (0.5, 1),
        ),
        ({"vary": {"motor_strength.front_left_hip": "0.5:0.9"}}, "motor_strength.front_left", (0.5, 1)),
        ({"vary": {"payload": "1|2|4"}}, "payload", (1, 4)),
        ({"vary": {"payload@5": "2:3"}}, "payload", (0, 3)),  # nothing until then
        ({"vary": {"payload": "1:2", "payload@p0.01": "4:6"}}, "payload", (1, 6)),
        ({"vary": {"dead_actuator": "none|front_left_hip"}}, "dead_actuator.front_left_hip", (0, 1)),
        ({"vary": {}, "suite": "quadruped-payload"}, "payload", "suite"),
        ({"vary": {}, "suite": "runs/gone.json"}, "payload", None),
    ],
)
def test_the_range_of_the_training(walker: Controller, config: Any, key: str, trained: Any) -> None:
    law = "0:1" if key.startswith("dead") else "0.5:2"
    if config.get("suite") == "runs/gone.json":
        with pytest.warns(
            UserWarning, match=r"what the training varied is not known here: no task suite at 'runs/gone"
        ):
            assert (
                envelope({"c": changed(walker, **config)}, {key: law, "gravity": "9:10"}, cells=1, episodes=1).x.trained
                is None
            )
        return
    found = envelope({"c": changed(walker, **config)}, {key: law, "gravity": "9:10"}, cells=1, episodes=1)
    if trained == "suite":
        loads = [t.parameters["payload"] for t in api.load_suite("quadruped-payload").tasks("train")]
        trained = (min(loads), max(loads))
    assert found.x.trained == trained


def test_where_nobody_falls_the_return_counts() -> None:
    runner = api.load("half_cheetah-run")
    found = envelope({"runner": runner}, {"gravity": "9.81:40", "friction": "1:1.01"}, cells=2, episodes=1)
    grid = found.maps["runner"]
    nominal = float(found.criterion.split("robot: ")[1].removesuffix(")"))
    assert nominal > 2000
    assert (grid.falls == 0).all()
    assert grid.success[0].tolist() == [1, 0]
    assert (grid.returns[:, 1] < nominal / 2).all()
    content = found.content()
    assert set(content["maps"]["runner"]) == {"success", "falls", "returns"}  # there is no tracking
    assert json.loads(json.dumps(content, allow_nan=False))["x"]["values"] == [9.81, 40]


def test_tables(walker: Controller) -> None:
    trained = changed(walker, vary={"payload": "0:3", "friction": "0.5:1.2"})
    found = envelope({"before": trained}, {"payload": "0:6", "friction": "0.2:1"}, cells=3, episodes=1)
    ((title, table),) = api.envelope_tables(found.content())
    assert title == "before"
    assert [c.strip() for c in table["columns"]] == ["friction \\ payload", "0", "3", "6"]
    assert [row[0] for row in table["rows"]] == ["1", "0.6", "0.2"]  # the highest on top
    inside = [[cell.startswith("[") for cell in row[1:]] for row in table["rows"]]
    assert inside == [[True, True, False], [True, True, False], [False, False, False]]
    shown = [[float(cell.strip("[] ░▒▓█")) for cell in row[1:]] for row in table["rows"]]
    assert shown[::-1] == (100 * found.maps["before"].success).tolist()
    assert "in brackets: within the range of the training" in table["note"]


@pytest.mark.parametrize(
    ("grid", "asked", "said"),
    [
        ({"payload": "0:3"}, {}, "axes payload: expected two parameters"),
        ({"payload": "0:3", "payloat": "0:3"}, {}, "unknown parameter 'payloat': did you mean payload"),
        ({"payload": "0:3", "friction": "0:1"}, {}, "illegal value 0 for parameter 'friction"),
        ({"payload": "0:3", "friction": "1:0"}, {}, "expected low <= high"),
        ({"payload": "0:3", "friction": "1"}, {}, "axis 'friction': expected a range such as 1:2"),
        ({"payload": "0:3", "mass.*": "0.8:1"}, {}, "so leave out the"),
        ({"payload": "0:3", "dead_actuator": "none|left_ear"}, {}, "unknown element of 'dead_actuator'"),
        ({"payload": "0:3", "friction": "0.5:1"}, {"cells": 0}, "number of cells 0"),
        ({"payload": "0:3", "friction": "0.5:1"}, {"episodes": 0}, "number of episodes 0"),
        ({"payload": "0:3", "friction": "0.5:1"}, {"cells": 500}, "1,000,004 worlds at once: expected at most 50,000"),
        ({"payload": "0:3", "vx": "0.5|fast"}, {}, "axis 'vx' is a command: expected numbers, not 'fast'"),
        ({"payload": "0:3", "delay": "0:0.2"}, {}, "illegal value 0.2 for parameter 'delay"),
    ],
)
def test_bad_input(walker: Controller, grid: dict[str, str], asked: Any, said: str) -> None:
    with pytest.raises(SurefootError, match=said):
        envelope({"c": walker}, grid, **asked)


def test_a_delay_is_declared_before_it_is_set(walker: Controller) -> None:
    found = envelope({"c": walker}, {"delay": "0:0.04", "payload": "0:2"}, cells=2, episodes=1)
    assert not np.array_equal(found.maps["c"].returns[:, 0], found.maps["c"].returns[:, 1])


def test_a_command_can_be_held_for_the_whole_grid(walker: Controller) -> None:
    found = api.envelope(walker, {"payload": "0:2", "friction": "0.5:1"}, parameters={"vx": 0.5}, cells=1, episodes=1)
    assert found.parameters == "vx=0.5"


@pytest.mark.parametrize(
    ("suite", "task", "key", "unit", "trained"),
    [
        (None, "ant-goal", "angle", "rad", (0, 6.28319)),
        (None, "ant-goal", "radius", "m", (0, 3)),
        (None, "ant-dir", "angle", "rad", (0, 6.28319)),
        ("ant-forward-backward", "ant-dir", "angle", "rad", (0, 3.14159)),
    ],
)
def test_goals_of_the_families_are_axes(suite: str | None, task: str, key: str, unit: str, trained: Any) -> None:
    config = TrainConfig(
        robot="ant", task=task, steps=1, suite=suite, hyperparameters={"num_envs": 4, "batch_size": 64, "net": (8,)}
    )
    runner = Controller.from_algorithm(config, make_algorithm(config, make_env(config, 4)))
    found = envelope({"c": runner}, {key: "0.5:1.5", "gravity": "9:10"}, cells=2, episodes=1)
    assert (found.x.key, found.x.unit, found.x.values, found.x.trained) == (key, unit, (0.5, 1.5), trained)
