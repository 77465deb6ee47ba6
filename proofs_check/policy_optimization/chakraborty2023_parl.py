r"""Bilevel alignment (PARL, Chakraborty et al. 2023): the hypergradient through the soft-optimal policy.

A lower level solves a max-ent problem for a parametrised reward, an upper level judges the policy that comes out.
Three routes to the derivative of the upper objective: implicit differentiation of the soft Bellman equation, which
needs two unregularised advantages; the bilevel formula with the pseudo-inverse of the lower Hessian, which is a Fisher
matrix; and a complex step through the whole of soft value iteration, which knows neither.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from mdplab._typing import Array, FloatArray
from mdplab.claims import DEFINITIONAL, HARMLESS, Assumption, Claim, Equal, Known, Outcome, Side, rounding
from mdplab.instances import three_state_mdp
from mdplab.numerics import complex_step_gradient, complex_step_hessian
from mdplab.operators import fisher_information, log_sum_exp, log_tilt, occupancy_residual, state_occupancy
from proofs_check.policy_optimization import exact_parl as exact
from proofs_check.policy_optimization.instances import (
    AlignmentTask,
    alignment_task,
    stopped_early,
    with_unvisited_states,
)

TINY = 1e-30  # imaginary step

# --- implicit differentiation ---------------------------------------------------------------------------------------


def advantages(task: AlignmentTask, policy_error: float) -> tuple[FloatArray, FloatArray]:
    """Advantages (K+1, S, A) of the features and of the upper reward, and their errors (K+1,).

    The evaluations' own errors, and the change of an advantage when the log-policy errs by ``policy_error``: at most
    ``2 e span(Q) / (1 - gamma)``.
    """
    found = np.array([x.q - x.value[:, None] for x in task.evaluations])
    own = [x.q_error + x.certificate.bound for x in task.evaluations]
    carried = [2 * policy_error * np.ptp(x.q) * task.horizon for x in task.evaluations]
    return found, np.array(own) + np.array(carried) + rounding(np.abs(found).max(axis=(1, 2)), 4)


def implicit_gradient(
    task: AlignmentTask, *, policy_error: float = 0.0, frozen: bool = False, fixed_advantage: bool = False
) -> Side:
    """Implicit formula: sum of d pi A A_k over tau (1 - gamma), and the explicit derivative of the upper reward."""
    policy, scale = np.exp(task.log_policy()[0]), task.horizon / task.temperature
    found, errors = advantages(task, policy_error)
    if fixed_advantage:  # of the true reward alone; a sum of advantages, with the sum of their errors
        coefficients = task.explicit * np.append(task.weights, 0.0)
        found[-1] += np.tensordot(coefficients, found, 1)
        errors[-1] += np.abs(coefficients) @ errors
    d = np.asarray(state_occupancy(task.mdp, policy))
    value = np.einsum("s,sa,sa,ksa->k", d, policy, found[-1], found[:-1]) * scale
    explicit = np.array([task.mdp.start_law() @ x.value for x in task.evaluations[:-1]])
    value = value * (not frozen) - task.explicit * explicit
    sizes = np.abs(found).max(axis=(1, 2))
    digits = float(rounding(1.0, policy.size + 12))
    flow = float(np.abs(occupancy_residual(task.mdp, d[:, None] * policy)).sum()) + digits
    law = (flow + 2 * policy_error) * task.horizon + digits  # of d pi, in the 1-norm
    error = (errors[:-1] * sizes[-1] + sizes[:-1] * errors[-1] + law * sizes[:-1] * sizes[-1]) * scale
    returns = [x.certificate.bound + policy_error * np.ptp(x.q) * task.horizon for x in task.evaluations[:-1]]
    return Side(value, error + task.explicit * np.array(returns) + rounding(value, 8))


def implicit(task: AlignmentTask, **changes: bool) -> Side:
    """Implicit differentiation: (Q_k - V_k)/tau for the log-policy, and the formula for the gradient."""
    policy_error = task.log_policy()[1]
    found, errors = advantages(task, policy_error)
    scores = found[:-1] / task.temperature
    score_errors = np.broadcast_to(errors[:-1, None, None] / task.temperature, scores.shape)
    gradient = implicit_gradient(task, policy_error=policy_error, **changes)
    return Side(np.append(scores, gradient.value), np.append(score_errors, gradient.error))


# --- a complex step through soft value iteration --------------------------------------------------------------------


def complex_step(task: AlignmentTask) -> Side:
    """Complex step through soft value iteration and the return: derivatives of the log-policy and of G.

    One iteration for all K directions.  Values are taken up to (complex) constants, which no policy sees.
    """
    mdp, tau = task.mdp, task.temperature
    reward = task.lower.reward + 1j * TINY * np.moveaxis(task.features, 2, 0)

    def lookahead(w: Array) -> Array:
        return np.asarray(reward + mdp.discount * np.einsum("sat,kt->ksa", mdp.transition, w))

    w: Array = np.zeros((len(reward), mdp.n_states), dtype=complex)
    change = np.ones_like(w)
    for _ in range(20 + int(np.log(1e-19) / np.log(mdp.discount))):
        following = np.asarray(log_sum_exp(lookahead(w), temperature=tau))
        following = following - following.mean(axis=1, keepdims=True)
        change, w = following - w, following
        if np.abs(change.real).max() < 1e-15 and np.abs(change.imag).max() < 1e-15 * TINY:
            break
    q = lookahead(w)
    logs = log_tilt(q, temperature=tau)
    policies = np.exp(logs)
    kernel = np.einsum("ksa,sat->kst", policies, mdp.transition)
    upper = (policies * (mdp.reward - task.explicit * reward)).sum(axis=2)
    values = np.linalg.solve(np.eye(mdp.n_states) - mdp.discount * kernel, upper[..., None])[..., 0]
    scores, gradient = logs.imag / TINY, values.imag @ mdp.start_law() / TINY
    errors = _complex_step_errors(task, w, change, q, values, float(np.abs(scores).max()))
    return Side(
        np.append(scores, gradient),
        np.append(np.full(scores.shape, errors[0]), np.full(gradient.shape, errors[1])),
    )


def _complex_step_errors(
    task: AlignmentTask, w: Array, change: Array, q: Array, values: Array, score_size: float
) -> tuple[float, float]:
    """Last change and rounding of one sweep, summed over all sweeps: of the values, then of their derivatives."""
    n_states, tau = task.mdp.n_states, task.temperature
    operations = n_states + task.mdp.n_actions + 24
    one_sweep = float(rounding(np.abs(w.real).max() + np.abs(q.real).max() + tau, operations))
    value_error = (2 * float(np.abs(change.real).max()) + one_sweep) * task.horizon
    log_error = 2 * (value_error + one_sweep) / tau
    slope = float(np.abs(q.imag).max()) / TINY
    slope_sweep = float(rounding(slope, operations)) + 2 * slope * log_error
    slope_error = (2 * float(np.abs(change.imag).max()) / TINY + slope_sweep) * task.horizon
    score_error = 2 * (slope_error + slope_sweep) / tau
    span = float(np.ptp(values.real) + np.ptp(task.upper_reward))
    gradient_error = task.horizon * span * (score_error + 3 * task.horizon * log_error * score_size)
    solve = np.abs(values.imag).max() / TINY + np.abs(values.real).max() * score_size
    return score_error, gradient_error + float(rounding(task.horizon * solve, 8 * n_states + 40))


# --- the bilevel formula --------------------------------------------------------------------------------------------


def fisher_hessian(
    task: AlignmentTask, factor: float | None = None, policy_error: float | None = None
) -> Side:
    """-tau/(1 - gamma) times the Fisher information, at the policy of soft policy iteration."""
    logs, e = task.log_policy()
    policy = np.exp(logs)
    d = np.asarray(state_occupancy(task.mdp, policy))
    scale = -(task.temperature if factor is None else factor) * task.horizon
    moved = 4 * (e if policy_error is None else policy_error) * task.horizon
    error = abs(scale) * (moved + float(rounding(task.horizon, 2 * policy.size + 20)))
    return Side(scale * np.asarray(fisher_information(policy, state_occupancy=d, dense=True)), error)


def differentiated_hessian(task: AlignmentTask) -> Side:
    """Differences (step 1e-5) of complex-step gradients of the lower objective, at the policy of soft value iteration."""
    logs, e = task.log_policy(iterated=True)
    step = 1e-5
    found = complex_step_hessian(task.soft_return, logs.ravel(), step=step)
    size = float(np.abs(found.value).max())
    # The gradient vanishes at the optimum: what it rounds are its terms, of the size of values times 1/(1-gamma).
    values = task.horizon * float(np.abs(task.lower.reward).max() + task.temperature * np.abs(logs).max())
    noise = float(rounding(task.horizon * values, 4 * task.mdp.n_states + 30)) / step
    # twice the estimate of truncation; the policy's error moves a second derivative by its own size a few times over
    error = 2 * float(np.max(found.error)) + noise + 8 * task.horizon * e * (1 + size)
    return Side(found.value, error)


def bilevel_gradient(task: AlignmentTask, factor: float | None = None) -> Side:
    """Bilevel formula: mixed derivatives and upper gradient by complex steps, pseudo-inverse of the lower Hessian.

    Eigenvalues at the rounding level are dropped: the gauge directions, and actions of vanishing probability.  Both
    vectors are the Hessian times advantages over tau, so that a dropped eigenvalue, or an error of the Hessian, counts
    times the norms of those.
    """
    logs = task.log_policy()[0]
    hessian = fisher_hessian(task, factor, policy_error=0.0)
    eigenvalues, vectors = np.linalg.eigh(np.asarray(hessian.value))
    noise = float(rounding(np.abs(eigenvalues).max(), 8 * logs.size))
    kept = np.abs(eigenvalues) > noise
    slopes = complex_step_gradient(task.returns, logs).reshape(-1, logs.size)
    along = slopes @ vectors[:, kept]
    solved = along / eigenvalues[kept]
    value = -solved[:-1] @ along[-1] - task.explicit * task.returns(logs)[:-1]
    norms = np.linalg.norm(solved, axis=1)
    slope_noise = float(rounding(np.abs(slopes).max() * task.horizon, 4 * logs.size + 40)) * np.sqrt(
        logs.size
    )
    error = 4 * (2 * noise + np.max(hessian.error)) * norms[:-1] * norms[-1]
    error = error + slope_noise * (norms[:-1] + norms[-1])
    return Side(value, error + task.explicit * rounding(np.abs(task.returns(logs)).max() * task.horizon, 40))


# --- the claim ------------------------------------------------------------------------------------------------------

DIAGONAL = np.zeros((3, 2, 3))
DIAGONAL[range(3), 1, range(3)] = 1.0
KNOWN = AlignmentTask(three_state_mdp(), DIAGONAL, np.array([0.2, -0.1, 0.4]), 0.5)
MISMATCH = replace(KNOWN, explicit=1.0)


def visited(task: AlignmentTask) -> bool:
    """Whether every state has positive occupancy under a fully mixed policy."""
    uniform = np.full(task.mdp.reward.shape, 1 / task.mdp.n_actions)
    return bool((np.asarray(state_occupancy(task.mdp, uniform)) > 0).all())


def terms(task: AlignmentTask) -> float:
    """Size of the terms of the gradient and of the scores."""
    sizes = np.abs(advantages(task, 0.0)[0]).max(axis=(1, 2))
    return float(sizes[:-1].max() * (1 + sizes[-1] * task.horizon) / task.temperature)


PARL = Claim(
    "parl-hypergradient",
    title="The exact hypergradient through the soft-optimal policy: implicit differentiation of the soft Bellman "
    "equation equals the bilevel formula with the inverse Fisher matrix",
    papers=("chakraborty2023parl",),
    provenance="our formalisation",
    theorem="bilevel hypergradient with the inverse lower Hessian; the max-ent version is our formalisation",
    statement=r"""
    Lower level: the reward is $R_\nu = \Psi\nu$, and $\pi_\nu$ is the soft-optimal policy at temperature $\tau$, the
    maximiser of $J_{\mathrm{low}}(\theta, \nu) = E_{\pi_\theta}\sum_t \gamma^t (R_\nu - \tau\log\pi_\theta)(s_t, a_t)$.
    Upper level: $G(\nu) = J_U(\pi_\nu)$, the unregularised discounted return for the reward $U = R^\dagger - c R_\nu$: a
    true reward $R^\dagger$, for $c \ne 0$ less a multiple of the lower one. Let $\dot Q_k$, $\dot V_k$, $\dot A_k$ be the
    unregularised values and advantage of $\pi_\nu$ for the reward $\Psi_{\cdot\cdot k}$, and $A_U$ its advantage for $U$.

    (i) $\partial_{\nu_k} \log\pi_\nu = (\dot Q_k - \dot V_k)/\tau$, hence
    $$\partial_k G = \frac{1}{\tau(1-\gamma)} \sum_{s,a} d^{\pi_\nu}(s)\, \pi_\nu(a|s)\, A_U(s,a)\, \dot A_k(s,a)
      - c\, J_{\Psi_{\cdot\cdot k}}(\pi_\nu).$$
    The last term is the derivative of $U$ itself. For $c \ne 0$ it alone, with the law of the trajectories frozen, is not
    the derivative of $G$, nor may $A_U$ be the advantage for $R^\dagger$.

    (ii) The Hessian of $J_{\mathrm{low}}$ in the logits at $\pi_\nu$ is $-\frac{\tau}{1-\gamma} F$ with the blocks
    $F_s = d(s)(\mathrm{diag}\,\pi_s - \pi_s\pi_s^\top)$.

    (iii) The gradient of (i) equals the bilevel formula $-(\partial^2_{\theta\nu} J_{\mathrm{low}})^\top
    (\partial^2_\theta J_{\mathrm{low}})^{+}\, \nabla_\theta J_U - c\, J_\Psi(\pi_\nu)$ with the pseudo-inverse, $\theta$
    having one gauge direction in each state; $\nabla_\theta J_U$ is taken at fixed $\nu$, and $J_\Psi$ is the vector of the
    $J_{\Psi_{\cdot\cdot k}}$.
    """,
    assumptions=(
        Assumption(
            "A1",
            "the lower level is solved exactly",
            "the formula after one lower-level iteration",
            lambda t: t.lower_steps is None,
            wider=stopped_early,
        ),
        Assumption(
            "A2",
            r"every state is visited, $d^{\pi_\nu} > 0$",
            HARMLESS,
            visited,
            wider=with_unvisited_states,
        ),
        Assumption("A3", r"$\tau > 0$", DEFINITIONAL, lambda t: t.temperature > 0),
    ),
    instance_family=alignment_task,
    witnesses=(KNOWN, MISMATCH),
    instances=100,
)

implicit_part = PARL.part(
    "(i)",
    r"$\partial_{\nu_k}\log\pi_\nu = \dot A_k/\tau$, and $\partial_k G$ by advantages",
    Equal(complex_step, implicit),
    resolution=lambda task: 1e-9 * (1 + terms(task)),
    reason="error of the policy carried through two solves with 1/(1-gamma) each; 1e-9 at the size of the terms",
    exact=(exact.differentiated, exact.scores_and_gradient),
)
hessian_part = PARL.part(
    "(ii)",
    r"the Hessian of $J_{\mathrm{low}}$ in the logits is $-\frac{\tau}{1-\gamma} F$",
    Equal(differentiated_hessian, fisher_hessian),
    resolution=1e-5,
    reason="differences of complex-step gradients, about 1e-8; ceiling 1e-5",
    family=partial(alignment_task, states=(2, 3), actions=(2, 3)),
    instances=60,
    exact=(exact.hessian, exact.fisher_hessian),
)
bilevel_part = PARL.part(
    "(iii)",
    r"the bilevel formula with the pseudo-inverse gives the gradient of (i)",
    Equal(bilevel_gradient, implicit_gradient),
    resolution=lambda task: 1e-9 * (1 + np.abs(np.asarray(implicit_gradient(task).value))),
    reason="rounding of solves and of the eigenvalue decomposition: 1e-9 (1 + |value|)",
    shared={
        "soft_policy_iteration": "with the Hessian of (ii) both formulas agree at every policy; both take the same"
    },
    exact=(exact.bilevel_gradient, exact.gradient_by_advantages),
)


@PARL.known(KNOWN)
def _(task: AlignmentTask) -> Iterator[Known]:
    found = task.optimum
    yield Known("policy, first column", "0.3997391121 0.4973927991 0.3204971731", found.policy[:, 0])
    yield Known("soft value of the lower level", "4.6010964712 4.5112593186 4.7989714972", found.value)
    yield Known("G", "4.046469756", task.mdp.start_law() @ task.evaluations[-1].value)
    gradient = np.asarray(implicit_gradient(task).value)
    yield Known("gradient of G", "-1.3247388359 0.4838083562 1.9283286228", gradient)
    errors = [np.abs(truncated_gradient(task, steps) - gradient).max() for steps in (1, 2, 4, 8)]
    printed = (
        "0.0389252332 0.0053339212 2.365540444e-04 9.35994e-08"  # beyond, double rounding of the gradient
    )
    yield Known("error after 1, 2, 4, 8 lower-level iterations", printed, errors)


def truncated_gradient(task: AlignmentTask, steps: int) -> FloatArray:
    """The formula of (i) at the policy after some lower-level iterations."""
    return np.asarray(implicit_gradient(replace(task, lower_steps=steps)).value)


# --- what must fail -------------------------------------------------------------------------------------------------


def both_gradients(outcome: Outcome) -> FloatArray:
    return np.concatenate([outcome.left[-3:], outcome.right[-3:], [outcome.violation]])


implicit_part.control(
    "the law of the trajectories frozen: only the explicit term",
    kind="mutation",
    instance=MISMATCH,
    right=partial(implicit, frozen=True),
    specified="-3.1089813694 -1.1645041743 -1.6565527357 -1.7294342846 -1.5108261621 -2.7947165324 1.3795470848",
    measure=both_gradients,
)
implicit_part.control(
    "the advantage for the true reward alone, with the explicit term",
    kind="mutation",
    instance=MISMATCH,
    right=partial(implicit, fixed_advantage=True),
    specified="-3.1090 -1.1645 -1.6566 -3.0542 -1.0270 -0.8664",
    measure=lambda outcome: both_gradients(outcome)[:-1],
)
bilevel_part.control(
    "the implicit formula with the advantage for the true reward alone",
    kind="mutation",
    instance=MISMATCH,
    right=partial(implicit_gradient, fixed_advantage=True),
)
implicit_part.control(
    "the formula after one lower-level iteration",
    kind="assumption",
    drops="A1",
    instance=replace(KNOWN, lower_steps=1),
    specified="0.0389252332",
    measure=lambda outcome: np.abs(outcome.left - outcome.right)[-3:].max(),
)
hessian_part.control(
    "the Hessian after one lower-level iteration",
    kind="assumption",
    drops="A1",
    instance=replace(KNOWN, lower_steps=1),
)
hessian_part.control(
    "the Fisher matrix without the temperature",
    kind="constant",
    instance=KNOWN,
    right=partial(fisher_hessian, factor=1.0),
)
bilevel_part.control(
    "the inverse of a Hessian without the temperature",
    kind="constant",
    instance=KNOWN,
    left=partial(bilevel_gradient, factor=1.0),
)


# --- the figure -----------------------------------------------------------------------------------------------------


@PARL.figure(
    "Error of the hypergradient formula at the policy after K soft value iterations of the lower level, on the "
    "three-state task for four temperatures; the crosses are the printed errors. The error falls faster than powers of "
    "the discount (dotted): a policy sees values up to a constant only."
)
def _(ax: Any) -> None:
    steps = np.arange(1, 21)
    for number, temperature in enumerate((0.2, 0.5, 1.0, 2.0)):
        task = replace(KNOWN, temperature=temperature)
        exact = np.asarray(implicit_gradient(task).value)
        errors = np.array([np.abs(truncated_gradient(task, int(k)) - exact).max() for k in steps])
        shown = errors > 1e-13
        ax.semilogy(steps[shown], errors[shown], color=f"C{number}", label=rf"$\tau = {temperature:g}$")
    printed = (0.0389252332, 0.0053339212, 2.365540444e-04, 9.35994e-08)
    ax.semilogy((1, 2, 4, 8), printed, "x", color="black", markersize=7, label="printed")
    ax.semilogy(steps, 0.1 * KNOWN.mdp.discount ** (steps - 1), color="gray", linestyle="dotted")
    ax.text(20, 0.02, r"$\gamma^K$", ha="right", va="bottom", color="gray")
    ax.set(
        xlabel="lower-level iterations $K$", ylabel="sup-norm error of the gradient", xticks=range(0, 21, 4)
    )
    ax.legend(loc="lower left")
