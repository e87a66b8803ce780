"""The environments' names in Gymnasium's registry. `import surefoot` runs this, so it knows strings only."""

import gymnasium

RUN = {
    "HalfCheetah": "half_cheetah",
    "Hopper": "hopper",
    "Walker2d": "walker2d",
    "Ant": "ant",
    "Humanoid": "humanoid",
    "Swimmer": "swimmer",
}
BALANCE = {"InvertedPendulum": "inverted_pendulum", "InvertedDoublePendulum": "inverted_double_pendulum"}
LEGGED = {"Quadruped": "quadruped", "Go1": "go1", "Hexapod": "hexapod", "Biped": "biped", "G1": "g1"}
ARM = {"Arm": "arm"}
# Task: its name in an id, its robots, and the steps of an episode (Gymnasium's; `velocity`: 20 s at 50 Hz).
TASKS: dict[str, tuple[str, dict[str, str], int]] = {
    "run": ("Run", RUN, 1000),
    "velocity": ("Velocity", LEGGED, 1000),
    "direction": ("Direction", LEGGED, 1000),
    "goal-velocity": ("GoalVelocity", LEGGED, 1000),
    "goal-position": ("GoalPosition", LEGGED, 1000),
    "stand-up": ("StandUp", LEGGED, 300),
    "jump": ("Jump", LEGGED, 500),
    "balance": ("Balance", {"Cartpole": "cartpole", **BALANCE}, 500),
    "swing-up": ("SwingUp", {"Pendulum": "pendulum"}, 200),
    "reach": ("Reach", {"Reacher": "reacher", **ARM}, 50),
    "push": ("Push", {"Pusher": "pusher", **ARM}, 100),
    "track": ("Track", ARM, 160),
    "cheetah-vel": ("Vel", {"HalfCheetah": "half_cheetah"}, 200),
    "cheetah-dir": ("Dir", {"HalfCheetah": "half_cheetah"}, 200),
    "ant-dir": ("Dir", {"Ant": "ant"}, 200),
    "ant-goal": ("Goal", {"Ant": "ant"}, 200),
    "humanoid-dir": ("Dir", {"Humanoid": "humanoid"}, 200),
    "walker-rand-params": ("RandParams", {"Walker2d": "walker2d"}, 200),
    "hopper-rand-params": ("RandParams", {"Hopper": "hopper"}, 200),
    "cheetah-cripple": ("Cripple", {"HalfCheetah": "half_cheetah"}, 1000),
    "ant-cripple": ("Cripple", {"Ant": "ant"}, 1000),
    "ant-cripple-sami": ("CrippleSami", {"Ant": "ant"}, 1000),
    "cheetah-mass-damping": ("MassDamping", {"HalfCheetah": "half_cheetah"}, 1000),
    "ant-mass": ("Mass", {"Ant": "ant"}, 1000),
    "sunblaze-cheetah": ("Sunblaze", {"HalfCheetah": "half_cheetah"}, 330),
}
# Where a robot's episodes differ from those of its task.
LONGER = {**{(name, "Balance"): 1000 for name in BALANCE}, ("Arm", "Reach"): 100, ("Arm", "Push"): 160}
# Id: how many steps an episode has.
IDS = {
    f"surefoot/{name}-{title}-v0": LONGER.get((name, title), steps)
    for title, robots, steps in TASKS.values()
    for name in robots
}


def register() -> None:
    """Add `IDS` to Gymnasium's registry, for `gymnasium.make` and `gymnasium.make_vec`."""
    for task, (title, robots, _) in TASKS.items():
        for name, robot in robots.items():
            gymnasium.register(
                id=f"surefoot/{name}-{title}-v0",
                entry_point="surefoot.envs.gym:SingleEnv",
                vector_entry_point="surefoot.envs.gym:vector_entry_point",
                max_episode_steps=IDS[f"surefoot/{name}-{title}-v0"],
                # Time limits are Gymnasium's business here: its TimeLimit is told by `max_episode_steps`.
                kwargs={"robot": robot, "task_name": task, "time_limit": False},
            )
