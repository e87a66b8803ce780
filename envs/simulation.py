"""N worlds of one robot on MuJoCo's thread pool, each with its own physical parameters."""

from dataclasses import dataclass
from typing import Literal

import mujoco
import numpy as np
from mujoco.batch import Batch, SimulationError

from ..robots import Robot, SurefootError
from ..robots.layout import as_slice
from ..robots.parameters import Fields, ParameterTable
from ..robots.quiet import quiet
from ..robots.robot import compile_quietly
from .cpus import CPUS

ContactForces = Literal["none", "exact", "fast"]

DEFAULT_THREADS = CPUS  # of MuJoCo's pool where nobody says
# Worlds x physics steps x degrees of freedom of a control step below which one thread is at least as fast as two: waking
# the second one costs as much as it would do (cartpole, 2 steps x 2 degrees of freedom: up to about 32 worlds).
SMALL = 128
# A DC motor's torque falls linearly from stall to its no-load speed; electronics cap it. At 2, as in Isaac Lab's DCMotor with
# a saturation of twice the effort limit, the cap ends at half the no-load speed.
SATURATION = 2.0


@dataclass(frozen=True)
class Robots:
    """n robots, worked out.

    Attributes:
        values: (n, K) their parameters. fields: the model fields (n, ...) that these make.
        lift: (n,) m by which each home pose is higher than the nominal one.
    """

    values: np.ndarray
    fields: Fields
    lift: np.ndarray

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows: slice) -> "Robots":
        return Robots(self.values[rows], {name: a[rows] for name, a in self.fields.items()}, self.lift[rows])


class Simulation:
    """N worlds of one robot.

    Attributes:
        model: the compiled nominal model.
        table: the robot's parameters.
        values: (N, K) parameter values of each world (read it; write through `set_parameters`).
        lift: (N,) m by which each world's home pose is higher than the nominal one: longer legs stand higher.
        fresh: (N,) bool, worlds whose parameters were set since somebody (`Sensors`) looked and cleared it.
        qpos, qvel, ctrl: live arrays (N, nq), (N, nv), (N, nu).
        diverged: (N,) bool, worlds that blew up in the last step; MuJoCo has put them back to their default pose.
    """

    def __init__(
        self,
        robot: Robot,
        num_worlds: int,
        *,
        threads: int = 0,
        contact_forces: ContactForces = "none",
        max_delay: float = 0.0,
    ):
        """`threads` 0 uses `DEFAULT_THREADS`, or one for little work (`SMALL`).

        `max_delay` s of actuator delay must be declared here: it costs memory. `contact_forces` "exact" gives Gymnasium's
        cfrc_ext after each step (mj_rnePostConstraint world by world, 10-20 % of Ant's step); "fast" takes what an
        accelerometer computes in passing (with RK4: of the step's first stage).
        """
        if num_worlds < 1:
            raise SurefootError(f"number of worlds {num_worlds}: expected 1 or more")
        if threads < 0:
            raise SurefootError(f"number of threads {threads}: expected 0 (all CPUs) or more")
        self.robot, self.num_worlds = robot, num_worlds
        nominal = robot.compile()  # names every mistake in the model before we edit it
        self.model = _edited(robot, nominal, max_delay, contact_forces == "fast")
        self.max_delay = max_delay
        self.substeps = robot.substeps(self.model)
        if num_worlds * self.substeps * self.model.nv <= SMALL:
            threads = threads or 1
        self.table = ParameterTable(robot, self.model)
        self._delays = self.table.columns("delay")
        self.values = np.repeat(self.table.nominal[None], num_worlds, axis=0)
        self._exact_forces = contact_forces == "exact"
        self.batch = Batch(
            self.model, nsim=num_worlds, nthread=threads or DEFAULT_THREADS, persistent=self._exact_forces
        )
        self.qpos, self.qvel, self.ctrl = (self.batch.bind(f) for f in ("qpos", "qvel", "ctrl"))
        if self._exact_forces:
            self.cfrc_ext = np.zeros((num_worlds, self.model.nbody, 6))
            self._data = mujoco.MjData(self.model)
            self._touching, self._applied = self.batch.bind("ncon"), self.batch.bind("xfrc_applied")
            self._middle, self._centre = self.batch.bind("subtree_com"), self.batch.bind("xipos")
        elif contact_forces == "fast":
            self.cfrc_ext = self.batch.bind("cfrc_ext")
        self.diverged = np.zeros(num_worlds, dtype=bool)
        self.divergences = 0
        self.lift, self.fresh = np.zeros(num_worlds), np.zeros(num_worlds, bool)
        self._outside = Outside(self)
        self._expanded: dict[str, np.ndarray] = {}
        self._constants = False  # whether MuJoCo derives constants from a field that differs between worlds
        self._default_state = self.batch.state[0].copy()  # all that MuJoCo integrates, warm start and delays included
        first, last = mujoco.mjtWarning.mjWARN_BADQPOS, mujoco.mjtWarning.mjWARN_BADCTRL
        self._warnings = self.batch.warning[:, int(first) : int(last) + 1, 1]  # live counters of bad numbers, (N, 4)

    def work_out(self, values: np.ndarray) -> Robots:
        """The robots with parameters `values` (n, K); many cost little more than one.

        Raises `SurefootError` for illegal values.
        """
        fields = self.table.fields(values)
        self._check_delay(values)
        return Robots(values, fields, self.table.shape.lift(fields) if "body_pos" in fields else np.zeros(len(values)))

    def set_parameters(self, ids: np.ndarray, values: np.ndarray) -> None:
        """Give worlds `ids` (n,) the parameters `values` (n, K), always from the compiled nominal model.

        Raises `SurefootError` for illegal values, before anything is written.
        """
        self.become(ids, self.work_out(values))

    def become(self, ids: np.ndarray, robots: Robots) -> None:
        """Let worlds `ids` (n,) be these n robots."""
        fields = robots.fields
        for name in fields.keys() - self._expanded.keys():
            self._expanded[name] = self.batch.expand(name)
            self._constants |= name in mujoco.MjModel._setconst_inputs or name.startswith("opt.")
        for name, array in self._expanded.items():
            array[ids] = fields[name] if name in fields else self.table.nominal_field(name)
        self.values[ids] = robots.values
        self.fresh[ids] = True
        if self._constants:
            self.batch.set_const(ids)
        if "body_pos" in self._expanded:
            self._rise(ids, robots.lift)
        self._outside.set(ids, self._expanded.get("actuator_forcerange"))

    def _rise(self, ids: np.ndarray, lift: np.ndarray) -> None:
        """Put the bases of worlds `ids`, whose geometry has changed, as far above the ground as they were."""
        height = self.table.shape.height
        if height is not None:
            self.qpos[ids, height] += lift - self.lift[ids]
        self.lift[ids] = lift

    def _check_delay(self, values: np.ndarray) -> None:
        longest = values[:, self._delays].max(initial=0.0)
        if longest > self.max_delay:
            raise SurefootError(
                f"delay {longest:g} s is longer than the {self.max_delay:g} s that this simulation was "
                "made for: pass max_delay, or name delay in its variation or task"
            )

    def reset(self, ids: np.ndarray, qpos: np.ndarray, qvel: np.ndarray, *, forward: bool = True) -> None:
        """Put worlds `ids` into the given states, (n, nq) and (n, nv), everything else at its default.

        Positions are those of the nominal robot: one with longer legs stands higher by its `lift`. Without `forward`,
        forces, positions of bodies and sensors follow only with the next step, which is cheaper.
        """
        self.batch.state[ids] = self._default_state  # a tenth of the time that Batch.reset takes for a few worlds
        self.qpos[ids], self.qvel[ids] = qpos, qvel
        if "body_pos" in self._expanded and self.table.shape.height is not None:
            self.qpos[ids, self.table.shape.height] += self.lift[ids]
        self._outside.begin(ids)
        if forward:
            with quiet():
                self.batch.forward(ids)
        if self._exact_forces:
            self.cfrc_ext[ids] = 0.0  # as in Gymnasium, which computes them only after a step

    def copy_from(self, other: "Simulation", index: np.ndarray) -> None:
        """Put world i into the state of world `index[i]` of `other`, bit for bit; parameters stay.

        Derived fields (sensors, positions of bodies) follow with the next step. Raises `SurefootError` for another robot,
        or another length of the actuators' histories.
        """
        if self.robot.name != other.robot.name or self.batch.nstate != other.batch.nstate:
            raise SurefootError(
                f"the state of {other.robot.name!r} with delays up to {other.max_delay:g} s does not fit into "
                f"{self.robot.name!r} with delays up to {self.max_delay:g} s"
            )
        self.batch.state[:] = other.batch.state[index]
        self._outside.pending[:] = other._outside.pending[index]
        self.diverged[:] = other.diverged[index]
        if self._exact_forces:
            self.cfrc_ext[:] = other.cfrc_ext[index]

    def step(self) -> None:
        """One control step with the controls in `ctrl`. Sets `diverged`; never raises for a world that blew up."""
        failed = None
        self._outside.apply()
        with quiet():
            try:
                self.batch.step(nstep=self.substeps)
            except SimulationError as error:
                failed = error.ids
        self.diverged[:] = False
        if failed is not None:
            self.diverged[failed] = True
        if self._warnings.any():
            self.diverged |= self._warnings.any(axis=1)
            self._warnings[:] = 0
        self.divergences += int(np.count_nonzero(self.diverged))
        if self._exact_forces:
            self._compute_contact_forces()

    def _compute_contact_forces(self) -> None:
        # The one loop over worlds: MuJoCo has no batched call for it, and sensors give other values with RK4. The nominal
        # model serves all worlds: contact forces are in the data, and cfrc_ext depends on no parameter. Copying a world's
        # data out is what costs, so worlds that touch nothing (more than half, while an ant runs) are spared it.
        alone = self._touching == 0 if not self.model.neq else np.zeros(self.num_worlds, bool)
        self.cfrc_ext[alone] = self._forces_of_pushes(alone)
        for i in np.flatnonzero(~alone):
            self.batch.get_data(i, self._data)
            mujoco.mj_rnePostConstraint(self.model, self._data)
            self.cfrc_ext[i] = self._data.cfrc_ext

    def _forces_of_pushes(self, worlds: np.ndarray) -> np.ndarray:
        """What cfrc_ext is in `worlds` (N,) bool without contacts, (n, nbody, 6): pushes, about the trees' centres of mass."""
        applied = self._applied[worlds]
        if not applied.any():
            return np.zeros_like(applied)
        force, torque = applied[:, :, :3], applied[:, :, 3:]
        arm = self._middle[worlds][:, self.model.body_rootid] - self._centre[worlds]
        return np.concatenate([torque - np.cross(arm, force), force], axis=2)


class Outside:
    """What acts on the worlds from outside of their models, control step by control step: pushes, and motors' speed limits."""

    def __init__(self, sim: Simulation):
        self.sim = sim
        at, n, nu = sim.table.layout, sim.num_worlds, sim.model.nu
        self._force, self._impulse, self._fade = (
            sim.table.columns(name) if name not in sim.table.absent else np.zeros(0, np.int64)
            for name in ("force", "impulse", "torque_speed")
        )
        self._axes = as_slice(np.array(["xyz".index(axis) for axis in at.axes], np.int64))
        self._dofs = as_slice(at.dofs)
        self._push = sim.batch.bind("xfrc_applied")[:, at.base]  # (N, 6), a view
        self.pending = np.zeros((n, len(at.axes)))  # N s, to be given in the next control step
        self._steady, self._blow = np.zeros_like(self.pending), np.zeros_like(self.pending)  # N; N s
        self._pushing = False
        self._range: np.ndarray | None = None
        # Of each motor: its forces at rest, and what it loses of them, in shares, with each rad/s.
        self._least, self._most, self._loss = (np.zeros((n, nu)) for _ in range(3))
        self._weak = np.zeros(n, bool)  # worlds whose motors weaken with speed
        self._fading: np.ndarray | slice | None = None  # the same
        self._direction = np.where(sim.model.actuator_gear[:, 0] < 0, -1.0, 1.0)

    def set(self, ids: np.ndarray, ranges: np.ndarray | None) -> None:
        """Worlds `ids` have new parameters; `ranges` (N, nu, 2): the motors' force limits, where they differ."""
        values = self.sim.values[ids]
        self._steady[ids] = values[:, self._force]
        self.pending[ids] = self._blow[ids] = values[:, self._impulse]
        pushing = bool(self._steady.any() or self._blow.any())
        if self._pushing and not pushing:
            self._push[:] = 0.0
        self._pushing = pushing
        if len(self._fade):
            self._loss[ids] = SATURATION * values[:, self._fade] * self._direction
        if ranges is not None:
            self._range = ranges
            self._least[ids], self._most[ids] = ranges[ids, :, 0], ranges[ids, :, 1]
            self._weak[ids] = self._loss[ids].any(axis=1)
            some = np.flatnonzero(self._weak)
            # All of them as a slice, which copies nothing.
            self._fading = slice(None) if len(some) == self.sim.num_worlds else some if len(some) else None

    def begin(self, ids: np.ndarray) -> None:
        """Worlds `ids` begin an episode, perhaps with a blow."""
        if self._pushing:
            self.pending[ids] = self._blow[ids]

    def apply(self) -> None:
        """Write forces and limits of the control step that follows."""
        if self._pushing:
            force = self._steady
            if self.pending.any():
                force = force + self.pending / self.sim.robot.control_dt
                self.pending[:] = 0.0
            self._push[:, self._axes] = force
        if self._fading is not None and self._range is not None:
            some = self._fading
            # Speed of the step's beginning; only in the direction in which the motor drives: it brakes with all it has.
            share = self.sim.qvel[some][:, self._dofs] * self._loss[some]
            self._range[some, :, 0] = self._least[some] * np.clip(SATURATION + share, 0.0, 1.0)
            self._range[some, :, 1] = self._most[some] * np.clip(SATURATION - share, 0.0, 1.0)


def _edited(robot: Robot, nominal: mujoco.MjModel, max_delay: float, accelerometer: bool) -> mujoco.MjModel:
    """The nominal model, or one with history buffers for delays and a sensor that makes MuJoCo compute contact forces."""
    if not max_delay and not accelerometer:
        return nominal
    spec = robot.make_spec()
    if max_delay:
        for actuator in spec.actuators:
            actuator.nsample = int(np.ceil(max_delay / nominal.opt.timestep)) + 1
    if accelerometer:
        spec.body(robot.base).add_site(name="surefoot_accelerometer")
        spec.add_sensor(
            name="surefoot_accelerometer",
            type=mujoco.mjtSensor.mjSENS_ACCELEROMETER,
            objtype=mujoco.mjtObj.mjOBJ_SITE,
            objname="surefoot_accelerometer",
        )
    return compile_quietly(spec)
