"""Search spaces: the grammar, what they refuse, and that the presets lie within."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.controllers.algorithms import ALGORITHMS
from surefoot.controllers.gym_ids import trains
from surefoot.controllers.presets import PRESETS, settings_for
from surefoot.controllers.search import laws_of, nearest_to, space_of
from surefoot.controllers.settings import PPOSettings, SACSettings
from surefoot.controllers.tuning import as_text
from surefoot.robots import SurefootError

PPO = PPOSettings()


# Without trpo, whose default minibatch is larger than a rollout of a few environments.
GYM = [("gym:CartPole-v1", "", algo) for algo in ALGORITHMS if trains(algo) and algo != "trpo"]


@pytest.mark.parametrize(("robot", "task", "algo"), [*PRESETS, *GYM])
def test_every_preset_lies_within_its_algorithms_space(robot: str, task: str, algo: str) -> None:
    settings = settings_for(robot, task, algo)
    laws = laws_of(space_of(algo, robot), settings)
    drawn = nearest_to(settings, laws)
    assert len(laws) > 3
    assert {law.name: law.value(drawn[law.name], type(settings)) for law in laws} == {
        law.name: getattr(settings, law.name) for law in laws
    }


def test_a_space_is_inherited() -> None:
    assert "clip_range" in space_of("ppo")
    assert "tau" in space_of("sac")
    assert "learning_rate" in space_of("ppo").keys() & space_of("sac").keys()
    assert space_of("sac")["num_envs"] != space_of("ppo")["num_envs"]


def test_what_only_robots_know_is_not_searched_on_a_gymnasium_id() -> None:
    assert space_of("ppo").keys() - space_of("ppo", "gym:CartPole-v1").keys() == {"adaptive_kl"}
    assert space_of("ppo", "hopper") == space_of("ppo")


def test_the_grammar() -> None:
    search = {
        "learning_rate": "log:1e-4:1e-2", "n_epochs": "3:10", "gamma": "0.9|0.99", "net": "64,64|32,32,32",
        "adaptive_kl": "none|0.02", "mirror": "true|false", "activation": "tanh|elu", "vf_coef": "0.5", "clip_range": "0.2:0.2",
    }  # fmt: skip
    laws = {law.name: law for law in laws_of(search, PPO)}
    assert (laws["learning_rate"].log, laws["learning_rate"].whole) == (True, False)
    assert (laws["n_epochs"].log, laws["n_epochs"].whole) == (False, True)
    values = {name: [law.value(choice, PPOSettings) for choice in law.choices] for name, law in laws.items()}
    assert values["gamma"] == [0.9, 0.99]
    assert values["net"] == [(64, 64), (32, 32, 32)]
    assert values["adaptive_kl"] == [None, 0.02]
    assert values["mirror"] == [True, False]
    assert values["activation"] == ["tanh", "elu"]
    assert (values["vf_coef"], values["clip_range"]) == ([0.5], [0.2])
    for law in laws.values():  # what Optuna keeps in the file
        assert all(isinstance(choice, float | str) for choice in law.choices)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("learning_rat", "0:1", "unknown hyperparameter 'learning_rat': did you mean learning_rate"),
        ("learning_rate", "-1:0.1", "learning_rate=-1.0: expected between 0 and 1"),
        ("learning_rate", "0.1:0.01", "expected low <= high"),
        ("learning_rate", "log:0:0.1", "above 0"),
        ("learning_rate", "fast:slow", "expected low:high"),
        ("learning_rate", "0.1:inf", "both finite"),
        ("gamma", "0.9|1.1", "gamma=1.1"),
        ("gamma", "0.9|high", "gamma='high'"),
        ("n_epochs", "0:5", "n_epochs=0"),
        ("n_epochs", "1.5:5", "n_epochs=1.5"),
        ("gamma", "area:0.9:0.99", "expected low:high, log:low:high or a|b|c"),
        ("net", "64:128", "it is no number, expected choices a|b|c"),
        ("mirror", "0:1", "it is no number"),
        ("activation", "elu|tahn", "did you mean tanh?"),
        ("net", "64,64|wide", "net='wide'"),
    ],
)
def test_what_is_refused(name: str, text: str, said: str) -> None:
    with pytest.raises(SurefootError) as refusal:
        laws_of({name: text}, PPO)
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_value_is_fixed_or_searched() -> None:
    with pytest.raises(SurefootError, match="both fixed"):
        laws_of({"gamma": "0.9:0.99"}, PPO, fixed={"gamma"})


def test_a_range_is_judged_by_itself() -> None:
    (law,) = laws_of({"batch_size": "64|100000"}, PPO)  # larger than PPO's rollout, but not than every rollout
    assert law.choices == (64.0, 100000.0)


def test_the_nearest_to_a_preset() -> None:
    search = {
        "learning_rate": "log:1e-5:1e-4",
        "n_epochs": "7:9",
        "gamma": "0.5|0.98|0.999",
        "activation": "tanh|relu",
        "adaptive_kl": "none|0.5",
    }
    drawn = nearest_to(PPOSettings(learning_rate=1e-3, n_epochs=5, gamma=0.97, activation="elu"), laws_of(search, PPO))
    assert drawn == {"learning_rate": 1e-4, "n_epochs": 7, "gamma": 0.98, "adaptive_kl": 0.5}  # nothing is near elu


@given(st.floats(1e-6, 0.9), st.floats(1e-6, 0.9), st.floats(0, 1))
def test_drawn_numbers_stay_in_range_and_are_short(a: float, b: float, share: float) -> None:
    low, high = sorted((a, b))
    (law,) = laws_of({"learning_rate": f"{low!r}:{high!r}"}, SACSettings())
    if law.choices:
        return
    value = law.value(low + share * (high - low), SACSettings)
    assert low <= value <= high
    assert value in (low, high) or len(f"{value:.12g}".strip("0.").replace(".", "").split("e")[0].lstrip("0")) <= 3


def test_values_as_typed_on_the_command_line() -> None:
    from surefoot.cli.options import values

    given = {"a": 3e-4, "b": True, "c": None, "d": [64, 64], "e": [32], "f": "elu", "g": 5, "h": -1.0}
    assert values("--hyper", [f"{k}={as_text(v)}" for k, v in given.items()]) == given
