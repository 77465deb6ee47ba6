r"""Flows of a network of construction steps, the policies that they induce, and what is out of balance.

With rewards :math:`R` and a backward policy :math:`P_B` the *flow* through a node and its forward policy are

.. math::
    F(s)=R(s)+\sum_{t}F(t)P_B(s|t),\qquad P_F(t|s)=\frac{F(t)P_B(s|t)}{F(s)},\qquad P_F(\mathrm{stop}|s)=\frac{R(s)}{F(s)},

and :math:`P_F` stops at x with the probability :math:`R(x)/\sum R`.  In any flow and policy three conditions say the same:

* *flow matching*: :math:`F(t)=\sum_pF(p)P_F(t|p)` in every node but the source,
* *detailed balance*: :math:`F(s)P_F(t|s)=F(t)P_B(s|t)` on every edge, both together with :math:`F(x)P_F(\mathrm{stop}|x)=R(x)`;
* *trajectory balance*: :math:`Z\,P_F(\tau)=R(x)P_B(\tau|x)` (:func:`mdplab.enumeration.trajectory_balance`).

All is in logs; policies have shape ``(N, N+1)``, the last column is to stop.

References
----------
.. [1] Y. Bengio et al., "GFlowNet foundations", Journal of Machine Learning Research 24, 2023.
.. [2] N. Malkin et al., "Trajectory balance: improved credit assignment in GFlowNets", NeurIPS 2022.
.. [3] L. Pan, M. Jain, K. Madan and Y. Bengio, "Pre-training and fine-tuning generative flow networks", ICLR 2024.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import Array, FloatArray
from mdplab.models import _validate as v
from mdplab.models.flow_network import FlowNetwork
from mdplab.operators import _check
from mdplab.operators.chain import _log
from mdplab.operators.tilt import log_sum_exp

__all__ = [
    "converted_policy_log",
    "detailed_balance_residuals",
    "flow_matching_residuals",
    "flow_policy_log",
    "log_flows",
    "log_visits",
    "path_count_backward",
]


def _total(logs: Array) -> float:
    """``log sum exp``, ``-inf`` where all are."""
    return float(log_sum_exp(logs)) if (logs > -np.inf).any() else -np.inf


def _below_infinity(name: str, logs: Array) -> Array:
    if (logs == np.inf).any():
        raise ValueError(f"{v.place(name, v.first(logs == np.inf))} is inf, expected a number or -inf")
    return logs


def _policy(network: FlowNetwork, log_policy: ArrayLike) -> Array:
    _check.model(network, FlowNetwork)
    n = network.n_nodes
    table = _check.shaped("log_policy", log_policy, (n, n + 1), "(N, N+1)")
    return _below_infinity("log_policy", np.where(network.steps, table, -np.inf))


def log_flows(network: FlowNetwork) -> FloatArray:
    """Logarithm of the flow through each node, ``F(s) = R(s) + sum_t F(t) P_B(s|t)``.

    Parameters
    ----------
    network : FlowNetwork
        The network.

    Returns
    -------
    ndarray (N,)
        ``-inf`` where nothing flows.  Where every node is reached from the source, ``F(0)`` is the sum of the rewards.
    """
    _check.model(network, FlowNetwork)
    flows = _log(network.reward)
    log_backward = _log(network.backward)
    for s in range(network.n_nodes - 1, -1, -1):
        flows[s] = _total(np.append(flows + log_backward[:, s], flows[s]))
    return flows


def flow_policy_log(network: FlowNetwork) -> FloatArray:
    """Log-probabilities of the forward policy that the flows induce.

    Parameters
    ----------
    network : FlowNetwork
        The network.

    Returns
    -------
    ndarray (N, N+1)
        ``log F(t) P_B(s|t) / F(s)``, and in the last column ``log R(s) / F(s)``; ``-inf`` where there is no step, and in
        rows of nodes through which nothing flows.
    """
    flows = log_flows(network)
    logs = np.column_stack((flows[np.newaxis, :] + _log(network.backward).T, _log(network.reward)))
    alive = flows > -np.inf
    logs[alive] -= flows[alive, np.newaxis]
    logs[~alive] = -np.inf
    return logs


def log_visits(network: FlowNetwork, log_policy: ArrayLike) -> FloatArray:
    """Logarithm of the probability that a construction visits each node, and that it stops there.

    Parameters
    ----------
    network : FlowNetwork
        Its edges and objects alone are read.
    log_policy : array_like (N, N+1)
        Log-probabilities of the steps and, last, of stopping; what there is no step for is not read.

    Returns
    -------
    ndarray (2, N)
        Visits, and the law of the object that is built (of mass 1 for a policy); ``-inf`` where it never happens.

    Raises
    ------
    ValueError
        If ``log_policy`` has another shape, a NaN, or ``inf`` at a step.
    """
    policy = _policy(network, log_policy)
    visits = np.full(network.n_nodes, -np.inf)
    visits[0] = 0.0
    for t in range(1, network.n_nodes):
        visits[t] = _total(visits[:t] + policy[:t, t])
    return np.array([visits, visits + policy[:, -1]])


def path_count_backward(network: FlowNetwork) -> FlowNetwork:
    """The network whose backward policy makes all constructions of an object equally likely, ``n(s) / n(t)``.

    Parameters
    ----------
    network : FlowNetwork
        Its backward policy is read only in nodes that are not reached from the source, which keep it.

    Returns
    -------
    FlowNetwork
        ``n`` counts the paths from the source.  Of all backward policies this one has the forward policy of the largest
        path entropy.
    """
    _check.model(network, FlowNetwork)
    counts, backward = network.path_counts, network.backward.copy()
    for t in range(network.n_nodes):
        for s in np.flatnonzero(network.edges[:, t]):
            if counts[t]:
                backward[t, s] = counts[s] / counts[t]
    return network.replace(backward=backward)


def flow_matching_residuals(network: FlowNetwork, log_flow: ArrayLike, log_policy: ArrayLike) -> FloatArray:
    """``log F(t) - log sum_p F(p) P_F(t|p)`` in every node but the source.

    Parameters
    ----------
    network : FlowNetwork
        Its edges alone are read.
    log_flow : array_like (N,)
        Logarithm of any positive flow.
    log_policy : array_like (N, N+1)
        Log-probabilities of a forward policy.

    Returns
    -------
    ndarray (N,)
        Zero at the source; ``inf`` where nothing flows in.

    Raises
    ------
    ValueError
        If shapes do not fit, an entry is NaN, the flow is not positive and finite, or ``log_policy`` is ``inf`` at a step.
    """
    policy = _policy(network, log_policy)
    flow = v.finite("log_flow", log_flow, (network.n_nodes,))
    inflow = [_total(flow[:t] + policy[:t, t]) for t in range(1, network.n_nodes)]
    return np.append(0.0, flow[1:] - np.array(inflow))


def detailed_balance_residuals(
    network: FlowNetwork, log_flow: ArrayLike, log_policy: ArrayLike
) -> FloatArray:
    """``log F(s) P_F(t|s) / (F(t) P_B(s|t))`` on edges, and ``log F(x) P_F(stop|x) / R(x)`` at objects.

    Parameters
    ----------
    network : FlowNetwork
        With a positive backward policy on its edges.
    log_flow : array_like (N,)
        Logarithm of any positive flow.
    log_policy : array_like (N, N+1)
        Log-probabilities of a forward policy, positive on all steps.

    Returns
    -------
    ndarray (N, N+1)
        Zero where there is no step.  Along a construction they add up to the residual of trajectory balance with
        ``Z = F(0)``.

    Raises
    ------
    ValueError
        If shapes do not fit, an entry is NaN, the flow is not positive and finite, or a step has no probability, forward or
        backward.
    """
    policy, steps = _policy(network, log_policy), network.steps
    flow = v.finite("log_flow", log_flow, (network.n_nodes,))
    goal = np.column_stack((flow[np.newaxis, :] + _log(network.backward).T, _log(network.reward)))
    for name, table in (("log_policy", policy), ("backward", goal)):
        if (empty := steps & ~np.isfinite(table)).any():
            s, t = np.argwhere(empty)[0]
            step = "stop" if t == network.n_nodes else t
            raise ValueError(f"{name} gives the step {s} -> {step} no finite logarithm")
    return np.where(
        steps, flow[:, np.newaxis] + np.where(steps, policy, 0.0) - np.where(steps, goal, 0.0), 0.0
    )


def converted_policy_log(log_flow: ArrayLike, log_policy: ArrayLike, reward: ArrayLike) -> FloatArray:
    """Policy for any reward from the flows of networks that each build one object: their mixture in proportion to flow.

    Parameters
    ----------
    log_flow : array_like (Y, N)
        Logarithms of the flows of the networks; ``-inf`` where nothing flows.
    log_policy : array_like (Y, N, N+1)
        Log-probabilities of their forward policies; not read where nothing flows.
    reward : array_like (Y,)
        Reward of the object of each network, positive.

    Returns
    -------
    ndarray (N, N+1)
        ``log sum_y r_y F(s|y) P_F(t|s, y) / sum_y r_y F(s|y)``; ``-inf`` in rows of nodes through which nothing flows.

    Raises
    ------
    ValueError
        If shapes do not fit, there is no network, an entry is NaN or ``inf``, or a reward is not positive.
    """
    count, n = v.real("log_flow", log_flow, ("Y", "N")).shape
    flow = _below_infinity("log_flow", _check.shaped("log_flow", log_flow, (count, n), "(Y, N)"))
    policy = _check.shaped("log_policy", log_policy, (count, n, n + 1), "(Y, N, N+1)")
    weights = _check.shaped("reward", reward, (count,), "(Y,)")
    if not (np.isfinite(weights).all() and (weights > 0).all()):
        raise ValueError(f"reward must be positive and finite; got {weights.tolist()}")
    shares = flow + np.log(weights)[:, np.newaxis]
    policy = np.where((flow > -np.inf)[:, :, np.newaxis], policy, -np.inf)
    shared = shares[:, :, np.newaxis] + _below_infinity("log_policy", policy)
    result = np.full((n, n + 1), -np.inf)
    for s in np.flatnonzero((flow > -np.inf).any(axis=0)):
        for t in range(n + 1):
            result[s, t] = _total(shared[:, s, t])
        result[s] -= _total(shares[:, s])
    return result
