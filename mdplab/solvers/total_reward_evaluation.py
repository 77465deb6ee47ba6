r"""Undiscounted total reward of one policy, certified.

The chain has a place for each state and for each pair that the policy takes, and moves from the one to the other: its
rows are those of the policy and of the kernel, so that nothing is mixed and no rounding is added.  The graph says where
it ends.  A recurrent class is *idle* if all its rewards are 0, and worth 0.  From the places that reach no other class
the chain terminates or idles almost surely, and

.. math:: V=r+PV,\qquad m=1+Pm

have one solution each; the bounds are sub- and superharmonic functions :math:`V\mp\epsilon m`
(:mod:`mdplab.solvers.undiscounted`).  A class that circulates at a positive average reward makes the total reward
infinite from wherever it is reached, a negative one minus infinite; where both are reached, or a class whose average is
not proven to differ from 0, there is no total reward.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from mdplab._typing import BoolArray, FloatArray, IntArray
from mdplab.models.total_reward import TotalRewardMDP
from mdplab.operators import _check
from mdplab.operators.components import attractor, recurrent_classes
from mdplab.solution import Certificate, Layout, Solution, Status
from mdplab.solvers.discounted import UNIT, check_controls
from mdplab.solvers.stages import row_sum_deviation
from mdplab.solvers.total_reward import class_gain
from mdplab.solvers.undiscounted import PairModel, proper_value, subharmonic, superharmonic

__all__ = ["TotalRewardEvaluation", "total_reward_evaluation"]

_THEOREM = (
    "sub- and superharmonic functions of a chain that ends almost surely: v + epsilon m >= r + P (v + epsilon m) bounds "
    "its total reward, and the reverse (Puterman 1994, theorem 7.1.3)"
)


@dataclass(frozen=True, kw_only=True, eq=False)
class TotalRewardEvaluation(Solution):
    """Total reward of a policy with proven bounds; its table has a row a state.

    Attributes
    ----------
    value : ndarray (S,)
        Approximation of the total reward; 0 at terminal states, infinite or NaN where ``proper`` is false.
        ``certificate.bound`` is the sup-norm error where it is finite.
    lower, upper : ndarray (S,)
        ``lower <= total reward <= upper``; infinite or NaN with the value.
    proper : ndarray of bool (S,)
        States from which the policy terminates or idles almost surely.
    steps_to_stop : ndarray (S,)
        Expected number of steps until then; inf where ``proper`` is false.
    policy : ndarray (S, A)
        What was evaluated.
    """

    value: FloatArray
    lower: FloatArray
    upper: FloatArray
    proper: BoolArray
    steps_to_stop: FloatArray
    policy: FloatArray

    def _layout(self) -> Layout:
        bounds = {"value": self.value, "lower": self.lower, "upper": self.upper}
        return ("state",), {**bounds, "steps_to_stop": self.steps_to_stop}


def total_reward_evaluation(
    model: TotalRewardMDP, policy: ArrayLike, *, tol: float = 1e-8
) -> TotalRewardEvaluation:
    """Evaluate a policy by its undiscounted total reward.

    Parameters
    ----------
    model : TotalRewardMDP
        Dense or CSR, masked or not; linear systems are sparse beyond 400 states.
    policy : array_like (S, A)
        Probabilities, zero at unavailable pairs; rows sum to one (deviations enter the bound).  Rows of terminal states
        are not read.
    tol : float, default 1e-8
        Decides the status only.

    Returns
    -------
    TotalRewardEvaluation
        Of the states of the start law (all without one): UNCERTIFIED where one has no total reward, UNBOUNDED where one
        is infinite; otherwise CONVERGED or PRECISION_LIMIT.

    Raises
    ------
    ValueError
        If the policy has another shape, a row is no law or takes an unavailable action.

    References
    ----------
    .. [1] M. L. Puterman, *Markov Decision Processes*, 1994, section 7.1.
    """
    check_controls(tol, 1)
    _check.model(model, TotalRewardMDP, "TotalRewardMDP.from_mdp makes one of an MDP")
    rows = _rows(model, policy)
    chain, states = _chain(model, rows)
    value, lower, upper = (np.zeros(chain.n_places) for _ in range(3))
    steps = np.zeros(chain.n_places)
    idle, infinite = _ends(chain)
    for table in (value, lower, upper):
        table[infinite != 0] = infinite[infinite != 0]
    steps[infinite != 0] = math.inf
    inside = (infinite == 0) & ~idle
    if inside.any():
        part = _restricted(chain, inside, idle)
        own, choice = proper_value(part.matrix, part.reward), np.arange(part.n_places)
        down, times = subharmonic(part, own, choice)
        up, weight = superharmonic(part, own, choice)
        margin = 4 * UNIT * np.abs(own)
        value[inside], steps[inside] = own, times
        lower[inside] = own - down * times * (1 + 4 * UNIT) - margin
        upper[inside] = own + up * weight * (1 + 4 * UNIT) + margin
    tables = [np.zeros(model.n_states) for _ in range(4)]
    for table, found in zip(tables, (value, lower, upper, 0.5 * steps), strict=True):
        table[~model.terminal] = found[:states]
    value, lower, upper, steps = tables
    finite = np.isfinite(value)
    bound = 0.0
    if finite.any():
        middle = value[finite]
        bound = float(np.maximum(upper[finite] - middle, middle - lower[finite]).max())
        bound += 3 * UNIT * float(np.abs(middle).max())
    asked = value if model.initial is None else value[model.initial > 0]
    status = Status.CONVERGED if bound <= tol else Status.PRECISION_LIMIT
    if np.isnan(asked).any() or not math.isfinite(bound):
        status = Status.UNCERTIFIED
    elif np.isinf(asked).any():
        status = Status.UNBOUNDED
    return TotalRewardEvaluation(
        status=status,
        certificate=Certificate("sup-norm error of value where finite", bound, _THEOREM, bound),
        steps=1,
        value=value,
        lower=lower,
        upper=upper,
        proper=finite,
        steps_to_stop=steps,
        policy=rows,
        names=model.names,
    )


def _rows(model: TotalRewardMDP, policy: ArrayLike) -> FloatArray:
    """The policy, checked outside the terminal states."""
    ends = model.terminal[:, np.newaxis]
    rows = _check.shaped("policy", policy, (model.n_states, model.n_actions), "(S, A)")
    if np.iscomplexobj(rows):
        raise ValueError("policy must be real")
    read = np.where(ends, 1.0 / model.n_actions, rows)
    _check.laws("policy", read, ("state",), model.names)
    if model.available is not None:
        _check.admitted("policy", read, model.available | ends, model.names)
    return np.asarray(rows, dtype=np.float64)


def _chain(model: TotalRewardMDP, policy: FloatArray) -> tuple[PairModel, int]:
    """The chain on states and pairs, and the number of its states, which come first."""
    n, actions = model.n_states, model.n_actions
    inner = ~model.terminal
    taken = np.flatnonzero((policy > 0) & inner[:, np.newaxis])
    transition: Any = model.transition
    kernel: Any = transition if model.is_sparse else transition.reshape(-1, n)
    kernel = sparse.csr_array(kernel[taken])
    kernel.eliminate_zeros()
    states, pairs = int(inner.sum()), taken.size
    owner = (np.cumsum(inner) - 1)[taken // actions]
    mixing = sparse.csr_array((policy.ravel()[taken], (owner, np.arange(pairs))), shape=(states, pairs))
    moves = kernel[:, np.flatnonzero(inner)]
    matrix: Any = sparse.block_array([[None, mixing], [moves, None]], format="csr")
    leaves = np.asarray(kernel @ model.terminal.astype(np.float64)) > 0
    everything = np.arange(states + pairs)
    return PairModel(
        matrix,
        np.concatenate([np.zeros(states), model.reward.ravel()[taken]]),
        everything,
        np.concatenate([np.zeros(states, dtype=bool), leaves]),
        everything,
        max(float(model.row_deviation), row_sum_deviation(policy[inner])) if states else 0.0,
        np.diff(matrix.indptr).astype(np.float64),
    ), states


def _ends(chain: PairModel) -> tuple[BoolArray, FloatArray]:
    """Idle places; and the total reward of those that may circulate: inf, -inf or NaN, 0 at all others."""
    label, count = recurrent_classes(chain.matrix, chain.leaves) if chain.n_places else (np.zeros(0), 0)
    idle = np.zeros(chain.n_places, dtype=bool)
    kinds = {kind: np.zeros(chain.n_places, dtype=bool) for kind in (1, -1, 0)}
    for k in range(count):
        members = np.flatnonzero(label == k)
        if (chain.reward[members] == 0.0).all():
            idle[members] = True
        else:
            kinds[_sign(chain, members)][members] = True
    everywhere = np.ones(chain.n_places, dtype=bool)
    plus, minus, null = (
        attractor(chain.matrix, chain.owner, everywhere, target)[0] for target in kinds.values()
    )
    infinite = np.where(plus, math.inf, 0.0)
    infinite[minus] = -math.inf
    infinite[(plus & minus) | null] = math.nan
    return idle, infinite


def _sign(chain: PairModel, members: IntArray) -> int:
    """Proven sign of the average reward of a recurrent class; 0 where there is no proof."""
    if class_gain(chain, chain.matrix, chain.owner, members) > 0.0:
        return 1
    turned = dataclasses.replace(chain, reward=-chain.reward)
    return -1 if class_gain(turned, chain.matrix, chain.owner, members) > 0.0 else 0


def _restricted(chain: PairModel, inside: BoolArray, idle: BoolArray) -> PairModel:
    """The chain on the places inside; entering an idle place leaves it."""
    rows = np.flatnonzero(inside)
    part: Any = chain.matrix[rows]
    to_idle = np.asarray(part @ idle.astype(np.float64)) > 0
    everything = np.arange(rows.size)
    return PairModel(
        sparse.csr_array(part[:, rows]),
        chain.reward[rows],
        everything,
        chain.leaves[rows] | to_idle,
        rows,
        chain.deviation,
        chain.terms[rows],
    )
