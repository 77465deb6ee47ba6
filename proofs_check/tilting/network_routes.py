"""Routes on flow networks: soft optima swept forward, and constructions enumerated.

Soft optima are certified; what is added is the rounding of the logarithms that they are given and of the sweep.
"""

from __future__ import annotations

import numpy as np

from mdplab._typing import Array, FloatArray
from mdplab.claims import Side, rounding
from mdplab.operators import log_visits
from mdplab.solvers.backward_induction import HorizonSolution
from proofs_check.tilting.network_instances import NetworkTask

LOG_SPACE = (
    "rounding of a few sums in log space on at most eight nodes; below 1e-9 relative plus 1e-11 absolute"
)


def policy(task: NetworkTask, solution: HorizonSolution) -> FloatArray:
    """Log-probabilities of the first stage in the nodes, shape (N, N+1)."""
    return np.asarray(solution.log_policy[0, : task.network.n_nodes])


def optimum_error(task: NetworkTask, solution: HorizonSolution) -> float:
    """Error of values and log-policies of a soft optimum, at any temperature.

    Values are non-expansive in the rewards, which err by ``input_error`` along a construction; a log-policy is a
    difference of two of them over the temperature.
    """
    inherited = 2 * task.input_error / min(solution.temperature, 1.0)
    return inherited + max(float(solution.certificate.bound), float(solution.log_policy_error))


def swept(task: NetworkTask, solution: HorizonSolution) -> tuple[FloatArray, float]:
    """Log-law of the objects under a soft optimum, by a forward sweep, and its error."""
    network, logs = task.network, policy(task, solution)
    law = log_visits(network, logs)[1][network.objects]
    size = 1.0 + float(np.abs(logs[network.steps]).max())
    sweep = float(rounding(size, 4)) + float(rounding(1.0, network.n_nodes + 8))
    return law, (network.depth + 1) * (optimum_error(task, solution) + sweep)


def sampled(task: NetworkTask, solution: HorizonSolution) -> Side:
    """Log-law of the objects, and the value of the source; ``-inf`` at objects that no path reaches."""
    law, error = swept(task, solution)
    return Side(np.append(law, solution.value[0, 0]), error, infinities=True)


def log_sums(weights: FloatArray, groups: Array) -> FloatArray:
    """``log sum exp`` of the weights in each group; ``groups`` has a row of booleans each."""
    found = []
    for group in groups:
        top = weights[group].max()
        found.append(top + np.log(np.exp(weights[group] - top).sum()))
    return np.array(found)


def passing(task: NetworkTask) -> tuple[Array, Array]:
    """Which constructions visit each node, and which take each step (in the order of ``network.steps``)."""
    network, paths = task.network, task.constructions
    visits = (paths.nodes[:, :, np.newaxis] == np.arange(network.n_nodes)).any(axis=1).T
    taken = []
    for s, t in np.argwhere(network.steps):
        if t == network.n_nodes:
            taken.append(paths.ends == s)
        else:
            taken.append(((paths.nodes[:, :-1] == s) & (paths.nodes[:, 1:] == t)).any(axis=1))
    return visits, np.array(taken)
