"""The safety gate: an adapted controller that is worse than the one it replaces, or less safe, is refused."""

from ...envs.variation import Task
from ..controller import Controller
from ..evaluation import evaluate

SHARES = ("falls", "joint_limit", "torque_limit", "velocity_limit")
SLACK = 0.01  # of a share: less is chance


def refusal(before: Controller, after: Controller, task: Task, *, episodes: int = 50, seed: int = 3000) -> str:
    """Why `after` should not replace `before` on `task`, in one line; empty where it may: see `judged`."""
    return judged(before, after, task, episodes=episodes, seed=seed)[0]


def judged(
    before: Controller, after: Controller, task: Task, *, episodes: int = 50, seed: int = 3000
) -> tuple[str, float]:
    """Why `after` should not replace `before` on `task`, empty where it may, and the motion that it took to know, s.

    Both meet the same episodes. The mean return may not be lower, and no share of falls or of steps at a limit of joints or
    motors higher by more than a hundredth.
    """
    old, new = (evaluate(c, task=task, episodes=episodes, seed=seed, safety=True) for c in (before, after))
    reasons = []
    if new.mean < old.mean:
        reasons.append(f"return {new.mean:.1f} after {old.mean:.1f}")
    if old.safety is not None and new.safety is not None:
        were, are = old.safety.figures(), new.safety.figures()
        reasons += [f"{n} {are[n]:.3f} after {were[n]:.3f}" for n in SHARES if are[n] > were[n] + SLACK]
    return "; ".join(reasons), old.robot_seconds + new.robot_seconds
