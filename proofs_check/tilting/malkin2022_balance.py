"""Balance of flow networks (Malkin et al. 2022): three conditions that agree at zero, and what a residual costs.

The residual of trajectory balance is the log-ratio of the law of constructions to its goal.  So it bounds every distance
of the objects from their rewards, and its mean square, differentiated with the sampling law frozen, pulls like a
reverse divergence.  Flow matching alone says nothing: the rewards do not enter it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from mdplab._typing import FloatArray
from mdplab.claims import Assumption, AtLeast, AtMost, Claim, Equal, Known, Outcome
from mdplab.instances import SeededDraw, flow_networks
from mdplab.operators import flow_matching_residuals
from proofs_check.tilting import balance_instances as instances
from proofs_check.tilting import balance_routes as by
from proofs_check.tilting import exact_balance as exact
from proofs_check.tilting.balance_instances import BalanceTask, balance_task, fork
from proofs_check.tilting.chain_routes import at_the_size, within
from proofs_check.tilting.network_routes import LOG_SPACE

# --- the claim ------------------------------------------------------------------------------------------------------

G4 = instances.halved_diamond()
FORK = fork((1.0, 1.0), 0.1, 10 / 3)
ATTAINED = fork((1.0, 3.0), 0.75, 4.0)
EVEN = replace(fork((1.0, 1.0), 0.5, 8.0), flow=np.array([8.0, 2.0, 2.0]))
LOPSIDED = instances.lopsided_policy()

BALANCE = Claim(
    "gfn-balance",
    title="Flow matching, detailed and trajectory balance agree at zero; a residual gives explicit sampling error",
    papers=("malkin2022trajectory", "malkin2023variational", "pan2023gflownets"),
    provenance="our formalisation",
    theorem="equivalence of the conditions, and the gradient identity (d)",
    statement=r"""
    In a network as in `gfn-soft-rl`, let a complete trajectory $\tau$ end in $x$; its probability $P_F(\tau)$ under a forward
    policy includes the stop, and $\delta(\tau) = \log Z + \log P_F(\tau) - \log R(x) - \log P_B(\tau|x)$.

    (a) The policy of the flows $F$ has $\delta = 0$ with $Z = \sum R$ (trajectory balance),
    $F(s) P_F(s'|s) = F(s') P_B(s|s')$ and $F(x) P_F(\mathrm{stop}|x) = R(x)$ (detailed balance), and
    $F(s') = \sum_s F(s) P_F(s'|s)$ for $s' \ne 0$ (flow matching). Conversely each of the three with positive quantities gives
    $P_T \propto R$, the last two together with the stopping condition $F(x) P_F(\mathrm{stop}|x) = R(x)$.

    (b) For every $P_F > 0$ and $Z > 0$: $Z P_T(x) = R(x)\, E_{P_B(\tau|x)} e^{\delta(\tau)}$.

    (c) With $\varepsilon = \max |\delta|$: $\big|\log P_T(x) - \log\frac{R(x)}{\sum R}\big| \le 2 \varepsilon$,
    $\mathrm{TV} \le \tanh(\varepsilon / 2)$, and both divergences are at most $\varepsilon^2 / 2$. The best $Z$ centres the
    residuals, $\varepsilon = \frac12 \mathrm{range}(\delta)$. If the residuals of detailed balance, on edges and at stops, are at
    most $\varepsilon'$, then $\varepsilon \le (L + 1)\,\varepsilon'$ with $Z = F(0)$ and $L$ edges on the longest path.

    (d) For the softmax of logits $\theta$ and any $Z$, with the sampling law frozen,
    $\nabla_\theta \frac12 E_{\tau} \delta^2 = \nabla_\theta \mathrm{KL}\big(P_F(\tau) \| R(x) P_B(\tau|x) / \sum R\big)$.
    """,
    assumptions=(
        Assumption(
            "A1",
            r"every node is reached from 0 and reaches $\mathcal{X}$",
            "an object that no path reaches",
            lambda task: task.network.is_connected,
            wider=instances.with_unreached_object,
        ),
        Assumption(
            "A2",
            "$P_B > 0$ on the edges",
            "a backward policy that never takes an edge",
            lambda task: bool((task.network.backward.T[task.network.edges] > 0).all()),
            wider=instances.one_way_task,
        ),
        Assumption(
            "A3",
            r"in the converse of (a): the stopping condition $F(x) P_F(\mathrm{stop}|x) = R(x)$",
            "rewards that are not what the flow stops with",
        ),
    ),
    instance_family=balance_task,
    witnesses=(G4, FORK, ATTAINED, EVEN, LOPSIDED),
    instances=60,
)

trajectory_part = BALANCE.part(
    "(a, trajectory)",
    r"$\sum R \cdot P_F(\tau) = R(x) P_B(\tau|x)$ for the policy of the flows",
    Equal(by.forward_weights, by.backward_weights),
    resolution=within(by.backward_weights),
    reason=LOG_SPACE,
    exact=(exact.forward_weights, exact.backward_weights),
)
detailed_part = BALANCE.part(
    "(a, detailed)",
    r"$F(s) P_F(s'|s) = F(s') P_B(s|s')$ and $F(x) P_F(\mathrm{stop}|x) = R(x)$ for the policy of the flows",
    Equal(by.forward_flows, by.backward_flows),
    resolution=within(by.backward_flows),
    reason=LOG_SPACE,
    exact=(exact.forward_flows, exact.backward_flows),
)
matching_part = BALANCE.part(
    "(a, matching)",
    r"$F(s') = \sum_s F(s) P_F(s'|s)$, $s' \ne 0$, for the policy of the flows",
    Equal(by.flows, by.inflows),
    resolution=within(by.flows),
    reason=LOG_SPACE,
    exact=(exact.flows, exact.inflows),
)
converse_part = BALANCE.part(
    "(a, converse)",
    r"whatever $P_F > 0$ and $Z$: rewards that meet one of the three conditions are $\propto P_T$",
    Equal(by.forced_shares, by.enumerated_laws),
    resolution=within(by.enumerated_laws),
    reason=LOG_SPACE,
    exact=(exact.forced_shares, exact.enumerated_laws),
)
moment_part = BALANCE.part(
    "(b)",
    r"$Z P_T(x) = R(x)\, E_{P_B(\tau|x)} e^{\delta(\tau)}$",
    Equal(by.scaled_law, by.reweighted_rewards),
    resolution=within(by.reweighted_rewards),
    reason=LOG_SPACE,
    assumes=("A1", "A2"),
    exact=(exact.scaled_law, exact.reweighted_rewards),
)
ratio_part = BALANCE.part(
    "(c, log)",
    r"$|\log P_T(x) - \log\frac{R(x)}{\sum R}| \le 2\varepsilon$, at the given and at the centring $Z$",
    AtMost(by.log_ratios, by.doubled),
    resolution=at_the_size(by.doubled),
    reason=LOG_SPACE,
    cross_left=by.log_ratios_by_enumeration,
    cross_right=by.doubled_by_recursion,
    exact=(exact.log_ratios, exact.doubled),
)
distance_part = BALANCE.part(
    "(c, distance)",
    r"$\mathrm{TV} \le \tanh(\varepsilon/2)$, at the given and at the centring $Z$",
    AtMost(by.distances, by.hyperbolic),
    resolution=at_the_size(by.hyperbolic),
    reason=LOG_SPACE,
    cross_left=by.distances_by_enumeration,
    cross_right=by.hyperbolic_by_recursion,
    specified_tightness="0.924",
    exact=(exact.distances, exact.hyperbolic),
)
divergence_part = BALANCE.part(
    "(c, divergence)",
    r"$\mathrm{KL}(P_T\|R/\sum R)$ and $\mathrm{KL}(R/\sum R\|P_T)$ are at most $\varepsilon^2/2$",
    AtMost(by.divergences, by.squared),
    resolution=at_the_size(by.squared),
    reason=LOG_SPACE,
    cross_left=by.divergences_by_enumeration,
    cross_right=by.squared_by_recursion,
    exact=(exact.divergences, exact.squared),
)
centre_part = BALANCE.part(
    "(c, centre)",
    r"at the centring $Z$: $\varepsilon = \frac12\mathrm{range}(\delta)$",
    Equal(by.centred_residual, by.half_range),
    resolution=within(by.half_range),
    reason=LOG_SPACE,
    exact=(exact.centred_residual, exact.half_range),
)
best_part = BALANCE.part(
    "(c, best)",
    r"no $Z$ has a smaller $\varepsilon$ than $\frac12\mathrm{range}(\delta)$",
    AtLeast(by.given_residual, by.half_range),
    resolution=at_the_size(by.half_range),
    reason=LOG_SPACE,
    cross_left=by.given_residual_by_recursion,
    cross_right=by.centred_residual,
    exact=(exact.given_residual, exact.half_range),
)
steps_part = BALANCE.part(
    "(c, steps)",
    r"$\varepsilon \le (L+1)\,\varepsilon'$ with $Z = F(0)$",
    AtMost(by.residual_of_the_flow, by.steps_times_residual),
    resolution=at_the_size(by.steps_times_residual),
    reason=LOG_SPACE,
    cross_left=by.residual_of_the_flow_by_recursion,
    closed=("right",),
    exact=(exact.residual_of_the_flow, exact.steps_times_residual),
)
gradient_part = BALANCE.part(
    "(d)",
    r"$\nabla\frac12 E_{\tau}\delta^2$, sampling law frozen, is $\nabla\,\mathrm{KL}(P_F(\tau)\|R P_B/\sum R)$",
    Equal(by.frozen_gradient, by.reverse_divergence_gradient),
    resolution=lambda task: 1e-11 + 1e-9 * by.path_size(task),
    reason="rounding of sums over constructions and of one complex step: 1e-9 at the size of the log-weights",
    exact=(exact.frozen_gradient, exact.reverse_divergence_gradient),
)

BALANCE.reading(
    "flow-matching-alone",
    title="Flow matching alone makes the objects come in proportion to reward",
    statement=r"""
    If $F > 0$ and $P_F$ satisfy $F(s') = \sum_s F(s) P_F(s'|s)$ for all $s' \ne 0$, then $P_T \propto R$. (The rewards do not
    occur in the condition: the flow of any policy matches.)
    """,
    relation=Equal(by.law_of_a_matching_flow, by.target),
    counterexamples=(G4,),
    repair=converse_part,
    resolution=within(by.target),
    reason=LOG_SPACE,
    assumes=("A1", "A2"),
    specified="0.2 0.25 0.55",
    measure=lambda outcome: np.exp(outcome.left),
)


def corner(values: Any) -> FloatArray:
    """Entries of the logits 0 to 1, 1 to 3 and 2 to 3 of the diamond."""
    return np.asarray(values)[[0, 2, 4]]


def distance_and_bound(task: BalanceTask) -> FloatArray:
    """Both sides of the bound on the distance, at the given and at the centring Z."""
    return np.array([by.distances(task).value, by.hyperbolic(task).value])


@BALANCE.known(G4)
def _(task: BalanceTask) -> Iterator[Known]:
    yield Known("law of the objects", "0.2 0.25 0.55", np.exp(by.swept_law(task)), 4 * task.log_error)
    yield Known("centring Z", "4.7434164903", np.exp(task.centred))
    yield Known(
        "residuals of 0-1, 0-2, 0-1-3, 0-2-3",
        "-0.0526802578 -0.5226838871 0.6404669227 -0.6404669227",
        task.residuals_at(task.centred)[[0, 2, 1, 3]],
    )
    yield Known("largest residual", "0.6404669227", by.centred_residual(task).value)
    yield Known("distance", "0.0833333333", np.asarray(by.distances(task).value)[1])
    yield Known("bound of the distance", "0.3097180030", np.asarray(by.hyperbolic(task).value)[1])
    yield Known(
        "divergence of the law from its target", "0.0169643921", np.asarray(by.divergences(task).value)[1, 0]
    )
    yield Known("bound of the divergence", "0.2050989396", np.asarray(by.squared(task).value)[1, 0])
    residuals = flow_matching_residuals(task.network, np.log([1, 0.5, 0.5, 0.55]), task.log_policy)
    yield Known("residuals of flow matching at (1, .5, .5, .55)", "0 0 0 0", residuals, task.log_error)
    # specified from differences as 0.236195863812 and 0.083177661612; exact: 0.23619586385247..., 0.08317766166719...
    frozen = "0.236195863852 0.083177661667 -0.014722879457"
    yield Known("gradient, sampling law frozen", frozen, corner(by.frozen_gradient(task).value))
    yield Known("gradient of the divergence", frozen, corner(by.reverse_divergence_gradient(task).value))


@BALANCE.known(FORK)
def _(task: BalanceTask) -> Iterator[Known]:
    yield Known("distance and its bound, centred", ".4 .5", distance_and_bound(task)[:, 1], 1e-14)


@BALANCE.known(ATTAINED)
def _(task: BalanceTask) -> Iterator[Known]:
    yield Known("exp of the residuals", "3 1/3", np.exp(task.residuals), 1e-14)
    yield Known("distance and its bound", "1/2 1/2", distance_and_bound(task)[:, 0], 1e-14)


# --- what must fail -------------------------------------------------------------------------------------------------


def gradient_corner(outcome: Outcome) -> FloatArray:
    """The three printed entries of the left side."""
    return corner(outcome.left)


def ratio_and_bound(outcome: Outcome) -> FloatArray:
    """Largest log-ratio and what should bound it."""
    return np.array([outcome.left.max(), outcome.right.max()])


gradient_part.control(
    "the sampling law differentiated, too",
    kind="mutation",
    instance=G4,
    left=by.full_gradient,
    specified="0.279893652 0.127169923 -0.009620318",
    measure=gradient_corner,
)
ratio_part.control(
    "the largest residual in the place of its double",
    kind="constant",
    instance=FORK,
    right=partial(by.doubled, factor=1.0),
    specified="1.6094 1.0986",
    measure=ratio_and_bound,
)
trajectory_part.control(
    "soft control without the correction",
    kind="mutation",
    instance=G4,
    left=partial(by.forward_weights, corrected=False),
)
trajectory_part.control(
    "an object that no path reaches", kind="assumption", drops="A1", instance=instances.unreached(G4, 2.0)
)
detailed_part.control(
    "the uncorrected policy in detailed balance",
    kind="mutation",
    instance=G4,
    left=partial(by.forward_flows, corrected=False),
)
matching_part.control(
    "the uncorrected policy in flow matching",
    kind="mutation",
    instance=G4,
    right=partial(by.inflows, corrected=False),
)
converse_part.control(
    "rewards that are not what the flow stops with",
    kind="assumption",
    drops="A3",
    instance=G4,
    left=by.given_shares,
)
moment_part.control(
    "constructions drawn forwards",
    kind="mutation",
    instance=G4,
    right=partial(by.reweighted_rewards, forward=True),
)
moment_part.control(
    "a backward policy that never takes an edge",
    kind="assumption",
    drops="A2",
    instance=instances.one_way(G4),
)
distance_part.control(
    "tanh(eps / 4)", kind="constant", instance=ATTAINED, right=partial(by.hyperbolic, divisor=4.0)
)
divergence_part.control(
    "half of the bound", kind="constant", instance=ATTAINED, right=partial(by.squared, divisor=4.0)
)
centre_part.control(
    "the residual at Z = sum R, not centred", kind="mutation", instance=G4, left=by.given_residual
)
best_part.control("the whole range", kind="constant", instance=G4, right=partial(by.half_range, factor=1.0))
steps_part.control(
    "the stop is not counted", kind="constant", instance=EVEN, right=partial(by.steps_times_residual, stops=0)
)


# --- the figure -----------------------------------------------------------------------------------------------------


@BALANCE.figure(
    r"Total variation between the law of the objects and the rewards against the largest residual $\varepsilon$ of trajectory "
    r"balance at the centring $Z$: random networks whose logits are perturbed by noise of three sizes, and the bound "
    r"$\tanh(\varepsilon/2)$."
)
def _(ax: Any) -> None:
    for number, scale in enumerate((2.0, 0.5, 0.05)):
        found = []
        for seed in range(120):
            draw = SeededDraw([seed, number])
            network = flow_networks(draw)
            task = BalanceTask(
                network, instances.perturbed(draw, network, scale=scale), 1.0, np.ones(network.n_nodes)
            )
            found.append((by.largest_residuals(task)[1], np.asarray(by.distances(task).value)[1]))
        ax.plot(*np.array(found).T, "os^"[number], markersize=3, color=f"C{number}", label=f"noise {scale:g}")
    residuals = np.geomspace(2e-3, 20, 200)
    ax.plot(residuals, np.tanh(residuals / 2), "k-", linewidth=1, label=r"$\tanh(\varepsilon/2)$")
    ax.set(xscale="log", yscale="log", xlabel=r"largest residual $\varepsilon$", ylabel="total variation")
    ax.set(xlim=(2e-3, 20), ylim=(1e-4, 1.5))
    ax.legend()
