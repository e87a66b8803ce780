"""A controller as one file that needs no Surefoot: normaliser, network and action limits as ONNX or TorchScript.

Both are traces of the network, and each is compared with the controller before it is written. What a robot's software has to
know beside it (joint order, home pose, action scale, observation layout …) is `metadata.Metadata`: in ONNX one metadata
property a field, as JSON; in TorchScript the extra file `surefoot.json`.
"""

import dataclasses
import io
import json
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from gymnasium.spaces import Box
from stable_baselines3.common.policies import BasePolicy
from torch import nn
from torch.distributions import normal

from ..envs.batch_env import BatchEnv
from ..robots import SurefootError
from ..robots.files import replacing
from .controller import Controller
from .metadata import Metadata, describe
from .onnx_controller import open_session
from .training import make_env

OPSET = 17  # of ONNX: old enough for the runtimes on robots
TOLERANCE = 1e-5  # between the actions of an exported file and the controller's
JSON_FILE = "surefoot.json"

Inputs = tuple[np.ndarray, ...]  # observations (N, O) and, of recurrent controllers, memory (rows, N, width)
Runner = Callable[[Inputs], list[np.ndarray]]  # to actions (N, nu) and memory


class Deployed(nn.Module):
    """Observations (N, O) to deterministic actions (N, nu) within the limits: what `Controller.act` does, in torch.

    A recurrent policy also takes its memory (rows, N, width) and returns it as it is afterwards.
    """

    low: torch.Tensor
    high: torch.Tensor

    def __init__(self, policy: BasePolicy):
        super().__init__()
        self.policy, self.squashed = policy, policy.squash_output
        if isinstance(policy.action_space, Box):
            self.register_buffer("low", torch.as_tensor(policy.action_space.low))
            self.register_buffer("high", torch.as_tensor(policy.action_space.high))

    def forward(
        self, observation: torch.Tensor, memory: torch.Tensor | None = None
    ) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        policy: Any = self.policy
        if memory is None:
            return self.limited(policy._predict(observation, deterministic=True))
        latent, memory = policy.remember(policy.features_extractor(observation), memory)
        return self.limited(policy.distribution(policy.means(latent)).mode()), memory

    def limited(self, action: torch.Tensor) -> torch.Tensor:
        """From the policy's own scale, or the number of a row of its grid, to the robot's."""
        grid = getattr(self.policy, "grid", None)
        if grid is not None:
            return grid[action]
        if self.squashed:  # into [-1, 1]
            action = self.low + 0.5 * (action + 1.0) * (self.high - self.low)
        return torch.minimum(torch.maximum(action, self.low), self.high)


def export(
    controller: Controller, *, onnx: str | Path | None = None, torchscript: str | Path | None = None
) -> Metadata:
    """Write the controller as ONNX, as TorchScript or as both, and return what is written beside the network.

    Input `observation` (N, O) float32, output `action` (N, nu) float32, any N; a recurrent controller besides takes
    `memory` (rows, N, width), zeros when an episode begins, and gives `memory_out`. Raises `SurefootError` where a package is
    missing, the algorithm cannot be exported or the disk refuses; no file is half-written.
    """
    for path, suffix in ((onnx, ".onnx"), (torchscript, ".pt")):
        if path is not None and Path(path).suffix != suffix:
            raise SurefootError(f"cannot write {str(path)!r}: expected a name that ends in {suffix}")
    if onnx is None and torchscript is None:
        raise SurefootError("export writes nothing: give an ONNX file (*.onnx), a TorchScript file (*.pt) or both")
    env = make_env(controller.config, 8, seed=0)
    controller.check(env)
    begin = getattr(controller.policy, "initial_memory", lambda worlds: torch.zeros(0))
    memory = begin(8).numpy()
    # All of them, so that the file means the same when a preset has changed.
    config = controller.config.model_copy(update={"hyperparameters": dataclasses.asdict(controller.settings)})
    metadata = describe(config, env, memory.shape[::2] if memory.size else ())
    inputs = (_observations(env), *([memory] if memory.size else []))
    controller.policy.set_training_mode(False)
    network = Deployed(controller.policy).eval()
    contents: dict[Path, bytes] = {}
    if onnx is not None:
        contents[Path(onnx)] = _onnx(network, metadata, inputs, controller)
    if torchscript is not None:
        contents[Path(torchscript)] = _torchscript(network, metadata, inputs, controller)
    for path, content in contents.items():
        with replacing(path) as temporary:
            temporary.write_bytes(content)
    return metadata


def _observations(env: BatchEnv) -> np.ndarray:
    """What the worlds show after some random steps, (N, O) float32: something to trace and to compare with."""
    env.reset()
    for _ in range(10):
        env.step(env.rng.uniform(env.task.action_low, env.task.action_high, (env.num_envs, env.num_actions)))
    return env.observation.astype(np.float32)


def _few(inputs: Inputs, worlds: int) -> Inputs:
    """The first `worlds` of observations (N, O) and memory (rows, N, width)."""
    return (inputs[0][:worlds], *(memory[:, :worlds] for memory in inputs[1:]))


def _traced(network: Deployed, inputs: Inputs, controller: Controller) -> torch.jit.ScriptModule:
    with _converting(controller, "TorchScript"):
        traced = torch.jit.trace(network, _example(inputs), check_trace=False)
        return torch.jit.freeze(traced)  # without what acting does not need, such as critics


def _torchscript(network: Deployed, metadata: Metadata, inputs: Inputs, controller: Controller) -> bytes:
    """The network's trace as a TorchScript file."""
    traced = _traced(network, inputs, controller)

    def run(some: Inputs) -> list[np.ndarray]:
        with torch.no_grad():
            made = traced(*map(torch.as_tensor, some))
        return [part.numpy() for part in (made if isinstance(made, tuple) else (made,))]

    _compare("TorchScript", run, controller, inputs)
    buffer = io.BytesIO()
    with _quiet():
        torch.jit.save(traced, buffer, _extra_files={JSON_FILE: metadata.model_dump_json(indent=2)})
    return buffer.getvalue()


def _onnx(network: Deployed, metadata: Metadata, inputs: Inputs, controller: Controller) -> bytes:
    """The network as an ONNX file, with metadata.

    By torch's older exporter: the newer one, of `torch.export`, fixes the batch size where it meets `Tensor.chunk`
    (torch 2.13), takes seconds and cannot take what SB3's distributions check. It is given the frozen trace, or where that does
    not do (attention: a trace forgets how many dimensions tensors have) the network itself (which would fix the batch size
    in a GRU's first state).
    """
    for package in ("onnx", "onnxruntime"):
        if find_spec(package) is None:
            raise SurefootError(f"exporting to ONNX needs the package {package}: pip install surefoot[export]")
    try:
        return _onnx_of(_traced(network, inputs, controller), metadata, inputs, controller)
    except SurefootError:
        return _onnx_of(network, metadata, inputs, controller)


def _onnx_of(source: nn.Module, metadata: Metadata, inputs: Inputs, controller: Controller) -> bytes:
    import onnx
    from onnx import helper

    buffer = io.BytesIO()
    given, made = ["observation", "memory"][: len(inputs)], ["action", "memory_out"][: len(inputs)]
    with _converting(controller, "ONNX"):
        torch.onnx.export(
            source,
            _example(inputs),
            buffer,  # type: ignore[arg-type]  # which the older exporter takes
            dynamo=False,
            opset_version=OPSET,
            input_names=given,
            output_names=made,
            dynamic_axes={name: {int("memory" in name): "batch"} for name in (*given, *made)},
        )
    model = onnx.load_model_from_string(buffer.getvalue())
    model.doc_string = f"Surefoot controller of {metadata.robot} {metadata.task}; action: {metadata.action_meaning}"
    helper.set_model_props(model, {k: json.dumps(v) for k, v in metadata.model_dump(mode="json").items()})
    onnx.checker.check_model(model)
    content = model.SerializeToString()
    session = open_session(content)
    _compare("ONNX", lambda some: session.run(None, dict(zip(given, some, strict=True))), controller, inputs)
    return content


def _example(inputs: Inputs) -> tuple[torch.Tensor, ...]:
    """What to trace with: three worlds, so that neither one nor an even number gets baked in."""
    return tuple(torch.as_tensor(array) for array in _few(inputs, 3))


@contextmanager
def _converting(controller: Controller, kind: str) -> Iterator[None]:
    """One line for whatever torch cannot convert, and nothing else printed."""
    try:
        with _quiet(), torch.no_grad():
            yield
    except (RuntimeError, TypeError, ValueError, AttributeError) as error:
        raise SurefootError(
            f"controllers of {controller.config.algo!r} cannot be exported to {kind}: {_first_line(error)}"
        ) from error


def _first_line(error: Exception) -> str:
    """Of torch's and onnxruntime's long messages."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:200] if lines else type(error).__name__


def _compare(kind: str, run: Runner, controller: Controller, inputs: Inputs) -> None:
    """Raise `SurefootError` where the file would act otherwise than the controller, for other numbers of worlds too."""
    grid = getattr(controller.policy, "grid", None)
    for n in (1, 2, 8):
        state, some = None, _few(inputs, n)
        for _ in range(3):  # in a row, for what has a memory
            wanted, state = controller.policy.predict(some[0], state, deterministic=True)
            wanted = wanted if grid is None else grid.numpy()[wanted]
            try:
                made, *memory = run(some)
            except Exception as error:  # onnxruntime's own classes share no other base
                raise SurefootError(
                    f"controllers of {controller.config.algo!r} cannot be exported to {kind}: for {n} observations the file "
                    f"fails: {_first_line(error)}"
                ) from error
            some = (some[0], *memory)
            apart = np.abs(made - wanted).max() if made.shape == wanted.shape else np.inf
            if not apart <= TOLERANCE:
                raise SurefootError(
                    f"controllers of {controller.config.algo!r} cannot be exported to {kind}: for {n} observations the "
                    f"file's actions differ by {apart:.2g}"
                )


@contextmanager
def _quiet() -> Iterator[None]:
    """Without torch's notes: tracing and its older exporter are to be replaced; what a trace fixes, `_compare` sees."""
    c, distributions = cast(Any, torch._C), cast(Any, normal)
    log, broadcast = c._jit_onnx_log, distributions.broadcast_all
    c._jit_onnx_log = lambda *_: None  # prints the whole graph where the older exporter fails (torch 2.13)
    # An expansion to a size that the older exporter may fix; what SB3 gives has equal shapes anyway.
    distributions.broadcast_all = lambda *same: same
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        c._jit_onnx_log, distributions.broadcast_all = log, broadcast
