"""Recordings of the ant under random actions: all that these tests show, without environments or controllers."""

import mujoco
import numpy as np
import pytest

from surefoot.replay import Recording, pack_model
from surefoot.robots import get_robot

FEET = ("left_ankle_geom", "right_ankle_geom", "third_ankle_geom", "fourth_ankle_geom")


def record_ant(label: str, seed: int, steps: int = 60) -> Recording:
    """`steps` control steps of the ant with a made-up command, falling at two thirds and cut off at the end."""
    robot = get_robot("ant")
    spec = robot.make_spec()
    packed, model, rng = pack_model(spec), spec.compile(), np.random.default_rng(seed)
    data = mujoco.MjData(model)
    feet = [model.geom(name).id for name in FEET]
    rows: dict[str, list] = {name: [] for name in ("qpos", "qvel", "action", "force", "actual", "contact")}
    for step in range(steps):
        if step == steps * 2 // 3 + 1:
            mujoco.mj_resetData(model, data)
        data.ctrl[:] = action = rng.uniform(-1, 1, model.nu)
        mujoco.mj_step(model, data, robot.substeps(model))
        touching = set(data.contact.geom.ravel().tolist())
        values = (data.qpos, data.qvel, action, data.actuator_force, data.qvel[:2], [foot in touching for foot in feet])
        for row, value in zip(rows.values(), values, strict=True):
            row.append(np.array(value))
    done = np.zeros(steps, np.uint8)
    done[[steps * 2 // 3, -1]] = 1, 2
    reward = np.linspace(0, 1, steps)
    return Recording(
        robot="ant",
        task="run",
        label=label,
        dt=robot.control_dt,
        model=packed,
        base=robot.base,
        reward=reward,
        done=done,
        command=np.tile([0.8, 0.1], (steps, 1)),
        command_names=("vx", "vy"),
        foot_names=FEET,
        terms={"forward": reward * 2, "control": -reward},
        parameters={"payload": 2.0} if label == "before" else {},
        **{name: np.array(row) for name, row in rows.items()},
    )


@pytest.fixture(scope="session")
def before() -> Recording:
    return record_ant("before", 0)


@pytest.fixture(scope="session")
def after() -> Recording:
    return record_ant("after", 1, steps=45)
