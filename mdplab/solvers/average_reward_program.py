r"""The linear programs of the average reward (multichain).

.. math::
    \min\{\alpha\cdot g:\ g\ge P_ag,\ g+h\ge r_a+P_ah\ \ \forall a\}
    =\max\{\langle x,r\rangle:\ \textstyle\sum_a x - P^\top x=0,\ \sum_a(x+y)-P^\top y=\alpha,\ x,y\ge0\}
    =\alpha\cdot g^*

for a positive law :math:`\alpha`.  ``x`` is a stationary law of pairs and ``y`` leads from the start to where it lives;
the policy takes a pair with ``x > 0`` where there is one, else one with ``y > 0``; at a basic solution it is optimal
(Hordijk and Kallenberg).  Probabilities below 1e-9, which the solver would drop, are moved to the diagonal.  The point is certified by :mod:`mdplab.solvers.gain_bounds`, whatever the solver says.

References
----------
.. [1] E. V. Denardo and B. L. Fox, "Multichain Markov renewal programs", SIAM J. Appl. Math. 16, 1968.
.. [2] A. Hordijk and L. C. M. Kallenberg, "Linear programming and Markov decision chains", Management Science 25, 1979.
.. [3] M. L. Puterman, *Markov Decision Processes*, 1994, section 9.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from mdplab._typing import FloatArray, IntArray
from mdplab.convex.linear import linear_program
from mdplab.models.tabular import MDP
from mdplab.solution import Status
from mdplab.solvers.average_reward import average_solution
from mdplab.solvers.gain_bounds import AverageSolution, table
from mdplab.solvers.undiscounted import pair_model

__all__ = ["AverageProgramSolution", "average_reward_program"]

_SMALL = 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class AverageProgramSolution(AverageSolution):
    """Solution of the linear program of the average reward.

    Attributes
    ----------
    objective : float
        Average of ``gain`` over the start law of the program (uniform).
    stationary : ndarray (S, A)
        ``x``: law of the pairs in the long run under the optimal policy.
    transient : ndarray (S, A)
        ``y``.
    """

    objective: float
    stationary: FloatArray
    transient: FloatArray


def average_reward_program(mdp: MDP, *, tol: float = 1e-8) -> AverageProgramSolution:
    """Maximise the average reward by the multichain linear program.

    Parameters
    ----------
    mdp : MDP
        Dense or CSR, masked or not; its discount plays no part.
    tol : float, default 1e-8
        Sup-norm error of the gain asked for; it decides the status only.

    Returns
    -------
    AverageProgramSolution
        ``bias`` is the ``h`` of the program, which satisfies the inequalities but not, at transient states, the
        equation: ``bias_residual`` may be large.  Status CONVERGED or PRECISION_LIMIT.

    Raises
    ------
    RuntimeError
        If the solver of linear programs returns no point; the program always has an optimum.

    References
    ----------
    .. [1] M. L. Puterman, *Markov Decision Processes*, 1994, section 9.3.
    """
    pairs = pair_model(mdp)
    n, count = pairs.n_places, pairs.owner.size
    own = sparse.csr_array((np.ones(count), (np.arange(count), pairs.owner)), shape=(count, n))
    flow = _flow(pairs.matrix, pairs.owner)
    matrix: Any = sparse.vstack(
        [sparse.hstack([flow, sparse.csr_array((count, n))]), sparse.hstack([own, flow])], format="csr"
    )
    # Rewards of span one.  The bounds are never active: gains lie between rewards, and a constant added to h changes
    # nothing (its multipliers add up to 0).
    low, high = float(pairs.reward.min()), float(pairs.reward.max())
    scale = high - low if high > low else 1.0
    program = linear_program(
        np.concatenate([np.full(n, 1.0 / n), np.zeros(n)]),
        at_least=(matrix, np.concatenate([np.zeros(count), (pairs.reward - low) / scale])),
        lower=np.repeat([-1.0, 0.0], n),
        upper=np.repeat([2.0, np.inf], n),
    )
    if not np.isfinite(program.primal).all():
        raise RuntimeError(f"the linear program ended with {program.status.name}, which its optimum excludes")
    gain, bias = low + scale * program.primal[:n], scale * program.primal[n:]
    y, x = program.multipliers["at_least"][:count], program.multipliers["at_least"][count:]
    mass = np.bincount(pairs.owner, x, n)
    choice = pairs.best(np.where(mass[pairs.owner] > 1e-12, x, y))[1]
    solution = average_solution(
        mdp, pairs, gain, bias, choice, status=Status.CONVERGED, residuals=np.empty(0), tol=tol, evaluate=True
    )
    shape = (n, mdp.n_actions)
    return AverageProgramSolution(
        **vars(solution),
        objective=low + scale * program.objective,
        stationary=table(pairs, shape, x, 0.0),
        transient=table(pairs, shape, y, 0.0),
    )


def _flow(matrix: Any, owner: IntArray) -> Any:
    """``I - P`` with rows that sum to zero, without the entries that HiGHS drops (below 1e-9)."""
    entries = sparse.coo_array(matrix)
    keep = (entries.data > _SMALL) & (entries.col != owner[entries.row])
    row, column, data = entries.row[keep], entries.col[keep], entries.data[keep]
    count = matrix.shape[0]
    diagonal = np.bincount(row, data, count)
    return sparse.csr_array(
        (
            np.concatenate([-data, diagonal]),
            (np.concatenate([row, np.arange(count)]), np.concatenate([column, owner])),
        ),
        shape=matrix.shape,
    )
