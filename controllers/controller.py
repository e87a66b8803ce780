"""A controller: policy, observation statistics and the configuration that it was trained with, in one safe file.

The file is safetensors: weights as plain arrays, everything else as JSON in the header. Reading it runs no code.
"""

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import BasePolicy

from ..envs.batch_env import BatchEnv
from ..envs.options import checked_options
from ..envs.samplers import Sampler
from ..robots import SurefootError
from ..robots.files import replacing
from .adapted import Adapted
from .config import PlannerConfig, TrainConfig, first_problem
from .identifier import Identifier
from .normalization import RunningNorm
from .policies import FORMAT, Header, as_trained, empty_policy
from .policy import Policy
from .presets import settings_for
from .settings import Settings
from .shipped import Card
from .worlds import worlds_of

# Parts of a policy that only learning needs, which shipped files leave out.
CRITICS = ("critic", "actor_target", "q_net_target", "quantile_net_target")


class Controller:
    """Algorithm, networks, observation statistics, and the configuration and robot that it was trained on."""

    def __init__(self, config: TrainConfig, policy: BasePolicy, timesteps: int = 0):
        self.config, self.policy, self.timesteps = config, policy, timesteps
        self.seconds = 0.0  # wall-clock of its training so far
        # What training needs to continue where it stopped: optimiser state and the return scale.
        self.training: dict[str, torch.Tensor] = {}
        self.learning_rate: float | None = None
        self.memory: tuple[np.ndarray, ...] | None = None  # of a recurrent policy, since the last `reset`
        self.card: Card | None = None  # of a shipped controller
        self.adapted: Adapted | None = None  # how it was adapted, where it was
        # How it plans when it drives a robot; training and fine-tuning go on with the policy alone.
        self.plan: PlannerConfig | None = None
        # Parameters among its inputs that it is told wherever it acts, by name; in simulation the others are the true ones.
        self.told: dict[str, float] = {}
        # How uncertain that is: standard deviations, where they are known.
        self.told_std: dict[str, float] = {}
        self.identifier: Identifier | None = None  # which infers them from its motion

    @property
    def settings(self) -> Settings:
        return settings_for(self.config.robot, self.config.task, self.config.algo, self.config.hyperparameters)

    def act(self, observation: np.ndarray, deterministic: bool = True) -> np.ndarray:
        """Actions (N, nu) for observations (N, O), within the action limits; (N,) where the environment's are discrete.

        A recurrent controller remembers its earlier calls, world by world: call `reset` where an episode begins.
        """
        actions, self.memory = self.policy.predict(observation, self.memory, deterministic=deterministic)
        grid = getattr(self.policy, "grid", None)
        return actions if grid is None else grid.numpy()[actions]

    def reset(self, ids: np.ndarray | None = None) -> None:
        """Forget what was seen, or what was seen in the worlds `ids`; nothing to forget unless the policy is recurrent."""
        if ids is None:
            self.memory = None
        for part in self.memory or ():
            part[:, ids] = 0.0

    def check(self, env: BatchEnv) -> None:
        """Raise `SurefootError` where observations or actions of `env` are of another size than in training."""
        seen, limits = self.policy.observation_space.shape, self.policy.action_space
        ours = int(np.prod(seen or ())), limits.shape[0] if isinstance(limits, Box) else env.num_actions
        theirs = env.observation.shape[1], env.num_actions
        if ours != theirs:
            raise SurefootError(
                f"the controller does not fit {env.robot.name} {env.task_name}: it was trained with {ours[0]} numbers of "
                f"observation and {ours[1]} of action, the environment has {theirs[0]} and {theirs[1]} "
                f"({self._difference(env)})"
            )

    def _difference(self, env: BatchEnv) -> str:
        """The first part of the observation that is not as in training, in words."""
        own = worlds_of(self.config, 1)
        mine, theirs = ({**e.task.observation_layout, **e.inputs.layout} for e in (own, env))
        if own.history != env.history:
            return f"a history of {own.history} control steps against {env.history}"
        for name in {**mine, **theirs}:
            if mine.get(name, 0) != theirs.get(name, 0):
                return f"{name!r} has {mine.get(name, 0)} numbers against {theirs.get(name, 0)}"
        return "the motors differ"

    def value(self, observation: np.ndarray) -> np.ndarray:
        """What the policy expects to earn from observations (N, O): discounted rewards (N,), in the task's units.

        Raises `SurefootError` for an algorithm that learns none, or one of all that was seen.
        """
        policy: Any = self.policy
        with torch.no_grad():
            seen, _ = policy.obs_to_tensor(observation)
            if isinstance(policy, Policy) and not policy.initial_memory(1).numel():
                # PPO and its kin learn from rewards that are divided by the standard deviation of returns.
                variance = self.training.get("return_norm.var", torch.ones(1) - 1e-8)
                value = policy.predict_values(seen) * torch.sqrt(variance + 1e-8)
            elif self.card is None and hasattr(policy, "actor") and hasattr(policy, "critic"):
                qs = policy.critic(seen, policy._predict(seen, deterministic=True))
                value = torch.cat(qs, dim=1).amin(1) if isinstance(qs, tuple) else qs.flatten(1).mean(1)
                value = value / getattr(self.settings, "reward_scale", 1.0)
            else:
                shipped = "shipped " if self.card else ""
                raise SurefootError(
                    "planning needs a value function of single observations: "
                    f"{shipped}controllers of {self.config.algo!r} have none"
                )
        return value.flatten().numpy().astype(float)

    @classmethod
    def from_algorithm(cls, config: TrainConfig, model: Any) -> "Controller":
        """What `model`, an SB3 algorithm, knows now."""
        controller = cls(config, model.policy, model.num_timesteps)
        for name, optimizer in optimizers(model).items():
            for index, state in optimizer.state_dict()["state"].items():
                for key, value in state.items():
                    controller.training[f"{name}.{index}.{key}"] = torch.as_tensor(value)
        if isinstance(getattr(model, "log_ent_coef", None), torch.Tensor):  # the temperature is not in the policy
            controller.training["log_ent_coef"] = model.log_ent_coef.detach().clone()
        if hasattr(model, "return_norm"):
            for key, value in model.return_norm.state_dict().items():
                controller.training[f"return_norm.{key}"] = value
            controller.learning_rate = getattr(model, "_rate", None)
        for key, array in (sampler.state() if (sampler := _sampler_of(model)) is not None else {}).items():
            controller.training[f"sampler.{key}"] = torch.as_tensor(array)
        return controller

    def give_to(self, model: Any, *, optimizer: bool = True) -> None:
        """Put weights and statistics, and with `optimizer` its state and the step count, into an SB3 `model`."""
        model.policy.load_state_dict(self.policy.state_dict())
        self.give_statistics(model)
        if not optimizer:
            return
        model.num_timesteps = self.timesteps
        known = {k.removeprefix("sampler."): v.numpy() for k, v in self.training.items() if k.startswith("sampler.")}
        if known and (sampler := _sampler_of(model)) is not None:
            sampler.restore(known)
        if self.learning_rate is not None:
            model._rate = self.learning_rate
        if "log_ent_coef" in self.training:
            with torch.no_grad():
                model.log_ent_coef.copy_(self.training["log_ent_coef"])
        for name, opt in optimizers(model).items():
            state: dict[int, dict[str, torch.Tensor]] = {}
            for key, value in self.training.items():
                if key.startswith(name + "."):
                    index, field = key.removeprefix(name + ".").split(".", 1)
                    state.setdefault(int(index), {})[field] = value.clone()
            if state:
                opt.load_state_dict({"state": state, "param_groups": opt.state_dict()["param_groups"]})

    def give_statistics(self, model: BaseAlgorithm) -> None:
        """Put the scale of returns into `model`, so that its value function fits its rewards."""
        if hasattr(model, "return_norm") and "return_norm.mean" in self.training:
            model.return_norm.load_state_dict(
                {k.removeprefix("return_norm."): v for k, v in self.training.items() if k.startswith("return_norm.")}
            )

    def _header(self) -> Header:
        seen, done = self.policy.observation_space, self.policy.action_space
        grid = getattr(self.policy, "grid", None)
        limits: list[list[float]] = [[], []]
        if isinstance(done, Box):
            limits = [done.low.tolist(), done.high.tolist()]
        elif grid is not None:
            limits = [grid.amin(0).tolist(), grid.amax(0).tolist()]
        shape = seen.shape or ()
        return Header(
            format=FORMAT,
            config=self.config,
            settings=dataclasses.asdict(self.settings),
            observation_size=math.prod(shape),
            image=shape if len(shape) == 3 else None,
            states=int(seen.n) if isinstance(seen, Discrete) else None,
            action_low=limits[0],
            action_high=limits[1],
            actions=int(done.n) if isinstance(done, Discrete) else None,
            timesteps=self.timesteps,
            seconds=self.seconds,
            learning_rate=self.learning_rate,
            plan=self.plan,
            told=self.told,
            told_std=self.told_std,
            identifies=self.identifier.names if self.identifier else (),
            adapted=self.adapted,
        )

    def save(self, path: str | Path, *, card: Card | None = None) -> None:
        """Write one file, or nothing: a full disk or diverged weights raise `SurefootError` and leave what was there.

        With a `card`, to be shipped: without what only learning needs, which is optimisers and the critics of off-policy
        algorithms. Fine-tuning goes on from such a file, but only by PPO and its kin.
        """
        header = self._header().model_copy(update={"card": card})
        weights, training = self.policy.state_dict(), self.training
        if card is not None:
            weights = {k: v for k, v in weights.items() if not k.startswith(CRITICS)}
            adapting = "return_norm.", "inner_rate."  # what finetune and maml go on with
            training = {k: v for k, v in training.items() if k.startswith(adapting)}
        tensors = {f"policy.{k}": v for k, v in weights.items()}
        tensors |= {f"training.{k}": v for k, v in training.items()}
        if self.identifier:
            tensors |= {f"identifier.{k}": v for k, v in self.identifier.state_dict().items()}
        # Clones, because the shared statistics appear under several names.
        tensors = {k: v.detach().clone().contiguous() for k, v in tensors.items()}
        if wrong := _senseless(tensors):
            raise SurefootError(
                f"{str(path)!r} is not written, because the learning has diverged: {wrong}. Try a smaller learning_rate, "
                "and smaller weights of losses and rewards"
            )
        with replacing(path) as temporary:  # not safetensors' save_file, whose files only their owner can read
            temporary.write_bytes(save(tensors, metadata={"surefoot": header.model_dump_json()}))

    @classmethod
    def load(cls, path: str | Path) -> "Controller":
        """Read a controller file, or the newest controller of a run folder.

        Raises `SurefootError` for a missing, truncated or foreign file, or a run folder without a checkpoint.
        """
        file = controller_file(path)
        if file.suffix in (".onnx", ".pt"):
            raise SurefootError(
                f"{str(path)!r} is an exported file, which only acts: this needs a run folder or a controller (*.safetensors)"
            )
        try:
            with safe_open(str(file), framework="pt") as opened:
                text = (opened.metadata() or {}).get("surefoot")
                if text is None:
                    raise SurefootError(f"{str(file)!r} is not a Surefoot controller: it has no 'surefoot' header")
                header = Header.model_validate_json(text)
                tensors = {k: opened.get_tensor(k) for k in opened.keys()}  # noqa: SIM118 - not a dict
        except (SafetensorError, OSError, ValidationError) as error:
            reason = first_problem(error)
            raise SurefootError(
                f"{str(file)!r} is not a readable controller (truncated or damaged?): {reason}"
            ) from error
        if header.format != FORMAT:
            raise SurefootError(f"{str(file)!r} has format {header.format}; this version reads format {FORMAT}")
        if wrong := _senseless(tensors):
            raise SurefootError(f"{str(file)!r} contains {wrong}")
        try:
            checked_options(header.config.task, header.config.options)
            header = header.model_copy(update={"config": as_trained(header)})
            policy = empty_policy(header)
        except (TypeError, ValueError, AttributeError, AssertionError, ArithmeticError, MemoryError) as error:
            raise SurefootError(
                f"{str(file)!r} describes no policy: {first_problem(error) or type(error).__name__}"
            ) from error
        controller = cls(header.config, policy, header.timesteps)
        controller.seconds, controller.learning_rate, controller.plan = (
            header.seconds,
            header.learning_rate,
            header.plan,
        )
        controller.told, controller.told_std = header.told, header.told_std
        weights = {k.removeprefix("policy."): v for k, v in tensors.items() if k.startswith("policy.")}
        controller.card, controller.adapted = header.card, header.adapted
        try:
            kinds = {k: v.dtype for k, v in policy.state_dict().items()}
            if odd := next((k for k, v in weights.items() if kinds.get(k, v.dtype) != v.dtype), None):
                raise RuntimeError(f"{odd} is of {weights[odd].dtype}, expected {kinds[odd]}")
            keys = controller.policy.load_state_dict(weights, strict=False)
            missing = [k for k in keys.missing_keys if header.card is None or not k.startswith(CRITICS)]
            if missing or keys.unexpected_keys:
                raise RuntimeError(f"missing {missing[:3]}, unexpected {keys.unexpected_keys[:3]}")
            controller.training = {
                k.removeprefix("training."): v for k, v in tensors.items() if k.startswith("training.")
            }
            controller._check_training()
        except RuntimeError as error:
            raise SurefootError(
                f"{str(file)!r}: weights do not fit its configuration: {first_problem(error)}"
            ) from error
        if header.identifies:
            controller.identifier = _identifier(header.identifies, tensors, file)
        controller.policy.set_training_mode(False)
        return controller

    def _check_training(self) -> None:
        """Raise `RuntimeError` where what training and adapting go on from is not of the sizes of this policy's weights."""
        shapes = {f"return_norm.{k}": v.shape for k, v in RunningNorm(1).state_dict().items()}
        shapes |= {f"inner_rate.policy.{k}": p.shape for k, p in self.policy.named_parameters() if "value_net" not in k}
        for kind in ("return_norm.", "inner_rate."):
            lacks = [k for k in shapes if k.startswith(kind) and k not in self.training]
            if lacks and any(k.startswith(kind) for k in self.training):
                raise RuntimeError(f"missing training.{lacks[0]}")
        for name, opt in optimizers(self).items():
            parameters = [p for group in opt.param_groups for p in group["params"]]
            shapes |= {f"{name}.{i}": p.shape for i, p in enumerate(parameters)}
        for key, value in self.training.items():
            of_weight = key not in shapes and value.dim() > 0  # of an optimiser; its counts of steps are single numbers
            expected = shapes.get(key.rpartition(".")[0] if of_weight else key)
            if expected is not None and value.shape != expected:
                raise RuntimeError(f"training.{key} has shape {tuple(value.shape)}, expected {tuple(expected)}")

    def copy(self) -> "Controller":
        """An independent controller with the same weights."""
        twin = Controller(self.config, empty_policy(self._header()), self.timesteps)
        twin.policy.load_state_dict(self.policy.state_dict())
        twin.policy.set_training_mode(False)
        twin.training = {k: v.clone() for k, v in self.training.items()}
        twin.seconds, twin.learning_rate, twin.plan = self.seconds, self.learning_rate, self.plan
        twin.told, twin.told_std = dict(self.told), dict(self.told_std)
        twin.identifier, twin.adapted = self.identifier, self.adapted  # nothing changes them
        return twin


def _sampler_of(model: Any) -> Sampler | None:
    """What draws the robots that an SB3 algorithm trains on, where that learns."""
    return getattr(getattr(getattr(model, "env", None), "core", None), "sampler", None)


def optimizers(model: Any) -> dict[str, torch.optim.Optimizer]:
    """The optimisers of an SB3 algorithm, or of a controller, by a stable name."""
    policy = model.policy
    found = {"optimizer": getattr(policy, "optimizer", None)}
    for part in ("actor", "critic"):
        found[f"{part}_optimizer"] = getattr(getattr(policy, part, None), "optimizer", None)
    found["ent_coef_optimizer"] = getattr(model, "ent_coef_optimizer", None)
    return {k: v for k, v in found.items() if v is not None}


def _senseless(tensors: dict[str, torch.Tensor]) -> str:
    """What is wrong with the first tensor that no learning leaves behind, in words; "" where there is none."""
    for name, value in tensors.items():
        if not torch.isfinite(value.double()).all():
            return f"NaN or infinity in {name!r}"
        if name.endswith("norm.var") and (value.double() < 0).any():
            return f"a negative variance in {name!r}"
    return ""


def _identifier(names: tuple[str, ...], tensors: dict[str, torch.Tensor], file: Path) -> Identifier:
    state = {k.removeprefix("identifier."): v for k, v in tensors.items() if k.startswith("identifier.")}
    try:
        size = len(state["norm.mean"])
        rows, columns = state["directions"].shape
        identifier = Identifier(size, names, rows - size, columns)
        identifier.load_state_dict(state)
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise SurefootError(
            f"{str(file)!r}: the identifier's weights do not fit its parameters: {first_problem(error)}"
        ) from error
    return identifier.eval()


def controller_file(path: str | Path) -> Path:
    """The file itself, or the controller in a run folder that has seen most: the final one or the last checkpoint."""
    path = Path(path)
    if path.is_file():
        return path
    if not path.is_dir():
        raise SurefootError(f"no run folder or controller file at {str(path)!r}")
    final = path / "controller.safetensors"
    checkpoints = sorted((path / "checkpoints").glob("step_*.safetensors"))
    if final.is_file():  # a resumed run that was interrupted has later checkpoints
        return checkpoints[-1] if checkpoints and checkpoints[-1].stem > f"step_{_timesteps(final):012d}" else final
    if not checkpoints:
        raise SurefootError(
            f"run folder {str(path)!r} has no checkpoint: expected controller.safetensors or checkpoints/*.safetensors"
        )
    return checkpoints[-1]


def _timesteps(file: Path) -> int:
    """Step count in a controller file's header; a number above all others where it cannot be read (`load` says why)."""
    try:
        with safe_open(str(file), framework="pt") as opened:
            return Header.model_validate_json((opened.metadata() or {})["surefoot"]).timesteps
    except (SafetensorError, OSError, ValidationError, KeyError):
        return 10**12 - 1
