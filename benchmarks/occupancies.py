"""Regularised occupancy programs: the dual by Newton's method against the primal by cvxpy with Clarabel.

Both solve the same program on a sparse random model, in turns, and both answers get an interval by weak duality.  The
cone solver's time is that of building and solving its program; it is called through :mod:`mdplab.convex`, at its
tightest tolerances, as the intervals are compared.
"""

from __future__ import annotations

import time
import tracemalloc
from typing import Any

import numpy as np

from benchmarks.instances import random_sparse

__all__ = ["GAP", "occupancy_costs"]

GAP = 1e-8
"""Relative duality gap that both must reach."""


def occupancy_costs(
    states: int = 2000, actions: int = 4, successors: int = 10, repeats: int = 3
) -> list[dict[str, Any]]:
    """Seconds to a certified gap, the ratio, and the peak of the memory that Newton's method allocates."""
    from mdplab.convex import conic_occupancy_program
    from mdplab.models import MDP
    from mdplab.solvers import dual_v

    arrays = random_sparse(states, actions, successors, 0.95)
    data = np.random.default_rng(1).dirichlet(np.ones(states * actions)).reshape(states, actions)
    data = np.maximum(data, 1e-3 / data.size)
    data = data / data.sum()
    model = MDP(arrays.transition, arrays.reward, arrays.discount, np.full(states, 1.0 / states))
    rows = []
    for name in ("kl", "chi-square"):
        options: dict[str, Any] = {"divergence": name, "strength": 0.3}
        times = []
        for turn in range(repeats):
            begin = time.perf_counter()
            ours = dual_v(model, data, **options)
            times.append(time.perf_counter() - begin)
            if turn == 0:  # the cone solver is timed once, between two of ours
                begin = time.perf_counter()
                cone = conic_occupancy_program(model, data, **options)
                cone_seconds = time.perf_counter() - begin
        tracemalloc.start()
        try:
            dual_v(model, data, **options)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        seconds = float(np.median(times))
        rows.append(
            {
                "instance": f"{name} {states}x{actions}x{successors}",
                "seconds": seconds,
                "cone_seconds": cone_seconds,
                "ratio": cone_seconds / seconds,
                "gap": ours.gap / max(1.0, abs(ours.objective)),
                "cone_gap": cone.gap / max(1.0, abs(cone.objective)),
                "difference": abs(ours.objective - cone.objective),
                "peak_mb": peak / 2**20,
                "peak_to_kernel": peak / arrays.kernel_bytes,
            }
        )
    return rows
