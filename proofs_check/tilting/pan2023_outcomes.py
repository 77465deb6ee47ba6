"""Outcome-conditioned flow networks (Pan et al. 2024): a sampler for any reward without training, and its amortised form.

One network for each object sends a unit flow to it.  Flows add, so that the mixture of the policies *in proportion to
reward times state flow* is the policy of the sum, whatever backward policies the networks had.  Fitting its numerator by
regression on sampled outcomes errs by a difference of two divergences.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from mdplab._typing import FloatArray
from mdplab.claims import DEFINITIONAL, Assumption, Claim, Equal, Known, Outcome, Side
from mdplab.divergences import total_variation
from mdplab.instances import SeededDraw
from proofs_check.tilting import exact_outcomes as exact
from proofs_check.tilting import outcome_instances as instances
from proofs_check.tilting import outcome_routes as by
from proofs_check.tilting.chain_routes import within
from proofs_check.tilting.network_routes import LOG_SPACE
from proofs_check.tilting.outcome_instances import OutcomeTask, outcome_task, shared_task

# --- the claim ------------------------------------------------------------------------------------------------------

G4, LOPSIDED = instances.diamond_task(), instances.lopsided_task()

OUTCOMES = Claim(
    "gfn-outcome-conditioned",
    title="Reward conversion of an outcome-conditioned flow network is exact marginalisation of flows; weights need the state flow",
    papers=("pan2023gflownets",),
    provenance="our formalisation",
    theorem="conversion formula, (a)",
    statement=r"""
    For each object $y$ let a flow network have the reward $1\{x = y\}$, flows $F(s|y)$ with $F(0|y) = 1$ and a forward policy
    $P_F(\cdot|s,y)$, to stop included, possibly with a backward policy of its own. Let $r > 0$ be another reward.

    (a) $P^r_F(s'|s) = \frac{\sum_y r(y) F(s|y) P_F(s'|s,y)}{\sum_y r(y) F(s|y)}$ stops with the law $r / \sum r$ and has the flow
    $F^r(s) = \sum_y r(y) F(s|y)$ (terms without flow are left out); with one backward policy for all it is the policy of the
    network with the reward $r$;

    (b) the law and the flow are the same with backward policies that depend on the outcome;

    (c) let $\log N(s'|s)$ be fitted by least squares to $\log[r(y) F(s|y) P_F(s'|s,y)] - \log Q(y|s,s')$ over $y \sim \mu$. With
    the exact numerator $N^*$ and $p(y) \propto r(y) F(s|y) P_F(s'|s,y)$,
    $$\log N = \log N^* + \mathrm{KL}(\mu \| Q) - \mathrm{KL}(\mu \| p),$$
    exact if and only if the two divergences are equal, in particular for $Q = p$.
    """,
    assumptions=(
        Assumption(
            "A1",
            "each conditioned network is exact: its flows are those of its policy, which reaches $y$ with probability 1",
            "errors of the log-flows",
            lambda task: task.noise is None or not task.noise.any(),
            wider=instances.noisy_task,
        ),
        Assumption(
            "A2",
            r"(c): $\mu$ and $Q$ live on the outcomes with positive flow through $(s, s')$",
            DEFINITIONAL,
            lambda task: bool(
                task.sampling.size == task.model.size == task.through.sum() and (task.sampling > 0).all()
            ),
        ),
    ),
    instance_family=outcome_task,
    witnesses=(G4, LOPSIDED),
    instances=60,
)

shared_part = OUTCOMES.part(
    "(a)",
    r"one backward policy for all: the conversion stops with the law $r/\sum r$ and has the flow $\sum_y r(y) F(s|y)$",
    Equal(by.converted, by.marginal),
    resolution=within(by.marginal),
    reason=LOG_SPACE,
    family=shared_task,
    assumes=("A1",),
    exact=(exact.converted, exact.marginal),
)
policy_part = OUTCOMES.part(
    "(a, policy)",
    "one backward policy for all: the conversion is the policy of the network with the reward $r$",
    Equal(by.converted_policy, by.soft_policy),
    resolution=within(by.soft_policy),
    reason=LOG_SPACE,
    family=shared_task,
    assumes=("A1",),
    exact=(exact.converted_policy, exact.soft_policy),
)
own_part = OUTCOMES.part(
    "(b)",
    "backward policies that depend on the outcome: the same law, and the flows add",
    Equal(by.converted, by.marginal),
    resolution=within(by.marginal),
    reason=LOG_SPACE,
    assumes=("A1",),
    exact=(exact.converted, exact.marginal),
)
fit_part = OUTCOMES.part(
    "(c)",
    r"$\log N = \log N^* + \mathrm{KL}(\mu\|Q) - \mathrm{KL}(\mu\|p)$",
    Equal(by.fitted_numerator, by.shifted_numerator),
    resolution=within(by.shifted_numerator),
    reason=LOG_SPACE,
    exact=(exact.fitted_numerator, exact.shifted_numerator),
)
posterior_part = OUTCOMES.part(
    "(c, posterior)",
    r"$\log N = \log N^*$ for $Q = p$, whatever $\mu$",
    Equal(by.fitted_with_the_posterior, by.exact_numerator),
    resolution=within(by.exact_numerator),
    reason=LOG_SPACE,
    exact=(exact.fitted_with_the_posterior, exact.exact_numerator),
)


def law(values: Any, task: OutcomeTask = G4) -> FloatArray:
    """Probabilities of the objects."""
    return np.asarray(np.exp(np.asarray(values)[: task.outcomes.size]))


@OUTCOMES.known(G4)
def _(task: OutcomeTask) -> Iterator[Known]:
    flow, error = np.exp(task.log_flow), task.log_error
    for row, printed in enumerate(("1 1 0 0", "1 0 1 0", "1 .25 .75 1")):
        yield Known(f"flows to object {row + 1}", printed, flow[row], error)
    odds = np.exp(np.asarray(by.converted_policy(task).value))
    error = by.converted_error(task)
    yield Known("policy in 0", "7/24 17/24", odds[:2], error)
    yield Known("stops in 1 and in 2", "4/7 8/17", odds[[3, 5]], error)
    yield Known("law of the objects", "1/6 1/3 1/2", law(by.converted(task).value), 4 * error)


# --- what must fail -------------------------------------------------------------------------------------------------


def law_of_the_left(outcome: Outcome) -> FloatArray:
    """Law of the objects on the left side."""
    return law(outcome.left)


def stops_of_the_left(outcome: Outcome) -> FloatArray:
    """Probabilities to stop in 1 and in 2 on the left side."""
    return np.asarray(np.exp(outcome.left[[3, 5]]))


def fitted_with_an_equal_model(task: OutcomeTask) -> Side:
    """The fit with equal probabilities in the place of Q."""
    return by.fitted_numerator(replace(task, model=np.full(task.model.size, 1 / task.model.size)))


for part in (shared_part, own_part):
    part.control(
        f"weights r(y) without the flow, part {part.name}",
        kind="mutation",
        instance=G4,
        left=by.converted_without_the_flow,
        specified="0.0729166667 0.2833333333 0.64375",
        measure=law_of_the_left,
    )
policy_part.control(
    "weights r(y) without the flow: stops in 1 and in 2",
    kind="mutation",
    instance=G4,
    left=by.policy_without_the_flow,
    specified=".25 .4",
    measure=stops_of_the_left,
)
own_part.control(
    "errors of the log-flows",
    kind="assumption",
    drops="A1",
    instance=replace(G4, noise=np.array([[0.0, 0.5, 0.0, 0.0], *np.zeros((2, 4))])),
)
fit_part.control("the fit taken to be exact", kind="mutation", instance=G4, right=by.exact_numerator)
fit_part.control(
    "both divergences added",
    kind="mutation",
    instance=G4,
    right=partial(by.shifted_numerator, sign=1.0),
)
posterior_part.control(
    "equal probabilities in the place of p", kind="mutation", instance=G4, left=fitted_with_an_equal_model
)


# --- the figure -----------------------------------------------------------------------------------------------------


@OUTCOMES.figure(
    r"Total variation between the law of the converted sampler and $r/\sum r$ against the size of normal errors of $\log F(s|y)$: "
    "the diamond (mean over forty errors) and random networks (band from the tenth to the ninetieth percentile). Without errors "
    "the conversion is exact; dotted: the diamond with weights that leave the flow out."
)
def _(ax: Any) -> None:
    sizes = np.linspace(0, 2, 21)

    def distance(task: OutcomeTask) -> float:
        return float(total_variation(law(by.converted(task).value, task), np.exp(task.base.target)))

    def curve(task: OutcomeTask, seed: int) -> FloatArray:
        noise = SeededDraw(seed).normal((task.outcomes.size, task.network.n_nodes))
        return np.array([distance(replace(task, noise=size * noise)) for size in sizes])

    found = [curve(outcome_task(SeededDraw(seed)), seed) for seed in range(60)]
    ax.fill_between(sizes, *np.percentile(found, (10, 90), axis=0), color="0.85", label="random networks")
    ax.plot(sizes, np.mean([curve(G4, seed) for seed in range(40)], axis=0), "C0-", label="diamond")
    wrong = total_variation(law(by.converted_without_the_flow(G4).value), np.exp(G4.base.target))
    ax.axhline(float(wrong), color="C1", linestyle="dotted", label="weights without the flow")
    ax.set(xlabel=r"standard deviation of the error of $\log F(s|y)$", ylabel="total variation")
    ax.set(xlim=(0, 2), ylim=(0, None))
    ax.legend()
