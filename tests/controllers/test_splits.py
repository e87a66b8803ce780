"""Suites in training and evaluation: what learns sees split `train` alone; every task of a split is measured."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stable_baselines3.common.callbacks import BaseCallback

from surefoot import api
from surefoot.controllers.adaptation import Budget, finetune
from surefoot.controllers.controller import Controller
from surefoot.controllers.evaluation import Evaluation, evaluate, evaluate_as_trained
from surefoot.controllers.rollouts import core_of
from surefoot.controllers.splits import SplitResult, evaluate_suite, validate
from surefoot.controllers.training import resume, train
from surefoot.envs.suites import TaskSuite, load_suite, make_suite, table_of
from surefoot.envs.variation import Task
from surefoot.robots import SurefootError

SMALL: dict[str, Any] = {"num_envs": 32, "batch_size": 768, "net": (16, 16)}
SUITE = "quadruped-payload"


class Rows(BaseCallback):
    """Every row of parameter values that the worlds have while something learns."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[bytes] = set()

    def _on_step(self) -> bool:
        self.seen |= {row.tobytes() for row in core_of(self.model).values}
        return True


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, set[bytes]]:
    """The folder of a tiny run on a suite, and all the parameter rows that it saw."""
    folder, rows = tmp_path_factory.mktemp("suite") / "run", Rows()
    train(
        "quadruped",
        "velocity",
        steps=4608,
        suite=SUITE,
        options={"episode_seconds": 1.0},
        hyperparameters=SMALL,
        out=folder,
        progress=False,
        callback=rows,
    )
    return folder, rows.seen


def rows_of(suite: TaskSuite, split: str) -> set[bytes]:
    return {row.tobytes() for row in suite.rows(split, table_of(suite.robot))[0]}


def test_training_sees_training_tasks_only(trained: tuple[Path, set[bytes]]) -> None:
    suite, seen = load_suite(SUITE), trained[1]
    assert len(seen) > 20
    assert seen <= rows_of(suite, "train")
    for split in ("validation", "test", "moderate", "extreme", "structural"):
        assert not seen & rows_of(suite, split)


@pytest.mark.parametrize("algo", ["sac"])
def test_other_algorithms_see_them_only_too(algo: str) -> None:
    rows, suite = Rows(), load_suite("cheetah-cripple")
    small = {
        "num_envs": 4,
        "batch_size": 16,
        "net": (8, 8),
        "learning_starts": 40,
        "gradient_steps": 1,
        "buffer_size": 500,
    }
    train("half_cheetah", "cheetah-cripple", algo=algo, steps=200, suite="cheetah-cripple", hyperparameters=small,
          progress=False, callback=rows)  # fmt: skip
    assert rows.seen
    assert rows.seen <= rows_of(suite, "train")


def test_the_run_remembers_its_suite(trained: tuple[Path, set[bytes]], tmp_path: Path) -> None:
    config = json.loads((trained[0] / "config.json").read_text())
    assert (config["suite"], config["suite_sha256"]) == (SUITE, load_suite(SUITE).sha256)
    controller = Controller.load(trained[0])
    assert controller.config.suite == SUITE
    # Adapting may see any task: its environment is not the suite's.
    extreme = load_suite(SUITE).tasks("extreme")[0]
    adapted = finetune(controller, extreme, Budget(None, 400), episodes=2, points=1)
    assert adapted.controller.config.suite == SUITE
    assert adapted.task == extreme


def test_a_run_goes_on_with_the_suite_that_it_had(tmp_path: Path) -> None:
    law = {"payload": "0:3"}
    file, folder = tmp_path / "loads.json", tmp_path / "run"
    make_suite("loads", "quadruped", "velocity", {"train": [(law, 5)]}, options={"vx": 0.5}).save(file)
    first = train("quadruped", "velocity", steps=400, suite=file, hyperparameters=SMALL, out=folder, progress=False)
    assert first.config.options == {"vx": 0.5}
    assert resume(folder, steps=800, progress=False).config.suite_sha256 == load_suite(file).sha256
    make_suite("loads", "quadruped", "velocity", {"train": [(law, 6)]}).save(file)
    with pytest.raises(SurefootError, match="the run was trained on"):
        resume(folder, steps=1600, progress=False)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"vary": {"payload": "0:1"}}, "a suite .--suite. has its own tasks"),
        ({"parameters": {"payload": 1}}, "a suite .--suite. has its own tasks"),
        ({"suite": "quadruped-payloads"}, "did you mean quadruped-payload"),
        ({"suite": "cheetah-cripple"}, "is for half_cheetah cheetah-cripple, not for quadruped velocity"),
    ],
)
def test_bad_input(wrong: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(SurefootError, match=said):
        train("quadruped", "velocity", out=tmp_path / "run", progress=False, **{"suite": SUITE, **wrong})
    assert not (tmp_path / "run").exists()


def test_every_task_of_a_split_is_measured_and_in_its_place(controller: Controller) -> None:
    """Robots without motors fall, and others do not in .4 s: who fell says which world was whose."""
    dead, sound = ({"dead_actuator": "front+rear", "payload": "9"}, 1), ({"payload": "0:1"}, 2)
    splits = {"train": [sound], "test": [sound, dead, sound]}
    suite = make_suite("limp", "quadruped", "velocity", splits, options={"episode_seconds": 0.4})
    (result,) = evaluate_suite(controller, suite, ["test"], episodes=3)
    assert result.returns.shape == (5, 3)
    assert [t.parameters.get("dead_actuator", "") for t in result.tasks] == ["", "", "front+rear", "", ""]
    fell = result.evaluation.fell.reshape(5, 3)
    assert fell[2].all()
    assert not fell[[0, 1, 3, 4]].any()
    assert result.evaluation.lengths.max() == 20  # the suite's episode, not the controller's 1000 steps
    assert np.array_equal(result.returns.ravel(), result.evaluation.returns)
    again = evaluate_suite(controller, suite, ["test"], episodes=3)[0]
    assert np.array_equal(again.returns, result.returns)


def test_a_split_of_one_task_is_that_task(controller: Controller) -> None:
    suite = make_suite(
        "one", "quadruped", "velocity", {"train": [({"payload": "2"}, 1)]}, options={"episode_seconds": 0.6}
    )
    (result,) = evaluate_suite(controller, suite, episodes=4, seed=5)
    alone = evaluate(controller, task=Task({"payload": 2.0}), episodes=4, seed=5, options={"episode_seconds": 0.6})
    assert np.array_equal(result.returns[0], alone.returns)


def test_a_controller_with_a_history_sees_it(tmp_path: Path) -> None:
    small = {**SMALL, "history": 3, "network": "gru", "encoder_width": 8, "mirror": False}
    controller = train("quadruped", "velocity", steps=800, hyperparameters=small, progress=False)
    laws = {"train": [({"payload": "2"}, 1)]}
    suite = make_suite("one", "quadruped", "velocity", laws, options={"episode_seconds": 0.4})  # type: ignore[arg-type]
    (result,) = evaluate_suite(controller, suite, episodes=2, seed=5)
    alone = evaluate(controller, task=Task({"payload": 2.0}), episodes=2, seed=5, options={"episode_seconds": 0.4})
    assert np.array_equal(result.returns[0], alone.returns)


def test_a_controller_that_plans_plans_on_a_suite(controller: Controller, tmp_path: Path) -> None:
    planning = api.load(controller, {"samples": 3, "horizon": 2})
    laws = {"train": [({"payload": "2"}, 1)]}
    suite = make_suite("one", "quadruped", "velocity", laws, options={"episode_seconds": 0.2})  # type: ignore[arg-type]
    (result,) = evaluate_suite(planning, suite, episodes=2, seed=5)
    alone = evaluate(planning, task=Task({"payload": 2.0}), episodes=2, seed=5, options={"episode_seconds": 0.2})
    assert np.array_equal(result.returns[0], alone.returns)
    assert not np.array_equal(result.returns, evaluate_suite(controller, suite, episodes=2, seed=5)[0].returns)
    file = tmp_path / "one.json"
    suite.save(file)
    (asked,) = api.evaluate_suite(controller, file, episodes=2, seed=5, plan={"samples": 3, "horizon": 2})
    assert np.array_equal(asked.returns, result.returns)


def test_the_interval_resamples_episodes_within_tasks() -> None:
    tasks = (Task({"payload": 1.0}), Task({"payload": 2.0}))

    def interval(returns: list[list[float]]) -> tuple[float, float]:
        flat = np.array(returns).ravel()
        evaluation = Evaluation(flat, np.ones(len(flat), int), np.zeros(len(flat), bool))
        return SplitResult("s", "test", tasks, evaluation).interval()

    assert interval([[1, 1, 1], [5, 5, 5]]) == (3.0, 3.0)  # tasks differ, episodes do not: nothing is uncertain
    low, high = interval([[0, 2] * 50, [4, 6] * 50])
    # Mean of two means of 100 draws of +-1: sigma sqrt(1/100/2), 1.96 sigma are .139.
    assert interval([[1], [5]]) == (1.0, 5.0)  # one episode each: tasks are resampled
    assert (low, high) == (pytest.approx(3 - 0.139, abs=0.02), pytest.approx(3 + 0.139, abs=0.02))


def test_models_are_chosen_on_validation(trained: tuple[Path, set[bytes]], tmp_path: Path) -> None:
    controller = Controller.load(trained[0])
    good, bad = tmp_path / "controller.safetensors", tmp_path / "checkpoints" / "step_000000000010.safetensors"
    controller.save(good)
    worse = controller.copy()
    for parameter in worse.policy.action_net.parameters():
        parameter.data.normal_(0, 3)
    worse.timesteps = 10
    worse.save(bad)
    suite = make_suite(
        "v", "quadruped", "velocity", {"train": [({"payload": "0:1"}, 1)], "validation": [({"payload": "0:1"}, 4)]},
        options={"episode_seconds": 2.0},
    )  # fmt: skip
    found = validate(tmp_path, suite, episodes=2)
    assert [file for file, _ in found] == [good, bad]
    assert all(result.split == "validation" for _, result in found)
    table = api.validation_table(found)
    assert table["note"] == f"best on validation: {good}"
    with pytest.raises(SurefootError, match="no run folder"):
        validate(good, suite)
    with pytest.raises(SurefootError, match="unknown split of suite 'cheetah-cripple' 'validation'"):
        validate(tmp_path, load_suite("cheetah-cripple").model_copy(update={"robot": "quadruped", "task": "velocity"}))


@pytest.mark.parametrize(
    ("validation", "robots"),
    [(True, {}), (False, {}), (True, {"validation": "hexapod"})],
    ids=["validation", "none", "of another robot"],
)
def test_as_trained_is_on_the_tasks_of_validation_or_of_training(
    validation: bool, robots: dict[str, str], tmp_path: Path
) -> None:
    """Robots without motors fall, and others do not in .4 s: who fell says which tasks were dealt, and in which order."""
    sound, dead = ({"payload": "0:1"}, 1), ({"dead_actuator": "front+rear", "payload": "9"}, 1)
    splits = {"train": [sound, dead]}
    if robots:
        splits["validation"] = [({"payload": "2:3"}, 2)]
    elif validation:
        splits["validation"] = [({"dead_actuator": "front+rear", "payload": "8"}, 1), ({"payload": "2:3"}, 2)]
    suite = make_suite("limp", "quadruped", "velocity", splits, robots=robots, options={"episode_seconds": 0.4})
    suite.save(tmp_path / "limp.json")
    small = {**SMALL, "trial": 2}
    controller = train(
        "quadruped", "velocity", steps=768, suite=tmp_path / "limp.json", hyperparameters=small, progress=False
    )
    found = evaluate_as_trained(controller, episodes=5)
    tasks = suite.tasks("validation" if validation and not robots else "train")
    fell = ["dead_actuator" in tasks[i % len(tasks)].parameters for i in range(5)]
    assert found.fell.tolist() == fell
    assert any(fell)
    assert found.lengths.max() == 2 * 20  # the suite's episodes, as many in a row as in training
    assert found.by_episode.shape == (2, 5)


def test_as_trained_is_in_trials(controller: Controller) -> None:
    config = controller.config
    options = {**config.options, "episode_seconds": 0.4}
    hyper = {**config.hyperparameters, "trial": 3}
    controller.config = config.model_copy(update={"options": options, "hyperparameters": hyper})
    found = evaluate_as_trained(controller, episodes=4)
    assert np.array_equal(found.by_episode, evaluate(controller, vary=config.vary, episodes=4, trial=3).by_episode)
    assert found.by_episode.shape == (3, 4)


def test_a_suite_for_another_robot_is_refused(controller: Controller) -> None:
    with pytest.raises(SurefootError, match="is for half_cheetah cheetah-cripple, not for quadruped velocity"):
        evaluate_suite(controller, load_suite("cheetah-cripple"))
    with pytest.raises(SurefootError, match="unknown split of suite 'quadruped-payload' 'tests'"):
        evaluate_suite(controller, load_suite(SUITE), ["tests"])
    with pytest.raises(SurefootError, match="episodes 0"):
        evaluate_suite(controller, load_suite(SUITE), ["test"], episodes=0)


@pytest.mark.menagerie
def test_what_walks_on_the_quadruped_walks_on_go1() -> None:
    """A split for another robot is measured on that robot. In the models' own orders of legs the same controller falls."""
    walker, shipped = api.load("quadruped-velocity"), load_suite("go1-transfer")
    assert shipped.robot_of("train") == "quadruped"
    assert {shipped.robot_of(split) for split in shipped.splits} == {"quadruped", "go1"}
    splits: dict[str, Any] = {split: [({"payload": "0:1"}, 4)] for split in ("train", "test")}
    given: dict[str, Any] = {"robot": "quadruped", "task": "velocity", "splits": splits, "robots": {"test": "go1"}}
    short = {"episode_seconds": 3.0}
    tracking = {}
    for order in ("standard", "model"):
        suite = make_suite("go1", **given, options={**short, "leg_order": order})
        for result in evaluate_suite(walker, suite, episodes=2):
            tracking[order, result.split] = result.evaluation.tracking
    assert tracking["standard", "train"] == pytest.approx(tracking["model", "train"])
    assert tracking["standard", "test"] > 0.8 > 0.2 > tracking["model", "test"]
    assert tracking["standard", "test"] == pytest.approx(tracking["standard", "train"], abs=0.1)


def test_a_robot_that_the_controller_does_not_fit_is_refused() -> None:
    splits: dict[str, Any] = {split: [({"mass": "0.8:1.2"}, 2)] for split in ("train", "test", "extreme")}
    robots = {"test": "hopper", "extreme": "quadruped"}
    suite = make_suite("elsewhere", "half_cheetah", "run", splits, robots=robots)
    runner = api.load("half_cheetah-run")
    with pytest.raises(
        SurefootError,
        match=r"does not fit hopper run: it was trained with 17 .* has 11 and 3 \('position' has 8 numbers against 5\)",
    ):
        evaluate_suite(runner, suite, ["test"])
    with pytest.raises(
        SurefootError, match=r"task 'run' is defined for half_cheetah, .* not for 'quadruped': try 'velocity'"
    ):
        evaluate_suite(runner, suite, ["extreme"])


def test_tables(controller: Controller) -> None:
    suite = load_suite(SUITE)
    assert [row[0] for row in api.suite_table(suite)["rows"]] == list(suite.splits)
    assert "payload 6.0" in api.suite_table(suite)["rows"][4][2]
    assert api.tasks_table(suite, "extreme")["rows"][0][1] == suite.tasks("extreme")[0]
    small = make_suite(
        "s", "quadruped", "velocity", {"train": [({"payload": "0:1"}, 2)]}, options={"episode_seconds": 0.4}
    )
    table = api.split_table(evaluate_suite(controller, small, episodes=2))
    assert table["columns"][:2] == ["split", "tasks"]
    assert table["rows"][0][:2] == ["train", 2]
    means = evaluate_suite(controller, small, episodes=2)[0].returns.mean(axis=1)
    figures = dict(zip(table["columns"], table["rows"][0], strict=True))
    assert (figures["IQM"], figures["CVaR"]) == (f"{means.mean():.1f}", f"{means.min():.1f}")  # of two tasks
    assert "suite s v1, 2 episodes a task" in table["note"]
