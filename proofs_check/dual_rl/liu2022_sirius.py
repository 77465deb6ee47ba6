"""Behaviour cloning with classes of data (Liu et al. 2022, Sirius): shares by weights.

Demonstrations, interventions and the robot's own steps come in very different amounts. Weights give each class a share, and
the cloned policy is a ratio of weighted counts.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdplab._typing import FloatArray
from mdplab.claims import DEFINITIONAL, Assumption, Claim, Equal, Known, Side
from mdplab.claims.tolerances import rounding
from mdplab.convex import minimise_smooth
from mdplab.operators import class_weights, cloned_policy, log_tilt
from proofs_check.dual_rl import exact_extraction as exact
from proofs_check.dual_rl.extraction_tasks import (
    ClassTask,
    class_task,
    mirrored_task,
    sparse_class_task,
    three_class_task,
)

# --- the routes -----------------------------------------------------------------------------------------------------


def weighted_shares(task: ClassTask) -> Side:
    """Weight of every class over the number of data (the weights have mean one)."""
    weights = class_weights(task.counts, task.shares)
    mass = (weights[:, np.newaxis, np.newaxis] * task.counts).sum(axis=(1, 2))
    return Side(mass / task.counts.sum(), rounding(1.0, 2 * task.counts.size + 8))


def wanted_shares(task: ClassTask) -> Side:
    """The target shares."""
    return Side(task.shares, rounding(1.0, task.shares.size))


def mixed_data(task: ClassTask) -> FloatArray:
    """Law of the pairs when a class is drawn by its share, then one of its pairs: ``sum_k rho_k n_k / N_k``."""
    laws = task.counts / task.counts.sum(axis=(1, 2), keepdims=True)
    return np.asarray((task.shares[:, np.newaxis, np.newaxis] * laws).sum(axis=0))


def most_likely(data: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Rows of largest expected log-likelihood under a law of pairs, by Newton's method in logits, and their errors.

    In the logits of a state the derivative is the mass of the state times the distance from the best row.
    """
    shape, mass = data.shape, data.sum(axis=1, keepdims=True)

    def policy(x: FloatArray) -> FloatArray:
        return np.asarray(np.exp(log_tilt(x.reshape(shape))))

    def curvature(x: FloatArray) -> FloatArray:
        rows, out = policy(x), np.zeros((data.size, data.size))
        for s, row in enumerate(rows):
            here = slice(s * shape[1], (s + 1) * shape[1])
            out[here, here] = mass[s] * (np.diag(row) - np.outer(row, row))
        return out

    found = minimise_smooth(
        lambda x: -float((data * log_tilt(x.reshape(shape))).sum()),
        lambda x: (mass * policy(x) - data).ravel(),
        curvature,
        np.zeros(data.size),
        tol=1e-13,
        gauge=np.kron(np.eye(shape[0]), np.ones(shape[1])),
    )
    error = found.gradient_norm + rounding(mass, 4 * data.size + 24)
    return policy(found.point), np.asarray(error / mass)


def fitted(task: ClassTask) -> Side:
    """Policy of largest log-likelihood, class by class at its share, by Newton's method in logits."""
    return Side(*most_likely(mixed_data(task)))


def ratio(task: ClassTask) -> Side:
    """Ratio of weighted counts."""
    policy = cloned_policy(task.counts, class_weights(task.counts, task.shares))
    return Side(policy, rounding(1.0, 4 * task.counts.size + 8))


def likelihood(task: ClassTask, policy: FloatArray) -> float:
    """Mean weighted log-likelihood."""
    return float((mixed_data(task) * np.log(policy)).sum())


def resolution(task: ClassTask) -> float:
    """1e-11 over the smallest weight of a state."""
    return 1e-11 / float(mixed_data(task).sum(axis=1).min())


# --- the claim ------------------------------------------------------------------------------------------------------

ONE, TWO = three_class_task(), mirrored_task()

SIRIUS = Claim(
    "sirius-weighted-bc",
    title="Weights set the shares of classes of data exactly, and the cloned policy is a ratio of weighted counts",
    papers=("liu2022sirius",),
    provenance="our formalisation",
    theorem="weighted behaviour cloning",
    statement=r"""
    Let $n_k(s,a)$ count the pairs of class $k$, $N_k = \sum_{s,a} n_k(s,a)$, $N = \sum_k N_k$, and let $\rho$ be target
    shares. With $w_k = \rho_k / (N_k/N)$

    (shares) the weights have mean one, and class $k$ has the share $\rho_k$ of the weight;

    (policy) the weighted log-likelihood $\sum_{k,s,a} w_k n_k(s,a) \log \pi(a|s)$ is largest at
    $\pi(a|s) = \sum_k w_k n_k(s,a) / \sum_{k,b} w_k n_k(s,b)$.
    """,
    assumptions=(
        Assumption("A1", "a row of the policy for every state", "one row for all states"),
        Assumption(
            "A2",
            "every state and every class has data",
            DEFINITIONAL,
            lambda task: bool((task.counts.sum(axis=(1, 2)) > 0).all() and (mixed_data(task) > 0).all()),
            sparse_class_task,
        ),
    ),
    instance_family=class_task,
    witnesses=(ONE, TWO),
    instances=60,
)  # fmt: skip
shares = SIRIUS.part(
    "(shares)",
    r"class $k$ has the share $\rho_k$ of the weight",
    Equal(weighted_shares, wanted_shares),
    resolution=1e-12,
    reason="rounding of a sum over the counts",
    exact=(exact.weighted_shares, exact.wanted_shares),
)
policy = SIRIUS.part(
    "(policy)",
    r"the likelihood is largest at $\pi(a|s) = \sum_k w_k n_k(s,a) / \sum_{k,b} w_k n_k(s,b)$",
    Equal(fitted, ratio),
    resolution=resolution,
    reason="the gradient of the likelihood over the weight of the state",
    exact=(exact.fitted, exact.ratio),
)


@SIRIUS.known(ONE)
def _(task: ClassTask) -> Any:
    yield Known("weights", "1.125 4.5 0.375", class_weights(task.counts, task.shares))
    yield Known("policy", "0.4666666667 0.5333333333", np.ravel(ratio(task).value))
    plain = cloned_policy(task.counts, np.ones(3))
    yield Known("policy of the unweighted counts", "0.6444444444 0.3555555556", np.ravel(plain))


@SIRIUS.known(TWO)
def _(task: ClassTask) -> Any:
    shared = np.ravel(shared_row(task).value)
    yield Known("shared row", "0.5 0.5", shared[:2], 1e-12)
    yield Known("log-likelihood of the shared row", "-0.6931471806", likelihood(task, shared.reshape(2, 2)))
    own = np.asarray(ratio(task).value)
    yield Known("log-likelihood of a row for each state", "-0.6909233093", likelihood(task, own))


# --- what must fail -------------------------------------------------------------------------------------------------


def shared_row(task: ClassTask) -> Side:
    """Policy of largest log-likelihood among those with one row for all states, by Newton's method in logits."""
    row, error = most_likely(mixed_data(task).sum(axis=0, keepdims=True))
    return Side(np.repeat(row, task.counts.shape[1], axis=0), error)


def pooled_row(task: ClassTask) -> Side:
    """Ratio of weighted counts pooled over the states, for every state."""
    pooled = task.counts.sum(axis=1, keepdims=True)
    row = cloned_policy(pooled, class_weights(pooled, task.shares))
    return Side(np.repeat(row, task.counts.shape[1], axis=0), rounding(1.0, 4 * task.counts.size + 8))


shares.control(
    "the shares as weights",
    kind="mutation",
    instance=ONE,
    left=lambda task: Side(task.shares * task.counts.sum(axis=(1, 2)) / task.counts.sum(), 1e-14),
)
policy.control(
    "one row for all states",
    kind="assumption",
    drops="A1",
    instance=TWO,
    left=shared_row,
    specified="0.5 0.5 0.5 0.5 0.4666666667 0.5333333333 0.5333333333 0.4666666667",
    measure=lambda o: np.concatenate([np.ravel(o.left), np.ravel(o.right)]),
)
policy.control(
    "unweighted counts",
    kind="mutation",
    instance=ONE,
    right=lambda task: Side(cloned_policy(task.counts, np.ones(3)), 1e-14),
    specified="0.6444444444 0.3555555556",
    measure=lambda o: np.ravel(o.right),
)
SIRIUS.part(
    "(policy, pooled)",
    "with one row for all states it is the ratio pooled over the states",
    Equal(shared_row, pooled_row),
    resolution=1e-11,
    reason="the gradient of the likelihood",
    assumes=("A2",),
    exact=(exact.shared_row, exact.pooled_row),
)
