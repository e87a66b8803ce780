"""torch and MuJoCo on the same cores, set in one place.

torch's OpenMP threads spin while they wait and fight MuJoCo's pool: on two cores PPO's loop on half_cheetah ran at 8-16 k
steps/s with spinning threads and at 25 k with OMP_WAIT_POLICY=passive and two threads for the update alone
(benchmarks/train_speed.py). The variable is read when torch is loaded, so this module comes before torch.
"""

import os
import sys

if "torch" not in sys.modules:
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")

UPDATE_THREADS = min(os.cpu_count() or 1, 8)
if "torch" in sys.modules and os.environ.get("OMP_WAIT_POLICY", "").lower() != "passive":
    UPDATE_THREADS = 1  # too late to stop the spinning: one thread is then the fastest
