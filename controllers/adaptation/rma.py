"""RMA: a teacher that knows the robot's parameters, and a student that infers from its last second what the teacher knows.

Phase 1 is PPO whose network sees a latent, made of the true parameters by an encoder. Phase 2 replaces that encoder by one
that reads the last 50 control steps (200 where there is a goal to find), trained by regression on the robots that the student
itself drives (Kumar et al., 2021).
At test time nothing is learnt: within a second of motion the latent is that of the new robot.
"""

import dataclasses
import sys
import time
from typing import Any

import torch
from gymnasium.spaces import Box
from torch.nn import functional as F

from ...envs.batch_env import BatchEnv
from ...envs.inputs import REMEMBERED, Inputs
from ...envs.tasks import FAMILIES
from ...envs.typed import Range, check_ranges
from ...envs.variation import Task
from ...robots import SurefootError
from .. import threads
from ..config import TrainConfig, checked_config, from_settings
from ..controller import Controller
from ..networks import EncodedMlp, Encoder, History, Privileged
from ..policies import FORMAT, Header, empty_policy, known_inputs
from ..policy import Policy
from ..training import make_env, new_folder, train
from .base import Adaptation, Budget
from .online import adapt_online

TEACHER: dict[str, Any] = {"inputs": ("parameters",), "network": "privileged", "encoder_width": 16}
REWARDED = ("last_action", "last_reward")  # what tells a goal, which motion alone does not
# Control steps that the student looks back. Dynamics show at all times, a goal while the robot starts: how far a settled one
# is from it does not say on which side. The families' episodes have 200 steps.
HISTORY, GOAL_HISTORY = 50, 200
# The student often sets out for another goal than it has: the teacher has to know how one turns back in mid-episode.
TURNS = {"redraw": 0.01}


@dataclasses.dataclass(frozen=True)
class Distillation:
    """Phase 2: how the student learns the teacher's latent.

    Attributes:
        worlds: robots that the student drives. every: control steps between two samples of them, which differ little.
        samples: observations of a round. epochs, batch_size: of the regression on them (Adam).
        learning_rate: at the start; it falls to a twentieth.
        share: of the training's steps (and seconds) that phase 2 has.
    """

    worlds: int = 256
    every: int = 5
    samples: int = 5120
    epochs: int = 4
    batch_size: int = 512
    learning_rate: float = 2e-3
    share: float = 0.25

    def __post_init__(self) -> None:
        ranges: tuple[Range, ...] = (
            ("1 or more", lambda x: x >= 1, ("worlds", "every", "samples", "epochs", "batch_size")),
            ("between 0 and 1", lambda x: 0 < x < 1, ("learning_rate", "share")),
        )
        check_ranges("meta setting", self, ranges)


def meta_train(robot: str, task: str, **asked: Any) -> Controller:
    """Train teacher and student as `training.train` does, whose arguments these are; the teacher is kept in OUT/teacher.

    The student's part comes on top of `steps`, and out of `seconds`. `meta` changes settings of `Distillation`.
    """
    plan = from_settings("meta setting", Distillation, asked.get("meta") or {})
    out = new_folder(asked.get("out"))
    seconds = asked.get("seconds")
    turns = TURNS if has_goals(task) and asked.get("suite") else {}
    asked["hyperparameters"] = {**taught(task), **turns, **(asked.get("hyperparameters") or {})}
    asked["seconds"] = None if seconds is None else (1 - plan.share) * seconds
    asked["out"] = None if out is None else out / "teacher"
    teacher = train(robot, task, **{**asked, "algo": "ppo"})
    student = student_of(teacher)
    limit = None if seconds is None else plan.share * seconds
    steps = max(1, round(plan.share / (1 - plan.share) * teacher.config.steps))
    known = distil(teacher, student, steps, limit, plan)
    if asked.get("progress", True):
        print(f"the student knows {100 * known[-1]:.0f} % of the latent's variance", file=sys.stderr)
    if out is not None:
        student.config.save(out / "config.json")
        student.save(out / "controller.safetensors")
    return student


def told_everything(task: str) -> dict[str, Any]:
    """Hyperparameters of a policy that is told its robot's parameters and the task's goals."""
    return {**TEACHER, "inputs": (*REWARDED, "parameters")} if has_goals(task) else TEACHER


def taught(task: str) -> dict[str, Any]:
    """The same with what a student needs: Gymnasium's observations hold no actions, whose effects tell the dynamics."""
    acts = not has_goals(task) and (task == "run" or task in FAMILIES)
    return {**told_everything(task), **({"inputs": ("last_action", "parameters")} if acts else {})}


def has_goals(task: str) -> bool:
    """Whether episodes of a task differ in a goal that the robot is not shown."""
    return task in FAMILIES and bool(FAMILIES[task].goals)


def rma(
    controller: Controller, task: Task, budget: Budget, *, seed: int = 0, episodes: int = 50, points: int = 4
) -> Adaptation:
    """Teacher-student: a latent of the robot, inferred from the last second of motion; no gradients."""
    return adapt_online("rma", controller, task, budget, seed, episodes, points)


def student_of(teacher: Controller) -> Controller:
    """A controller with the teacher's policy whose latent a history network has still to learn."""
    settings = teacher.settings
    if settings.network != "privileged":
        raise SurefootError(f"an rma student needs a teacher with network 'privileged', not {settings.network!r}")
    fields = teacher.config.model_dump()
    remembered = tuple(name for name in settings.inputs if name in REMEMBERED)
    history = GOAL_HISTORY if has_goals(teacher.config.task) else HISTORY
    fields["hyperparameters"] |= {"network": "tcn", "history": history, "inputs": remembered}
    config = checked_config(**{**fields, "method": "rma"})
    known = len(known_inputs(settings))
    policy = teacher.policy
    assert isinstance(policy, Policy)
    size = (policy.observation_space.shape or (0,))[0] - known
    limits = policy.action_space
    assert isinstance(limits, Box)
    header = Header(
        format=FORMAT,
        config=config,
        observation_size=history * size,
        action_low=limits.low.tolist(),
        action_high=limits.high.tolist(),
    )
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        student = Controller(config, empty_policy(header))
        # SB3's orthogonal start, gain after gain, gives codes so large that this regression often never recovers.
        for part in _encoder(student).modules():
            if hasattr(part, "reset_parameters"):
                part.reset_parameters()  # type: ignore[operator]
    mine = student.policy.state_dict()
    for name, value in policy.state_dict().items():
        if ".encoder." in name or name not in mine:
            continue
        # Statistics and mirror maps of the observation alone: the parameters stand at its end.
        mine[name] = value[:size] if value.shape != mine[name].shape else value
    student.policy.load_state_dict(mine)
    return student


def distil(
    teacher: Controller, student: Controller, steps: int, seconds: float | None = None, plan: Distillation | None = None
) -> list[float]:
    """Teach the student the teacher's latent on robots that the student drives, for so many environment steps.

    Returns what it knew of each round's samples before it learnt from them, 1 - error / variance of the latent.
    """
    plan = plan or Distillation()
    env = student_worlds(student.config, plan.worlds)
    names = [name for name in teacher.settings.inputs if name not in REMEMBERED]
    shown = Inputs(names, plan.worlds, env.num_actions, env.table, env.task.command_names)
    rounds = max(1, plan.samples // plan.worlds)
    features = torch.zeros(rounds, plan.worlds, env.observation_size)
    told = torch.zeros(rounds, plan.worlds, shown.size)
    policy = student.policy
    assert isinstance(policy, Policy)
    encoder, norm = _encoder(student), policy.features_extractor.norm
    optimizer = torch.optim.Adam(encoder.parameters(), plan.learning_rate)
    generator = torch.Generator().manual_seed(student.config.seed)
    known, done, started = [], 0, time.monotonic()
    env.reset()
    env.stagger()
    observation = env.observation
    while done < steps and (seconds is None or time.monotonic() - started < seconds):
        share = max(done / steps, (time.monotonic() - started) / seconds if seconds else 0.0)
        optimizer.param_groups[0]["lr"] = plan.learning_rate * max(0.05, 1 - share)
        torch.set_num_threads(1)
        for k in range(rounds):
            for _ in range(plan.every):
                observation, *_ = env.step(student.act(observation))
            features[k] = norm(torch.as_tensor(observation))
            told[k] = torch.as_tensor(shown.truth(env.values, env.task.command()))
        done += rounds * plan.every * plan.worlds
        torch.set_num_threads(threads.UPDATE_THREADS)
        seen, latent = _both_sides(teacher, policy, features.flatten(0, 1), told.flatten(0, 1))
        with torch.no_grad():
            error = F.mse_loss(_code(encoder, seen), latent)
        known.append(1 - float(error / latent.var(0).mean()))
        for _ in range(plan.epochs):
            for pick in torch.randperm(len(seen), generator=generator).split(plan.batch_size):
                loss = F.mse_loss(_code(encoder, seen[pick]), latent[pick])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
    torch.set_num_threads(1)
    student.timesteps = teacher.timesteps + done
    student.seconds = teacher.seconds + time.monotonic() - started
    return known


def student_worlds(config: TrainConfig, worlds: int) -> BatchEnv:
    """Where the student drives. A goal to find stays for two episodes: the second begins with what the first has shown."""
    goals = {"trial": 2, "redraw": 0.0} if has_goals(config.task) else {}
    config = config.model_copy(update={"hyperparameters": {**config.hyperparameters, **goals}})
    return make_env(config, worlds, seed=config.seed + 1)


def _encoder(controller: Controller) -> Encoder:
    assert isinstance(controller.policy, Policy)
    assert isinstance(controller.policy.mlp_extractor, EncodedMlp)
    return controller.policy.mlp_extractor.encoder


def _code(encoder: Encoder, features: torch.Tensor) -> torch.Tensor:
    """What an encoder makes of a history beside the newest observation."""
    assert isinstance(encoder, History)
    return encoder(features)[:, encoder.size :]


def _both_sides(
    teacher: Controller, student: Policy, features: torch.Tensor, told: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Histories and the teacher's latents of them; with a symmetric policy those of their mirror images as well."""
    policy = teacher.policy
    assert isinstance(policy, Policy)
    encoder, norm = _encoder(teacher), policy.features_extractor.norm
    known = told.shape[1]
    mean, var = norm.mean[-known:].float(), norm.var[-known:].float()
    told = ((told - mean) * torch.rsqrt(var + 1e-8)).clamp(-norm.clip, norm.clip)
    if policy.mirrored:
        size = len(policy.mirror_observation) - known
        image = told[:, policy.mirror_observation[size:] - size] * policy.mirror_observation_sign[size:]
        features, told = torch.cat([features, student.reflected(features)]), torch.cat([told, image])
    assert isinstance(encoder, Privileged)
    with torch.no_grad():
        return features, encoder.layers(told)
