"""The arrays of a discounted model as solvers and kernels want them, and the statistics that error bounds need.

Dense kernels are seen as ``(S*A, S)``, CSR ones as three arrays with unsigned indices: views in both cases, no copy
and no change between dense and sparse.  Unavailable actions are excluded once, here: ``-inf`` in ``masked_reward``
for maxima, ``-inf`` in the bonus for log-sum-exps.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mdplab._kernels import backups
from mdplab._kernels.enclosures import HEADROOM
from mdplab._typing import Array, BoolArray, FloatArray
from mdplab.models._kernel import PAIR
from mdplab.models._validate import first, place
from mdplab.models.finite_horizon import FiniteHorizonMDP
from mdplab.models.tabular import MDP
from mdplab.names import Names
from mdplab.numerics.linear_system import UNIT_ROUNDOFF
from mdplab.operators import _check
from mdplab.solution import ConvergenceWarning, Status

__all__ = [
    "HEADROOM",
    "UNIT",
    "Callback",
    "DiscountedArrays",
    "check_controls",
    "discounted_arrays",
    "log_bonus",
    "warn_max_steps",
]

UNIT = UNIT_ROUNDOFF

Callback = Callable[[int, FloatArray, FloatArray], Any]
"""``callback(steps so far, lower, upper)``; a true answer ends the run with the bounds reached."""


@dataclass(frozen=True, eq=False)
class DiscountedArrays:
    """A discounted model, unpacked.

    Attributes
    ----------
    n_states, n_actions : int
        Sizes.
    discount : float
        In [0, 1).
    matrix : ndarray or csr_array (S*A, S)
        The transition kernel.
    unsigned : tuple of ndarray
        ``(matrix,)`` when dense, else ``(data, indices, indptr)`` with unsigned integers.
    reward : ndarray (S, A)
        Reward; 0 at unavailable pairs.
    available : ndarray of bool (S, A)
        Admitted pairs, all True without a mask.
    masked : bool
        Whether the model has a mask.
    row_deviation : float
        Bound on the deviation from 1 of the row sums of admitted pairs.
    successors : int
        Most successors of a pair.
    overlap : float
        Lower bound of the mass shared by the rows of all admitted pairs.
    data_rounding : float
        Relative rounding of the data: one unit for a model that was built from rationals, whose bounds then hold for
        the rationals too; 0 where the doubles are the problem.
    names : Names
        Those of the model.
    """

    n_states: int
    n_actions: int
    discount: float
    matrix: Any
    unsigned: tuple[Any, ...]
    reward: FloatArray
    available: BoolArray
    masked: bool
    row_deviation: float
    successors: int
    overlap: float
    data_rounding: float
    names: Names

    @property
    def is_sparse(self) -> bool:
        """Whether the kernel is CSR."""
        return len(self.unsigned) == 3

    @property
    def masked_reward(self) -> FloatArray:
        """The reward with ``-inf`` at unavailable pairs; the reward itself where there are none."""
        if not self.masked:
            return self.reward
        return np.where(self.available, self.reward, -np.inf)

    @property
    def work(self) -> int:
        """Multiplications of one sweep, the log-sum-exp counted as ten each pair."""
        return int(self.matrix.nnz if self.is_sparse else self.matrix.size) + 10 * self.reward.size

    def lookahead(self, w: FloatArray) -> FloatArray:
        """``R + discount * P w``, also at unavailable pairs.

        Parameters
        ----------
        w : ndarray (S,)
            State values.

        Returns
        -------
        ndarray (S, A)
        """
        expected = self.matrix @ w
        result: FloatArray = self.reward + self.discount * expected.reshape(self.reward.shape)
        return result


def discounted_arrays(
    mdp: MDP, reward: ArrayLike | None = None, name: str = "residual_reward", *, sharp: bool = True
) -> DiscountedArrays:
    """Unpack a model.

    Parameters
    ----------
    mdp : MDP
        Dense or CSR.
    reward : array_like (S, A), optional
        In the place of the model's own reward, which is then not read.
    name : str
        What messages call ``reward``.
    sharp : bool, default True
        Sum the rows to twice the working precision and find the shared mass, which reads the kernel twice; otherwise
        take the model's own bound of the row deviation and no shared mass: valid, and good enough unless the
        tolerance is near the rounding level.

    Returns
    -------
    DiscountedArrays
        Views of the model's arrays where it is unmasked.

    Raises
    ------
    TypeError
        If the model is of another kind.
    ValueError
        If ``reward`` has another shape, is not finite on available pairs or so large that values overflow, if a state
        has no action, or if the transition holds NaN (the caller's arrays are not copied and may have changed).
    """
    _need_discounted(mdp)
    states, actions = mdp.n_states, mdp.n_actions
    available = np.ones((states, actions), dtype=bool) if mdp.available is None else np.asarray(mdp.available)
    if mdp.available is not None and not available.any(axis=1).all():
        where = mdp.names.place(PAIR[:1], [np.argmin(available.any(axis=1))])
        raise ValueError(f"available: {where} has no action")
    rewards = mdp.reward if reward is None else _check.pairs(name, reward, (states, actions), mdp.available)
    if np.iscomplexobj(rewards):
        raise ValueError(f"{name} must be real")
    if not np.isfinite(rewards).all():
        bad = ~np.isfinite(rewards) & available
        if bad.any():
            name = "reward" if reward is None else name
            where = mdp.names.place(PAIR, first(bad))
            raise ValueError(f"{name} is {rewards[first(bad)]} at {where}; expected finite")
    _refuse_overflow("reward" if reward is None else name, rewards, available, mdp)
    if mdp.available is not None:
        rewards = np.where(available, rewards, 0.0)
    rewards = np.ascontiguousarray(rewards, dtype=float)
    matrix: Any
    unsigned: tuple[Any, ...]
    statistics = np.zeros(3 + states if sharp else 3)
    if mdp.is_sparse:
        matrix = mdp.transition
        unsigned = (matrix.data, _unsigned(matrix.indices), _unsigned(matrix.indptr))
        if sharp:
            backups.row_statistics_csr(*unsigned, available.ravel(), statistics)
        else:
            statistics[1] = np.diff(matrix.indptr).max()
    else:
        matrix = np.asarray(mdp.transition).reshape(states * actions, states)
        unsigned = (matrix,)
        if sharp:
            backups.row_statistics_dense(matrix, available.ravel(), statistics)
        else:
            statistics[1] = states
    _refuse_nan(matrix.data if mdp.is_sparse else matrix)
    successors = int(statistics[1])
    # The doubled sum is itself wrong by at most (k u)^2 relative; the sum of shared masses by S u.
    deviation = float(statistics[0]) * (1 + 4 * UNIT) + 2 * (successors * UNIT) ** 2
    if not sharp:
        deviation = mdp.row_deviation
    overlap = max(0.0, float(statistics[2]) * (1 - 2 * states * UNIT) - deviation)
    return DiscountedArrays(
        states,
        actions,
        float(mdp.discount),
        matrix,
        unsigned,
        rewards,
        available,
        mdp.available is not None,
        deviation,
        successors,
        min(1.0, overlap),
        0.0 if mdp.exact is None else UNIT,
        mdp.names,
    )


def _need_discounted(mdp: Any) -> None:
    _check.model(mdp, MDP, "use backward_induction" if isinstance(mdp, FiniteHorizonMDP) else "")


def _refuse_overflow(name: str, rewards: Array, available: BoolArray, mdp: MDP) -> None:
    """Values reach ``max|R| / (1 - discount)``, and errors are computed from sums of a few of them."""
    largest = float(np.abs(np.where(available, rewards, 0.0)).max())
    if largest > HEADROOM * (1.0 - mdp.discount):
        pair = first(available & (np.abs(rewards) == largest))
        where = place(name, pair) + mdp.names.note(PAIR, pair)
        raise ValueError(
            f"{where} is {float(rewards[pair])!r}: at discount {mdp.discount} values would overflow; rescale the reward"
        )


def _refuse_nan(entries: FloatArray) -> None:
    """The model checked its kernel, but owns no copy of it."""
    if not np.isfinite(entries.sum()):
        where = first(~np.isfinite(entries))
        shown = place("transition as (S*A, S)" if entries.ndim == 2 else "transition.data", where)
        raise ValueError(
            f"{shown} is {float(entries[where])}: the array was changed after the model was made"
        )


def _unsigned(indices: Any) -> Any:
    """The same bits, read as unsigned integers (CSR indices are never negative)."""
    return indices.view(np.uint32 if indices.dtype.itemsize == 4 else np.uint64)


def log_bonus(
    arrays: DiscountedArrays, logs: ArrayLike | None, weight: float, name: str = "log_reference"
) -> FloatArray:
    """``weight * logs`` with ``-inf`` at unavailable pairs: the summand inside the log-sum-exp.

    Parameters
    ----------
    arrays : DiscountedArrays
        The model.
    logs : array_like (S, A), optional
        Log-weights, ``-inf`` allowed; they need not be normalised.  None is the counting measure.
    weight : float
        Temperature or prior weight; weight 0 ignores the logs, zeros of the prior included.
    name : str
        What messages call ``logs``.

    Returns
    -------
    ndarray (S, A)

    Raises
    ------
    ValueError
        If the shape differs, an entry is NaN or ``+inf``, or a state has no action left.
    """
    if logs is None or weight == 0:
        return np.where(arrays.available, 0.0, -np.inf)
    shape = (arrays.n_states, arrays.n_actions)
    values = _check.pairs(name, logs, shape, arrays.available, -np.inf)
    if np.iscomplexobj(values):
        raise ValueError(f"{name} must be real")
    if (values == np.inf).any():
        where = arrays.names.place(PAIR, first(values == np.inf))
        raise ValueError(f"{name} is inf at {where}; expected the logarithm of a weight")
    with np.errstate(over="ignore"):  # a product beyond the doubles is a weight of zero
        bonus = weight * values
    if (bonus == np.inf).any():
        pair = first(bonus == np.inf)
        raise ValueError(f"{place(name, pair)}{arrays.names.note(PAIR, pair)} times {weight} overflows")
    empty = ~(bonus > -np.inf).any(axis=1)
    if empty.any():
        where = arrays.names.place(PAIR[:1], [np.argmax(empty)])
        raise ValueError(f"{name}: {where} gives no weight to any available action")
    best = np.abs(bonus.max(axis=1))
    if best.max() > HEADROOM * (1.0 - arrays.discount):
        where = arrays.names.place(PAIR[:1], [np.argmax(best)])
        raise ValueError(
            f"{name} times {weight} is {float(best.max())!r} in size in {where}: values would overflow"
        )
    return bonus


def check_controls(tol: float, max_steps: int, temperature: float = 1.0) -> None:
    """Check what all iterative solvers take.

    Parameters
    ----------
    tol : float
        Non-negative; 0 asks for all that rounding allows.
    max_steps : int
        Positive.
    temperature : float, default 1
        Positive.

    Raises
    ------
    ValueError
        Naming the argument.
    """
    _check.non_negative("tol", tol)
    _check.count("max_steps", max_steps)
    _check.non_negative("temperature", temperature, positive=True)


def warn_max_steps(solver: str, status: Status, steps: int, bound: float, tol: float) -> None:
    """Warn when a run ended by ``max_steps``.

    Parameters
    ----------
    solver : str
        Its name.
    status : Status
        Only ``MAX_STEPS`` warns.
    steps : int
        Steps done.
    bound, tol : float
        What was reached and what was asked for.
    """
    if status is Status.MAX_STEPS:
        message = (
            f"{solver}: {steps} steps certify an error of {bound:.3g}, not {tol:.3g}: raise max_steps or tol"
        )
        warnings.warn(message, ConvergenceWarning, stacklevel=3)
