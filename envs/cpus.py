"""How many CPUs this process may use; on a cluster or in a container often fewer than the machine has."""

import os

# What taskset, Slurm or a cpuset left; systems other than Linux do not say.
CPUS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
