"""Assertions about policies, their values and their action values, against certified evaluation."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.models.tabular import MDP
from mdplab.testing._report import (
    AXES,
    assert_close,
    available,
    check_tolerance,
    fail,
    names_of,
    table,
    value_hints,
)

__all__ = ["assert_is_policy", "assert_q_of_policy", "assert_value_of_policy"]


def assert_is_policy(mdp: MDP, policy: ArrayLike, *, tol: float = 1e-6) -> None:
    """Assert that a table is a policy: rows are laws, and unavailable actions are not taken.

    Parameters
    ----------
    mdp : MDP
        The model.
    policy : array_like (S, A)
        Probabilities.
    tol : float, default 1e-6
        By how much a row may miss the sum one (single precision reaches about 1e-7).

    Raises
    ------
    AssertionError
        If it is none; the message names the state and the action.
    """
    check_tolerance(tol)
    rows = table(mdp, "policy", policy, per_action=True)
    names, admitted = names_of(mdp), available(mdp)
    for bad, text in (
        (~np.isfinite(rows), "expected a probability"),
        (rows < 0, "expected a probability: no exponential or square was taken, or a step left the simplex"),
        (~admitted & (rows > 0), "but the action is unavailable: mask the scores before they are normalised"),
    ):
        if bad.any():
            index = np.unravel_index(int(bad.argmax()), bad.shape)
            fail([f"policy at {names.place(AXES, index)} is {rows[index]:.10g}, {text}"])
    sums = rows.sum(axis=1)
    gap = np.abs(sums - 1.0)
    if gap.max() > tol:
        state = int(gap.argmax())
        hint = ""
        if np.ptp(sums) <= tol:
            hint = "all rows have the same sum"
        elif mdp.available is not None and (gap[admitted.all(axis=1)] <= tol).all():
            hint = (
                "only rows with unavailable actions are wrong: they were normalised before they were masked"
            )
        fail(
            [
                f"policy is not normalised: {np.count_nonzero(gap > tol)} of {sums.size} rows miss the sum 1 by more than "
                f"{tol:.3g}",
                f"worst at {names.place(AXES[:1], [state])}: the sum is {sums[state]:.10g}, gap {sums[state] - 1:.3g}",
                f"hint: {hint}" if hint else "",
            ]
        )


def normalised(mdp: MDP, policy: ArrayLike) -> FloatArray:
    """Assert that a table is a policy up to single precision; returns its rows divided by their sums.

    Parameters
    ----------
    mdp : MDP
        The model.
    policy : array_like (S, A)
        Probabilities.

    Returns
    -------
    ndarray (S, A)
    """
    assert_is_policy(mdp, policy)
    rows = table(mdp, "policy", policy, per_action=True)
    result: FloatArray = rows / rows.sum(axis=1, keepdims=True)
    return result


_VALUE = "check what is added in each step (reward, discount, entropy) and what follows a terminal state"
_Q = "Q[s, a] = R[s, a] + discount * sum_t P[s, a, t] V[t]; check the order of the axes and the policy of V"


def assert_value_of_policy(
    mdp: MDP,
    policy: ArrayLike,
    value: ArrayLike,
    *,
    temperature: float = 0.0,
    log_reference: ArrayLike | None = None,
    tol: float = 1e-6,
) -> None:
    """Assert that a table holds the values of a policy.

    Parameters
    ----------
    mdp : MDP
        The model.
    policy : array_like (S, A)
        Probabilities, in double or single precision; rows are divided by their sums.
    value : array_like (S,)
        The table.
    temperature : float, default 0
        If positive, every step costs ``temperature * log(policy / reference)`` (entropy-regularised values).
    log_reference : array_like (S, A), optional
        Log-weights of the reference; default is the counting measure (plain entropy).
    tol : float, default 1e-6
        Largest difference, in units of the value; the proven error of the exact value is added.

    Raises
    ------
    AssertionError
        If a state is off by more than ``tol``; the message names it, both numbers and, if it is a known one, the mistake.
    ValueError
        If the exact value is not known within ``tol``.
    """
    found = table(mdp, "value", value, per_action=False)
    rows = normalised(mdp, policy)
    exact = solvers.policy_evaluation(mdp, rows, temperature=temperature, log_reference=log_reference)
    assert_close(
        mdp,
        "value",
        found,
        exact.value,
        error=exact.certificate.bound,
        tol=tol,
        what="the value of the policy",
        hints=value_hints(mdp, "value", found, exact.value, tol=tol, temperature=temperature),
        default=_VALUE,
    )


def assert_q_of_policy(
    mdp: MDP,
    policy: ArrayLike,
    q: ArrayLike,
    *,
    temperature: float = 0.0,
    log_reference: ArrayLike | None = None,
    tol: float = 1e-6,
) -> None:
    """Assert that a table holds the action values of a policy.

    Parameters
    ----------
    mdp : MDP
        The model.
    policy : array_like (S, A)
        Probabilities, in double or single precision; rows are divided by their sums.
    q : array_like (S, A)
        The table; it may hold anything at unavailable pairs.
    temperature, log_reference
        As in :func:`assert_value_of_policy`; the cost of the first action is not part of ``q``.
    tol : float, default 1e-6
        Largest difference, in units of the value; the proven error of the exact value is added.

    Raises
    ------
    AssertionError
        If a pair is off by more than ``tol``.
    ValueError
        If the exact action values are not known within ``tol``.
    """
    found = table(mdp, "q", q, per_action=True)
    rows = normalised(mdp, policy)
    exact = solvers.policy_evaluation(mdp, rows, temperature=temperature, log_reference=log_reference)
    assert_close(
        mdp,
        "q",
        found,
        exact.q,
        error=exact.q_error,
        tol=tol,
        what="the action values of the policy",
        where=available(mdp),
        hints=value_hints(mdp, "q", found, exact.q, tol=tol, temperature=temperature),
        default=_Q,
    )
