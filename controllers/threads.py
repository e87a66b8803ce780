"""torch and MuJoCo on the same cores, set in one place, before torch is loaded (the root package imports this first).

torch's OpenMP threads spin while they wait for each other. Unlimited spinning is fastest on an idle machine and ruinous
as soon as one core is busy; never spinning wastes the second core on small tensors. PPO on 512 quadrupeds, steps/s on two
quiet cores: one thread 11.6 k, two threads never spinning (OMP_WAIT_POLICY=passive) 13.0 k, spinning briefly
(GOMP_SPINCOUNT=10000) 14.9 k, spinning long 15.5 k; half_cheetah beside a busy core: 8 k spinning long, 25 k passive.
"""

import os
import sys

from ..envs.cpus import CPUS

if "torch" not in sys.modules:
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")

# For updates only; while MuJoCo's pool is at work torch has one thread.
UPDATE_THREADS = min(CPUS, 8)
if "torch" in sys.modules and not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & os.environ.keys():
    UPDATE_THREADS = 1  # too late to limit the spinning: one thread is then the safe choice


def share_cpus(processes: int) -> None:
    """From now on use the share of the CPUs of one of so many processes, for MuJoCo's pool and for torch."""
    global UPDATE_THREADS
    from ..envs import simulation

    simulation.DEFAULT_THREADS = max(1, CPUS // processes)
    UPDATE_THREADS = min(UPDATE_THREADS, simulation.DEFAULT_THREADS)
