"""The grammar of variations, what they draw, and what they refuse."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.envs.gym import as_tasks
from surefoot.envs.variation import Task, Term, Variation
from surefoot.robots import SurefootError, get_robot
from surefoot.robots.parameters import ParameterTable


@cache
def table() -> ParameterTable:
    robot = get_robot("quadruped")
    return ParameterTable(robot, robot.compile())


def draw(settings: dict[str, str], n: int = 2000, seed: int = 0) -> np.ndarray:
    variation = Variation.parse(settings)
    variation.check(table())
    values = variation.sample(np.random.default_rng(seed), n, table())
    table().check(values)
    return values


def column(values: np.ndarray, key: str) -> np.ndarray:
    return values[:, table().columns(key)]


def test_grammar() -> None:
    parsed = Variation.parse(
        {"payload": "0:3", "friction": "log:0.3:1.5", "kp": "0.5|1|2", "kd": "1.2", "mass.*": "0.9:1.1"}
    )
    assert parsed.terms == (
        Term("payload", "uniform", 0.0, 3.0),
        Term("friction", "loguniform", 0.3, 1.5),
        Term("kp", "choice", options=(0.5, 1.0, 2.0)),
        Term("kd", "uniform", 1.2, 1.2),
        Term("mass.*", "uniform", 0.9, 1.1, each=True),
    )


def test_laws() -> None:
    v = draw({"payload": "0:3", "friction": "log:0.25:4", "kp": "0.5|1|2", "kd": "1.25", "com.x": "-0.02:0.02"})
    payload, friction = column(v, "payload")[:, 0], column(v, "friction")
    assert payload.mean() == pytest.approx(1.5, abs=0.1)
    assert payload.min() < 0.1
    assert payload.max() > 2.9
    assert np.log(friction[:, 0]).mean() == pytest.approx(0, abs=0.1), "log-uniform is symmetric about 1 here"
    assert (friction == friction[:, :1]).all(), "shared by all feet"
    assert set(column(v, "kp").ravel()) == {0.5, 1.0, 2.0}
    assert (column(v, "kd") == 1.25).all()
    assert np.abs(column(v, "com.x")).max() <= 0.02
    assert (column(v, "com.y") == 0).all(), "what is not named is nominal"
    assert (column(v, "mass") == 1).all()


def test_each_element_by_itself_or_shared() -> None:
    each, shared = draw({"motor_strength.*": "0.8:1.2"}, 500), draw({"motor_strength": "0.8:1.2"}, 500)
    assert np.abs(np.corrcoef(column(each, "motor_strength").T) - np.eye(12)).max() < 0.25
    assert np.ptp(column(shared, "motor_strength"), axis=1).max() == 0
    group = draw({"motor_strength.front_left": "0.1:0.2"}, 10)
    assert (column(group, "motor_strength.front_left") < 0.21).all()
    assert (column(group, "motor_strength.rear_left") == 1).all()
    later = draw({"motor_strength": "0.5", "motor_strength.front_left": "0.1"}, 3)
    assert (column(later, "motor_strength.front_left") == 0.1).all(), "terms apply in order"


def test_dead_actuators() -> None:
    v = column(draw({"dead_actuator": "none|front_left_calf|rear_left"}), "dead_actuator")
    dead, counts = np.unique(v.sum(axis=1), return_counts=True)
    assert dead.tolist() == [0, 1, 3]
    assert counts.min() > 500
    assert (column(draw({"dead_actuator": "front_left_calf"}, 5), "dead_actuator.front_left_calf") == 1).all()


@given(
    low=st.floats(0.05, 20), width=st.floats(0, 10), key=st.sampled_from(["mass", "mass.trunk", "mass.*"]),
    law=st.sampled_from(["", "log:"]), seed=st.integers(0, 2**32),
)  # fmt: skip
def test_draws_stay_in_range_and_repeat_with_the_seed(low: float, width: float, key: str, law: str, seed: int) -> None:
    high = min(low + width, 20)
    settings = {key: f"{law}{low!r}:{high!r}"}
    v = Variation.parse(settings).sample(np.random.default_rng(seed), 7, table())
    drawn = column(v, key.removesuffix(".*"))
    assert (drawn >= low * (1 - 1e-12)).all()
    assert (drawn <= high * (1 + 1e-12)).all()
    again = Variation.parse(settings).sample(np.random.default_rng(seed), 7, table())
    assert np.array_equal(v, again)
    table().check(v)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"payload": "3:1"}, "low <= high"),
        ({"payload": "0:inf"}, "finite"),
        ({"payload": "nan"}, "finite"),
        ({"payload": "a:b"}, "expected low:high"),
        ({"payload": "1:2:3"}, "expected low:high"),
        ({"payload": "log:1"}, "expected low:high"),
        ({"payload": ""}, "number"),
        ({"payload": "log:0:3"}, "above 0"),
        ({"payload": "-1:3"}, "illegal value -1 for parameter 'payload'"),
        ({"payload": "0:900"}, "illegal value 900 for parameter 'payload': expected 0 to 200 kg"),
        ({"mass": "0|1"}, "illegal value 0 for parameter 'mass"),
        ({"paylaod": "0:3"}, "did you mean payload"),
        ({"motor_strength.front_lef": "0:1"}, "front_left"),
        ({"dead_actuator": "front_left_clf"}, "front_left_calf"),
    ],
)
def test_nonsense_is_refused_in_one_line(settings: dict[str, str], message: str) -> None:
    with pytest.raises(SurefootError, match=message) as told:
        Variation.parse(settings).check(table())
    assert "\n" not in str(told.value)


def test_tasks_from_dicts() -> None:
    assert as_tasks({"payload": 3.0, "vx": 1}, "velocity") == Task({"payload": 3.0}, {"vx": 1.0})
    assert as_tasks([{"payload": 3.0}, Task()], "run") == [Task({"payload": 3.0}), Task()]
    assert str(Task({"payload": 6.0}, {"vx": 0.5})) == "payload=6.0, vx=0.5"
    assert str(Task()) == "nominal"
    with pytest.raises(SurefootError, match="expected a surefoot Task or a dict"):
        as_tasks("payload=3", "velocity")
