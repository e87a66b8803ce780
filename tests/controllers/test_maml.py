"""MAML: gradients against finite differences, what a rollout holds, and that nothing else moves."""

from pathlib import Path

import numpy as np
import pytest
import torch

from surefoot import api
from surefoot.cli.train import Arguments, interrupted
from surefoot.controllers.adaptation import METHODS, Budget, choose_method, methods_of
from surefoot.controllers.adaptation.maml import Actor, Learner, MamlConfig, Rollouts, advantages_of, sampler
from surefoot.controllers.controller import Controller, controller_file
from surefoot.controllers.shipped import card_of
from surefoot.controllers.training import make_env, resume, train_config
from surefoot.envs.variation import Task
from surefoot.robots import SurefootError

VARY = {"gravity": "5:15", "motor_strength": "0.5:1.2"}
META = {"tasks": 3, "worlds": 4, "horizon": 20}
NET = {"net": (8, 8)}


def learner(**meta: object) -> Learner:
    plan = MamlConfig.parse({**META, **meta})
    hyperparameters = {**NET, "num_envs": 12, "batch_size": 12}
    config = train_config("half_cheetah", "run", vary=VARY, hyperparameters=hyperparameters)
    return Learner(config, plan, make_env(config.model_copy(update={"vary": {}}), 12))


@pytest.fixture(scope="module")
def controllers() -> dict[str, Controller]:
    common = {"vary": VARY, "steps": 1000, "hyperparameters": NET, "progress": False, "meta": META}
    return {m: api.train("half_cheetah", "run", method=m, **common) for m in ("maml", "reptile")}


def random_rollouts(tasks: int, batch: int, o: int, nu: int, seed: int) -> Rollouts:
    g = torch.Generator().manual_seed(seed)
    return Rollouts(
        torch.randn(tasks, batch, o, generator=g, dtype=torch.double),
        torch.randn(tasks, batch, nu, generator=g, dtype=torch.double),
        -4 + 0.3 * torch.randn(tasks, batch, generator=g, dtype=torch.double),
        torch.randn(tasks, batch, generator=g, dtype=torch.double),
    )


@pytest.mark.parametrize("inner_steps", [1, 2])
def test_gradients_are_those_of_finite_differences(inner_steps: int) -> None:
    work = learner()
    actor = Actor(work.policy.double())
    g = torch.Generator().manual_seed(1)
    weights = {n: w.detach().double() for n, w in work.weights.items()}
    rates = {n: 0.2 * torch.rand(w.shape, generator=g, dtype=torch.double) for n, w in weights.items()}
    pre = [random_rollouts(3, 10, 17, 6, seed) for seed in range(inner_steps)]
    post = random_rollouts(3, 10, 17, 6, 9)

    def loss(w: dict[str, torch.Tensor], r: dict[str, torch.Tensor]) -> torch.Tensor:
        return actor.outer_loss(w, r, 1e9, 2, pre, post)  # no clip: its corners have no derivative

    of_weights, of_rates = torch.func.grad(loss, argnums=(0, 1))(weights, rates)
    eps = 1e-5
    for moved, gradient in ((0, of_weights), (1, of_rates)):
        for name in weights:
            direction = torch.randn(weights[name].shape, generator=g, dtype=torch.double)
            ends = []
            for sign in (1, -1):
                both = [dict(weights), dict(rates)]
                both[moved][name] = both[moved][name] + sign * eps * direction
                ends.append(float(loss(*both)))
            found = float((gradient[name] * direction).sum())
            assert found == pytest.approx((ends[0] - ends[1]) / (2 * eps), rel=1e-4, abs=1e-7), name
            assert found != 0


def test_first_order_is_the_gradient_at_the_adapted_weights() -> None:
    work = learner()
    actor = work.actor
    weights = {n: w.detach() for n, w in work.weights.items()}
    rates = {n: torch.full_like(w, 0.1) for n, w in weights.items()}
    pre, post = ((Rollouts(*(c.float() for c in random_rollouts(3, 10, 17, 6, s).columns()))) for s in (0, 9))
    first, second = (
        torch.func.grad(lambda w, o=order: actor.outer_loss(w, rates, 1e9, o, [pre], post))(weights) for order in (1, 2)
    )
    total = {n: torch.zeros_like(w) for n, w in weights.items()}
    for k in range(3):
        adapted = actor.adapted(weights, rates, 1, *(c[k] for c in pre.columns()))
        found = torch.func.grad(actor.inner_loss)(adapted, *(c[k] for c in post.columns()))
        total = {n: total[n] + found[n] / 3 for n in weights}
    for name in weights:
        torch.testing.assert_close(first[name], total[name], rtol=1e-4, atol=1e-6)
    assert any(not torch.allclose(first[n], second[n], rtol=1e-3) for n in weights)


def test_a_rollout_remembers_how_likely_its_actions_were() -> None:
    work = learner()
    work.draw_tasks()
    values = work.env.values
    assert len(np.unique(values, axis=0)) == 3
    assert all(np.array_equal(values[4 * k], values[4 * k + 3]) for k in range(3))
    stacked = {n: w.detach().expand(3, *w.shape) for n, w in work.weights.items()}
    rollouts, _ = work.rollouts(stacked)
    assert rollouts.features.shape == (3, 80, 17)
    again = work.actor.log_prob(work.weights, rollouts.features.flatten(0, 1), rollouts.actions.flatten(0, 1))
    torch.testing.assert_close(again.view(3, 80).detach(), rollouts.log_probs, rtol=1e-4, atol=1e-4)
    assert rollouts.advantages.mean(1).abs().max() < 1e-5
    assert work.steps == 240
    assert np.array_equal(values, work.env.values)


def test_advantages_by_hand() -> None:
    # Two tasks, one robot, three steps; features that explain nothing. Returns with gamma .5 and an end after step 2.
    features = torch.zeros(2, 1, 3, 1)
    rewards, dones = torch.tensor([[[1.0, 2.0, 4.0]], [[0.0, 0.0, 8.0]]]), torch.tensor([[[0.0, 1.0, 0.0]]] * 2)
    returns = torch.tensor([[2.0, 2.0, 4.0], [0.0, 0.0, 8.0]])
    # Time alone, with the ridge, is the baseline: what is left is worked out by the normal equations.
    t = torch.tensor([0.0, 0.5, 1.0])
    x = torch.stack([torch.zeros(3), torch.zeros(3), t, t**2, t**3, torch.ones(3)], 1).double()
    for k in range(2):
        y = returns[k].double()
        left = y - x @ torch.linalg.solve(x.T @ x + 3e-3 * torch.eye(6), x.T @ y)
        wanted = (left - left.mean()) / left.std()
        found = advantages_of(features, rewards, dones, 0.5)[k]
        torch.testing.assert_close(found.double(), wanted, rtol=1e-2, atol=1e-2)


def test_meta_training_moves_what_it_should(controllers: dict[str, Controller]) -> None:
    for method, controller in controllers.items():
        assert (controller.config.algo, controller.config.method) == ("ppo", method)
        assert methods_of(controller) == ["zero-shot", "finetune", "twin", method]
        rates = torch.cat([r.flatten() for r in controller.training.values()])
        assert (rates == 0.1).all() == (method == "reptile")
    weights = [c.policy.state_dict()["action_net.weight"] for c in controllers.values()]
    assert not torch.equal(*weights)


@pytest.mark.parametrize("method", ["maml", "reptile"])
def test_adapting(method: str, controllers: dict[str, Controller], tmp_path: Path) -> None:
    controllers[method].save(tmp_path / "meta.safetensors")
    task = Task({"gravity": 7.0})
    runs = []
    for controller in (controllers[method], Controller.load(tmp_path / "meta.safetensors")):
        before = {k: v.clone() for k, v in controller.policy.state_dict().items()}
        runs.append(METHODS[method](controller, task, Budget(None, 4000), episodes=2, points=3))
        assert all(torch.equal(v, before[k]) for k, v in controller.policy.state_dict().items())
    # As many gradient steps as in training, where Reptile takes five, and three at least; three points on their way.
    assert [p.steps // 80 for p in runs[0].curve] == {"maml": [0, 1, 2, 3], "reptile": [0, 2, 3, 5]}[method]
    for one, two in zip(runs[0].curve, runs[1].curve, strict=True):
        assert np.array_equal(one.evaluation.returns, two.evaluation.returns)
    assert len({p.evaluation.mean for p in runs[0].curve}) == 4
    adapt, controller = METHODS[method], controllers[method]
    last = adapt(controller, task, Budget(None, 4000), episodes=2, points=1)
    assert last.after.evaluation.mean == runs[0].after.evaluation.mean  # points are what is looked at
    assert [p.steps for p in adapt(controller, task, Budget(None, 170), episodes=1).curve] == [0, 80, 160]
    with pytest.raises(SurefootError, match=r"budget steps=79: expected 80 control steps or more, 4 s of motion"):
        adapt(controller, task, Budget(None, 79), episodes=1)
    assert choose_method(controller, Budget(None, 79)) == "zero-shot"
    assert choose_method(controller, Budget(None, 80)) == method


@pytest.mark.parametrize("method", ["maml", "reptile"])
def test_what_fine_tuning_leaves_is_no_longer_for_the_method(method: str, controllers: dict[str, Controller]) -> None:
    """Its step sizes are those of the policy that it was."""
    tuned = METHODS["finetune"](controllers[method], Task({}), Budget(None, 100), episodes=1, points=1).controller
    assert methods_of(tuned) == ["zero-shot", "finetune", "twin", "planner"]
    assert choose_method(tuned, Budget()) == "finetune"


def test_a_shipped_controller_keeps_its_step_sizes(controllers: dict[str, Controller], tmp_path: Path) -> None:
    controllers["maml"].save(tmp_path / "shipped.safetensors", card=card_of("half_cheetah-run"))
    assert Controller.load(tmp_path / "shipped.safetensors").training.keys() == controllers["maml"].training.keys()


def test_reptile_steps_from_a_task_to_its_weights_after_several_inner_steps() -> None:
    work, twin = learner(inner_steps=3), learner(inner_steps=3)
    before = {n: w.detach().clone() for n, w in work.weights.items()}
    work.iterate(reptile=True)

    twin.draw_tasks()
    rates = {n: r.detach() for n, r in twin.rates.items()}
    adapted = {n: w.detach().expand(3, *w.shape) for n, w in twin.weights.items()}
    for _ in range(3):
        columns = twin.rollouts(adapted)[0].columns()
        each = [
            twin.actor.adapted({n: w[k] for n, w in adapted.items()}, rates, 1, *(c[k] for c in columns))
            for k in range(3)
        ]
        adapted = {n: torch.stack([one[n] for one in each]).detach() for n in adapted}
    for name, old in before.items():
        towards, moved = adapted[name].mean(0) - old, work.weights[name].detach() - old
        clear = towards.abs() > 1e-5
        assert clear.float().mean() > 0.5
        first = 1e-3 * towards[clear].sign()  # of Adam
        torch.testing.assert_close(moved[clear], first, rtol=0.01, atol=1e-5)


def test_each_task_of_a_suite_is_met_as_often_as_the_others() -> None:
    config = train_config("half_cheetah", "cheetah-dir", suite="cheetah-dir", hyperparameters=NET)
    draw = sampler(config, make_env(config.model_copy(update={"suite": None}), 1))
    for seed in range(5):
        _, goals = draw(np.random.default_rng(seed), 20)
        assert sorted(goals[:, 0]) == [-1.0] * 10 + [1.0] * 10


@pytest.mark.parametrize("method", ["maml", "reptile"])
def test_a_training_begins_as_what_plain_ppo_has_learnt(method: str, tmp_path: Path) -> None:
    """As the same function: what a symmetric policy does, a policy does whose gradient steps may limp."""
    still = {"inner_rate": 0.0, "rate": 1e-12, "pretrain": 600, **META}
    hyperparameters = {**NET, "num_envs": 12, "n_steps": 25, "batch_size": 100}
    asked = {"vary": {"payload": "0:3"}, "steps": 700, "hyperparameters": hyperparameters, "progress": False}
    found = api.train("quadruped", "velocity", method=method, meta=still, out=tmp_path / "run", **asked)
    base = Controller.load(tmp_path / "run" / "base" / "controller.safetensors")
    assert (base.config.method, base.timesteps) == ("", 600)
    assert found.policy.untied
    assert not base.policy.untied
    assert found.timesteps > 700  # the steps of plain training are part of them
    norms = [c.policy.state_dict() for c in (base, found)]
    assert not torch.equal(*(s["features_extractor.norm.mean"] for s in norms))  # which go on
    found.policy.features_extractor.norm.load_state_dict(base.policy.features_extractor.norm.state_dict())
    observation = np.random.default_rng(0).normal(size=(5, base.policy.observation_space.shape[0])).astype(np.float32)
    np.testing.assert_allclose(found.act(observation), base.act(observation), atol=1e-5)


@pytest.mark.parametrize("method", ["maml", "reptile"])
def test_what_was_learnt_is_kept_where_it_is_interrupted(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    iterate = Learner.iterate

    def twice(work: Learner, **how: bool) -> tuple[float, float]:
        if work.steps >= 2 * 240:
            raise KeyboardInterrupt
        return iterate(work, **how)

    monkeypatch.setattr(Learner, "iterate", twice)
    common = {"vary": VARY, "steps": 10**6, "hyperparameters": NET, "progress": False, "meta": META}
    with pytest.raises(KeyboardInterrupt):
        api.train("half_cheetah", "run", method=method, out=tmp_path / "run", **common)
    kept = Controller.load(controller_file(tmp_path / "run"))
    assert (kept.config.method, kept.timesteps % 240) == (method, 0)
    assert kept.timesteps >= 480
    assert kept.training.keys() == {f"inner_rate.{name}" for name in Actor(kept.policy).weights()}
    said = interrupted(Arguments("half_cheetah", "run", method=method, out=str(tmp_path / "run")))
    assert said.endswith(f"is there, which may be used as it is: a training for {method!r} cannot go on")


def test_bad_input(controllers: dict[str, Controller]) -> None:
    for meta, words in (
        ({"order": 3}, "meta setting order=3: expected 2, or 1"),
        ({"taks": 3}, "unknown meta setting 'taks'"),
        ({"tasks": 0}, "meta setting tasks=0: expected 1 or more"),
    ):
        with pytest.raises(SurefootError, match=words):
            MamlConfig.parse(meta)
    with pytest.raises(SurefootError, match="meta setting inner_steps=1: expected 2 or more"):
        MamlConfig.parse({"inner_steps": 1}, "reptile")
    with pytest.raises(SurefootError, match=r"pretrain=1000: expected fewer than steps=1000, of which it is"):
        api.train("half_cheetah", "run", method="maml", vary=VARY, steps=1000, meta={**META, "pretrain": 1000})
    with pytest.raises(SurefootError, match=r"'maml' draws whole robots: give what is fixed as a variation, too"):
        api.train("half_cheetah", "run", method="maml", vary=VARY, parameters={"mass": 1.2}, steps=1000, meta=META)


def test_a_meta_training_is_not_continued_as_something_else(controllers: dict[str, Controller], tmp_path: Path) -> None:
    controllers["maml"].save(tmp_path / "controller.safetensors")
    with pytest.raises(SurefootError, match="a training for method 'maml' cannot be continued"):
        resume(tmp_path, steps=5000)
