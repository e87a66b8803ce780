"""A bridge to `mujoco.sysid`: MuJoCo's own least squares over the windows of a log.

It starts at the nominal robot, takes each window's first row for its exact start and all errors for the sensors' noise. It
is quick, and good for clean logs of robots without contacts; for legged ones `log_search` is nearer and its intervals wider,
as they have to be.
"""

import io
from typing import Any

import numpy as np

from ...robots import SurefootError
from .log_search import NOISE, Unknown
from .windows import Windows

STEP = 1e-3  # of finite differences, as a share of the range: with contacts, a smaller one sees nothing but their jumps


def fit(windows: Windows, wanted: list[Unknown], nominal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The parameters (p,) and the covariance of their errors (p, p), in z. Raises `SurefootError` without its packages."""
    from mujoco import sysid

    if not hasattr(sysid, "optimize"):  # it swallows the ImportError
        raise SurefootError("solver 'mujoco' needs the packages of mujoco.sysid: pip install 'surefoot[sysid]'")
    measured = windows.group >= 0  # without the guesses about the base
    deviation = np.array([NOISE[name] for name in windows.names])[windows.group[measured]]

    def residual(x: np.ndarray, _: Any) -> tuple[list[np.ndarray], None, None]:
        """Of candidates (p,) or (p, C), as (R,) or (R, C)."""
        z = x.reshape(len(wanted), -1).T
        values = np.repeat(nominal[None], len(z), axis=0)
        for i, one in enumerate(wanted):
            values[:, one.columns] = one.value(z[:, i : i + 1])
        starts = np.zeros((len(z), windows.count, 2 * windows.model.nv))
        found = (windows.residuals(values, starts)[:, :, measured] / deviation).reshape(len(z), -1).T
        return [found if x.ndim > 1 else found[:, 0]], None, None

    start = [min(max(one.z(float(nominal[one.columns].mean())), 0.05), 0.95) for one in wanted]  # it stalls at a bound
    parameters = sysid.ParameterDict()
    for one, z in zip(wanted, start, strict=True):
        parameters.add(sysid.Parameter(one.name, nominal=z, min_value=0.0, max_value=1.0))
    found, result = sysid.optimize(  # `output`: its solver prints, whatever `verbose` says
        parameters, residual, optimizer="mujoco", verbose=False, max_iters=50, eps=STEP, xtol=1e-5, output=io.StringIO()
    )
    x = found.as_vector()
    covariance, _ = sysid.calculate_intervals(residual(x, found)[0], result.jac)
    return x, covariance
