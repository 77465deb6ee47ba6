"""Two labels at the end of a chain: instances, and routes by tilts one after the other or by Bayes' formula."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mdplab._typing import FloatArray
from mdplab.claims import Side, rounding
from mdplab.divergences import total_variation
from mdplab.instances import Draw, three_state_chain, three_state_chain_likelihood
from mdplab.instances.chains import dirichlet_chain
from mdplab.models import MarkovChain
from mdplab.operators import log_partition, log_value_recursion, marginals, tilted_chain
from proofs_check.tilting.chain_routes import controls_by_enumeration, divergence, relative_error, summed
from proofs_check.tilting.instances import ChainTask


@dataclass(frozen=True, eq=False)
class TwoTilts:
    """A chain and two weights of its last state, ``u_i(x)^kappa_i``.

    Attributes
    ----------
    chain : MarkovChain
        T steps on K states.
    likelihoods : ndarray, shape (2, K)
        ``u_1, u_2 > 0``.
    strengths : ndarray, shape (2,)
        ``kappa_1, kappa_2``.
    """

    chain: MarkovChain
    likelihoods: FloatArray
    strengths: FloatArray

    @property
    def log_weights(self) -> FloatArray:
        """Logarithms of the weights, shape (2, K)."""
        return np.asarray(self.strengths[:, np.newaxis] * np.log(self.likelihoods))

    @cached_property
    def joint(self) -> ChainTask:
        """The tilt by both at once."""
        return ChainTask(self.chain, np.exp(self.log_weights.sum(axis=0)), 1.0, self.chain)


@dataclass(frozen=True, eq=False)
class LabelTask:
    """A chain whose last state carries two binary labels; both are observed to be 1.

    Attributes
    ----------
    chain : MarkovChain
        T steps on K states.
    table : ndarray, shape (K, 2, 2)
        ``p(c, y | x)``.
    """

    chain: MarkovChain
    table: FloatArray

    @property
    def first(self) -> FloatArray:
        """``p(c|x)``."""
        return np.asarray(self.table[:, 1, :].sum(axis=1))

    @property
    def second(self) -> FloatArray:
        """``p(y|x)``."""
        return np.asarray(self.table[:, :, 1].sum(axis=1))

    @property
    def second_given_first(self) -> FloatArray:
        """``p(y|x,c)``."""
        return np.asarray(self.table[:, 1, 1] / self.first)

    @property
    def dependence(self) -> FloatArray:
        """``D(x) = log p(y|x,c) / p(y|x)``."""
        return np.asarray(np.log(self.second_given_first / self.second))

    @cached_property
    def joint(self) -> ChainTask:
        """The tilt by ``p(c, y | x)``, the smallest of the weights."""
        return ChainTask(self.chain, self.table[:, 1, 1], 1.0, self.chain)

    @property
    def relative(self) -> float:
        """Relative error of the laws after two tilts, or by Bayes' formula."""
        return 4 * relative_error(self.joint)


def two_tilts(draw: Draw) -> TwoTilts:
    """Weights of likelihoods uniform on (.001, 1), strengths uniform on (.3, 3)."""
    chain = dirichlet_chain(draw)
    return TwoTilts(chain, draw.uniform(0.001, 1.0, (2, chain.n_states)), draw.uniform(0.3, 3.0, 2))


def labelled(draw: Draw) -> LabelTask:
    """Tables Dirichlet(1) on four cells, all positive."""
    chain = dirichlet_chain(draw)
    return LabelTask(chain, draw.weights((chain.n_states, 4), positive=True).reshape(-1, 2, 2))


def with_constant_dependence(draw: Draw) -> LabelTask:
    """``p(c, y|x) = k p(c|x) p(y|x)`` with one k for all states; all cells are multiples of 2^-15."""
    chain = dirichlet_chain(draw)
    ratio = draw.integer(4, 9) / 8
    rows = [[draw.integer(4, 28) / 64 for _ in range(2)] for _ in range(chain.n_states)]
    return LabelTask(chain, np.array([cells(a, b, ratio * a * b) for a, b in rows]))


def cells(first: float, second: float, both: float) -> list[list[float]]:
    """Table of two labels with given probabilities of each and of both."""
    return [[1 - first - second + both, second - both], [first - both, both]]


def three_state_labels(coupling: float) -> LabelTask:
    """Three-state chain, labels between independent (0) and comonotone (1).

    Parameters
    ----------
    coupling : float
        In [0, 1].

    Returns
    -------
    LabelTask
    """
    pairs = zip((0.7, 0.2, 0.4), three_state_chain_likelihood(), strict=True)
    rows = [cells(a, float(b), a * float(b) + coupling * (min(a, float(b)) - a * float(b))) for a, b in pairs]
    return LabelTask(three_state_chain(), np.array(rows))


# --- two tilts, one after the other ---------------------------------------------------------------------------------


def tilted(chain: MarkovChain, log_weights: FloatArray) -> tuple[MarkovChain, float]:
    """The tilt of a chain, and ``log Z``."""
    values = log_value_recursion(chain, log_weights)
    return tilted_chain(chain, values), float(log_partition(chain, values))


def in_turn(task: TwoTilts) -> Side:
    """Two recursions: start, kernels and sum of log Z, in either order"""
    rows = []
    for order in (task.log_weights, task.log_weights[::-1]):
        between, first = tilted(task.chain, order[0])
        chain, second = tilted(between, order[1])
        rows.append(np.concatenate((chain.initial, chain.kernels.ravel(), [first + second])))
    value = np.array(rows)
    error = 4 * relative_error(task.joint) * np.abs(value)
    error[:, -1] += 8 * task.joint.path_error
    return Side(value, error)


def at_once(task: TwoTilts) -> Side:
    """Enumeration: start, kernels and log Z of the tilt by the product, twice"""
    side = controls_by_enumeration(task.joint)
    return Side(np.tile(side.value, (2, 1)), np.tile(side.error, (2, 1)))


def end_of_two_tilts(task: LabelTask, weights: FloatArray) -> FloatArray:
    """Last law of the chain tilted by ``p(c|x)`` and then by given weights."""
    between, _ = tilted(task.chain, np.log(task.first))
    return np.asarray(marginals(tilted(between, np.log(weights))[0])[-1])


def conditioned_end(task: LabelTask) -> Side:
    """Second tilt with p(y|x,c): last law by a forward sweep"""
    law = end_of_two_tilts(task, task.second_given_first)
    return Side(law, task.relative * law)


def shortcut_end(task: LabelTask) -> Side:
    """Second tilt with p(y|x): last law by a forward sweep"""
    law = end_of_two_tilts(task, task.second)
    return Side(law, task.relative * law)


def bayes(task: LabelTask, *, power: float = 0.0) -> Side:
    """Bayes' formula from all paths: p_T(x) p(c,y|x), normalised"""
    n, paths = task.chain.n_states, task.joint.paths
    weights = summed(paths.probability, paths.states[:, -1], n) * task.table[:, 1, 1]
    weights = weights * (task.second / task.second_given_first) ** -power
    law = weights / weights.sum()
    return Side(law, task.relative * law)


def bayes_with_dependence(task: LabelTask) -> Side:
    """Bayes' formula from all paths: p(x|c,y) e^{-D(x)}, normalised"""
    return bayes(task, power=-1.0)


def range_of_the_log_ratio(task: LabelTask) -> Side:
    """Range of the log-ratio of the two last laws"""
    ratio = np.log(np.asarray(shortcut_end(task).value) / np.asarray(conditioned_end(task).value))
    return Side(np.ptp(ratio), 4 * task.relative + float(rounding(np.abs(ratio).max(), 8)))


def range_of_the_dependence(task: LabelTask) -> Side:
    """range D, from the tables"""
    size = 1 + float(np.abs(task.dependence).max())
    return Side(np.ptp(task.dependence), rounding(size, 24))


def end_divergence(task: LabelTask) -> Side:
    """Forward sweeps: divergence of p(x|c,y) from the law of the shortcut"""
    laws = (end_of_two_tilts(task, w) for w in (task.second_given_first, task.second))
    target, found = laws
    return Side(*divergence(target, found, task.relative))


def dependence_formula(task: LabelTask, *, normalised: bool = True) -> Side:
    """Bayes' formula: E D + log E e^{-D} under p(x|c,y)"""
    law, d = np.asarray(bayes(task).value), task.dependence
    shift = float((-d).max())
    log_mean = shift + float(np.log(law @ np.exp(-d - shift)))
    size = 2 + 2 * float(np.abs(d).max())
    error = 2 * task.relative * size + float(rounding(size, 48))
    return Side(float(law @ d) + (log_mean if normalised else 0.0), error)


def end_distance(task: LabelTask) -> Side:
    """Forward sweeps: distance of p(x|c,y) from the law of the shortcut"""
    laws = (end_of_two_tilts(task, w) for w in (task.second_given_first, task.second))
    return Side(total_variation(*laws), 2 * task.relative)


def end_distance_by_bayes(task: LabelTask) -> Side:
    """Bayes' formula: the same distance"""
    return Side(total_variation(bayes(task).value, bayes_with_dependence(task).value), 2 * task.relative)


def divergence_bound(task: LabelTask, *, divisor: float = 8.0) -> Side:
    """range(D)^2 / 8"""
    side = range_of_the_dependence(task)
    value, error = float(np.asarray(side.value)), float(np.asarray(side.error))
    return Side(value**2 / divisor, (2 * value + error) * error + float(rounding(value**2, 4)))


def distance_bound(task: LabelTask, *, divisor: float = 4.0) -> Side:
    """tanh(range(D) / 4)"""
    side = range_of_the_dependence(task)
    value = np.tanh(np.asarray(side.value) / divisor)
    return Side(value, np.asarray(side.error) + rounding(value, 8))
