r"""One entrance to hard control: the method is chosen by stated rules and named in the result.

The rules, tried in this order; the first whose result meets the tolerance, or is limited by rounding alone, answers:

1. **small**: a dense model of at most 64 states and 32768 entries, without callback.  One compiled call
   (:mod:`mdplab.solvers.batch`): modified policy iteration, then policy iteration; tens of microseconds.
2. **sweeps**: modified policy iteration with at most 25 (dense) or 200 (CSR) optimality sweeps.  By measurement the
   fastest method wherever sweeping helps: models that mix by sweeps on a copy, CSR grids, goals and drifts by sweeps in
   place, which it tries by itself.
3. **systems**: policy iteration from the policy reached, by LAPACK for a dense model of at most 4000 states, by a
   Krylov method for a CSR model: for discounts near 1 on models that hardly mix.  CSR systems that no Krylov method
   solves are factorised (fill-in may then take memory), so that this rule ends with 20000 states.  Where ties leave
   the bound above rounding, sweeps as in rule 2 follow;
4. **sweeps to the end**: modified policy iteration without that limit, for larger ones.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from mdplab.interrupts import interruptible
from mdplab.models.tabular import MDP
from mdplab.operators import _check
from mdplab.solution import Status
from mdplab.solvers.batch import solve_small_model
from mdplab.solvers.control import ControlSolution
from mdplab.solvers.discounted import Callback, check_controls, warn_max_steps
from mdplab.solvers.modified_policy_iteration import run_modified
from mdplab.solvers.policy_iteration import policy_iteration

__all__ = ["solve"]

_SMALL_STATES, _SMALL_ENTRIES = 64, 32768
_SWEEPS_DENSE, _SWEEPS_SPARSE = 25, 200
_SYSTEM_DENSE, _SYSTEM_SPARSE = 4000, 20_000

_SMALL = "small dense model: one compiled call"
_SWEEPS = "sweeps contract the residual"
_SYSTEMS = "the span of the residual falls slowly: linear systems"
_REST = "the span of the residual falls slowly and the model is too large for linear systems: more sweeps"


def solve(
    mdp: MDP, tol: float = 1e-8, *, max_steps: int = 100_000, callback: Callback | None = None
) -> ControlSolution:
    """Solve a discounted model by the method that suits it.

    Parameters
    ----------
    mdp : MDP
        Dense or CSR, masked or not.
    tol : float, default 1e-8
        Sup-norm error of the value asked for.
    max_steps : int, default 100000
        Most optimality sweeps in all.
    callback : callable, optional
        ``callback(steps, lower, upper)`` after every sweep or policy; a true answer ends the run with the bounds
        reached.

    Returns
    -------
    ControlSolution
        ``method`` names the solver and ``rule`` says why it was chosen.  Status CONVERGED, PRECISION_LIMIT, MAX_STEPS
        (with a ConvergenceWarning) or INTERRUPTED; the bounds are valid in every case.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """
    check_controls(tol, max_steps)
    _check.model(mdp, MDP, "use backward_induction for a finite horizon")
    states, sparse = mdp.n_states, mdp.is_sparse
    tiny = not sparse and states <= _SMALL_STATES and mdp.transition.size <= _SMALL_ENTRIES
    if tiny and callback is None and max_steps >= 1000:
        small = solve_small_model(mdp, tol, "small_model", _SMALL)
        if small is not None:
            return small
    return _solve_in_phases(mdp, tol, max_steps, callback)


@interruptible  # what is above takes microseconds, and a handler of Ctrl-C as many
def _solve_in_phases(mdp: MDP, tol: float, max_steps: int, callback: Callback | None) -> ControlSolution:
    """Sweeps, then, where they contract slowly, linear systems or more sweeps."""
    states, sparse = mdp.n_states, mdp.is_sparse
    limit = min(max_steps, _SWEEPS_SPARSE if sparse else _SWEEPS_DENSE)
    found = run_modified(mdp, tol, limit, 20, callback, None)
    method, rule = "modified_policy_iteration", _SWEEPS
    if not _settled(found) and max_steps > limit:
        if states <= (_SYSTEM_SPARSE if sparse else _SYSTEM_DENSE):
            second = policy_iteration(
                mdp,
                tol=tol,
                max_steps=min(1000, max_steps - limit),
                callback=callback,
                start=np.asarray(found.policy.argmax(axis=1)),
                evaluation="krylov" if sparse else "direct",
            )
            if second.certificate.bound <= found.certificate.bound:
                method, rule = "policy_iteration", _SYSTEMS
            found = _better(found, second)
            if not _settled(found):  # ties that rounding does not decide: sweeps may
                found = _better(found, run_modified(mdp, tol, limit, 20, callback, found.value))
        else:
            rule = _REST
            found = _better(found, run_modified(mdp, tol, max_steps - limit, 50, callback, found.value))
    warn_max_steps("solve", found.status, found.steps, found.certificate.bound, tol)
    return dataclasses.replace(found, method=method, rule=rule)


def _better(first: ControlSolution, second: ControlSolution) -> ControlSolution:
    """The one with the smaller bound, with the steps of both; an interruption stays one."""
    best = second if second.certificate.bound <= first.certificate.bound else first
    status = second.status if second.status is Status.INTERRUPTED else best.status
    if best is first and status is Status.MAX_STEPS:
        status = second.status
    return dataclasses.replace(
        best,
        status=status,
        steps=first.steps + second.steps,
        residuals=np.concatenate((first.residuals, second.residuals)),
    )


def _settled(found: ControlSolution) -> bool:
    """Whether the run met its tolerance, was interrupted, or is held back by rounding and nothing else."""
    if found.status in (Status.CONVERGED, Status.INTERRUPTED):
        return True
    certificate = found.certificate
    return found.status is Status.PRECISION_LIMIT and certificate.bound <= 2 * certificate.rounding
