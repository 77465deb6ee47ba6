"""Arguments of finite-horizon solvers, checked and with their stage axis."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import BoolArray, FloatArray
from mdplab.models._kernel import STAGED
from mdplab.models._validate import first
from mdplab.models.finite_horizon import FiniteHorizonMDP
from mdplab.models.tabular import MDP
from mdplab.names import UNNAMED, Names
from mdplab.operators import _check
from mdplab.solvers.discounted import UNIT

__all__ = ["finite_horizon", "stage_bonus", "stage_cost", "stage_mask", "stage_rows"]


def stage_rows(
    name: str,
    x: ArrayLike,
    mdp: FiniteHorizonMDP,
    *,
    finite: bool = True,
    infinite: bool = False,
    read: BoolArray | None = None,
) -> FloatArray:
    """A real array of all stages: ``(H, S, A)`` as it is, ``(S, A)`` for every stage.

    Parameters
    ----------
    name : str
        What messages call it.
    x : array_like (S, A) or (H, S, A)
        The entries.
    mdp : FiniteHorizonMDP
        The model.
    finite : bool, default True
        Whether entries have to be finite.
    infinite : bool, default False
        Admits ``-inf`` (logarithms) even so.
    read : ndarray of bool (H, S, A), optional
        Entries elsewhere may be anything, and are returned as 0.

    Returns
    -------
    ndarray (H, S, A)

    Raises
    ------
    ValueError
        If the shape is another one, or an entry is not admitted.
    """
    shape = (mdp.horizon, mdp.n_states, mdp.n_actions)
    array = _check.numeric(name, x)
    if np.iscomplexobj(array):
        raise ValueError(f"{name} must be real")
    if array.shape not in (shape, shape[1:]):
        raise ValueError(
            f"{name} must have shape (S, A) = {shape[1:]} or (H, S, A) = {shape}; got {array.shape}"
        )
    array = np.broadcast_to(array, shape)
    array = _check.shaped(name, array if read is None else np.where(read, array, 0.0), shape, "(H, S, A)")
    bad = ~np.isfinite(array) & ~(infinite & (array == -np.inf)) if finite else np.zeros(shape, dtype=bool)
    if bad.any():
        where = mdp.names.place(STAGED, first(bad))
        raise ValueError(f"{name} is {array[first(bad)]} at {where}; expected finite")
    return array


def finite_horizon(mdp: Any) -> None:
    """Check the kind of a model.

    Parameters
    ----------
    mdp : FiniteHorizonMDP
        The model.

    Raises
    ------
    TypeError
        If it is of another kind.
    """
    _check.model(mdp, FiniteHorizonMDP, "use solve" if isinstance(mdp, MDP) else "")


def stage_mask(mdp: FiniteHorizonMDP, available: ArrayLike | None = None) -> BoolArray:
    """The mask of a model with a stage axis, or what a further mask leaves of it.

    Parameters
    ----------
    mdp : FiniteHorizonMDP
        The model.
    available : array_like of bool (S, A) or (H, S, A), optional
        Admitted actions among the model's; all of them, by default.

    Returns
    -------
    ndarray of bool (H, S, A)

    Raises
    ------
    ValueError
        If it is not boolean, has another shape or leaves a state without action.
    """
    shape = (mdp.horizon, mdp.n_states, mdp.n_actions)
    own = np.ones(shape, dtype=bool) if mdp.available is None else np.broadcast_to(mdp.available, shape)
    if available is None:
        return own
    mask = np.asarray(available)
    if mask.dtype != np.bool_ or mask.shape not in (shape, shape[1:]):
        raise ValueError(f"available must be boolean of shape (S, A) = {shape[1:]} or (H, S, A) = {shape}")
    both: BoolArray = own & mask
    if not both.any(axis=2).all():
        stage, state = (int(i) for i in np.argwhere(~both.any(axis=2))[0])
        raise ValueError(f"available: stage {stage}, state {state} has no action")
    return both


def stage_bonus(
    logs: ArrayLike | None, weight: float, mask: BoolArray, names: Names, name: str = "log_reference"
) -> FloatArray:
    """``weight * logs`` with a stage axis, ``-inf`` at excluded actions.

    Parameters
    ----------
    logs : array_like (S, A) or (H, S, A), optional
        Log-weights, read at admitted actions; None is the counting measure.
    weight : float
        Temperature or prior weight; weight 0 ignores the logs, their zeros included.
    mask : ndarray of bool (H, S, A)
        Admitted actions.
    names : Names
        Those of the model, for messages.
    name : str
        What messages call ``logs``.

    Returns
    -------
    ndarray (H, S, A)

    Raises
    ------
    ValueError
        If the shape is another one, an entry is NaN or ``+inf``, or a state has no action left.
    """
    if logs is None or weight == 0:
        return np.where(mask, 0.0, -np.inf)
    values = _check.numeric(name, logs)
    if np.iscomplexobj(values):
        raise ValueError(f"{name} must be real")
    shape = mask.shape
    if values.shape not in (shape, shape[1:]):
        raise ValueError(
            f"{name} must have shape (S, A) = {shape[1:]} or (H, S, A) = {shape}; got {values.shape}"
        )
    values = _check.shaped(name, np.where(mask, values, -np.inf), shape, "(H, S, A)")
    if (values == np.inf).any():
        where = names.place(STAGED, first(values == np.inf))
        raise ValueError(f"{name} is inf at {where}; expected the logarithm of a weight")
    with np.errstate(over="ignore"):  # a product beyond the doubles is a weight of zero
        bonus = weight * values
    if (bonus == np.inf).any():
        where = names.place(STAGED, first(bonus == np.inf))
        raise ValueError(f"{name} times {weight} overflows at {where}")
    empty = ~(bonus > -np.inf).any(axis=2)
    if empty.any():
        where = names.place(STAGED[:2], np.argwhere(empty)[0])
        raise ValueError(f"{name}: {where} gives no weight to any available action")
    return bonus


def stage_cost(
    policy: FloatArray, temperature: float, bonus: FloatArray, names: Names = UNNAMED
) -> tuple[FloatArray, FloatArray]:
    """``temperature * log(policy) - bonus`` and its rounding error; 0 where the policy is 0.

    Parameters
    ----------
    policy : ndarray (H, S, A)
        Probabilities.
    temperature : float
        Non-negative.
    bonus : ndarray (H, S, A)
        Temperature times log-reference, one rounding off.
    names : Names
        Those of the model, for messages.

    Returns
    -------
    cost, error : ndarray (H, S, A)

    Raises
    ------
    ValueError
        If the policy takes an action to which the reference gives no weight.
    """
    if temperature == 0:
        return np.zeros(policy.shape), np.zeros(policy.shape)
    taken = policy > 0
    outside = taken & (bonus == -np.inf)
    if outside.any():
        where = names.place(STAGED, first(outside))
        raise ValueError(
            f"log_reference is -inf at {where}, which the policy takes: the divergence is infinite"
        )
    logs = temperature * np.log(np.where(taken, policy, 1.0))
    extra = np.where(taken, bonus, 0.0)
    cost = logs - extra
    # The logarithm is good to two units; the products and the difference round once each.
    return cost, 1.01 * UNIT * (3 * np.abs(logs) + np.abs(extra) + np.abs(cost))
