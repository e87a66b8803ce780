"""The environments' names in Gymnasium's registry. `import surefoot` runs this, so it knows strings only."""

import gymnasium

RUN = {"HalfCheetah": "half_cheetah", "Hopper": "hopper", "Walker2d": "walker2d", "Ant": "ant", "Humanoid": "humanoid"}
VELOCITY = {"Quadruped": "quadruped", "Go1": "go1"}
IDS = (*(f"surefoot/{name}-Run-v0" for name in RUN), *(f"surefoot/{name}-Velocity-v0" for name in VELOCITY))
MAX_EPISODE_STEPS = 1000  # `run`: Gymnasium's; `velocity`: 20 s at 50 Hz


def register() -> None:
    """Add `IDS` to Gymnasium's registry, for `gymnasium.make` and `gymnasium.make_vec`."""
    for task, robots in (("run", RUN), ("velocity", VELOCITY)):
        for name, robot in robots.items():
            gymnasium.register(
                id=f"surefoot/{name}-{task.capitalize()}-v0",
                entry_point="surefoot.envs.gym:SingleEnv",
                vector_entry_point="surefoot.envs.gym:vector_entry_point",
                max_episode_steps=MAX_EPISODE_STEPS,
                # Time limits are Gymnasium's business here: its TimeLimit is told by `max_episode_steps`.
                kwargs={"robot": robot, "task_name": task, "time_limit": False},
            )
