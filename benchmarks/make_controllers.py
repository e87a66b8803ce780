"""Train, judge and pack the controllers that are shipped in assets/controllers, each with its card.

    python benchmarks/make_controllers.py                                  # all of them, with their presets
    python benchmarks/make_controllers.py quadruped-velocity --seeds 0 1 2
    python benchmarks/make_controllers.py hopper-run --run runs/hopper     # from a run folder that is already there

Every seed is trained in a folder of its own below --work and, after an interruption, continued there; a controller whose
file is already there is left alone unless --again says otherwise. Of several seeds the one with the best mean return over
episodes from seed 2000 is shipped; the card's figures come from episodes of another seed, exploration off, nominal robot.
"""

import argparse
import dataclasses
import time
from pathlib import Path

import surefoot  # isort: skip
# ^ before anything loads torch: it limits the spinning of torch's threads

from common import commit, machine

from surefoot.controllers.controller import Controller
from surefoot.controllers.evaluation import evaluate
from surefoot.controllers.seeds import train_or_continue
from surefoot.controllers.shipped import FOLDER, LIMIT, SUFFIX, Card
from surefoot.controllers.training import train_config
from surefoot.demo import VARY

LOADS = {"payload": "0:3"}  # kg in an arm's hand
THINGS = {**LOADS, "mass.object": "0.5:2", "friction.object_foot": "0.6:1.4"}  # and what it pushes
# Name: robot, task, algorithm, variation in training. Legs meet varied robots, from which adaptation starts best.
CONTROLLERS: dict[str, tuple[str, str, str, dict[str, str]]] = {
    "quadruped-velocity": ("quadruped", "velocity", "ppo", VARY),
    "go1-velocity": ("go1", "velocity", "ppo", VARY),
    "biped-velocity": ("biped", "velocity", "ppo", VARY),
    "g1-velocity": ("g1", "velocity", "ppo", VARY),
    "hexapod-velocity": ("hexapod", "velocity", "ppo", {}),
    "arm-reach": ("arm", "reach", "ppo", LOADS),
    "arm-push": ("arm", "push", "ppo", THINGS),
    "half_cheetah-run": ("half_cheetah", "run", "ppo", {}),
    "hopper-run": ("hopper", "run", "ppo", {}),
    "walker2d-run": ("walker2d", "run", "ppo", {}),
    "ant-run": ("ant", "run", "ppo", {}),
    "humanoid-run": ("humanoid", "run", "ppo", {}),
}
CHOICE_SEED, CARD_SEED = 2000, 1000  # of the evaluations


def trained(name: str, seed: int, steps: int | None, folder: Path) -> Path:
    """The run folder of one seed, trained to the end: begun, continued or found."""
    robot, task, algo, vary = CONTROLLERS[name]
    train_or_continue(train_config(robot, task, algo=algo, steps=steps, seed=seed, vary=vary), folder)
    return folder


def make(name: str, folders: list[Path], episodes: int) -> Path:
    """Choose the best of the runs, judge it again and write its file."""
    runs = [Controller.load(folder) for folder in folders]
    returns = [evaluate(run, episodes=episodes, seed=CHOICE_SEED).mean for run in runs]
    best = max(range(len(runs)), key=returns.__getitem__)
    chosen, config = runs[best], runs[best].config
    # All of the settings: a preset that changes later must not change the network that a shipped file describes.
    chosen.config = config.model_copy(update={"hyperparameters": dataclasses.asdict(chosen.settings)})
    result = evaluate(chosen, episodes=episodes, seed=CARD_SEED)
    computer = machine()
    card = Card(
        robot=config.robot,
        task=config.task,
        algo=config.algo,
        steps=chosen.timesteps,
        vary=config.vary,
        seed=config.seed,
        seeds=tuple(run.config.seed for run in runs),
        seed_returns=tuple(returns),
        mean_return=result.mean,
        interval=result.interval(),
        episodes=episodes,
        evaluation_seed=CARD_SEED,
        tracking=None if result.tracking != result.tracking else result.tracking,
        success=result.success,
        falls=float(result.fell.mean()),
        training_seconds=chosen.seconds,
        machine=f"{computer['cpu']}, {computer['cpus']} CPUs",
        surefoot=surefoot.__version__,
        commit=commit() or "unknown",
        date=time.strftime("%Y-%m-%d", time.gmtime()),
    )
    file = FOLDER / f"{name}{SUFFIX}"
    chosen.save(file, card=card)
    size = file.stat().st_size
    print(
        f"{name}: {card.mean_return:.1f} ({card.interval[0]:.1f} to {card.interval[1]:.1f}), {size:,} bytes", flush=True
    )
    if size > LIMIT:
        print(f"{name}: larger than {LIMIT:,} bytes, which tests/controllers/test_shipped.py does not let pass")
    return file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(CONTROLLERS)}")
    parser.add_argument(
        "--run", type=Path, nargs="+", help="run folders of one controller instead of training, one a seed"
    )
    parser.add_argument("--steps", type=float, help="environment steps of each training; the preset's where not given")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="seeds to train")
    parser.add_argument("--episodes", type=int, default=100, help="evaluation episodes")
    parser.add_argument("--work", type=Path, default=Path("runs/controllers"), help="folder for the run folders")
    parser.add_argument("--again", action="store_true", help="replace files that are already there")
    args = parser.parse_args()
    names = args.names or list(CONTROLLERS)
    unknown = [name for name in names if name not in CONTROLLERS and not args.run]
    if unknown or (args.run and len(args.names) != 1):
        parser.error(f"unknown controller {unknown[0]!r}" if unknown else "--run needs the name of one controller")
    steps = None if args.steps is None else int(args.steps)
    for name in names:
        if (FOLDER / f"{name}{SUFFIX}").exists() and not args.again:
            print(f"{name}: already there (--again replaces it)", flush=True)
            continue
        folders = args.run or [trained(name, seed, steps, args.work / f"{name}-{seed}") for seed in args.seeds]
        make(name, folders, args.episodes)


if __name__ == "__main__":
    main()
