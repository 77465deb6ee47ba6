r"""The exact expectation of a sampled update: a test of temporal-difference learning without sampling.

A temporal-difference method moves one entry of a table by :math:`\alpha(r+\gamma(1-d)\,b(t)-x)`, where the transition
:math:`(s,a,r,t,d)` was sampled.  On a finite model the expectation over all transitions is a finite sum, and must equal
what the operator says.  No number of samples, no seed and no statistical test is involved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import Array, BoolArray, FloatArray
from mdplab.instances.environment import absorbing_states
from mdplab.models import _validate as v
from mdplab.models.tabular import MDP
from mdplab.operators import _check
from mdplab.testing._report import AXES, available, check_tolerance, fail, names_of
from mdplab.testing.policies import normalised

__all__ = ["Transition", "assert_expected_update", "transitions"]

_EPS = float(np.finfo(float).eps)


class Transition(NamedTuple):
    """One sampled step, as a learner sees it.

    Attributes
    ----------
    state, action : int
        Where it was, and what it did.
    reward : float
        What it got, ``R[s, a]``.
    next_state : int
        Where it went.
    terminal : bool
        Whether the episode ended there, so that nothing follows.
    next_action : int
        What it does next, -1 if that is not sampled.
    """

    state: int
    action: int
    reward: float
    next_state: int
    terminal: bool
    next_action: int = -1


def transitions(
    mdp: MDP, state: int, action: int, *, policy: ArrayLike | None = None, terminal: ArrayLike | None = None
) -> Iterator[tuple[float, Transition]]:
    """All transitions of a state-action pair with their probabilities.

    Parameters
    ----------
    mdp : MDP
        The model.
    state, action : int
        The pair.
    policy : array_like (S, A), optional
        Draws the next action, which is -1 without.
    terminal : array_like of bool (S,), optional
        Where episodes end; by default in the absorbing states without reward.

    Yields
    ------
    probability : float
        Positive.
    transition : Transition
    """
    ends = absorbing_states(mdp) if terminal is None else np.asarray(terminal)
    reward, row = float(mdp.reward[state, action]), mdp.row(state, action)
    for t in np.flatnonzero(row):
        step = Transition(int(state), int(action), reward, int(t), bool(ends[t]))
        if policy is None:
            yield float(row[t]), step
            continue
        choices = np.asarray(policy)[t]
        for b in np.flatnonzero(choices):
            yield float(row[t] * choices[b]), step._replace(next_action=int(b))


def assert_expected_update(
    mdp: MDP,
    update: Callable[[Any, Transition], Any],
    bootstrap: Callable[[FloatArray], ArrayLike],
    *,
    step: float,
    table: ArrayLike | None = None,
    policy: ArrayLike | None = None,
    terminal: ArrayLike | None = None,
    per_action: bool = True,
    tol: float = 1e-9,
) -> None:
    r"""Assert that a sampled update is right in expectation, ``E[new] = old + step * (target - old)``.

    The target of a pair is ``R[s, a] + discount * sum_t P[s, a, t] b[t]``, where ``b = bootstrap(table)`` counts for
    nothing in terminal states.  Entries other than the one updated must stay as they are.

    Parameters
    ----------
    mdp : MDP
        The model; all available pairs of states that are not terminal are tried.
    update : callable
        ``update(table, transition)`` returns the new table, or changes the table that it is given (a copy) and returns
        None.  It must not draw random numbers.
    bootstrap : callable
        From the table to the values of the states ``(S,)`` that a step looks forward to: for Q-learning
        ``lambda q: q.max(axis=1)``, for SARSA ``lambda q: (policy * q).sum(axis=1)``, for TD(0) ``lambda v: v``.
    step : float
        The step size that ``update`` uses, in (0, 1].
    table : array_like (S, A) or (S,), optional
        The table to start from; by default pseudo-random numbers that are all different and nowhere zero.
    policy : array_like (S, A), optional
        Draws the next action (SARSA), or, where the table holds state values, the action; required then.
    terminal : array_like of bool (S,), optional
        Where episodes end; by default in the absorbing states without reward.
    per_action : bool, default True
        Whether the table is ``(S, A)``; False for state values ``(S,)``.
    tol : float, default 1e-9
        Largest difference of an entry; the rounding of the exact expectation is added.

    Raises
    ------
    AssertionError
        If an entry is off; the message names the place, both numbers and, if it is a known one, the mistake.
    ValueError
        If an argument is out of range, or the policy is missing.

    Examples
    --------
    >>> def update(q, transition):
    ...     s, a, r, t, terminal, _ = transition
    ...     q[s, a] += 0.5 * (r + 0.9 * (0 if terminal else q[t].max()) - q[s, a])
    >>> mdp = MDP([[[0.5, 0.5]], [[0.0, 1.0]]], [[1.0], [0.0]], 0.9)
    >>> assert_expected_update(mdp, update, lambda q: q.max(axis=1), step=0.5)
    """
    _check.model(mdp, MDP)
    check_tolerance(tol)
    if not 0.0 < step <= 1.0:
        raise ValueError(f"step must lie in (0, 1]; got {step}")
    rows = None if policy is None else normalised(mdp, policy)
    if not per_action and rows is None:
        raise ValueError("policy is missing: with state values it draws the action")
    shape = mdp.reward.shape if per_action else mdp.reward.shape[:1]
    old = _some_table(shape) if table is None else np.array(table, dtype=np.float64)
    if old.shape != shape:
        raise ValueError(f"table has shape {old.shape}, expected {shape}")
    ends = absorbing_states(mdp) if terminal is None else v.boolean("terminal", terminal, (mdp.n_states,))
    ahead = np.asarray(bootstrap(old.copy()), dtype=np.float64)
    if ahead.shape != (mdp.n_states,):
        raise ValueError(f"bootstrap returned shape {ahead.shape}, expected (S,) = ({mdp.n_states},)")
    expected = _Expected(mdp, old, ahead, ends, rows, step)
    for place in expected.places():
        expected.compare(place, _mean_update(expected, place, update), tol)


def _some_table(shape: tuple[int, ...]) -> FloatArray:
    count = int(np.prod(shape))
    numbers = np.arange(1, count + 1) * 0.6180339887498949  # the golden ratio spreads their fractions
    result: FloatArray = np.asarray(numbers % 1.0 + 0.25, dtype=np.float64).reshape(shape)
    return result


class _Expected:
    """What the expectation of an update must be."""

    def __init__(
        self, mdp: MDP, old: FloatArray, ahead: FloatArray, ends: BoolArray, policy: Array | None, step: float
    ) -> None:
        self.mdp, self.old, self.ahead, self.ends, self.policy, self.step = (
            mdp,
            old,
            ahead,
            ends,
            policy,
            step,
        )
        self.counts = np.where(ends, 0.0, ahead)
        self.target = self.targets(mdp.reward, mdp.discount, self.counts)

    def targets(self, reward: FloatArray, discount: float, ahead: FloatArray) -> FloatArray:
        """Targets of all entries of the table."""
        pairs: FloatArray = reward + discount * self.mdp.expectation(ahead)
        if self.old.ndim == 2:
            return pairs
        assert self.policy is not None
        result: FloatArray = (self.policy * pairs).sum(axis=1)
        return result

    def places(self) -> Iterator[tuple[int, ...]]:
        """Entries that learning visits."""
        admitted = available(self.mdp) if self.old.ndim == 2 else np.ones(self.old.shape, dtype=bool)
        for index in np.argwhere(admitted):
            if not self.ends[index[0]]:
                yield tuple(int(i) for i in index)

    def steps(self, place: tuple[int, ...]) -> Iterator[tuple[float, Transition]]:
        """Transitions that update an entry, with their probabilities."""
        if len(place) == 2:
            yield from transitions(self.mdp, *place, policy=self.policy, terminal=self.ends)
            return
        assert self.policy is not None
        (state,) = place
        for action in np.flatnonzero(self.policy[state]):
            for probability, step in transitions(self.mdp, state, int(action), terminal=self.ends):
                yield float(self.policy[state, action]) * probability, step

    def compare(self, place: tuple[int, ...], mean: float, tol: float) -> None:
        """Fail if the mean of the updated entry is off."""
        old, target = float(self.old[place]), float(self.target[place])
        right = old + self.step * (target - old)
        # a sum of n products is off by (n + 1) roundings of its largest term, the target by n + 4, twice the unit each
        largest = max(abs(mean), abs(old), abs(target), float(np.abs(self.counts).max()))
        rounding = _EPS * (self.mdp.n_states * self.mdp.n_actions**2 + 8) * largest
        if abs(mean - right) <= tol + rounding:
            return
        implied = old + (mean - old) / self.step
        hint = next(self.hints(place, implied, 10 * tol + rounding), "")
        fail(
            [
                f"the expected update is off at {names_of(self.mdp).place(AXES[: len(place)], place)}",
                f"E[new] {mean:.10g}, exact {right:.10g} (old {old:.6g}, step {self.step:g}), gap {mean - right:.3g}",
                f"so the target is {implied:.10g} in the mean, exact {target:.10g}",
                f"hint: {hint}" if hint else "",
            ]
        )

    def hints(self, place: tuple[int, ...], implied: float, near: float) -> Iterator[str]:
        """Well-known mistakes that give the target that was found."""
        reward, gamma = self.mdp.reward, self.mdp.discount
        for guess, text in (
            (
                self.targets(reward, gamma, self.ahead),
                "it bootstraps from terminal states, after which nothing comes",
            ),
            (self.targets(reward, 1.0, self.counts), "the discount is missing"),
            (self.targets(reward, gamma**2, self.counts), "the discount is applied twice"),
            (self.targets(gamma * reward, gamma, self.counts), "the reward is discounted too"),
            (self.targets(0 * reward, gamma, self.counts), "the reward is missing"),
            (self.targets(reward, 0.0, self.counts), "it does not bootstrap"),
            (self.targets(-reward, gamma, self.counts), "the reward has the opposite sign"),
        ):
            if abs(float(guess[place]) - implied) <= near / self.step:
                yield text
        yield "is it the table that is passed, and not an older copy, that it bootstraps from? is the step size the one stated?"


def _mean_update(
    expected: _Expected, place: tuple[int, ...], update: Callable[[Any, Transition], Any]
) -> float:
    """Mean of the updated entry; fails if another entry changes."""
    mean = 0.0
    for probability, transition in expected.steps(place):
        given = expected.old.copy()
        answer = update(given, transition)
        new = np.asarray(given if answer is None else answer, dtype=np.float64)
        if new.shape != expected.old.shape:
            raise AssertionError(f"update returned shape {new.shape}, expected {expected.old.shape}")
        changed = new != expected.old
        changed[place] = False
        if changed.any():
            other = np.unravel_index(int(changed.argmax()), changed.shape)
            names = names_of(expected.mdp)
            fail(
                [
                    f"the update of {names.place(AXES[: len(place)], place)} also changes "
                    f"{names.place(AXES[: len(place)], other)}: from {expected.old[other]:.10g} to {new[other]:.10g}",
                    f"by {transition}",
                ]
            )
        mean += probability * float(new[place])
    return mean
