r"""Average reward, unichain or multichain, by Howard's policy iteration.

The gain :math:`g^\pi(s)=\lim_N\frac1N\mathbb E_s\sum_{k<N}R(s_k,a_k)` and the bias of a policy solve
:math:`g=P_\pi g,\ g+h=r_\pi+P_\pi h` with :math:`P^*_\pi h=0`.  The optimality equations are

.. math::
    \max_a P_ag=g,\qquad \max_{a:\,P_ag=g}\big(r_a+P_ah\big)=g+h.

Each policy is evaluated exactly by classes: its chain is decomposed into recurrent classes (by the graph), each class
has one linear system for its gain and bias, the transient states two more.  Improvement raises :math:`P_ag` where it
can, and :math:`r_a+P_ah` among conserving actions where it cannot (Puterman, section 9.2.1).  The gain need not be
constant and chains may be periodic.

The certificate does not rest on the iteration: :mod:`mdplab.solvers.gain_bounds`.

References
----------
.. [1] R. A. Howard, *Dynamic Programming and Markov Processes*, 1960.
.. [2] M. L. Puterman, *Markov Decision Processes*, 1994, chapters 8 and 9.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from mdplab._typing import FloatArray, IntArray
from mdplab.interrupts import asked, interruptible
from mdplab.models.tabular import MDP
from mdplab.solution import Certificate, Status
from mdplab.solvers.chain_value import evaluate_chain
from mdplab.solvers.discounted import UNIT, Callback, check_controls, warn_max_steps
from mdplab.solvers.gain_bounds import (
    GAIN_THEOREM,
    AverageSolution,
    bound_gain,
    conserving,
    evaluated,
    optimality_residuals,
    policy_of,
    table,
)
from mdplab.solvers.undiscounted import PairModel, pair_model

__all__ = ["average_reward", "average_solution"]


@interruptible
def average_reward(
    mdp: MDP,
    *,
    tol: float = 1e-8,
    max_steps: int = 1_000,
    callback: Callback | None = None,
) -> AverageSolution:
    """Maximise the long-run average reward by multichain policy iteration.

    Parameters
    ----------
    mdp : MDP
        Dense or CSR, masked or not; its discount plays no part.
    tol : float, default 1e-8
        Sup-norm error of the gain asked for; it decides the status only.
    max_steps : int, default 1000
        Most evaluations.
    callback : callable, optional
        ``callback(steps, lower, upper)`` with bounds on the gain after every evaluation; a true answer ends the run
        with the bounds reached.

    Returns
    -------
    AverageSolution
        ``residuals`` are the largest improvements found after each evaluation, of the gain where there is one and of
        the relative value otherwise.  Status CONVERGED, PRECISION_LIMIT, MAX_STEPS (with a ConvergenceWarning) or
        INTERRUPTED.

    Raises
    ------
    ValueError
        If ``tol`` or ``max_steps`` is out of range.

    References
    ----------
    .. [1] M. L. Puterman, *Markov Decision Processes*, 1994, section 9.2.
    """
    check_controls(tol, max_steps)
    pairs = pair_model(mdp)
    choice = pairs.best(pairs.reward)[1]
    residuals: list[float] = []
    seen = {choice.tobytes()}
    status = Status.CONVERGED
    best: tuple[float, FloatArray, FloatArray, IntArray] | None = None
    while True:
        chain = evaluate_chain(sparse.csr_array(pairs.matrix[choice]), pairs.reward[choice])
        following, improvement = _improve(pairs, chain.gain, chain.bias, choice)
        residuals.append(improvement)
        ended = following.tobytes() in seen  # nothing better, or rounding decides between equals
        if not ended and len(residuals) >= max_steps:
            status = Status.MAX_STEPS
        shown: tuple[FloatArray, ...] = ()
        if callback is not None:
            bounds = bound_gain(pairs, chain.gain, chain.bias, choice)
            shown = bounds.lower, bounds.upper
            width = float((bounds.upper - bounds.lower).max())
            if best is None or width < best[0]:
                best = width, chain.gain, chain.bias, choice
        if asked(callback, len(residuals), *shown) and not ended:
            status = Status.INTERRUPTED
        if ended or status is not Status.CONVERGED:
            break
        seen.add(following.tobytes())
        choice = following
    gain, bias = chain.gain, chain.bias
    if (
        best is not None and status is not Status.CONVERGED
    ):  # gains increase, bounds need not improve with them
        _, gain, bias, choice = best
    solution = average_solution(
        mdp, pairs, gain, bias, choice, status=status, residuals=np.array(residuals), tol=tol
    )
    warn_max_steps("average_reward", solution.status, len(residuals), solution.certificate.bound, tol)
    return solution


def gain_doubt(pairs: PairModel, gain: FloatArray, bias: FloatArray) -> float:
    """What rounding may feign in ``P g - g``: the scale of the values that the gain was solved from."""
    size = float(np.abs(pairs.reward).max()) + float(np.abs(bias).max()) * 0.01 + float(np.abs(gain).max())
    return 64 * UNIT * (float(pairs.terms.max()) + 4) * size


def _improve(
    pairs: PairModel, gain: FloatArray, bias: FloatArray, choice: IntArray
) -> tuple[IntArray, float]:
    """The next policy, and the largest improvement."""
    doubt = gain_doubt(pairs, gain, bias)
    ahead = np.asarray(pairs.matrix @ gain)
    top, first = pairs.best(ahead)
    better = top - gain > doubt
    if better.any():
        return np.where(better, first, choice), float((top - gain).max())
    keeps = conserving(pairs, gain, doubt)
    keeps[choice] = True
    values = np.where(keeps, pairs.lookahead(bias), -np.inf)
    top, first = pairs.best(values)
    error = pairs.rounding(bias)
    better = top - values[choice] > error[first] + error[choice]
    return np.where(better, first, choice), float((top - values[choice]).max())


def average_solution(
    mdp: MDP,
    pairs: PairModel,
    gain: FloatArray,
    bias: FloatArray,
    choice: IntArray,
    *,
    status: Status,
    residuals: FloatArray,
    tol: float,
    evaluate: bool = False,
) -> AverageSolution:
    """Certified solution from any gain, bias and policy.

    Parameters
    ----------
    mdp : MDP
        The model.
    pairs : PairModel
        Its pairs.
    gain, bias : ndarray (S,)
        Near a solution of the optimality equations.
    choice : ndarray of int (S,)
        The policy, as pairs.
    status : Status
        CONVERGED becomes PRECISION_LIMIT if the bound exceeds ``tol``, MAX_STEPS becomes CONVERGED if it does not.
    residuals : ndarray (steps,)
        History.
    tol : float
        Tolerance.
    evaluate : bool, default False
        Whether the bias of the policy is computed for its lower bound.

    Returns
    -------
    AverageSolution
    """
    own = evaluated(pairs, choice)[1] if evaluate else None
    bounds = bound_gain(pairs, gain, bias, choice, own)
    bound = float(np.maximum(bounds.upper - gain, gain - bounds.lower).max()) * (1 + 4 * UNIT)
    if status is Status.CONVERGED and bound > tol:
        status = Status.PRECISION_LIMIT
    elif status is Status.MAX_STEPS and bound <= tol:
        status = Status.CONVERGED
    shape = (mdp.n_states, mdp.n_actions)
    first, second = optimality_residuals(pairs, gain, bias, gain_doubt(pairs, gain, bias))
    return AverageSolution(
        status=status,
        certificate=Certificate("sup-norm error of gain", bound, GAIN_THEOREM, bound),
        steps=residuals.size,
        residuals=residuals,
        gain=gain,
        bias=bias,
        q=table(pairs, shape, pairs.lookahead(bias), -np.inf),
        policy=policy_of(pairs, shape, choice),
        lower=bounds.lower,
        upper=bounds.upper,
        suboptimality=float((bounds.upper - bounds.lower).max()) * (1 + 4 * UNIT),
        gain_residual=first,
        bias_residual=second,
        component=bounds.label,
        unichain=int(bounds.label.max()) == 0,
        constant=bounds.constant,
        names=mdp.names,
    )
