"""Recording what a controller does in one world of an environment."""

from collections.abc import Callable, Sequence

import numpy as np

from ..envs.batch_env import BatchEnv, options_of
from ..envs.tasks import Velocity
from ..robots import SurefootError
from .model import pack_model
from .recording import Recording

Act = Callable[[np.ndarray], np.ndarray]
Script = Sequence[tuple[float, float, float, float]]  # (from second, vx m/s, vy m/s, yaw rad/s)

# Forward, sideways, turn, fast: what the demo and `surefoot replay` ask for unless told otherwise.
TOUR: Script = ((0, 0.6, 0, 0), (4, 1.0, 0, 0), (8, 0.6, 0, 0.8), (12, 0.4, 0.3, 0), (16, 0, 0, 0))


def record(
    act: Act,
    env: BatchEnv,
    *,
    label: str,
    seconds: float,
    seed: int = 0,
    script: Script | None = None,
    begin: Callable[[], object] = lambda: None,
) -> Recording:
    """Run `act` (observations (1, O) to actions (1, nu)) for `seconds` and keep everything; `begin` precedes each episode.

    `env` must have one world and `autoreset=False`; ended episodes are restarted here, after their last state is kept.
    `script` overrides the commands of a `velocity` task, so that two recordings follow the same ones.
    """
    if env.num_envs != 1 or env.autoreset:
        raise SurefootError("record needs an environment of one world with autoreset=False")
    if seconds <= 0:
        raise SurefootError(f"recording length {seconds} s: expected more than 0")
    sim, task, dt = env.simulation, env.task, env.robot.control_dt
    steps = max(1, round(seconds / dt))
    forces = sim.batch.bind("actuator_force")
    rows: dict[str, list[np.ndarray]] = {
        k: [] for k in ("qpos", "qvel", "action", "force", "terms", "command", "actual", "contact", "hidden")
    }
    reward, done = np.zeros(steps, np.float32), np.zeros(steps, np.uint8)
    observation = env.reset(seed)
    begin()
    for t in range(steps):
        if script and isinstance(task, Velocity):
            task.set_command(next(row for row in reversed(script) if t * dt >= row[0])[1:])
            observation = env.observe()
        action = act(observation)
        command = task.command().copy()  # before the step, which may draw the next one
        observation, r, terminated, truncated = env.step(action)
        reward[t], done[t] = r[0], 1 if terminated[0] else 2 if truncated[0] else 0
        now = (sim.qpos, sim.qvel, action, forces, env.terms, command, task.actual(), task.contacts(), task.hidden())
        for name, value in zip(rows, now, strict=True):
            rows[name].append(np.array(value[0]))
        if done[t]:
            observation = env.reset()
            begin()
    arrays = {k: np.stack(v) for k, v in rows.items()}
    terms = arrays.pop("terms")
    return Recording(
        robot=env.robot.name,
        task=env.task_name,
        label=label,
        dt=dt,
        model=pack_model(env.robot.make_spec()),
        base=env.robot.base,
        reward=reward,
        done=done,
        command_names=task.command_names,
        foot_names=env.robot.feet if env.task_name == "velocity" else (),
        terms={name: terms[:, i] for i, name in enumerate(task.terms)},
        parameters=sim.table.changed(env.values[0]),
        options=options_of(env),
        **arrays,
    )
