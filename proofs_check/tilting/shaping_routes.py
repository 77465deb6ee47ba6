"""Potentials paid along a chain: instances, the shaped problem as a regularised decision process, and its enumeration.

The shaped problem is solved as a decision process whose actions are the next states and whose reference is the chain; a
stage before the first chooses the start.  The enumeration knows nothing of potentials: it weighs all paths of the chain by
the terminal reward alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.claims import Side, rounding
from mdplab.instances import Draw
from mdplab.models import FiniteHorizonMDP, MarkovChain
from mdplab.operators import log_tilt, marginals
from proofs_check.tilting.chain_routes import relative_error
from proofs_check.tilting.estimate_routes import EstimateTask
from proofs_check.tilting.instances import ChainTask, three_state_task, uncontrolled_task
from proofs_check.tilting.log_enumeration import UNDERFLOW, log_summed

__all__ = [
    "ShapedTask",
    "discounted_increments",
    "end_law_by_enumeration",
    "exact_potential",
    "near_certain_task",
    "one_step_look",
    "perfect",
    "potential_at_the_end",
    "shaped_controls",
    "shaped_end",
    "shaped_task",
    "start_and_end_by_enumeration",
    "start_and_end_shaped",
    "start_not_paid",
    "three_state_shaping",
    "unshaped_controls",
]


@dataclass(frozen=True, eq=False)
class ShapedTask:
    """Steer a chain and be paid the differences of a potential on the way.

    Attributes
    ----------
    task : ChainTask
        The chain and its terminal reward ``r``.
    potential : ndarray, shape (T, K)
        ``Phi_t(x)``, t < T.
    end_potential : ndarray, shape (K,), or None
        ``Phi_T``; None stands for zeros.
    start_paid : bool
        Whether ``Phi_0(x_0)`` is paid at the start.
    discount : float
        Factor ``d`` of the differences: step t pays ``d^t (Phi_{t+1} - Phi_t)``.
    """

    task: ChainTask
    potential: FloatArray
    end_potential: FloatArray | None = None
    start_paid: bool = True
    discount: float = 1.0

    @property
    def potentials(self) -> FloatArray:
        """``Phi_0..Phi_T``, shape (T+1, K)."""
        end = np.zeros(self.task.chain.n_states) if self.end_potential is None else self.end_potential
        return np.vstack((self.potential, end))

    @cached_property
    def decision_process(self) -> FiniteHorizonMDP:
        """The shaped problem: actions are next states; state K, before the start, is left at stage 0."""
        n, steps, phi = self.task.chain.n_states, self.task.chain.steps, self.potentials
        reward = np.zeros((steps + 1, n + 1, n))
        if self.start_paid:
            reward[0, n] = phi[0]
        factors = self.discount ** np.arange(steps)
        reward[1:, :n] = factors[:, None, None] * (phi[1:, np.newaxis, :] - phi[:-1, :, np.newaxis])
        to_the_action = np.broadcast_to(np.eye(n, n + 1), (n + 1, n, n + 1))
        return FiniteHorizonMDP(to_the_action, reward, terminal=np.append(self.task.reward, 0.0))

    @cached_property
    def solution(self) -> solvers.HorizonSolution:
        """The optimum of the shaped problem, by backward induction."""
        chain = self.task.chain
        reference = np.empty((chain.steps + 1, chain.n_states + 1, chain.n_states))
        reference[:] = chain.initial
        reference[1:, :-1] = chain.kernels
        return solvers.backward_induction(
            self.decision_process, temperature=1.0, log_reference=np.log(reference), tol=1e-3
        )

    @cached_property
    def chain(self) -> MarkovChain:
        """The optimal controls of the shaped problem."""
        policy = self.solution.policy
        return MarkovChain(policy[0, -1], policy[1:, :-1])

    @property
    def data_error(self) -> float:
        """Error of a path's total reward and log-probability as they enter the solver."""
        size = 1.0 + 2 * float(np.abs(self.potentials).max())
        return (self.task.chain.steps + 1) * (float(rounding(size, 4)) + self.task.step_error)

    @property
    def value_error(self) -> float:
        """Error of a shaped value: what the solver proves, and that of the data."""
        return float(self.solution.value_errors.max()) + self.data_error

    @property
    def relative(self) -> float:
        """Relative error of the controls, twice that of a path's data added to the solver's."""
        return 1.01 * (self.solution.log_policy_error + 4 * self.data_error)


def shaped_task(draw: Draw) -> ShapedTask:
    """A full-support chain and normal potentials."""
    task = uncontrolled_task(draw)
    return ShapedTask(task, draw.normal((task.chain.steps, task.chain.n_states)))


def potential_at_the_end(draw: Draw) -> ShapedTask:
    """A task with a normal potential at the end, too."""
    shaped = shaped_task(draw)
    return replace(shaped, end_potential=draw.normal(shaped.task.chain.n_states))


def start_not_paid(draw: Draw) -> ShapedTask:
    """A task in which the potential of the start is not paid."""
    return replace(shaped_task(draw), start_paid=False)


def discounted_increments(draw: Draw) -> ShapedTask:
    """A task whose differences are discounted by a factor in [.3, .99]."""
    return replace(shaped_task(draw), discount=draw.number(0.3, 0.99))


def three_state_shaping() -> ShapedTask:
    """The three-state chain at strength 1, potential ``(x - 1) (t + 1) / 2``.

    Returns
    -------
    ShapedTask
    """
    return ShapedTask(three_state_task(1.0), np.outer([0.5, 1.0, 1.5], [-1.0, 0.0, 1.0]))


def near_certain_task(strength: float) -> ShapedTask:
    """A cycle of three states that is left with probability 2e-12 in each of three steps.

    Parameters
    ----------
    strength : float
        The guidance strength, inverse to the temperature.

    Returns
    -------
    ShapedTask
    """
    kernel = np.full((3, 3), 1e-12) + (1 - 3e-12) * np.roll(np.eye(3), 1, axis=1)
    chain = MarkovChain([1 - 2e-12, 1e-12, 1e-12], kernel, steps=3)
    task = replace(three_state_task(strength), chain=chain, controlled=chain)
    return ShapedTask(task, np.array([[0.5, -1.0, 2.0], [1.0, 0.0, -1.0], [-0.3, 0.2, 0.9]]))


def exact_potential(shaped: ShapedTask, scale: float = 1.0) -> ShapedTask:
    """The task with the potential ``scale V_t``, t < T."""
    return replace(shaped, potential=scale * shaped.task.values[:-1])


# --- the shaped problem ---------------------------------------------------------------------------------------------


def _flat(chain: MarkovChain) -> FloatArray:
    """Start law and kernels in one row."""
    return np.concatenate((chain.initial, chain.kernels.ravel()))


def shaped_controls(shaped: ShapedTask) -> Side:
    """Backward induction on the shaped problem: start, kernels, and values V_t - Phi_t, t < T, with log Z"""
    flat, value = _flat(shaped.chain), shaped.solution.value
    values = np.append(value[1:-1, :-1].ravel(), value[0, -1])
    errors = (shaped.relative * flat + UNDERFLOW, np.full(values.size, shaped.value_error))
    return Side(np.concatenate((flat, values)), np.concatenate(errors))


def shaped_end(shaped: ShapedTask) -> Side:
    """Backward induction on the shaped problem, forward sweep: law of the last state"""
    law, steps = marginals(shaped.chain)[-1], shaped.task.chain.steps + 1
    return Side(
        law, (steps * shaped.relative + float(rounding(1.0, 2 * steps * (law.size + 2)))) * law + UNDERFLOW
    )


def start_and_end_shaped(shaped: ShapedTask) -> Side:
    """Backward induction on the shaped problem, forward sweep: laws of the first and of the last state"""
    end = shaped_end(shaped)
    law = np.append(shaped.chain.initial, end.value)
    return Side(law, np.append(shaped.relative * shaped.chain.initial + UNDERFLOW, end.error))


def one_step_look(shaped: ShapedTask, *, scale: float = 1.0) -> Side:
    """With Phi = V: shaped values, one-step normalisers, and the controls that see one step ahead only"""
    exact = exact_potential(shaped, scale)
    values = exact.solution.value[1:-1, :-1].ravel()
    h = exact.task.values
    steps = exact.task.chain.kernels * np.exp(h[1:, np.newaxis, :] - h[:-1, :, np.newaxis])
    flat = _flat(estimate_of(exact).chain)
    # a potential is a computed value: its error, at most T steps of it, enters each number once more
    error = exact.relative + 2 * (exact.task.chain.steps + 1) * exact.task.step_error
    counts = np.full(values.size, exact.value_error + error), np.full(values.size, error)
    return Side(
        np.concatenate((values, steps.sum(axis=2).ravel(), flat)),
        np.concatenate((*counts, error * flat + UNDERFLOW)),
    )


def estimate_of(shaped: ShapedTask) -> EstimateTask:
    """The myopic controls as those of estimated values: ``Phi_t`` in the place of ``V_t``, exact at the start."""
    errors = shaped.potential - shaped.task.values[:-1]
    errors[0] = 0.0
    return EstimateTask(shaped.task, errors, np.zeros(shaped.task.chain.steps))


# --- all paths ------------------------------------------------------------------------------------------------------


def optimum_by_enumeration(task: ChainTask) -> tuple[FloatArray, FloatArray]:
    """Start and kernels, in one row, and ``V_t``, t < T, from the weights of all paths."""
    n, states = task.chain.n_states, task.paths.states
    logs, values = [], []
    for t in range(task.chain.steps):
        here, pair = states[:, t], states[:, t] * n + states[:, t + 1]
        total = log_summed(task.path_log_weights, here, n)
        values.append(total - log_summed(task.paths.log_probability, here, n))
        moves = log_summed(task.path_log_weights, pair, n * n).reshape(n, n)
        logs.append((moves - total[:, np.newaxis]).ravel())
    start = log_summed(task.path_log_weights, states[:, 0], n) - task.path_log_partition
    return np.exp(np.concatenate((start, *logs))), np.array(values)


def log_sum_error(task: ChainTask) -> float:
    """Error of the logarithm of a sum over paths."""
    return task.path_error + float(rounding(2.0 + np.abs(task.reward).max(), 4)) + relative_error(task)


def unshaped_controls(shaped: ShapedTask) -> Side:
    """Enumeration of the chain's paths without potentials: start, kernels, V_t less Phi_t, and log Z"""
    task, error = shaped.task, log_sum_error(shaped.task)
    flat, values = optimum_by_enumeration(task)
    shifted = np.append((values - shaped.potential).ravel(), task.path_log_partition)
    added = rounding(np.abs(shifted) + 1, 4)
    return Side(
        np.concatenate((flat, shifted)),
        np.concatenate((2 * error * flat + UNDERFLOW, np.asarray(2 * error + added))),
    )


def perfect(shaped: ShapedTask) -> Side:
    """Zeros and ones, and the optimal start and kernels from an enumeration of all paths"""
    task, error = shaped.task, 2 * log_sum_error(shaped.task)
    flat, values = optimum_by_enumeration(task)
    expected = np.repeat([0.0, 1.0], values.size)
    return Side(np.append(expected, flat), np.append(np.zeros(expected.size), error * flat + UNDERFLOW))


def start_and_end_by_enumeration(shaped: ShapedTask) -> Side:
    """All paths weighed with r(x_T) + Phi_T(x_T) - Phi_0(x_0): laws of the first and of the last state"""
    task = shaped.task
    states, n, phi = task.paths.states, task.chain.n_states, shaped.potentials
    weights = task.path_log_weights + phi[-1][states[:, -1]]
    if not shaped.start_paid:
        weights = weights - phi[0][states[:, 0]]
    ends = np.append(log_tilt(log_summed(weights, states[:, 0], n)), _end(shaped))
    law = np.exp(ends)
    error = 2 * log_sum_error(task) + float(rounding(1.0 + 2 * np.abs(phi).max(), 8))
    return Side(law, 2 * error * law + UNDERFLOW)


def _end(shaped: ShapedTask) -> FloatArray:
    """Logarithm of p_T e^{r + Phi_T}, times E[e^{-Phi_0} | x_T] if the start is not paid, normalised."""
    task = shaped.task
    states, n, phi = task.paths.states, task.chain.n_states, shaped.potentials
    logs, last = task.paths.log_probability, states[:, -1]
    log_law = log_summed(logs, last, n)
    if not shaped.start_paid:
        log_law = log_summed(logs - phi[0][states[:, 0]], last, n)
    return log_tilt(log_law + task.reward + phi[-1])


def end_law_by_enumeration(shaped: ShapedTask) -> Side:
    """Law of the chain's last state, from all paths, times e^r, normalised"""
    law = np.exp(_end(replace(shaped, end_potential=None, start_paid=True)))
    return Side(law, 4 * log_sum_error(shaped.task) * law + UNDERFLOW)
