"""Real to sim: the robot walks for some seconds, a simulation is fitted to what its sensors saw, and PPO learns in that.

Fine-tuning needs hours of motion. Here they are those of simulated robots that move like this one (as in Ramos et al., 2019,
"BayesSim", and Lim et al., 2022, "Real2Sim2Real"), and the real one only moves for as long as it takes to be measured.
"""

import dataclasses
import time
from collections.abc import Iterable, Mapping, Sequence

from ...envs.inputs import REMEMBERED
from ...envs.variation import Task, without_star
from ...robots import SurefootError
from ...robots.moments import split_moment
from ...robots.parameters import ParameterTable
from ..config import TrainConfig
from ..controller import Controller
from ..simulated_log import walk
from ..worlds import robot_of, suite_of
from .base import Adaptation, Budget, Estimate, Point
from .finetune import FinetuneConfig, finetune
from .log_search import NOISE
from .sysid import RANGES, LogFit, identify, unknowns

MOTION = 10.0  # s of walking where the budget does not say
TUNING = 60.0  # s of fine-tuning where the budget does not say
COMPUTING = 30.0  # s of wall-clock, fit and fine-tuning, under which it is not worth it
LEAST = 1.0  # s of fine-tuning where the fit has used the budget up
# Pieces of motion that are fitted, or as many more than parameters. They lie all over the walk, with all of its commands. Twice
# as many take two to three times as long (17 s become 34 to 55 of a minute's budget): intervals of a right fit shrink by half,
# and a fit that misses something stays as wrong (a payload beside a weak kp, which is not fitted: 2.0 and 1.6 kg instead of 3).
WINDOWS, SPARE = 24, 7
WINDOW = 0.1  # s: half of what a fit takes by itself, in half the time; what it leaves in doubt is trained on
EXPLAINED = 1.5  # times the noise of usual encoders: a fit that misses something leaves ten times as much
BREAKS = ("payload", "com", "friction", "motor_strength.*")  # what goes wrong with robots
PRODUCTS = ("mass", "inertia", "kp")  # act as other motors and a payload do: beside those the log tells none of them


def twin(
    controller: Controller,
    task: Task,
    budget: Budget,
    *,
    seed: int = 0,
    episodes: int = 50,
    points: int = 4,
    fit: Mapping[str, str] | None = None,
    settings: FinetuneConfig | None = None,
) -> Adaptation:
    """Walk for some seconds, fit a simulation to what the sensors saw, and fine-tune in it.

    The budget's motion (`MOTION` where it names none) is walked with the controller as it is, with the noise of
    `simulated_log.NOISE`; its wall-clock is that of fit and fine-tuning, of which the latter has what the former leaves, a
    second at least: the fit, 10 to 20 s, is never cut, and a shorter budget is overrun by it. It looks at pieces of the walk,
    some 2.4 s of 10 (`WINDOWS`), which is why it takes seconds.
    `fit` is what to fit, as `sysid.identify` takes it; without it the fewest `suspects` that explain the motion. What the
    training fixed (`--set delay=0.02`) holds for this robot, too, unless it is fitted. `settings` are `finetune`'s.

    Raises `SurefootError` for a controller that is `unsuited`, what cannot be fitted, and motion that is too short.
    """
    if why := unsuited(controller):
        raise SurefootError(why)
    robot = robot_of(controller.config)
    model = robot.compile()
    table = ParameterTable(robot, model)
    rounds = [dict(fit)] if fit else suspects(controller.config, table)
    numbers = [len(unknowns(asked, table, float(model.body_mass.sum()))) for asked in rounds]  # before anything moves
    steps = budget.limit(robot.control_dt) or round(MOTION / robot.control_dt)
    walked = walk(controller, task, steps * robot.control_dt, seed=2000 + seed)
    started = time.perf_counter()
    for asked, number in zip(rounds, numbers, strict=True):
        try:
            found = identify(
                walked.log.robot, walked.log, asked, known=believed(controller.config, asked, table), window=WINDOW,
                at_most=max(WINDOWS, number + SPARE), seed=seed,
            )  # fmt: skip
        except SurefootError as error:
            raise SurefootError(f"method 'twin' after {steps * robot.control_dt:g} s of motion: {error}") from error
        if explains(found):
            break
    spent = time.perf_counter() - started
    left = TUNING if budget.seconds is None else max(budget.seconds - spent, LEAST)
    tuned = finetune(
        controller,
        task,
        Budget(left),
        seed=seed,
        episodes=episodes,
        points=points,
        settings=settings,
        robots=found.vary,
    )
    # The robot has moved before the fine-tuning, and does not move during it.
    later = [
        Point(steps, len(walked.log.begins), steps * robot.control_dt, spent + point.seconds, point.evaluation)
        for point in tuned.curve[1:]
    ]
    return dataclasses.replace(tuned, method="twin", curve=(tuned.before, *later), inferred=estimates(found))


def unsuited(controller: Controller) -> str:
    """Why a controller cannot be adapted like this, in one line; "" where it can."""
    config = controller.config
    if config.algo != "ppo":
        return f"method 'twin' continues ppo controllers, not {config.algo!r}"
    told = [name for name in controller.settings.inputs if name not in REMEMBERED]
    if told:
        return f"method 'twin' is for controllers that sense only their own motion; this one is told {', '.join(told)}"
    if config.options.get("terrain"):
        return "method 'twin' fits robots on a level floor; this controller's ground is a terrain"
    return ""


def suspects(config: TrainConfig, table: ParameterTable) -> list[dict[str, str]]:
    """What may differ, the fewest first: what the training varied, a number for each key; what breaks besides; what it fixed.

    Ranges are the usual ones ("") and not those of the training, which this robot may be outside of.
    """
    varied = list(config.vary)
    if suite := suite_of(config):
        varied += [key for task in suite.tasks("train") for key in task.parameters]
    breaks = [key for key in BREAKS if any(p.name == without_star(key) for p in table.parameters)]
    motors = "motor_strength.*"  # also where the training has weak ones in groups, or dead ones
    names = {key.split(".")[0] for key in varied}
    first = [motors] if names & {"motor_strength", "dead_actuator"} and motors in breaks else []
    first += _fittable(varied)
    rounds = [
        _apart(keys, table) for keys in (first, [*breaks, *first], [*breaks, *first, *_fittable(config.parameters)])
    ]
    return [one for k, one in enumerate(rounds) if one and (k == 0 or one.keys() != rounds[k - 1].keys())]


def believed(config: TrainConfig, asked: Mapping[str, str], table: ParameterTable) -> dict[str, float | str]:
    """What the training fixed, but for the elements that are `asked` for and what changes in mid-episode."""
    taken = {c for key in asked for c in table.columns(without_star(key)).tolist()}
    found: dict[str, float | str] = {}
    for key, value in config.parameters.items():
        if split_moment(key)[1] is None:
            columns = table.columns(key).tolist()
            whole = taken.isdisjoint(columns)
            found |= {key: value} if whole else {table.names[c]: value for c in columns if c not in taken}
    return found


def _fittable(keys: Iterable[str]) -> list[str]:
    """Those of the keys that a log can tell by itself."""
    return [key for key in map(without_star, keys) if key.split(".")[0] in {*RANGES, "payload"} - {*PRODUCTS}]


def _apart(keys: Sequence[str], table: ParameterTable) -> dict[str, str]:
    """Those of the keys that have no element in common with one before."""
    found: dict[str, str] = {}
    taken: set[int] = set()
    for key in dict.fromkeys(keys):
        columns = set(table.columns(without_star(key)).tolist())
        if not columns & taken:
            found[key] = ""
            taken |= columns
    return found


def explains(found: LogFit) -> bool:
    """Whether what is left of the joints' errors may be their sensors' noise: otherwise something else differs as well."""
    return all(found.noise[name] <= EXPLAINED * NOISE[name] for name in ("position", "velocity"))


def estimates(found: LogFit) -> dict[str, Estimate]:
    """The fitted parameters, with the fit's 90 % intervals and standard deviations as of normal ones so wide."""
    return {part.name: Estimate(part.value, part.std, part.true, part.interval) for part in found.fitted}
