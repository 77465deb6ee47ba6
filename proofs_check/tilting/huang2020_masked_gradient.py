"""Policy gradients under an action mask (Huang and Ontanon 2020).

The masked softmax is a policy of the restricted problem, and its gradient is a policy gradient.  Who scores its samples
with the log-probabilities of the *unmasked* softmax adds a bias ``d (p - u) V``: the mean score of the unmasked softmax
under the masked one is not zero.  The true value as a baseline removes that bias exactly, any other one only in part.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from mdplab._typing import Array, FloatArray
from mdplab.claims import DEFINITIONAL, Assumption, Claim, Equal, Known, Outcome, Side, rounding
from mdplab.instances import SeededDraw
from mdplab.models import MDP
from mdplab.numerics import complex_step_gradient
from mdplab.numerics.linear_system import solution_error
from mdplab.operators import induced, log_tilt, softmax_policy_gradient
from proofs_check.tilting import exact_masked_gradient as exact
from proofs_check.tilting.mask_instances import GradientTask, gradient_task

# --- the routes -----------------------------------------------------------------------------------------------------


def derivative(task: GradientTask) -> Side:
    """Complex-step derivative of the return of the masked softmax, one linear solve an entry."""
    mdp = task.mdp

    def start_value(logits: Array) -> Any:
        kernel, reward = induced(mdp, np.exp(log_tilt(np.where(task.mask, logits, -np.inf))))
        return mdp.start_law() @ np.linalg.solve(np.eye(mdp.n_states) - mdp.discount * kernel, reward)

    # the entries of V and V' are at most max|R| / (1 - gamma) and the square of that horizon
    size = np.abs(mdp.reward).max() / (1 - mdp.discount) ** 2
    error = rounding(size, 4 * (mdp.n_states + mdp.n_actions) + 16)
    return Side(complex_step_gradient(start_value, task.logits), error)


def closed_form(task: GradientTask) -> Side:
    """Occupancy times masked policy times advantage."""
    discount = task.mdp.discount
    value = softmax_policy_gradient(
        task.masked_policy,
        q=task.evaluation.q,
        state_occupancy=(1 - discount) * task.occupancy,
        discount=discount,
    )
    return Side(value, task.score_error)


def expected_score(task: GradientTask, baseline: FloatArray) -> Side:
    weights = task.occupancy[:, np.newaxis] * task.masked_policy
    weights = weights * (task.evaluation.q - baseline[:, np.newaxis])
    score = np.eye(task.mdp.n_actions) - task.full_policy[:, np.newaxis, :]  # d log u(a|s) / d theta(s, b)
    return Side(np.einsum("sa,sab->sb", weights, score), task.score_error)


def naive(task: GradientTask) -> Side:
    """Expected Q grad log u over masked samples, no baseline."""
    return expected_score(task, np.zeros(task.mdp.n_states))


def with_baseline(task: GradientTask) -> Side:
    """Expected (Q - b) grad log u over masked samples, with the baseline V plus an offset."""
    return expected_score(task, task.evaluation.value + task.offset)


def with_value(task: GradientTask) -> Side:
    """Expected (Q - V) grad log u over masked samples."""
    return expected_score(task, task.evaluation.value)


def solved(task: GradientTask) -> tuple[Side, Side]:
    """Occupancy and value of ``p`` by two plain solves."""
    mdp, policy = task.mdp, task.masked_policy
    kernel, reward = induced(mdp, policy)
    system, start = np.eye(mdp.n_states) - mdp.discount * kernel, mdp.start_law()
    value, visits = np.linalg.solve(system, reward), np.linalg.solve(system.T, start)
    coefficient = float(rounding(1.0, mdp.n_actions + 4))
    income = float(rounding(np.abs(mdp.reward).max(), mdp.n_actions + 4))
    value_error = solution_error(system, value, reward, matrix_error=coefficient, right_error=income)
    visits_error = solution_error(system.T, visits, start, matrix_error=coefficient)
    return Side(visits, visits_error), Side(value, value_error)


def biased(task: GradientTask, visits: Side, factor: Side) -> Side:
    """Derivative plus ``d (p - u)`` times a factor of each state."""
    true, d, f = derivative(task), np.asarray(visits.value), np.asarray(factor.value)
    apart = task.masked_policy - task.full_policy
    error = np.abs(f) * visits.error + (np.abs(d) + visits.error) * factor.error
    error = error + rounding(np.abs(d * f), 2 * task.mdp.n_actions + 16)
    return Side(true.value + (d * f)[:, np.newaxis] * apart, np.asarray(true.error) + error[:, np.newaxis])


def biased_by_value(task: GradientTask) -> Side:
    """Complex-step derivative plus d (p - u) V, with d and V by plain solves."""
    return biased(task, *solved(task))


def biased_by_offset(task: GradientTask) -> Side:
    """Complex-step derivative plus d (p - u) (V - b), with d by a plain solve."""
    return biased(task, solved(task)[0], Side(-task.offset))


# --- the claim ------------------------------------------------------------------------------------------------------

T2 = GradientTask(
    MDP(
        np.array([[[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]], [[0.3, 0.7], [0.6, 0.4], [1.0, 0.0]]]),
        np.array([[1.0, 0.0, -1.0], [0.0, 0.5, 2.0]]),
        0.9,
        np.array([0.5, 0.5]),
    ),
    np.array([[True, True, False], [True, False, True]]),
    np.array([[0.2, -0.1, 0.4], [0.0, 0.3, -0.5]]),
    np.array([1.0, -2.0]),
)
ONE = GradientTask(
    MDP(np.ones((1, 3, 1)), np.array([[1.0, 2.0, 0.0]]), 0.5, np.ones(1)),
    np.array([[True, True, False]]),
    np.log([[9.0, 1.0, 10.0]]),
    np.array([0.5]),
)

GRADIENT = Claim(
    "mask-policy-gradient",
    title="Masked samples scored without the mask give a biased gradient, unless the baseline is the true value",
    papers=("huang2020masking", "ramamurthy2022rl4lms"),
    provenance="our formalisation",
    theorem="the gradient of a masked policy is a policy gradient (first half)",
    statement=r"""
    Let $p(\cdot|s)$ be the softmax of logits $\theta(s,\cdot)$ over the actions of a fixed mask $M$, $u$ the softmax over all
    actions, $V, Q$ the values of $p$, $d$ its unnormalised discounted occupancy from $\rho$ and $J = \rho \cdot V$. Then

    (a) $\partial J/\partial\theta(s,a) = d(s)\, p(a|s)\, (Q(s,a) - V(s))$, zero on masked logits;

    (b) the expected update with unmasked scores is
    $\sum_{s,a} d(s) p(a|s) Q(s,a) \nabla \log u(a|s) = \nabla J + d(s)\,(p-u)(\cdot|s)\,V(s)$; on masked logits that is
    $-d(s)\,u(a|s)\,V(s)$;

    (c) with a baseline $b(s)$ the bias is $d(s)\,(p-u)(\cdot|s)\,(V(s) - b(s))$: it vanishes for $b = V$.
    """,
    assumptions=(
        Assumption(
            "A1",
            "tabular logits, and a mask that does not depend on them",
            DEFINITIONAL,
            lambda t: bool(t.mask.any(axis=1).all()),
        ),
    ),
    instance_family=gradient_task,
    witnesses=(T2, ONE),
    instances=100,
)


def scale(task: GradientTask) -> float:
    """1e-11 at the size of the rewards and of the baseline over (1 - gamma)^2."""
    size = float(np.abs(task.mdp.reward).max() + np.abs(task.offset).max())
    return 1e-11 * (1 + size) / (1 - task.mdp.discount) ** 2


SOLVES = "rounding of one linear solve for d, V and the derivative: 1e-11 at the size of the rewards over (1 - gamma)^2"

gradient = GRADIENT.part(
    "(a)",
    r"$\partial J/\partial\theta(s,a) = d(s)\,p(a|s)\,(Q(s,a)-V(s))$",
    Equal(closed_form, derivative),
    resolution=scale,
    reason=SOLVES,
    exact=(exact.closed_form, exact.derivative),
)
bias = GRADIENT.part(
    "(b)",
    r"$E[Q\,\nabla\log u] = \nabla J + d\,(p-u)\,V$",
    Equal(naive, biased_by_value),
    resolution=scale,
    reason=SOLVES,
    exact=(exact.naive, exact.biased_by_value),
)
GRADIENT.part(
    "(c)",
    r"$E[(Q-b)\,\nabla\log u] = \nabla J + d\,(p-u)\,(V-b)$",
    Equal(with_baseline, biased_by_offset),
    resolution=scale,
    reason=SOLVES,
    exact=(exact.with_baseline, exact.biased_by_offset),
)
unbiased = GRADIENT.part(
    "(c, true value)",
    r"$E[(Q-V)\,\nabla\log u] = \nabla J$",
    Equal(with_value, derivative),
    resolution=scale,
    reason=SOLVES,
    exact=(exact.with_value, exact.derivative),
)


@GRADIENT.known(T2)
def _(task: GradientTask) -> Iterator[Known]:
    value = task.evaluation.value
    yield Known("J", "6.5075990594", task.mdp.start_law() @ value)
    yield Known("V", "6.414096042980 6.601102075888", value)
    yield Known("occupancy", "5.775139097995 4.224860902005", task.occupancy)
    yield Known(
        "gradient",
        "1.245453497284 -1.245453497284 0 -1.868743616975 0 1.868743616975",
        np.ravel(closed_form(task).value),
    )
    yield Known(
        "naive update",
        "10.019217063881 5.254310416805 -15.273527480686 6.057484066696 -12.733727789681 6.676243722985",
        np.ravel(naive(task).value),
    )


@GRADIENT.known(ONE)
def _(task: GradientTask) -> Iterator[Known]:
    yield Known("occupancy", "2", task.occupancy, task.score_error)
    yield Known("V", "2.2", task.evaluation.value)
    yield Known("gradient", "-.18 .18 0", np.ravel(closed_form(task).value))
    yield Known("naive update", "1.8 .4 -2.2", np.ravel(naive(task).value))


# --- what must fail -------------------------------------------------------------------------------------------------


def cosine(outcome: Outcome) -> float:
    """Cosine between the two sides."""
    left, right = outcome.left.ravel(), outcome.right.ravel()
    return float(left @ right / (np.linalg.norm(left) * np.linalg.norm(right)))


def cosine_and_wrong_signs(outcome: Outcome) -> FloatArray:
    """Cosine between the two sides, and the number of nonzero entries of the gradient whose sign is reversed."""
    return np.array([cosine(outcome), np.count_nonzero(outcome.left * outcome.right < 0)])


def without_the_horizon(task: GradientTask) -> Side:
    """The closed form with the normalised occupancy."""
    side = closed_form(task)
    return Side((1 - task.mdp.discount) * np.asarray(side.value), side.error)


def bias_of_the_other_sign(task: GradientTask) -> Side:
    """Complex-step derivative plus d (u - p) V."""
    visits, value = solved(task)
    return biased(task, visits, Side(-np.asarray(value.value), value.error))


gradient.control(
    "samples scored with the unmasked log-probability: cosine, and wrong signs on kept logits",
    kind="mutation",
    instance=T2,
    left=naive,
    specified="0.09079326799 2",
    measure=cosine_and_wrong_signs,
)
gradient.control(
    "samples scored with the unmasked log-probability: against the gradient",
    kind="mutation",
    instance=ONE,
    left=naive,
    specified="-0.3448652474",
    measure=cosine,
)
gradient.control("the normalised occupancy", kind="constant", instance=T2, left=without_the_horizon)
bias.control("a bias of the other sign", kind="mutation", instance=T2, right=bias_of_the_other_sign)
unbiased.control("a baseline that is not the value", kind="mutation", instance=T2, left=with_baseline)


# --- the figure -----------------------------------------------------------------------------------------------------


@GRADIENT.figure(
    "Cosine between the true gradient and the expected update with unmasked scores, over a constant error of the baseline. "
    "Solid: two states, three actions; dashed: one state; grey: the tenth to ninetieth percentile of 150 random problems. "
    "Only the true value gives the right direction; the crosses mark the update without a baseline."
)
def _(ax: Any) -> None:
    errors = np.linspace(-10, 10, 161)

    def cosines(task: GradientTask, offsets: FloatArray) -> FloatArray:
        true = np.asarray(closed_form(task).value).ravel()
        found = np.array([np.ravel(expected_score(task, task.evaluation.value + b).value) for b in offsets])
        return np.asarray(found @ true / (np.linalg.norm(found, axis=1) * np.linalg.norm(true)))

    tasks = [gradient_task(SeededDraw(seed)) for seed in range(150)]
    masked = [task for task in tasks if not task.mask.all() and (task.mask.sum(axis=1) > 1).any()]
    band = np.percentile([cosines(task, errors) for task in masked], (10, 90), axis=0)
    ax.fill_between(errors, *band, color="0.85", label="random problems")
    for task, look, name in ((T2, "C0-", "two states"), (ONE, "C1--", "one state")):
        ax.plot(errors, cosines(task, errors), look, label=name)
        none = cosines(task, -task.evaluation.value[np.newaxis])
        ax.plot(-task.evaluation.value.mean(), none, "x", color=look[:2], markersize=8, markeredgewidth=2)
    ax.axhline(0, color="black", linewidth=0.8)
    ax.axvline(0, color="black", linewidth=0.8, linestyle="dotted")
    ax.set(xlabel="error of the baseline, $b - V$", ylabel=r"cosine to $\nabla J$", ylim=(-0.6, 1.05))
    ax.legend(loc="lower right")
