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

from mdplab._kernels import enclosures as formulas
from mdplab._typing import BoolArray, FloatArray
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
_SAFETY = formulas.SAFETY


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
    residual = backup - w
    numbers = formulas.enclosure(
        float(residual.min()),
        float(residual.max()),
        float(w.min()),
        float(w.max()),
        float(np.abs(arrays.reward).max()) if arrays.data_rounding else 0.0,
        float(error),
        arrays.discount,
        arrays.row_deviation,
        deviation,
        arrays.overlap,
        arrays.data_rounding,
    )
    return Enclosure(w + numbers[0], *numbers)


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
    least = float(q.min())
    if least == -math.inf:
        least = float(np.min(q, where=q > -np.inf, initial=math.inf))
    spread = max(-float(w.min()), float(w.max()))
    largest = max(abs(least), abs(float(q.max())))
    return float(
        formulas.lookahead_error(spread, largest, arrays.successors, arrays.discount, arrays.row_deviation)
    )


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
    logarithm are taken to be good to 4 units; the sum has ``A`` terms.  An entry that is more than :math:`100\tau`
    below the largest, whatever the errors of both, is left out: its weight is below :math:`e^{-100}`, which is nothing
    against the other terms.  In one pass (``streamed``) a term is rescaled
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
    largest_b = float(np.abs(bonus[inside]).max())
    largest_q = float(np.abs(q[inside]).max())
    if lookahead + UNIT * (2 * largest_b + largest_q) > 0.005 * temperature:
        inside = _near(inside, *_entries(lookahead, q, bonus, inside), temperature)
        largest_b, largest_q = float(np.abs(bonus[inside]).max()), float(np.abs(q[inside]).max())
    size = float(np.abs(backup).max())
    per_action = 7 if streamed else 1
    return float(
        formulas.soft_error(lookahead, largest_q, largest_b, size, temperature, bonus.shape[1], per_action)
    )


def _entries(
    lookahead: float, q: FloatArray, bonus: FloatArray, inside: BoolArray
) -> tuple[FloatArray, FloatArray]:
    """Summands ``q + bonus`` (0 outside) and their errors."""
    extra = np.where(inside, bonus, 0.0)
    y = np.where(inside, q + extra, 0.0)
    return y, np.where(inside, lookahead + (UNIT * np.abs(extra) + UNIT * np.abs(y)), 0.0)


def _near(inside: BoolArray, y: FloatArray, entry: FloatArray, temperature: float) -> BoolArray:
    """Entries whose weight is not proven to be below ``exp(-100)`` of the largest of the row."""
    high = np.where(inside, y + _SAFETY * entry, -np.inf)
    low = np.where(inside, y - _SAFETY * entry, -np.inf)
    near: BoolArray = inside & (high >= low.max(axis=-1, keepdims=True) - 100 * temperature)
    return near


def probability_error(log_policy: FloatArray, rounding: FloatArray) -> float:
    """Largest error of the exponentials of log-probabilities.

    Parameters
    ----------
    log_policy : ndarray (..., A)
        Computed log-probabilities, at most 0.
    rounding : ndarray (..., A)
        Their errors; may be huge where the probability is next to nothing.

    Returns
    -------
    float
        ``max p (e^r - 1)``, without the rounding of the exponential.
    """
    small = np.exp(log_policy) * np.expm1(np.minimum(rounding, 1.0))
    return float(np.where(rounding <= 1.0, small, np.exp(np.minimum(log_policy + rounding, 0.0))).max())


def divergence_error(log_policy: FloatArray, rounding: FloatArray) -> float:
    """Divergence per action between computed and exact softmax, of second order in the errors.

    Parameters
    ----------
    log_policy : ndarray (..., A)
        Computed log-probabilities.
    rounding : ndarray (..., A)
        Their errors.

    Returns
    -------
    float
        ``max p r^2``; a probability of zero costs nothing.
    """
    rows = np.exp(log_policy)
    with np.errstate(over="ignore"):
        return float((rows * np.where(rows > 0, rounding, 0.0) ** 2).max())


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
    y, entry = _entries(lookahead, q, bonus, inside)
    logs = np.where(inside, log_policy, 0.0)
    worst = np.where(_near(inside, y, entry, temperature), entry, 0.0).max(axis=-1, keepdims=True)
    average = (np.exp(log_policy) * entry).sum(axis=-1, keepdims=True)
    common = np.where(worst <= 0.005 * temperature, average, worst)
    actions = bonus.shape[-1]
    # |exponent| <= |log p| + log A; quotient 2u of it, final subtraction u |log p|, log-sum as in soft_rounding.
    own = 4 * UNIT * np.abs(logs) + UNIT * (11 * math.log(actions) + actions + 10)
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
