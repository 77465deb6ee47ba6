"""Trajectories guided by a target policy (Jackson et al. 2024): what law is sampled when whole trajectories are tilted.

Weighing the behaviour's trajectories by the target's probabilities to the power lambda is the best compromise between a high
target likelihood and a small divergence from the data, but among *all* laws of trajectories: it bends the dynamics too, unless
they are deterministic, and the law of the target policy itself is in general nowhere on the path.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from mdplab.claims import (
    DEFINITIONAL,
    Assumption,
    AtMost,
    Claim,
    Equal,
    Known,
    Method,
    Separates,
    Side,
)
from mdplab.divergences import kl, total_variation
from proofs_check.tilting import exact_trajectories as exact
from proofs_check.tilting.chain_routes import LOG_SPACE, within
from proofs_check.tilting.guided_sides import (
    behaviour_slope,
    bending,
    best_and_other,
    covariance,
    decay,
    down,
    down_by_enumeration,
    guided_dynamics,
    law_by_enumeration,
    law_by_recursion,
    law_of_the_local_rule,
    left_over,
    left_over_by_recursion,
    nothing,
    outside,
    partition_less_divergence,
    plain_dynamics,
    ranges_of_values,
    slopes,
    variances,
)
from proofs_check.tilting.trajectory_routes import (
    GuidedTask,
    bandit_task,
    deterministic_task,
    divergence_and_score,
    divergence_and_score_by_enumeration,
    guided_task,
    moments,
    near_certain_guidance,
    two_state_guidance,
)

# --- the claim ------------------------------------------------------------------------------------------------------

K = two_state_guidance()
COLD, HOT = near_certain_guidance(1e3), near_certain_guidance(1e-3)

GUIDED = Claim(
    "policy-guided-trajectories",
    title="Guiding whole trajectories by a target policy tilts their law, bends the dynamics, and in general misses the target law",
    papers=("jackson2024pgd",),
    provenance="our formalisation",
    statement=r"""
    Let $p_\beta(\tau)$ be the law of trajectories of $H$ steps under start $\rho$, dynamics $P$ and behaviour $\beta$, $\pi$ a
    target policy, $\ell_\pi(\tau) = \sum_{h<H} \log \pi(a_h|s_h)$, $\ell_\beta$ likewise, and the guided law
    $q_\lambda(\tau) \propto p_\beta(\tau) e^{\lambda \ell_\pi(\tau)}$. With $V_H = 0$,
    $Q_h(s,a) = \log\beta + \lambda\log\pi + \log\sum_{s'} P(s'|s,a) e^{V_{h+1}(s')}$, $V_h = \mathrm{lse}_a\, Q_h$:

    (a) for every law $q$ of trajectories $\lambda E_q \ell_\pi - \mathrm{KL}(q\|p_\beta) = \log Z -
    \mathrm{KL}(q\|q_\lambda)$, $\log Z = \mathrm{lse}_s(\log\rho + V_0)$: the guided law is the only maximiser;

    (b) it is Markov, with the start $\propto \rho e^{V_0}$, the policy $e^{Q_h - V_h}$ and the dynamics
    $\propto P(s'|s,a)\, e^{V_{h+1}(s')}$;

    (c) $\frac{d}{d\lambda} E \ell_\pi = \mathrm{Var}(\ell_\pi)$ and $\frac{d}{d\lambda} \mathrm{KL}(q_\lambda\|p_\beta) =
    \lambda\, \mathrm{Var}(\ell_\pi)$ under $q_\lambda$, so that both grow with $\lambda \ge 0$;

    (d) the range of $\log$(dynamics$/P$) over the next states is that of $V_{h+1}$ on the support of $P(\cdot|s,a)$, and the
    range of $\log$(policy$/\beta\pi^\lambda$) over the actions that of $\log\sum_{s'} P e^{V_{h+1}}$: the dynamics are bent
    unless $V_{h+1}$ is constant there, never in the last step or if they are deterministic;

    (e) $\frac{d}{d\lambda} E \ell_\beta = \mathrm{Cov}(\ell_\beta, \ell_\pi)$, of either sign; the target law $p_\pi$ is
    $q_\lambda$ for no $\lambda$ in general; as $\lambda \to \infty$ all but the trajectories of largest $\ell_\pi$ vanish, at the
    rate of the gap to the next.
    """,
    assumptions=(
        Assumption(
            "A1",
            r"$\beta, \pi > 0$",
            DEFINITIONAL,
            lambda task: bool(np.all(task.behaviour > 0) and np.all(task.target > 0)),
        ),
        Assumption(
            "A2",
            "deterministic dynamics, or one step (in (d, deterministic) alone)",
            "stochastic dynamics",
            lambda task: task.horizon == 1 or bool(np.all((task.transition == 0) | (task.transition == 1))),
            wider=guided_task,
        ),
    ),
    methods=(
        Method(
            "Policy-guided diffusion", "tilt", "KL", "the law of trajectories against that of the behaviour"
        ),
    ),
    instance_family=guided_task,
    witnesses=(K, COLD, HOT),
    instances=50,
)


def at_the_weight(route: Any) -> Any:
    """1e-9 relative to the largest entry, plus 1e-11 of the weight of the logarithms where that is larger than 1."""
    return lambda task: 1e-11 * max(1.0, task.weight) + 1e-9 * np.abs(np.asarray(route(task).value)).max()


gibbs_part = GUIDED.part(
    "(a)",
    r"$\lambda E_q\ell_\pi-\mathrm{KL}(q\|p_\beta) = \log Z-\mathrm{KL}(q\|q_\lambda)$ for every law $q$",
    Equal(best_and_other, partition_less_divergence),
    resolution=at_the_weight(partition_less_divergence),
    reason=LOG_SPACE,
    assumes=("A1",),
    exact=(exact.best_and_other, exact.partition_less_divergence),
)
markov_part = GUIDED.part(
    "(b)",
    r"start $\propto\rho e^{V_0}$, policy $e^{Q_h-V_h}$, dynamics $\propto Pe^{V_{h+1}}$ give the law $q_\lambda$",
    Equal(law_by_recursion, law_by_enumeration),
    resolution=within(law_by_enumeration),
    reason=LOG_SPACE,
    assumes=("A1",),
    exact=(exact.law_by_recursion, exact.law_by_enumeration),
)
slope_part = GUIDED.part(
    "(c)",
    r"$\frac{d}{d\lambda}E\ell_\pi = \mathrm{Var}(\ell_\pi)$, $\frac{d}{d\lambda}\mathrm{KL} = \lambda\,\mathrm{Var}(\ell_\pi)$",
    Equal(slopes, variances),
    resolution=lambda task: 1e-9 * (1 + np.abs(np.asarray(variances(task).value))),
    reason="complex steps do not truncate: rounding alone, where central differences would leave 1e-6",
    assumes=("A1",),
    exact="derivatives by complex steps",
)
monotone_part = GUIDED.part(
    "(c, monotone)",
    r"$\mathrm{KL}(q_\lambda\|p_\beta)$ and $E\ell_\pi$ are no smaller at $\lambda$ than at $\lambda/2$",
    AtMost(down, divergence_and_score),
    resolution=lambda task: (
        1e-9 * (max(1.0, task.weight) + np.abs(np.asarray(divergence_and_score(task).value)).max())
    ),
    reason=LOG_SPACE,
    cross_left=down_by_enumeration,
    cross_right=divergence_and_score_by_enumeration,
    assumes=("A1",),
    exact=(exact.down, exact.divergence_and_score),
)
bending_part = GUIDED.part(
    "(d)",
    r"$\log$(dynamics$/P$) has the range of $V_{h+1}$, $\log$(policy$/\beta\pi^\lambda$) that of $\log\sum Pe^{V_{h+1}}$",
    Equal(bending, ranges_of_values),
    resolution=at_the_weight(ranges_of_values),
    reason=LOG_SPACE,
    assumes=("A1",),
    exact=(exact.bending, exact.ranges_of_values),
)
straight_part = GUIDED.part(
    "(d, deterministic)",
    "deterministic dynamics, and those of the last step, are left alone",
    Equal(guided_dynamics, plain_dynamics),
    resolution=within(plain_dynamics),
    reason=LOG_SPACE,
    family=deterministic_task,
    witnesses=(bandit_task(1.0), replace(K, horizon=1, steps=K.steps[:1])),
    exact=(exact.guided_dynamics, exact.plain_dynamics),
)
behaviour_part = GUIDED.part(
    "(e)",
    r"$\frac{d}{d\lambda}E\ell_\beta = \mathrm{Cov}(\ell_\beta,\ell_\pi)$",
    Equal(behaviour_slope, covariance),
    resolution=lambda task: 1e-9 * (1 + np.abs(np.asarray(covariance(task).value))),
    reason="complex steps do not truncate",
    assumes=("A1",),
    exact="a derivative by complex steps",
)
GUIDED.part(
    "(e, target)",
    r"for no $\lambda$ is $q_\lambda = p_\pi$: $\log p_\pi/p_\beta$ is no multiple of $\ell_\pi$ plus a constant",
    Separates(nothing, outside, margin=0.1),
    resolution=1e-11,
    reason="rounding of a least-squares fit to 8 trajectories",
    quantifier="exists",
    witnesses=(K,),
    assumes=("A1",),
    exact="a separation by a margin",
)
limit_part = GUIDED.part(
    "(e, limit)",
    r"all but the trajectories of largest $\ell_\pi$ have probability at most $e^{-\lambda\,\mathrm{gap}}$ times their odds",
    AtMost(left_over, decay),
    resolution=lambda task: 1e-9 * (1 + np.asarray(decay(task).value)),
    reason=LOG_SPACE,
    cross_left=left_over_by_recursion,
    closed=("right",),
    assumes=("A1",),
    exact=(exact.left_over, exact.decay),
)


def at(weight: float, task: GuidedTask = K) -> GuidedTask:
    return replace(task, weight=weight)


def from_the_target(task: GuidedTask) -> float:
    """``KL(q_lambda || p_pi)`` by enumeration."""
    found = task.trajectories
    return float(kl(task.law, np.exp(found.environment_log_probability + task.scores[0])))


@GUIDED.known(K)
def _(task: GuidedTask) -> Iterator[Known]:
    tilt = task.tilt
    yield Known("V_0 of state 0", "-1.7842676035", tilt.value[0, 0])
    yield Known("V_1", "-0.967584026262 -0.693147180560", tilt.value[1])
    yield Known("policy of step 0 in state 0", "0.336827060505 0.663172939495", np.exp(tilt.log_policy[0, 0]))
    yield Known(
        "the local rule in state 0",
        "0.368421052632 0.631578947368",
        task.behaviour[0] * task.target[0] / (task.behaviour[0] @ task.target[0]),
    )
    yield Known(
        "dynamics of step 0 from (0, 0)",
        "0.752475247525 0.247524752475",
        np.exp(tilt.log_transition[0, 0, 0]),
    )
    weights = (0, 1, 2, 5, 20)
    numbers = np.array([divergence_and_score(at(w)).value for w in weights])
    yield Known(
        "E l_pi at 0, 1, 2, 5, 20",
        "-2.21910220900 -1.38844305276 -0.94569894001 -0.62282879793 -0.44979424506",
        numbers[:, 1],
    )
    yield Known(
        "KL(q || p_beta) at 0, 1, 2, 5, 20",
        "0 0.39582455071 1.02737335241 2.00969926908 3.52951483557",
        numbers[:, 0],
        1e-14,
    )
    yield Known(
        "KL(q || p_pi) at 0, 1, 2, 5, 20",
        "0.96857459741 0.08981932090 0.04477759956 0.48829844365 1.57758832778",
        [from_the_target(at(w)) for w in weights],
    )
    yield Known(
        "E l_beta at 0, 1, 2",
        "-1.25052761159 -1.69444828257 -1.92829469285",
        [moments(at(w))[0][1] for w in (0, 1, 2)],
    )


# --- what must fail -------------------------------------------------------------------------------------------------

gibbs_part.control(
    "the divergence of the guided law from the other",
    kind="mutation",
    instance=K,
    right=partial(partition_less_divergence, swapped=True),
)
markov_part.control(
    "dynamics left alone, local rule", kind="mutation", instance=K, left=law_of_the_local_rule
)
slope_part.control(
    "the divergence moves as the score",
    kind="constant",
    instance=at(2.0),
    right=partial(variances, factor=1.0),
)
monotone_part.control(
    "twice the weight in the place of half",
    kind="constant",
    instance=K,
    left=lambda task: divergence_and_score(replace(task, weight=2 * task.weight)),
)
bending_part.control(
    "nothing is bent",
    kind="mutation",
    instance=K,
    right=lambda task: Side(np.zeros(12)),
)
straight_part.control(
    "stochastic dynamics",
    kind="assumption",
    drops="A2",
    instance=K,
    specified="0.0475",
    measure=lambda outcome: abs(outcome.left.flat[0] - outcome.right.flat[0]),
)
behaviour_part.control(
    "the variance of l_pi",
    kind="mutation",
    instance=K,
    right=lambda task: Side(np.asarray(variances(task).value)[0]),
)
limit_part.control(
    "twice the gap", kind="constant", instance=bandit_task(5.0), right=partial(decay, speed=2.0)
)


def behaviour_scores(weights: tuple[float, ...]) -> Any:
    """E l_beta at given exponents."""

    def route(task: GuidedTask) -> Side:
        """Sweep under the recursion's law: E l_beta at two exponents"""
        tasks = [at(w, task) for w in weights]
        return Side([moments(t)[0][1] for t in tasks], max(4 * t.relative for t in tasks))

    return route


BANDIT = bandit_task(1.0)
GUIDED.reading(
    "behaviour-likelihood-falls",
    title="The more guidance, the less likely the trajectories under the behaviour",
    statement=r"$E_{q_\lambda} \ell_\beta$ decreases in $\lambda$: from 0 to 1, and from 1 to 2.",
    relation=AtMost(behaviour_scores((1.0, 2.0)), behaviour_scores((0.0, 1.0))),
    counterexamples=(BANDIT,),
    repair=behaviour_part,
    resolution=1e-11,
    reason=LOG_SPACE,
    specified="-0.67301166701 -0.56874921064 -0.52704422809",
    measure=lambda outcome: np.append(outcome.right[:1], outcome.left),
    assumes=("A1",),
)


# --- the figure -----------------------------------------------------------------------------------------------------


@GUIDED.figure(
    r"Two states, two steps. Left: target log-likelihood against closeness to the data as $\lambda$ grows from 0 (right) to 20 "
    r"(left). Right: total variation of the guided dynamics of the first step from $P$, for the four pairs.",
    panels=2,
)
def _(axes: Any) -> None:
    weights = np.linspace(0, 20, 161)
    tasks = [at(w) for w in weights]
    points = np.array([divergence_and_score(task).value for task in tasks])
    axes[0].plot(-points[:, 0], points[:, 1], color="C0")
    for weight in (0, 1, 2, 5, 20):
        x, y = np.asarray(divergence_and_score(at(weight)).value)
        axes[0].plot(-x, y, "o", color="C0")
        axes[0].annotate(rf"$\lambda={weight}$", (-x, y), (5, 5), textcoords="offset points")
    axes[0].set(
        xlabel=r"$-\mathrm{KL}(q_\lambda\,\Vert\,p_\beta)$ (nats)",
        ylabel=r"target log-likelihood $E\,\ell_\pi$",
        xlim=(-3.8, 0.8),
    )
    bent = np.array([total_variation(np.exp(task.tilt.log_transition[0]), K.transition) for task in tasks])
    for pair, style in zip(np.ndindex(2, 2), ("-", "--", "-.", ":"), strict=True):
        axes[1].plot(weights, bent[(slice(None), *pair)], style, label=rf"$(s,a)={pair}$")
    axes[1].set(xlabel=r"weight $\lambda$", ylabel=r"TV of the dynamics to $P$")
    axes[1].legend()
    for ax in axes:
        ax.grid(True)
