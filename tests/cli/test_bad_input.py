"""Bad input: one clear line, exit code 2, no traceback, nothing half-written, an existing file intact."""

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import mujoco
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

import surefoot as package
from surefoot.cli.main import run
from surefoot.controllers.controller import Controller
from surefoot.envs.suites import content_hash, make_suite
from surefoot.robots import Robot, SurefootError


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("train quadroped velocity", "unknown robot 'quadroped': did you mean quadruped?"),
        ("train quadruped velocty", "unknown task 'velocty': did you mean velocity"),
        ("train quadruped velocity --algo pop", "unknown algorithm 'pop': did you mean ppo"),
        ("train quadruped velocity --vary payloat=0:3", "unknown parameter 'payloat': did you mean payload?"),
        ("train quadruped velocity --vary motor_strength.frontleft=0:1", "front_left"),
        ("train quadruped velocity --vary payload=3:0", "expected low <= high"),
        (
            "train quadruped velocity --vary payload=-1:3",
            "illegal value -1 for parameter 'payload': expected 0 to 200 kg",
        ),
        ("train quadruped velocity --vary payload=0:nan", "payload"),
        ("train quadruped velocity --vary payload=log:0:3", "above 0"),
        ("train quadruped velocity --vary payload=a:b", "expected low:high"),
        ("train quadruped velocity --vary payload", "--vary payload: expected KEY=VALUE"),
        ("train quadruped velocity --set payload=heavy", "takes a number"),
        ("train quadruped velocity --set payload=inf", "illegal value inf"),
        ("train quadruped velocity --set payload=1 --vary friction=0.5:1", "not both"),
        ("train quadruped velocity --hyper learning_rat=1", "did you mean learning_rate"),
        ("train quadruped velocity --hyper num_envs=many", "num_envs='many'"),
        ("train quadruped velocity --hyper learning_rate=-1", "learning_rate=-1"),
        ("train quadruped velocity --hyper batch_size=1e9", "size of a rollout"),
        ("train hopper run --algo sac --hyper batch_size=1e9", "expected at most buffer_size = 1000000"),
        ("train quadruped velocity --hyper gae_lambda=1.5", "gae_lambda=1.5: expected 0 to 1"),
        ("train quadruped velocity --hyper net=64,-1", "net=(64, -1): expected widths of 1 to 16,384"),
        ("train quadruped velocity --hyper num_envs=1e9", "num_envs=1000000000: expected 1 or more, at most 131,072"),
        ("train quadruped velocity --hyper network=mpl", "unknown network 'mpl': did you mean mlp?"),
        ("train quadruped velocity --hyper optimizer=adm", "unknown optimizer 'adm': did you mean adam"),
        ("train quadruped velocity --option vz=1", "unknown option of task 'velocity' 'vz'"),
        ("train quadruped velocity --option vx=fast", "vx='fast'"),
        ("train quadruped velocity --option vx=1e300", "vx=1e+300: expected a finite number, at most 1e+12"),
        ('train quadruped velocity --option weights={"gait":1e400}', "weights={'gait': inf}: expected finite numbers"),
        ("train quadruped velocity --option episode_seconds=0", "episode_seconds=0.0: expected more than 0 s"),
        ("train quadruped velocity --option gait_frequency=-2", "gait_frequency=-2.0: expected more than 0 Hz"),
        ("train quadruped velocity --option mean_hold=-1", "mean_hold=-1.0: expected more than 0 s"),
        ("train quadruped velocity --option active=5,5,5", "active=(5.0, 5.0, 5.0): expected three probabilities"),
        ("train quadruped jump --option heights=.3,.1", "heights=(0.3, 0.1): expected the lowest and the highest"),
        ("train arm reach --option spread=-1", "spread=-1.0: expected 0 or more"),
        ("suite make x --robot quadruped --task velocity --vary payload=0:3 --option vx=abc", "vx='abc'"),
        (
            "suite make x --robot quadruped --task velocity --vary payload=0:3 --option noise=-1",
            "noise=-1.0: expected 0",
        ),
        ("train hopper run --hyper clip_obs=1e300", "clip_obs=1e+300: expected a finite number, at most 1e+12"),
        (
            "train quadruped velocity --set dead_actuator=rear_left_calf+",
            "unknown element of 'dead_actuator' on quadruped ''",
        ),
        ("train quadruped velocity --vary dead_actuator=none|", "unknown element of 'dead_actuator' on quadruped ''"),
        ("train quadruped velocity --vary dead_actuator.*=0:1", "expected 0|1, or names of elements"),
        ("train quadruped velocity --set dead_actuator=0.5", "expected 0 or 1, or names of elements"),
        ("train quadruped velocity --set dead_actuator.rear=front", "'dead_actuator.rear' takes a number, not 'front'"),
        ("train quadruped velocity --set payload.=2", "'payload' is a single value and has no element ''"),
        ("train quadruped velocity --set payload=1 --set payload.*=2", "'payload.*' leaves nothing of 'payload'"),
        (
            "train quadruped velocity --vary motor_strength.left=.5:1 --vary motor_strength=.9:1",
            "'motor_strength' leaves nothing of 'motor_strength.left': give one of them, or the narrower one last",
        ),
        (
            "train quadruped velocity --terrain stairsup",
            "unknown terrain 'stairsup': did you mean stairs-up or stairs-down?",
        ),
        ("train quadruped velocity --terrain mixed --option terrain_level=2", "terrain_level=2: expected a difficulty"),
        ("train quadruped velocity --terrain rough --option terrain=flat", "--option already says terrain=flat"),
        ("train quadruped velocity --terrain mixed --set terrain_level=1.2", "illegal value 1.2 for parameter"),
        ("train quadruped velocity --set terrain=rough", "'terrain' needs patches of ground"),
        ("train quadruped velocity --hyper inputs=height-scam", "did you mean height-scan or"),
        ("train quadruped velocity --hyper inputs=camera", "'camera' with 512 worlds: expected at most 32"),
        ("train hopper run --terrain rough", "no options, so 'terrain' cannot be set"),
        ("train hopper run --option vx=1", "no options"),
        (
            "train hopper velocity",
            "robot on legs (quadruped, go1, hexapod, biped, g1), not 'hopper': try 'run'",
        ),
        ("train quadruped reach", "needs a position-controlled arm with a tool (arm), not 'quadruped': try 'velocity'"),
        ("train arm jump", "not 'arm': try 'reach'"),
        ("train arm run", "try 'reach'"),
        ("train reacher reach --option spread=1", "task 'reach' of robot 'reacher' has no options"),
        ("train arm push --option spred=1", "did you mean spread"),
        ("train quadruped run", "try 'velocity'"),
        ("train hopper run --vary kp=0.8:1.2", "torque motors"),
        ("train hopper run --hyper mirror=true", "symmetry"),
        ("train quadruped velocity --steps 0", "steps=0"),
        ("train quadruped", "needs ROBOT and TASK"),
        (
            "train hopper balance",
            "task 'balance' is defined for cartpole, inverted_pendulum, inverted_double_pendulum, not for 'hopper': try 'run'",
        ),
        ("train cartpole run", "try 'balance'"),
        ("train cartpole balance --vary friction=0.5:1", "touches nothing"),
        ("train hopper run --algo dqn", "--hyper bins=5 gives each of its 3 actuators 5 levels (125 actions)"),
        ("train humanoid run --algo dqn --hyper bins=2", "expected an algorithm with continuous actions"),
        ("train cartpole balance --algo q_learning --hyper cells=8,8", "as many of one as of the other"),
        ("train gym:CartPol-v1", "did you mean CartPole-v1"),
        ("train gym:CartPole-v1 --algo sac", "'sac' does not train on the discrete actions"),
        ("train gym:Pendulum-v1 --algo dqn", "--hyper bins=5"),
        ("train gym:CartPole-v1 balance", "leave out the task"),
        ("train gym:CartPole-v1 --vary payload=0:3", "--vary needs a Surefoot robot"),
        ("train gym:CartPole-v1 --set payload=3", "--set needs a Surefoot robot"),
        ("train gym:CartPole-v1 --hyper history=4", "hyperparameter history=4 needs a Surefoot robot"),
        ("train half_cheetah run --method rma --vary gravity=5:15 --meta share=1", "share=1.0: expected between 0"),
        ("train half_cheetah run --method rma --vary gravity=5:15 --meta every=0", "every=0: expected 1 or more"),
        ("train half_cheetah run --method identify --vary gravity=5:15 --meta held_out=0", "held_out=0: expected 1"),
        ("train half_cheetah run --method maml --vary gravity=5:15 --meta rate=-1", "rate=-1.0: expected more than 0"),
        ("train half_cheetah run --method maml", "'maml' learns from tasks that differ: give a variation"),
        ("train half_cheetah run --method reptile --set gravity=5", "'reptile' learns from tasks that differ"),
        ("train half_cheetah cheetah-dir --method maml", "groups of robots with the same goal: give a suite"),
        ("train --resume", "--out"),
        ("train --resume --out nowhere", "no run folder"),
        ("evaluate nowhere", "no run folder or controller file at 'nowhere'"),
        ("replay nowhere --html x.html", "no run folder, controller or recording at 'nowhere'"),
        ("list parameters quadrupet", "did you mean quadruped"),
        ("list robots quadruped", "a robot belongs to parameters"),
        ("suite list quadruped-payload", "suite list takes no NAME"),
        ("suite show quadruped-payload --seed 5", "suite show takes no --seed"),
        ("suite make x --robot hopper --task run --vary payload=0:3 --count train=1e9", "at most 100,000"),
        (
            "train cartpole balance --algo q_learning --hyper cells=1e9,1e9,1e9,1e9",
            "expected fewer cells",
        ),
        ("train cartpole balance --algo dqn --hyper bins=1e9", "expected at most bins=4096"),
        ("trian quadruped velocity", "unknown verb 'trian': did you mean train?"),
    ],
)
def test_names_and_ranges(line: str, said: str, refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert said in refused(*line.split())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("adapt RUN --set payload=6 --method finetun", "unknown adaptation method 'finetun': did you mean finetune?"),
        ("adapt RUN --set payloat=6", "did you mean payload"),
        ("adapt RUN --set payload=999", "expected 0 to 200 kg"),
        ("adapt RUN --set payload", "--set payload: expected KEY=VALUE"),
        ("adapt RUN --set payload=6 --steps 0", "adaptation budget steps=0: expected more than 0"),
        ("adapt RUN --set payload=6 --seconds 0", "adaptation budget seconds=0: expected more than 0"),
        ("adapt RUN --set payload=6 --robot-seconds 0", "adaptation budget robot_seconds=0: expected more than 0"),
        ("adapt RUN --set payload=6 --episodes 0", "episodes 0"),
        ("adapt RUN --set payload=6 --out adapted.zip", "ends in .safetensors"),
        ("adapt RUN --set payload=6 --html page.pdf", "ends in .html"),
        ("adapt RUN --set vx=fast", "vx=fast: 'vx' is a command, expected a number such as vx=0.8"),
        ("adapt RUN --set vx=inf", "vx=inf: 'vx' is a command"),
        ("adapt RUN --set payload=6 --steps 1000 --finetune n_steps=0", "n_steps=0: expected 1 or more"),
        ("continual RUN --set vx=fast", "vx=fast: 'vx' is a command"),
        ("continual RUN --set payload=6 --before yaw=left", "yaw=left: 'yaw' is a command"),
        ("continual RUN --set payload=6 --method twin --budget 0", "adaptation budget seconds=0: expected more than 0"),
        ("continual RUN --set payload=6 --gate", "give --method"),
        ("continual RUN --set payload=6 --method maml", "train --method maml): this one supports finetune"),
        ("evaluate RUN --set vx=nan", "vx=nan: 'vx' is a command"),
        ("evaluate RUN --episodes 0", "number of episodes 0"),
        ("evaluate RUN --episodes 1e12", "not enough memory (Unable to allocate"),
        (f"evaluate {'a' * 300}", "File name too long"),
        ("evaluate RUN --planner sample=8", "unknown planner setting 'sample': did you mean samples?"),
        ("evaluate RUN --planner samples=many", "planner setting samples='many'"),
        ("evaluate RUN --planner model=mine", "model='mine': input should be 'own' or 'nominal'"),
        ('evaluate RUN --planner model={"payloat":1}', "did you mean payload"),
        ("replay RUN --planner horizon=0 --html page.html", "horizon=0: expected 1 or more"),
        ("adapt RUN --set payload=6 --planner samples=8", "method 'finetune' does not plan"),
        ("adapt RUN --set payload=6 --fit payload", "method 'finetune' fits no simulation: expected method 'twin'"),
        ("adapt RUN --set payload=6 --method twin --fit payload=", "--fit payload=: expected KEY or KEY=RANGE"),
        ("adapt RUN --set payload=6 --method twin --fit payloat", "did you mean payload"),
        ("adapt RUN --set payload=6 --method twin --robot-seconds 1", "method 'twin' after 1 s of motion"),
        ("evaluate RUN --set payload=1 --vary payload=0:1", "not both"),
        (
            "envelope RUN --x payload --y friction --cells 1e9",
            "number of cells 1000000000: expected 1 or more, at most",
        ),
        ("evaluate RUN --planner samples=1e9", "samples=1000000000: expected 3 or more, at most 131,072"),
        ("adapt RUN --set payload=6 --out RUN/config.json/a.safetensors", "is no folder that may be written to"),
        ("envelope RUN --x payload --y payload.*", "'payload.*' leaves nothing of 'payload'"),
        ("envelope RUN --x payload --y friction --set payload=5", "'payload' is given twice"),
        ("envelope RUN --x vx=0:1 --y friction --set vx=.5", "'vx' is an axis, so it cannot be 0.5 as well"),
        ("adapt RUN --set payload=6 --steps 1000 --finetune leash=1e300", "leash=1e+300: expected a finite number"),
        ("replay RUN --video film.avi", "ends in .mp4"),
        ("replay RUN --html page.pdf", "ends in .html"),
        ("train --resume --out RUN --vary payload=0:1", "--vary cannot change"),
        ("train go1 velocity --resume --out RUN", "has robot 'quadruped', not 'go1'"),
        ("train quadruped velocity --out RUN", "already holds a run"),
        ("train quadruped velocity --method maml --vary payload=0:3 --out RUN", "already holds a run"),
        ("train quadruped velocity --method rma --vary payload=0:3 --out RUN", "already holds a run"),
    ],
)
def test_on_a_run(line: str, said: str, walk: Path, refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert said in refused(*[word.replace("RUN", str(walk)) for word in line.split()])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("train quadruped velocity --stps 5", "--steps"),
        ("train quadruped velocity --steps many", "many"),
        ("train quadruped velocity --steps 1.5", "whole number"),
        ("train quadruped velocity --steps 1e13", "1e13"),
        ("adapt RUN --set payload=6 --seed 4294967296", "from 0 to 4294967295"),
        ("train quadruped velocity --seconds -3", ""),
        ("list robot", "robots"),
        ("adapt", "RUN"),
    ],
)
def test_usage(line: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        run(line.split())
    assert stop.value.code == 2
    text = capsys.readouterr().err
    assert said in text
    assert "Traceback" not in text


def test_no_traceback_in_a_real_process(surefoot) -> None:
    done = surefoot("train", "quadroped", "velocity")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "surefoot: unknown robot 'quadroped': did you mean quadruped?\n"


def test_a_model_that_does_not_compile() -> None:
    def broken() -> mujoco.MjSpec:
        spec = mujoco.MjSpec()
        spec.worldbody.add_body(name="base").add_freejoint()  # moves, but weighs nothing
        return spec

    robot = Robot(name="broken", make_spec=broken, base="base", control="torque", control_dt=0.02)
    with pytest.raises(SurefootError, match="robot 'broken': the model does not compile") as error:
        package.make_vec(robot, "run", num_envs=2)
    assert "\n" not in str(error.value)


@pytest.fixture
def damaged(walk: Path, tmp_path: Path) -> Path:
    """A copy of the run to spoil."""
    shutil.copytree(walk, tmp_path / "damaged")
    return tmp_path / "damaged"


def test_run_folder_without_a_checkpoint(damaged: Path, refused) -> None:
    (damaged / "controller.safetensors").unlink()
    for verb in ("evaluate", "adapt", "replay"):
        assert "has no checkpoint" in refused(verb, damaged)
    assert "has no checkpoint" in refused("train", "--resume", "--out", damaged)


@pytest.mark.parametrize("keep", [0, 7, 100, 5000, -1])
def test_truncated_controller(damaged: Path, keep: int, refused) -> None:
    file = damaged / "controller.safetensors"
    file.write_bytes(file.read_bytes()[:keep])
    assert "truncated or damaged" in refused("evaluate", damaged)


def test_foreign_controller(tmp_path: Path, refused) -> None:
    save_file({"x": torch.zeros(3)}, tmp_path / "other.safetensors")
    assert "is not a Surefoot controller" in refused("evaluate", tmp_path / "other.safetensors")


def rewrite(file: Path, tensors: dict[str, torch.Tensor] | None = None, **header: object) -> None:
    """Change some tensors or header fields of a controller file."""
    with safe_open(file, "pt") as opened:
        text = json.loads(opened.metadata()["surefoot"])
        content = {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118 - not a dict
    save_file(content | (tensors or {}), file, metadata={"surefoot": json.dumps(text | header)})


def test_nan_weights(damaged: Path, refused) -> None:
    rewrite(damaged / "controller.safetensors", {"policy.action_net.bias": torch.full((12,), torch.nan)})
    assert "contains NaN or infinity in 'policy.action_net.bias'" in refused("evaluate", damaged)


def test_a_negative_variance(damaged: Path, refused) -> None:
    rewrite(damaged / "controller.safetensors", {"policy.features_extractor.norm.var": -torch.ones(1)})
    assert "contains a negative variance in 'policy.features_extractor.norm.var'" in refused("evaluate", damaged)


def test_weights_of_another_type(damaged: Path, refused) -> None:
    rewrite(damaged / "controller.safetensors", {"policy.action_net.bias": torch.zeros(12, dtype=torch.int32)})
    assert "action_net.bias is of torch.int32, expected torch.float32" in refused("evaluate", damaged)


def test_statistics_of_another_size(damaged: Path, refused) -> None:
    """What only fine-tuning uses is checked where the file is read, too."""
    rewrite(damaged / "controller.safetensors", {"training.return_norm.mean": torch.zeros(7, 2)})
    assert "training.return_norm.mean has shape (7, 2), expected (1,)" in refused("evaluate", damaged)


def test_actions_without_limits(damaged: Path, refused) -> None:
    rewrite(damaged / "controller.safetensors", action_high=[float("inf")] * 12)
    assert "action_high.0=inf: input should be a finite number" in refused("evaluate", damaged)


def test_diverged_weights_are_not_written_over_good_ones(damaged: Path) -> None:
    """Learning can end in NaN; a controller that did is worth less than the file that is there."""
    file = damaged / "controller.safetensors"
    good, controller = file.read_bytes(), Controller.load(file)
    with torch.no_grad():
        controller.policy.action_net.bias[3] = torch.nan
    with pytest.raises(SurefootError, match=r"not written.*diverged: NaN or infinity in 'policy\.action_net\.bias'"):
        controller.save(file)
    assert file.read_bytes() == good


def test_weights_of_another_size(damaged: Path, refused) -> None:
    rewrite(damaged / "controller.safetensors", {"policy.action_net.bias": torch.zeros(5)})
    assert "weights do not fit" in refused("evaluate", damaged)


def test_controller_of_another_format(damaged: Path, refused) -> None:
    rewrite(damaged / "controller.safetensors", format=99)
    assert "format 99" in refused("evaluate", damaged)


@pytest.fixture(scope="module")
def recording(walk: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recordings")
    package.replay(walk, seconds=0.5, save=folder)
    return folder / "controller.recording.npz"


@pytest.mark.parametrize("keep", [0, 10, 2000, -4000])
def test_truncated_recording(recording: Path, keep: int, tmp_path: Path, refused) -> None:
    file = tmp_path / "cut.recording.npz"
    file.write_bytes(recording.read_bytes()[:keep])
    said = refused("replay", file, "--html", tmp_path / "out.html")
    assert ("is empty" if keep == 0 else "damaged") in said
    assert not (tmp_path / "out.html").exists()


def test_a_recording_takes_no_parameters(recording: Path, refused) -> None:
    assert "need a controller" in refused("replay", recording, "--set", "payload=1")


def test_folder_of_recordings_with_a_label_from_elsewhere(recording: Path, tmp_path: Path) -> None:
    loaded = package.replay(recording)[0]
    object.__setattr__(loaded, "label", "../../evil")
    package.replay([loaded, loaded], save=tmp_path / "kept")
    assert {p.name for p in (tmp_path / "kept").iterdir()} == {"_evil.recording.npz", "_evil_1.recording.npz"}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("cannot mount a small disk here (needs root)")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_full_disk(walk: Path, small_disk: Path, refused) -> None:
    old = small_disk / "adapted.safetensors"
    old.write_bytes(b"an earlier file")
    (small_disk / "filler").write_bytes(bytes(40_000))
    said = refused("adapt", walk, "--set", "payload=6", "--method", "zero-shot", "--episodes", "1", "--out", old)
    assert "No space left on device" in said
    assert old.read_bytes() == b"an earlier file"
    page = small_disk / "page.html"
    assert "No space left on device" in refused("replay", walk, "--seconds", "1", "--html", page)
    assert "No space left on device" in refused("replay", walk, "--seconds", "4", "--save", small_disk)
    assert {p.name for p in small_disk.iterdir()} == {"adapted.safetensors", "filler"}


def test_full_disk_while_training(small_disk: Path, surefoot) -> None:
    (small_disk / "filler").write_bytes(bytes(50_000))
    small = [
        "--hyper",
        "num_envs=16",
        "--hyper",
        "batch_size=128",
        "--hyper",
        "net=16,16",
        "--seconds",
        "20",
        "--quiet",
    ]
    done = surefoot("train", "quadruped", "velocity", "--out", small_disk / "walk", *small)
    assert done.returncode == 2
    (said,) = done.stderr.splitlines()  # TensorBoard's thread does not add a traceback
    assert said.startswith("surefoot: cannot write")
    assert "No space left on device" in said
    assert not list((small_disk / "walk").glob("*.safetensors"))
    assert not [p for p in (small_disk / "walk").rglob("*") if p.name.startswith(".")]


def test_files_that_may_not_grow(walk: Path, tmp_path: Path) -> None:
    """The same without root: a limit on the size of files."""
    old = tmp_path / "adapted.safetensors"
    old.write_bytes(b"an earlier file")
    line = ["adapt", walk, "--set", "payload=6", "--method", "zero-shot", "--episodes", "1", "--out", old]
    done = subprocess.run(
        [sys.executable, "-m", "surefoot.cli.main", *map(str, line)],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000)),
    )
    assert done.returncode == 2
    (said,) = done.stderr.splitlines()
    assert said.startswith(f"surefoot: cannot write {str(old)!r}")
    assert old.read_bytes() == b"an earlier file"
    assert [p.name for p in tmp_path.iterdir()] == ["adapted.safetensors"]


def test_a_folder_that_cannot_be_made(walk: Path, tmp_path: Path, refused) -> None:
    (tmp_path / "file").write_text("in the way")
    out = tmp_path / "file" / "walk"
    assert "cannot write" in refused("train", "quadruped", "velocity", "--out", out, "--seconds", "1")
    assert "cannot write" in refused("replay", walk, "--seconds", "0.2", "--html", out / "page.html")
    assert "cannot write" in refused("demo", "--out", out)


def test_nan_in_a_recording(
    recording: Path, tmp_path: Path, refused, spoil, capsys: pytest.CaptureFixture[str]
) -> None:
    file, page = tmp_path / "nan.recording.npz", tmp_path / "page.html"
    file.write_bytes(recording.read_bytes())
    spoil(file, "qpos", 3, 2)
    assert run(["replay", str(file), "--html", str(page)]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert "diverged at 0.06 s, where qpos is not a number" in line
    assert "diverged at 0.06 s" in page.read_text()
    spoil(file, "qpos", 0, 2)
    assert "nothing before it to show" in refused("replay", file, "--html", page)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("observation_size", -50, "negative dimensions"),
        ("observation_size", 0, "AssertionError"),
        ("observation_size", 10**13, "describes no policy"),
        ("action_low", [0.1], "don't match"),
        ("settings", {"net": 5}, "describes no policy"),
        ("settings", {"history": "many"}, "describes no policy"),
        ("identifies", ["payload"], "the identifier's weights do not fit"),
    ],
)
def test_a_header_that_describes_no_policy(
    field: str, value: object, said: str, walk: Path, tmp_path: Path, refused
) -> None:
    with safe_open(str(walk / "controller.safetensors"), framework="pt") as opened:
        header = json.loads(opened.metadata()["surefoot"])
        tensors = {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118 - not a dict
    if field == "identifies":
        tensors |= {"identifier.norm.mean": torch.zeros(3), "identifier.directions": torch.zeros(3)}
    file = tmp_path / "odd.safetensors"
    save_file(tensors, file, {"surefoot": json.dumps({**header, field: value})})
    assert said in refused("evaluate", file)
    assert "odd.safetensors" in refused("adapt", file, "--set", "payload=3")


@pytest.mark.parametrize(
    ("option", "said"), [({"vx": "fast"}, "vx='fast': input should be a valid number"), ({"terrain": 5}, "terrain=5")]
)
def test_a_suite_whose_options_are_of_another_type(
    option: dict[str, object], said: str, walk: Path, tmp_path: Path, refused
) -> None:
    laws: dict[str, list[tuple[dict[str, str], int]]] = {"train": [({"payload": "0:1"}, 2)]}
    file = tmp_path / "odd.json"
    make_suite("odd", "quadruped", "velocity", laws, options={"vx": 1.0}).save(file)
    content = json.loads(file.read_text(encoding="utf-8"))
    content["options"] = option
    del content["sha256"]
    file.write_text(json.dumps(content | {"sha256": content_hash(content)}), encoding="utf-8")
    assert said in refused("evaluate", walk, "--suite", file)


@pytest.mark.parametrize("text", ["time: 2024-13-45", "time: !!int abc", "time: !!float abc", "time: " + "[" * 5000])
def test_a_map_of_columns_that_pyyaml_cannot_read(text: str, tmp_path: Path, refused) -> None:
    (tmp_path / "map.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "log.csv").write_text("time\n0\n", encoding="utf-8")
    assert "map.yaml" in refused("identify", "cartpole", tmp_path / "log.csv", "--columns", tmp_path / "map.yaml")


def test_brackets_in_the_name_of_a_file_are_no_markup(
    walk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a[" / "b].safetensors"
    file.parent.mkdir()
    asked = ["--method", "zero-shot", "--steps", "10", "--episodes", "1", "--set", "payload=1", "--out", str(file)]
    assert run(["adapt", str(walk), *asked]) == 0
    assert "a[/b].safetensors" in capsys.readouterr().out
