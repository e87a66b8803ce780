"""The main job, start to end: train a quadruped under randomised physics, break it, adapt it, show before and after."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback

from . import api
from .controllers.adaptation import Adaptation
from .controllers.controller import Controller
from .controllers.rollouts import core_of
from .envs.tasks.velocity_config import WEIGHTS
from .robots.files import replacing

ROBOT, TASK = "quadruped", "velocity"
TRAIN_SECONDS = 150.0  # wall-clock
TRAIN_STEPS = 20_000_000  # never reached within TRAIN_SECONDS on two cores
OPTIONS: dict[str, Any] = {}  # of the task: the range of commands
VARY = {"friction": "0.5:1.25", "mass.*": "0.9:1.1", "motor_strength": "0.85:1.15", "payload": "0:3"}
BROKEN: dict[str, float | str] = {"payload": 6.0, "motor_strength.front_left": 0.4}  # outside of VARY
ADAPT_SECONDS = 60.0  # wall-clock
EPISODES = 50  # of each evaluation
RECORD_SECONDS = 20.0  # robot time
TELL_SECONDS = 15.0  # between two lines of progress

# What --quick does instead: everything runs, nothing is learnt.
QUICK_TRAIN_SECONDS, QUICK_ADAPT_SECONDS, QUICK_EPISODES, QUICK_RECORD_SECONDS = 8.0, 4.0, 4, 4.0
QUICK_HYPER: dict[str, Any] = {"num_envs": 128, "batch_size": 1024, "net": (32, 32)}

NOTE = (
    "A simulated quadruped learnt to follow velocity commands on robots whose friction, masses, motors and payload were drawn "
    "at random ({vary}). Then it got a robot outside of all that: {broken}. “Before” is the controller as it was trained, "
    "“after” the same controller {seconds} of adaptation later; both get the same start and the same commands (forward, "
    "faster, turn, sideways, stand). The table is over {episodes} other episodes, the same for both: tracking is "
    "exp(−e²/0.25) of the velocity error e in m/s, 1 is perfect."
)


@dataclass(frozen=True)
class Demo:
    """The outcome: the adaptation, its table and the page."""

    adaptation: Adaptation
    summary: dict[str, Any]
    page: Path


def run_demo(
    out: str | Path,
    *,
    quick: bool = False,
    train_seconds: float | None = None,
    say: Callable[[str], None] = lambda line: print(line, file=sys.stderr, flush=True),
) -> Demo:
    """Train, break, adapt, evaluate both and write `out`/index.html with everything that it shows beside it.

    `say` is told what goes on, a line at a time. Raises `SurefootError` when something cannot be written.
    """
    out, started = Path(out), time.monotonic()

    def tell(line: str) -> None:
        minutes, seconds = divmod(round(time.monotonic() - started), 60)
        say(f"{minutes}:{seconds:02d}  {line}")

    with replacing(out / "writable.txt") as probe:  # rather than finding out after the training
        probe.touch()
    (out / "writable.txt").unlink()
    budget = train_seconds or (QUICK_TRAIN_SECONDS if quick else TRAIN_SECONDS)
    tell(f"training {ROBOT} on {TASK} for {budget:.0f} s on robots drawn from {_listed(VARY)}")
    controller = train(out, budget, QUICK_HYPER if quick else {}, tell)
    tell(f"breaking it: {_listed(BROKEN)}; adapting for {QUICK_ADAPT_SECONDS if quick else ADAPT_SECONDS:.0f} s")
    adaptation = api.adapt(
        controller,
        BROKEN,
        seconds=QUICK_ADAPT_SECONDS if quick else ADAPT_SECONDS,
        episodes=QUICK_EPISODES if quick else EPISODES,
        points=2 if quick else 6,
        out=out / "adapted.safetensors",
    )
    tell("recording before and after")
    page = out / "index.html"
    recordings = api.write_adaptation_page(
        page,
        controller,
        adaptation,
        title=f"Surefoot: a {ROBOT} learns to walk, is broken, and adapts",
        note=NOTE.format(
            vary=_listed(VARY),
            broken=_listed(BROKEN),
            seconds=api.duration(adaptation.after.seconds),
            episodes=len(adaptation.after.evaluation.returns),
        ),
        curves=api.training_curve(out / "run"),
        seconds=QUICK_RECORD_SECONDS if quick else RECORD_SECONDS,
    )
    for recording in recordings:
        recording.save(out / f"{recording.label}.recording.npz")
    tell(f"done: open {page}")
    return Demo(adaptation, api.summary_table(adaptation), page)


def train(out: Path, seconds: float, hyper: dict[str, Any], tell: Callable[[str], None]) -> Controller:
    """The controller of the demo, in `out`/run; an earlier demo's run there is replaced."""
    run = out / "run"
    _forget(run)
    return api.train(
        ROBOT,
        TASK,
        steps=TRAIN_STEPS,
        seconds=seconds,
        vary=VARY,
        options=OPTIONS,
        hyperparameters=hyper,
        out=run,
        progress=False,
        callback=Telling(tell),
    )


def _forget(run: Path) -> None:
    """Delete what a training writes, and nothing else."""
    for pattern in ("config.json", "controller.safetensors", "checkpoints/step_*.safetensors", "log_*/progress.csv"):
        for file in run.glob(pattern):
            file.unlink()
    for file in run.glob("log_*/events.out.tfevents.*"):
        file.unlink()


def _listed(settings: dict[str, Any]) -> str:
    return ", ".join(
        f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}" for key, value in settings.items()
    )


class Telling(BaseCallback):
    """A line of progress every `TELL_SECONDS`."""

    def __init__(self, tell: Callable[[str], None]):
        super().__init__()
        self.tell, self.last = tell, time.monotonic()

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        if time.monotonic() - self.last < TELL_SECONDS:
            return
        self.last = time.monotonic()
        core, finished = core_of(self.model), self.model.ep_info_buffer or ()
        total = f"return {np.mean([e['r'] for e in finished]):.1f}" if finished else "no episode has ended yet"
        term = core.terms[:, core.task.terms.index("tracking_lin_vel")].mean() / WEIGHTS["tracking_lin_vel"]
        self.tell(f"  {self.num_timesteps / 1e6:.1f} M steps, {total}, tracking {term:.2f} with exploration")
