"""Flow networks by soft control (Tiapkin et al. 2024): pay the log-backward-probability, and objects come in proportion.

Soft control of a deterministic process samples paths in proportion to the exponential of what they are paid.  An object
with many constructions is built too often, unless the constructions share its reward: by a backward policy, paid step by
step, or equally, by dividing the reward among them.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from mdplab._typing import FloatArray
from mdplab.claims import (
    DEFINITIONAL,
    Assumption,
    AtMost,
    Claim,
    Equal,
    Known,
    Method,
    Outcome,
    Side,
    rounding,
)
from mdplab.divergences import total_variation
from mdplab.instances import SeededDraw, flow_networks
from mdplab.operators import flow_policy_log, path_count_backward
from proofs_check.tilting import exact_networks as exact
from proofs_check.tilting import network_entropy as paths
from proofs_check.tilting import network_instances as instances
from proofs_check.tilting import network_routes as by
from proofs_check.tilting.chain_routes import at_the_size, within
from proofs_check.tilting.network_instances import NetworkTask, network_task

# --- the routes -----------------------------------------------------------------------------------------------------


def values_and_policy(task: NetworkTask) -> Side:
    """Soft backward induction: V in all nodes and the log-probability of every step"""
    solution, n = task.corrected, task.network.n_nodes
    logs = by.policy(task, solution)[task.network.steps]
    return Side(np.concatenate((solution.value[0, :n], logs)), by.optimum_error(task, solution))


def flows_by_enumeration(task: NetworkTask) -> Side:
    """Enumeration: log F of the constructions through each node, and the share of each step in it"""
    visits, taken = by.passing(task)
    nodes, steps = by.log_sums(task.log_weights, visits), by.log_sums(task.log_weights, taken)
    return Side(np.concatenate((nodes, steps - nodes[np.argwhere(task.network.steps)[:, 0]])), task.log_error)


def corrected_law(task: NetworkTask, temperature: float = 1.0) -> Side:
    """Soft backward induction with the correction, swept forward: log-law of the objects, and V(0)"""
    solution = task.corrected if temperature == 1 else task.soft_optimum(temperature=temperature)
    return by.sampled(task, solution)


def uncorrected_law(task: NetworkTask) -> Side:
    """Soft backward induction without correction, swept forward: log-law of the objects, and V(0)"""
    return by.sampled(task, task.uncorrected)


def shared_law(task: NetworkTask) -> Side:
    """Soft backward induction with R/n and no correction, swept forward: log-law of the objects, and V(0)"""
    return by.sampled(task, task.shared)


def in_proportion(task: NetworkTask, power: float = 1.0) -> Side:
    """Closed form: log R / sum R, and log sum R"""
    gain = power * np.log(task.network.reward[task.network.objects])
    whole = by.log_sums(gain, np.ones((1, gain.size), dtype=bool))
    return Side(np.append(gain - whole, whole), task.log_error)


def in_proportion_to_paths(task: NetworkTask) -> Side:
    """Enumeration: log n R / sum n R with the number n of constructions of each object, and log sum n R"""
    gain = np.log(task.network.reward[task.network.objects]) + task.counted
    whole = by.log_sums(gain, np.ones((1, gain.size), dtype=bool))
    return Side(np.append(gain - whole, whole), task.log_error)


def range_of_the_laws(task: NetworkTask) -> Side:
    """Soft backward induction: range of the log-ratio of the uncorrected to the corrected law"""
    (first, error), (second, other) = (by.swept(task, s) for s in (task.uncorrected, task.corrected))
    return Side(np.ptp(first - second), 2 * (error + other))


def range_of_the_counts(task: NetworkTask) -> Side:
    """Enumeration: range of the log-number of constructions over the objects"""
    return Side(np.ptp(task.counted), rounding(task.counted.max(), 8))


def shared_policy(task: NetworkTask) -> Side:
    """Soft backward induction with R/n and no correction: log-probability of every step"""
    solution = task.shared
    return Side(by.policy(task, solution)[task.network.steps], by.optimum_error(task, solution))


def policy_of_equal_paths(task: NetworkTask) -> Side:
    """Policy of the flows with the backward policy n(s)/n(t): log-probability of every step"""
    logs = flow_policy_log(path_count_backward(task.network))[task.network.steps]
    return Side(logs, task.log_error + float(rounding(1.0 + np.abs(logs).max(), 16)))


# --- the claim ------------------------------------------------------------------------------------------------------

G4, LOPSIDED = instances.diamond(), instances.lopsided_diamond()

SOFT = Claim(
    "gfn-soft-rl",
    title="Soft control with the backward-policy correction samples objects in proportion to reward; without it, to reward times paths",
    papers=("tiapkin2023gfn", "pan2023gflownets"),
    provenance="our formalisation",
    theorem="flow networks as entropy-regularised control, (a)",
    statement=r"""
    Let a directed acyclic graph have the source 0, rewards $R > 0$ on a stopping set $\mathcal{X}$ and a backward policy
    $P_B(s|s')$ over the parents $s$ of $s'$; let $F(s) = R(s) 1_{\mathcal{X}} + \sum_{s'} F(s') P_B(s|s')$ and let $n(s)$ be the
    number of paths from 0 to $s$. Soft control at temperature 1 without discount has
    $V(s) = \log\big(\sum_{s'} e^{V(s') + e(s,s')} + 1_{\mathcal{X}}(s)\, e^{\mathrm{term}(s)}\big)$, and its policy stops in $x$
    with the probability $P_T(x)$.

    (a) With $e = \log P_B(s|s')$ and $\mathrm{term} = \log R$: $V = \log F$, the policy is $F(s') P_B(s|s') / F(s)$ (to stop:
    $R(s) / F(s)$), $P_T = R / \sum R$ and $V(0) = \log \sum R$;

    (b) with $e = 0$: $P_T \propto n R$ and $V(0) = \log \sum_x n(x) R(x)$; this is the law of (a) if and only if $n$ is constant
    on $\mathcal{X}$: the range of the log-ratio of the two laws is that of $\log n$;

    (c) with $e = 0$ and $\mathrm{term} = \log(R / n)$: $P_T \propto R$ again. This is (a) with $P_B = n(s) / n(s')$; its path
    entropy is $H(R / \sum R) + \sum_x \frac{R(x)}{\sum R} \log n(x)$, the largest among all $P_B$.
    """,
    assumptions=(
        Assumption(
            "A1",
            r"every node is reached from 0 and reaches $\mathcal{X}$",
            "an object that no path reaches",
            lambda task: task.network.is_connected,
            wider=instances.with_orphans,
        ),
        Assumption(
            "A2",
            "$P_B > 0$ on the edges",
            DEFINITIONAL,
            lambda task: bool((task.network.backward.T[task.network.edges] > 0).all()),
        ),
        Assumption(
            "A3",
            "besides the correction only stopping is paid",
            "a step is paid, too",
            lambda task: task.step_reward is None or not task.step_reward.any(),
            wider=instances.paid_steps,
        ),
    ),
    methods=(
        Method(
            "GFlowNets",
            "tilt",
            "KL",
            "the law of constructions against reward times backward law",
        ),
    ),
    instance_family=network_task,
    witnesses=(G4, LOPSIDED),
    instances=80,
)

flow_part = SOFT.part(
    "(a)",
    r"$V = \log F$, and the policy is $F(s')P_B(s|s')/F(s)$, to stop $R(s)/F(s)$",
    Equal(values_and_policy, flows_by_enumeration),
    resolution=within(flows_by_enumeration),
    reason=by.LOG_SPACE,
    exact=(exact.values_and_policy, exact.flows_by_enumeration),
)
law_part = SOFT.part(
    "(a, law)",
    r"$P_T = R/\sum R$ and $V(0) = \log\sum R$",
    Equal(corrected_law, in_proportion),
    resolution=within(in_proportion),
    reason=by.LOG_SPACE,
    exact=(exact.corrected_law, exact.in_proportion),
)
paths_part = SOFT.part(
    "(b)",
    r"without correction $P_T \propto nR$ and $V(0) = \log\sum nR$",
    Equal(uncorrected_law, in_proportion_to_paths),
    resolution=within(in_proportion_to_paths),
    reason=by.LOG_SPACE,
    exact=(exact.uncorrected_law, exact.in_proportion_to_paths),
)
SOFT.part(
    "(b, only if)",
    r"the range of the log-ratio of the laws of (b) and (a) is that of $\log n$ on $\mathcal{X}$",
    Equal(range_of_the_laws, range_of_the_counts),
    resolution=within(range_of_the_counts),
    reason=by.LOG_SPACE,
    exact=(exact.range_of_the_laws, exact.range_of_the_counts),
)
shared_part = SOFT.part(
    "(c)",
    r"with $R/n$ and no correction $P_T = R/\sum R$ and $V(0) = \log\sum R$",
    Equal(shared_law, in_proportion),
    resolution=within(in_proportion),
    reason=by.LOG_SPACE,
    exact=(exact.shared_law, exact.in_proportion),
)
equal_part = SOFT.part(
    "(c, policy)",
    "its policy is that of (a) with $P_B = n(s)/n(s')$",
    Equal(shared_policy, policy_of_equal_paths),
    resolution=within(policy_of_equal_paths),
    reason=by.LOG_SPACE,
    exact=(exact.shared_policy, exact.policy_of_equal_paths),
)
entropy_part = SOFT.part(
    "(c, entropy)",
    r"its path entropy is $H(R/\sum R) + \sum_x \frac{R(x)}{\sum R}\log n(x)$",
    Equal(paths.entropy_of_equal_paths, paths.largest_entropy),
    resolution=within(paths.largest_entropy),
    reason=by.LOG_SPACE,
    exact=(exact.entropy_of_equal_paths, exact.largest_entropy),
)
largest_part = SOFT.part(
    "(c, largest)",
    r"no backward policy has a larger path entropy: given the object it is at most $\log n$ on average",
    AtMost(paths.entropy_given_the_object, paths.expected_log_count),
    resolution=at_the_size(paths.expected_log_count),
    reason=by.LOG_SPACE,
    cross_left=paths.entropy_given_the_object_by_enumeration,
    closed=("right",),
    exact=(exact.entropy_given_the_object, exact.expected_log_count),
)


def law(side: Side) -> FloatArray:
    """Probabilities of the objects."""
    return np.asarray(np.exp(np.asarray(side.value)[:-1]))


@SOFT.known(G4)
def _(task: NetworkTask) -> Iterator[Known]:
    solution = task.corrected
    error = 2 * by.optimum_error(task, solution)
    odds = np.exp(by.policy(task, solution))
    yield Known("flows", "6 1.75 4.25 3", np.exp(solution.value[0, :4]), 6 * error)
    yield Known("policy in 0", "7/24 17/24", odds[0, 1:3], error)
    yield Known("policy in 1: go, stop", "3/7 4/7", odds[1, 3:], error)
    yield Known("policy in 2: go, stop", "9/17 8/17", odds[2, 3:], error)
    yield Known("law of the objects", "1/6 1/3 1/2", law(corrected_law(task)), 3 * error)
    free = task.uncorrected
    error = 2 * by.optimum_error(task, free)
    yield Known("policy in 0, uncorrected", "4/9 5/9", np.exp(by.policy(task, free))[0, 1:3], error)
    yield Known("law, uncorrected", "1/9 2/9 2/3", law(uncorrected_law(task)), 3 * error)
    yield Known("exp V(0), uncorrected", "9", np.exp(free.value[0, 0]), 9 * error)


# --- what must fail -------------------------------------------------------------------------------------------------


def distance(outcome: Outcome) -> float:
    """Total variation between the two laws."""
    return float(total_variation(np.exp(outcome.left[:-1]), np.exp(outcome.right[:-1])))


def laws(outcome: Outcome) -> FloatArray:
    """Both laws."""
    return np.exp(np.concatenate((outcome.left[:-1], outcome.right[:-1])))


def values_without_correction(task: NetworkTask) -> Side:
    """Soft backward induction without correction: V and the log-probability of every step"""
    solution, n = task.uncorrected, task.network.n_nodes
    logs = by.policy(task, solution)[task.network.steps]
    return Side(np.concatenate((solution.value[0, :n], logs)), by.optimum_error(task, solution))


def half_of_the_log_count(task: NetworkTask) -> Side:
    """Half the expected log n."""
    side = paths.expected_log_count(task)
    return Side(np.asarray(side.value) / 2, side.error)


def policy_of_the_given_paths(task: NetworkTask) -> Side:
    """Policy of the flows with the given backward policy"""
    return Side(flow_policy_log(task.network)[task.network.steps], task.log_error)


law_part.control(
    "no correction: distance to R / sum R",
    kind="mutation",
    instance=G4,
    left=uncorrected_law,
    specified="1/6",
    measure=distance,
)
flow_part.control(
    "no correction: values and policy", kind="mutation", instance=G4, left=values_without_correction
)
for temperature, hot, powers in (
    (2.0, "0.209194562673 0.295845787708 0.494959649619", ""),
    (0.5, "0.094117647059 0.376470588235 0.529411764706", "1/14 4/14 9/14"),
):
    law_part.control(
        f"temperature {temperature:g}, against R",
        kind="constant",
        instance=G4,
        left=partial(corrected_law, temperature=temperature),
        specified=f"{hot} 1/6 1/3 1/2",
        measure=laws,
    )
    law_part.control(
        f"temperature {temperature:g}, against R^(1/temperature)",
        kind="constant",
        instance=G4,
        left=partial(corrected_law, temperature=temperature),
        right=partial(in_proportion, power=1 / temperature),
        both="the temperature is changed in the control and in the law that it might sample",
        specified=f"{hot} {powers}" if powers else "",
        measure=laws,
    )
law_part.control(
    "an object that no path reaches",
    kind="assumption",
    drops="A1",
    instance=instances.orphaned(G4.network, 2.0),
)
law_part.control(
    "a step is paid, too",
    kind="assumption",
    drops="A3",
    instance=NetworkTask(G4.network, np.array([[0.0, 1.0, 0.0, 0.0], *np.zeros((3, 4))])),
)
paths_part.control(
    "the reward alone, in the place of reward times paths",
    kind="mutation",
    instance=G4,
    right=in_proportion,
)
shared_part.control("a reward that is not shared", kind="mutation", instance=G4, left=uncorrected_law)
equal_part.control(
    "the given backward policy, not that of the path counts",
    kind="mutation",
    instance=G4,
    right=policy_of_the_given_paths,
)
entropy_part.control(
    "the entropy of the objects alone", kind="mutation", instance=G4, right=paths.entropy_of_the_objects
)
largest_part.control("half of the bound", kind="constant", instance=G4, right=half_of_the_log_count)


# --- the figure -----------------------------------------------------------------------------------------------------


@SOFT.figure(
    r"Log-probability of each object against its log-share of the reward, in forty random networks of eight nodes: soft control "
    r"with the correction $\log P_B$ (left) and without it (right), coloured by the number $n$ of constructions of the object. "
    "Without the correction objects with many constructions come too often.",
    panels=2,
)
def _(axes: Any) -> None:
    tasks = [NetworkTask(flow_networks(SeededDraw(seed), nodes=(8, 8))) for seed in range(40)]
    solutions: tuple[tuple[str, Any], ...] = (
        ("with correction", lambda task: task.corrected),
        ("without correction", lambda task: task.uncorrected),
    )
    counts = np.concatenate([np.exp(task.counted) for task in tasks])
    target = np.concatenate([task.target for task in tasks])
    for ax, (title, solution) in zip(axes, solutions, strict=True):
        found = np.concatenate([by.swept(task, solution(task))[0] for task in tasks])
        drawn = ax.scatter(target, found, c=np.log2(counts), s=14, cmap="viridis", linewidths=0)
        ends = [target.min(), target.max()]
        ax.plot(ends, ends, "k-", linewidth=0.8)
        ax.set(xlabel=r"$\log(R(x)/\sum R)$", ylabel=r"$\log P_T(x)$", title=title)
    axes[1].figure.colorbar(drawn, ax=axes[1], label="$\\log_2 n(x)$")
