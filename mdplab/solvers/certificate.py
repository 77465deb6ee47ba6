r"""Enclosures of fixed points from one computed residual, rounding included.

Let :math:`T` be monotone with :math:`T(v+c)=Tv+\gamma c` (evaluation, optimality and soft backups are), and let
:math:`m=\tfrac12(\min+\max)(Tw-w)`.  Then (MacQueen 1966, Porteus 1971)

.. math::
    \Big| V^* - w - \frac{m}{1-\gamma} \Big| \le \frac{\tfrac12\,\mathrm{span}(Tw-w)}{1-\gamma}.

The solvers therefore work with a *relative* value :math:`w` (midrange 0): the constant :math:`c=m/(1-\gamma)` is added
once, at the end.  A residual formed from :math:`w` carries rounding of the size of the span of the value function,
where one formed from :math:`w+c` would carry rounding of the size :math:`|R|/(1-\gamma)`, which the division by
:math:`1-\gamma` magnifies once more.

**Rounding.**  :math:`u=2^{-53}`, :math:`\rho` bounds the error of the computed residual.  The statements below are
a priori bounds (Higham 2002, sections 3.1 and 4.2) evaluated with the computed magnitudes; second-order terms are
covered by the factor 1.01, valid while ``count * u < 0.005``.

**Row sums.**  Rows of :math:`P` may sum to :math:`1+\delta_i`, :math:`|\delta_i|\le\delta`.  The enclosures hold for
the fixed point of the arrays as they stand (then :math:`T(w+c)=Tw+\gamma(1+\delta_i)c`: the residual moves by at most
:math:`\gamma\delta|c|` and the modulus is :math:`\gamma(1+\delta)`) *and* for the rows divided by their sums
(the residual moves by at most :math:`\gamma\delta\max|w|`).  A model built from rationals has entries, rewards and a
discount that were rounded once; the same argument with one unit for each covers the rational model.

**Spans.**  :math:`d=V^*-w-c` solves :math:`d=r+\gamma Gd` with a matrix :math:`G` whose rows are averages of rows of
:math:`P`.  If all rows of :math:`P` share the mass :math:`\mu=\sum_t\min_{s,a}P(t|s,a)` then
:math:`\mathrm{span}(Gd)\le(1-\mu)\,\mathrm{span}(d)` (Doeblin), hence
:math:`\mathrm{span}(d)\le\mathrm{span}(r)/(1-\gamma(1-\mu))`: policies, which see values up to a constant, are known
better than values.

References
----------
.. [1] J. MacQueen, "A modified dynamic programming method for Markovian decision problems", JMAA 14, 1966.
.. [2] E. L. Porteus, "Some bounds for discounted sequential decision processes", Management Science 18, 1971.
.. [3] N. J. Higham, *Accuracy and Stability of Numerical Algorithms*, 2nd edition, 2002.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from mdplab._typing import FloatArray
from mdplab.solvers.discounted import UNIT, DiscountedArrays

__all__ = [
    "THEOREM",
    "Enclosure",
    "enclose",
    "evaluation_rounding",
    "log_policy_rounding",
    "lookahead_rounding",
    "soft_rounding",
]

THEOREM = (
    "MacQueen (1966), Porteus (1971): |V - w - m/(1-discount)| <= span(Tw - w) / (2 (1-discount)), "
    "with rounding of the residual and row-sum deviation added to the span"
)
_SAFETY = 1.01
"""Covers products of first-order rounding terms."""


@dataclass(frozen=True)
class Enclosure:
    """What one backup of a relative value proves about the fixed point.

    Attributes
    ----------
    value : ndarray (S,)
        ``w + c``, the centre.
    centre : float
        The constant ``c``.
    bound : float
        Sup-norm error of ``value``; ``inf`` if the row sums leave no contraction.
    rounding : float
        The part of ``bound`` that would remain if the span of the residual were zero.
    half_span : float
        Half the span of the computed residual.
    slack : float
        What rounding and row sums add to ``half_span``.
    gap : float
        Lower bound of ``1 - discount * (1 + row deviation)``.
    outer : float
        Rounding of ``value`` itself.
    span_error : float
        Bound on ``span(V - w)``.
    backward_error : float
        Sup norm of the Bellman residual of ``value``, rounding included.
    drift : float
        Effect of row sums (and of rounded data) on one lookahead.
    """

    value: FloatArray
    centre: float
    bound: float
    rounding: float
    half_span: float
    slack: float
    gap: float
    outer: float
    span_error: float
    backward_error: float
    drift: float


def enclose(
    arrays: DiscountedArrays, w: FloatArray, backup: FloatArray, error: float, *, deviation: float = 0.0
) -> Enclosure:
    """Enclose the fixed point of ``T`` from ``w`` and its computed backup.

    Parameters
    ----------
    arrays : DiscountedArrays
        The model.
    w : ndarray (S,)
        Relative value.
    backup : ndarray (S,)
        Computed ``T w``.
    error : float
        Bound on the rounding error of ``backup`` in the sup norm.
    deviation : float, default 0
        Deviation from 1 of the row sums of a policy that ``T`` averages with.

    Returns
    -------
    Enclosure
        Valid for the arrays as they stand and for rows divided by their sums.
    """
    discount = arrays.discount
    residual = backup - w
    low, high = float(residual.min()), float(residual.max())
    middle = 0.5 * low + 0.5 * high
    centre = middle / (1.0 - discount)
    size = max(abs(low), abs(high))
    spread = float(np.abs(w).max())
    value = w + centre
    # One rounding of the subtraction (u * size), two of the midrange and three of (1 - discount) * centre against
    # the midrange (u * size each); the half-span is computed with two more.
    rounding = _SAFETY * (error + 8 * UNIT * size)
    delta = arrays.row_deviation + deviation + 2 * arrays.row_deviation * deviation
    drift = _SAFETY * discount * (delta + arrays.data_rounding) * (abs(centre) + spread)
    drift += arrays.data_rounding * (float(np.abs(arrays.reward).max()) + discount * spread)
    slack = rounding + drift
    half_span = 0.5 * (high - low)
    gap = (1.0 - discount) * (1.0 - 4 * UNIT) - discount * delta
    # value = fl(w + c), lower and upper = fl(value -+ bound): two roundings of the size of the value.
    outer = 3 * UNIT * float(np.abs(value).max())
    if gap <= 0 or not math.isfinite(half_span):
        return Enclosure(
            value, centre, math.inf, math.inf, half_span, slack, gap, outer, math.inf, math.inf, drift
        )
    stretch = 1 + 16 * UNIT
    bound = ((half_span + slack) / gap + outer) * stretch
    # A policy's row deviation scales its mixture of rows, which the shared mass feels too.
    mixing = discount * (1.0 - arrays.overlap * (1 - 4 * UNIT) + 2 * delta)
    span = 2 * (half_span + slack) + 4 * discount * delta * bound
    span_error = min(span / max(1.0 - mixing, gap), 2 * bound) * stretch
    backward = (half_span + slack + (1 + discount) * outer) * stretch
    return Enclosure(
        value,
        centre,
        bound,
        (slack / gap + outer) * stretch,
        half_span,
        slack,
        gap,
        outer,
        span_error,
        backward,
        drift,
    )


def lookahead_rounding(arrays: DiscountedArrays, w: FloatArray, q: FloatArray) -> float:
    """Error of the computed ``q = R + discount * P w`` in the sup norm.

    A sum of ``k`` products in any order is wrong by at most ``k u / (1 - k u)`` times the sum of the moduli, here at
    most ``(1 + delta) max|w|``; the product with the discount and the sum with the reward round once each.

    Parameters
    ----------
    arrays : DiscountedArrays
        The model.
    w : ndarray (S,)
        Relative value.
    q : ndarray (S, A)
        Computed lookahead; entries of ``-inf`` (unavailable actions) do not count.

    Returns
    -------
    float
        The bound.
    """
    spread = float(np.abs(w).max()) * (1 + arrays.row_deviation)
    largest = float(np.abs(q[np.isfinite(q)]).max())
    return _SAFETY * UNIT * ((arrays.successors + 2) * arrays.discount * spread + largest)


def soft_rounding(
    lookahead: float,
    q: FloatArray,
    bonus: FloatArray,
    backup: FloatArray,
    temperature: float,
    *,
    streamed: bool = False,
) -> float:
    r"""Error of a computed weighted log-sum-exp ``b = temperature * log sum exp((q + bonus) / temperature)``.

    With the entries' errors :math:`e_a`, the aggregate errs by at most :math:`\max e_a`, and by
    :math:`1.01\sum_a p_a e_a` (``p`` its softmax) while :math:`\max e_a\le 0.005\tau`.  An entry
    :math:`y_a=q_a+\mathrm{bonus}_a` errs by ``lookahead`` plus :math:`u(|\mathrm{bonus}_a|+|y_a|)`, and since
    :math:`b-y_a=-\tau\log p_a` the average of :math:`|y_a|` under ``p`` is at most :math:`|b|+\tau\log A`: very
    unlikely actions with huge bonuses do not spoil the bound.

    The exponents add :math:`2u|z_a|` relative error each, averaged at most :math:`2u\log A`; exponential and
    logarithm are taken to be good to 4 units; the sum has ``A`` terms.  In one pass (``streamed``) a term is rescaled
    at most ``A`` times, five units each.

    Parameters
    ----------
    lookahead : float
        Error of ``q``.
    q, bonus : ndarray (S, A)
        Summands; ``-inf`` in ``bonus`` excludes an action.
    backup : ndarray (S,)
        Computed aggregate.
    temperature : float
        Positive.
    streamed : bool, default False
        Whether the one-pass kernel computed it.

    Returns
    -------
    float
        Bound on the error of ``backup`` in the sup norm.
    """
    inside = bonus > -np.inf
    actions = bonus.shape[1]
    largest_q = float(np.abs(q[inside]).max())
    largest_b = float(np.abs(bonus[inside]).max())
    entry = lookahead + UNIT * (2 * largest_b + largest_q)
    size = float(np.abs(backup).max())
    entropy = temperature * math.log(actions)
    if entry <= 0.005 * temperature:
        entry = lookahead + UNIT * (2 * (size + entropy) + largest_q)
    per_action = 7 if streamed else 1
    evaluation = UNIT * (3 * size + 9 * entropy + temperature * (per_action * actions + 10))
    return float(_SAFETY * _SAFETY * (entry + evaluation))


def log_policy_rounding(
    lookahead: float, q: FloatArray, bonus: FloatArray, log_policy: FloatArray, temperature: float
) -> FloatArray:
    r"""Rounding error of computed log-probabilities ``log softmax((q + bonus) / temperature)``, entrywise.

    Entries err as in :func:`soft_rounding`; the largest exponent is taken off (error of that entry too), the quotient
    and the logarithm of the sum round.

    Parameters
    ----------
    lookahead : float
        Error of ``q``.
    q, bonus : ndarray (..., S, A)
        Summands; ``-inf`` excludes an action.
    log_policy : ndarray (..., S, A)
        Computed log-probabilities.
    temperature : float
        Positive.

    Returns
    -------
    ndarray (..., S, A)
        The bounds; 0 at excluded actions, whose ``-inf`` is exact.
    """
    inside = log_policy > -np.inf
    with np.errstate(invalid="ignore"):  # -inf bonuses are replaced below
        y = np.where(inside, q + bonus, 0.0)
        entry = np.where(inside, lookahead + UNIT * (np.abs(np.where(inside, bonus, 0.0)) + np.abs(y)), 0.0)
    logs = np.where(inside, log_policy, 0.0)
    worst = entry.max(axis=-1, keepdims=True)
    average = (np.exp(log_policy) * entry).sum(axis=-1, keepdims=True)
    common = np.where(worst <= 0.005 * temperature, average, worst)
    actions = bonus.shape[-1]
    # |exponent| <= |log p| + log A; quotient 2u of it, final subtraction u |log p|, log-sum as in soft_rounding.
    own = UNIT * (4 * np.abs(logs) + 11 * math.log(actions) + actions + 10)
    error = _SAFETY * _SAFETY * ((entry + common) / temperature + own)
    return np.where(inside, error, 0.0)


def evaluation_rounding(
    lookahead: float, q: FloatArray, policy: FloatArray, cost: FloatArray, log_error: FloatArray
) -> float:
    """Error of the computed evaluation backup ``sum_a policy (q - cost)``.

    An entry ``q - cost`` errs by ``lookahead``, by the error of the cost and by one rounding; the sum of ``k``
    products by ``k u`` times the sum of the moduli, with ``k`` the number of actions that the policy takes.

    Parameters
    ----------
    lookahead : float
        Error of ``q``.
    q, policy, cost : ndarray (S, A)
        Summands; entries with probability 0 do not count.
    log_error : ndarray (S, A)
        Error of ``cost``.

    Returns
    -------
    float
        Bound in the sup norm.
    """
    taken = policy > 0
    entry = np.where(taken, q - cost, 0.0)
    count = taken.sum(axis=1)
    total: Any = (policy * (np.where(taken, log_error, 0.0) + UNIT * np.abs(entry))).sum(axis=1)
    total = total + (count + 1) * UNIT * (policy * np.abs(entry)).sum(axis=1)
    return float(_SAFETY * (_SAFETY * lookahead + total.max()))
