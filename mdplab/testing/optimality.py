"""Assertions about optima, hard and soft, against certified solutions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.models.tabular import MDP
from mdplab.solution import Solution
from mdplab.solvers.control import ControlSolution
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
from mdplab.testing.policies import normalised

__all__ = [
    "assert_is_optimal",
    "assert_policies_equal_up_to_ties",
    "assert_soft_optimal",
    "assert_solution_certified",
]

_VALUE = "look at the first wrong state backwards from the goal; check the maximum, the discount and what ends an episode"
_Q = "Q[s, a] = R[s, a] + discount * sum_t P[s, a, t] max_b Q[t, b], the maximum over available actions"
_SOFT_Q = (
    "Q[s, a] = R[s, a] + discount * sum_t P[s, a, t] V[t], V = temperature * log sum exp(Q / temperature): the entropy of "
    "the first action is in V, not in Q, and it is added, not taken off"
)
_SOFT_POLICY = (
    "the optimal policy is reference * exp((Q - V) / temperature): check the temperature and its side"
)


def _something(**given: Any) -> None:
    if all(entry is None for entry in given.values()):
        raise ValueError(f"nothing to check: give at least one of {', '.join(given)}")


def _assert_tables(
    mdp: MDP,
    best: ControlSolution,
    value: ArrayLike | None,
    q: ArrayLike | None,
    tol: float,
    texts: list[str],
) -> None:
    """Compare values and action values with the solution."""
    kind = "soft-optimal" if best.temperature > 0 else "optimal"
    for name, given, exact, error, text in (
        ("value", value, best.value, best.certificate.bound, texts[0]),
        ("q", q, best.q, best.q_error, texts[1]),
    ):
        if given is None:
            continue
        found = table(mdp, name, given, per_action=name == "q")
        assert_close(
            mdp,
            name,
            found,
            exact,
            error=error,
            tol=tol,
            what=f"the {kind} {'action ' if name == 'q' else ''}value",
            where=available(mdp) if name == "q" else None,
            hints=value_hints(mdp, name, found, exact, tol=tol, temperature=best.temperature),
            default=text,
        )


def assert_is_optimal(
    mdp: MDP,
    *,
    policy: ArrayLike | None = None,
    value: ArrayLike | None = None,
    q: ArrayLike | None = None,
    tol: float = 1e-6,
) -> None:
    """Assert that a policy, values or action values are optimal.

    Parameters
    ----------
    mdp : MDP
        The model.
    policy : array_like (S, A), optional
        Probabilities; any optimal policy passes, whatever it does at ties.
    value : array_like (S,), optional
        State values.
    q : array_like (S, A), optional
        Action values; they may hold anything at unavailable pairs.
    tol : float, default 1e-6
        Largest loss of the policy in any state, or difference of the values; proven errors are added.

    Raises
    ------
    AssertionError
        If one of them is not optimal.  For a policy the message names the state that loses most, and the decision that is
        to blame.
    ValueError
        If nothing is given, or the optimum is not known within ``tol``.
    """
    _something(policy=policy, value=value, q=q)
    check_tolerance(tol)
    best = solvers.solve(mdp, tol=min(tol, 1e-8) / 16)
    _assert_tables(mdp, best, value, q, tol, [_VALUE, _Q])
    if policy is not None:
        _assert_policy(mdp, best, normalised(mdp, policy), tol)


def _assert_policy(mdp: MDP, best: ControlSolution, rows: FloatArray, tol: float) -> None:
    """Compare the value of a policy with the optimum, and find the decision that costs it most."""
    own = solvers.policy_evaluation(mdp, rows)
    error = best.certificate.bound + own.certificate.bound
    check_tolerance(tol, error)
    loss = best.value - own.value
    if not loss.max() > tol + error:
        return
    state, names = int(loss.argmax()), names_of(mdp)
    gaps = np.where(rows > 0, rows * (best.value[:, np.newaxis] - best.q), 0.0)
    wrong, action = np.unravel_index(int(gaps.argmax()), gaps.shape)
    better = int(best.q[wrong].argmax())
    labels = names._replace(state=None)
    fail(
        [
            f"policy is not optimal: {np.count_nonzero(loss > tol + error)} of {loss.size} states lose more than {tol:.3g}",
            f"worst at {names.place(AXES[:1], [state])}: value {own.value[state]:.10g}, optimal {best.value[state]:.10g} "
            f"(within {error:.1g}), gap {-loss[state]:.3g}",
            f"to blame is {names.place(AXES[:1], [wrong])}: it takes {labels.place(AXES[1:], [action])} "
            f"(q {best.q[wrong, action]:.10g}) with probability {rows[wrong, action]:.4g}; better is "
            f"{labels.place(AXES[1:], [better])} (q {best.q[wrong, better]:.10g})",
        ]
    )


def assert_policies_equal_up_to_ties(
    mdp: MDP, first: ArrayLike, second: ArrayLike, *, tol: float = 1e-6
) -> None:
    """Assert that two policies differ in nothing but in their choice among equally good actions.

    Compared are, in each state, the laws of the optimal action value of the action that is taken; their distance is that
    of Wasserstein, so that no threshold decides what a tie is.

    Parameters
    ----------
    mdp : MDP
        The model.
    first, second : array_like (S, A)
        Probabilities.
    tol : float, default 1e-6
        Largest distance, in units of the value; the proven error of the optimal action values is added.

    Raises
    ------
    AssertionError
        If they differ otherwise.
    ValueError
        If the optimum is not known within ``tol``.
    """
    p, r = normalised(mdp, first), normalised(mdp, second)
    best = solvers.solve(mdp, tol=min(tol, 1e-8) / 16)
    error = 2 * best.q_error  # every atom of both laws may move by q_error
    check_tolerance(tol, error)
    q = np.where(available(mdp), best.q, best.value[:, np.newaxis])  # what neither takes
    order = q.argsort(axis=1)
    steps = np.diff(np.take_along_axis(q, order, axis=1), axis=1)
    masses = np.take_along_axis(p - r, order, axis=1).cumsum(axis=1)[:, :-1]
    distance = (np.abs(masses) * steps).sum(axis=1)
    if not distance.max() > tol + error:
        return
    state = int(distance.argmax())
    names, nearest = names_of(mdp), q.max(axis=1, keepdims=True) - q
    expected = [float((rows * -nearest).sum(axis=1)[state]) for rows in (p, r)]
    fail(
        [
            f"the policies differ by more than ties: in {np.count_nonzero(distance > tol + error)} of {distance.size} states",
            f"worst at {names.place(AXES[:1], [state])}: distance {distance[state]:.3g}; first {_row(p[state])}, second "
            f"{_row(r[state])}, optimal q {_row(best.q[state])}",
            f"expected advantage of the first {expected[0]:.6g}, of the second {expected[1]:.6g}",
        ]
    )


def _row(numbers: FloatArray) -> str:
    return np.array2string(numbers, precision=6, threshold=12)


def assert_soft_optimal(
    mdp: MDP,
    *,
    temperature: float,
    policy: ArrayLike | None = None,
    value: ArrayLike | None = None,
    q: ArrayLike | None = None,
    log_reference: ArrayLike | None = None,
    tol: float = 1e-6,
) -> None:
    """Assert that a policy, values or action values are optimal with entropy or KL regularisation.

    Parameters
    ----------
    mdp : MDP
        The model.
    temperature : float
        Positive; multiplies the entropy.
    policy : array_like (S, A), optional
        Probabilities.
    value : array_like (S,), optional
        Soft values.
    q : array_like (S, A), optional
        Soft action values, without the entropy of the first action; they may hold anything at unavailable pairs.
    log_reference : array_like (S, A), optional
        Log-weights of the reference policy; default is the counting measure (plain entropy).
    tol : float, default 1e-6
        Largest difference of values, or of probabilities; proven errors are added.

    Raises
    ------
    AssertionError
        If one of them is not optimal.
    ValueError
        If nothing is given, or the optimum is not known within ``tol``.
    """
    _something(policy=policy, value=value, q=q)
    check_tolerance(tol)
    best = solvers.soft_policy_iteration(mdp, temperature=temperature, log_reference=log_reference)
    _assert_tables(mdp, best, value, q, tol, [_SOFT_Q, _SOFT_Q])
    if policy is not None:
        assert_close(
            mdp,
            "policy",
            normalised(mdp, policy),
            best.policy,
            error=best.policy_error,
            tol=tol,
            what="the soft-optimal policy",
            default=_SOFT_POLICY,
        )


def assert_solution_certified(model: Any, solution: Solution) -> None:
    """Assert that a solution states a bound, and that another route confirms all that it states.

    Parameters
    ----------
    model : MDP or another model
        What was solved.
    solution : Solution
        Of a kind that :func:`mdplab.verify` knows.

    Raises
    ------
    AssertionError
        If it has no bound, or a check of :func:`mdplab.verify` fails; the message shows both sides of each.
    """
    name = type(solution).__name__
    if not np.isfinite(solution.certificate.bound):
        fail([f"the {name} has no bound: {solution.status.name}, {solution.status.value}"])
    report = solvers.verify(model, solution)
    if not report.passed:
        lines = [
            f"{check.name}: found {check.found:.6g}, allowed {check.allowed:.6g}" for check in report.failures
        ]
        fail([f"the {name} is refuted by another route ({report.route}):", *lines])
