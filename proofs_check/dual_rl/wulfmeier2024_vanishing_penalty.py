"""Which of all maximisers of the likelihood a vanishing temporal-difference penalty selects (Wulfmeier et al. 2024).

The likelihood does not see potentials.  The square of the implied reward does, and the smallest weight suffices to choose: the
potential whose implied reward is least in the square, a linear least squares problem.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.claims import DEFINITIONAL, Assumption, Claim, Equal, Known, Rate, Side, Undecided
from mdplab.claims.tolerances import rounding
from mdplab.divergences import kl
from mdplab.numerics import solution_error, solve_refined
from mdplab.operators import flow_matrix, occupancy, soft_policy_log, soft_value
from proofs_check.dual_rl import exact_inverse as exact
from proofs_check.dual_rl.inverse_tasks import ExpertTask, expert_task, two_state_expert

# --- the routes -----------------------------------------------------------------------------------------------------


def data_of(task: ExpertTask) -> tuple[FloatArray, float]:
    """The expert's occupancy, and a bound on the 1-norm of its error, a solve."""
    off = float(rounding(1.0, 2 * task.expert.size + 24)) / (1 - task.mdp.discount)
    return occupancy(task.mdp, task.expert), 4 * off


def likelihood_lost(task: ExpertTask) -> Side:
    """E log pi_E - E log pi_Q, with log pi_Q = Q - V_Q."""
    data, off = data_of(task)
    lost = np.log(task.expert) - task.q + soft_value(task.q, temperature=1.0)[:, np.newaxis]
    size = 4 + 2 * float(np.abs(task.q).max()) + float(np.abs(np.log(task.expert)).max())
    return Side((data * lost).sum(), size * off + rounding(size, 2 * data.size + 24))


def divergence_of_policies(task: ExpertTask) -> Side:
    """Mean divergence KL(pi_E, pi_Q) over the expert's states."""
    data, off = data_of(task)
    distance = kl(task.expert, np.exp(soft_policy_log(task.q, temperature=1.0)))
    size = 4 + 2 * float(np.abs(task.q).max()) + float(np.abs(np.log(task.expert)).max())
    return Side(data.sum(axis=1) @ distance, size * off + rounding(size, 2 * data.size + 24))


def fitted_potential(task: ExpertTask) -> Side:
    """Weighted least squares of log pi_E + B V, by the solver of the whole problem."""
    data, off = data_of(task)
    found = solvers.inverse_soft_q(task.mdp, data, weight=float(task.weights[-1]))
    return Side(found.potential, found.potential_error + potential_doubt(task, off))


def normal_equations(task: ExpertTask) -> tuple[FloatArray, FloatArray, FloatArray]:
    """``B' diag(d_E) B``, ``-B' diag(d_E) log pi_E`` and the flow matrix."""
    matrix = flow_matrix(task.mdp).toarray()
    weighted = data_of(task)[0].ravel()[:, np.newaxis] * matrix
    return weighted.T @ matrix, -weighted.T @ np.log(task.expert).ravel(), matrix


def potential_doubt(task: ExpertTask, off: float) -> float:
    """What the errors of data and log-policy move the potential by: the inverse of the normal matrix times theirs."""
    gram, right, _ = normal_equations(task)
    inverse = np.linalg.inv(gram)
    potential = inverse @ right
    largest = float(np.abs(np.log(task.expert)).max()) + 2 * float(np.abs(potential).max())
    # an entry of the gradient B'(d (log pi_E + B V)) has coefficients of at most 2
    gradient = 2 * (off + float(rounding(1.0, 8))) * largest
    return 1.01 * float(np.abs(inverse).sum(axis=1).max()) * gradient


def normal_potential(task: ExpertTask) -> Side:
    """Normal equations B'DB V = -B'D log pi_E, by a solve."""
    gram, right, matrix = normal_equations(task)
    potential = solve_refined(gram, right)
    size = float(np.abs(matrix).max()) ** 2 * (1 + float(np.abs(np.log(task.expert)).max()))
    entry = rounding(size, task.expert.size + 8)
    error = solution_error(gram, potential, right, matrix_error=entry, right_error=entry)
    return Side(potential, error + potential_doubt(task, data_of(task)[1]))


def least_squares_point(task: ExpertTask) -> Side:
    """Q_0 = log pi_E + V, V from the normal equations."""
    found = normal_potential(task)
    return Side(np.log(task.expert) + np.asarray(found.value)[:, np.newaxis], np.max(found.error) + 1e-14)


def penalised_points(task: ExpertTask) -> Side:
    """Q_c by Newton's method, for each weight c."""
    data, off = data_of(task)
    points, errors = [], []
    for weight in task.weights:
        found = solvers.inverse_soft_q(task.mdp, data, weight=float(weight))
        # the gradient is linear in the data
        moved = off * (2 + 2 * float(weight) * (1 + task.mdp.discount) * float(np.abs(found.reward).max()))
        points.append(found.q)
        errors.append(found.certificate.bound + 1.01 * found.sensitivity * moved)
        if np.abs(found.q - found.limit).max() <= 2 * errors[-1]:  # a uniform expert: Q_c is Q_0
            raise Undecided("a point is within its error of the limit: no slope can be told")
    return Side(np.array(points), np.array(errors)[:, np.newaxis, np.newaxis])


# --- the claim ------------------------------------------------------------------------------------------------------

M2, TENTH = two_state_expert(), two_state_expert(0.1, 0.01, 0.001)

LIMIT = Claim(
    "irl-limit-selects-potential",
    title="A vanishing temporal-difference penalty picks the least-squares potential among all maximisers of the likelihood",
    papers=("wulfmeier2024imitating", "garg2021iqlearn"),
    provenance="our formalisation",
    theorem="trade-off between likelihood and temporal difference",
    statement=r"""
    Let $\pi_E > 0$ be an expert with the occupancy $d_E$, $x_Q = Q - \gamma P V_Q$ and $\pi_Q = \mathrm{softmax}\,Q$.

    (optima) $\mathbb E_{d_E}\log\pi_E - \mathbb E_{d_E}\log\pi_Q = \sum_s d_E(s)\,\mathrm{KL}(\pi_E, \pi_Q)(s)$: the maximisers
    of the likelihood are $\{\log\pi_E + V\}$, $V \in \mathbb R^S$ free.

    (least) $V^\dagger = \arg\min_V \mathbb E_{d_E}(\log\pi_E + BV)^2$ solves
    $B^\top D B\,V = -B^\top D\log\pi_E$ with $D = \mathrm{diag}(d_E)$.

    (rate) As $c \to 0$ the maximiser $Q_c$ of $\mathbb E_{d_E}\log\pi_Q - c\,\mathbb E_{d_E}x_Q^2$ tends to
    $Q_0 = \log\pi_E + V^\dagger$, with $\|Q_c - Q_0\|_\infty = O(c)$.
    """,
    assumptions=(
        Assumption(
            "A1",
            "$d_E > 0$ everywhere",
            DEFINITIONAL,
            lambda task: bool((occupancy(task.mdp, task.expert) > 0).all()),
        ),
        Assumption("A2", r"$\gamma < 1$", DEFINITIONAL, lambda task: task.mdp.discount < 1),
        Assumption("A3", "the optimum near $Q_0$ is meant: the problem is not concave", DEFINITIONAL),
    ),
    instance_family=expert_task,
    witnesses=(M2,),
    instances=60,
)

optima = LIMIT.part(
    "(optima)",
    r"likelihood lost by $\pi_Q$ = mean divergence from $\pi_E$",
    Equal(likelihood_lost, divergence_of_policies),
    resolution=lambda task: 1e-11 * (1 + float(np.abs(task.q).max())),
    reason="rounding of an occupancy over 1 - gamma: 1e-11 of the terms",
    exact=(exact.likelihood_lost, exact.divergence_of_policies),
)
least = LIMIT.part(
    "(least)",
    r"$V^\dagger$ by least squares = by the normal equations",
    Equal(fitted_potential, normal_potential),
    resolution=1e-6,
    reason="inverse of the normal matrix times rounding, proven: 1e-9 as a rule, more where a pair is rare",
    exact=(exact.orthogonal_potential, exact.normal_potential),
)
rate = LIMIT.part(
    "(rate)",
    r"$\|Q_c - Q_0\|_\infty = O(c)$: slope one between $c = 10^{-2}$ and $10^{-3}$",
    Rate(penalised_points, least_squares_point, parameter=lambda task: task.weights, window=(0.9, 1.1)),
    resolution=1e-2,
    reason="proven errors of the points, relative to their distance from the limit",
    exact="a fitted slope",
)


@LIMIT.known(TENTH)
def _(task: ExpertTask) -> Any:
    potential, limit = normal_potential(task), least_squares_point(task)
    points = penalised_points(task)
    yield Known(
        "least-squares potential",
        "6.5473793450 6.1740790237",
        potential.value,
        float(np.max(potential.error)),
    )
    yield Known(
        "Q_0", "6.1907044011 5.3434065407 5.6632533999 5.2577882918", limit.value, float(np.max(limit.error))
    )
    found = solvers.inverse_soft_q(task.mdp, data_of(task)[0], weight=0.1)
    yield Known("Q_c at c = .1", "6.1435962229 5.4044167910 5.6840465649 5.3256015422", found.q)
    yield Known("negated objective at c = .1", "0.6464547695", -found.objective)
    errors = np.abs(np.asarray(points.value) - np.asarray(limit.value)).max(axis=(1, 2))
    yield Known("distances at c = .1, .01, .001", "0.0678132504 0.0069390568 0.0006950382", errors)


# --- what must fail -------------------------------------------------------------------------------------------------


def no_potential(task: ExpertTask) -> Side:
    """V = 0, the representative log pi_E."""
    return Side(np.zeros(task.mdp.n_states))


def log_expert(task: ExpertTask) -> Side:
    """log pi_E in the place of Q_0."""
    return Side(np.log(task.expert), 1e-15)


def unweighted_potential(task: ExpertTask) -> Side:
    """Least squares without the weights of the occupancy."""
    matrix = flow_matrix(task.mdp).toarray()
    return Side(np.linalg.lstsq(matrix, -np.log(task.expert).ravel(), rcond=None)[0], 1e-12)


def swapped_divergence(task: ExpertTask) -> Side:
    """Mean divergence with its arguments exchanged, KL(pi_Q, pi_E)."""
    policy = np.exp(soft_policy_log(task.q, temperature=1.0))
    value = data_of(task)[0].sum(axis=1) @ kl(policy, task.expert)
    return replace(divergence_of_policies(task), value=value)


least.control(
    "V = 0",
    kind="mutation",
    instance=M2,
    right=no_potential,
    specified="6.5473793450",
)
least.control("pairs weighted equally", kind="mutation", instance=M2, right=unweighted_potential)
rate.control(r"log pi_E in the place of Q_0", kind="mutation", instance=M2, right=log_expert)
optima.control(
    "the divergence with its arguments exchanged", kind="mutation", instance=M2, right=swapped_divergence
)


# --- the figure -----------------------------------------------------------------------------------------------------


@LIMIT.figure(
    "Distance of the penalised maximiser from the least-squares point on the two-state model against the weight of the squared "
    "temporal difference (slope one, dotted), and from the point without a potential, which is not the limit."
)
def _(ax: Any) -> None:
    weights = np.geomspace(1.0, 1e-4, 17)
    points = np.asarray(penalised_points(two_state_expert(*weights)).value)
    for limit, look, label in (
        (least_squares_point(M2), "C0o-", r"$\|Q_c - Q_0\|_\infty$, $Q_0 = \log\pi_E + V^\dagger$"),
        (log_expert(M2), "C1s--", r"$\|Q_c - \log\pi_E\|_\infty$"),
    ):
        ax.loglog(
            weights,
            np.abs(points - np.asarray(limit.value)).max(axis=(1, 2)),
            look,
            markersize=4,
            label=label,
        )
    ax.loglog(weights, 0.69 * weights, color="0.4", linestyle=":", label="slope 1")
    ax.set(xlabel="weight $c$", ylabel="largest difference")
    ax.legend(fontsize="small", loc="center left", bbox_to_anchor=(0.0, 0.72))
