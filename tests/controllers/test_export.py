"""Exported files: the same actions as the controller's, complete metadata, one clear line for what does not fit."""

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import helper, numpy_helper

import surefoot
from surefoot import api
from surefoot.controllers.algorithms import ALGORITHMS
from surefoot.controllers.controller import Controller
from surefoot.controllers.export import JSON_FILE, export
from surefoot.controllers.metadata import PER_JOINT, Metadata
from surefoot.controllers.onnx_controller import OnnxController
from surefoot.controllers.training import train
from surefoot.envs.batch_env import BatchEnv
from surefoot.robots import SurefootError
from surefoot.robots.quadruped import HOME_JOINTS

PPO = {"num_envs": 16, "batch_size": 128, "net": (16, 16)}
SAC = {
    "num_envs": 4,
    "batch_size": 32,
    "net": (16, 16),
    "learning_starts": 40,
    "gradient_steps": 1,
    "buffer_size": 2000,
}
CASES: dict[str, tuple[str, str, str, int, dict[str, Any]]] = {
    "ppo": ("quadruped", "velocity", "ppo", 400, PPO | {"mirror": False}),
    "ppo-mirror": ("quadruped", "velocity", "ppo", 400, PPO | {"mirror": True}),
    "ppo-unclipped": ("half_cheetah", "run", "ppo", 256, PPO | {"n_steps": 16, "clip_obs": None}),
    # What only the second way of `export._onnx` converts.
    "ppo-attention": ("half_cheetah", "run", "ppo", 256, PPO | {"n_steps": 16, "network": "transformer", "history": 4}),
    "sac": ("humanoid", "run", "sac", 100, SAC),  # limits are ±.4, so the rescaling counts
    "crossq": ("humanoid", "run", "crossq", 100, SAC),
    "td3": ("humanoid", "run", "td3", 100, SAC),
    "ars": ("half_cheetah", "run", "ars", 100, {"num_envs": 8, "n_delta": 2, "n_top": 1}),
    "dqn": ("cartpole", "balance", "dqn", 400, SAC | {"bins": 5}),
}
# The layer that gives the actions, and a gain: hardly trained, most actions are nearly 0.
LAST = {"ppo": ("action_net", 50.0), "sac": ("actor.mu", 3.0), "crossq": ("actor.mu", 3.0), "td3": ("actor.mu.4", 3.0)}


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Controller, Path]]:
    """A controller by the name of its case, and a folder with its a.onnx and a.pt."""
    made: dict[str, tuple[Controller, Path]] = {}

    def get(case: str) -> tuple[Controller, Path]:
        if case not in made:
            robot, task, algo, steps, hyperparameters = CASES[case]
            controller = train(robot, task, algo=algo, steps=steps, hyperparameters=hyperparameters, progress=False)
            if algo in LAST:
                name, gain = LAST[algo]
                with torch.no_grad():
                    controller.policy.get_submodule(name).weight.mul_(gain)
            folder = tmp_path_factory.mktemp(case)
            export(controller, onnx=folder / "a.onnx", torchscript=folder / "a.pt")
            made[case] = controller, folder
        return made[case]

    return get


@pytest.mark.parametrize("case", CASES)
def test_same_actions_over_an_episode(case: str, exported: Callable[[str], tuple[Controller, Path]]) -> None:
    controller, folder = exported(case)
    driver = OnnxController.load(folder / "a.onnx")
    env = BatchEnv(controller.config.robot, controller.config.task, 2, seed=1, history=controller.settings.history)
    driver.check(env)
    observation, seen, made = env.reset(), [], []
    for _ in range(env.episode_steps):  # the file drives
        seen.append(observation.copy())
        made.append(driver.act(observation))
        observation = env.step(made[-1])[0]
    observations, actions = np.concatenate(seen), np.concatenate(made)
    low, high = env.task.action_low.astype(np.float32), env.task.action_high.astype(np.float32)
    assert (actions >= low).all()
    assert (actions <= high).all()
    assert actions.std(axis=0).min() > 0.05 * high.min()  # they do something
    assert (np.abs(actions) < 0.99 * high).mean() > 0.1  # and not everything is at a limit
    wanted = controller.act(observations)
    assert np.abs(actions - wanted).max() < 1e-5
    script = torch.jit.load(folder / "a.pt")
    for rows in (observations, observations[:1]):
        made_there = script(torch.as_tensor(rows.astype(np.float32))).numpy()
        assert np.abs(made_there - controller.act(rows)).max() < 1e-5


def test_evaluate_record_and_replay_take_the_file(
    exported: Callable[[str], tuple[Controller, Path]], tmp_path: Path
) -> None:
    controller, folder = exported("ppo-unclipped")
    assert np.isfinite(api.evaluate(folder / "a.onnx", episodes=2).returns).all()
    a, b = (api.record(source, seconds=1.0) for source in (controller, str(folder / "a.onnx")))
    assert np.abs(a.action - b.action).max() < 1e-4
    api.replay(folder / "a.onnx", seconds=0.5, html=tmp_path / "page.html")
    assert (tmp_path / "page.html").stat().st_size > 1000


def test_metadata_are_complete_and_the_same_in_both(exported: Callable[[str], tuple[Controller, Path]]) -> None:
    controller, folder = exported("ppo-mirror")
    session = onnxruntime.InferenceSession(str(folder / "a.onnx"))  # as a stranger reads it
    found = {k: json.loads(v) for k, v in session.get_modelmeta().custom_metadata_map.items()}
    assert found.keys() == Metadata.model_fields.keys()
    legs = ("front_left", "front_right", "rear_left", "rear_right")
    joints = [f"{leg}_{joint}" for leg in legs for joint in ("hip", "thigh", "calf")]
    assert found["joint_names"] == found["action_names"] == joints
    assert found["default_pose"] == list(HOME_JOINTS) * 4
    assert (found["action_scale"], found["control_period"]) == ([0.5] * 12, 0.02)
    assert (found["joint_stiffness"], found["joint_damping"]) == ([35.0] * 12, [0.5] * 12)
    assert (found["action_low"], found["action_high"]) == ([-1.0] * 12, [1.0] * 12)
    assert (found["robot"], found["task"], found["control"]) == ("quadruped", "velocity", "position")
    assert found["config"]["algo"] == "ppo"
    assert found["observation_names"][-2:] == ["command", "gait_clock"]
    assert sum(found["observation_sizes"]) == controller.policy.observation_space.shape[0] == 50
    assert (found["observation_history"], found["memory_shape"]) == (1, [])
    assert (found["format"], found["surefoot"]) == (1, surefoot.__version__)
    assert "default_pose + action_scale * action" in found["action_meaning"]
    (observation,), (action,) = session.get_inputs(), session.get_outputs()
    assert (observation.name, observation.shape, action.name, action.shape[0]) == (
        "observation",
        ["batch", 50],
        "action",
        "batch",
    )
    files = {JSON_FILE: ""}
    torch.jit.load(folder / "a.pt", _extra_files=files)
    assert json.loads(files[JSON_FILE]) == found
    every = json.loads(json.dumps(dataclasses.asdict(controller.settings)))
    assert found["config"] == controller.config.model_dump(mode="json") | {"hyperparameters": every}
    assert OnnxController.load(folder / "a.onnx").settings == controller.settings


@pytest.mark.skipif("recurrent_ppo" not in ALGORITHMS, reason="no recurrent algorithm")
@pytest.mark.parametrize(("cell", "mirror", "shape"), [("lstm", False, (2, 8)), ("gru", True, (1, 16))])
def test_memory_goes_in_and_out(cell: str, mirror: bool, shape: tuple[int, int], tmp_path: Path) -> None:
    small = {"num_envs": 16, "batch_size": 192, "net": (16, 16), "cell": cell, "hidden": 8, "mirror": mirror}
    controller = train("quadruped", "velocity", algo="recurrent_ppo", steps=400, hyperparameters=small, progress=False)
    with torch.no_grad():
        controller.policy.action_net.weight.mul_(50.0)
    export(controller, onnx=tmp_path / "a.onnx", torchscript=tmp_path / "a.pt")
    driver, script = OnnxController.load(tmp_path / "a.onnx"), torch.jit.load(tmp_path / "a.pt")
    assert driver.metadata.memory_shape == shape
    env = BatchEnv("quadruped", "velocity", 5, seed=1)
    observation, memory = env.reset(), torch.zeros(shape[0], 5, shape[1])
    controller.reset()
    for step in range(100):
        wanted = controller.act(observation)
        script_made, memory = script(torch.as_tensor(observation), memory)
        made = driver.act(observation)
        assert np.abs(made - wanted).max() < 1e-5
        assert np.abs(script_made.numpy() - wanted).max() < 1e-5
        if step == 50:
            for it in (controller, driver):
                it.reset(np.array([1, 3]))
            memory[:, [1, 3]] = 0.0
        observation = env.step(made)[0]
    fresh = OnnxController.load(tmp_path / "a.onnx").act(observation)
    assert np.abs(fresh - driver.act(observation)).max() > 1e-3  # it does remember
    with pytest.raises(SurefootError, match="a memory of 5 worlds"):
        driver.act(observation[:2])


def test_torque_robots_say_the_torque(exported: Callable[[str], tuple[Controller, Path]]) -> None:
    data = OnnxController.load(exported("sac")[1] / "a.onnx").metadata
    assert data.control == "torque"
    scale = dict(zip(data.action_names, data.action_scale, strict=True))
    assert (scale["right_hip_y"], scale["left_elbow"]) == (300.0, 25.0)  # gears of humanoid.xml
    assert set(data.action_high) == {0.4}
    assert set(data.joint_stiffness) == {0.0}


def test_files_hold_what_acting_needs_and_no_more(exported: Callable[[str], tuple[Controller, Path]]) -> None:
    controller, folder = exported("sac")
    actor = sum(p.numel() for p in controller.policy.actor.parameters())
    whole = sum(p.numel() for p in controller.policy.parameters())
    assert 4 * actor < (folder / "a.onnx").stat().st_size < 4 * whole  # bytes of float32


# --- what does not fit ---------------------------------------------------------------------------------------------


def changed(source: Path, target: Path, **fields: Any) -> Path:
    """A copy of an ONNX file with other metadata; None takes one away."""
    model = onnx.load(source)
    props = {p.key: p.value for p in model.metadata_props} | {k: json.dumps(v) for k, v in fields.items()}
    del model.metadata_props[:]
    helper.set_model_props(model, {k: v for k, v in props.items() if v != "null"})
    onnx.save(model, target)
    return target


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (
            {"observation_names": ["linear_velocity", "angular_velocity", "gravity", "joint_position", "joint_velocity",
                                   "last_action", "goal", "gait_clock"]},
            "observation part 7 is goal (3) in the file, command (3) in the environment",
        ),
        (
            {"observation_sizes": [3, 3, 3, 12, 12, 12, 4, 1]},
            "observation part 7 is command (4) in the file, command (3) in the environment",
        ),
        ({"action_names": ["front_right_hip"] * 12}, "action 1 is front_right_hip in the file, front_left_hip in"),
        ({"observation_history": 1, "control_period": 0.01}, "control_period is 0.01 in the file, 0.02 in the environment"),
    ],
)  # fmt: skip
def test_another_layout(
    fields: dict[str, Any], said: str, exported: Callable[[str], tuple[Controller, Path]], tmp_path: Path
) -> None:
    file = changed(exported("ppo")[1] / "a.onnx", tmp_path / "other.onnx", **fields)
    for use in (lambda: api.evaluate(file, episodes=1), lambda: api.record(file, seconds=0.1)):
        with pytest.raises(SurefootError, match="does not fit quadruped velocity") as error:
            use()
        assert said in str(error.value)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"format": 99}, "has export format 99; this version reads format 1"),
        ({"surefoot": None}, "is not a Surefoot export"),
        ({"joint_names": None}, "metadata that make no sense: joint_names"),
        ({"config": {"robot": "quadruped"}}, "metadata that make no sense: config.task"),
        ({"observation_sizes": [3, 3, 3, 12, 12, 12, 3, 3]}, "network does not fit its metadata"),
        ({"observation_names": ["a"]}, "observation_names and observation_sizes: expected as many"),
        ({"action_low": [0.0] * 3}, "action_low: expected as many as action_names, 12"),
        (
            dict.fromkeys((*PER_JOINT, "action_names"), ["1"] * 3),
            "the network does not fit its metadata: it gives [",
        ),
    ],
)
def test_metadata_that_make_no_sense(
    fields: dict[str, Any], said: str, exported: Callable[[str], tuple[Controller, Path]], tmp_path: Path
) -> None:
    with pytest.raises(SurefootError) as error:
        OnnxController.load(changed(exported("ppo")[1] / "a.onnx", tmp_path / "odd.onnx", **fields))
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("keep", [0, 10, 1000, -200, -1])
def test_truncated(keep: int, exported: Callable[[str], tuple[Controller, Path]], tmp_path: Path) -> None:
    content = (exported("ppo")[1] / "a.onnx").read_bytes()
    (tmp_path / "cut.onnx").write_bytes(content[:keep])
    with pytest.raises(SurefootError, match=r"truncated|cut short") as error:
        OnnxController.load(tmp_path / "cut.onnx")
    assert "\n" not in str(error.value)


def test_foreign_and_missing_files(tmp_path: Path, exported: Callable[[str], tuple[Controller, Path]]) -> None:
    x, y = (helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, ["n", 3]) for n in "xy")
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "relu", [x], [y])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "r.onnx")
    with pytest.raises(SurefootError, match="is not a Surefoot export"):
        api.evaluate(tmp_path / "r.onnx")
    with pytest.raises(SurefootError, match=r"cannot read .*nowhere.onnx.*No such file"):
        api.evaluate(tmp_path / "nowhere.onnx")
    (tmp_path / "text.onnx").write_text("not a network")
    with pytest.raises(SurefootError, match="not a readable ONNX file"):
        api.evaluate(tmp_path / "text.onnx")
    file = exported("ppo")[1] / "a.onnx"
    for use in (lambda: api.adapt(file, {"payload": 1.0}), lambda: api.export(file, onnx="b.onnx")):
        with pytest.raises(SurefootError, match="an exported file, which only acts"):
            use()
    with pytest.raises(SurefootError, match="an exported file, which only acts"):
        api.evaluate(file.with_name("a.pt"))


def test_nan_weights(exported: Callable[[str], tuple[Controller, Path]], tmp_path: Path) -> None:
    model = onnx.load(exported("ppo")[1] / "a.onnx")
    bad = [t for t in (n.attribute[0].t for n in model.graph.node if n.op_type == "Constant") if t.dims]
    for tensor in [*bad, *model.graph.initializer]:
        if tensor.data_type == onnx.TensorProto.FLOAT:
            value = numpy_helper.to_array(tensor)
            tensor.CopyFrom(numpy_helper.from_array(np.full_like(value, np.nan), tensor.name))
    onnx.save(model, tmp_path / "nan.onnx")
    with pytest.raises(SurefootError, match=r"nan.onnx.*gives \[nan, .*they say 12 finite numbers"):
        OnnxController.load(tmp_path / "nan.onnx")


def test_observations_of_another_size_and_exploration(exported: Callable[[str], tuple[Controller, Path]]) -> None:
    driver = OnnxController.load(exported("ppo")[1] / "a.onnx")
    with pytest.raises(SurefootError, match="takes observations of 50 numbers, not 48"):
        driver.act(np.zeros((2, 48)))
    with pytest.raises(SurefootError, match="holds no exploration"):
        driver.act(np.zeros((2, 50)), deterministic=False)
    assert driver.act(np.zeros(50)).shape == (12,)
    with pytest.raises(SurefootError, match="does not fit hopper run: observation part 1"):
        driver.check(BatchEnv("hopper", "run", 1))


def test_a_policy_that_a_trace_cannot_hold(controller: Controller, tmp_path: Path) -> None:
    """The file is compared with the controller before it is written."""
    predict = controller.policy._predict
    controller.policy._predict = lambda x, deterministic: predict(x, deterministic) + len(x) / 10  # type: ignore[method-assign]
    for kind, name in (("onnx", "a.onnx"), ("torchscript", "a.pt")):
        with pytest.raises(SurefootError, match=r"'ppo' cannot be exported to .*differ by"):
            export(controller, **{kind: tmp_path / name})
    controller.policy._predict = lambda x, deterministic: torch.linalg.svdvals(x)[0] + predict(x, True)  # type: ignore[method-assign]
    with pytest.raises(SurefootError, match=r"'ppo' cannot be exported to ONNX: .*aten::") as error:
        export(controller, onnx=tmp_path / "a.onnx")
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_bad_names(controller: Controller, tmp_path: Path) -> None:
    for wrong in ({}, {"onnx": tmp_path / "a.pt"}, {"torchscript": tmp_path / "a.onnx"}):
        with pytest.raises(SurefootError, match=r"\.onnx|\.pt"):
            export(controller, **wrong)
    shutil.rmtree(tmp_path)
