r"""Learning beside a guide (Chang et al. 2023): roll-ins and roll-outs by the performance difference lemma.

A guide helps in two ways.  Roll-outs that it finishes show which actions are good for its continuation: greedy ones improve on
it, and the regret of a learner that is measured against both kinds of roll-outs bounds a mixture of its loss against the guide
and of its local regret.  Roll-ins start the learner where the guide has been: its local regret is then worth something in the
states that matter, however rarely the learner alone would reach them.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from mdplab import solvers
from mdplab.claims import DEFINITIONAL, Assumption, AtMost, Claim, Equal, Known, Side
from mdplab.operators import state_occupancy
from proofs_check.dual_rl import exact_rollouts as exact
from proofs_check.dual_rl.guidance_tasks import evaluated
from proofs_check.dual_rl.rollout_routes import (
    bound,
    difference_of_values,
    first_bound,
    first_bound_by_visits,
    greedy_value,
    greedy_value_by_visits,
    guide_value,
    guide_value_by_pairs,
    largest_ratio,
    lemma,
    local_regret,
    loss,
    loss_and_local_regret,
    loss_and_local_value,
    loss_by_visits,
    mixed_values,
    regret,
    regret_as_value,
    second_bound,
    second_bound_by_visits,
    weights,
)
from proofs_check.dual_rl.rollout_tasks import (
    RolloutTask,
    fork_task,
    lock_task,
    rollout_task,
    two_state_rollouts,
    uncovered_task,
)

M2, FORK, LOCK = two_state_rollouts(), fork_task(), lock_task(4)
GREEDY_IS_SHARED = {
    "policy_evaluation": "the greedy policy is an input of both routes; its ties are in the error"
}
OPTIMUM_IS_SHARED = {"policy_iteration": "the optimal policy is an input: the bound speaks of any of them"}

RLGF = Claim(
    "rlgf-guided-rollouts",
    title="Guided roll-outs bound the loss against the guide, guided roll-ins make the local regret of a learner count",
    papers=("chang2023rlgf",),
    provenance="our formalisation",
    theorem=None,
    statement=r"""
    Let $g$ be a guide and $\pi$ a learner, $\nu = d^\pi$ its normalised occupancy of states, $b \in [0,1]$ the probability with
    which the guide finishes a roll-out.

    (i) $\mu_0^\top(V^\pi - V^g) = \frac1{1-\gamma}\mathbb E_{d^\pi}[\langle\pi, Q^g\rangle - V^g]$.

    (ii) The greedy policy of $Q^g$ has at least the value of $g$ in every state.

    (iii) The regret $\Delta = \frac1{1-\gamma}\mathbb E_\nu\big[b\max_a Q^g + (1-b)\max_a Q^\pi - \langle\pi, bQ^g +
    (1-b)Q^\pi\rangle\big]$ satisfies
    $$b\,\mu_0^\top(V^g - V^\pi) + \frac{1-b}{1-\gamma}\mathbb E_\nu[\max_a Q^\pi - V^\pi] \le \Delta.$$

    (iv) With the restart law $\rho = \frac12\mu_0 + \frac12 d^g_{\mu_0}$ and $\varepsilon = \mathbb E_{d^\pi_\rho}[\max_a Q^\pi -
    V^\pi]$
    $$\mu_0^\top(V^* - V^\pi) \le \frac{\varepsilon}{1-\gamma}\|\frac{d^*_{\mu_0}}{d^\pi_\rho}\|_\infty \le
      \frac{\varepsilon}{(1-\gamma)^2}\|\frac{d^*_{\mu_0}}{\rho}\|_\infty.$$
    """,
    assumptions=(
        Assumption("A1", "exact values of guide and learner", DEFINITIONAL),
        Assumption(
            "A2",
            r"$d^\pi_\rho > 0$ where $d^* > 0$, for (iv); the ratio is taken where $d^\pi_\rho > 0$",
            "nobody ever opens the lock",
            lambda task: not (task.wanted & ~task.covered).any(),
            wider=uncovered_task,
        ),
        Assumption(
            "A3",
            r"$\rho > 0$ where $d^* > 0$, for the last inequality; else its right side is infinite",
            DEFINITIONAL,
            lambda task: not (task.wanted & ~task.shown).any(),
        ),
    ),
    instance_family=rollout_task,
    witnesses=(M2, FORK),
    instances=150,
)


def size(task: RolloutTask) -> float:
    """1e-10 at the size of the values, over 1 - gamma."""
    return 1e-10 * (1 + float(np.abs(task.mdp.reward).max()) / (1 - task.mdp.discount))


identity = RLGF.part(
    "(i)",
    r"$\mu_0^\top(V^\pi - V^g) = \frac1{1-\gamma}\mathbb E_{d^\pi}[\langle\pi, Q^g\rangle - V^g]$",
    Equal(difference_of_values, lemma),
    resolution=size,
    reason="residuals of three solves over 1 - gamma: 1e-10 at the size of the values",
    assumes=("A1",),
    exact=(exact.difference_of_values, exact.lemma),
)
improvement = RLGF.part(
    "(ii)",
    "the greedy policy of $Q^g$ improves on $g$ in every state",
    AtMost(guide_value, greedy_value),
    resolution=1e-9,
    reason="residuals of solves over 1 - gamma, ties of the greedy action: 1e-9",
    assumes=("A1",),
    cross_left=guide_value_by_pairs,
    cross_right=greedy_value_by_visits,
    shared=GREEDY_IS_SHARED,
    exact=(exact.guide_value, exact.greedy_value),
)
rollouts = RLGF.part(
    "(iii)",
    r"$b\,\mu_0^\top(V^g - V^\pi) + \frac{1-b}{1-\gamma}\mathbb E_\nu[\max_a Q^\pi - V^\pi] \le \Delta$",
    AtMost(loss_and_local_regret, regret),
    resolution=1e-9,
    reason="residuals of solves over (1 - gamma)^2: 1e-9",
    assumes=("A1",),
    cross_left=loss_and_local_value,
    cross_right=regret_as_value,
    exact=(exact.loss_and_local_regret, exact.regret),
)
restarts = RLGF.part(
    "(iv)",
    r"$\mu_0^\top(V^* - V^\pi) \le \frac{\varepsilon}{1-\gamma}\|d^*_{\mu_0}/d^\pi_\rho\|_\infty$",
    AtMost(loss, first_bound),
    resolution=lambda task: 1e-9 * (1 + float(np.asarray(first_bound(task).value))),
    reason="residuals of solves over 1 - gamma, relative where the restarted learner has little mass: 1e-9",
    witnesses=(M2, LOCK),
    assumes=("A1", "A2"),
    cross_left=loss_by_visits,
    cross_right=first_bound_by_visits,
    specified_tightness="0.9999",
    shared=OPTIMUM_IS_SHARED,
    exact=(exact.loss, exact.first_bound),
)
started = RLGF.part(
    "(iv, restart)",
    r"$\|d^*_{\mu_0}/d^\pi_\rho\|_\infty \le \frac1{1-\gamma}\|d^*_{\mu_0}/\rho\|_\infty$, times $\frac{\varepsilon}{1-\gamma}$",
    AtMost(first_bound, second_bound),
    resolution=lambda task: 1e-9 * (1 + float(np.asarray(second_bound(task).value))),
    reason="residuals of solves over 1 - gamma, relative where the restart law has little mass: 1e-9",
    witnesses=(M2, LOCK),
    assumes=("A1", "A2", "A3"),
    cross_left=first_bound_by_visits,
    cross_right=second_bound_by_visits,
    shared=OPTIMUM_IS_SHARED,
    exact=(exact.first_bound, exact.second_bound),
)


def concentrability(task: RolloutTask) -> float:
    """Largest ``d* / d_rho`` over all states."""
    law, off = weights(task, task.learner, task.restarted)
    return largest_ratio(task, law, off, task.covered)[0]


@RLGF.known(M2)
def _(task: RolloutTask) -> Any:
    (learner, guide), error = evaluated(task.mdp, task.both)
    yield Known("value of the guide", "3.1921167883 3.8344525547", guide, error)
    yield Known("value of the learner", "3.8741935484 4.5838709677", learner, error)
    yield Known("difference", ".7090134212", difference_of_values(task).value, 1e-13)
    yield Known("greedy policy of the guide's values", "1 1", task.greedy.argmax(axis=1))
    yield Known("optimal policy", "1 1", task.optimum.policy.argmax(axis=1))
    yield Known("regret at b = .5", "3.1892775925", regret(task).value, 1e-13)
    yield Known("left side at b = .5", "1.2801134767", loss_and_local_regret(task).value, 1e-13)


@RLGF.known(LOCK)
def _(_: RolloutTask) -> Any:
    guided = [lock_task(length) for length in (4, 8, 12)]
    alone = [replace(task, restart=0.0) for task in guided]
    yield Known(
        "value gaps", ".8144247994 .6634204247 .5403600877", [np.asarray(loss(t).value) for t in guided]
    )
    yield Known(
        "epsilon without restart", "1.466e-4 2.388e-8 2.918e-12", [local_regret(task)[0] for task in alone]
    )
    yield Known(
        "ratios without restart, in powers of ten", "4.0000000 8.0000000 12.0000000",
        np.log10([concentrability(task) for task in alone]), 1e-12,
    )  # fmt: skip
    yield Known(
        "epsilon with restart", "1.204e-3 9.214e-4 7.505e-4", [local_regret(task)[0] for task in guided]
    )
    yield Known("ratios with restart", "35.94 36.00 36.00", [concentrability(task) for task in guided])


# --- what must fail --------------------------------------------------------------------------------------------------


def regret_of_the_mixture(task: RolloutTask) -> Side:
    """The regret against the best action of the mixture of the two action values."""
    q, guided, error = mixed_values(task)
    mixed = task.share * guided + (1 - task.share) * q
    law = state_occupancy(task.mdp, task.learner)
    short = mixed.max(axis=1) - (task.learner * mixed).sum(axis=1)
    return Side(law @ short / (1 - task.mdp.discount), 8 * error / (1 - task.mdp.discount))


def careless_value(task: RolloutTask) -> Side:
    """Value of the policy that takes the worst action of Q^g."""
    worst = np.eye(task.mdp.n_actions)[solvers.policy_evaluation(task.mdp, task.guide).q.argmin(axis=1)]
    return Side(*evaluated(task.mdp, worst))


def without_the_horizon(task: RolloutTask) -> Side:
    """epsilon times the largest d* / d_rho, not over 1 - gamma."""
    found = first_bound(task)
    return Side((1 - task.mdp.discount) * np.asarray(found.value), found.error)


def one_horizon(task: RolloutTask) -> Side:
    """epsilon / (1 - gamma) times the largest d* / rho."""
    return bound(task, local_regret(task), largest_ratio(task, task.restarted, 1e-15, task.shown), 1)


identity.control(
    "the occupancy of the guide in the place of the learner's",
    kind="mutation",
    instance=M2,
    right=partial(lemma, occupied_by=1),
)
improvement.control(
    "the worst action in the place of the greedy one", kind="mutation", instance=M2, right=careless_value
)
rollouts.control(
    r"the maximum of the mixture in the place of the separate maxima",
    kind="mutation",
    instance=FORK,
    right=regret_of_the_mixture,
    specified="0 .0405",
    measure=lambda o: [o.right, o.left],
)
restarts.control("without 1 / (1 - gamma)", kind="constant", instance=M2, right=without_the_horizon)
restarts.control(
    "nobody ever opens the lock",
    kind="assumption",
    drops="A2",
    instance=lock_task(2, chances=(0.0, 0.0)),
)
started.control("one factor 1 / (1 - gamma)", kind="constant", instance=LOCK, right=one_horizon)


# --- the figure ------------------------------------------------------------------------------------------------------


@RLGF.figure(
    "A lock of length $L$ that the learner opens with probability $10^{-L}$. Left: its local regret $\\varepsilon$ vanishes where "
    "it starts at the beginning, although its loss (dotted) does not; started where the guide has been, the regret shows the "
    "loss. Right: what a bound on $\\varepsilon$ must be multiplied with.",
    panels=2,
)
def _(axes: Any) -> None:
    lengths = np.arange(1, 13)
    guided = [lock_task(int(length)) for length in lengths]
    alone = [replace(task, restart=0.0) for task in guided]
    looks: tuple[tuple[str, Any, str], ...] = (
        ("start law alone", alone, "C1s--"),
        ("with guide", guided, "C0o-"),
    )
    for name, tasks, look in looks:
        axes[0].semilogy(lengths, [local_regret(task)[0] for task in tasks], look, markersize=4, label=name)
        axes[1].semilogy(lengths, [concentrability(task) for task in tasks], look, markersize=4, label=name)
    axes[0].semilogy(lengths, [np.asarray(loss(task).value) for task in guided], "k:", label="loss")
    axes[0].set(xlabel="length $L$", ylabel=r"local regret $\varepsilon$", ylim=(1e-13, 1e1))
    axes[1].set(xlabel="length $L$", ylabel=r"$\|d^*_{\mu_0}/d^\pi_\rho\|_\infty$")
    for ax in axes:
        ax.set_xticks(range(2, 13, 2))
    axes[0].legend(fontsize="small", loc="lower left")
