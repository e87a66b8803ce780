"""Shipped controllers: found by name, small, with a card that says what they do."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from surefoot import api
from surefoot.controllers.controller import Controller
from surefoot.controllers.presets import PRESETS
from surefoot.controllers.shipped import FOLDER, LIMIT, SUFFIX, Card, card_of, find, names
from surefoot.controllers.training import train
from surefoot.envs.suites import load_suite
from surefoot.robots import SurefootError

NAME = "quadruped-velocity"
CARD = Card(
    robot="hopper", task="run", algo="sac", steps=100, seed=0, seeds=(0,), seed_returns=(1.0,), mean_return=1.0,
    interval=(0.5, 1.5), episodes=10, evaluation_seed=1000, falls=1.0, training_seconds=2.0, machine="a machine",
    surefoot="0.1.0", commit="abc", date="2026-01-01",
)  # fmt: skip


def test_a_path_that_exists_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find(NAME) == FOLDER / f"{NAME}{SUFFIX}"
    (tmp_path / NAME).mkdir()
    assert find(NAME) == Path(NAME)
    with pytest.raises(SurefootError, match="has no checkpoint"):
        api.load(NAME)


def test_names_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SurefootError, match="no shipped controller of that name: did you mean quadruped-velocity"):
        api.load("quadruped-velocty")
    with pytest.raises(SurefootError, match=f"no shipped controller of that name: choose from .*{NAME}"):
        api.load("xyz")
    for path in (f"runs/{NAME}", f"{NAME}.safetensors", f"../{NAME}"):  # people mean paths
        with pytest.raises(SurefootError, match="no run folder or controller file at") as error:
            api.load(path)
        assert "shipped" not in str(error.value)


@pytest.mark.parametrize("name", names())
def test_cards_and_files_agree(name: str) -> None:
    card, controller = card_of(name), api.load(name)
    assert controller.card == card
    config = controller.config
    assert (card.robot, card.task, card.algo, card.seed) == (config.robot, config.task, config.algo, config.seed)
    assert (card.steps, card.vary) == (controller.timesteps, config.vary)
    assert (card.robot, card.task, card.algo) in PRESETS
    assert name.startswith(f"{card.robot}-{card.task}")
    assert card.interval[0] <= card.mean_return <= card.interval[1]
    assert card.episodes >= 100
    assert card.seed in card.seeds
    assert len(card.seed_returns) == len(card.seeds)
    assert (card.tracking is not None) == (card.task == "velocity")
    assert (card.success is not None) == (card.task in ("reach", "push"))
    file = FOLDER / f"{name}{SUFFIX}"
    assert file.stat().st_size < LIMIT
    with safe_open(file, "pt") as opened:
        for key in opened.keys():  # noqa: SIM118 - not a dict
            assert key.startswith(("policy.", "training.return_norm."))
            small = opened.get_tensor(key).numel() <= 400
            assert small or opened.get_tensor(key).dtype == torch.float32


@pytest.mark.parametrize("name", names())
def test_it_does_about_what_its_card_says(name: str) -> None:
    card = card_of(name)
    result = api.evaluate(name, episodes=12, seed=7)
    low, high = card.interval
    # The mean of 12 episodes strays sqrt(episodes / 12) times as far as the card's; 2.5 times the 95 % interval is 5 sigma.
    room = 2.5 * (card.episodes / 12) ** 0.5 * (high - low) / 2
    assert abs(result.mean - card.mean_return) < room
    if card.tracking is not None:
        assert result.tracking == pytest.approx(card.tracking, abs=0.1)
    if card.success is not None:
        assert result.success is not None
        assert result.success > card.success - 0.3


@pytest.mark.slow
@pytest.mark.parametrize("name", names())
def test_it_does_what_its_card_says(name: str) -> None:
    card = card_of(name)
    result = api.evaluate(name, episodes=card.episodes, seed=card.evaluation_seed)
    assert card.interval[0] <= result.mean <= card.interval[1]
    assert result.fell.mean() == pytest.approx(card.falls, abs=0.05)


def test_it_adapts_exports_and_shows(tmp_path: Path) -> None:
    outcome = api.adapt(NAME, {"payload": 6.0}, seconds=None, steps=500, episodes=1, points=1)
    assert outcome.after.steps > 0
    assert outcome.controller.card is None  # it is another controller now
    api.export(NAME, onnx=tmp_path / "a.onnx")
    assert api.replay(NAME, seconds=0.2)[0].robot == "quadruped"
    ours, theirs = (api.record(source, seconds=2.0) for source in (NAME, tmp_path / "a.onnx"))
    assert ours.qpos[-1, 0] > 0.5  # it walks
    assert np.abs(ours.qpos - theirs.qpos).max() < 0.05  # the same way, though not bit for bit


def test_a_card_says_what_the_controller_earns_on_suites() -> None:
    for suite, found in card_of(NAME).suites.items():
        tasks, returns = load_suite(suite), api.evaluate(NAME, episodes=8).mean
        assert (tasks.robot, tasks.task) == ("quadruped", "velocity")
        assert set(found) == {"nominal", "test", "moderate", "extreme", "structural"}
        assert found["nominal"] == pytest.approx(returns, rel=0.1)
        assert found["nominal"] > found["extreme"]
    assert set(card_of(NAME).suites) >= {"quadruped-payload", "quadruped-damage"}


def test_listing() -> None:
    columns, rows = api.catalogue("controllers")
    assert columns[:3] == ["controller", "algorithm", "return"]
    shown = next(row for row in rows if row[0] == NAME)
    card = card_of(NAME)
    assert f"{card.mean_return:.1f}" in shown
    assert card.machine in shown[-1]
    assert all(len(row) == len(columns) for row in rows)


def test_a_shipped_sac_leaves_its_critics_behind(tmp_path: Path) -> None:
    options = {"num_envs": 4, "batch_size": 32, "learning_starts": 40, "gradient_steps": 1, "buffer_size": 2000}
    trained = train("hopper", "run", algo="sac", steps=100, hyperparameters=options, progress=False)
    trained.save(tmp_path / "whole.safetensors")
    trained.save(tmp_path / "small.safetensors", card=CARD)
    whole, small = ((tmp_path / f"{n}.safetensors").stat().st_size for n in ("whole", "small"))
    assert small < LIMIT < whole
    loaded = Controller.load(tmp_path / "small.safetensors")
    seen = np.random.default_rng(0).normal(0, 2, (50, 11))
    assert np.array_equal(loaded.act(seen), trained.act(seen))
    assert loaded.card == CARD
    assert not loaded.training
    loaded.save(tmp_path / "again.safetensors")
    assert Controller.load(tmp_path / "again.safetensors").card is None


def test_a_file_without_weights_that_count(tmp_path: Path) -> None:
    """A card excuses missing critics, nothing else."""
    controller = api.load(NAME)
    controller.policy.action_net = torch.nn.Identity()
    controller.save(tmp_path / "a.safetensors", card=card_of(NAME))
    with pytest.raises(SurefootError, match=r"weights do not fit.*action_net"):
        Controller.load(tmp_path / "a.safetensors")
