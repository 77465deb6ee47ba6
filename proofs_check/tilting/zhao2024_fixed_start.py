"""What a start law that is kept costs a controlled chain (Zhao et al. 2024), and what a penalty on the last law can fix.

The optimal kernels carry the tilt of what follows; the tilt of the start is their common normaliser.  A sampler that
keeps its start law, as a diffusion does, pays that tilt as a divergence.  Charging the last law in the place of the path
law gives the right last law from any start, but says nothing about how the chain gets there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from mdplab._typing import FloatArray
from mdplab.claims import DEFINITIONAL, Assumption, AtMost, Claim, Equal, Known, Outcome, Side
from mdplab.divergences import kl, total_variation
from mdplab.models import MarkovChain
from mdplab.operators import chain_kl, marginals
from proofs_check.tilting import exact_start as exact
from proofs_check.tilting.chain_routes import (
    LOG_SPACE,
    divergence,
    objective,
    partition_error,
    relative_error,
    summed,
    within,
)
from proofs_check.tilting.instances import (
    ChainTask,
    chain_task,
    forgetful_task,
    last_kernel_kept,
    three_state_task,
)
from proofs_check.tilting.start_routes import (
    controlled_marginal_worth,
    controlled_worth,
    end_divergence,
    end_divergence_by_enumeration,
    fixed_end,
    fixed_law,
    fixed_law_by_enumeration,
    fixed_worth,
    fixed_worth_by_enumeration,
    forgetful,
    from_the_start_law,
    log_partition_less_end_divergence,
    log_partition_twice,
    mean_ratio,
    mean_value_less_divergence,
    mean_values,
    one_plus_chi_square,
    shortfall,
    start_divergence,
    tilt,
    tilted_end,
    two_marginal_worths,
)

# --- the claim ------------------------------------------------------------------------------------------------------

C3 = three_state_task(2.0)


def start_is_neutral(task: ChainTask) -> bool:
    """Whether V_0 is constant where the chain starts, up to the error of the recursion."""
    values = task.values[0][task.chain.initial > 0]
    return bool(np.ptp(values) <= 2 * (task.chain.steps + 1) * task.step_error)


START = Claim(
    "tilt-start-and-penalty",
    title="A start law that is kept costs its divergence from the tilted one; a penalty on the last law leaves the path open",
    papers=("zhao2024ctrl",),
    provenance="our formalisation",
    statement=r"""
    In the setting of `tilt-soft-optimal-chain`, with a bounded reward $r$ of the last state, let $q^{\rm fix}$ be the law
    of the optimal kernels $Q^*_t$ from the start law $\nu$ of the chain.

    (a) Among the controlled chains that start from $\nu$ it is the best: each of them has $J = \nu \cdot V_0 -
    \mathrm{KL}(Q \| q^{\rm fix})$, and the shortfall is $\log Z - \nu \cdot V_0 = \mathrm{KL}(\nu \| \mu^*)$. Its path law is
    $p(x_{0:T})\, e^{r(x_T) - V_0(x_0)}$. Its last law is the tilt $q^*_T$ if and only if $V_0$ is constant on the support of
    $\nu$, because $E_{p_T}[q^{\rm fix}_T / q^*_T] = 1 + \chi^2(\nu \| \mu^*)$;

    (b) $\mathrm{KL}(q^{\rm fix}_T \| q^*_T) \le \mathrm{KL}(\nu \| \mu^*)$;

    (c) if the divergence of the last law alone is charged, every controlled chain has $q_T \cdot r - \mathrm{KL}(q_T \| p_T) =
    \log Z - \mathrm{KL}(q_T \| q^*_T)$: the same optimal value and the same optimal last law, from the start law $\nu$, too; but
    every chain with that last law is optimal, for instance $P_t$ for $t < T - 1$ and then a kernel whose rows are all $q^*_T$.
    """,
    assumptions=(
        Assumption("A1", "$r$ is bounded", DEFINITIONAL, lambda task: bool(np.all(np.isfinite(task.reward)))),
        Assumption(
            "A2",
            "(c): the last kernel is unrestricted",
            "the last kernel must be kept",
            lambda task: not task.fixed_end,
            wider=last_kernel_kept,
        ),
        Assumption(
            "A3",
            r"(a), where the last law is the tilt: $V_0$ is constant on the support of $\nu$",
            "tilting the kernels alone",
            start_is_neutral,
            wider=chain_task,
        ),
    ),
    instance_family=chain_task,
    witnesses=(C3, three_state_task(1.0)),
    instances=60,
)

value_part = START.part(
    "(a, value)",
    r"$J(\nu, Q^*) = \nu\cdot V_0$ and $\log Z - \nu\cdot V_0 = \mathrm{KL}(\nu\|\mu^*)$",
    Equal(fixed_worth, fixed_worth_by_enumeration),
    resolution=within(fixed_worth_by_enumeration),
    reason=LOG_SPACE,
    assumes=("A1",),
    exact=(exact.fixed_worth, exact.fixed_worth_by_enumeration),
)
best_part = START.part(
    "(a, best)",
    r"$J(\nu,Q) = \nu\cdot V_0 - \mathrm{KL}(Q\|q^{\rm fix})$ for all kernels $Q$",
    Equal(controlled_worth, mean_value_less_divergence),
    resolution=within(mean_value_less_divergence),
    reason=LOG_SPACE,
    assumes=("A1",),
    exact=(exact.worth_from_the_start_law, exact.mean_value_less_divergence),
)
path_part = START.part(
    "(a, path law)",
    r"$q^{\rm fix}(x_{0:T}) = p(x_{0:T})\,e^{r(x_T)-V_0(x_0)}$, and its last law",
    Equal(fixed_law, fixed_law_by_enumeration),
    resolution=within(fixed_law_by_enumeration),
    reason=LOG_SPACE,
    assumes=("A1",),
    exact=(exact.fixed_law, exact.fixed_law_by_enumeration),
)
only_if_part = START.part(
    "(a, only if)",
    r"$E_{p_T}[q^{\rm fix}_T/q^*_T] = 1 + \chi^2(\nu\|\mu^*)$: above 1 unless $V_0$ is constant where $\nu > 0$",
    Equal(mean_ratio, one_plus_chi_square),
    resolution=within(one_plus_chi_square),
    reason=LOG_SPACE,
    assumes=("A1",),
    exact=(exact.mean_ratio, exact.one_plus_chi_square),
)
if_part = START.part(
    "(a, if)",
    r"$q^{\rm fix}_T = q^*_T$ where $V_0$ is constant on the support of $\nu$",
    Equal(fixed_end, tilt),
    resolution=within(tilt),
    reason=LOG_SPACE,
    family=forgetful_task,
    witnesses=(),
    assumes=("A1", "A3"),
    exact=(exact.fixed_end, exact.tilted_end),
)
bound_part = START.part(
    "(b)",
    r"$\mathrm{KL}(q^{\rm fix}_T\|q^*_T) \le \mathrm{KL}(\nu\|\mu^*)$",
    AtMost(end_divergence, shortfall),
    resolution=lambda task: 1e-9 * (1 + np.abs(np.asarray(shortfall(task).value))),
    reason=LOG_SPACE,
    cross_left=end_divergence_by_enumeration,
    cross_right=start_divergence,
    specified_tightness="0.448",
    assumes=("A1",),
    exact=(exact.end_divergence, exact.start_divergence),
)
marginal_part = START.part(
    "(c, optimum)",
    r"$q_T\cdot r - \mathrm{KL}(q_T\|p_T) = \log Z - \mathrm{KL}(q_T\|q^*_T)$ for every controlled chain",
    Equal(controlled_marginal_worth, log_partition_less_end_divergence),
    resolution=within(log_partition_less_end_divergence),
    reason=LOG_SPACE,
    assumes=("A1",),
    exact=(exact.controlled_marginal_worth, exact.log_partition_less_end_divergence),
)
both_part = START.part(
    "(c, not unique)",
    r"$\log Z$ is attained from $\nu$ by a chain whose last kernel forgets, and by $(\mu^*, Q^*)$",
    Equal(two_marginal_worths, log_partition_twice),
    resolution=within(log_partition_twice),
    reason=LOG_SPACE,
    assumes=("A1", "A2"),
    exact=(exact.two_marginal_worths, exact.log_partition_twice),
)


@START.known(C3)
def _(task: ChainTask) -> Iterator[Known]:
    chain, fixed = task.chain, marginals(from_the_start_law(task))[-1]
    yield Known("mean of V_0", "-1.0276233128", chain.initial @ task.values[0])
    yield Known("shortfall", "0.00646083468", shortfall(task).value)
    yield Known("divergence of the start law", "0.00646083468", kl(chain.initial, task.optimum.initial))
    yield Known("last law from the start law", "0.008607137574 0.263094644657 0.728298217769", fixed)
    yield Known("its distance from the tilt", "0.00349401714", total_variation(fixed, tilted_end(task)))
    yield Known("its divergence from the tilt", "0.0000326436713", end_divergence(task).value)
    yield Known("path divergence of the forgetful chain", "0.64702740509", chain_kl(forgetful(task), chain))
    yield Known("its J", "-1.19987506348", objective(task, forgetful(task))[0])
    yield Known(
        "its marginal objective, and that of the optimum",
        "-1.02116247811 -1.02116247811",
        two_marginal_worths(task).value,
    )
    yield Known("path divergence of the optimum", "0.46831481972", chain_kl(task.optimum, chain))


# --- what must fail -------------------------------------------------------------------------------------------------


def log_partition_for_the_mean(task: ChainTask) -> Side:
    """log Z in the place of the mean of V_0"""
    return Side(np.append(task.path_log_partition, start_divergence(task).value), partition_error(task))


def log_partition_less_divergence(task: ChainTask) -> Side:
    """log Z in the place of the mean of V_0, less the divergence"""
    right = mean_value_less_divergence(task)
    kept = float(task.chain.initial @ mean_values(task))
    return Side(np.asarray(right.value) + task.path_log_partition - kept, right.error)


def tilted_law(task: ChainTask) -> Side:
    """Path law of the optimum, start included"""
    law = np.append(task.path_tilt, summed(task.path_tilt, task.paths.states[:, -1], task.chain.n_states))
    return Side(law, relative_error(task) * law)


def uncontrolled_end_divergence(task: ChainTask) -> Side:
    """Divergence of the last law of the chain itself from the tilt"""
    return Side(*divergence(marginals(task.chain)[-1], marginals(task.optimum)[-1], relative_error(task)))


def distance(outcome: Outcome) -> FloatArray:
    return total_variation(outcome.left, outcome.right)


value_part.control(
    "log Z from the start law",
    kind="mutation",
    instance=C3,
    right=log_partition_for_the_mean,
    specified="0.00646083468",
)
best_part.control(
    "log Z less the divergence", kind="mutation", instance=C3, right=log_partition_less_divergence
)
path_part.control("the tilted path law", kind="mutation", instance=C3, right=tilted_law)
only_if_part.control(
    "no excess", kind="mutation", instance=C3, right=lambda task: Side(1.0, relative_error(task))
)
if_part.control(
    "tilting the kernels alone",
    kind="assumption",
    drops="A3",
    instance=C3,
    specified="0.00349401714",
    measure=distance,
)
bound_part.control("no kernel tilted", kind="mutation", instance=C3, left=uncontrolled_end_divergence)
marginal_part.control(
    "the path penalty",
    kind="mutation",
    instance=replace(C3, controlled=forgetful(C3)),
    left=lambda task: Side(*objective(task, task.controlled)),
    specified="-1.19987506348 -1.02116247811",
    measure=lambda outcome: np.append(outcome.left, outcome.right),
)
both_part.control(
    "the last kernel must be kept", kind="assumption", drops="A2", instance=replace(C3, fixed_end=True)
)


def path_divergence_of_the_forgetful_chain(task: ChainTask) -> Side:
    """Path divergence of the chain whose last kernel forgets"""
    value = chain_kl(forgetful(task), task.chain)
    return Side(value, relative_error(task) * (value + 5))


def path_divergence_of_the_optimum(task: ChainTask) -> Side:
    """Path divergence of the optimum"""
    value = chain_kl(task.optimum, task.chain)
    return Side(value, relative_error(task) * (value + 5))


START.reading(
    "unique-chain",
    title="The optimum of the marginal penalty is unique as a chain",
    statement="Chains with the same marginal objective $\\log Z$ have the same path law, hence the same path divergence.",
    relation=Equal(path_divergence_of_the_forgetful_chain, path_divergence_of_the_optimum),
    counterexamples=(C3,),
    repair=both_part,
    assumes=("A1", "A2"),
    resolution=1e-9,
    reason=LOG_SPACE,
    specified="0.64702740509 0.46831481972",
    measure=lambda outcome: np.append(outcome.left, outcome.right),
)


# --- the figure -----------------------------------------------------------------------------------------------------


@START.figure(
    "Distance between the last law of the optimal kernels from the untilted start and the tilt, on the three-state chain "
    "with ever more steps, and the bound that (b) gives by Pinsker's inequality. As the end forgets the start, both vanish."
)
def _(ax: Any) -> None:
    steps, shown = np.arange(1, 13), np.zeros((2, 12))
    kernel, initial = C3.chain.kernels[0], C3.chain.initial
    for column, length in enumerate(steps):
        task = replace(C3, chain=MarkovChain(initial, kernel, steps=int(length)))
        fixed, best = marginals(from_the_start_law(task))[-1], marginals(task.optimum)[-1]
        shown[:, column] = total_variation(fixed, best), np.sqrt(kl(initial, task.optimum.initial) / 2)
    ax.semilogy(steps, shown[1], "o--", color="C1", label=r"bound $\sqrt{\mathrm{KL}(\nu\|\mu^*)/2}$")
    ax.semilogy(steps, shown[0], "o-", color="C0", label=r"$\mathrm{TV}(q^{\rm fix}_T, q^*_T)$")
    ax.set(xlabel="number of steps $T$", ylabel="distance")
    ax.grid(True)
    ax.legend()
