"""What a minimiser of dual-V gives: the mass on the pairs and the occupancy of its policy, with proven errors."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mdplab import solvers
from mdplab._typing import BoolArray, FloatArray
from mdplab.claims.tolerances import rounding
from mdplab.convex import ConjugateDual, FlowPolytope
from mdplab.divergences import f_divergence
from mdplab.operators import occupancy, policy_of_occupancy
from proofs_check.dual_rl.instances import OfflineTask

__all__ = ["Recovered", "policy_occupancy", "recovered"]


class Recovered(NamedTuple):
    """Mass ``d_O w(delta / alpha)`` of a dual minimiser, with proven errors.

    Attributes
    ----------
    mass : ndarray, shape (S, A)
        The mass; none in states that no occupancy reaches.
    mass_error : float
        Bound on the 1-norm of its error.
    residual : ndarray, shape (S, A)
        ``delta``, where states are reached.
    residual_error : float
        Bound on the error of its entries.
    reached : ndarray of bool, shape (S,)
        The states that an occupancy reaches.
    objective, objective_error : float
        The minimum of the dual and a bound on its error.
    """

    mass: FloatArray
    mass_error: float
    residual: FloatArray
    residual_error: float
    reached: BoolArray
    objective: float
    objective_error: float


def recovered(task: OfflineTask, divergence: str) -> Recovered:
    """What the minimiser of the dual gives, in the states that are reached."""
    found = solvers.dual_v(task.mdp, task.data, divergence=divergence, strength=task.strength)
    flow = FlowPolytope.of(task.mdp)
    reached = flow.reachable()
    rows = np.flatnonzero(reached[flow.state])
    dual = ConjugateDual(
        flow.matrix[rows][:, np.flatnonzero(reached)].toarray(),
        flow.start[reached],
        flow.vector(task.data)[rows],
        flow.reward[rows],
        f_divergence(divergence),
        task.strength,
    )
    v = found.value[reached]
    point_error, mass_error = dual.newton_bound(v)
    size = float(np.abs(dual.reward).max() + 2 * np.abs(v).max())
    mass, residual = np.zeros(task.data.shape), np.zeros(task.data.shape)
    mass.flat[rows], residual.flat[rows] = dual.mass(v), dual.residual(v)
    return Recovered(
        mass,
        mass_error + float(rounding(1.0, mass.size + 4)),
        residual,
        (1 + task.mdp.discount) * point_error + float(rounding(size, v.size + 4)),
        reached,
        found.objective,
        found.certificate.bound,
    )


def policy_occupancy(task: OfflineTask, found: Recovered) -> tuple[FloatArray, float]:
    """Linear solve: occupancy of the policy ``d(s, a) / sum_b d(s, b)``, and a bound on the 1-norm of its error.

    Where the mass of a state errs by ``e(s)`` in the 1-norm, its policy errs by at most ``2 e(s) / d(s)``; an occupancy
    errs by the mean of that over 1 - gamma, and the ``e(s)`` sum up to the error of the mass.  The distance from the mass
    that was found, and its error, bound the same distance.
    """
    d = occupancy(task.mdp, policy_of_occupancy(found.mass))
    shares = d[found.reached].sum(axis=1) / found.mass[found.reached].sum(axis=1)
    moved = 2 * found.mass_error * float(shares.max()) + float(rounding(4.0, d.size + 12))
    apart = float(np.abs(d - found.mass).sum()) + found.mass_error + float(rounding(1.0, d.size + 4))
    return np.asarray(d), min(moved / (1 - task.mdp.discount), apart)
