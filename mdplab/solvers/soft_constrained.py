r"""A constrained model with an entropy bonus: one threshold, its multiplier as a root.

.. math::
    \max_\mu\ J_0(\mu)+T\,\mathcal H(\mu)\quad\text{s.t. } J_1(\mu)\ge c,\qquad
    \mathcal H(\mu)=E\sum_t\gamma^tH(\mu(\cdot|s_t)).

For a multiplier :math:`\nu\ge0` the Lagrangian is the max-ent problem of the reward :math:`r_0+\nu r_1` at temperature
:math:`T`; the return :math:`J_1(\nu)` of its optimum is nondecreasing, and :math:`J_1(\nu)=c` is solved by bisection and
interpolation.  The entropy makes the solution unique where states are visited.

Certificate: the Lagrangian :math:`V_T^*(r_0+\nu r_1)-\nu c` bounds the optimum from above at any :math:`\nu`, by the certified soft
optimum; from below it is attained by a policy that is certified to keep the threshold, the optimum of a multiplier a
little larger.

References
----------
.. [1] E. Altman, *Constrained Markov Decision Processes*, 1999, chapter 3.
.. [2] Q. Cai et al., "Two-stage constrained actor-critic for short video recommendation", WWW 2023.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mdplab._typing import FloatArray
from mdplab.interrupts import interruptible
from mdplab.models.multi_objective import MultiObjectiveMDP
from mdplab.numerics.scalar import monotone_root
from mdplab.operators import _check
from mdplab.solution import Certificate, Layout, Solution, Status
from mdplab.solvers.constrained import _start_error, best_return, certified_returns
from mdplab.solvers.control import ControlSolution
from mdplab.solvers.discounted import UNIT, check_controls
from mdplab.solvers.policy_evaluation import policy_evaluation
from mdplab.solvers.soft_policy_iteration import soft_policy_iteration

__all__ = ["SoftConstrainedSolution", "soft_constrained"]

_MARGINS = 10.0 ** np.arange(-15, -3)


@dataclass(frozen=True, kw_only=True, eq=False)
class SoftConstrainedSolution(Solution):
    """Optimal policy of a constrained model with entropy bonus; its table has a row a state.

    Attributes
    ----------
    log_policy : ndarray (S, A)
        Log-probabilities; NaN if infeasible.
    multiplier : float
        Non-negative price of the threshold; NaN if infeasible.
    objective : float
        Return of the first signal plus the temperature times the discounted entropy; ``certificate.bound`` is its distance
        from the optimum.
    lower, upper : float
        Proven bounds on the optimum.
    returns, return_errors : ndarray (2,)
        Start values of the policy and their proven errors.
    threshold, temperature : float
        As given.
    infeasibility : float
        Bound on the amount by which the policy may miss the threshold.
    """

    log_policy: FloatArray
    multiplier: float
    objective: float
    lower: float
    upper: float
    returns: FloatArray
    return_errors: FloatArray
    threshold: float
    temperature: float
    infeasibility: float

    def _layout(self) -> Layout:
        return ("state",), {"policy": self.policy}

    @property
    def policy(self) -> FloatArray:
        """Probabilities ``(S, A)``."""
        return np.asarray(np.exp(self.log_policy))


@interruptible
def soft_constrained(
    model: MultiObjectiveMDP, threshold: float, *, temperature: float, tol: float = 1e-8
) -> SoftConstrainedSolution:
    """Maximise the return of signal 0 with an entropy bonus, that of signal 1 at least at a threshold.

    Parameters
    ----------
    model : MultiObjectiveMDP
        Two signals.
    threshold : float
        Finite lower bound on the start value of signal 1.
    temperature : float
        Positive weight of the discounted entropy.
    tol : float, default 1e-8
        Certified error of the objective asked for, relative to ``max(1, |objective|)``; decides the status only.

    Returns
    -------
    SoftConstrainedSolution
        Status CONVERGED; SLACK if the max-ent optimum keeps the threshold; INFEASIBLE if the best return of signal 1 is proven
        to lie below it; PRECISION_LIMIT or, where no policy is certified to keep it, UNCERTIFIED.

    Raises
    ------
    ValueError
        If the model has not two signals, or a number is out of its range.
    """
    if model.n_objectives != 2:
        raise ValueError(f"model has {model.n_objectives} signals; expected 2")
    _check.non_negative("temperature", temperature, positive=True)
    check_controls(tol, 1)
    if not math.isfinite(threshold):
        raise ValueError(f"threshold must be finite; got {threshold!r}")
    most, doubt, _ = best_return(model, np.array([0.0, 1.0]))
    if most + doubt < threshold:
        return _infeasible(model, threshold, temperature)

    def optimum(price: float) -> ControlSolution:
        return soft_policy_iteration(model.scalarise([1.0, price]), temperature=temperature, tol=1e-12)

    def excess(price: float) -> float:
        policy = optimum(price).policy
        return float(model.initial @ policy_evaluation(model.objective(1), policy).value) - threshold

    price = 0.0
    if excess(0.0) < 0.0:
        price = monotone_root(excess, 0.0, 1.0, bounds=(0.0, math.inf)).root
    found = optimum(price)
    upper = _lagrangian(model, found, price, threshold)
    objective, rounding = _objective(model, found, temperature)
    returns, errors = certified_returns(model, found.policy)
    lower, safe = -math.inf, found
    for margin in (0.0, *_MARGINS):
        safe = found if margin == 0.0 else optimum(price * (1 + margin))
        kept, missed = certified_returns(model, safe.policy)
        if kept[1] - missed[1] >= threshold:
            attained, doubt = _objective(model, safe, temperature)
            lower = attained - doubt
            break
    bound = max(upper - objective, objective - lower, 0.0) + rounding
    if not math.isfinite(bound):
        status = Status.UNCERTIFIED
    elif bound > tol * max(1.0, abs(objective)):
        status = Status.PRECISION_LIMIT
    else:
        status = Status.SLACK if price == 0.0 else Status.CONVERGED
    return SoftConstrainedSolution(
        status=status,
        certificate=Certificate(
            "error of the objective",
            bound,
            "Lagrangian duality: the soft optimum at the multiplier; a policy certified to keep the threshold",
            rounding,
        ),
        log_policy=found.log_policy,
        multiplier=price,
        objective=objective,
        lower=lower,
        upper=upper,
        returns=returns,
        return_errors=errors,
        threshold=float(threshold),
        temperature=float(temperature),
        infeasibility=max(threshold - float(returns[1] - errors[1]), 0.0),
        names=model.names,
    )


def _objective(model: MultiObjectiveMDP, found: ControlSolution, temperature: float) -> tuple[float, float]:
    """Regularised start value of a policy, and its error."""
    soft = policy_evaluation(model.objective(0), found.policy, temperature=temperature)
    return float(model.initial @ soft.value), _start_error(model, soft.value, soft.certificate.bound)


def _lagrangian(model: MultiObjectiveMDP, found: ControlSolution, price: float, threshold: float) -> float:
    """Upper bound on the optimum from any price; the scalarised reward was rounded."""
    size = float(np.abs(model.available_rewards[0]).max() + price * np.abs(model.available_rewards[1]).max())
    error = _start_error(model, found.value, found.certificate.bound) + 4 * UNIT * size / (1 - model.discount)
    value = float(model.initial @ found.value)
    return value - price * threshold + error + 4 * UNIT * (abs(value) + abs(price * threshold))


def _infeasible(model: MultiObjectiveMDP, threshold: float, temperature: float) -> SoftConstrainedSolution:
    """No policy keeps the threshold, by the certified best return."""
    return SoftConstrainedSolution(
        status=Status.INFEASIBLE,
        certificate=Certificate(
            "error of the objective", 0.0, "the best return lies below the threshold", 0.0
        ),
        log_policy=np.full((model.n_states, model.n_actions), np.nan),
        multiplier=math.nan,
        objective=-math.inf,
        lower=-math.inf,
        upper=-math.inf,
        returns=np.full(2, np.nan),
        return_errors=np.full(2, np.inf),
        threshold=float(threshold),
        temperature=float(temperature),
        infeasibility=math.inf,
        names=model.names,
    )
