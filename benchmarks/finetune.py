"""What does `finetune` recover on a broken robot, and at what cost?

    python benchmarks/finetune.py            # 5 seeds, about 20 minutes on 2 cores

A base controller is trained under randomised dynamics and then meets a payload and a weak leg outside the training range.
For each seed of what follows: zero-shot is the base as it is, scratch a new controller trained on that very robot,
finetune the base adapted to it. Recovered = (finetune - zero-shot) / (scratch - zero-shot) of the mean return over the
same evaluation episodes.
"""

import argparse

import surefoot  # noqa: F401  # isort: skip
# ^ before anything loads torch: it limits the spinning of torch's threads

import numpy as np
from common import write_result

from surefoot.controllers import threads
from surefoot.controllers.adaptation import Budget, finetune
from surefoot.controllers.controller import Controller
from surefoot.controllers.evaluation import evaluate
from surefoot.controllers.statistics import bootstrap, mean
from surefoot.controllers.training import train
from surefoot.demo import BROKEN, VARY
from surefoot.envs.variation import Task


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help="number of seeds")
    parser.add_argument("--base", help="file of the base controller; trained anew where not given")
    parser.add_argument("--base-steps", type=float, default=1.2e6, help="steps of the base training")
    parser.add_argument("--steps", type=float, default=2e6, help="steps of the scratch training")
    parser.add_argument(
        "--scratch-mirror", action="store_true", help="train scratch with the symmetric network after all"
    )
    parser.add_argument("--finetune-steps", type=float, default=2e5, help="steps of fine-tuning")
    parser.add_argument("--episodes", type=int, default=100, help="evaluation episodes")
    parser.add_argument("--share", type=int, default=1, help="so many such processes share the CPUs")
    parser.add_argument("--out", default="finetune.json", help="result file")
    args = parser.parse_args()
    threads.share_cpus(args.share)
    task = Task(BROKEN)
    if args.base:
        base = Controller.load(args.base)
    else:
        base = train("quadruped", "velocity", steps=int(args.base_steps), vary=VARY, seed=0, progress=False)
    rows = []
    for seed in range(args.seeds):
        # A robot with one weak leg has no mirror image: scratch, like finetune, learns without the symmetric network.
        scratch = train(
            "quadruped", "velocity", steps=int(args.steps), parameters=BROKEN, seed=seed, progress=False,
            hyperparameters={"mirror": args.scratch_mirror},
        )  # fmt: skip
        outcome = finetune(
            base, task, Budget(seconds=60, steps=int(args.finetune_steps)), seed=seed, episodes=args.episodes, points=4
        )
        judged = evaluate(scratch, task=task, episodes=args.episodes, seed=1000 + seed)
        before, after = outcome.before.evaluation, outcome.after.evaluation
        row = {
            "seed": seed,
            "nominal": evaluate(base, episodes=args.episodes, seed=1000 + seed).mean,
            "zero_shot": before.mean, "finetune": after.mean, "scratch": judged.mean,
            "recovered": (after.mean - before.mean) / (judged.mean - before.mean),
            "tracking": {"zero_shot": before.tracking, "finetune": after.tracking, "scratch": judged.tracking},
            "falls": {n: float(e.fell.mean()) for n, e in (("zero_shot", before), ("finetune", after), ("scratch", judged))},
            "finetune_seconds": outcome.after.seconds, "finetune_steps": outcome.after.steps,
            "finetune_robot_seconds": outcome.after.robot_seconds, "scratch_steps": scratch.timesteps,
            "curve": [[p.steps, round(p.seconds, 1), round(p.evaluation.mean, 2)] for p in outcome.curve],
        }  # fmt: skip
        rows.append(row)
        print({k: v for k, v in row.items() if k != "curve"}, row["curve"], flush=True)
        recovered = np.array([r["recovered"] for r in rows])
        figures = {
            "task": str(task), "variation": VARY, "base_steps": base.timesteps, "cpus": threads.UPDATE_THREADS, "runs": rows,
            "recovered_mean": float(recovered.mean()), "recovered_95_interval": list(bootstrap(mean, recovered)),
            "steps_ratio": max(r["finetune_steps"] / r["scratch_steps"] for r in rows),
            "slowest_finetune_seconds": max(r["finetune_seconds"] for r in rows),
        }  # fmt: skip
        write_result(args.out, figures, seed=0)
    print({k: v for k, v in figures.items() if k != "runs"})


if __name__ == "__main__":
    main()
