"""Largest difference between ours and Gymnasium's v5 environments, free-running from one seed: writes results/parity.json.

python benchmarks/parity.py [--steps 1000] [--seed 0]
"""

import argparse
from typing import Any

import gymnasium
import numpy as np

import surefoot  # noqa: F401 (registers)
from surefoot.envs.registration import BALANCE, RUN

IDS = {  # of the robots that are Gymnasium's, by its name
    **{name: f"surefoot/{name}-Run-v0" for name in RUN},
    **{name: f"surefoot/{name}-Balance-v0" for name in BALANCE},
    "Reacher": "surefoot/Reacher-Reach-v0",
    "Pusher": "surefoot/Pusher-Push-v0",
}


def compare(name: str, steps: int, seed: int, dtype: type = np.float32, scale: float = 1.0) -> dict[str, Any]:
    """Both environments of one robot, the same random actions; after an episode's end both reset by themselves."""
    ours, theirs = gymnasium.make(IDS[name]), gymnasium.make(f"{name}-v5")
    rng = np.random.default_rng(seed)
    space = theirs.action_space
    assert np.array_equal(space.low, ours.action_space.low)
    assert np.array_equal(space.high, ours.action_space.high)
    assert ours.observation_space == theirs.observation_space
    first, second = ours.reset(seed=seed)[0], theirs.reset(seed=seed)[0]
    observation, reward, episodes = float(np.abs(first - second).max()), 0.0, 0
    for step in range(steps):
        action = (scale * rng.uniform(space.low, space.high)).astype(dtype)
        a, b = ours.step(action), theirs.step(action)
        observation = max(observation, float(np.abs(a[0] - b[0]).max()))
        reward = max(reward, abs(a[1] - b[1]))
        if a[2:4] != b[2:4]:
            raise AssertionError(f"{name}, step {step}: terminated, truncated {a[2:4]}, Gymnasium {b[2:4]}")
        if a[2] or a[3]:
            episodes += 1
            first, second = ours.reset()[0], theirs.reset()[0]
            observation = max(observation, float(np.abs(first - second).max()))
    ours.close()
    theirs.close()
    return {"observation": observation, "reward": float(reward), "episodes": episodes, "steps": steps}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    figures = {}
    for name in IDS:
        figures[name] = compare(name, options.steps, options.seed)
        found = figures[name]
        print(
            f"{name:22} largest difference: observation {found['observation']:g}, reward {found['reward']:g}; "
            f"{found['episodes']} episodes ended alike in {options.steps} steps"
        )
    from common import write_result

    write_result("parity.json", figures, options.seed)


if __name__ == "__main__":
    main()
