"""Zips that Stable-Baselines3 itself wrote: the same actions afterwards, and no code runs unless it was asked for."""

import base64
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import stable_baselines3
import torch
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from surefoot import api
from surefoot.controllers.controller import Controller
from surefoot.envs.batch_env import BatchEnv
from surefoot.robots import SurefootError

SMALL: dict[str, dict[str, Any]] = {
    "PPO": {"n_steps": 64, "batch_size": 32, "n_epochs": 1, "policy_kwargs": {"net_arch": [64, 64]}},
    "SAC": {"learning_starts": 40, "buffer_size": 500, "batch_size": 16, "policy_kwargs": {"net_arch": [32, 32]}},
    "A2C": {"n_steps": 16},
}


def trained(algo: str, folder: Path, *, normalise: bool = False, env: str = "HalfCheetah-v5", **options: Any) -> Any:
    """A model that SB3 trained a little and saved as model.zip, with venv.pkl where it is normalised."""
    venv: Any = DummyVecEnv([lambda: gymnasium.make(env)])
    if normalise:
        venv = VecNormalize(venv, clip_obs=3.0)
    arguments = SMALL[algo] | options
    model = getattr(stable_baselines3, algo)("MlpPolicy", venv, seed=0, device="cpu", **arguments)
    model.learn(128)
    with torch.no_grad():  # hardly trained: otherwise actions are nearly 0
        (model.actor.mu if algo == "SAC" else model.policy.action_net).weight.mul_(30.0 if algo != "SAC" else 3.0)
    model.save(folder / "model.zip")
    if normalise:
        venv.save(str(folder / "venv.pkl"))
    return model


def observations() -> np.ndarray:
    """What half_cheetah shows, and the same ten times as large, beyond all clipping; (2000, 17) float64."""
    env = BatchEnv("half_cheetah", "run", 20, seed=3)
    env.reset()
    seen = [env.step(env.rng.uniform(-1, 1, (20, 6)))[0].copy() for _ in range(50)]
    return np.concatenate([*seen, *(10 * s for s in seen)])


@pytest.mark.parametrize("normalise", [False, True], ids=["raw", "normalised"])
@pytest.mark.parametrize("algo", ["PPO", "SAC"])
def test_the_same_actions(algo: str, normalise: bool, tmp_path: Path) -> None:
    model = trained(algo, tmp_path, normalise=normalise)
    seen, out = observations(), tmp_path / "cheetah.safetensors"
    made = api.import_sb3(
        tmp_path / "model.zip",
        "half_cheetah",
        "run",
        runs_code=True,
        vecnormalize=tmp_path / "venv.pkl" if normalise else None,
        out=out,
    )
    raw = model.get_env().normalize_obs(seen) if normalise else seen
    wanted = model.predict(raw, deterministic=True)[0]
    assert wanted.std(axis=0).min() > 0.05
    assert (np.abs(wanted) < 0.99).mean() > 0.2
    loaded = Controller.load(out)
    for controller in (made, loaded):
        assert np.abs(controller.act(seen) - wanted).max() < 1e-5
    assert (loaded.config.algo, loaded.timesteps) == (algo.lower(), 128)
    net = {"net": [64, 64], "activation": "tanh"} if algo == "PPO" else {"net": [32, 32], "activation": "relu"}
    assert net.items() <= loaded.config.hyperparameters.items()
    assert loaded.config.hyperparameters["clip_obs"] == (3.0 if normalise else None)


def test_it_drives_adapts_and_exports(tmp_path: Path) -> None:
    model = trained("PPO", tmp_path, normalise=True)
    made = api.import_sb3(
        tmp_path / "model.zip", "half_cheetah", "run", runs_code=True, vecnormalize=tmp_path / "venv.pkl"
    )
    scale = model.get_env().ret_rms
    assert float(made.training["return_norm.var"]) == pytest.approx(scale.var, rel=1e-6)
    outcome = api.adapt(made, {"mass": 1.2}, seconds=None, steps=500, episodes=1, points=1)
    assert outcome.after.steps > 0
    api.export(made, onnx=tmp_path / "a.onnx")
    seen = observations()
    assert np.abs(api.load_any(tmp_path / "a.onnx").act(seen) - made.act(seen)).max() < 1e-5


@pytest.fixture(scope="module")
def model_zip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sb3")
    trained("PPO", folder, normalise=True)
    return folder / "model.zip"


class Evil:
    """A pickle of this writes a file when it is read."""

    def __init__(self, file: Path):
        self.file = file

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.write_text, (self.file, "it ran")


def test_without_the_flag_nothing_runs(model_zip: Path, tmp_path: Path) -> None:
    mark, evil = tmp_path / "mark", tmp_path / "evil.zip"
    with zipfile.ZipFile(model_zip) as source, zipfile.ZipFile(evil, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "data":
                data = json.loads(content)
                data["clip_range"][":serialized:"] = base64.b64encode(pickle.dumps(Evil(mark))).decode()
                content = json.dumps(data).encode()
            target.writestr(name, content)
    with pytest.raises(SurefootError, match=r"runs the code that is pickled in it.*--runs-code"):
        api.import_sb3(evil, "half_cheetah", "run", out=tmp_path / "a.safetensors")
    assert not mark.exists()
    assert not (tmp_path / "a.safetensors").exists()
    api.import_sb3(evil, "half_cheetah", "run", runs_code=True)
    assert mark.exists()  # so this test sees code that runs


def refused(file: Path, robot: str = "half_cheetah", **options: Any) -> str:
    with pytest.raises(SurefootError) as error:
        api.import_sb3(file, robot, "run", runs_code=True, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_files_that_are_something_else(model_zip: Path, tmp_path: Path) -> None:
    assert "no SB3 zip at" in refused(tmp_path / "nowhere.zip")
    content = model_zip.read_bytes()
    for name, keep in (("cut", content[:-500]), ("empty", b""), ("text", b"hello")):
        (tmp_path / name).write_bytes(keep)
        assert "is not an SB3 zip, or is cut short" in refused(tmp_path / name)
    trained("A2C", tmp_path)
    assert "expected SB3's own PPO or SAC" in refused(tmp_path / "model.zip")
    pickle.dump({"a": 1}, (tmp_path / "venv.pkl").open("wb"))
    assert "cannot read" in refused(model_zip, vecnormalize=tmp_path / "venv.pkl")
    assert "cannot read" in refused(model_zip, vecnormalize=tmp_path / "nowhere.pkl")


def test_another_robot(model_zip: Path, tmp_path: Path) -> None:
    assert "takes observations (17,), hopper run has (11,)" in refused(model_zip, "hopper")
    assert "did you mean half_cheetah" in refused(model_zip, "half_chetah")


@pytest.mark.parametrize(
    ("policy_kwargs", "said"),
    [
        ({"net_arch": {"pi": [8], "vf": [16]}}, "different widths for actor and critic"),
        ({"net_arch": [8], "activation_fn": torch.nn.Hardtanh}, "has the activation Hardtanh"),
    ],
)
def test_networks_that_are_not_known(policy_kwargs: dict[str, Any], said: str, tmp_path: Path) -> None:
    trained("PPO", tmp_path, policy_kwargs=policy_kwargs)
    assert said in refused(tmp_path / "model.zip")


def test_state_dependent_exploration(tmp_path: Path) -> None:
    trained("PPO", tmp_path, use_sde=True)
    assert "gSDE" in refused(tmp_path / "model.zip")
