r"""Exponential tilting of the paths of a Markov chain (Doob's transform, soft-optimal control of a chain).

For a chain with start :math:`\nu` and kernels :math:`P_t`, :math:`t<T`, and a terminal log-weight :math:`r`, let

.. math:: V_T=r,\qquad V_t(x)=\log\sum_{x'}P_t(x,x')e^{V_{t+1}(x')},\qquad \log Z=\log\sum_x\nu(x)e^{V_0(x)}.

The chain with start :math:`\nu e^{V_0}/Z` and kernels :math:`P_t(x,x')e^{V_{t+1}(x')-V_t(x)}` has the path law
:math:`p(x_{0:T})\,e^{r(x_T)}/Z`; it is the only maximiser of :math:`E_Q r(x_T)-\mathrm{KL}(Q\|P)` over controlled
chains, its value is :math:`\log Z`, and every other chain loses exactly :math:`\mathrm{KL}(Q\|Q^*)`.

The strength of the tilt is part of the terminal vector (``r = strength * log p(y | x)``).  All sums are in log
space; ``-inf`` as terminal value conditions on the rest.

References
----------
.. [1] J. L. Doob, "Conditional Brownian motion and the boundary limits of harmonic functions", Bulletin de la SMF
   85, 1957.
.. [2] E. Todorov, "Efficient computation of optimal actions", PNAS 106, 2009.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import Array, FloatArray
from mdplab.models.chain import MarkovChain
from mdplab.operators import _check
from mdplab.operators.tilt import _kl_from_log, log_sum_exp, log_tilt

__all__ = ["chain_kl", "log_partition", "log_value_recursion", "marginals", "tilted_chain"]


def _log(p: Array) -> Array:
    """Logarithm with ``log 0 = -inf`` and no warning."""
    return np.where(p.real > 0, np.log(np.where(p.real > 0, p, 1.0)), -np.inf)


def _log_expectation(kernel: Array, values: Array) -> Array:
    """``log sum_y kernel[x, y] exp(values[y])``; ``-inf`` where no successor has a finite value."""
    logs = _log(kernel)
    alive = ((logs.real != -np.inf) & (values.real != -np.inf)).any(axis=1)
    result: Array = np.full(kernel.shape[0], -np.inf, dtype=np.result_type(logs, values))
    if alive.any():
        result[alive] = log_sum_exp(values, log_reference=logs[alive])
    return result


def log_value_recursion(chain: MarkovChain, terminal: ArrayLike) -> Array:
    """Backward recursion ``V_t(x) = log E[exp(V_{t+1}) | x_t = x]``.

    Parameters
    ----------
    chain : MarkovChain
        With ``T`` kernels on ``K`` states.
    terminal : array_like (K,)
        Log-weight of the last state, real or complex; ``-inf`` excludes a state.

    Returns
    -------
    ndarray (T+1, K)
        ``V_t(x) = log E[exp(terminal(x_T)) | x_t = x]``; ``-inf`` where the end is excluded almost surely.

    Raises
    ------
    ValueError
        If ``terminal`` has another shape or an entry that is NaN or ``+inf``.
    """
    steps, states = chain.kernels.shape[:2]
    last = _check.shaped("terminal", terminal, (states,), "(K,)")
    if (last.real == np.inf).any():
        raise ValueError(f"terminal is +inf at state {int(np.argmax(last.real))}; expected finite or -inf")
    values: Array = np.empty((steps + 1, states), dtype=np.result_type(last, chain.kernels))
    values[steps] = last
    for t in range(steps - 1, -1, -1):
        values[t] = _log_expectation(chain.kernels[t], values[t + 1])
    return values


def log_partition(chain: MarkovChain, values: ArrayLike) -> Array:
    """Logarithm of the normaliser of the tilt, ``log sum_x initial[x] exp(values[0, x])``.

    Parameters
    ----------
    chain : MarkovChain
        The chain.
    values : array_like (T+1, K) or (K,)
        What :func:`log_value_recursion` returned, or its first row.

    Returns
    -------
    scalar
        ``log Z``; ``-inf`` if the tilt excludes every path.
    """
    array = _check.numeric("values", values)
    first = array if array.ndim == 1 else array[0]
    first = _check.shaped("values[0]", first, chain.initial.shape, "(K,)")
    result: Array = _log_expectation(chain.initial[np.newaxis], first)[0]
    return result


def tilted_chain(chain: MarkovChain, values: ArrayLike) -> MarkovChain:
    """Chain with start proportional to ``initial * exp(V_0)`` and kernels proportional to ``P_t exp(V_{t+1})``.

    Parameters
    ----------
    chain : MarkovChain
        The chain.
    values : array_like (T+1, K)
        Log-values of all times: exact ones give the tilt of the path law, approximate ones the controller that they
        induce (every row is normalised, so constants per time have no effect).

    Returns
    -------
    MarkovChain
        Rows from which every successor is excluded keep the untilted kernel; the tilt never visits them when the
        values are exact.

    Raises
    ------
    ValueError
        If ``values`` has another shape, or excludes every start.
    """
    steps, states = chain.kernels.shape[:2]
    v = _check.shaped("values", values, (steps + 1, states), "(T+1, K)")
    if np.iscomplexobj(v):
        raise ValueError("values must be real: a chain holds real probabilities")
    start = np.exp(log_tilt(v[0], log_reference=_log(chain.initial)))
    kernels: FloatArray = np.array(chain.kernels, dtype=np.float64)
    for t in range(steps):
        logs = _log(chain.kernels[t])
        alive = ((logs != -np.inf) & (v[t + 1] != -np.inf)).any(axis=1)
        if alive.any():
            kernels[t, alive] = np.exp(log_tilt(v[t + 1], log_reference=logs[alive]))
    return MarkovChain(start, kernels)


def marginals(chain: MarkovChain) -> FloatArray:
    """State law at every time, by a forward sweep.

    Parameters
    ----------
    chain : MarkovChain
        With ``T`` kernels on ``K`` states.

    Returns
    -------
    ndarray (T+1, K)
        Each row sums to one.
    """
    steps, states = chain.kernels.shape[:2]
    laws: FloatArray = np.empty((steps + 1, states))
    laws[0] = chain.initial
    for t in range(steps):
        laws[t + 1] = laws[t] @ chain.kernels[t]
    return laws


def chain_kl(q: MarkovChain, p: MarkovChain) -> float:
    """``kl(q, p)`` of the path laws of two chains, by the chain rule.

    Parameters
    ----------
    q, p : MarkovChain
        Chains with equal numbers of states and steps.

    Returns
    -------
    float
        ``kl(q_0, p_0) + sum_t E_{x ~ q_t} kl(q_t(x, .), p_t(x, .))``; ``inf`` where a path of ``q`` is impossible
        under ``p``; rows that ``q`` never visits do not count.

    Raises
    ------
    ValueError
        If the chains differ in shape.
    """
    if q.kernels.shape != p.kernels.shape:
        raise ValueError(
            f"p.kernels must have the shape (T, K, K) = {q.kernels.shape} of q's; got {p.kernels.shape}"
        )
    total = float(_kl_from_log(q.initial, _log(p.initial)))
    laws = marginals(q)
    for t in range(q.kernels.shape[0]):
        rows = _kl_from_log(q.kernels[t], _log(p.kernels[t]))
        visited = laws[t] > 0
        total += float(laws[t][visited] @ rows[visited])
    return total
