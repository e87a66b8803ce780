"""Every parameter of every robot: moves a trajectory, goes back exactly, never compounds, stays physical, refuses nonsense."""

from functools import cache

import mujoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.envs.simulation import Simulation
from surefoot.robots import ROBOTS, SurefootError, get_robot
from surefoot.robots.parameters import PARAMETERS, ParameterTable

DELAY = 0.02  # s, the longest that these simulations allow
ALL_ROBOTS = [pytest.param(r, marks=pytest.mark.menagerie) if r in ("go1", "g1") else r for r in ROBOTS]


@cache
def simulation(robot: str) -> Simulation:
    return Simulation(get_robot(robot), 2, threads=1, max_delay=DELAY)


@cache
def table(robot: str) -> ParameterTable:
    return simulation(robot).table


CONTACTS = ("friction", "contact_stiffness", "contact_damping", "contact_softness")
UNFELT = {  # what a robot has, and what nonetheless does not show in its motion
    *(("swimmer", "gravity"), ("reacher", "gravity")),  # they move in a horizontal plane
    ("reacher", "mass"),  # that of the target, the last body, which nothing pushes
    # Shapes that could touch something and here do not, or seldom.
    *((r, name) for r in ("inverted_pendulum", "inverted_double_pendulum", "reacher", "pusher") for name in CONTACTS),
}
SEEN = {"sensor_noise", "sensor_bias", "imu_rotation", "imu_position"}  # by observers alone: tests/envs/test_sensors.py
OUTSIDE = {p.name for p in PARAMETERS if not p.fields} | {"torque_speed"}  # of the model, mostly
ABSENT = {  # beside what needs position-controlled motors
    *((robot, name) for robot in ("cartpole", "pendulum", "swimmer", "arm") for name in CONTACTS),
    *((robot, "foot_size") for robot, it in ROBOTS.items() if not it.feet),
    *((robot, "armature") for robot in ("inverted_pendulum", "inverted_double_pendulum")),
    *((robot, "damping") for robot in ("swimmer", "arm")),
}
CASES = [
    pytest.param(robot, parameter.name, marks=[pytest.mark.menagerie] if robot in ("go1", "g1") else [])
    for robot in ROBOTS
    for parameter in PARAMETERS
    if ROBOTS[robot].control == "position" or not parameter.position_only
    if (robot, parameter.name) not in UNFELT | ABSENT and parameter.name not in SEEN
]
# Contacts show once the robot has come down, a limit on speed once a motor drives the way that it turns.
STEPS = dict.fromkeys((*CONTACTS, "torque_speed"), 40)


def set_all(sim: Simulation, row: np.ndarray) -> None:
    sim.set_parameters(np.arange(sim.num_worlds), np.repeat(row[None], sim.num_worlds, axis=0))


def trajectory(sim: Simulation, steps: int = 6, drive: float | np.ndarray = 0.4) -> np.ndarray:
    """States of world 0 while its motors are driven by noise from the home pose."""
    robot, model = sim.robot, sim.model
    rng = np.random.default_rng(0)
    qpos = np.repeat(robot.home_qpos(model)[None], sim.num_worlds, axis=0)
    sim.reset(np.arange(sim.num_worlds), qpos, 0.3 * rng.standard_normal((1, model.nv)).repeat(sim.num_worlds, axis=0))
    middle = qpos[:, model.jnt_qposadr[model.actuator_trnid[:, 0]]] if robot.control == "position" else 0.0
    states = []
    for _ in range(steps):
        sim.ctrl[:] = middle + rng.uniform(-drive, drive, model.nu)
        sim.step()
        states.append(np.concatenate([sim.qpos[0], sim.qvel[0]]))
    assert np.array_equal(sim.qpos[0], sim.qpos[1])
    return np.array(states)


def elsewhere(table: ParameterTable, k: int) -> float:
    """A legal value of column k that is far from nominal."""
    name = table.names[k].split(".")[0]
    far = {
        "delay": DELAY, "gravity": 4.0, "com": 0.05, "frictionloss": 1.0, "payload": 3.0, "dead_actuator": 1.0, "wind": 20.0,
        "force": 30.0, "impulse": 3.0, "encoder_offset": 0.2, "torque_speed": 10.0,
        "imu_rotation": 0.2, "imu_position": 0.2,
    }  # fmt: skip
    return far.get(name, 0.5 if table.nominal[k] == 1 else 1.0)


def sides(robot: str, parameter: str) -> np.ndarray:
    return table(robot).columns(parameter)


@pytest.mark.parametrize(("robot", "parameter"), CASES)
def test_moves_a_trajectory_and_goes_back_exactly(robot: str, parameter: str) -> None:
    sim = simulation(robot)
    set_all(sim, sim.table.nominal)
    steps = STEPS.get(parameter, 6)
    # Only motors that give what they can feel what limits them.
    drive = np.ptp(sim.model.actuator_ctrlrange, axis=1) / 2 if parameter == "torque_speed" else 0.4
    nominal = trajectory(sim, steps, drive)
    for columns in [sides(robot, parameter), *([k] for k in sides(robot, parameter)[[0, -1]])]:
        if parameter == "friction" and len(np.atleast_1d(columns)) == 1 and ROBOTS[robot].control == "torque":
            continue  # a torso that touches nothing: see the test of friction below
        row = sim.table.nominal.copy()
        row[columns] = [elsewhere(sim.table, k) for k in columns]
        set_all(sim, row)
        assert not np.array_equal(trajectory(sim, steps, drive), nominal), f"{sim.table.names[columns[0]]} does nothing"
        set_all(sim, sim.table.nominal)
        assert np.array_equal(trajectory(sim, steps, drive), nominal)


@pytest.mark.parametrize(("robot", "parameter"), sorted(ABSENT))
def test_what_would_do_nothing_is_not_there(robot: str, parameter: str) -> None:
    with pytest.raises(SurefootError, match=f"parameter '{parameter}' .*; .*{robot}"):
        sides(robot, parameter)


@pytest.mark.parametrize("robot", ALL_ROBOTS)
def test_every_element_changes_the_model(robot: str) -> None:
    sim = simulation(robot)
    for k, name in enumerate(sim.table.names):
        row = sim.table.nominal.copy()
        row[k] = elsewhere(sim.table, k)
        fields = sim.table.fields(row[None])
        if name.split(".")[0] in OUTSIDE:
            continue
        assert any(not np.array_equal(v[0], sim.table.nominal_field(f)) for f, v in fields.items()), name
    assert len(set(sim.table.names)) == len(sim.table.names)
    assert not any(name.endswith(".") for name in sim.table.names), "a nameless element cannot be asked for"


@pytest.mark.parametrize("robot", ALL_ROBOTS)
def test_redraws_never_compound(robot: str) -> None:
    sim = Simulation(get_robot(robot), 3, threads=1, max_delay=DELAY)
    t, rng = sim.table, np.random.default_rng(0)
    low, high = np.maximum(t.low, t.nominal - 0.4), np.minimum(t.high, t.nominal + 0.4)
    high[t.columns("delay")] = DELAY
    rows = rng.uniform(low, high, (3, len(t.names)))
    sim.set_parameters(np.arange(3), rows)
    fields = [*sim._expanded, "dof_invweight0", "body_subtreemass", "body_invweight0", "dof_M0"]
    sim.batch.set_const()
    first = {f: e.copy() for f in fields if (e := sim.batch.expanded(f)) is not None}
    assert len(first) > len(sim._expanded), "derived constants are compared too"
    for _ in range(50):
        some = np.flatnonzero(rng.random(3) < 0.7)
        sim.set_parameters(some, rng.uniform(low, high, (len(some), len(t.names))))
    sim.set_parameters(np.arange(3), rows)
    for name, values in first.items():
        assert np.array_equal(sim.batch.expanded(name), values), name
    sim.set_parameters(np.arange(3), np.repeat(t.nominal[None], 3, axis=0))
    for name in first:
        compiled = np.asarray(getattr(sim.model.opt, name[4:]) if name.startswith("opt.") else getattr(sim.model, name))
        assert np.array_equal(sim.batch.expanded(name), np.repeat(compiled[None], 3, axis=0)), name


@pytest.mark.parametrize("robot", ["half_cheetah", "ant", "humanoid", "quadruped"])
def test_neighbours_are_left_alone(robot: str) -> None:
    sim = simulation(robot)
    set_all(sim, sim.table.nominal)
    values = sim.table.values({"payload": 2.0, "mass.base": 1.5})
    sim.set_parameters(np.array([1]), values[None])
    assert np.array_equal(sim.batch.expanded("body_mass")[0], sim.model.body_mass)
    base = sim.model.body(sim.robot.base).id
    assert sim.batch.expanded("body_mass")[1, base] == pytest.approx(1.5 * sim.model.body_mass[base] + 2.0)
    assert sim.batch.expanded("body_subtreemass")[1, base] > sim.model.body_subtreemass[base] + 1.9
    set_all(sim, sim.table.nominal)


@given(data=st.data())
@settings(max_examples=60)
def test_inertia_stays_physical(data: st.DataObject) -> None:
    t = table(data.draw(st.sampled_from(["half_cheetah", "ant", "humanoid", "quadruped"])))
    row = t.nominal.copy()
    for name in ("mass", "inertia", "payload", "com"):
        for k in t.columns(name):
            if data.draw(st.booleans()):
                row[k] = data.draw(st.floats(t.low[k], t.high[k]))
    fields = t.fields(row[None])
    mass = fields.get("body_mass", t.nominal_field("body_mass")[None])[0, 1:]
    i = fields.get("body_inertia", t.nominal_field("body_inertia")[None])[0, 1:]
    alive = t.nominal_field("body_mass")[1:] > 0
    assert (mass[alive] > 0).all()
    assert (i[alive] > 0).all()
    slack = 1e-9 * i.max(axis=1)
    assert (i.sum(axis=1) - 2 * i.max(axis=1) >= -slack).all(), "the two smaller moments add up to the largest at least"


def test_units_mean_what_they_say() -> None:
    sim = simulation("quadruped")
    t, model, at = sim.table, sim.model, sim.table.layout
    f = t.fields(t.values({"payload": 8.0})[None])
    side = 0.2  # m: 8 kg of water
    assert f["body_mass"][0, at.base] == pytest.approx(model.body_mass[at.base] + 8.0)
    assert np.allclose(f["body_inertia"][0, at.base], model.body_inertia[at.base] + 8.0 * side**2 / 6)
    f = t.fields(t.values({"motor_strength.front_left": 0.4})[None])
    weak = [i for i, name in enumerate(at.motors) if name.startswith("front_left")]
    assert len(weak) == 3
    for field in ("actuator_gainprm", "actuator_biasprm", "actuator_forcerange"):
        ratio = np.ones(model.nu)
        ratio[weak] = 0.4
        assert np.allclose(f[field][0], getattr(model, field) * ratio[:, None])
    f = t.fields(t.values({"gravity": 3.71, "com.z": 0.02, "frictionloss": 0.3})[None])
    assert f["opt.gravity"][0].tolist() == [0, 0, -3.71]
    assert f["body_ipos"][0, at.base, 2] == model.body_ipos[at.base, 2] + 0.02
    assert (f["dof_frictionloss"][0, at.dofs] == 0.3).all()
    assert (f["dof_frictionloss"][0, :6] == 0).all()


@pytest.mark.parametrize("robot", ["half_cheetah", "walker2d", "ant", "humanoid", "quadruped"])
@pytest.mark.parametrize("factor", [0.4, 1.7])
def test_friction_is_that_of_the_contact(robot: str, factor: float) -> None:
    """Of equals MuJoCo takes the larger friction: a slippery foot on the compiled floor would grip as before."""
    sim = Simulation(get_robot(robot), 1, threads=1)
    at = sim.table.layout
    nominal = contact_frictions(sim, {})
    assert nominal
    for key in ("friction", f"friction.{at.geom_names[-1]}"):
        varied = contact_frictions(sim, {key: factor})
        assert varied.keys() == nominal.keys()
        for geom, before in nominal.items():
            wanted = np.array(before) * (factor if key == "friction" or geom == at.geoms[-1] else 1.0)
            assert np.allclose(varied[geom], wanted, rtol=1e-12), (key, sim.model.geom(geom).name)
    assert contact_frictions(sim, {}) == nominal


def contact_frictions(sim: Simulation, settings: dict[str, float]) -> dict[int, tuple[float, ...]]:
    """Friction of each of the robot's geoms that touches the floor, with the robot lying in it."""
    sim.set_parameters(np.array([0]), sim.table.values(settings)[None])
    model, data = sim.batch.get_model(0), mujoco.MjData(sim.model)
    data.qpos[:] = sim.robot.home_qpos(sim.model)
    height = 1 if "y" not in sim.table.layout.axes else 2
    data.qpos[height] -= 0.01 if sim.robot.feet else 1.0
    mujoco.mj_forward(model, data)
    floor = model.geom("floor").id
    found = {}
    for contact in data.contact:
        if floor in contact.geom:
            (geom,) = [int(g) for g in contact.geom if g != floor]
            found[geom] = tuple(contact.friction.tolist())
    return found


def test_planar_robots_have_no_sideways_centre_of_mass() -> None:
    assert table("hopper").layout.axes == ("x", "z")
    assert table("ant").layout.axes == ("x", "y", "z")
    with pytest.raises(SurefootError, match=r"com.*'y'"):
        table("hopper").values({"com.y": 0.1})


@pytest.mark.parametrize("robot", ALL_ROBOTS)
def test_every_scaled_quantity_is_there_to_scale(robot: str) -> None:
    """A factor on a damping or armature of 0 would do nothing, in silence."""
    sim = simulation(robot)
    dofs = sim.table.layout.dofs
    for name, values in (("damping", sim.model.dof_damping), ("armature", sim.model.dof_armature)):
        assert (values[dofs] > 0).all() != (name in sim.table.absent)


def test_delay_is_the_time_until_a_command_acts() -> None:
    sim = Simulation(get_robot("half_cheetah"), 4, threads=1, max_delay=0.1)
    delays = np.array([0.0, 0.01, 0.05, 0.1])
    rows = np.repeat(sim.table.nominal[None], 4, axis=0)
    rows[:, sim.table.columns("delay")] = delays[:, None]
    sim.set_parameters(np.arange(4), rows)
    sim.reset(np.arange(4), np.zeros((4, 9)) + np.array([0, 2, *[0] * 7]), np.zeros((4, 9)))
    force = sim.batch.bind("actuator_force")
    sim.ctrl[:] = 1.0
    seen = []
    for _ in range(13):
        sim.batch.step(nstep=1)
        seen.append(np.abs(force).max(axis=1) > 0)
    started = np.argmax(np.array(seen), axis=0)
    assert np.abs(started * 0.01 - delays).max() <= 0.01 + 1e-9
    assert (np.diff(started) >= 0).all()
    assert started[-1] >= 9


def test_nominal_delay_costs_nothing() -> None:
    plain, buffered = Simulation(get_robot("quadruped"), 2, threads=1), simulation("quadruped")
    set_all(buffered, buffered.table.nominal)
    assert np.array_equal(trajectory(plain, 20), trajectory(buffered, 20))


@pytest.mark.parametrize(("robot", "parameter"), [c for c in CASES if c.values[0] in ("half_cheetah", "quadruped")])
def test_illegal_values_are_refused_by_name(robot: str, parameter: str) -> None:
    sim = simulation(robot)
    before = sim.values.copy()
    k = sides(robot, parameter)[-1]
    for bad in (sim.table.low[k] - 0.1, sim.table.high[k] + 0.1, np.nan, np.inf, -np.inf):
        with pytest.raises(SurefootError, match=f"parameter '{sim.table.names[k]}'"):
            sim.table.values({sim.table.names[k]: bad})
        row = sim.table.nominal.copy()
        row[k] = bad
        with pytest.raises(SurefootError, match=parameter):
            set_all(sim, row)
    assert np.array_equal(sim.values, before)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"paylod": 1.0}, "unknown parameter 'paylod': did you mean payload"),
        ({"motor_strength.front_lft": 0.5}, "did you mean front_left"),
        ({"mass.trunc": 0.5}, "did you mean trunk"),
        ({"payload.x": 1.0}, "single value"),
        ({"payload": "heavy"}, "takes a number"),
        ({"dead_actuator": "front_left_claf"}, "front_left_calf"),
    ],
)
def test_misspelt_names(settings: dict[str, float | str], message: str) -> None:
    with pytest.raises(SurefootError, match=message) as told:
        table("quadruped").values(settings)
    assert "\n" not in str(told.value)


def test_servo_gains_need_servos() -> None:
    with pytest.raises(SurefootError, match=r"kp.*position-controlled"):
        table("ant").values({"kp": 2.0})


def test_dead_actuator_grammar() -> None:
    t = table("quadruped")
    assert t.changed(t.values({"dead_actuator": "rear_left_calf"})) == {"dead_actuator.rear_left_calf": 1.0}
    two = t.changed(t.values({"dead_actuator": "rear_left_calf+front_right_hip"}))
    assert sorted(two) == ["dead_actuator.front_right_hip", "dead_actuator.rear_left_calf"]
    assert len(t.changed(t.values({"dead_actuator": "front_left"}))) == 3
    assert t.changed(t.values({"dead_actuator": "none"})) == {}
    f = t.fields(t.values({"dead_actuator": "rear_left_calf"})[None])
    dead = t.layout.motors.index("rear_left_calf")
    assert (f["actuator_gainprm"][0, dead] == 0).all()
    assert (f["actuator_biasprm"][0, dead] == 0).all()


def test_delay_beyond_the_buffer_is_refused() -> None:
    sim = simulation("quadruped")
    with pytest.raises(SurefootError, match="max_delay"):
        set_all(sim, sim.table.values({"delay": 0.05}))


def test_a_rough_ground_is_as_firm_as_any() -> None:
    """MuJoCo's pyramidal contacts soften with their friction: at four times its own the quadruped sank through the floor."""
    sim = Simulation(get_robot("quadruped"), 4, threads=1)
    rows = np.repeat(sim.table.nominal[None], 4, axis=0)
    rows[:, sim.table.columns("friction")] = np.array([[0.5], [1.0], [3.0], [10.0]])
    sim.set_parameters(np.arange(4), rows)
    home = sim.robot.home_qpos(sim.model)
    sim.reset(np.arange(4), np.tile(home, (4, 1)), np.zeros((4, sim.model.nv)))
    sim.ctrl[:] = home[7:]
    for _ in range(100):
        sim.step()
    height = sim.qpos[:, 2]
    assert np.abs(height - height[1]).max() < 0.01
