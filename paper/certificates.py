"""Certified bounds against true errors: many small models, several solvers and tolerances, exact answers beside them.

The models have rational data, so that policy iteration in exact arithmetic gives their values without error.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from mdplab import solvers
from mdplab.instances import LatticeDraw, mdps

__all__ = ["METHODS", "Solved", "solved", "summary"]

_MODELS = 60
_TOLERANCES = (1e-2, 1e-5, 1e-8, 1e-11)
METHODS = {
    "value iteration": solvers.value_iteration,
    "modified policy iteration": solvers.modified_policy_iteration,
    "action elimination": solvers.action_elimination,
    "policy iteration": solvers.policy_iteration,
}


@dataclass(frozen=True)
class Solved:
    """One solve: the method, the bound of its certificate, and the true error of its values."""

    method: str
    bound: float
    error: float
    theorem: str


@cache
def solved() -> tuple[Solved, ...]:
    """Solve every model by every method to every tolerance.

    Returns
    -------
    tuple of Solved
        In the order of models, methods and tolerances; the same at every call.
    """
    from mdplab import exact

    found = []
    for seed in range(_MODELS):
        mdp = mdps(LatticeDraw(seed), states=(3, 6), actions=(2, 3), discount=(0.5, 0.95))
        truth = exact.policy_iteration(exact.ExactMDP.of(mdp)).value
        for method, solver in METHODS.items():
            for tol in _TOLERANCES:
                answer = solver(mdp, tol=tol)
                error = max(
                    abs(float(exact.rational(float(v)) - t)) for v, t in zip(answer.value, truth, strict=True)
                )
                found.append(Solved(method, answer.certificate.bound, error, answer.certificate.theorem))
    return tuple(found)


def summary() -> dict[str, Any]:
    """Counts of the solves: how many, how many bounds held, and how far they are above the errors.

    Returns
    -------
    dict
        ``solves``, ``models``, ``honest`` and ``ratio``, the median of bound over error.
    """
    rows = solved()
    ratios = [row.bound / row.error for row in rows if row.error > 0]
    return {
        "solves": len(rows),
        "models": _MODELS,
        "honest": sum(row.error <= row.bound for row in rows),
        "ratio": float(np.median(ratios)),
    }
