r"""Where orthogonal-gradient updates of distribution correction come to rest.

For data with the marginal :math:`q(s)=\sum_ad_O(s,a)` and the KL divergence, the stationarity condition of half the mean value
and half the residual loss, its gradient replaced by the update direction, is

.. math:: q+g_f+\eta\,g_\perp=0,\qquad g_\perp=g_b-c\,g_f,\quad c=g_f\cdot g_b/|g_f|^2\le0

(:mod:`mdplab.operators.dice_gradient`).  In masses :math:`D=d_Oe^{\delta_V/\alpha}` it reads
:math:`(1+\eta|c|)D(s)=q(s)+\eta\gamma\sum D(s',a)P(s|s',a)`: the flow of a problem that starts from :math:`q` with the discount

.. math::
    \gamma_{\mathrm{eff}}=\frac{\eta\gamma}{1+\eta|c|}=\frac{\gamma}{\gamma+1/(\eta\|D\|_1)}<1 .

:math:`\eta=0` is the semi-gradient, whose fixed point is the soft optimum relative to the behaviour policy.  From there the
solver follows the root as :math:`\eta` grows, by Newton's method with the exact derivative, and halves the step where Newton's
method fails.  Uniqueness is not claimed; the true gradient is no member of the family (:func:`mdplab.solvers.dual_v` started
from :math:`q` solves it).

Certificate.  Any :math:`V` with the residual :math:`\rho` of the stationarity condition has masses with
:math:`(1+\eta|c|)(D-\gamma_{\mathrm{eff}}P_\pi^\top D)=q-\rho`, :math:`\pi=D(a|s)`; so they differ by at most
:math:`|\rho|_1/((1+\eta|c|)(1-\gamma_{\mathrm{eff}}))` from the mass of that discounted flow, whatever the curvature.

References
----------
.. [1] L. Mao, H. Xu, W. Zhang and X. Zhan, "ODICE: revealing the mystery of distribution correction estimation via
   orthogonal-gradient update", ICLR 2024.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray
from mdplab.convex.program import check_limits
from mdplab.convex.support import data_law
from mdplab.interrupts import asked, interruptible
from mdplab.models import MDP
from mdplab.numerics.linear_system import UNIT_ROUNDOFF
from mdplab.operators import _check
from mdplab.operators.dice_gradient import DiceGradient, dice_gradient
from mdplab.operators.occupancy import flow_matrix, policy_of_occupancy
from mdplab.solution import Certificate, Layout, Solution, Status
from mdplab.solvers.discounted import warn_max_steps
from mdplab.solvers.soft_policy_iteration import soft_policy_iteration

__all__ = ["DiceSolution", "dice_fixed_point"]

_THEOREM = "1-norm of the stationarity residual over (1 + eta |c|)(1 - effective discount)"
_NEWTON_STEPS = 50
_LEAST_SHARE = 2.0**-20


@dataclass(frozen=True, kw_only=True, eq=False)
class DiceSolution(Solution):
    """A fixed point of orthogonal-gradient updates; its table has a row a state.

    The certificate bounds the 1-norm distance of ``mass`` from that of the discounted flow of its own policy.

    Attributes
    ----------
    value : ndarray, shape (S,)
        ``V``.
    mass : ndarray, shape (S, A)
        ``D = d_O exp((R - BV) / strength)``, not normalised.
    policy : ndarray, shape (S, A)
        ``D(s, a) / D(s)``.
    coefficient : float
        ``c``, at most 0.
    effective_discount : float
        Discount of the flow that ``mass`` obeys.
    stationarity : float
        Proven bound on the 1-norm of the residual of the stationarity condition.
    data : ndarray, shape (S, A)
        ``d_O``.
    strength, scale : float
        ``alpha`` and ``eta``.
    """

    value: FloatArray
    mass: FloatArray
    policy: FloatArray
    coefficient: float
    effective_discount: float
    stationarity: float
    data: FloatArray
    strength: float
    scale: float

    def _layout(self) -> Layout:
        return ("state",), {"value": self.value, "mass": self.mass, "policy": self.policy}


@dataclass(frozen=True, eq=False)
class _Condition:
    """The stationarity condition with its derivative."""

    mdp: MDP
    data: FloatArray
    strength: float
    flow: FloatArray  # (S, A, S)
    scale: float

    def gradient(self, value: FloatArray) -> DiceGradient:
        return dice_gradient(self.mdp, self.data, value, divergence="kl", strength=self.strength)

    def residual(self, value: FloatArray) -> FloatArray:
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray(self.data.sum(axis=1) - self.gradient(value).direction(self.scale))

    def jacobian(self, value: FloatArray) -> FloatArray:
        found = self.gradient(value)
        forward, backward, c = found.forward, found.backward, found.coefficient
        changes = -(found.mass / self.strength)[..., np.newaxis] * self.flow  # of the mass, (S, A, S)
        ahead = np.eye(value.size)[:, np.newaxis] - self.flow  # discount * P
        turned, moved = -changes.sum(axis=1), np.einsum("sat,sav->tv", ahead, changes)
        tilted = (turned.T @ backward + moved.T @ forward - 2 * c * (turned.T @ forward)) / (
            forward @ forward
        )
        return np.asarray(turned + self.scale * (moved - c * turned - np.outer(forward, tilted)))

    def root(self, value: FloatArray, budget: int) -> tuple[FloatArray | None, list[float]]:
        """Damped Newton steps to the floor of the residual; None where they do not get there."""
        residual = self.residual(value)
        norm = float(np.abs(residual).sum())
        norms: list[float] = []
        while len(norms) < budget and norm > 0.0 and not asked(None):
            try:
                step = np.linalg.solve(self.jacobian(value), residual)
            except np.linalg.LinAlgError:
                return None, norms
            for share in 0.5 ** np.arange(40):
                trial = value - share * step
                following = self.residual(trial)
                size = float(np.abs(following).sum())
                if size < norm:
                    break
            else:
                break
            value, residual, norm = trial, following, size
            norms.append(norm)
        return (value if norm <= 1e-10 else None), norms


@interruptible
def dice_fixed_point(
    mdp: MDP,
    data_occupancy: ArrayLike,
    *,
    strength: float,
    scale: float,
    tol: float = 1e-8,
    max_steps: int = 500,
) -> DiceSolution:
    """Follow the fixed point of orthogonal-gradient updates, KL divergence, from the semi-gradient's to a scale.

    Parameters
    ----------
    mdp : MDP
        The model; a start law is not read.
    data_occupancy : array_like, shape (S, A)
        ``d_O``, a law with weight in every state.
    strength : float
        ``alpha``, positive.
    scale : float
        ``eta >= 0``; 0 is the semi-gradient.
    tol : float, default 1e-8
        Distance from the discounted flow, in the 1-norm, for status ``CONVERGED``.
    max_steps : int, default 500
        Largest number of Newton steps, all scales together.

    Returns
    -------
    DiceSolution
        ``residuals`` are 1-norms of the stationarity residual, at the scale of the step.

    Raises
    ------
    ValueError
        If an argument is out of its range or a state has no data.

    References
    ----------
    L. Mao et al. (2024), ODICE, arXiv 2402.00348.

    Examples
    --------
    >>> from mdplab.instances import two_state_behaviour, two_state_mdp
    >>> from mdplab.operators import occupancy
    >>> mdp = two_state_mdp()
    >>> found = dice_fixed_point(mdp, occupancy(mdp, two_state_behaviour()), strength=0.5, scale=1.0)
    >>> found.mass.sum(axis=1).round(6).tolist(), round(found.effective_discount, 6)
    ([0.45263, 0.534818], 0.470536)
    """
    _check.model(mdp, MDP)
    _check.non_negative("strength", strength, positive=True)
    _check.non_negative("scale", scale)
    check_limits(tol=tol, max_steps=max_steps)
    data = data_law(mdp, data_occupancy)
    marginal = data.sum(axis=1, keepdims=True)
    if not (marginal > 0).all():
        s = int(np.argmin(marginal))
        raise ValueError(f"data_occupancy has no weight in state {s}, expected data in every state")
    with np.errstate(divide="ignore"):
        reference = np.log(data / marginal)
    # the data's support is what may be played
    start = soft_policy_iteration(mdp, temperature=strength, log_reference=reference, tol=0.0)
    flow = flow_matrix(mdp).toarray().reshape(mdp.n_states, mdp.n_actions, mdp.n_states)
    value, at = np.array(start.value), 0.0
    norms: list[float] = []
    step, ended = float(scale), Status.PRECISION_LIMIT
    while True:
        goal = min(at + step, float(scale))
        problem = _Condition(mdp, data, float(strength), flow, goal)
        found, tried = problem.root(value, min(_NEWTON_STEPS, max_steps - len(norms)))
        norms += tried
        if asked(None):
            ended = Status.INTERRUPTED
        elif len(norms) >= max_steps:
            ended = Status.MAX_STEPS
        if found is not None:
            value, at, step = found, goal, 2 * step
        else:
            step = step / 2
        done = found is not None and goal >= scale
        if done or ended is not Status.PRECISION_LIMIT or step <= _LEAST_SHARE * scale:
            break
    return _solution(_Condition(mdp, data, float(strength), flow, float(scale)), value, norms, ended, tol)


def _solution(
    problem: _Condition, value: FloatArray, norms: list[float], ended: Status, tol: float
) -> DiceSolution:
    mdp, scale, found = problem.mdp, problem.scale, problem.gradient(value)
    price = 1 - scale * found.coefficient
    discount = scale * mdp.discount / price
    total = float(found.mass.sum())
    rewarded = float(np.abs(mdp.reward[problem.data > 0.0]).max())
    exponent = (2 * float(np.abs(value).max()) + rewarded) / problem.strength
    # an exponent errs by its terms, which moves a mass in proportion; the projection has sums of squares over a square
    unit = 1.01 * UNIT_ROUNDOFF * (4 * mdp.n_states + 2 * mdp.n_actions + 40)
    rounding = unit * (1 + total * (2 + exponent) * (1 + scale * (8 + 4 * abs(found.coefficient))))
    stationarity = float(np.abs(problem.residual(value)).sum()) + rounding
    bound = stationarity / (price * (1 - discount)) if discount < 1 else math.inf
    status = Status.CONVERGED if bound <= tol else ended
    warn_max_steps("dice_fixed_point", status, len(norms), bound, tol)
    return DiceSolution(
        status=status,
        certificate=Certificate("1-norm error of mass as a discounted flow", bound, _THEOREM, rounding),
        steps=len(norms),
        residuals=np.asarray(norms),
        names=mdp.names,
        value=value,
        mass=found.mass,
        policy=policy_of_occupancy(found.mass),
        coefficient=found.coefficient,
        effective_discount=discount,
        stationarity=stationarity,
        data=problem.data,
        strength=problem.strength,
        scale=scale,
    )
