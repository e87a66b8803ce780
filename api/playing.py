"""Driving a controller live, in a browser."""

from pathlib import Path

import torch

from ..controllers.adaptation.switch import Switched
from ..controllers.evaluation import AnyController
from ..controllers.gym_ids import needs_robot
from ..controllers.worlds import worlds_of
from ..envs.tasks import Velocity
from ..envs.variation import Task
from ..replay.live import FIRST_SPEED, Live, Walker
from ..replay.live_page import live_page
from ..replay.server import check_websockets, serve
from ..robots.parameters import PARAMETERS
from .showing import described
from .sources import Plan, Settings, Source, commands_of, load_adapted, load_any, task_of

MAX_DELAY = next(p.high for p in PARAMETERS if p.name == "delay")  # a robot may get any while it walks


def play(
    source: Source | AnyController,
    *,
    parameters: Settings | Task | None = None,
    adapted: Source | AnyController | None = None,
    seed: int = 0,
    host: str = "127.0.0.1",
    port: int = 8080,
    browser: bool = True,
    folder: str | Path = ".",
    plan: Plan = None,
) -> None:
    """Let a controller walk in real time and be driven from a page in the browser, until Ctrl-C.

    `parameters` are what differs about the robot at first, or commands that it starts with. With `adapted` a second controller
    walks beside it as "after", on the same robot and under the same commands. Listens on this machine alone unless `host` says
    otherwise. Recordings that are asked for in the page go into `folder`.
    """
    check_websockets()
    live = live_of(source, parameters=parameters, adapted=adapted, seed=seed, folder=folder, plan=plan)
    page = live_page(live, f"{live.env.robot.name} {live.env.task_name}")
    serve(page, live.talk, live.run, host=host, port=port, browser=browser)


def live_of(
    source: Source | AnyController,
    *,
    parameters: Settings | Task | None = None,
    adapted: Source | AnyController | None = None,
    seed: int = 0,
    folder: str | Path = ".",
    plan: Plan = None,
) -> Live:
    """The simulation that `play` serves. Raises `SurefootError` where the two controllers have different robots or tasks."""
    torch.set_num_threads(1)  # one robot's network is small: a second thread costs more than it does
    first = load_any(source, plan)
    controllers = [first] if adapted is None else [first, load_adapted(adapted, first, plan)]
    labels = ["controller"] if adapted is None else ["before", "after"]
    task = task_of(parameters, commands_of(first))
    walkers = []
    for label, controller in zip(labels, controllers, strict=True):
        needs_robot(controller.config, "play")
        env = worlds_of(controller.config, 1, told=controller.told, seed=seed, autoreset=False, tasks=task,
                        max_delay=MAX_DELAY)  # fmt: skip
        if isinstance(env.task, Velocity):
            asked = {"vx": min(FIRST_SPEED, env.task.config.vx), "vy": 0.0, "yaw": 0.0, **task.goal}
            env.task.set_command(tuple(asked[name] for name in env.task.command_names))
        walkers.append(Walker(label, env, Switched(controller, env, seed=seed), described(controller)))
    return Live(walkers, folder=folder)
