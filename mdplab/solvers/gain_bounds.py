r"""Proven bounds on the optimal gain, from any gain, bias and policy.

For any ``h`` the average reward of every policy that stays in a set of states for ever lies between the extremes of
:math:`r+Ph-h` over the pairs it takes there (Odoni).  Hence

* in a maximal end component no policy earns more than :math:`u=\max(r+Ph-h)` over the pairs of the component;
* a recurrent class of a policy earns at least :math:`l=\min(r+Ph-h)` over its states.

Every policy ends in some component, so the optimal gain is at most the value of the *stopping problem* on the graph
where each component is one place that may stop with reward ``u`` and pairs that leave it earn nothing.  No policy of
that problem goes on for ever, so super- and subharmonic functions bound it (:mod:`mdplab.solvers.undiscounted`), and
the gain of the policy likewise.  The decomposition reads the graph alone and is exact; the bounds need no assumption
about chains or periods.

References
----------
.. [1] A. R. Odoni, "On finding the maximal gain for Markov decision processes", Operations Research 17, 1969.
.. [2] M. L. Puterman, *Markov Decision Processes*, 1994, sections 8.5.5 and 9.1.
.. [3] K. W. Ross and R. Varadarajan, "Multichain Markov decision processes with a sample path constraint: a
   decomposition approach", Mathematics of Operations Research 16, 1991.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from mdplab._typing import Array, BoolArray, FloatArray, IntArray
from mdplab.operators.components import end_components, recurrent_classes
from mdplab.solution import Layout, Solution
from mdplab.solvers.chain_value import evaluate_chain
from mdplab.solvers.discounted import UNIT
from mdplab.solvers.undiscounted import PairModel, subharmonic, superharmonic

__all__ = ["GAIN_THEOREM", "AverageSolution", "GainBounds", "bound_gain", "optimality_residuals"]

GAIN_THEOREM = (
    "Odoni (1969): a policy that stays in a component earns on average at most max(r + P h - h) over its pairs; "
    "superharmonic bound of the stopping problem between the maximal end components"
)


@dataclass(frozen=True, kw_only=True, eq=False)
class AverageSolution(Solution):
    """Optimal average reward of a model, with proven bounds; its table has a row a state.

    Attributes
    ----------
    gain : ndarray (S,)
        Approximation of the optimal average reward from each state; ``certificate.bound`` is its sup-norm error.
    bias : ndarray (S,)
        Bias of ``policy`` (``P* h = 0``) or, from value iteration and linear programs, a relative value: solution of
        the second optimality equation up to ``bias_residual``.
    q : ndarray (S, A)
        ``R + P bias``; ``-inf`` at unavailable pairs.  Greedy among the conserving actions is optimal.
    policy : ndarray (S, A)
        Deterministic and stationary.
    lower, upper : ndarray (S,)
        ``lower <= gain of policy <= optimal gain <= upper``, rounding included (of the rows divided by their sums).
    suboptimality : float
        Bound on optimal gain minus gain of the policy.
    gain_residual, bias_residual : float
        Sup norms of the two multichain optimality equations at (gain, bias), as computed:
        ``max_a P_a g - g``, and ``max (r_a + P_a h) - g - h`` over the conserving actions.
    component : ndarray of int (S,)
        Recurrent class of the policy; -1 at its transient states.
    unichain : bool
        Whether the policy has one recurrent class (a fact of the graph).
    constant : bool
        Whether the graph has one maximal end component, in which every policy ends: the optimal gain is then the
        same everywhere.  (It may be so by the rewards if not.)
    """

    gain: FloatArray
    bias: FloatArray
    q: FloatArray
    policy: FloatArray
    lower: FloatArray
    upper: FloatArray
    suboptimality: float
    gain_residual: float
    bias_residual: float
    component: IntArray
    unichain: bool
    constant: bool

    def _layout(self) -> Layout:
        bounds = {"gain": self.gain, "lower": self.lower, "upper": self.upper, "bias": self.bias}
        columns = {**bounds, "action": self._likeliest(self.policy), "component": self.component}
        return ("state",), columns


@dataclass(frozen=True, eq=False)
class GainBounds:
    """Bounds of :func:`bound_gain`.

    Attributes
    ----------
    lower, upper : ndarray (S,)
        On the gain of the policy from below, on the optimal gain from above.
    label : ndarray of int (S,)
        Recurrent class of the policy; -1 at transient states.
    constant : bool
        Whether there is one maximal end component only.
    """

    lower: FloatArray
    upper: FloatArray
    label: IntArray
    constant: bool


def _centred(h: FloatArray, label: IntArray) -> FloatArray:
    """``h`` with midrange 0 on every labelled set: a constant changes nothing there but the rounding."""
    out = h.copy()
    count = int(label.max(initial=-1)) + 1
    inside = label >= 0
    low, high = np.full(count, np.inf), np.full(count, -np.inf)
    np.minimum.at(low, label[inside], h[inside])
    np.maximum.at(high, label[inside], h[inside])
    out[inside] -= (0.5 * low + 0.5 * high)[label[inside]]
    return out


def bound_gain(
    pairs: PairModel, gain: FloatArray, bias: FloatArray, choice: IntArray, own_bias: FloatArray | None = None
) -> GainBounds:
    """Bound the optimal gain from above and the gain of a policy from below.

    Parameters
    ----------
    pairs : PairModel
        The model, its states as places.
    gain, bias : ndarray (S,)
        Near a solution of the optimality equations; the bounds hold for any numbers.
    choice : ndarray of int (S,)
        A deterministic policy, as pairs.
    own_bias : ndarray (S,), optional
        Near the bias of the policy; default is ``bias``.

    Returns
    -------
    GainBounds
    """
    n = pairs.n_places
    middle = 0.5 * float(gain.min()) + 0.5 * float(gain.max())
    component, inside = end_components(pairs.matrix, pairs.owner, np.ones(pairs.owner.size, dtype=bool))
    count = int(component.max()) + 1
    h = _centred(bias, component)
    most = np.full(count, -np.inf)
    odoni = pairs.lookahead(h) - h[pairs.owner] + pairs.rounding(h)
    np.maximum.at(most, component[pairs.owner[inside]], odoni[inside])
    place = component.copy()
    outside = component < 0
    place[outside] = count + np.arange(int(outside.sum()))
    stopping = _free(pairs).merged(place, inside, np.arange(count), _shifted(most, middle, 1.0))
    v = np.full(stopping.n_places, -np.inf)
    np.maximum.at(v, place, gain - middle)
    first = stopping.best(np.where(stopping.pair < 0, np.inf, stopping.lookahead(v)))[1]
    epsilon, weight = superharmonic(stopping, v, first)
    upper = v + epsilon * weight * (1 + 4 * UNIT)
    upper = upper + middle + 4 * UNIT * (np.abs(upper) + abs(middle))

    kernel = sparse.csr_array(pairs.matrix[choice])
    label, classes = recurrent_classes(kernel)
    own = _centred(bias if own_bias is None else own_bias, label)
    least = np.full(classes, np.inf)
    odoni = (pairs.lookahead(own) - own[pairs.owner] - pairs.rounding(own))[choice]
    np.minimum.at(least, label[label >= 0], odoni[label >= 0])
    place_own = label.copy()
    place_own[label < 0] = classes + np.arange(int((label < 0).sum()))
    drop = np.ones(pairs.owner.size, dtype=bool)
    drop[choice[label < 0]] = False
    chain = _free(pairs).merged(place_own, drop, np.arange(classes), _shifted(least, middle, -1.0))
    v = np.full(chain.n_places, -np.inf)
    np.maximum.at(v, place_own, gain - middle)
    epsilon, weight = subharmonic(chain, v, np.arange(chain.n_places))
    lower = v - epsilon * weight * (1 + 4 * UNIT)
    lower = lower + middle - 4 * UNIT * (np.abs(lower) + abs(middle))
    constant = count == 1
    return GainBounds(lower[place_own][:n], upper[place][:n], label, constant)


def _shifted(rewards: FloatArray, middle: float, sign: float) -> FloatArray:
    """``rewards - middle``, rounded towards the safe side."""
    return np.asarray(rewards - middle + sign * 4 * UNIT * (np.abs(rewards) + abs(middle)))


def _free(pairs: PairModel) -> PairModel:
    """The same pairs without rewards."""
    return PairModel(
        pairs.matrix,
        np.zeros(pairs.owner.size),
        pairs.owner,
        pairs.leaves,
        pairs.pair,
        pairs.deviation,
        pairs.terms,
    )


def conserving(pairs: PairModel, gain: FloatArray, doubt: float) -> BoolArray:
    """Pairs that keep the gain up to ``doubt``."""
    result: BoolArray = pairs.matrix @ gain >= gain[pairs.owner] - doubt
    return result


def optimality_residuals(
    pairs: PairModel, gain: FloatArray, bias: FloatArray, doubt: float
) -> tuple[float, float]:
    """Sup norms of the two multichain optimality equations.

    Parameters
    ----------
    pairs : PairModel
        The model, its states as places.
    gain, bias : ndarray (S,)
        The point.
    doubt : float
        A pair with ``P g >= g - doubt`` counts as conserving.

    Returns
    -------
    gain_residual, bias_residual : float
    """
    top, _ = pairs.best(np.asarray(pairs.matrix @ gain))
    keeps = conserving(pairs, gain, doubt)
    most, _ = pairs.best(np.where(keeps, pairs.lookahead(bias), -np.inf))
    with np.errstate(invalid="ignore"):
        second = float(np.abs(most - gain - bias).max())
    return float(np.abs(top - gain).max()), second


def table(pairs: PairModel, shape: tuple[int, int], values: FloatArray, fill: float) -> Array:
    """Values of pairs as a table (S, A)."""
    out = np.full(shape[0] * shape[1], fill)
    out[pairs.pair] = values
    return out.reshape(shape)


def policy_of(pairs: PairModel, shape: tuple[int, int], choice: IntArray) -> FloatArray:
    """A deterministic policy as a table of probabilities."""
    values: Any = np.zeros(pairs.owner.size)
    values[choice] = 1.0
    return np.asarray(table(pairs, shape, values, 0.0))


def evaluated(pairs: PairModel, choice: IntArray) -> tuple[FloatArray, FloatArray]:
    """Gain and bias of a deterministic policy, computed."""
    chain = evaluate_chain(sparse.csr_array(pairs.matrix[choice]), pairs.reward[choice])
    return chain.gain, chain.bias
