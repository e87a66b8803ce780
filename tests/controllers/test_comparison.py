"""Comparisons: the same episodes for all, figures from the returns by hand, seeds as the runs of a method."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from surefoot import api
from surefoot.controllers.adaptation.inference import Inferring, infers
from surefoot.controllers.adaptation.search import as_begun
from surefoot.controllers.comparison import Comparison, compare, load_methods, method_name
from surefoot.controllers.config import PlannerConfig
from surefoot.controllers.controller import Controller
from surefoot.controllers.evaluation import Evaluation, evaluate, run_episodes
from surefoot.controllers.identifier import STEPS
from surefoot.controllers.safety import Safety
from surefoot.controllers.splits import SplitResult, evaluate_suite
from surefoot.controllers.worlds import worlds_of
from surefoot.envs.batch_env import BatchEnv
from surefoot.envs.suites import TaskSuite, make_suite
from surefoot.envs.variation import Task
from surefoot.replay.figures import comparison_figure
from surefoot.robots import SurefootError
from surefoot.suite_report import comparison_tables


def shaken(controller: Controller, seed: int) -> Controller:
    """Another controller: its last layer is off by chance."""
    twin = controller.copy()
    with torch.no_grad():
        for parameter in twin.policy.action_net.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(seed)))
    return twin


@pytest.fixture(scope="module")
def suite() -> TaskSuite:
    laws = {
        "train": [({"payload": "0:1"}, 2)],
        "test": [({"payload": "0:1"}, 3)],
        "extreme": [({"payload": "9:12"}, 2)],
    }
    return make_suite("short", "quadruped", "velocity", laws, options={"episode_seconds": 0.4})  # type: ignore[arg-type]


def test_all_meet_the_same_episodes(controller: Controller, suite: TaskSuite) -> None:
    found = compare(
        {"plain": [controller], "again": [controller.copy()], "seeds": [shaken(controller, 1), shaken(controller, 2)]},
        suite, baseline="plain", episodes=2, seed=5,
    )  # fmt: skip
    assert found.splits == ("train", "test", "extreme")
    for split in found.splits:
        assert np.array_equal(found.returns("plain", split), found.returns("again", split))
        assert found.returns("seeds", split).shape == (2, len(suite.tasks(split)), 2)
        (alone,) = evaluate_suite(controller, suite, [split], episodes=2, seed=5)
        assert np.array_equal(found.returns("plain", split)[0], alone.returns)
    assert found.figures("again", "test")["probability_of_improvement"] == 0.5
    seeds = found.returns("seeds", "test")
    assert not np.array_equal(seeds[0], seeds[1])
    assert found.figures("seeds", "test")["iqm_interval"][0] < found.figures("seeds", "test")["iqm_interval"][1]


def test_only_the_oracle_is_told_the_truth() -> None:
    """A controller of `identify` or `search` begins with what an average robot is, as everywhere."""
    told = api.train(
        "half_cheetah", "run", method="search", vary={"gravity": "4:16"}, steps=64, progress=False,
        hyperparameters={"num_envs": 4, "n_steps": 16, "batch_size": 32, "net": (8, 8), "encoder_width": 4},
    )  # fmt: skip
    light = make_suite("light", "half_cheetah", "run", {"train": [({"gravity": "4:6"}, 2)]})  # type: ignore[arg-type]
    begun = as_begun(told)
    known, average = (evaluate_suite(c, light, episodes=1)[0].returns for c in (told, begun))
    assert not np.array_equal(known, average)
    found = compare(
        {"plain": [told], "begun": [begun], "oracle": [told]}, light, oracle="oracle", episodes=1, seed=1000
    )
    for name, returns in (("plain", average), ("begun", average), ("oracle", known)):
        assert np.array_equal(found.returns(name, "train")[0], returns)
    assert told.told == {}


@pytest.fixture(scope="module")
def identifier() -> Controller:
    return api.train(
        "half_cheetah", "run", method="identify", vary={"gravity": "4:16"}, steps=64, progress=False,
        hyperparameters={"num_envs": 4, "n_steps": 16, "batch_size": 32, "net": (8, 8), "encoder_width": 4},
        meta={"worlds": 64, "updates": 300},
    )  # fmt: skip


def test_an_identifier_finds_out_within_a_trial_what_its_robot_is(identifier: Controller) -> None:
    light = make_suite("light", "half_cheetah", "run", {"train": [({"gravity": "4:6"}, 2)]})  # type: ignore[arg-type]
    found = compare({"it": [identifier], "oracle": [identifier]}, light, oracle="oracle", episodes=1)
    curves = {name: found.results[name]["train"][0].evaluation.by_step for name in found.results}
    curves["average"] = evaluate_suite(as_begun(identifier), light, episodes=1)[0].evaluation.by_step
    curves["truth"] = evaluate_suite(identifier, light, episodes=1)[0].evaluation.by_step
    assert np.array_equal(curves["oracle"], curves["truth"])
    assert np.array_equal(curves["it"][:STEPS], curves["average"][:STEPS])
    for other in ("average", "truth"):
        assert not np.array_equal(curves["it"], curves[other])
    plans = identifier.copy()
    plans.plan = PlannerConfig()
    assert [infers(c) for c in (identifier, as_begun(identifier), plans)] == [True, False, False]


@pytest.mark.parametrize(("length", "when"), [(STEPS - 50, []), (STEPS + 100, [STEPS, 2 * STEPS + 100])])
def test_no_window_lies_in_two_episodes(identifier: Controller, length: int, when: list[int]) -> None:
    env = worlds_of(identifier.config, 3, tasks=Task({"gravity": 5.0}), trial=3, episode_steps=length, seed=0)
    drives, told, changes = Inferring(identifier, env), [], []
    observation = env.reset()
    drives.reset()
    for k in range(2 * length + 10):
        action = drives.act(observation)
        told.append(env.inputs.believed.copy())
        changes += [k] if k and (told[k] != told[k - 1]).any() else []
        observation, *_ = env.step(action)
    assert changes == when
    before = env.inputs.believed.copy()
    drives.reset(np.array([1]))
    assert np.array_equal(env.inputs.believed[[0, 2]], before[[0, 2]])
    assert np.array_equal(env.inputs.believed[1], told[0][1])


def test_what_a_controller_was_trained_with_changes_nothing_in_what_it_is_asked(
    controller: Controller, suite: TaskSuite
) -> None:
    other = controller.copy()
    other.config = controller.config.model_copy(update={"options": {"vx": 0.1, "push_interval": 0.1, "noise": 1.0}})
    own = controller.copy()
    own.config = controller.config.model_copy(update={"options": {"reference_gait": 0.0}})
    plain, same, apart = (evaluate_suite(c, suite, ["test"], episodes=2)[0].returns for c in (controller, other, own))
    assert np.array_equal(plain, same)
    assert not np.array_equal(plain, apart)  # without its reference gait it would not be the same controller


RETURNS = {  # (seeds, tasks, episodes) on split test, then on split extreme
    "meta": ([[[4, 6], [10, 10]], [[6, 8], [12, 8]]], [[[2, 4], [1, 1]], [[4, 2], [3, 3]]]),
    "plain": ([[[1, 3], [4, 4]], [[3, 1], [6, 6]]], [[[0, 0], [1, 1]], [[2, 2], [1, 1]]]),
    "told": ([[[8, 8], [11, 13]]], [[[0, 0], [1, 0]]]),
}


def by_hand(baseline: str | None = "plain", oracle: str | None = "told") -> Comparison:
    laws = {split: [({"payload": law}, 2)] for split, law in (("train", "0:1"), ("test", "0:1"), ("extreme", "3:6"))}
    suite, results = make_suite("s", "quadruped", "velocity", laws), {}  # type: ignore[arg-type]
    for name, of_splits in RETURNS.items():
        results[name] = {}
        for split, seeds in zip(("test", "extreme"), of_splits, strict=True):
            results[name][split] = tuple(one(suite, split, np.array(returns, float)) for returns in seeds)
    return Comparison(suite, ("test", "extreme"), results, 2, 0, baseline, oracle)


def one(suite: TaskSuite, split: str, returns: np.ndarray) -> SplitResult:
    n = returns.size
    fell = np.arange(n) == 0
    safety = Safety(fell, *(np.ones(n) for _ in range(8)))
    evaluation = Evaluation(returns.ravel(), np.ones(n, int), fell, tracked=np.full(n, 0.5), safety=safety)
    return SplitResult(str(suite), split, tuple(suite.tasks(split)), evaluation)


def test_figures_by_hand() -> None:
    found = by_hand().figures("meta", "test")  # scores: 5 and 10, 7 and 10; baseline 2 and 4, 2 and 6; oracle 8 and 12
    assert found["task_returns"] == [[5, 10], [7, 10]]
    assert (found["seeds"], found["mean"], found["tracking"]) == (2, 8, 0.5)
    assert found["iqm"] == 8.5  # of 5, 7, 10, 10 the middle two
    assert found["cvar"] == 6  # the worst task
    assert found["probability_of_improvement"] == 1
    assert found["oracle_gap"] == 2
    assert found["gap_closed"] == pytest.approx((8 - 3.5) / (10 - 3.5))
    assert found["task_gap_closed"] == [(6 - 2) / (8 - 2), (10 - 5) / (12 - 5)]
    assert found["mean_interval"] == [7.5, 8.5]  # seeds are drawn again
    assert found["safety"]["falls"] == 0.25  # one of four episodes of each seed
    assert "out_of_distribution_gap" not in found
    extreme = by_hand().figures("meta", "extreme")
    assert extreme["out_of_distribution_gap"] == 8 - 2.5
    assert np.isnan(extreme["gap_closed"])  # there the oracle is worse than the baseline
    told = by_hand().figures("told", "test")
    assert not {"gap_closed", "oracle_gap"} & set(told)
    assert told["probability_of_improvement"] == 1
    assert "probability_of_improvement" not in by_hand().figures("plain", "test")
    assert not {"gap_closed", "probability_of_improvement"} & set(by_hand(None, "told").figures("meta", "test"))


def test_curves_of_trials_by_hand() -> None:
    """Two seeds, two tasks, two trials of two episodes; dt .5 s, the second seed's robots last one step longer."""
    suite = by_hand().suite
    seeds = []
    for first, second, steps in (
        ([1, 3, 5, 7], [2, 4, 6, 8], [1.0, 2.0]),
        ([3, 5, 7, 9], [6, 6, 6, 6], [3.0, 4.0, 9.0]),
    ):
        by_episode = np.array([first, second], float)
        lengths, by_step = np.full(4, len(steps)), np.array(steps)
        safety = Safety(lengths < 0, *(np.ones(4) for _ in range(8)))
        evaluation = Evaluation(
            by_episode.mean(0), lengths, lengths < 0, tracked=np.ones(4), robot_seconds=0.5 * lengths.sum(),
            by_episode=by_episode, by_step=by_step, safety=safety,
        )  # fmt: skip
        seeds.append(SplitResult(str(suite), "test", tuple(suite.tasks("test")), evaluation))
    two = Comparison(suite, ("test",), {"meta": {"test": tuple(seeds)}}, 2, 0, trial=2).content()
    found = two["splits"]["test"]["methods"]["meta"]
    assert found["by_episode"] == [5, 5.5]
    assert found["by_episode_interval"] == [[4, 6], [5, 6]]
    # In the third step nobody of the first seed moves any more, and earns nothing.
    assert found["by_second"] == {"seconds": [0.25, 0.75, 1.25], "reward": [2, 3, 4.5]}
    assert found["mean"] == 5.25
    lone = Comparison(suite, ("test",), {"meta": {"test": tuple(seeds[:1])}}, 2, 0, trial=2).figures("meta", "test")
    assert lone["by_episode_interval"][0] == [3, 5]  # tasks stay, of each the episodes 1, 3 and 5, 7 are drawn again
    columns = comparison_tables(two)[0][1]["columns"]
    assert columns[-3:] == ["episode 1", "episode 2", "falls"]
    assert "return by episode of a trial" in comparison_figure(two)
    # An episode by itself has its course, too, but no others to compare with.
    single = Comparison(suite, ("test",), {"meta": {"test": tuple(seeds)}}, 2, 0).content()
    figures = single["splits"]["test"]["methods"]["meta"]
    assert figures["by_second"] == found["by_second"]
    assert "by_episode" not in figures
    assert "test: reward of a step, over an episode" in comparison_figure(single)
    assert "by episode" not in comparison_figure(single)


def test_robots_that_have_fallen_earn_nothing() -> None:
    """Were the reward over time that of those who still move, it would rise whenever a weak one falls."""
    controller = api.load("quadruped-velocity")
    tasks = [Task({"motor_strength": strength}) for strength in (1.0, 0.3)]
    found = evaluate(controller, task=tasks, episodes=2, seed=0)
    assert found.fell.tolist() == [False, True]
    assert found.lengths[1] < found.lengths[0] == len(found.by_step)
    assert found.by_step.sum() == pytest.approx(found.mean)


def test_success_is_what_the_task_calls_it() -> None:
    class Still:
        """Does nothing."""

        def reset(self) -> None: ...

        def act(self, observation: np.ndarray, deterministic: bool = True) -> np.ndarray:
            return np.zeros((len(observation), 6))

    env = BatchEnv("half_cheetah", "sunblaze-cheetah", 2, seed=0, episode_steps=5, autoreset=False)
    assert run_episodes(env, Still()).succeeded.tolist() == [False, False]  # type: ignore[arg-type, union-attr]
    env.task.distance = -1.0
    found = run_episodes(env, Still())  # type: ignore[arg-type]
    assert found.succeeded is not None
    assert found.succeeded.all()
    suite = by_hand().suite
    halves = replace(one(suite, "test", np.ones((2, 1))).evaluation, succeeded=np.array([True, False]))
    result = SplitResult(str(suite), "test", tuple(suite.tasks("test")), halves)
    assert Comparison(suite, ("test",), {"m": {"test": (result,)}}, 1, 0).figures("m", "test")["success"] == 0.5
    plain = BatchEnv("half_cheetah", "run", 1, seed=0, episode_steps=2, autoreset=False)
    assert run_episodes(plain, Still()).succeeded is None  # type: ignore[arg-type]


def test_seeds_are_drawn_with_all_of_their_scores() -> None:
    """Each of two seeds is good on one task of two: whatever seeds are drawn, the mean is the same, in every episode."""
    suite = by_hand().suite
    seeds = []
    for first, second in ((0.0, 10.0), (10.0, 0.0)):
        result = one(suite, "test", np.array([[first], [second]]))
        evaluation = replace(result.evaluation, by_episode=np.array([[first, second]] * 2))
        seeds.append(replace(result, evaluation=evaluation))
    even = one(suite, "test", np.full((2, 1), 5.0))
    methods = {"meta": {"test": tuple(seeds)}, "plain": {"test": (even,)}}
    of = Comparison(suite, ("test",), methods, 1, 0, "plain", trial=2).figures("meta", "test")
    assert (of["mean_interval"], of["by_episode_interval"]) == ([5, 5], [[5, 5], [5, 5]])
    assert of["probability_of_improvement_interval"] == [0.5, 0.5]


def test_of_one_seed_episodes_are_drawn_again() -> None:
    found = by_hand().figures("told", "test")  # episodes 8, 8 and 11, 13: means from (8 + 11) / 2 to (8 + 13) / 2
    assert found["mean_interval"] == [9.5, 10.5]
    assert found["iqm_interval"] == [9.5, 10.5]  # of two tasks' means: neither is left out
    told = by_hand().results["told"]["test"][0]
    suite = by_hand().suite
    lone = Comparison(suite, ("test",), {"told": {"test": (one(suite, "test", told.returns[:, :1]),)}}, 1, 0)
    assert lone.figures("told", "test")["mean_interval"] is None  # one episode of one seed: nothing to draw


def test_content_is_json_and_its_profiles_go_from_one_to_nothing() -> None:
    content = by_hand().content()
    assert json.loads(json.dumps(content, allow_nan=False)) == content
    assert set(content["splits"]) == {"test", "extreme"}
    assert content["splits"]["extreme"]["methods"]["meta"]["gap_closed"] is None
    for found in content["splits"].values():
        assert len(found["tasks"]) == 2
        for figures in found["methods"].values():
            assert len(figures["profile"]) == len(found["thresholds"])
            assert (figures["profile"][0], figures["profile"][-1]) == (1, 0)


def test_tables() -> None:
    tables = dict(api.comparison_tables(by_hand().content()))
    table = tables["test: 2 tasks"]
    assert table["columns"] == ["run", "seeds", "IQM", "mean", "CVaR", "gap closed", "beats baseline", "falls"]
    rows = {row[0]: row[1:] for row in table["rows"]}
    assert rows["meta"] == [2, "8.5 [7.5, 8.5]", "8.0", "6.0", "0.69 [0.58, 0.79]", "1.00 [1.00, 1.00]", "25.0 %"]
    assert rows["plain (baseline)"][4:6] == ["-", "-"]
    assert "told (oracle)" in rows
    extreme = tables["extreme: 2 tasks"]
    assert extreme["rows"][0][extreme["columns"].index("OOD gap")] == "5.5"
    assert "the worst 10%" in extreme["note"]
    alone = dict(api.comparison_tables(by_hand(None, "told").content()))
    assert alone["test: 2 tasks"]["columns"] == ["run", "seeds", "IQM", "mean", "CVaR", "oracle gap", "falls"]
    assert {row[0]: row[5] for row in alone["test: 2 tasks"]["rows"]}["meta"] == "2.0"
    assert "oracle gap: what is lost against the oracle" in alone["extreme: 2 tasks"]["note"]
    plain = api.comparison_tables(by_hand(None, None).content())[0][1]
    assert plain["columns"] == ["run", "seeds", "IQM", "mean", "CVaR", "falls"]


def test_bad_input(controller: Controller, suite: TaskSuite) -> None:
    def wrong(said: str, **arguments: Any) -> None:
        with pytest.raises(SurefootError, match=said):
            compare({"a": [controller]}, suite, **arguments)

    wrong("unknown split of suite 'short' 'tests'", splits=["tests"])
    wrong("unknown method 'b'", baseline="b")
    wrong("unknown method 'b'", oracle="b")
    wrong("number of episodes 0", episodes=0)


def test_a_folder_of_seeds_is_one_method(controller: Controller, tmp_path: Path) -> None:
    for k in (0, 2, 10):
        twin = controller.copy()
        twin.timesteps = k
        twin.save(tmp_path / "new" / f"seed_{k}" / "controller.safetensors")
    for name in ("old/run", "new/run"):
        controller.save(tmp_path / name / "controller.safetensors")
    sources = [tmp_path / "new", tmp_path / "new/run", tmp_path / "old/run", "quadruped-velocity", tmp_path / "new"]
    methods = load_methods(sources)
    assert list(methods) == ["new", str(tmp_path / "new/run"), str(tmp_path / "old/run"), "quadruped-velocity"]
    assert [c.timesteps for c in methods["new"]] == [0, 2, 10]
    assert [method_name(source, sources) for source in sources] == [*methods, "new"]
    (tmp_path / "new" / "seed_3").mkdir()
    with pytest.raises(SurefootError, match="seed_3' has no checkpoint"):
        load_methods([tmp_path / "new"])
    (tmp_path / "walk.onnx").write_bytes(b"")
    with pytest.raises(SurefootError, match="is an exported file"):
        load_methods([tmp_path / "walk.onnx"])


def test_out_of_distribution_gaps_begin_where_robots_are_as_in_training() -> None:
    """`test` may be held out on purpose, as quadruped-damage's leg is: then it has a gap itself."""
    laws = {split: [({"payload": law}, 2)] for split, law in (("train", "0:1"), ("validation", "0:1"), ("test", "1:2"))}
    suite = make_suite("s", "quadruped", "velocity", laws)  # type: ignore[arg-type]
    returns = {"train": 9.0, "validation": 8.0, "test": 5.0}
    results = {"meta": {s: (one(suite, s, np.full((2, 2), value)),) for s, value in returns.items()}}
    three = Comparison(suite, tuple(returns), results, 2, 0)
    assert three.content()["inside"] == "validation"
    assert three.figures("meta", "test")["out_of_distribution_gap"] == 8 - 5
    assert "out_of_distribution_gap" not in three.figures("meta", "train")
    two = Comparison(suite, ("train", "test"), results, 2, 0)
    assert two.figures("meta", "test")["out_of_distribution_gap"] == 9 - 5
    alone = Comparison(suite, ("test",), results, 2, 0)
    assert alone.content()["inside"] is None
    assert "out_of_distribution_gap" not in alone.figures("meta", "test")


def test_safety_is_a_mean_over_seeds_as_all_other_figures() -> None:
    """More seeds than another method has do not make its largest impact larger."""
    suite = by_hand().suite
    results = [one(suite, "test", np.ones((2, 2))) for _ in range(2)]
    for result, impact in zip(results, (300.0, 500.0), strict=True):
        assert result.evaluation.safety is not None
        result.evaluation.safety.impact[0] = impact
    two = Comparison(suite, ("test",), {"meta": {"test": tuple(results)}}, 2, 0)
    assert two.figures("meta", "test")["safety"]["impact"] == 400
