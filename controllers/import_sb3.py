"""A controller from a Stable-Baselines3 zip, whose reading runs code: the one place where that happens, when it was asked for.

SB3 stores parts of its zips, and all of a saved `VecNormalize`, as pickles. The result is a `Controller`, and its file is
as safe as any other.
"""

import dataclasses
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import stable_baselines3
import torch
from gymnasium.spaces import Box
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.vec_env import VecNormalize
from torch import nn

from ..envs.batch_env import BatchEnv
from ..envs.sb3 import SB3VecEnv
from ..envs.spaces import action_space
from ..robots import SurefootError
from ..robots.files import parse_json
from .algorithms import find_algorithm
from .config import checked_config, first_problem
from .controller import Controller
from .networks import ACTIVATIONS
from .normalization import RunningNorm
from .policies import FORMAT, Header, empty_policy

EPSILON = 1e-8  # that `RunningNorm` adds to variances
FOREVER = 1e12  # observations seen: statistics that further training does not move
SB3_CLASSES: dict[str, type[BaseAlgorithm]] = {"ppo": stable_baselines3.PPO, "sac": stable_baselines3.SAC}


def import_sb3(
    file: str | Path, robot: str, task: str, *, runs_code: bool, vecnormalize: str | Path | None = None
) -> Controller:
    """The PPO or SAC controller of `file`, with the observation statistics of `vecnormalize` where that is given.

    Raises `SurefootError` without `runs_code`, for a file that is no such zip, a network that `Settings` cannot describe,
    and observations or actions that are not those of `robot` and `task`.
    """
    where = repr(str(file))
    algo = _algorithm_of(Path(file), where)
    if not runs_code:
        raise SurefootError(
            f"reading {where} runs the code that is pickled in it, whoever wrote it: if you trust it, say so with --runs-code"
        )
    env = BatchEnv(robot, task, 1)
    try:
        model: Any = SB3_CLASSES[algo].load(file, device="cpu")
        wrapper: Any = None if vecnormalize is None else VecNormalize.load(str(vecnormalize), SB3VecEnv(env))
    except Exception as error:  # whatever the code in the files raises
        named = where if vecnormalize is None else f"{where} and {str(vecnormalize)!r}"
        raise SurefootError(f"cannot read {named}: {type(error).__name__}: {first_problem(error)}") from error
    if wrapper is not None and not isinstance(wrapper, VecNormalize):
        raise SurefootError(f"{str(vecnormalize)!r} holds a {type(wrapper).__name__}: expected a saved VecNormalize")
    _check_spaces(model, env, where)
    seen: VecNormalize | None = wrapper if wrapper is not None and wrapper.norm_obs else None
    # On top of the algorithm's defaults, all of them written down: a preset must not change the network.
    hyperparameters = {
        **dataclasses.asdict(find_algorithm(algo).settings()),
        **_network(model, where),
        "gamma": float(model.gamma),
        "clip_obs": float(seen.clip_obs) if seen is not None else None,
    }
    steps = model.num_timesteps
    config = checked_config(robot=robot, task=task, algo=algo, steps=max(1, steps), hyperparameters=hyperparameters)
    limits = model.action_space
    header = Header(
        format=FORMAT,
        config=config,
        observation_size=env.task.observation_size,
        action_low=limits.low.tolist(),
        action_high=limits.high.tolist(),
    )
    controller = Controller(config, empty_policy(header), steps)
    _fill(controller.policy, model.policy, where)
    norm = next(m for m in controller.policy.modules() if isinstance(m, RunningNorm))  # which all parts share
    norm.mean.fill_(0.0)
    norm.var.fill_(1.0 - EPSILON)
    norm.count.fill_(FOREVER)
    if seen is not None:
        _copy_statistics(norm, seen.obs_rms, seen.epsilon)
    if wrapper is not None and wrapper.norm_reward and algo == "ppo":
        scale = RunningNorm(1)
        _copy_statistics(scale, wrapper.ret_rms, wrapper.epsilon)
        controller.training |= {f"return_norm.{k}": v for k, v in scale.state_dict().items()}
    if isinstance(getattr(model, "log_ent_coef", None), torch.Tensor):
        controller.training["log_ent_coef"] = model.log_ent_coef.detach().clone()
    controller.policy.set_training_mode(False)
    return controller


def _algorithm_of(file: Path, where: str) -> str:
    """Name of the algorithm, from the parts of the zip that are text; runs nothing."""
    if not file.is_file():
        raise SurefootError(f"no SB3 zip at {where}")
    try:
        with zipfile.ZipFile(file) as archive:
            data = parse_json(archive.read("data"))
            archive.getinfo("policy.pth")
            module = data["policy_class"]["__module__"]
    except (OSError, zipfile.BadZipFile, KeyError, TypeError, ValueError) as error:
        raise SurefootError(f"{where} is not an SB3 zip, or is cut short: {first_problem(error)}") from error
    if module == "stable_baselines3.common.policies" and "clip_range" in data:
        return "ppo"
    if module == "stable_baselines3.sac.policies":
        return "sac"
    raise SurefootError(f"{where} holds a policy of {module}: expected SB3's own PPO or SAC")


def _check_spaces(model: Any, env: BatchEnv, where: str) -> None:
    """Raise `SurefootError` where the zip's observations or actions are not those of `env`."""
    name = f"{env.robot.name} {env.task_name}"
    shape = model.observation_space.shape
    if shape != (env.task.observation_size,):
        raise SurefootError(
            f"{where} takes observations {shape}, {name} has ({env.task.observation_size},): the robot or task is another one"
        )
    ours, theirs = action_space(env), model.action_space
    if not isinstance(theirs, Box) or theirs.shape != ours.shape:
        raise SurefootError(f"{where} gives actions {theirs}, {name} takes {ours}: the robot or task is another one")
    if not (np.allclose(ours.low, theirs.low) and np.allclose(ours.high, theirs.high)):
        raise SurefootError(
            f"{where} has action limits {theirs.low} to {theirs.high}, {name} has {ours.low} to {ours.high}"
        )


def _network(model: Any, where: str) -> dict[str, Any]:
    """The hyperparameters that describe the network. Raises `SurefootError` for one that ours cannot be."""
    policy = model.policy
    parts = policy.net_arch.values() if isinstance(policy.net_arch, dict) else [policy.net_arch]
    widths = {tuple(part) for part in parts}
    if len(widths) != 1:
        raise SurefootError(f"{where} has different widths for actor and critic, {policy.net_arch}: expected the same")
    activations = {kind: name for name, kind in ACTIVATIONS.items()} | {nn.Tanh: "tanh"}
    if policy.activation_fn not in activations:
        raise SurefootError(
            f"{where} has the activation {policy.activation_fn.__name__}: expected one of {', '.join(ACTIVATIONS)}"
        )
    if getattr(model, "use_sde", False):
        raise SurefootError(f"{where} explores with gSDE (use_sde=True), which is not known here")
    found: dict[str, Any] = {"net": list(*widths), "activation": activations[policy.activation_fn]}
    return found | ({"mirror": False} if isinstance(model, stable_baselines3.PPO) else {})


def _fill(ours: BasePolicy, theirs: BasePolicy, where: str) -> None:
    """Copy the weights; statistics stay. Raises `SurefootError` for networks of another kind."""
    mine, found = ours.state_dict(), theirs.state_dict()
    wanted = {k: v.shape for k, v in mine.items() if ".norm." not in k}
    given = {k: v.shape for k, v in found.items()}
    if wanted != given:
        odd = sorted(k for k in wanted.keys() | given.keys() if wanted.get(k) != given.get(k))[0]
        raise SurefootError(f"the network in {where} is not a plain MLP: see {odd!r}")
    ours.load_state_dict(mine | found)


def _copy_statistics(norm: RunningNorm, found: Any, epsilon: float) -> None:
    """From SB3's `RunningMeanStd`, whose users add `epsilon` to the variance."""
    norm.load_state_dict(
        {
            "mean": torch.tensor(np.broadcast_to(found.mean, norm.mean.shape)),
            "var": torch.tensor(np.broadcast_to(found.var + epsilon - EPSILON, norm.var.shape)),
            "count": torch.tensor(float(found.count)),
        }
    )
