"""Behaviour cloning with add-one smoothing (Tiapkin et al. 2024): how far it is from the expert, in expectation.

A count is binomial, and the mean of ``log((n + A) / (k + 1))`` over its law is all that there is to compute.  The bound has an
explicit constant and no logarithm of N; deterministic experts attain it in the limit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from mdplab._typing import FloatArray
from mdplab.claims import DEFINITIONAL, Assumption, AtMost, Claim, Equal, Known, Rate, Side, rounding
from mdplab.numerics import local_slopes
from proofs_check.soft_residual import exact_cloning as exact
from proofs_check.soft_residual.cloning_instances import (
    CloningTask,
    cloning_task,
    four_pairs,
    interior_task,
    small_task,
    three_states,
)
from proofs_check.soft_residual.cloning_routes import (
    both_terms,
    both_terms_trial_by_trial,
    bounds_from,
    chain_laws,
    closed_bound,
    expected_divergence,
    expected_divergence_trial_by_trial,
    learner_bounds,
    learner_bounds_from_paths,
    learner_losses,
    learner_losses_at_once,
    mean_over_data_sets,
    middle_term,
    middle_term_trial_by_trial,
    stacked,
)
from proofs_check.soft_residual.demonstration_routes import number

# --- many demonstrations --------------------------------------------------------------------------------------------


def numbers(task: CloningTask) -> FloatArray:
    """Numbers of demonstrations of the limit."""
    return np.array([640.0, 1280.0, 2560.0])


def last_numbers(task: CloningTask) -> FloatArray:
    """Numbers of demonstrations of the printed slope."""
    return np.array([320.0, 640.0])


def divergences(task: CloningTask, many: Callable[[CloningTask], FloatArray]) -> Side:
    """Exact sums at growing numbers of demonstrations"""
    return stacked(*(expected_divergence(replace(task, count=int(count))) for count in many(task)))


def nothing(task: CloningTask) -> Side:
    """Zero"""
    return Side(0.0)


def scaled_divergences(task: CloningTask) -> Side:
    """Exact sums at growing numbers N of demonstrations, times N"""
    found, many = divergences(task, numbers), numbers(task)
    return Side(many * np.asarray(found.value), many * np.asarray(found.error))


def limit(task: CloningTask, *, of_a_charged_action: float = 0.5) -> Side:
    """Over reachable states and stages: 1/2 for each charged action but one, and 1 for each that is never taken"""
    reached = chain_laws(task) > 0
    charged = (task.expert > 0).sum(axis=2)
    each = of_a_charged_action * (charged - 1) + (task.mdp.n_actions - charged)
    return Side(float(each[reached].sum()))


# --- the claim ------------------------------------------------------------------------------------------------------

COUNTS = (1, 5, 20, 80)
INTERIOR = tuple(three_states(count) for count in COUNTS)
SURE = tuple(three_states(count, deterministic=True) for count in COUNTS)
E2, ALMOST_SURE = four_pairs(), four_pairs(slip=1e-12)
SUMS = "exact binomial sums in double precision"

BC = Claim(
    "demreg-bc-rate",
    title="Add-one behaviour cloning: the expected path divergence is at most S(A-1)H/(N+1)",
    papers=("tiapkin2023demonstration",),
    provenance="our formalisation",
    statement=r"""
    Let $\pi^{BC}_h(a|s) = \frac{N_h(s,a)+1}{N_h(s)+A}$ be cloned from $N$ independent trajectories of a Markov expert
    $\pi^E$ with state laws $d^E_h$ over a horizon $H$. Then
    $$E\,\mathrm{KL}_{traj}(\pi^E\|\pi^{BC}) \le \sum_{h,s} d^E_h(s)\, E\log\frac{n+A}{n+1} \le
      \frac{S(A-1)H}{N+1}, \qquad n \sim \mathrm{Bin}(N, d^E_h(s)).$$
    As $N$ grows, $N\,E\,\mathrm{KL}$ tends to $S_{reach}(A-1)/2$ for an expert that takes all actions and to
    $S_{reach}(A-1)$ for a deterministic one, where $S_{reach}$ is the number of reachable pairs $(h, s)$; so the constant is
    attained. Consequently $E[V^* - V^{\pi^*_\lambda}] \le \varepsilon_E + \lambda S(A-1)H/(N+1)$ for the regularised optimum
    $\pi^*_\lambda$ of the cloned policy, where $\varepsilon_E = V^* - V^{\pi^E}$.
    """,
    assumptions=(
        Assumption("A1", "the trajectories are independent", "one trajectory, seen N times"),
        Assumption("A2", "the expert is Markov", DEFINITIONAL),
    ),
    instance_family=cloning_task,
    witnesses=(*INTERIOR, E2, ALMOST_SURE),
    instances=30,
)

# A deterministic expert makes the first inequality an equality, which no enclosure decides.
BC.part(
    "(middle)",
    r"$E\,\mathrm{KL}_{traj}(\pi^E\|\pi^{BC}) \le \sum_{h,s}d^E_h(s)E\log\frac{n+A}{n+1}$",
    AtMost(expected_divergence, middle_term),
    resolution=1e-12,
    reason=SUMS,
    cross_left=expected_divergence_trial_by_trial,
    cross_right=middle_term_trial_by_trial,
    exact=(exact.expected_divergence, exact.middle_term),
)
bound_part = BC.part(
    "(bound)",
    r"the expected divergence and the middle term are at most $S(A-1)H/(N+1)$",
    AtMost(both_terms, closed_bound),
    resolution=1e-12,
    reason=SUMS,
    witnesses=(*INTERIOR, *SURE, E2, ALMOST_SURE),
    cross_left=both_terms_trial_by_trial,
    closed=("right",),
    specified_tightness="0.68",
    exact=(exact.both_terms, exact.closed_bound),
)
enumeration_part = BC.part(
    "(enumeration)",
    r"the binomial sums are the mean of $\mathrm{KL}_{traj}(\pi^E\|\pi^{BC})$ over all data sets",
    Equal(expected_divergence, mean_over_data_sets),
    resolution=1e-12,
    reason=SUMS,
    family=small_task,
    witnesses=(E2, ALMOST_SURE),
    instances=15,
    exact=(exact.expected_divergence, exact.mean_over_data_sets),
)
rate_part = BC.part(
    "(rate)",
    r"$E\,\mathrm{KL}$ falls like $1/N$",
    Rate(partial(divergences, many=last_numbers), nothing, last_numbers, (-1.02, -0.95)),
    resolution=1e-8,
    reason="rounding over the divergence, in the logarithm",
    quantifier="limit",
    family=interior_task,
    witnesses=(INTERIOR[0], SURE[0]),
    instances=3,
    exact="slopes of logarithms are not certified",
)
constant_part = BC.part(
    "(constant)",
    r"$N\,E\,\mathrm{KL} \to S_{reach}(A-1)/2$, or $S_{reach}(A-1)$ for a deterministic expert, at the rate $1/N$",
    Rate(scaled_divergences, limit, numbers, (-1.1, -0.9)),
    resolution=1e-3,
    reason="rounding over the distance from the limit, in the logarithm",
    quantifier="limit",
    family=interior_task,
    witnesses=(INTERIOR[0], SURE[0]),
    instances=3,
    exact="slopes of logarithms are not certified",
)
consequence_part = BC.part(
    "(consequence)",
    r"$E[V^* - V^{\pi^*_\lambda}] \le \varepsilon_E + \lambda S(A-1)H/(N+1)$, and "
    r"$E[V^* - V^{\pi^*_\lambda} + \lambda\mathrm{KL}(\pi^*_\lambda\|\pi^{BC})] \le \varepsilon_E + "
    r"\lambda E\,\mathrm{KL}(\pi^E\|\pi^{BC})$",
    AtMost(learner_losses, learner_bounds),
    resolution=1e-11,
    reason="rounding of regularised optima, averaged over the data sets",
    family=small_task,
    witnesses=(E2,),
    instances=15,
    cross_left=learner_losses_at_once,
    cross_right=learner_bounds_from_paths,
    exact=(exact.learner_losses, exact.learner_bounds),
)

PRINTED = {
    INTERIOR: (
        "0.5130305870 0.3414223776 0.1489427750 0.0503053946",
        "1.7741231304 1.0710893668 0.3951976365 0.1089150751",
    ),
    SURE: ("1.7684508924 1.0628540042 0.3941310003 0.1088575310", "0.393 0.709 0.920 0.980"),
}


@BC.known(INTERIOR[0])
def _(task: CloningTask) -> Iterator[Known]:
    at_n, ends = f"at N = {', '.join(map(str, COUNTS))}", np.array([160.0, 320.0, 640.0])
    divergence = [number(expected_divergence(t)).value for t in INTERIOR]
    yield Known(f"expected divergence {at_n}", PRINTED[INTERIOR][0], divergence)
    yield Known(f"middle term {at_n}", PRINTED[INTERIOR][1], [number(middle_term(t)).value for t in INTERIOR])
    bounds = [t.closed_bound for t in INTERIOR]
    yield Known(f"bound {at_n}", "4.5 1.5 0.4285714286 0.1111111111", bounds)
    late = np.asarray(divergences(task, lambda _: ends).value)
    yield Known("N times the expected divergence at N = 160, 320, 640", "4.2831 4.3960 4.4487", ends * late)
    yield Known("its limit", "4.5", limit(task).value)
    yield Known("slope between N = 320 and 640", "-0.9828", local_slopes(ends, late)[-1])
    sure = np.array([number(expected_divergence(t)).value for t in SURE])
    yield Known(f"deterministic expert {at_n}", PRINTED[SURE][0], sure)
    yield Known(f"its ratio to the bound {at_n}", PRINTED[SURE][1], sure / bounds)


@BC.known(E2)
def _(task: CloningTask) -> Iterator[Known]:
    yield Known("expected divergence of four pairs", "0.2202784462", expected_divergence(task).value)
    yield Known("the same over all data sets", "0.2202784462", mean_over_data_sets(task).value)
    yield Known("bound of four pairs", "1", task.closed_bound)
    plain, penalised = np.asarray(learner_losses(task).value)
    yield Known("expected suboptimality", "0.0360546853", plain)
    yield Known("expected penalty", "0.1553997147", penalised - plain)
    right = float(np.asarray(learner_bounds(task).value)[1])
    yield Known("right side", "0.4023356892", right)
    gap = right - task.weight * number(expected_divergence(task)).value
    yield Known("gap of the expert", "0.35828", gap)


# --- what must fail -------------------------------------------------------------------------------------------------


def unsmoothed(task: CloningTask) -> Side:
    """All data sets: divergence from the relative frequencies, uniform where nothing was seen; and the middle term"""
    value, middle = number(mean_over_data_sets(task, smoothing=0.0)).value, number(middle_term(task))
    return Side([value, middle.value], [0.0, middle.error], infinities=True)


def one_trajectory_repeated(task: CloningTask) -> Side:
    """One trajectory, seen N times: a state is never visited or N times, always with the same action"""
    d, p, n, actions = task.state_laws, task.expert, task.count, task.mdp.n_actions
    entropy = -np.where(p > 0, p * np.log(np.where(p > 0, p, 1.0)), 0.0).sum(axis=2)
    seen = np.log(n + actions) - np.log(n + 1) * (p**2).sum(axis=2)
    total = float((d * ((1 - d) * np.log(actions) + d * seen - entropy)).sum())
    return stacked(Side(total, rounding(d.sum() * np.log(n + actions), 64)), middle_term(task))


def without_the_gap(task: CloningTask) -> Side:
    """Lambda times the divergences, without the gap of the expert"""
    return bounds_from(task, 0.0, 0.0, expected_divergence(task))


def one_demonstration(task: CloningTask) -> Side:
    """The expected divergence of one demonstration, at all numbers"""
    found = expected_divergence(replace(task, count=1))
    return Side(np.full(2, found.value), found.error)


bound_part.control(
    "half the constant",
    kind="constant",
    instance=SURE[1],
    right=partial(closed_bound, constant=0.5),
    specified="1.0628540042 0.75",
    measure=lambda outcome: (outcome.left[0], outcome.right[0]),
)
bound_part.control("no smoothing", kind="mutation", instance=E2, left=unsmoothed)
bound_part.control(
    "one trajectory, seen N times",
    kind="assumption",
    drops="A1",
    instance=INTERIOR[2],
    left=one_trajectory_repeated,
)
enumeration_part.control(
    "every state seen in every trajectory",
    kind="mutation",
    instance=E2,
    left=partial(expected_divergence, always_visited=True),
)
rate_part.control(
    "one demonstration, whatever their number", kind="mutation", instance=INTERIOR[0], left=one_demonstration
)
constant_part.control(
    "a whole unit for each action that is taken",
    kind="constant",
    instance=INTERIOR[0],
    right=partial(limit, of_a_charged_action=1.0),
)
consequence_part.control(
    "the gap of the expert left out", kind="mutation", instance=E2, right=without_the_gap
)


# --- the figure -----------------------------------------------------------------------------------------------------


@BC.figure(
    r"Expected path divergence of add-one cloning on D3 against the number $N$ of trajectories: for its expert and for a "
    r"deterministic one, with the bound $S(A-1)H/(N+1)$ and the middle term of the proof, which depends on the expert "
    r"through its state laws only. The deterministic expert attains the constant."
)
def _(ax: Any) -> None:
    many = np.unique(np.geomspace(1, 640, 25).astype(int))
    tasks = [(three_states(int(n)), three_states(int(n), deterministic=True)) for n in many]
    ax.loglog(many, [t.closed_bound for t, _ in tasks], "k-", linewidth=2, label="bound")
    ax.loglog(many, [middle_term(t).value for t, _ in tasks], "C2:", linewidth=2.5, label="middle term")
    for which, look, name in ((1, "C1--", "deterministic expert"), (0, "C0-", "expert of D3")):
        values = [expected_divergence(pair[which]).value for pair in tasks]
        ax.loglog(many, values, look, linewidth=2, label=name)
    ax.set(
        xlabel="number $N$ of trajectories",
        ylabel=r"$E\,\mathrm{KL}_{traj}(\pi^E\|\pi^{BC})$ (nats)",
        xlim=(1, 640),
    )
    ax.legend(loc="lower left")
