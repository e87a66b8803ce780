"""Adapters: Gymnasium's and SB3's own checks on every registered id, and the conventions that they do not check."""

import subprocess
import sys
import warnings
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode

import surefoot
from surefoot.envs.batch_env import BatchEnv
from surefoot.envs.gym import BatchVectorEnv, SingleEnv, make, make_vec
from surefoot.envs.registration import IDS
from surefoot.envs.sb3 import SB3VecEnv
from surefoot.envs.variation import Task, Variation
from surefoot.robots import SurefootError

ALL = [pytest.param(i, marks=pytest.mark.menagerie) if "Go1" in i else i for i in IDS]
# What we cannot mend: Gymnasium's own v5 spaces are unbounded too, and their actions end at .4, 3 and 2 for these robots.
UNBOUNDED = ("Box observation space minimum value is -infinity", "Box observation space maximum value is infinity")
WIDE = ("symmetric and normalized",)
WIDE_ROBOTS = ("Humanoid", "InvertedPendulum", "Pusher")


def unknown_warnings(caught: list[warnings.WarningMessage], name: str) -> list[str]:
    known = UNBOUNDED + (WIDE if any(robot in name for robot in WIDE_ROBOTS) else ())
    return [str(w.message) for w in caught if not any(k in str(w.message) for k in known)]


@pytest.mark.parametrize("name", ALL)
def test_gymnasiums_checker(name: str) -> None:
    env = gymnasium.make(name)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_env(env.unwrapped, skip_render_check=True)
    assert not unknown_warnings(caught, name)


@pytest.mark.render
def test_gymnasiums_checker_with_pictures() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_env(gymnasium.make("surefoot/Quadruped-Velocity-v0", render_mode="rgb_array").unwrapped)
    assert not unknown_warnings(caught, "")


@pytest.mark.parametrize("name", ALL)
def test_sb3s_checker(name: str) -> None:
    from stable_baselines3.common.env_checker import check_env

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_env(gymnasium.make(name).unwrapped, skip_render_check=True)
    assert not unknown_warnings(caught, name)


@pytest.mark.parametrize("name", ALL)
def test_registered_spec(name: str) -> None:
    assert gymnasium.spec(name).max_episode_steps == IDS[name]
    env = gymnasium.make(name)
    assert env.spec is not None
    again = gymnasium.make(gymnasium.envs.registration.EnvSpec.from_json(env.spec.to_json()))
    assert np.array_equal(env.reset(seed=1)[0], again.reset(seed=1)[0])


def test_task_config_and_variation_through_gymnasium_make() -> None:
    name = "surefoot/Quadruped-Velocity-v0"
    env = gymnasium.make(name, task={"payload": 3.0, "vx": 1.0}, config={"noise": 0.0})
    core = env.unwrapped.core
    observation, info = env.reset(seed=0)
    assert info["parameters"] == {"payload": 3.0}
    assert core.task.command()[0, 0] == 1.0
    same = gymnasium.make(name, task=Task({"payload": 3.0}, {"vx": 1.0}))
    assert np.array_equal(same.reset(seed=0)[0], observation)
    drawn = gymnasium.make(name, variation={"payload": "1:3"})
    payloads = {drawn.reset()[1]["parameters"]["payload"] for _ in range(5)}
    assert len(payloads) == 5
    _, info = env.reset(options={"task": {"payload": 1.0}})
    assert info["parameters"] == {"payload": 1.0}
    with pytest.raises(SurefootError, match="did you mean payload"):
        gymnasium.make(name, task={"paylod": 3.0})
    with pytest.raises(SurefootError, match="did you mean noise"):
        gymnasium.make(name, config={"nois": 1.0})
    with pytest.raises(SurefootError, match="reset option"):
        env.reset(options={"tusk": {}})


@pytest.mark.parametrize(
    ("options", "length"),
    [({}, 1000), ({"max_episode_steps": 7}, 7), ({"episode_steps": 5}, 5), ({"config": {"episode_seconds": 0.2}}, 10)],
)
def test_time_limits_truncate_once(options: dict[str, object], length: int) -> None:
    name, calm = "surefoot/Quadruped-Velocity-v0", np.zeros(12, np.float32)
    env = gymnasium.make(name, task={"vx": 0, "vy": 0, "yaw": 0}, **options)
    for _ in range(2):
        env.reset(seed=0)
        for step in range(1, length + 1):
            observation, _, terminated, truncated, _ = env.step(calm)
            assert not terminated
            assert truncated == (step == length)
        assert env.observation_space.contains(observation)
    vector = gymnasium.make_vec(name, 2, task={"vx": 0, "vy": 0, "yaw": 0}, **options)
    vector.reset(seed=0)
    for step in range(1, 2 * length + 1):
        *_, terminated, truncated, infos = vector.step(np.zeros((2, 12), np.float32))
        assert not terminated.any()
        assert truncated.all() == (step % length == 0)
        assert ("final_obs" in infos) == (step % length == 0)


def test_last_observation_is_the_end_and_not_a_new_start() -> None:
    ours, theirs = make("hopper", "run"), gymnasium.make("Hopper-v5")
    ours.reset(seed=0), theirs.reset(seed=0)
    for _ in range(3):
        done = False
        while not done:
            action = theirs.action_space.sample()
            observation, _, done, _, _ = ours.step(action)
            assert np.array_equal(observation, theirs.step(action)[0])
        assert np.array_equal(ours.core.simulation.qpos[0], theirs.unwrapped.data.qpos), (
            "so a picture shows the end too"
        )
        assert np.array_equal(ours.reset()[0], theirs.reset()[0])


def test_vector_conventions_equal_gymnasiums_own() -> None:
    """The same worlds in Gymnasium's SyncVectorEnv in SAME_STEP mode: final_obs, masks, rewards, endings."""
    name, n = "surefoot/Hopper-Run-v0", 4
    kwargs = {"autoreset_mode": AutoresetMode.SAME_STEP}
    reference = gymnasium.make_vec(name, n, vectorization_mode="sync", vector_kwargs=kwargs, max_episode_steps=30)
    ours = gymnasium.make_vec(name, n, max_episode_steps=30)
    assert isinstance(ours, BatchVectorEnv)
    assert ours.metadata["autoreset_mode"] == AutoresetMode.SAME_STEP
    for space in ("observation_space", "action_space", "single_observation_space", "single_action_space"):
        assert getattr(ours, space) == getattr(reference, space)
    reference.reset(seed=0), ours.reset(seed=0)
    sim = ours.core.simulation

    def copy_states(ids: np.ndarray) -> None:
        states = [env.unwrapped.core.simulation for env in reference.envs]
        qpos, qvel = np.array([s.qpos[0] for s in states]), np.array([s.qvel[0] for s in states])
        sim.reset(ids, qpos[ids], qvel[ids])

    copy_states(np.arange(n))
    ours.action_space.seed(0)
    ended = 0
    for _ in range(100):
        actions = ours.action_space.sample()
        theirs = reference.step(actions)
        mine = ours.step(actions)
        done = mine[2] | mine[3]
        for a, b in zip(mine[1:4], theirs[1:4], strict=True):
            assert np.array_equal(a, b)
        assert np.array_equal(mine[0][~done], theirs[0][~done])
        assert ("final_obs" in mine[4]) == ("final_obs" in theirs[4]) == done.any()
        for i in np.flatnonzero(done):
            ended += 1
            for key in ("final_obs", "_final_obs", "_final_info"):
                assert np.array_equal(mine[4][key][i], theirs[4][key][i])
            for key, value in theirs[4]["final_info"].items():
                if "TimeLimit" not in key:  # the wrapper's own
                    assert mine[4]["final_info"][key][i] == value[i], key
        copy_states(np.flatnonzero(done))
    assert ended > 5


def test_vector_infos_and_copies() -> None:
    envs = make_vec("quadruped", "velocity", num_envs=6, variation={"payload": "0:3"})
    first, _ = envs.reset(seed=0)
    kept = first.copy()
    _, reward, *_, infos = envs.step(np.zeros((6, 12)))
    assert np.array_equal(first, kept), "what was returned is not overwritten"
    total = sum(infos[f"reward_{t}"] for t in envs.core.task.terms)
    assert np.allclose(np.maximum(total * 0.02, 0), reward, atol=1e-6)
    assert infos["_reward_gait"].all()
    own = make_vec("quadruped", "velocity", num_envs=6, copy=False)
    assert own.reset(seed=0)[0] is own.core.observation
    again, _ = envs.reset(seed=0)
    assert np.array_equal(again, kept)
    mask = np.array([True, False, False, True, False, False])
    before = envs.step(np.zeros((6, 12)))[0]
    after, _ = envs.reset(options={"reset_mask": mask})
    assert (np.any(before != after, axis=1) == mask).all()
    with pytest.raises(SurefootError, match="reset_mask"):
        envs.reset(options={"reset_mask": np.zeros(6, bool)})
    envs.close()


def test_gymnasiums_vector_wrappers_work() -> None:
    from gymnasium.wrappers.vector import RecordEpisodeStatistics

    envs = RecordEpisodeStatistics(make_vec("hopper", "run", num_envs=4, episode_steps=20))
    envs.reset(seed=0)
    for _ in range(20):
        *_, infos = envs.step(np.zeros((4, 3)))
    assert infos["episode"]["l"].tolist() == [20] * 4


@pytest.mark.render
def test_pictures_show_the_robot_moving_even_beside_a_collected_environment() -> None:
    env = gymnasium.make("surefoot/Quadruped-Velocity-v0", render_mode="rgb_array")
    other = make("ant", "run", render_mode="rgb_array")
    other.reset(seed=0), env.reset(seed=0)
    other.render()
    frames = []
    for step in range(20):
        env.step(0.5 * env.action_space.sample())
        if step % 10 == 0:
            frames.append(env.render())
        if step == 10:
            other.close()
            del other
    assert frames[0].shape == (480, 640, 3)
    assert frames[0].dtype == np.uint8
    assert all(frame.std() > 5 for frame in frames)
    assert (frames[0] != frames[1]).any()
    env.close()


def test_import_is_enough_and_light() -> None:
    code = "import gymnasium, surefoot, sys; gymnasium.spec('surefoot/Ant-Run-v0'); assert 'mujoco' not in sys.modules"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, cwd=Path("/"))
    assert done.returncode == 0, done.stderr
    code = "import gymnasium; gymnasium.make('surefoot:surefoot/Hopper-Run-v0')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path("/"))
    assert done.returncode == 0, done.stderr


def test_verbs() -> None:
    assert isinstance(surefoot.make("quadruped", "velocity", tasks={"payload": 1.0}), SingleEnv)
    assert isinstance(surefoot.make_vec("quadruped", "velocity", num_envs=3), BatchVectorEnv)
    with pytest.raises(SurefootError, match="did you mean quadruped"):
        surefoot.make("quadroped", "velocity")


def test_sb3_terminal_observations_and_time_limits() -> None:
    core = BatchEnv("hopper", "run", 16, seed=0, episode_steps=25, threads=1)
    env = SB3VecEnv(core)
    env.seed(3)
    first = env.reset()
    assert np.array_equal(first, BatchEnv("hopper", "run", 16).reset(3))
    rng = np.random.default_rng(0)
    cut = fallen = 0
    for _ in range(60):
        observation, reward, done, infos = env.step(rng.uniform(-1, 1, (16, 3)).astype(np.float32))
        assert reward.dtype == np.float32
        for i in range(16):
            assert ("terminal_observation" in infos[i]) == done[i]
            if done[i]:
                last = infos[i]["terminal_observation"]
                assert not np.array_equal(last, observation[i])
                healthy = last[0] > 0.7 and abs(last[1]) < 0.2
                assert infos[i]["TimeLimit.truncated"] == healthy
                assert not healthy or infos[i]["episode"]["l"] == 25
                cut += infos[i]["TimeLimit.truncated"]
                fallen += not infos[i]["TimeLimit.truncated"]
    assert cut
    assert fallen
    assert len(env.get_attr("episode_steps")) == 16
    assert env.get_attr("num_actions", indices=[0, 3]) == [3, 3]


@pytest.mark.parametrize("algorithm", ["PPO", "SAC"])
@pytest.mark.parametrize(("robot", "task"), [("half_cheetah", "run"), ("quadruped", "velocity")])
def test_stock_sb3_learns_on_the_adapter(algorithm: str, robot: str, task: str) -> None:
    import stable_baselines3

    env = SB3VecEnv(BatchEnv(robot, task, 4, variation=Variation.parse({"payload": "0:1"}), seed=0, episode_steps=9))
    extra = (
        {"n_steps": 16, "batch_size": 32, "n_epochs": 1}
        if algorithm == "PPO"
        else {"learning_starts": 40, "batch_size": 16}
    )
    model = getattr(stable_baselines3, algorithm)("MlpPolicy", env, seed=0, device="cpu", **extra)
    model.learn(128)
    assert model.num_timesteps >= 128
    assert len(model.ep_info_buffer) > 4
    assert all(info["l"] <= 9 for info in model.ep_info_buffer)


def test_one_world_has_trials_and_inputs_as_many_have() -> None:
    env = surefoot.make("half_cheetah", "cheetah-vel", trial=2, inputs=("last_action", "gravity"), episode_steps=3)
    many = surefoot.make_vec(
        "half_cheetah", "cheetah-vel", 1, trial=2, inputs=("last_action", "gravity"), episode_steps=3
    )
    assert env.observation_space.shape == many.single_observation_space.shape
    env.reset(seed=0)
    ends = [env.step(env.action_space.sample())[3] for _ in range(6)]
    assert ends == [False] * 5 + [True]  # a trial of two episodes
    with pytest.raises(SurefootError, match="trial=0"):
        surefoot.make("half_cheetah", "cheetah-vel", trial=0)
