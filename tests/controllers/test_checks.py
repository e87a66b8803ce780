"""Every hyperparameter of every algorithm has a range, and what is beyond it is one line."""

import dataclasses
from typing import Any

import pytest

from surefoot.controllers.algorithms import ALGORITHMS
from surefoot.controllers.checks import check
from surefoot.robots import SurefootError

# What may be -1: an offset, a logarithm, returns.
FREE = {"alive_bonus_offset", "log_std_init", "adr_low", "adr_high"}
FIELDS = [(algo, field) for algo, found in ALGORITHMS.items() for field in dataclasses.fields(found.settings)]
NUMBERS = [(algo, f.name) for algo, f in FIELDS if f.type in (int, float, int | None, float | None, float | str)]


@pytest.mark.parametrize(("algo", "name"), [pair for pair in NUMBERS if pair[1] not in FREE])
def test_no_number_may_be_anything(algo: str, name: str) -> None:
    settings = ALGORITHMS[algo].settings()
    check(settings)
    with pytest.raises(SurefootError, match=rf"{name}=-1: expected ") as told:
        check(dataclasses.replace(settings, **{name: -1}))
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("algo", "wrong", "said"),
    [
        ("ppo", {"gae_lambda": 1.5}, r"gae_lambda=1.5: expected 0 to 1"),
        ("ppo", {"batch_size": 1}, r"batch_size=1: expected 2 or more"),
        ("crossq", {"batch_size": 1}, r"batch_size=1: expected 2 or more"),
        ("ppo", {"log_std_init": 3.0}, r"log_std_init=3.0: expected -20 to 2"),
        ("trpo", {"log_std_init": -21.0}, r"log_std_init=-21.0: expected -20 to 2"),
        ("ppo", {"batch_size": 20_000}, r"batch_size=20000: expected at most num_envs x n_steps = 12288"),
        ("sac", {"batch_size": 2_000_000}, r"batch_size=2000000: expected at most buffer_size = 1000000"),
        ("ppo", {"net": (64, -1)}, r"net=\(64, -1\): expected widths of 1 to 16,384"),
        ("sac", {"critic_net": (0,)}, r"critic_net=\(0,\): expected widths"),
        ("ppo", {"num_envs": 10**9}, r"num_envs=1000000000: expected 1 or more, at most 131,072"),
    ],
)
def test_what_makes_no_sense_together_or_alone(algo: str, wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(SurefootError, match=said):
        check(dataclasses.replace(ALGORITHMS[algo].settings(), **wrong))
