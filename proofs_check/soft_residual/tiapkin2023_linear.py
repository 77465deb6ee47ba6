"""Demonstration-regularised planning in linear MDPs (Tiapkin et al. 2024).

The divergence from a cloned policy is paid in the value, not in the action value; so action values stay linear in the
features, whatever the cloned policy is, and one vector a stage describes the optimum.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from mdplab._typing import FloatArray
from mdplab.claims import DEFINITIONAL, Assumption, Claim, Equal, Known, Outcome, Side, rounding
from mdplab.instances import SeededDraw
from mdplab.numerics import least_squares
from mdplab.operators import log_tilt
from proofs_check.soft_residual import exact_linear_demonstrations as exact
from proofs_check.soft_residual.demonstration_routes import ALMOST_SURE, regularised_loss
from proofs_check.soft_residual.linear_demonstration_instances import (
    LinearTask,
    linear_task,
    three_state_linear_task,
    with_inertia,
)

# --- the routes -----------------------------------------------------------------------------------------------------


def table_q(task: LinearTask) -> Side:
    """Backward induction on the table of kernel and rewards: action values"""
    return Side(task.table.optimum.q, task.table.optimum.q_error)


def linear_q(task: LinearTask) -> Side:
    """Recursion of d-vectors: features times weights"""
    return Side(np.moveaxis(task.model.features @ task.planned.weights.T, -1, 0), task.planned.q_error)


def table_log_policy(task: LinearTask) -> Side:
    """Backward induction on the table: log-policy"""
    found = task.table.optimum
    return Side(found.log_policy, found.log_policy_error)


def log_linear_policy(task: LinearTask) -> Side:
    """Log-reference plus features times weights over lambda, less the logarithm of the normaliser"""
    found, logs = task.planned, np.log(task.reference)
    exponents = np.asarray(linear_q(task).value) / task.temperature
    own = (found.q_error + float(found.value_errors.max())) / task.temperature
    off = np.abs(logs) + np.abs(exponents).max(axis=2, keepdims=True)
    return Side(log_tilt(exponents, log_reference=logs), 2 * own + rounding(off + task.model.n_actions, 12))


def weights(task: LinearTask) -> Side:
    """Weights of the recursion of d-vectors"""
    found, model = task.planned, task.model
    size = task.largest_row * (1 + float(np.abs(found.value).max()))
    own = task.largest_row * float(found.value_errors.max())
    return Side(found.weights, own + float(rounding(size, 2 * model.n_states + 4)))


def weights_of_the_table(task: LinearTask) -> Side:
    """One backup of the values of the table: theta + mu V of the next stage"""
    found, model = task.table.optimum, task.model
    value = [model.stage_theta(h) + model.stage_measures(h) @ found.value[h + 1] for h in range(len(found.q))]
    size = task.scale * task.largest_row
    # the table's kernel and rewards are products of d terms, rounded, at every stage
    tabulated = len(found.q) * float(rounding(size, 2 * model.dimension + 4))
    errors = task.largest_row * (float(found.value_errors.max()) + tabulated)
    return Side(value, errors + float(rounding(size, 2 * model.n_states + 4)))


def loss_of_the_table(task: LinearTask) -> Side:
    """Backward induction on the table less the evaluation of the policy with its penalty"""
    return regularised_loss(task.table)


def divergence_from_the_log_linear_policy(task: LinearTask) -> Side:
    """Forward sweep: lambda times the path divergence from the policy of the d-vectors"""
    with np.errstate(divide="ignore"):
        logs = np.log(task.policy)
    tilted = log_linear_policy(task)
    found = task.table.divergence(
        logs, np.asarray(tilted.value), reference_error=np.broadcast_to(tilted.error, logs.shape)
    )
    return Side(task.temperature * found.value, 1.01 * task.temperature * found.error)


def q_by_roots(task: LinearTask) -> Side:
    """Bisection on the table: reward plus the expected value of the next state"""
    mdp, found = task.table.mdp, task.table.roots
    value = [mdp.stage_reward(h) + mdp.stage_kernel(h) @ found.value[h + 1] for h in range(mdp.horizon)]
    own = (1 + 1e-12) * float(found.value_errors.max())
    return Side(
        value, own + float(rounding(1 + task.temperature + np.abs(found.value).max(), 2 * mdp.n_states + 4))
    )


def fitted(task: LinearTask, q: FloatArray, error: float) -> Side:
    """Least squares of tables ``(H, S, A)`` on the features; a projection moves an error by the root of the pairs at most."""
    design = task.model.features.reshape(-1, task.model.dimension)
    found = least_squares(design, q.reshape(len(q), -1).T)
    own = task.largest_row * found.certificate.bound + float(
        rounding(np.abs(q).max(), task.model.dimension + 2)
    )
    return Side(found.fitted.T.reshape(q.shape), own + np.sqrt(len(design)) * error)


def fitted_q(task: LinearTask) -> Side:
    """Least squares of the action values of the table on the features"""
    return fitted(task, task.table.optimum.q, task.table.optimum.q_error)


# --- the claim ------------------------------------------------------------------------------------------------------

L3 = three_state_linear_task(0.25)
COLD, HOT = three_state_linear_task(1e-3), three_state_linear_task(1e3)
SURE = three_state_linear_task(0.25, reference=ALMOST_SURE)
ROUNDING = "rounding of backward recursions at the size of the values: 1e-12 (1 + lambda + |V|)"


def within(task: LinearTask) -> float:
    """Rounding at the size of the values."""
    return 1e-12 * task.scale


def log_resolution(task: LinearTask) -> float:
    """The same in units of the temperature, and of the logarithms of the cloned policy."""
    return within(task) / min(1.0, task.temperature) + 1e-14 * float(np.abs(np.log(task.reference)).max())


LINEAR = Claim(
    "demreg-linear",
    title="In a linear MDP the regularised optimal Q is linear and the policy a log-linear tilt of the cloned one",
    papers=("tiapkin2023demonstration",),
    provenance="our formalisation",
    statement=r"""
    Let $P_h(\cdot|s,a) = \phi(s,a)^\top\mu_h$ and $R_h = \phi^\top\theta_h$ with laws $\phi(s,a)$ on the $d$ factors and
    $\mu_h$ on the states, and let $\pi^{BC} > 0$ be any policy. The regularised optimum of `demreg-bellman-gap` has
    $Q_h = \phi^\top w_h$ with $w_h = \theta_h + \mu_hV_{h+1}$, and
    $$\log\pi^*_{\lambda,h}(a|s) = \log\pi^{BC}_h(a|s) + \phi(s,a)^\top w_h/\lambda - \log Z_h(s),$$
    so that one vector of $d$ numbers a stage suffices, and $V^*_\lambda(\rho) - V^\pi_\lambda(\rho) =
    \lambda\,\mathrm{KL}_{traj}(\pi\|\pi^*_\lambda)$ with that policy.
    """,
    assumptions=(
        Assumption(
            "A1",
            "kernel and reward are exactly linear in the features",
            "a chance of staying, which is not linear",
            lambda task: task.inertia == 0,
            wider=with_inertia,
        ),
        Assumption("A2", r"$\pi^{BC} > 0$", DEFINITIONAL, lambda task: bool((task.reference > 0).all())),
    ),
    instance_family=linear_task,
    witnesses=(L3, COLD, HOT, SURE),
    instances=80,
)

linear_part = LINEAR.part(
    "(linear)",
    r"$Q_h = \phi^\top w_h$",
    Equal(table_q, linear_q),
    resolution=within,
    reason=ROUNDING,
    exact=(exact.table_q, exact.linear_q),
)
LINEAR.part(
    "(weights)",
    r"$w_h = \theta_h + \mu_hV_{h+1}$ with the values of the table",
    Equal(weights, weights_of_the_table),
    resolution=within,
    reason=ROUNDING,
    exact=(exact.weights, exact.weights_of_the_table),
)
policy_part = LINEAR.part(
    "(policy)",
    r"$\log\pi^*_{\lambda,h} = \log\pi^{BC}_h + \phi^\top w_h/\lambda - \log Z_h$",
    Equal(table_log_policy, log_linear_policy),
    resolution=log_resolution,
    reason=ROUNDING + ", over lambda",
    exact=(exact.table_log_policy, exact.log_linear_policy),
)
gap_part = LINEAR.part(
    "(gap)",
    r"$V^*_\lambda(\rho) - V^\pi_\lambda(\rho) = \lambda\,\mathrm{KL}_{traj}(\pi\|\pi^*_\lambda)$ with the policy of the $w_h$",
    Equal(loss_of_the_table, divergence_from_the_log_linear_policy),
    resolution=lambda task: 10 * within(task),
    reason="as for demreg-bellman-gap: 1e-11 (1 + lambda + |V|)",
    exact=(exact.regularised_loss, exact.divergence_from_the_log_linear_policy),
)
span_part = LINEAR.part(
    "(span)",
    r"least squares on $\phi$ leave nothing of $Q_h$",
    Equal(q_by_roots, fitted_q),
    resolution=lambda task: 10 * within(task),
    reason="rounding of a least-squares problem: 1e-11 (1 + lambda + |V|)",
    exact=(exact.table_q, exact.fitted_q),
)


@LINEAR.known(L3)
def _(task: LinearTask) -> Iterator[Known]:
    printed = "2.4878612303 1.9239502192 1.7369636384 1.1767218162 1 .4"
    yield Known("weights of the stages", printed, task.planned.weights.ravel(), 1e-15)
    yield Known("values", "2.3394918786 2.1511545725 2.2484225922", task.planned.value[0])
    first = np.exp(np.asarray(log_linear_policy(task).value)[0, :, 0])
    yield Known("policy of the first stage, first column", "0.9051362681 0.7469022083 0.6238890964", first)


# --- what must fail -------------------------------------------------------------------------------------------------


def penalised_q(task: LinearTask) -> Side:
    """Bisection on the table: action values less the penalty of their own stage"""
    found, q = task.table.roots, q_by_roots(task)
    penalty = task.temperature * (found.log_policy - np.log(task.reference))
    error = np.asarray(q.error) + task.temperature * found.log_policy_errors.max()
    return Side(np.asarray(q.value) - penalty, error)


def fitted_penalised_q(task: LinearTask) -> Side:
    """Least squares of the action values of backward induction less the penalty of their own stage"""
    found = task.table.optimum
    penalty = task.temperature * (found.log_policy - np.log(task.reference))
    return fitted(task, found.q - penalty, found.q_error + task.temperature * found.log_policy_error)


def without_the_reference(task: LinearTask) -> Side:
    """The softmax of the features times weights"""
    exponents = np.asarray(linear_q(task).value) / task.temperature
    return Side(log_tilt(exponents), 1e-12)


def rewards_alone(task: LinearTask) -> Side:
    """Features times the reward vector: no values of later stages"""
    rewards = [task.model.features @ task.model.stage_theta(h) for h in range(len(task.reference))]
    return Side(rewards, 1e-14)


def largest_residuals(outcome: Outcome) -> FloatArray:
    """Largest modulus of the residual at each stage."""
    return np.asarray(np.abs(outcome.left - outcome.right).max(axis=(1, 2)))


span_part.control(
    "the penalty of the own stage inside of Q",
    kind="mutation",
    instance=L3,
    left=penalised_q,
    right=fitted_penalised_q,
    both="the penalised action value is what is projected",
    specified="0.1108995829 0.1098624183 0.1211943928",
    measure=largest_residuals,
)
linear_part.control(
    "a chance of staying, which is not linear",
    kind="assumption",
    drops="A1",
    instance=replace(L3, inertia=0.2),
)
linear_part.control("rewards alone", kind="mutation", instance=L3, right=rewards_alone)
policy_part.control(
    "the cloned policy left out of the tilt", kind="mutation", instance=L3, right=without_the_reference
)


# --- the figure -----------------------------------------------------------------------------------------------------


@LINEAR.figure(
    "Largest least-squares residual over all pairs and stages in 150 random linear MDPs, for the regularised action value and "
    "for the one that includes the penalty of its own stage. The first is linear in the features up to rounding, the second "
    "is not."
)
def _(ax: Any) -> None:
    tasks = [linear_task(SeededDraw([seed, 4])) for seed in range(150)]
    rows = (
        (r"$Q_h$", q_by_roots, fitted_q, "C0", ""),
        (r"$Q_h - \lambda\log(\pi^*_h/\pi^{BC}_h)$", penalised_q, fitted_penalised_q, "C1", "//"),
    )
    bins = np.geomspace(1e-17, 10.0, 55)
    for name, route, fit, color, hatch in rows:
        residuals = [np.abs(np.subtract(route(t).value, fit(t).value)).max() for t in tasks]
        ax.hist(residuals, bins, color=color, hatch=hatch, edgecolor="white", label=name)
    ax.set(xscale="log", xlabel="largest residual", ylabel="number of models", xlim=(1e-17, 10))
    ax.legend(loc="upper center")
