"""Methods that adapt while they act: what they are trained on, what they remember, what the student learns."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from surefoot import api
from surefoot.controllers.adaptation import META_TRAIN, METHODS, Budget, choose_method, methods_of
from surefoot.controllers.adaptation.online import walk_and_judge
from surefoot.controllers.adaptation.rma import Distillation, distil, student_of, student_worlds, taught
from surefoot.controllers.config import TrainConfig
from surefoot.controllers.controller import Controller
from surefoot.controllers.evaluation import evaluate
from surefoot.controllers.simulated_log import walk
from surefoot.controllers.training import train, train_config
from surefoot.controllers.worlds import worlds_of
from surefoot.envs.inputs import REMEMBERED
from surefoot.envs.variation import Task
from surefoot.robots import SurefootError

VARY = {"payload": "0:6", "motor_strength.*": "0.7:1.1"}
SMALL = {"num_envs": 16, "batch_size": 128, "net": (16, 16)}
HEAVY = Task({"payload": 4.0})


@pytest.fixture(scope="module")
def memory() -> Controller:
    hyperparameters = {**SMALL, "hidden": 8}
    return META_TRAIN["recurrent"](
        "quadruped", "velocity", vary=VARY, steps=1200, hyperparameters=hyperparameters, progress=False
    )


@pytest.fixture(scope="module")
def teacher() -> Controller:
    hyperparameters = {**SMALL, "inputs": ("parameters",), "network": "privileged", "encoder_width": 8}
    return train("quadruped", "velocity", vary=VARY, steps=1200, hyperparameters=hyperparameters, progress=False)


def test_what_recurrent_trains_with(memory: Controller) -> None:
    settings = memory.settings
    assert (memory.config.algo, memory.config.method) == ("recurrent_ppo", "recurrent")
    assert (settings.inputs, settings.trial) == (REMEMBERED, 2)
    assert memory.policy.observation_space.shape == (50 + 12 + 1 + 1,)


def test_a_teacher_is_told_what_varies(teacher: Controller) -> None:
    names = teacher.settings.inputs
    assert len(names) == 13
    assert "payload" in names
    assert teacher.policy.observation_space.shape == (63,)
    light, heavy = (np.zeros((1, 63), np.float32) for _ in range(2))
    heavy[0, 50 + names.index("payload")] = 6.0
    assert not np.array_equal(teacher.act(light), teacher.act(heavy))


def test_a_student_is_its_teacher_but_for_the_encoder(teacher: Controller) -> None:
    student = student_of(teacher)
    assert (student.settings.network, student.settings.history, student.settings.inputs) == ("tcn", 50, ())
    mine, theirs = student.policy.state_dict(), teacher.policy.state_dict()
    shared = [k for k in mine if ".encoder." not in k and mine[k].shape == theirs[k].shape]
    assert {"action_net.weight", "mlp_extractor.policy_net.0.weight", "log_std"} <= set(shared)
    assert all(torch.equal(mine[k], theirs[k]) for k in shared)
    norm = student.policy.features_extractor.norm  # type: ignore[union-attr]
    assert torch.equal(norm.mean, teacher.policy.features_extractor.norm.mean[:50])  # type: ignore[union-attr]


def test_with_the_teachers_latent_the_student_is_the_teacher(teacher: Controller) -> None:
    student = student_of(teacher)
    seen = np.random.default_rng(0).normal(size=(5, 63)).astype(np.float32)
    policy, knows = student.policy, teacher.policy
    features = knows.features_extractor(torch.as_tensor(seen))  # type: ignore[operator]
    told = knows.mlp_extractor.encoder(features)  # type: ignore[operator, union-attr]
    history = np.tile(seen[:, :50], 50)
    code = policy.mlp_extractor.encoder(policy.features_extractor(torch.as_tensor(history)))  # type: ignore[operator, union-attr]
    assert code.shape == told.shape
    assert torch.allclose(code[:, :50], told[:, :50])  # the observation; then the latent, which it does not know yet
    assert not torch.allclose(code[:, 50:], told[:, 50:])


@pytest.mark.parametrize("mirror", [False, True])
def test_a_student_learns_the_latent(mirror: bool) -> None:
    hyperparameters = {
        **SMALL, "inputs": ("parameters",), "network": "privileged", "encoder_width": 8, "mirror": mirror
    }  # fmt: skip
    vary = {"gravity": "3:15"}  # which a falling robot shows at once
    teacher = train("quadruped", "velocity", vary=vary, steps=1200, hyperparameters=hyperparameters, progress=False)
    plan = Distillation(worlds=64, samples=1280, batch_size=64, every=4, epochs=4)
    student, again = student_of(teacher), student_of(teacher)
    known = distil(teacher, student, 20_480, plan=plan)
    assert known[0] < 0
    assert known[-1] > 0.5
    assert known[:1] == distil(teacher, again, 5120, plan=plan)  # same seed, same student
    assert student.timesteps == teacher.timesteps + 20_480


def test_a_student_with_a_goal_to_find_meets_second_episodes(teacher: Controller) -> None:
    """Its history goes on over their beginnings, as in the trials that it is judged by."""
    seeker = TrainConfig(robot="half_cheetah", task="cheetah-dir", steps=1, suite="cheetah-dir",
                         hyperparameters={"history": 3, "inputs": ("last_action", "last_reward"), "redraw": 0.5})  # fmt: skip
    env = student_worlds(seeker, 4)
    env.reset()
    goals = env.task.command().copy()
    for _ in range(env.episode_steps):
        seen, *_ = env.step(np.ones((4, 6)))
    assert (env.episode == 1).all()
    assert np.array_equal(env.task.command(), goals)  # nobody who looks back that far could use what was another goal's
    oldest, newest = seen[:, : env.step_size], seen[:, -env.step_size :]
    assert (np.abs(oldest - newest).max(axis=1) > 0.3).all()  # at a beginning without a past they are the same
    assert student_worlds(teacher.config, 4).trial == 1


def test_the_curve_is_the_robots_motion(memory: Controller) -> None:
    runs = [METHODS["recurrent"](memory, HEAVY, Budget(None, None, 2.0), episodes=3) for _ in range(2)]
    curve = runs[0].curve
    assert [p.steps for p in curve] == [0, 50, 100]
    assert [p.robot_seconds for p in curve] == [0.0, 1.0, 2.0]
    for one, two in zip(curve, runs[1].curve, strict=True):
        assert np.array_equal(one.evaluation.returns, two.evaluation.returns)
    assert not np.array_equal(curve[0].evaluation.returns, curve[1].evaluation.returns)  # it remembers
    assert runs[0].controller.memory is None
    first = METHODS["recurrent"](memory, HEAVY, Budget(None, 50), episodes=3)
    assert np.array_equal(first.after.evaluation.returns, curve[1].evaluation.returns)


def test_a_method_needs_its_controller(memory: Controller, controller: Controller) -> None:
    assert methods_of(memory) == ["zero-shot", "recurrent"]
    assert methods_of(controller) == ["zero-shot", "finetune", "twin", "planner"]
    with pytest.raises(
        SurefootError, match=r"'rma' needs a controller that was trained for it .*supports zero-shot, recurrent$"
    ):
        api.adapt(memory, HEAVY, method="rma")
    # What no method of its own is missing for is said with what there is, too.
    for method, why in (
        ("finetune", "continues ppo controllers"),
        ("planner", "a value function of single observations"),
    ):
        with pytest.raises(SurefootError, match=f"'{method}'.*{why}.*: this one supports zero-shot, recurrent$"):
            api.adapt(memory, HEAVY, method=method)
    with pytest.raises(SurefootError, match=r"robot_seconds=0\.001: expected 1 control step or more"):
        api.adapt(memory, HEAVY, method="recurrent", robot_seconds=0.001)
    with pytest.raises(SurefootError, match="input 'parameters' stands for what the training varies"):
        api.train("quadruped", "velocity", method="rma")
    with pytest.raises(SurefootError, match="unknown adaptation method with a training of its own 'rmaa'"):
        api.train("quadruped", "velocity", method="rmaa")


def test_auto(memory: Controller, controller: Controller) -> None:
    assert choose_method(memory, Budget()) == "recurrent"
    assert choose_method(controller, Budget()) == "finetune"
    assert choose_method(controller, Budget(None, None, 10.0)) == "twin"
    assert choose_method(controller, Budget(None, None, 5.0)) == "zero-shot"
    found = api.adapt(controller, HEAVY, method="auto", seconds=None, robot_seconds=5.0, episodes=2)
    assert found.method == "zero-shot"


def test_saved_and_loaded(memory: Controller, tmp_path: Path) -> None:
    memory.save(tmp_path / "memory.safetensors")
    again = Controller.load(tmp_path / "memory.safetensors")
    assert again.settings == memory.settings
    before, after = (METHODS["recurrent"](c, HEAVY, Budget(None, 50), episodes=2) for c in (memory, again))
    assert np.array_equal(before.after.evaluation.returns, after.after.evaluation.returns)


@pytest.fixture(scope="module")
def seeker() -> Controller:
    """A recurrent controller of a goal family, which hardly learnt: two episodes of 200 steps are a trial of it."""
    hyperparameters = {"num_envs": 8, "n_steps": 16, "batch_size": 64, "net": (16,), "hidden": 8}
    return META_TRAIN["recurrent"](
        "half_cheetah", "cheetah-vel", suite="cheetah-vel", steps=256, hyperparameters=hyperparameters, progress=False
    )


def test_what_is_seen_in_a_trials_first_episode_counts_in_its_second(seeker: Controller) -> None:
    goal = Task({}, {"velocity": 2.0})
    one, two = (evaluate(seeker, task=goal, episodes=3, trial=k) for k in (1, 2))
    assert (one.by_episode.shape, two.by_episode.shape) == ((1, 3), (2, 3))
    assert np.array_equal(two.by_episode[0], one.returns)  # the same start states
    assert np.allclose(two.returns, two.by_episode.mean(0))
    assert (len(two.by_step), two.lengths.tolist(), two.robot_seconds) == (
        400,
        [400] * 3,
        pytest.approx(3 * 400 * 0.05),
    )
    assert two.by_step.sum() == pytest.approx(two.by_episode.sum(0).mean())
    env = worlds_of(seeker.config, 3, tasks=goal, seed=1000, autoreset=False, trial=2)
    seeker.reset()
    observation, forgetful = env.reset(), np.zeros(3)
    for step in range(400):
        if step == 200:
            seeker.reset()
        observation, reward, *_ = env.step(seeker.act(observation))
        forgetful += reward * (step >= 200)
    assert not np.allclose(forgetful, two.by_episode[1])


def test_a_map_after_motion_is_of_what_each_robot_has_seen(memory: Controller) -> None:
    brief = memory.copy()
    brief.config = memory.config.model_copy(update={"options": {"episode_seconds": 0.4}})
    grid: dict[str, Any] = {"grid": {"payload": "0:6", "friction": "0.5:1"}, "cells": 2, "episodes": 2, "seed": 7}
    found = api.envelope(brief, **grid, motion=0.3)
    before, after = found.maps.values()
    assert list(found.maps) == ["before", "after 0.3 s of motion"]
    assert list(api.envelope(brief, **grid).maps) == ["before", "after 10 s of motion"]
    without = api.envelope(brief, **grid, motion=0).maps
    assert list(without) == ["controller"]
    assert np.array_equal(before.returns, without["controller"].returns)
    cells = [Task({"payload": load, "friction": rub}) for rub in (0.5, 1.0) for load in (0.0, 6.0)]
    every = [task for task in (*cells, Task()) for _ in range(2)]
    (point,) = walk_and_judge(brief.copy(), every, 10, [15], seed=7 - 1000)
    assert np.array_equal(after.returns, point.evaluation.returns[:8].reshape(2, 2, 2).mean(axis=2))
    assert not np.array_equal(after.returns, before.returns)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"motion": 1e-3}, "motion of 0.001 s: expected 0.02 s or more"),
        ({"motion": float("nan")}, "motion of nan s: expected 0.02 s or more"),
        ({"motion": 1.0, "adapted": "quadruped-velocity"}, "motion of 1 s and an adapted controller: expected one of the two"),
        ({"motion": 1.0, "source": "quadruped-velocity"}, "expected a controller that adapts while it moves (recurrent, rma, "),
    ],
)  # fmt: skip
def test_motion_that_no_map_can_be_made_after(memory: Controller, asked: dict[str, Any], said: str) -> None:
    with pytest.raises(SurefootError, match=re.escape(said)):
        api.envelope(**{"source": memory, "grid": {"payload": "0:6", "friction": "0.5:1"}, "cells": 1, **asked})


def test_students_see_what_they_did() -> None:
    """Gymnasium's observations hold no actions, ours do: what motors do with them is what tells a weak one."""
    inputs = {task: taught(task)["inputs"] for task in ("run", "cheetah-cripple", "velocity", "cheetah-vel")}
    acted, rewarded = ("last_action", "parameters"), ("last_action", "last_reward", "parameters")
    assert inputs == {"run": acted, "cheetah-cripple": acted, "velocity": ("parameters",), "cheetah-vel": rewarded}


def test_a_student_infers_the_goal_from_its_rewards() -> None:
    """The teacher is told the goal; the student sees what it did and got instead, in its history."""
    hyperparameters = {**SMALL, "encoder_width": 4}
    student = META_TRAIN["rma"](
        "half_cheetah", "cheetah-vel", suite="cheetah-vel", steps=512, hyperparameters=hyperparameters, progress=False,
        meta={"worlds": 4, "samples": 40},
    )  # fmt: skip
    assert student.settings.inputs == ("last_action", "last_reward")
    assert student.policy.observation_space.shape == (200 * (17 + 6 + 1),)
    history = np.random.default_rng(0).normal(size=(1, 200, 24)).astype(np.float32)
    richer = history.copy()
    richer[:, :-1, -1] += 1.0
    assert not np.array_equal(student.act(history.reshape(1, -1)), student.act(richer.reshape(1, -1)))


def test_parameters_stand_for_everything_that_a_training_varies() -> None:
    def told(robot: str, task: str, inputs: tuple[str, ...], **asked: Any) -> tuple[str, ...]:
        config = train_config(robot, task, hyperparameters={"inputs": inputs}, **asked)
        return tuple(config.hyperparameters["inputs"])

    assert told("half_cheetah", "cheetah-vel", ("parameters",), suite="cheetah-vel") == ("velocity",)
    assert told("half_cheetah", "cheetah-vel", ("last_reward", "parameters")) == ("last_reward", "velocity")
    assert told("quadruped", "velocity", ("com.x", "payload")) == ("com.x", "payload")
    strengths = told("quadruped", "velocity", ("motor_strength",))
    assert len(strengths) == 12
    assert all(name.startswith("motor_strength.") for name in strengths)


def test_the_curve_ends_where_the_budget_does(memory: Controller) -> None:
    """Whatever the number of points that are looked at before."""
    for seconds, points, stops in ((5.0, 4, [0, 1, 5]), (5.0, 1, [0, 5]), (0.5, 4, [0, 0.5]), (61.0, 2, [0, 60, 61])):
        budget = Budget(None, None, seconds)
        found = METHODS["recurrent"](memory, HEAVY, budget, episodes=1, points=points)
        assert [p.robot_seconds for p in found.curve] == stops


def test_a_gate_needs_two_controllers(memory: Controller) -> None:
    with pytest.raises(
        SurefootError, match="method 'recurrent' makes no other controller, its memory is all that adapts"
    ):
        api.adapt(memory, HEAVY, method="recurrent", robot_seconds=1.0, seconds=None, episodes=1, gate=True)


def test_what_is_told_follows_what_is_remembered() -> None:
    """In whatever order they are asked for: `search` and `identify` find it at the end."""
    asked = {**SMALL, "inputs": ("parameters", "last_action")}
    config = train_config("quadruped", "velocity", vary={"payload": "0:6"}, hyperparameters=asked)
    assert tuple(config.hyperparameters["inputs"]) == ("last_action", "payload")


def test_motion_is_counted_in_the_familys_control_steps() -> None:
    """Those of walker-rand-params are twice as long as the catalogue's robot's, and so are its physics' steps."""
    runner = META_TRAIN["recurrent"](
        "walker2d", "walker-rand-params", vary={"mass.torso": "0.5:2"}, steps=64, progress=False,
        hyperparameters={"num_envs": 4, "batch_size": 64, "net": (8,), "hidden": 8},
    )  # fmt: skip
    adaptation = METHODS["recurrent"](runner, Task({}), Budget(None, None, 1.6), episodes=2)
    assert (adaptation.after.steps, adaptation.after.robot_seconds) == (100, pytest.approx(1.6))
    log = walk(runner, Task({}), 1.6).log
    assert (log.dt, log.robot.compile().opt.timestep) == (0.016, 0.004)


def test_a_student_learns_once_at_least() -> None:
    small = {"num_envs": 4, "batch_size": 96, "net": (8,)}
    student = META_TRAIN["rma"](
        "quadruped", "velocity", vary={"payload": "0:3"}, steps=1, progress=False, hyperparameters=small,
        meta={"worlds": 2, "samples": 4, "every": 1, "share": 0.01},
    )  # fmt: skip
    assert student.config.method == "rma"
    assert student.seconds > 0
