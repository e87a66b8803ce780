"""An exported ONNX file as a controller: it acts, by onnxruntime, in `evaluate`, `record` and `replay`."""

from pathlib import Path
from typing import Any

import numpy as np

from ..envs.batch_env import BatchEnv
from ..robots import SurefootError
from ..robots.files import parse_json
from .config import TrainConfig, first_problem
from .metadata import Metadata, describe, parse_metadata
from .presets import settings_for
from .settings import Settings


class OnnxController:
    """Acts like the controller that was exported; cannot explore, adapt or go on training."""

    def __init__(self, session: Any, metadata: Metadata, where: str):
        """`session` is an `onnxruntime.InferenceSession`; `where` names the file in errors."""
        self.session, self.metadata, self.where = session, metadata, where
        self.size = sum(metadata.observation_sizes) * metadata.observation_history
        self.told: dict[str, float] = {}  # parameters that it is told instead of the true ones
        self.told_std: dict[str, float] = {}
        self.memory: np.ndarray | None = None  # (rows, N, width) of a recurrent network, since the last `reset`

    @classmethod
    def load(cls, path: str | Path) -> "OnnxController":
        """Read a file that `surefoot export --onnx` wrote.

        Raises `SurefootError` for a missing, truncated or foreign file, or one whose network does not fit its metadata.
        """
        where = repr(str(path))
        try:
            content = Path(path).read_bytes()
        except OSError as error:
            raise SurefootError(f"cannot read {where}: {error.strerror or error}") from error
        try:
            session = open_session(content)
            properties = session.get_modelmeta().custom_metadata_map
        except SurefootError:
            raise
        except Exception as error:  # onnxruntime's own classes, which share no other base
            raise SurefootError(
                f"{where} is not a readable ONNX file (truncated or damaged?): {first_problem(error)}"
            ) from error
        try:
            fields = {k: parse_json(v) for k, v in properties.items() if k in Metadata.model_fields}
        except ValueError as error:
            raise SurefootError(f"{where}: metadata that make no sense: {first_problem(error)}") from error
        controller = cls(session, parse_metadata(fields, where), where)
        controller._try()
        return controller

    @property
    def config(self) -> TrainConfig:
        """The configuration that the exported controller was trained with."""
        return self.metadata.config

    @property
    def settings(self) -> Settings:
        """The hyperparameters of that training."""
        return settings_for(self.config.robot, self.config.task, self.config.algo, self.config.hyperparameters)

    def act(self, observation: np.ndarray, deterministic: bool = True) -> np.ndarray:
        """Actions (N, nu) float32 for observations (N, O), within the action limits.

        A recurrent network remembers its earlier calls, world by world: call `reset` where an episode begins. Raises
        `SurefootError` for observations of another size or number, and where exploration is asked for.
        """
        if not deterministic:
            raise SurefootError(f"{self.where} holds no exploration: only deterministic actions")
        if observation.shape[-1] != self.size:
            raise SurefootError(f"{self.where} takes observations of {self.size} numbers, not {observation.shape[-1]}")
        inputs = {"observation": np.ascontiguousarray(observation, np.float32).reshape(-1, self.size)}
        if self.metadata.memory_shape:
            worlds, (rows, width) = len(inputs["observation"]), self.metadata.memory_shape
            inputs["memory"] = np.zeros((rows, worlds, width), np.float32) if self.memory is None else self.memory
            if inputs["memory"].shape[1] != worlds:
                raise SurefootError(
                    f"{worlds} observations, but a memory of {inputs['memory'].shape[1]} worlds: expected as many, or a "
                    "reset before"
                )
        actions, *memory = self.session.run(None, inputs)
        self.memory = memory[0] if memory else None
        return np.asarray(actions).reshape(*observation.shape[:-1], -1)

    def reset(self, ids: np.ndarray | None = None) -> None:
        """Forget what was seen, or what was seen in the worlds `ids`; nothing to forget unless the network is recurrent."""
        if ids is None:
            self.memory = None
        elif self.memory is not None:
            self.memory[:, ids] = 0.0

    def check(self, env: BatchEnv) -> None:
        """Raise `SurefootError`, naming the first difference, where observations or actions of `env` are laid out otherwise."""
        ours, theirs = self.metadata, describe(self.config, env)
        difference = _difference("observation part", _parts(ours), _parts(theirs)) or _difference(
            "action", ours.action_names, theirs.action_names
        )
        for name in (
            "observation_history",
            "control_period",
            "action_low",
            "action_high",
            "action_scale",
            "default_pose",
        ):
            a, b = getattr(ours, name), getattr(theirs, name)
            if not difference and not np.allclose(a, b, rtol=1e-5, atol=1e-8):
                difference = f"{name} is {a} in the file, {b} in the environment"
        if difference:
            raise SurefootError(f"{self.where} does not fit {env.robot.name} {env.task_name}: {difference}")

    def _try(self) -> None:
        """Do the network's inputs, and what it makes of zeros, fit what the metadata say?"""
        wanted = {"observation": [self.size]}
        if self.metadata.memory_shape:
            wanted["memory"] = list(self.metadata.memory_shape)
        # But for the number of worlds, which has a name instead of a size.
        found = {i.name: [size for size in i.shape if isinstance(size, int)] for i in self.session.get_inputs()}
        problem = "" if found == wanted else f"it takes {found}, they say {wanted}"
        if not problem:
            try:
                made = self.act(np.zeros((1, self.size), np.float32))
            except Exception as error:  # as in `load`
                problem = first_problem(error)
            else:
                actions = len(self.metadata.action_low)
                if made.shape != (1, actions) or not np.isfinite(made).all():
                    problem = f"it gives {made[0].tolist()}, they say {actions} finite numbers"
        if problem:
            raise SurefootError(f"{self.where}: the network does not fit its metadata: {problem}")
        self.reset()


def open_session(content: bytes) -> Any:
    """An `onnxruntime.InferenceSession` of an ONNX file's content, on one thread: MuJoCo's pool has the others."""
    try:
        import onnxruntime
    except ImportError:
        raise SurefootError("ONNX files need the package onnxruntime: pip install surefoot[export]") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # only what is fatal: errors come back as exceptions
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _parts(metadata: Metadata) -> list[str]:
    """Observation parts as text, e.g. "command (3)"."""
    return [f"{n} ({k})" for n, k in zip(metadata.observation_names, metadata.observation_sizes, strict=True)]


def _difference(kind: str, ours: list[str] | tuple[str, ...], theirs: list[str] | tuple[str, ...]) -> str:
    """The first element in which file and environment differ, or ""."""
    for i in range(max(len(ours), len(theirs))):
        a, b = (names[i] if i < len(names) else "missing" for names in (ours, theirs))
        if a != b:
            return f"{kind} {i + 1} is {a} in the file, {b} in the environment"
    return ""
