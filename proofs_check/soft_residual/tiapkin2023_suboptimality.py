"""Demonstration-regularised control (Tiapkin et al. 2024): what a cloned policy of an expert is worth to a learner.

Two uses of the identity of the regularised gap, for the expert and for what the learner returns, split the suboptimality
without any loss; the inequality leaves two terms out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.claims import (
    AtMost,
    Claim,
    Equal,
    Known,
    Method,
    Side,
    rounding,
)
from mdplab.models import FiniteHorizonMDP
from mdplab.operators import stage_occupancy
from proofs_check.soft_residual import exact_demonstrations as exact
from proofs_check.soft_residual.demonstration_instances import (
    DemonstrationTask,
    Number,
    mean,
    output_task,
    three_state_task,
    within,
)
from proofs_check.soft_residual.demonstration_routes import (
    COLD,
    FULL_SUPPORT,
    HOT,
    ROUNDING,
    SURE,
    best_by_maxima,
    combined,
    divergence_from_the_optimum,
    number,
)

# --- the routes --------------------------------------------------------------------------------


class Terms(NamedTuple):
    """Returns from the start law: best, regularised best, and of output and expert without and with the penalty."""

    best: Number
    regularised_best: Number
    output: Number
    penalised_output: Number
    expert: Number
    penalised_expert: Number


def log_output(task: DemonstrationTask) -> FloatArray:
    """Log-probabilities of what the learner returns: any policy, so its own errors do not count."""
    if task.output is None:
        return task.roots.log_policy
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(task.output))


def backward(task: DemonstrationTask) -> Terms:
    """All terms by certified backward recursions."""
    hard = task.at_the_start(solvers.backward_induction(task.mdp))
    output = np.exp(log_output(task))
    evaluated = (
        task.at_the_start(task.evaluation(policy, temperature))
        for policy in (output, task.expert)
        for temperature in (0.0, task.temperature)
    )
    return Terms(hard, task.at_the_start(task.optimum), *evaluated)


def forward(task: DemonstrationTask) -> Terms:
    """All terms but the optima by forward sweeps; the regularised optimum by roots, the other by maxima."""
    mdp, found = task.mdp, [best_by_maxima(task.mdp)]
    found.append(mean(mdp, task.roots.value[0], float(task.roots.value_errors[0])))
    rewards = np.array([mdp.stage_reward(h) for h in range(mdp.horizon)])
    with np.errstate(divide="ignore"):
        policies = (log_output(task), np.log(task.expert))
    for logs in policies:
        gain = float((stage_occupancy(mdp, np.exp(logs)) * rewards).sum())
        plain = Number(gain, float(rounding(mdp.horizon * np.abs(rewards).max(), task.sweep)))
        cost = task.divergence(logs, task.log_reference)
        scaled = Number(task.temperature * cost.value, 1.01 * task.temperature * cost.error)
        found += [plain, combined((1, plain), (-1, scaled))]
    return Terms(*found)


def loss_with_penalty(task: DemonstrationTask) -> Side:
    """Backward recursions: V* - V^out + lambda KL(out | BC)"""
    terms = backward(task)
    return Side(*combined((1, terms.best), (-1, terms.penalised_output)))


def three_terms(task: DemonstrationTask) -> Side:
    """Forward sweeps: expert gap, optimisation gap, and lambda times the difference of the divergences of the expert"""
    found = bound_of(forward(task))
    return Side(*combined((1, found), (-1, number(divergence_from_the_optimum(task)))))


def bound_of(terms: Terms) -> Number:
    """``epsilon_E + epsilon_RL + lambda KL(expert | BC)``."""
    expert = combined((1, terms.best), (-1, terms.expert))
    learning = combined((1, terms.regularised_best), (-1, terms.penalised_output))
    cloning = combined((1, terms.expert), (-1, terms.penalised_expert))
    return combined((1, expert), (1, learning), (1, cloning))


def losses(task: DemonstrationTask, terms: Callable[[DemonstrationTask], Terms]) -> Side:
    """Suboptimality of the output, without and with its penalty"""
    found = terms(task)
    plain = combined((1, found.best), (-1, found.output))
    penalised = combined((1, found.best), (-1, found.penalised_output))
    return Side([plain.value, penalised.value], [plain.error, penalised.error])


def bound(task: DemonstrationTask, terms: Callable[[DemonstrationTask], Terms]) -> Side:
    """Expert gap, optimisation gap and lambda times the divergence of the expert from the cloned policy"""
    found = bound_of(terms(task))
    return Side([found.value] * 2, found.error)


# --- the claim -----------------------------------------------------------------------------------------------

TEMPERATURES = (0.05, 0.3, 2.0)
OPTIMAL = tuple(three_state_task(temperature) for temperature in TEMPERATURES)
ANOTHER_OUTPUT = three_state_task(0.3, output=OPTIMAL[1].reference[:, ::-1])
BANDIT = DemonstrationTask(
    FiniteHorizonMDP(np.ones((1, 2, 1)), [[0.0, 1.0]], 1, initial=[1.0]),
    np.array([[[1 - 1e-6, 1e-6]]]),
    np.array([[[0.5, 0.5]]]),
    0.1,
)

SUB = Claim(
    "demreg-suboptimality",
    title="Suboptimality is the expert's gap, the optimisation gap and a difference of path divergences",
    papers=("tiapkin2023demonstration",),
    provenance="our formalisation",
    theorem="the inequality as in the paper (its decomposition), the identity our formalisation",
    statement=r"""
    Let $\pi^E$ be any policy, $\varepsilon_E = V^* - V^{\pi^E}$, and let a learner return any $\hat\pi$ with
    $\varepsilon_{RL} = V^*_\lambda - V^{\hat\pi}_\lambda$, all from the start law. Then
    $$V^* - V^{\hat\pi} + \lambda\,\mathrm{KL}_{traj}(\hat\pi\|\pi^{BC}) = \varepsilon_E + \varepsilon_{RL} +
      \lambda\big[\mathrm{KL}_{traj}(\pi^E\|\pi^{BC}) - \mathrm{KL}_{traj}(\pi^E\|\pi^*_\lambda)\big],$$
    hence $V^* - V^{\hat\pi} \le \varepsilon_E + \varepsilon_{RL} + \lambda\,\mathrm{KL}_{traj}(\pi^E\|\pi^{BC})$,
    with the constant one.
    """,
    assumptions=(FULL_SUPPORT,),
    methods=(
        Method(
            "Demonstration-regularised RL",
            "tilt",
            "KL",
            "the law of trajectories against that of the cloned policy",
        ),
    ),
    instance_family=output_task,
    witnesses=(*OPTIMAL, ANOTHER_OUTPUT, BANDIT, COLD, HOT, SURE),
    instances=150,
)

identity_part = SUB.part(
    "(identity)",
    r"$V^* - V^{\hat\pi} + \lambda\mathrm{KL}(\hat\pi\|\pi^{BC}) = \varepsilon_E + \varepsilon_{RL} + "
    r"\lambda[\mathrm{KL}(\pi^E\|\pi^{BC}) - \mathrm{KL}(\pi^E\|\pi^*_\lambda)]$",
    Equal(loss_with_penalty, three_terms),
    resolution=within,
    reason=ROUNDING,
    exact=(exact.loss_with_penalty, exact.three_terms),
)
bound_part = SUB.part(
    "(bound)",
    r"$V^* - V^{\hat\pi}$, also with $\lambda\mathrm{KL}(\hat\pi\|\pi^{BC})$ added, is at most "
    r"$\varepsilon_E + \varepsilon_{RL} + \lambda\mathrm{KL}(\pi^E\|\pi^{BC})$",
    AtMost(partial(losses, terms=backward), partial(bound, terms=forward)),
    resolution=within,
    reason=ROUNDING,
    cross_left=partial(losses, terms=forward),
    cross_right=partial(bound, terms=backward),
    specified_tightness="0.992",
    exact=(exact.losses, exact.bound),
)

PRINTED = (
    "0.0009540797 0.0944918783 0.4820072000 0.0224075510 0.4089687930",
    "0.1341662409 0.3241170672 0.4820072000 0.1344453059 0.1581691977",
    "0.8123016968 0.1101554076 0.4820072000 0.8963020391 0.4558521347",
)


def terms_of_the_identity(task: DemonstrationTask) -> FloatArray:
    """Suboptimality, penalty of the output, expert gap, and lambda times the two divergences of the expert."""
    found = forward(task)
    return np.array(
        [
            found.best.value - found.output.value,
            found.output.value - found.penalised_output.value,
            found.best.value - found.expert.value,
            found.expert.value - found.penalised_expert.value,
            divergence_from_the_optimum(task).value,
        ]
    )


for known_task, digits in zip(OPTIMAL, PRINTED, strict=True):

    @SUB.known(known_task)
    def _(task: DemonstrationTask, digits: str = digits) -> Iterator[Known]:
        name = f"suboptimality, penalty, expert gap and divergences of the expert at {task.temperature:g}"
        yield Known(name, digits, terms_of_the_identity(task))


@SUB.known(BANDIT)
def _(task: DemonstrationTask) -> Iterator[Known]:
    yield Known("suboptimality on the bandit", "0.9784482222", terms_of_the_identity(task)[0])
    yield Known("bound on the bandit", "1.1214608598", bound_of(forward(task)).value)


# --- what must fail -------------------------------------------------------------------------------------------------


def bound_with_exchanged_divergence(task: DemonstrationTask) -> Side:
    """The bound with the divergence of the cloned policy from the expert"""
    terms = forward(task)
    swapped = task.divergence(task.log_reference, np.log(task.expert))
    gaps = combined(
        (1, terms.best), (-1, terms.expert), (1, terms.regularised_best), (-1, terms.penalised_output)
    )
    return Side([gaps.value + task.temperature * swapped.value] * 2, gaps.error + swapped.error)


def without_the_divergence_of_the_optimum(task: DemonstrationTask) -> Side:
    """Forward sweeps: the bound in the place of the three terms"""
    return Side(*bound_of(forward(task)))


bound_part.control(
    "the divergence of the cloned policy from the expert",
    kind="mutation",
    instance=BANDIT,
    right=bound_with_exchanged_divergence,
    specified="0.9784482222 0.5693132365",
    measure=lambda outcome: (outcome.left[0], outcome.right[0]),
)
identity_part.control(
    "the divergence of the expert from the optimum left out",
    kind="mutation",
    instance=OPTIMAL[1],
    right=without_the_divergence_of_the_optimum,
    specified="0.1581691977",
)


# --- the figure -----------------------------------------------------------------------------------------------------


@SUB.figure(
    r"The bound $\varepsilon_E + \lambda\mathrm{KL}_{traj}(\pi^E\|\pi^{BC})$ (line) on the suboptimality of the regularised "
    r"optimum of D3, against $\lambda$, and what the identity says that it is made of: the suboptimality (lowest area), the "
    r"penalty of the optimum, and the divergence of the expert from it. The areas fill the bound exactly.",
)
def _(ax: Any) -> None:
    grid = np.geomspace(0.02, 3.0, 61)
    rows = np.array([terms_of_the_identity(three_state_task(float(x))) for x in grid])
    labels = (
        r"$V^* - V^{\pi^*_\lambda}$",
        r"$\lambda\mathrm{KL}(\pi^*_\lambda\|\pi^{BC})$",
        r"$\lambda\mathrm{KL}(\pi^E\|\pi^*_\lambda)$",
    )
    areas = rows[:, [0, 1, 4]].T
    polygons = ax.stackplot(grid, areas, labels=labels, colors=("C0", "C1", "C2"), alpha=0.75)
    for polygon, hatch in zip(polygons, ("", "//", ".."), strict=True):
        polygon.set(hatch=hatch, edgecolor="white")
    line = r"$\varepsilon_E + \lambda\mathrm{KL}(\pi^E\|\pi^{BC})$"
    ax.plot(grid, rows[:, 2] + rows[:, 3], "k-", linewidth=2, label=line)
    ax.set(
        xscale="log",
        ylim=(0, None),
        xlim=(grid[0], grid[-1]),
        xlabel=r"weight $\lambda$ of the divergence",
        ylabel="loss and its parts",
    )
    ax.legend(loc="upper left")
