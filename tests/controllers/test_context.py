"""PEARL: the belief is the product that it should be, learns from what it should, is remembered, and tells tasks apart."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box
from stable_baselines3.common.callbacks import CallbackList

from surefoot import api
from surefoot.controllers import threads
from surefoot.controllers.adaptation import META_TRAIN, METHODS, Budget, methods_of
from surefoot.controllers.config import TrainConfig
from surefoot.controllers.context_sac import ContextPolicy, ContextSAC, TaskReplay, divergence, posterior, transitions
from surefoot.controllers.controller import Controller
from surefoot.controllers.evaluation import evaluate
from surefoot.controllers.presets import settings_for
from surefoot.controllers.training import make_algorithm, make_env, resume, train
from surefoot.controllers.worlds import worlds_of
from surefoot.envs.inputs import REMEMBERED
from surefoot.envs.variation import Task
from surefoot.robots import SurefootError

pytestmark = pytest.mark.usefixtures("one_update_thread")
SMALL: dict[str, Any] = {
    "num_envs": 8, "tasks": 4, "batch_size": 32, "net": (16, 16), "latent": 3, "encoder_width": 16, "learning_starts": 40,
    "gradient_steps": 2, "buffer_size": 2000, "context": 8,
}  # fmt: skip
FAST = Task(goal={"velocity": 2.5})


def trained(steps: int = 160, seed: int = 0, **asked: Any) -> Controller:
    return META_TRAIN["context"](
        "half_cheetah", "cheetah-vel", steps=steps, seed=seed, hyperparameters=SMALL, progress=False, **asked
    )


@pytest.fixture(scope="module")
def believer() -> Controller:
    with pytest.MonkeyPatch.context() as patch:  # before the fixture that all tests use
        patch.setattr(threads, "UPDATE_THREADS", 1)
        return trained(suite="cheetah-vel")


def learner(**hyperparameters: Any) -> ContextSAC:
    """A model that has moved a little and learnt nothing."""
    settings = SMALL | hyperparameters
    config = TrainConfig(
        robot="half_cheetah", task="cheetah-vel", algo="context_sac", steps=1000, hyperparameters=settings
    )
    model = make_algorithm(config, make_env(config, 8))
    assert isinstance(model, ContextSAC)
    model.learning_starts = 10**6
    model.learn(240)
    return model


def policy_of(controller: Controller) -> ContextPolicy:
    assert isinstance(controller.policy, ContextPolicy)
    return controller.policy


# --- the belief --------------------------------------------------------------------------------------------------------


def test_products_of_gaussians() -> None:
    two = torch.tensor([[2.0, 4.0], [1.0, -1.0]])  # N(2, 1/2) and N(-1, 1), as precision and precision * mean
    mean, std = posterior(two.sum(0))
    assert (mean.item(), std.item()) == (0.75, 0.5)  # with the prior: precision 1 + 2 + 1, mean (4 - 1) / 4
    mean, std = posterior(torch.zeros(6, 10))
    assert torch.equal(mean, torch.zeros(6, 5))
    assert torch.equal(std, torch.ones(6, 5))
    both = divergence(torch.tensor([0.75, 0.0]), torch.tensor([0.5, 1.0]))
    assert both.item() == pytest.approx(0.5 * (0.25 + 0.5625 - 1 + np.log(4)))


def test_the_order_of_transitions_does_not_matter_and_their_number_does(believer: Controller) -> None:
    encoder = policy_of(believer).encoder
    rows = torch.randn(20, len(encoder.norm.mean), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        forward, backward = encoder(rows).sum(0), encoder(rows.flip(0)).sum(0)
        torch.testing.assert_close(forward, backward)
        std = torch.stack([posterior(encoder(rows[:n]).sum(0))[1] for n in range(21)])
    assert torch.equal(std[0], torch.ones(3))
    assert (std.diff(dim=0) < 0).all()


def walked(controller: Controller, steps: int) -> tuple[torch.Tensor, torch.Tensor]:
    """What the controller's memory and what its encoder make of the same `steps` of three robots, (3, 2 d)."""
    env = worlds_of(controller.config, 3, tasks=FAST, seed=0)
    policy, own = policy_of(controller), env.task.observation_size
    observation, rows = env.reset().copy(), []
    controller.reset()
    for _ in range(steps):
        action = controller.act(observation)
        following, reward, *_ = env.step(action)
        parts = (observation[:, :own], action, reward[:, None], following[:, :own])
        rows.append(transitions(*(torch.as_tensor(part, dtype=torch.float32) for part in parts)))
        observation = following.copy()
    controller.act(observation)  # which sees the last one's end
    assert controller.memory is not None
    with torch.no_grad():
        return torch.as_tensor(controller.memory[0][0, :, : 2 * policy.latent]), policy.encoder(torch.stack(rows)).sum(
            0
        )


def test_the_memory_is_the_belief(believer: Controller) -> None:
    remembered, wanted = walked(believer, 6)
    torch.testing.assert_close(remembered, wanted, rtol=1e-4, atol=1e-4)
    assert (wanted[:, :3] > 0).all()


def test_the_next_observation_matters(believer: Controller) -> None:
    policy = policy_of(believer)
    first = np.zeros((2, policy.own + 6 + 2), np.float32)
    second = first.copy()
    second[1, : policy.own] = 1.0  # the same state, action and reward, elsewhere to
    _, memory = policy.predict(first)
    _, memory = policy.predict(second, memory)
    assert memory is not None
    evidence = memory[0][0, :, :6]
    assert np.abs(evidence[0] - evidence[1]).max() > 1e-3


def test_episodes_and_worlds_begin_as_they_should(believer: Controller) -> None:
    policy, rng = policy_of(believer), np.random.default_rng(0)
    seen = rng.normal(size=(4, 4, policy.own + 8)).astype(np.float32)
    seen[:, :, -1] = 0.0
    seen[2, 1, -1] = 1.0  # world 1 begins its second episode
    believer.reset()
    memories = []
    for k, observation in enumerate(seen):
        if k == 2:
            believer.reset(np.array([3]))  # and world 3 another task
        believer.act(observation)
        assert believer.memory is not None
        memories.append(believer.memory[0][0].copy())
    evidence, noise = (np.array([m[:, part] for m in memories]) for part in (slice(6), slice(6, 9)))
    assert (evidence[0] == 0).all()
    moved = (evidence[1:] != evidence[:-1]).any(axis=2)
    assert moved.tolist() == [[True] * 4, [True, False, True, True], [True] * 4]
    assert (evidence[2, 3] == 0).all()
    redrawn = (noise[1:] != noise[:-1]).any(axis=2)
    assert redrawn.tolist() == [[False] * 4, [False, True, False, True], [False] * 4]
    assert len(np.unique(noise[0])) == 12  # each robot has its own hypothesis
    believer.reset()
    believer.act(seen[0])
    assert believer.memory is not None
    assert np.array_equal(believer.memory[0][0], memories[0])
    with pytest.raises(SurefootError, match="3 observations, but a memory of 4 worlds"):
        believer.act(seen[0, :3])
    believer.reset()


# --- learning ----------------------------------------------------------------------------------------------------------


def test_the_encoder_learns_from_critics_and_divergence_alone() -> None:
    model = learner(kl_weight=0.0)
    batch = model.replay_buffer.sample(32)  # type: ignore[union-attr]
    own, policy = model.policy.own, model.policy

    def moved() -> float:
        before = [p.detach().clone() for p in policy.encoder.parameters()]
        model.update(batch)
        return max((a - b).abs().max().item() for a, b in zip(policy.encoder.parameters(), before, strict=True))

    def blind() -> None:
        """Critics that do not see z, so that their loss says nothing of it; the actor still does."""
        for critic in (*policy.critic.q_networks, *policy.critic_target.q_networks):
            with torch.no_grad():
                critic[0].weight[:, own : own + policy.latent] = 0.0  # type: ignore[index, union-attr]

    assert moved() > 1e-5
    for group in policy.critic.optimizer.param_groups:
        group["betas"] = (0.0, 0.999)  # no momentum of the step before
    blind()
    assert moved() == 0.0
    model.kl_weight = 0.1
    blind()
    assert moved() > 1e-5


def test_the_encoders_gradient_is_the_losss() -> None:
    """Along the gradient the loss rises by its length; without discount, for the target takes z as given."""
    model = learner()
    model.gamma = 0.0
    batch, start = model.replay_buffer.sample(32), model.policy.state_dict()  # type: ignore[union-attr]
    start = {k: v.clone() for k, v in start.items()}
    encoder = list(model.policy.encoder.parameters())

    def loss(shift: float, direction: list[torch.Tensor]) -> float:
        model.policy.load_state_dict(start)
        with torch.no_grad():
            for p, d in zip(encoder, direction, strict=True):
                p += shift * d
        torch.manual_seed(0)
        return float(model.update(batch)["critic_loss"].detach())

    loss(0.0, [torch.zeros_like(p) for p in encoder])
    gradient = [p.grad.clone() for p in encoder if p.grad is not None]
    length = torch.cat([g.flatten() for g in gradient]).norm()
    assert length > 1e-3
    h, unit = 1e-2, [g / length for g in gradient]
    assert (loss(h, unit) - loss(-h, unit)) / (2 * h) == pytest.approx(float(length), rel=0.02)


def test_samples_are_of_one_task_each_and_contexts_are_what_a_trial_begins_with() -> None:
    seen, does = np.ones(4 + 2 + 2), np.ones(2)
    replay = TaskReplay(6 * 50, _box(seen), _box(does), n_envs=6, seed=0, tasks=3, context=16, scale=2.0)
    for step in range(70):  # the buffer goes round
        world = torch.arange(6.0)[:, None]
        fields = world.expand(6, 4), world.expand(6, 2), torch.full((6, 4), float(step)), torch.zeros(6, 1), 2.0 * world
        if step in (20, 40, 60):  # of worlds 0 to 2; the others have a single trial, whose first steps are overwritten
            replay.begin_trial(np.arange(3))
        replay.add(*fields)
    assert replay.widths == [4, 2, 4, 1, 1]
    starts, lengths, worlds = set(), set(), set()
    for _ in range(300):
        learnt, context, known = replay.sample(30)
        task = learnt.observations[::10, 0]
        assert torch.equal(learnt.observations[:, 0], task.repeat_interleave(10))
        assert (learnt.next_observations >= 20).all()
        assert context.shape == (3, 16, 11)
        assert torch.equal(context[:, :, 0], task[:, None].expand(3, 16))
        assert torch.equal(context[:, :, 6], context[:, :, 0])  # rewards as the robots got them
        step = context[:, :, 7] + context[:, :, 0]
        for world, steps, n in zip(task.tolist(), step, known[:, 0].tolist(), strict=True):
            start = (40 if (steps < 60).any() else 60) if world < 3 else 20
            assert ((steps >= start) & (steps < start + n)).all()
            assert 1 <= n <= {40: 20, 60: 10, 20: 50}[start]
            starts.add(start)
            lengths.add(n)
        worlds |= set(task.tolist())
        assert len(set(task.tolist())) == 3
    assert (starts, worlds) == ({20, 40, 60}, set(range(6)))
    assert (min(lengths), max(lengths)) == (1, 50)


def _box(like: np.ndarray) -> Box:
    return Box(-like.astype(np.float32), like.astype(np.float32))


def test_the_training_collects_with_a_belief_of_its_trials() -> None:
    model = learner(attempts=2)
    core = model.env.core  # type: ignore[union-attr]
    goals = core.task.command().copy()
    assert len(np.unique(goals)) == 8  # without a suite, one of the family's law for each world
    core.lengths[:], core.episode_steps = 0, 5
    model._evidence[:], model._episode[:] = 0.0, 0
    precision, noise = [], [model._noise.clone()]
    for _ in range(20):
        _collect(model)
        precision.append(model._evidence[:, : model.policy.latent].clone())
        noise.append(model._noise.clone())
    for k, known in enumerate(precision, 1):
        more = known > (precision[k - 2] if k > 1 else 0.0)
        assert bool((known == 0).all() if k in (10, 20) else more.all()), k
        assert bool((noise[k] != noise[k - 1]).all()) == (k % 5 == 0), k
    assert np.array_equal(core.task.command(), goals)  # for good


def _collect(model: ContextSAC) -> None:
    callback = CallbackList([])
    callback.init_callback(model)
    model.collect_rollouts(model.env, callback, model.train_freq, model.replay_buffer)  # type: ignore[arg-type]


def test_same_seed_same_controller(believer: Controller) -> None:
    again, other = trained(suite="cheetah-vel"), trained(suite="cheetah-vel", seed=1)
    mine, same, others = (c.policy.state_dict() for c in (believer, again, other))
    assert all(torch.equal(mine[k], same[k]) for k in mine)
    assert not torch.equal(mine["encoder.layers.0.weight"], others["encoder.layers.0.weight"])


def test_saved_loaded_copied_and_resumed(tmp_path: Path) -> None:
    first = trained(suite="cheetah-vel", out=tmp_path / "run")
    loaded = Controller.load(tmp_path / "run")
    assert loaded.settings == first.settings
    wanted = walked(first, 4)
    actions = evaluate(first, task=FAST, episodes=2).returns
    for twin in (loaded, first.copy()):
        assert torch.equal(walked(twin, 4)[0], wanted[0])
        assert np.array_equal(evaluate(twin, task=FAST, episodes=2).returns, actions)
    model = make_algorithm(loaded.config, make_env(loaded.config, 8))
    loaded.give_to(model)
    given = Controller.from_algorithm(loaded.config, model)
    assert given.training.keys() == first.training.keys()
    assert all(torch.equal(given.training[k], first.training[k]) for k in given.training)
    assert resume(tmp_path / "run", steps=320, progress=False).timesteps >= 320


# --- use ---------------------------------------------------------------------------------------------------------------


def test_what_it_is_trained_with_and_supports(believer: Controller) -> None:
    settings = believer.settings
    assert (believer.config.algo, believer.config.method) == ("context_sac", "context")
    assert (settings.inputs, settings.trial) == (REMEMBERED, 1)
    assert methods_of(believer) == ["zero-shot", "context"]


def test_the_curve_is_the_robots_motion(believer: Controller) -> None:
    runs = [METHODS["context"](believer, FAST, Budget(None, None, 10.0), episodes=3) for _ in range(2)]
    curve = runs[0].curve
    assert [(p.steps, p.episodes, p.robot_seconds) for p in curve] == [(0, 0, 0.0), (20, 0, 1.0), (200, 1, 10.0)]
    for one, two in zip(curve, runs[1].curve, strict=True):
        assert np.array_equal(one.evaluation.returns, two.evaluation.returns)
    assert not np.array_equal(curve[0].evaluation.returns, curve[2].evaluation.returns)
    assert np.array_equal(curve[0].evaluation.returns, evaluate(believer, task=FAST, episodes=3, seed=1000).returns)
    assert runs[0].controller.memory is None


def test_bad_input_is_one_line(believer: Controller, controller: Controller) -> None:
    for name, value, message in (
        ("latent", 0, "latent=0: expected 1 or more"),
        ("attempts", 0, "attempts=0: expected 1 or more"),
        ("kl_weight", -1.0, r"kl_weight=-1\.0: expected 0 or more"),
        ("tasks", 9, "tasks=9: expected at most num_envs = 8"),
        ("batch_size", 33, "batch_size=33: expected a multiple of tasks = 4"),
        ("history", 4, "history=4: context_sac expects 1"),
        ("trial", 2, "trial=2: context_sac expects 1"),
        ("inputs", (), r"inputs=\(\): context_sac expects \('last_action'"),
    ):
        with pytest.raises(SurefootError, match=message):
            settings_for("half_cheetah", "cheetah-vel", "context_sac", SMALL | {name: value})
    with pytest.raises(SurefootError, match="'context' learns to tell tasks apart: give a variation"):
        api.train("half_cheetah", "run", method="context")
    with pytest.raises(SurefootError, match="method 'context' chooses the algorithm itself: leave out algo='tqc'"):
        api.train("half_cheetah", "cheetah-vel", method="context", algo="tqc")
    with pytest.raises(SurefootError, match="method 'context' has none"):
        api.train("half_cheetah", "cheetah-vel", method="context", meta={"latent": 3})
    with pytest.raises(SurefootError, match="does not train on the continuous actions of 'gym:Pendulum-v1'"):
        train("gym:Pendulum-v1", algo="context_sac", progress=False)
    with pytest.raises(SurefootError, match="'context' needs a controller that was trained for it"):
        api.adapt(controller, {"payload": 2.0}, method="context")
    with pytest.raises(SurefootError, match=r"robot_seconds=0\.001: expected 1 control step or more"):
        api.adapt(believer, FAST, method="context", robot_seconds=0.001)
    with pytest.raises(SurefootError, match="has no action for one observation"):
        api.adapt(believer, FAST, method="planner", episodes=1)
    with pytest.raises(SurefootError, match="cannot be exported to TorchScript: a policy with a context"):
        api.export(believer, torchscript="believer.pt")


class Hidden:
    """N worlds that each want one of two actions all the time, and only the rewards say which.

    What `SB3VecEnv`, the batched replay and `ContextSAC` use of a `BatchEnv`, no more.
    """

    LENGTH = 10
    num_actions, observation_size, diverged, ground = 1, 4, 0, None

    def __init__(self, num_envs: int):
        one = np.ones(1)
        self.task = SimpleNamespace(terms=("near",), action_low=-one, action_high=one)
        self.num_envs, self.rng = num_envs, np.random.default_rng(0)
        self.wanted = np.where(np.arange(num_envs) % 2, 0.7, -0.7)
        self.lengths = np.zeros(num_envs, np.int64)
        self.observation, self.final_observation = np.zeros((2, num_envs, 4), np.float32)
        self.terms, self.terminated = np.zeros((num_envs, 1)), np.zeros(num_envs, bool)
        self.fell = self.terminated
        self.ended = np.zeros(0, np.int64)

    def reset(self, seed: int | None = None) -> np.ndarray:
        self._restart(np.arange(self.num_envs))
        return self.observation

    def _restart(self, ids: np.ndarray) -> None:
        self.lengths[ids] = 0
        self.observation[ids] = [0.0, 0.0, 0.0, 1.0]

    def settle(self) -> None: ...

    def stagger(self) -> None:
        self.lengths[:] = self.rng.integers(0, self.LENGTH, self.num_envs)

    def step(self, actions: np.ndarray) -> None:
        self.reward = -np.abs(actions[:, 0] - self.wanted)
        self.lengths += 1
        self.observation[:, 0] = self.lengths / self.LENGTH
        self.observation[:, 1], self.observation[:, 2], self.observation[:, 3] = actions[:, 0], self.reward, 0.0
        self.ended = np.flatnonzero(self.lengths >= self.LENGTH)
        self.final_observation[:] = self.observation
        self.ended_return = self.ended_length = np.zeros(len(self.ended))
        self._restart(self.ended)


def test_a_belief_tells_tasks_apart() -> None:
    settings = {
        **SMALL, "num_envs": 16, "tasks": 8, "batch_size": 128, "net": (32, 32), "learning_rate": 3e-3, "gamma": 0.5,
        "learning_starts": 200, "gradient_steps": 1, "ent_coef": 0.1, "context": 4, "latent": 2,
        "kl_weight": 0.001,
    }  # fmt: skip
    asked = TrainConfig(robot="hopper", task="run", algo="context_sac", steps=1, hyperparameters=settings)
    model = make_algorithm(asked, Hidden(16))  # type: ignore[arg-type]
    model.learn(16 * 400)
    controller, worlds = Controller.from_algorithm(asked, model), Hidden(200)
    rewards, observation = [], worlds.reset()
    for _ in range(2 * Hidden.LENGTH):
        worlds.step(controller.act(observation))
        observation = worlds.observation
        rewards.append(worlds.reward.mean())
    assert controller.memory is not None
    mean, std = posterior(torch.as_tensor(controller.memory[0][0, :, :4]))
    assert rewards[0] < -0.5  # whoever does not know gets -.7
    assert np.mean(rewards[Hidden.LENGTH :]) > -0.2
    apart = (mean[::2].mean(0) - mean[1::2].mean(0)).abs() / std.mean(0)
    assert apart.max() > 3


@pytest.mark.slow
def test_it_finds_out_which_way_to_run() -> None:
    """Cheetah-dir: its second episode, after one of finding out, against one in which it knows nothing."""
    settings = {"num_envs": 32, "tasks": 8, "batch_size": 512, "gradient_steps": 6, "learning_starts": 3200}
    runner = META_TRAIN["context"](
        "half_cheetah", "cheetah-dir", suite="cheetah-dir", steps=130_000, hyperparameters=settings, progress=False
    )
    ways = [Task(goal={"direction": way}) for way in (1.0, -1.0)]
    second = [METHODS["context"](runner, way, Budget(None, None, 10.0), episodes=10).after for way in ways]
    assert [point.episodes for point in second] == [1, 1]
    env = worlds_of(runner.config, 20, tasks=[way for way in ways for _ in range(10)], seed=1000, autoreset=False)
    observation, blind = env.reset(), np.zeros(20)
    for _ in range(env.episode_steps):
        runner.reset()  # whoever forgets each step acts on hypotheses of the prior
        observation, reward, *_ = env.step(runner.act(observation))
        blind += reward
    known = np.array([point.evaluation.mean for point in second])
    assert (known > 100).all(), known
    assert known.mean() > blind.mean() + 100, (known, blind.mean())
