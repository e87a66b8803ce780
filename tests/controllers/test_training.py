"""Training: reproducible, resumable, logged, interruptible; the controller file holds all of it."""

import csv
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3.common.callbacks import BaseCallback
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from surefoot.controllers import training
from surefoot.controllers.controller import Controller, controller_file
from surefoot.controllers.presets import PRESETS
from surefoot.controllers.training import make_algorithm, make_env, resume, train, train_config
from surefoot.robots import SurefootError

SMALL = {"num_envs": 16, "batch_size": 128, "net": (16, 16)}


def weights(controller: Controller) -> dict[str, torch.Tensor]:
    return controller.policy.state_dict()


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def observations(controller: Controller, n: int = 32) -> np.ndarray:
    size = controller.policy.observation_space.shape[0]
    return np.random.default_rng(0).normal(0, 1, (n, size)).astype(np.float32)


def test_save_and_load_act_alike_bit_for_bit(controller: Controller, tmp_path: Path) -> None:
    controller.save(tmp_path / "c.safetensors")
    loaded = Controller.load(tmp_path / "c.safetensors")
    seen = observations(controller)
    assert np.array_equal(controller.act(seen), loaded.act(seen))
    assert same(weights(controller), weights(loaded))
    assert same(controller.training, loaded.training)
    assert (controller.config, controller.timesteps, controller.learning_rate) == (
        loaded.config,
        loaded.timesteps,
        loaded.learning_rate,
    )
    assert controller.training
    limits = controller.policy.action_space
    assert (np.abs(loaded.act(1e6 * seen)) <= limits.high).all()


def test_a_file_outlives_its_preset(controller: Controller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    controller.save(tmp_path / "c.safetensors")
    config, trained = controller.config, controller.settings
    key = (config.robot, config.task, config.algo)
    monkeypatch.setitem(PRESETS, key, dataclasses.replace(PRESETS[key], activation="tanh", mirror=False, gamma=0.5))
    loaded = Controller.load(tmp_path / "c.safetensors")
    assert loaded.settings == trained
    own = {"activation": trained.activation, "mirror": trained.mirror, "gamma": trained.gamma}
    assert loaded.config.hyperparameters == config.hyperparameters | own
    seen = observations(controller)
    assert np.array_equal(loaded.act(seen), controller.act(seen))


def test_copy_is_independent(controller: Controller) -> None:
    seen, twin = observations(controller), controller.copy()
    before = controller.act(seen)
    assert np.array_equal(twin.act(seen), before)
    with torch.no_grad():
        for parameter in twin.policy.parameters():
            parameter.add_(1.0)
    twin.policy.features_extractor.norm.update(torch.full((4, seen.shape[1]), 50.0))
    assert np.array_equal(controller.act(seen), before)


def test_same_seed_same_controller() -> None:
    runs = [
        train(
            "quadruped", "velocity", steps=800, seed=s, vary={"payload": "0:3"}, hyperparameters=SMALL, progress=False
        )
        for s in (3, 3, 4)
    ]
    assert same(weights(runs[0]), weights(runs[1]))
    assert not same(weights(runs[0]), weights(runs[2]))


def test_resume_gives_back_everything(run_folder: Path, controller: Controller) -> None:
    env = make_env(controller.config, controller.settings.num_envs)
    model = make_algorithm(controller.config, env)
    controller.give_to(model)
    again = Controller.from_algorithm(controller.config, model)
    assert again.timesteps == controller.timesteps >= 1000
    assert again.learning_rate == controller.learning_rate
    assert same(weights(again), weights(controller))
    assert same(again.training, controller.training)
    assert any("exp_avg_sq" in name for name in again.training)
    assert "return_norm.var" in again.training


def test_resume_continues(run_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    first = train("hopper", "run", steps=2048, hyperparameters={**SMALL, "n_steps": 16}, out=folder, progress=False)
    with pytest.raises(SurefootError, match="complete at 2048 steps"):
        resume(folder, progress=False)
    second = resume(folder, steps=4096, progress=False)
    assert (first.timesteps, second.timesteps) == (2048, 4096)
    assert second.config.steps == 4096
    count = "features_extractor.norm.count"
    assert weights(second)[count] == pytest.approx(2 * float(weights(first)[count]), rel=0.02)
    assert Controller.load(folder).timesteps == 4096
    assert {p.name for p in folder.iterdir()} == {"config.json", "controller.safetensors", "log_0", "log_2048"}


def test_the_controller_that_has_seen_most_counts(tmp_path: Path, controller: Controller) -> None:
    run = tmp_path / "run"
    controller.save(run / "controller.safetensors")
    early, late = (run / "checkpoints" / f"step_{n:012d}.safetensors" for n in (10, controller.timesteps + 1))
    controller.save(early)
    assert controller_file(run) == run / "controller.safetensors"
    controller.save(late)  # of a resumed run that was interrupted
    assert controller_file(run) == late
    (run / "controller.safetensors").unlink()
    assert controller_file(run) == late


def test_checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    train("hopper", "run", steps=768, hyperparameters={**SMALL, "n_steps": 16}, out=tmp_path, progress=False)
    names = [p.name for p in sorted((tmp_path / "checkpoints").iterdir())]
    assert names == [f"step_{n:012d}.safetensors" for n in (256, 512, 768)]


class Interrupt(BaseCallback):
    def _on_step(self) -> bool:
        if self.num_timesteps > 500:
            raise KeyboardInterrupt
        return True


def test_an_interrupted_run_leaves_a_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(
            "hopper",
            "run",
            hyperparameters={**SMALL, "n_steps": 16},
            out=tmp_path,
            progress=False,
            callback=Interrupt(),
        )
    assert Controller.load(tmp_path).timesteps > 500


def logged(folder: Path) -> tuple[set[str], set[str]]:
    """Names in TensorBoard's file and in progress.csv."""
    events = EventAccumulator(str(folder)).Reload()
    with (folder / "progress.csv").open() as file:
        return set(events.Tags()["scalars"]), set(csv.DictReader(file).fieldnames or ())


def test_every_reward_term_is_logged(run_folder: Path) -> None:
    from surefoot.envs.tasks.velocity_config import WEIGHTS

    board, table = logged(run_folder / "log_0")
    wanted = {f"reward/{name}" for name in WEIGHTS} | {"train/approx_kl", "train/value_loss", "rollout/diverged"}
    assert wanted <= board
    assert wanted <= table


def test_nothing_is_written_for_bad_input(tmp_path: Path) -> None:
    bad: list[dict[str, Any]] = [
        {"hyperparameters": {"mirror": True}},
        {"vary": {"payloat": "0:3"}},
        {"steps": 0},
        {"seconds": -1},
        {"seed": -1},
        {"options": {"vx": 1}},
    ]
    for wrong in bad:
        with pytest.raises(SurefootError):
            train("hopper", "run", out=tmp_path / "run", progress=False, **wrong)
    assert not (tmp_path / "run").exists()


def test_a_folder_whose_run_got_nowhere_says_so(tmp_path: Path) -> None:
    """It may belong to a run that has just begun, so it is not overwritten."""
    train_config("hopper", "run", steps=64).save(tmp_path / "config.json")
    with pytest.raises(
        SurefootError, match=r"another folder, or delete this one, which has no checkpoint to go on from"
    ):
        train("hopper", "run", out=tmp_path, steps=64, progress=False)


def test_hyperparameters_are_typed() -> None:
    made = train(
        "hopper",
        "run",
        steps=256,
        hyperparameters={"num_envs": "16", "n_steps": 16.0, "batch_size": 64},
        progress=False,
    )
    assert made.config.hyperparameters == {"num_envs": 16, "n_steps": 16, "batch_size": 64}
    for wrong in ({"num_envs": 1.5}, {"gamma": "high"}, {"net": "wide"}, {"learning_rate": float("nan")}):
        with pytest.raises(SurefootError, match=next(iter(wrong))):
            train("hopper", "run", hyperparameters=wrong, progress=False)
