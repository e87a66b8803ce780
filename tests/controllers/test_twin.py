"""Method twin: a few seconds of motion tell what the robot is, and a simulation of it is where the controller learns."""

from types import SimpleNamespace
from typing import Any

import pytest

from surefoot import api
from surefoot.controllers.adaptation import Budget, finetune, methods_of, twin
from surefoot.controllers.adaptation.sysid import Fitted
from surefoot.controllers.adaptation.twin import BREAKS, believed, estimates, suspects
from surefoot.controllers.config import checked_config
from surefoot.controllers.controller import Controller
from surefoot.controllers.training import make_env
from surefoot.envs.batch_env import BatchEnv
from surefoot.envs.variation import Task
from surefoot.robots import SurefootError, get_robot
from surefoot.robots.parameters import ParameterTable

DT = 0.02
HEAVY = Task({"payload": 6.0}, {"vx": 0.5})
BROKEN = Task({"payload": 6.0, "motor_strength.front_left": 0.4})


def table_of(robot: str) -> ParameterTable:
    return ParameterTable(get_robot(robot), get_robot(robot).compile())


def test_the_robot_moves_only_while_it_is_measured(controller: Controller) -> None:
    """Also a robot that falls five times a second is known by then: no window goes on across a fall."""
    collapses = Task({"payload": 6.0, "motor_strength": 0.3})
    fit = {"payload": "0:10", "motor_strength": ""}
    found = twin(controller, collapses, Budget(0.1, None, 3.0), episodes=2, points=2, fit=fit)
    first, *later = found.curve
    assert (first.steps, first.robot_seconds, first.seconds) == (0, 0.0, 0.0)
    assert later
    for point in later:
        assert (point.steps, point.robot_seconds) == (150, 3.0)
        assert point.episodes > 5
        assert point.seconds > 1.0  # of fine-tuning at least
    assert (found.method, found.task) == ("twin", collapses)
    assert list(found.inferred) == list(fit)
    payload, strength = found.inferred.values()
    assert (payload.true, strength.true) == (6.0, 0.3)
    assert payload.mean == pytest.approx(6.0, abs=0.2)
    assert strength.mean == pytest.approx(0.3, abs=0.01)
    assert payload.std < 0.2
    assert all(low <= e.mean <= high and low >= 0 for e in (payload, strength) for low, high in [e.interval()])


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[BatchEnv]:
    """The worlds that fine-tuning learns in."""
    found: list[BatchEnv] = []

    def watched(*args: Any, **others: Any) -> BatchEnv:
        found.append(make_env(*args, **others))
        return found[-1]

    monkeypatch.setitem(finetune.__globals__, "make_env", watched)
    return found


def test_what_the_training_fixed_holds_in_fit_and_fine_tuning(controller: Controller, made: list[BatchEnv]) -> None:
    """A robot whose delay is known: without it another payload would have to explain what the delay does."""
    config = controller.config.model_copy(update={"vary": {}, "parameters": {"delay": 0.02, "payload@3": 1.0}})
    slow, late = Controller(config, controller.policy), Task({"payload": 6.0, "delay": 0.02})
    found = twin(slow, late, Budget(0.1, None, 4.0), episodes=2, points=1, fit={"payload": "0:10"})
    assert found.inferred["payload"].mean == pytest.approx(6.0, abs=0.2)
    (env,) = made
    assert (env.values[:, env.table.columns("delay")] == 0.02).all()
    assert env.values[:, env.table.columns("payload")] == pytest.approx(6.0, abs=0.4)


def test_what_is_believed_and_what_is_fitted_besides() -> None:
    table, fixed = table_of("quadruped"), {"delay": 0.02, "motor_strength": 0.8, "kp": 1.1, "dead_actuator": "none"}
    config = checked_config(robot="quadruped", task="velocity", algo="ppo", steps=1, parameters=fixed)
    assert believed(config, {"payload": ""}, table) == fixed
    legs = believed(config, {"motor_strength.front_left": ""}, table)
    assert "motor_strength" not in legs
    weak = {name: value for name, value in legs.items() if name.startswith("motor_strength")}
    assert len(weak) == 9
    assert set(weak.values()) == {0.8}
    assert not any("front_left" in name for name in weak)
    broken, every = suspects(config, table)
    assert (list(broken), list(every)) == ([*BREAKS], [*BREAKS, "delay"])  # kp is a product
    assert believed(config, every, table) == {"kp": 1.1, "dead_actuator": "none"}


def test_finetune_learns_on_the_robots_that_it_is_given(controller: Controller, made: list[BatchEnv]) -> None:
    """On draws of a variation, with the task's goal; what it would be judged on is never simulated for learning."""
    finetune(controller, HEAVY, Budget(None, 800), episodes=2, points=1, robots={"payload": "2:3", "friction": "0.7"})
    (env,) = made
    drawn = env.values[:, env.table.columns("payload")[0]]
    assert ((drawn >= 2) & (drawn <= 3)).all()
    assert len(set(drawn)) > 1
    assert (env.values[:, env.table.columns("friction")] == 0.7).all()
    assert (env.task.command()[:, 0] == 0.5).all()


@pytest.mark.parametrize(("robot", "own"), [("quadruped", "delay"), ("half_cheetah", "gravity")])
def test_what_is_suspected(robot: str, own: str) -> None:
    """What the training varied unless the log could not tell it from the rest; then what breaks as well."""
    vary = {
        "mass.*": "0.9:1.1",
        "motor_strength": "0.8:1.2",
        "friction": "0.5:1",
        "dead_actuator": "none",
        "kp": "0.9:1.1",
        own: "0:0.02" if own == "delay" else "5:15",
    }
    config = checked_config(robot=robot, task="run", algo="ppo", steps=1, vary=vary)
    few, all_of_them = suspects(config, table_of(robot))
    assert list(few) == ["motor_strength.*", "friction", own]
    assert list(all_of_them) == [*BREAKS, own]
    config = checked_config(robot=robot, task="run", algo="ppo", steps=1)
    assert [tuple(found) for found in suspects(config, table_of(robot))] == [BREAKS]


def test_what_is_suspected_after_a_suite() -> None:
    def suspected(suite: str) -> list[set[str]]:
        config = checked_config(robot="quadruped", task="velocity", algo="ppo", steps=1, suite=suite)
        return [set(found) for found in suspects(config, table_of("quadruped"))]

    assert suspected("quadruped-rma")[-1] == {*BREAKS, "kd"}
    with pytest.warns(UserWarning, match="what the training varied is not known here"):
        assert suspected("runs/gone.json") == [{*BREAKS}]  # trained elsewhere
    few, all_of_them = suspected("quadruped-morphology")
    shapes = {"size", "length.thigh", "length.calf", "length.trunk", "girth.trunk", "foot_size"}
    assert few == {"payload", "friction", *shapes}
    assert all_of_them == {*BREAKS, *shapes}


@pytest.mark.parametrize(
    ("weak", "more"), [({}, False), pytest.param({"motor_strength.front_left": 0.3}, True, marks=pytest.mark.slow)]
)
def test_more_is_suspected_where_what_was_varied_does_not_explain_the_motion(
    controller: Controller, weak: dict[str, float], more: bool
) -> None:
    config = controller.config.model_copy(update={"vary": {"payload": "0:3"}, "suite": None})
    loaded = Controller(config, controller.policy)
    found = twin(loaded, Task({"payload": 4.0, **weak}), Budget(0.1, None, 6.0), episodes=2, points=1)
    assert ("motor_strength.front_left_calf" in found.inferred) == more
    assert found.inferred["payload"].mean == pytest.approx(4.0, abs=0.4)


def test_half_cheetah() -> None:
    """Torque motors and a base on rails: whatever a log can hold can be fitted."""
    found = api.adapt(
        "half_cheetah-run", {"payload": 2.0, "dead_actuator": "bfoot"}, method="twin", seconds=1, robot_seconds=4,
        fit=["payload", "motor_strength.bfoot", "motor_strength.ffoot"], episodes=2, points=1,
    )  # fmt: skip
    mean = {name: estimate.mean for name, estimate in found.inferred.items()}
    assert mean["payload"] == pytest.approx(2.0, abs=0.1)
    assert mean["motor_strength.bfoot"] == pytest.approx(0.0, abs=0.02)
    assert mean["motor_strength.ffoot"] == pytest.approx(1.0, abs=0.02)
    assert found.inferred["motor_strength.bfoot"].true == 0.0


def test_who_is_refused(controller: Controller) -> None:
    assert "twin" in methods_of(controller)
    config = controller.config
    told = {**config.hyperparameters, "inputs": ("payload",)}
    others = {
        "continues ppo controllers, not 'a2c'": {"algo": "a2c"},
        "this one is told payload": {"hyperparameters": told},
        "ground is a terrain": {"options": {"terrain": "stairs-up"}},
    }
    for said, change in others.items():
        other = Controller(config.model_copy(update=change), controller.policy)
        assert "twin" not in methods_of(other)
        with pytest.raises(SurefootError, match=said):
            twin(other, HEAVY, Budget())
    with pytest.raises(SurefootError, match=r"method 'twin' after 0\.5 s of motion: .* expected 5 or more"):
        twin(controller, HEAVY, Budget(1.0, None, 0.5), fit={"payload": ""})
    with pytest.raises(SurefootError, match="cannot fit 'dead_actuator', which is on or off"):
        twin(controller, HEAVY, Budget(), fit={"dead_actuator": ""})
    with pytest.raises(SurefootError, match="fits no simulation: expected method 'twin'"):
        api.adapt(controller, HEAVY, method="zero-shot", fit=["payload"])


@pytest.mark.slow
def test_a_broken_quadruped_walks_again_after_ten_seconds_of_motion() -> None:
    found = api.adapt("quadruped-velocity", BROKEN, method="twin", seconds=90, robot_seconds=10, episodes=30, points=1)
    before, after = found.before.evaluation, found.after.evaluation
    assert found.after.robot_seconds == 10.0
    for name, estimate in found.inferred.items():
        assert estimate.mean == pytest.approx(estimate.true, abs=0.05 if name != "payload" else 0.3)
    assert after.tracking > before.tracking + 0.1
    assert after.mean > before.mean + 8


def test_intervals_are_the_fits_also_where_they_are_not_symmetric() -> None:
    part = Fitted("friction", "1", 1.0, 0.4, 0.2, (0.12, 1.33), (0.1, 10.0))
    (found,) = estimates(SimpleNamespace(fitted=(part,))).values()  # type: ignore[arg-type]
    assert found.interval() == (0.12, 1.33)
