r"""Interventions as the only reward (Luo, Dong, Zhai, Ma and Levine 2023, RLIF).

A learner that is charged for being interrupted, and for nothing else, ends with a policy that is never interrupted.  If the
expert steps in only where its own continuation is better by more than a margin, then each step of such a policy loses at most
the margin: it may be better than the expert, by any amount, and it is worse by at most the margin over 1 - gamma.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from mdplab import solvers
from mdplab.claims import DEFINITIONAL, Assumption, AtLeast, AtMost, Claim, Equal, Known, Side
from mdplab.instances import two_state_mdp
from mdplab.models import MDP
from proofs_check.dual_rl import exact_guidance as exact
from proofs_check.dual_rl.guidance_tasks import (
    InterventionTask,
    evaluated,
    impatient_task,
    intervention_task,
    loose_task,
    reference_task,
)
from proofs_check.dual_rl.intervention_routes import (
    best_by_iteration,
    best_value,
    compared_values,
    disagreement_price,
    disagreement_price_by_values,
    expert_return,
    expert_value,
    guaranteed,
    guaranteed_by_values,
    largest_loss,
    loss_of_worst,
    never_interrupted,
    optimal_under_charges,
    price,
    restricted_model,
    start_loss,
    start_loss_by_visits,
    uninterrupted_returns,
    uninterrupted_values,
)

# --- the claim -------------------------------------------------------------------------------------------------------


def two_state_expert() -> InterventionTask:
    """The instance M2 with the expert (0, 1) and no margin."""
    return InterventionTask(two_state_mdp(), np.array([0, 1]), 0.0, np.full((2, 2), 0.5))


def margin_loop() -> InterventionTask:
    """One state, self-loops that pay 1 and .9, discount .9; the expert takes the better one and tolerates .1."""
    mdp = MDP(np.ones((1, 2, 1)), [[1.0, 0.9]], 0.9, [1.0])
    return InterventionTask(mdp, np.array([0]), 0.1, np.array([[0.5, 0.5]]))


def careless_reference() -> InterventionTask:
    """State 0 goes on or stops with .6, state 1 pays 1 or 0 and stops; the expert goes on, judged by the uniform policy."""
    transition = np.zeros((3, 2, 3))
    transition[0, 0, 1] = transition[0, 1, 2] = 1.0
    transition[1:, :, 2] = 1.0
    mdp = MDP(transition, [[0.0, 0.6], [1.0, 0.0], [0.0, 0.0]], 0.9, [1.0, 0.0, 0.0])
    return InterventionTask(mdp, np.array([0, 0, 0]), 0.0, np.full((3, 2), 0.5), np.full((3, 2), 0.5))


M2, LOOP, CARELESS = two_state_expert(), margin_loop(), careless_reference()
JUDGE_IS_SHARED = {
    "policy_evaluation": "the values by which the expert judges, and with them the interventions, are an input"
}

RLIF = Claim(
    "rlif-zero-intervention",
    title="A policy that is never interrupted is at most the margin over 1 - gamma worse than the expert",
    papers=("luo2023rlif",),
    provenance="our formalisation",
    theorem=None,
    statement=r"""
    A deterministic expert $\pi_E$ steps in at $(s,a)$ if $Q^{\mathrm{ref}}(s,\pi_E(s)) > Q^{\mathrm{ref}}(s,a) + \delta$, and the
    learner's reward is $-I(s,a)$. Then

    (i) the optimal value of that reward is 0; the policies that attain it everywhere are those that are never interrupted,
    the expert among them;

    (ii) with $\mathrm{ref} = \pi_E$ every policy that is never interrupted has $V^\pi \ge V^E - \delta/(1-\gamma)$ in every
    state, and this is tight;

    (iii) the best of them has $V \ge V^E$;

    (iv) for any reference, $V^\pi \ge V^{\mathrm{ref}} + \frac1{1-\gamma}\mathbb E_{d^\pi_s}[Q^{\mathrm{ref}}(\cdot,\pi_E) -
    V^{\mathrm{ref}}] - \frac\delta{1-\gamma}$;

    (v) every policy has $\mu_0^\top(V^E - V^\pi) \le \ell U/(1-\gamma)$ with its disagreement $\ell = \mathbb
    E_{s\sim d^\pi}\Pr(a \ne \pi_E(s))$ and $U = \max_{s,a}(V^E - Q^E)$.

    A policy that is never interrupted in the states that it reaches from $s$ agrees there with one that is never
    interrupted: what is said of $s$ holds for it too.
    """,
    assumptions=(
        Assumption(
            "A1",
            "the policy is never interrupted, for (ii) and (iv)",
            "a policy that is interrupted",
            lambda task: task.patient,
            wider=impatient_task,
        ),
        Assumption(
            "A2",
            "the expert judges by its own value, for (ii)",
            "the expert judges by the values of the uniform policy",
            lambda task: task.judged_by_expert,
            wider=loose_task,
        ),
        Assumption("A3", "the expert is deterministic", DEFINITIONAL),
    ),
    instance_family=intervention_task,
    witnesses=(M2, LOOP),
    instances=100,
)

charges = RLIF.part(
    "(i)",
    "the optimal value of $-I$ is 0, attained by the policies that are never interrupted",
    Equal(optimal_under_charges, never_interrupted),
    resolution=1e-9,
    reason="certificate of policy iteration; an interruption costs 1, which tells the policies apart",
    assumes=(),
    shared=JUDGE_IS_SHARED,
    exact=(exact.optimal_under_charges, exact.never_interrupted),
)
loss = RLIF.part(
    "(ii)",
    r"$V^E - V^\pi \le \delta/(1-\gamma)$ in every state, for the worst policy that is never interrupted",
    AtMost(largest_loss, price),
    resolution=1e-9,
    reason="residuals of solves over 1 - gamma, and ties of action values within 1e-12: 1e-9",
    assumes=("A1", "A2"),
    cross_left=loss_of_worst,
    closed=("right",),
    specified_tightness="1",
    shared=JUDGE_IS_SHARED,
    exact=(exact.largest_loss, exact.price),
)
best = RLIF.part(
    "(iii)",
    r"the best policy that is never interrupted has $V \ge V^E$",
    AtLeast(best_value, expert_value),
    resolution=1e-9,
    reason="residuals of solves over 1 - gamma, and ties of action values within 1e-12: 1e-9",
    assumes=(),
    cross_left=best_by_iteration,
    cross_right=expert_return,
    shared=JUDGE_IS_SHARED,
    exact=(exact.best_value, exact.expert_value),
)
general = RLIF.part(
    "(iv)",
    r"$V^\pi \ge V^{\mathrm{ref}} + \frac1{1-\gamma}\mathbb E_{d^\pi_s}[Q^{\mathrm{ref}}(\cdot,\pi_E) - V^{\mathrm{ref}}] - \frac\delta{1-\gamma}$",
    AtLeast(uninterrupted_values, guaranteed),
    resolution=1e-9,
    reason="residuals of solves over 1 - gamma, and ties of action values within 1e-12: 1e-9",
    family=reference_task,
    witnesses=(M2, LOOP, CARELESS),
    assumes=("A1",),
    cross_left=uninterrupted_returns,
    cross_right=guaranteed_by_values,
    shared=JUDGE_IS_SHARED,
    exact=(exact.uninterrupted_values, exact.guaranteed),
)
dagger = RLIF.part(
    "(v)",
    r"$\mu_0^\top(V^E - V^\pi) \le \ell U/(1-\gamma)$",
    AtMost(start_loss, disagreement_price),
    resolution=1e-9,
    reason="residuals of solves over 1 - gamma: 1e-9",
    assumes=(),
    cross_left=start_loss_by_visits,
    cross_right=disagreement_price_by_values,
    specified_tightness="0.90",
    shared=JUDGE_IS_SHARED,
    exact=(exact.start_loss, exact.disagreement_price),
)


@RLIF.known(M2)
def _(task: InterventionTask) -> Any:
    yield Known("value of the expert", "4.5714285714 7.4285714286", task.judged.value)
    yield Known(
        "action values of the expert", "4.5714285714 6.1714285714 5.7 7.4285714286", task.judged.q, 1e-14
    )
    yield Known("interrupted pairs", "1 0", np.argwhere(task.interrupted))
    found = solvers.policy_iteration(restricted_model(task, 1.0))
    yield Known("best uninterrupted policy", "1 1", found.policy.argmax(axis=1))
    yield Known("its value", "7.9120879121 9.0109890110", found.value)
    yield Known("optimal value", "7.9120879121 9.0109890110", solvers.policy_iteration(task.mdp).value)


@RLIF.known(LOOP)
def _(task: InterventionTask) -> Any:
    yield Known("gap", "1", largest_loss(task).value, 1e-10)
    yield Known("margin over 1 - gamma", "1", price(task).value, 1e-14)


@RLIF.known(CARELESS)
def _(task: InterventionTask) -> Any:
    yield Known("action values that the expert judges by", ".45 .6", task.judged.q[0], 1e-15)
    yield Known("value of the expert", ".9", np.asarray(expert_value(task).value)[0], 1e-15)
    stops = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 0.0]])
    yield Known("value of stopping", ".6", evaluated(task.mdp, stops)[0][0], 1e-15)


# --- what must fail --------------------------------------------------------------------------------------------------


def half_the_price(task: InterventionTask) -> Side:
    """delta / (1 - gamma) with half the margin."""
    return Side(np.asarray(price(task).value) / 2, 1e-14)


def without_the_margin(task: InterventionTask) -> Side:
    """The right side of (iv) without delta / (1 - gamma)."""
    side = guaranteed(task)
    return Side(np.asarray(side.value) + task.margin / (1 - task.mdp.discount), side.error)


def mean_regret_price(task: InterventionTask) -> Side:
    """The mean of V^E - Q^E over actions in the place of the largest."""
    q = task.judged.q
    largest = (task.judged.value[:, np.newaxis] - q).max()
    average = (task.judged.value[:, np.newaxis] - q).mean()
    side = disagreement_price(task)
    return Side(np.asarray(side.value) * average / largest, 1e-12)


def worst_value(task: InterventionTask) -> Side:
    """Least value over the uninterrupted policies."""
    values, _, error = compared_values(task)
    return Side(values.min(axis=0), error)


def under_bonuses(task: InterventionTask) -> Side:
    """Policy iteration on +I, and the policies that are never interrupted."""
    found = solvers.policy_iteration(task.mdp.replace(reward=task.interrupted.astype(float)))
    free = np.asarray(never_interrupted(task).value)[task.mdp.n_states :]
    return Side(np.append(found.value, free), found.certificate.bound)


loss.control("half the margin", kind="constant", instance=LOOP, right=half_the_price, specified="0.5")
loss.control(
    "the expert judges by the values of the uniform policy",
    kind="assumption",
    drops="A2",
    instance=CARELESS,
    specified=".3",
)
loss.control(
    "a policy that is interrupted", kind="assumption", drops="A1", instance=replace(M2, patient=False)
)
best.control("the worst policy in the place of the best", kind="mutation", instance=LOOP, left=worst_value)
general.control("without the margin", kind="constant", instance=LOOP, right=without_the_margin, specified="1")
dagger.control(
    "the mean regret of an action in the place of the largest",
    kind="constant",
    instance=LOOP,
    right=mean_regret_price,
)
charges.control("interventions pay", kind="mutation", instance=M2, left=under_bonuses)


# --- the figure ------------------------------------------------------------------------------------------------------


@RLIF.figure(
    "Value of each policy that is never interrupted less that of the expert, in all states of 60 random models with three "
    "states and three actions, for two margins. The dashed lines are the bounds: no mass lies to the left of its line, and "
    "most of it lies to the right of zero."
)
def _(ax: Any) -> None:
    from mdplab.instances import SeededDraw

    edges = np.linspace(-2.0, 6.0, 81)
    for k, margin in enumerate((0.0, 0.2)):
        gains = []
        for seed in range(60):
            task = intervention_task(SeededDraw(seed))
            task = replace(task, margin=margin, mdp=task.mdp.replace(discount=0.9))
            values, own, _ = compared_values(task)
            gains.append((values - own).ravel())
        ax.hist(
            np.concatenate(gains), edges, density=True, histtype="step", linewidth=2, color=f"C{k}",
            linestyle=("-", "-.")[k], label=rf"$\delta = {margin}$",
        )  # fmt: skip
        ax.axvline(-margin / 0.1, color=f"C{k}", linestyle="--", linewidth=1.2)
    ax.set(xlabel=r"$V^\pi(s) - V^E(s)$", ylabel="density", xlim=(-2.2, 4.0), yscale="log")
    ax.legend()
