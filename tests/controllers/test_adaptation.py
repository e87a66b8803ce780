"""Adaptation and evaluation: the original stays, the budget holds, both sides get the same questions."""

import numpy as np
import pytest
import torch

from surefoot import api
from surefoot.controllers.adaptation import (
    META_TRAIN,
    METHODS,
    Adaptation,
    Budget,
    FinetuneConfig,
    choose_method,
    finetune,
)
from surefoot.controllers.adaptation.finetune import QUICK, SPARING, LowRank
from surefoot.controllers.config import PlannerConfig
from surefoot.controllers.controller import Controller
from surefoot.controllers.evaluation import Evaluation, evaluate, run_episodes
from surefoot.envs.batch_env import BatchEnv
from surefoot.envs.variation import Task
from surefoot.robots import SurefootError

HEAVY = Task({"payload": 6.0, "motor_strength.front_left": 0.4})
DT = 0.02


def snapshot(controller: Controller) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in (controller.policy.state_dict() | controller.training).items()}


def unchanged(controller: Controller, before: dict[str, torch.Tensor]) -> bool:
    now = snapshot(controller)
    return (
        now.keys() == before.keys()
        and all(now[k].shape == before[k].shape for k in now)
        and all(torch.equal(now[k], before[k]) for k in now)
    )


@pytest.mark.parametrize("method", [name for name in METHODS if name not in META_TRAIN])
def test_no_method_changes_the_controller_it_is_given(method: str, controller: Controller) -> None:
    if method == "planner":
        controller.plan = PlannerConfig(samples=3, horizon=1)  # the least work
    options = {"fit": {"payload": "0:8"}} if method == "twin" else {}
    before, config = snapshot(controller), controller.config.model_copy(deep=True)
    budget = Budget(1.0, 100) if method == "twin" else Budget(None, 500)
    adaptation = METHODS[method](controller, HEAVY, budget, episodes=2, points=1, **options)
    assert unchanged(controller, before)
    assert controller.config == config
    assert adaptation.controller.config.vary == config.vary  # what it was trained on
    assert unchanged(adaptation.controller, before) == (method in ("zero-shot", "planner"))
    assert (adaptation.method, adaptation.task) == (method, HEAVY)


def test_zero_shot_costs_nothing(controller: Controller) -> None:
    adaptation = METHODS["zero-shot"](controller, HEAVY, Budget(), episodes=2)
    (point,) = adaptation.curve
    assert (point.steps, point.episodes, point.robot_seconds, point.seconds) == (0, 0, 0.0, 0.0)
    seen = np.random.default_rng(0).normal(size=(5, 50)).astype(np.float32)
    assert np.array_equal(adaptation.controller.act(seen), controller.act(seen))


def test_planner_compares_the_policy_alone_with_the_planner(controller: Controller) -> None:
    alone = METHODS["zero-shot"](controller, HEAVY, Budget(), episodes=2).after.evaluation
    controller.plan = PlannerConfig(samples=3, horizon=1)
    adaptation = METHODS["planner"](controller, HEAVY, Budget(), episodes=2)
    before, after = adaptation.curve
    assert np.array_equal(before.evaluation.returns, alone.returns)
    assert np.array_equal(
        after.evaluation.returns, evaluate(adaptation.controller, task=HEAVY, episodes=2, seed=1000).returns
    )
    assert not np.array_equal(after.evaluation.returns, alone.returns)
    assert (after.steps, after.robot_seconds) == (0, 0.0)  # it has learnt nothing
    assert adaptation.controller.plan == controller.plan


def check_curve(adaptation: Adaptation) -> None:
    first, *others = adaptation.curve
    assert (first.steps, first.seconds) == (0, 0.0)
    assert others
    for earlier, later in zip(adaptation.curve, others, strict=False):
        assert later.steps > earlier.steps
        assert later.seconds > earlier.seconds
        assert later.episodes >= earlier.episodes
        assert later.robot_seconds == pytest.approx(later.steps * DT)


def test_finetune_keeps_to_a_budget_of_steps(controller: Controller) -> None:
    for steps in (500, 3000):
        adaptation = finetune(controller, HEAVY, Budget(None, steps), episodes=2, points=2)
        check_curve(adaptation)
        assert 0.7 * steps <= adaptation.after.steps <= steps
        assert adaptation.after.steps == adaptation.controller.timesteps


def test_finetune_keeps_to_a_budget_of_seconds(controller: Controller) -> None:
    adaptation = finetune(controller, HEAVY, Budget(1.0, None), episodes=2, points=2)
    check_curve(adaptation)
    assert adaptation.after.seconds >= 1.0
    assert adaptation.curve[-2].seconds < adaptation.after.seconds


def test_rollouts_are_used_more_often_where_motion_is_limited() -> None:
    for limit, asked, epochs in ((None, None, QUICK), (500, None, SPARING), (None, 3, 3), (500, 3, 3)):
        assert FinetuneConfig(n_epochs=asked).within(limit)["n_epochs"] == epochs


def test_finetune_is_reproducible(controller: Controller) -> None:
    runs = [finetune(controller, HEAVY, Budget(None, 500), seed=s, episodes=2, points=1) for s in (1, 1, 2)]
    states = [run.controller.policy.state_dict() for run in runs]
    assert all(torch.equal(states[0][k], states[1][k]) for k in states[0])
    assert not all(torch.equal(states[0][k], states[2][k]) for k in states[0])
    assert np.array_equal(runs[0].after.evaluation.returns, runs[1].after.evaluation.returns)


def test_the_curve_starts_at_the_zero_shot_evaluation(controller: Controller) -> None:
    tuned = finetune(controller, HEAVY, Budget(None, 500), episodes=3, points=1)
    plain = METHODS["zero-shot"](controller, HEAVY, Budget(), episodes=3)
    # A mirrored policy is continued without its tie: the same function, up to rounding, which a fall amplifies.
    assert tuned.before.evaluation.mean == pytest.approx(plain.before.evaluation.mean, rel=0.3)


@pytest.mark.parametrize("wrong", [(0.0, None), (None, 0), (-1.0, None), (None, None)])
def test_budgets_that_make_no_sense(wrong: tuple[float | None, int | None]) -> None:
    with pytest.raises(SurefootError, match="adaptation budget"):
        Budget(*wrong)


def test_a_budget_that_ends_before_anything_is_learnt(controller: Controller) -> None:
    with pytest.raises(SurefootError, match=r"budget steps=23: expected 24 control steps or more, 0\.48 s of motion"):
        finetune(controller, HEAVY, Budget(None, 23), episodes=1)
    finetune(controller, HEAVY, Budget(None, 24), episodes=1, points=1)


def test_auto_counts_steps_as_motion(controller: Controller) -> None:
    for motion, method in ((9.9, "zero-shot"), (10.0, "twin"), (599.0, "twin"), (600.0, "finetune")):
        assert choose_method(controller, Budget(None, None, motion)) == method
        assert choose_method(controller, Budget(None, round(motion / DT))) == method
    assert choose_method(controller, Budget()) == "finetune"
    for seconds, method in ((29.0, "zero-shot"), (30.0, "twin")):  # the fit alone takes 10 to 20 s
        assert choose_method(controller, Budget(seconds, None, 10.0)) == method


def test_the_gate_compares_the_planner_with_the_policy(controller: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
    plans = []

    def refusal(before: Controller, after: Controller, *_: object, **__: object) -> str:
        plans.append((before.plan, after.plan))
        return "worse"

    monkeypatch.setattr("surefoot.api.learning.refusal", refusal)
    settings = {"samples": 3, "horizon": 1}
    kept = api.adapt(controller, HEAVY, method="planner", plan=settings, episodes=1, gate=True)
    assert plans == [(None, PlannerConfig(**settings))]
    assert kept.controller.plan is None


def test_finetune_refuses_other_algorithms(controller: Controller) -> None:
    other = Controller(controller.config.model_copy(update={"algo": "sac"}), controller.policy)
    with pytest.raises(SurefootError, match="continues ppo controllers"):
        finetune(other, HEAVY, Budget())


class Commands:
    """Wraps a controller and notes the commands that it is given."""

    def __init__(self, action: float):
        self.action, self.seen = action, []

    def act(self, observation: np.ndarray, deterministic: bool = True) -> np.ndarray:
        self.seen.append(observation[:, 45:48].copy())
        return np.full((len(observation), 12), self.action, np.float32)

    def reset(self) -> None:
        """Nothing to forget."""


def test_both_sides_get_the_same_commands_even_where_one_falls() -> None:
    tapes, falls = [], []
    for action in (0.0, 3.0):
        env = BatchEnv("quadruped", "velocity", 6, seed=5, autoreset=False)
        env.episode_steps = 200
        watched = Commands(action)
        falls.append(run_episodes(env, watched).fell.sum())  # type: ignore[arg-type]
        tapes.append(np.array(watched.seen))
    shorter = min(map(len, tapes))
    assert falls[0] != falls[1]
    assert np.array_equal(tapes[0][:shorter], tapes[1][:shorter])
    assert len(np.unique(tapes[0][:, 0, 0])) > 1


def test_evaluation_is_reproducible_and_counts_whole_episodes(controller: Controller) -> None:
    first, again = (evaluate(controller, task=HEAVY, episodes=3, seed=7) for _ in range(2))
    assert np.array_equal(first.returns, again.returns)
    assert len(first.returns) == 3
    assert ((first.lengths == 1000) | first.fell).all()
    assert first.robot_seconds == pytest.approx(first.lengths.sum() * DT)
    assert 0 <= first.tracking <= 1
    assert not np.array_equal(first.returns, evaluate(controller, task=HEAVY, episodes=3, seed=8).returns)


def test_tracking_counts_nothing_after_a_fall() -> None:
    env = BatchEnv("quadruped", "velocity", 4, seed=0, autoreset=False)
    env.episode_steps = 400
    result = run_episodes(env, Commands(3.0))  # type: ignore[arg-type]
    assert result.fell.all()
    assert result.tracking <= result.lengths.sum() / (4 * 400)


def test_interval_holds_the_mean_and_shrinks() -> None:
    rng = np.random.default_rng(0)
    few, many = (Evaluation(rng.normal(10, 2, n), np.zeros(n), np.zeros(n, bool)) for n in (20, 2000))
    for evaluation in (few, many):
        low, high = evaluation.interval()
        assert low < evaluation.mean < high
        standard_error = evaluation.returns.std() / np.sqrt(len(evaluation.returns))
        assert high - low == pytest.approx(2 * 1.96 * standard_error, rel=0.15)
        assert evaluation.interval() == (low, high)
    same = Evaluation(np.full(5, 3.0), np.zeros(5), np.zeros(5, bool))
    assert same.interval() == (3.0, 3.0)


@pytest.mark.parametrize("trains", ["last", "low-rank"])
def test_finetune_trains_what_it_is_told_to(trains: str, controller: Controller) -> None:
    plan = FinetuneConfig(trains=trains, rank=2)
    adapted = finetune(controller, HEAVY, Budget(None, 1200), episodes=2, points=1, settings=plan).controller
    base = controller.copy()
    twin = Controller(adapted.config, adapted.copy().policy)
    base.policy.untie(twin.policy)  # type: ignore[arg-type, operator]
    before, after = twin.policy.state_dict(), adapted.policy.state_dict()
    assert before.keys() == after.keys()
    changes = {name: after[name] - before[name] for name in before if after[name].is_floating_point()}
    moved = {name for name, change in changes.items() if change.abs().max() > 0 and "norm" not in name}
    if trains == "last":
        assert {name.split(".")[-2] for name in moved - {"log_std"}} == {"action_net", "value_net"}
    else:
        assert len(moved) > 6
        for name in moved - {"log_std"}:
            assert name.endswith("weight")
            assert int(torch.linalg.matrix_rank(changes[name], rtol=1e-4)) <= 2


def test_a_rank_beyond_the_matrixs_own_is_the_matrixs() -> None:
    assert LowRank(torch.zeros(3, 4), 10**9).up.shape == (3, 3)


def test_a_leash_holds(controller: Controller) -> None:
    moved = []
    for leash in (0.0, 30.0):
        plan = FinetuneConfig(leash=leash, exploration=1e-3)
        adapted = finetune(controller, HEAVY, Budget(None, 3000), episodes=2, points=1, settings=plan).controller
        features = torch.as_tensor(np.random.default_rng(0).normal(size=(50, 50)), dtype=torch.float32)
        with torch.no_grad():  # of features, because the statistics move on either way
            change = adapted.policy.means(features) - controller.policy.means(features)  # type: ignore[operator]
        moved.append(float(change.abs().mean()))
    assert moved[1] < 0.5 * moved[0]


def test_bad_settings() -> None:
    for settings, words in (
        ({"trains": "lsat"}, "unknown finetune setting trains 'lsat'"),
        ({"rank": 0}, "finetune setting rank=0: expected 1 or more"),
        ({"leash": -1}, "finetune setting leash=-1"),
        ({"n_epochs": 0}, "finetune setting n_epochs=0: expected 1 or more"),
        ({"leesh": 1}, "unknown finetune setting 'leesh'"),
    ):
        with pytest.raises(SurefootError, match=words):
            FinetuneConfig.parse(settings)
