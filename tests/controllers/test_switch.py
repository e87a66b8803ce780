"""Switching adapting off: a memory stays empty, an encoder's view of the robot and a belief stay what they were."""

from typing import Any

import numpy as np
import pytest

from surefoot.controllers.adaptation.continual import Drop, continual
from surefoot.controllers.adaptation.switch import Switched
from surefoot.controllers.config import TrainConfig
from surefoot.controllers.controller import Controller
from surefoot.controllers.identifier import STEPS, Identifier
from surefoot.controllers.training import make_algorithm, make_env
from surefoot.controllers.worlds import worlds_of
from surefoot.envs.variation import Task

SMALL = {"num_envs": 4, "batch_size": 64, "net": (16, 16)}


def switched(algo: str = "ppo", robot: str = "hopper", task: str = "run", **hyperparameters: Any) -> Switched:
    config = TrainConfig(robot=robot, task=task, algo=algo, steps=1000, hyperparameters=SMALL | hyperparameters)
    controller = Controller.from_algorithm(config, make_algorithm(config, make_env(config, 4)))
    if "inputs" in hyperparameters:
        own = worlds_of(config, 1)
        controller.identifier = Identifier(own.step_size - 1 + own.num_actions, ("payload",), changes=4).eval()
    return Switched(controller, worlds_of(config, 1, autoreset=False, seed=0))


def walk(brain: Switched, steps: int) -> None:
    env = brain.env
    for _ in range(steps):
        env.step(brain.act(env.observation))
        brain.learn()


@pytest.mark.parametrize(
    ("algo", "where", "hyperparameters"),
    [
        ("recurrent_ppo", ("hopper", "run"), {"hidden": 12}),
        ("context_sac", ("half_cheetah", "cheetah-vel"), {"tasks": 4, "latent": 3, "encoder_width": 16}),
    ],
)
def test_a_memory_stays_empty(algo: str, where: tuple[str, str], hyperparameters: dict[str, Any]) -> None:
    brain = switched(algo, *where, **hyperparameters)
    assert brain.available
    brain.env.reset()
    walk(brain, 5)
    seen = brain.env.observation.copy()
    remembering, fresh = brain.act(seen), brain.controller.copy()
    brain.on = False
    assert not np.allclose(remembering, fresh.act(seen))
    for _ in range(3):  # as one that knows nothing, however often it is asked
        assert np.array_equal(brain.act(seen), switched_off(fresh, seen))


def switched_off(controller: Controller, seen: np.ndarray) -> np.ndarray:
    controller.reset()
    return controller.act(seen)


@pytest.mark.parametrize("mirror", [False, True])
def test_what_an_encoder_inferred_stays(mirror: bool) -> None:
    brain = switched("ppo", "quadruped", "velocity", network="tcn", history=4, encoder_width=16, mirror=mirror)
    brain.env.reset()
    walk(brain, 5)
    brain.on = False
    walk(brain, 1)
    held = brain.latent.copy()
    walk(brain, 5)
    assert np.array_equal(brain.latent, held)
    own = brain.env.observation.copy()
    own[:, : -brain.env.step_size] += 1.0  # other memories, the same now
    assert np.array_equal(brain.act(brain.env.observation), brain.act(own))
    brain.on = True
    assert not np.array_equal(brain.act(brain.env.observation), brain.act(own))
    walk(brain, 1)
    assert not np.array_equal(brain.latent, held)


def test_what_was_identified_stays() -> None:
    brain = switched("ppo", "quadruped", "velocity", inputs=("payload",))
    assert brain.names == ("payload",)
    brain.env.reset()
    first = brain.inferred().copy()
    walk(brain, STEPS + 1)
    second = brain.inferred()
    assert second[0, 0] != first[0, 0]
    assert second[0, 1] > 0
    brain.on = False
    walk(brain, STEPS + 1)
    assert np.array_equal(brain.inferred()[:, :2], second[:, :2])
    brain.env.simulation.set_parameters(np.arange(1), brain.env.table.values({"payload": 2.5})[None])
    assert brain.inferred()[0, 2] == 2.5  # the truth, beside what it believes
    # A new episode: what it looks at begins there.
    brain.on = True
    walk(brain, STEPS // 2)
    brain.begin()
    walk(brain, STEPS // 2)
    assert np.array_equal(brain.inferred()[:, :2], second[:, :2])
    walk(brain, STEPS // 2 + 1)
    assert not np.array_equal(brain.inferred()[:, :2], second[:, :2])


def test_one_without_anything_to_switch_says_so() -> None:
    brain = switched()
    assert not brain.available
    assert "does not adapt" in brain.says
    assert brain.inferred().shape == (1, 3, 0)
    assert brain.latent.shape == (1, 0)


def test_a_belief_begins_anew_with_an_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    """In `continual` and where one watches: what was seen of the robot before says nothing about the one that it is now."""
    brain = switched("context_sac", "half_cheetah", "cheetah-vel", tasks=4, latent=3, encoder_width=16)
    brain.env.reset()
    forgotten: list[list[int]] = []
    reset = Controller.reset
    monkeypatch.setattr(
        Controller, "reset", lambda c, ids=None: forgotten.append([] if ids is None else list(ids)) or reset(c, ids)
    )
    monkeypatch.setattr(Drop, "update", lambda watcher, reward: np.arange(len(reward)) == len(forgotten) - 3)
    walk(brain, 4)
    assert forgotten == [[], [], [], [0]]
    assert np.array_equal(brain.controller.memory[0], np.zeros_like(brain.controller.memory[0]))  # type: ignore[index]
    forgotten.clear()
    continual(brain.controller, Task({}, {"velocity": 2.0}), Task({}, {"velocity": 1.0}), robots=2, seconds=8.0)
    assert sum(ids == [0] for ids in forgotten) == sum(ids == [1] for ids in forgotten) == 1
