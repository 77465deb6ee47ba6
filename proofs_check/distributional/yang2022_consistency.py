"""Conditioning on a latent (Yang, Schuurmans, Abbeel, Nachum 2022): consistent iff it knows nothing of the dice.

A policy conditioned on a latent reproduces the trajectories that had this latent, as far as the actions decide.  What
the latent says about the outcomes beyond history and action is lost when the policy runs: this conditional
information is exactly the divergence between what is asked for and what is obtained, and so bounds the value missed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from mdplab._typing import FloatArray
from mdplab.claims import Assumption, AtMost, Claim, Equal, Known, Outcome, Side, rounding
from mdplab.instances import SeededDraw
from mdplab.laws import mutual_information
from proofs_check.distributional import exact_latent as exact
from proofs_check.distributional.latent_laws import label, over
from proofs_check.distributional.latent_tasks import (
    BY_FIRST_ACTION,
    BY_RETURN,
    LUCKY,
    WEAKLY_BY_RETURN,
    LatentTask,
    confounded_task,
    controllable_task,
    labelled_by_return,
    noisy_task,
    places,
)

OPERATIONS = 400
"""More than the rounded operations on the way to one entry: sums of at most 36 positive products, three times nested."""

# --- routes ---------------------------------------------------------------------------------------------------------


def divergences_by_trajectories(task: LatentTask) -> Side:
    """Enumeration: divergence of the law given z from that of the conditioned policy, trajectory by trajectory; average"""
    tau = task.trajectories
    index = places(tau)
    labels = label(task.laws)[index]
    with np.errstate(divide="ignore"):
        log_law = np.log(task.model.law)
    chance = log_law[0, index[0], index[1]] + log_law[tau.states[:, 1], index[2], index[3]]
    values, sizes = [], []
    for z in task.possible:
        mass = tau.probability * labels[:, z]
        charged = mass > 0
        law = mass[charged] / mass.sum()
        log_ran = chance + tau.conditioned_action_log_probability(labels[:, z]).sum(axis=1)
        values.append(law @ (np.log(law) - log_ran[charged]))
        sizes.append(1 + law @ (np.abs(np.log(law)) + np.abs(log_ran[charged])))
    value = np.append(values, task.probability @ values)
    return Side(value, rounding(np.append(sizes, task.probability @ sizes), OPERATIONS))


def divergences_by_stage(task: LatentTask, *, stages: int = 2) -> Side:
    """Chain rule: information between outcome and latent given history and action, stage by stage; mutual information"""
    value, size, average = np.zeros(task.possible.size), np.ones(task.possible.size), 0.0
    for table in (task.joint.sum(axis=(2, 3)), task.joint)[:stages]:
        masses, logs = _stage_log_ratios(task, table)
        axes, logs = tuple(range(masses.ndim - 1)), np.where(masses > 0, logs, 0.0)
        value += (masses * logs).sum(axis=axes)
        size += (masses * np.abs(logs)).sum(axis=axes)
        for rows in table.reshape(-1, *table.shape[-2:]):
            if rows.sum() > 0:
                average += rows.sum() * mutual_information(rows / rows.sum())
    deep = 1 + float(np.abs(np.log(task.joint[task.joint > 0])).max())
    error = np.append(rounding(size, OPERATIONS), rounding(deep, OPERATIONS))
    return Side(np.append(value, average), error)


def _stage_log_ratios(task: LatentTask, table: FloatArray) -> tuple[FloatArray, FloatArray]:
    """``p(h, a, o | z)`` and ``log p(o | h, a, z) / p(o | h, a)`` from ``p(h, a, o, z)``; zero where 0 / 0."""
    told = over(table, table.sum(axis=-2, keepdims=True))
    whole = table.sum(axis=-1, keepdims=True)
    blind = over(whole, whole.sum(axis=-2, keepdims=True))
    with np.errstate(divide="ignore"):
        logs = np.log(over(told, blind, 1)[..., task.possible])
    return table[..., task.possible] / task.probability, logs


def asked_for(task: LatentTask) -> Side:
    """Tables: p(trajectory | z) and E[R | z], for every possible z"""
    value = np.append(task.given.ravel(), task.mean_return(task.given))
    return Side(value, rounding(np.maximum(np.abs(value), 1e-300), 2 * OPERATIONS))


def obtained(task: LatentTask, *, trust: float = 1.0) -> Side:
    """Enumeration: law and value of the conditioned policy run in the environment, for every possible z"""
    laws, values = np.zeros(task.given.shape), []
    deep = 1.0
    for column, z in enumerate(task.possible):
        tau = task.ran(int(z), trust)
        laws[(*places(tau), np.full(tau.n_trajectories, column))] = tau.probability
        values.append(tau.probability @ tau.returns)
        deep = max(deep, float(np.abs(tau.log_probability).max()))
    value = np.append(laws.ravel(), values)
    return Side(value, rounding((1 + deep) * np.maximum(np.abs(value), 1e-300), 2 * OPERATIONS))


def gaps_by_tables(task: LatentTask) -> Side:
    """Tables: |V(pi_z) - E[R | z]|"""
    value = task.mean_return(task.obtained() - task.given)
    return Side(np.abs(value), rounding(2 * task.span, 2 * OPERATIONS))


def gaps_by_running(task: LatentTask) -> Side:
    """Enumeration: |V(pi_z) - E[R | z]|, the policy run and the data re-weighted"""
    tau, values = task.trajectories, []
    labels, deep = label(task.laws)[places(tau)], 1.0
    for z in task.possible:
        mass, ran = tau.probability * labels[:, z], task.ran(int(z))
        values.append(abs(ran.probability @ ran.returns - mass @ tau.returns / mass.sum()))
        deep = max(deep, float(np.abs(ran.log_probability).max()), float(np.abs(tau.log_probability).max()))
    return Side(values, rounding(2 * (1 + deep) * task.span, 2 * OPERATIONS))


def root_divergence(p: FloatArray, q: FloatArray, log_ratio: FloatArray) -> tuple[FloatArray, FloatArray]:
    r"""``sqrt(sum p log(p / q))`` of laws over all axes but the last, and its error, which does not grow as it vanishes.

    The divergence is the sum of ``q g(u)``, ``u = log(p / q)``, ``g(u) = u e^u - e^u + 1``, so the root is the Euclidean norm of the
    ``sqrt(q g(u))``.  As ``g(u) >= u^2 min(1, e^u) / 2`` and ``g'(u) = u e^u``, an error ``d`` of ``u`` moves an entry by at most
    ``d sqrt(max(q, p^2 / q) / 2)``, and the norm by at most ``d sqrt((1 + sum p^2 / q) / 2)``.
    """
    axes = tuple(range(p.ndim - 1))
    gained = np.where(p > 0, p, 0.0) * np.where(p > 0, log_ratio, 0.0)
    root = np.sqrt((gained - q * np.expm1(log_ratio)).sum(axis=axes).clip(min=0.0))
    spread = np.sqrt((1 + over(p * p, q).sum(axis=axes)) / 2)
    deep = 1 + np.abs(np.where(p > 0, log_ratio, 0.0)).max(axis=axes)
    return root, np.asarray(rounding(deep * spread + root, 2 * OPERATIONS))


def bound_by_trajectories(task: LatentTask) -> Side:
    """Tables: (R_max - R_min) sqrt(KL / 2), the divergence over the trajectories"""
    ran = task.obtained()
    with np.errstate(divide="ignore"):
        logs = np.log(over(task.given, ran, 1))
    root, error = root_divergence(task.given, ran, logs)
    return Side(task.span / np.sqrt(2) * root, task.span * error)


def bound_by_stage(task: LatentTask) -> Side:
    """Chain rule: (R_max - R_min) sqrt(KL / 2), the divergence by stages"""
    squared, error = np.zeros(task.possible.size), np.zeros(task.possible.size)
    for table in (task.joint.sum(axis=(2, 3)), task.joint):
        masses, logs = _stage_log_ratios(task, table)
        whole = table.sum(axis=-1, keepdims=True)
        blind = over(whole, whole.sum(axis=-2, keepdims=True)) * masses.sum(axis=-2, keepdims=True)
        root, rounded = root_divergence(masses, blind, logs)
        squared, error = squared + root**2, error + rounded
    return Side(task.span * np.sqrt(squared / 2), task.span * error)


def bound_without_root(task: LatentTask) -> Side:
    """(R_max - R_min) KL / 2: the bound without the square root"""
    bound = bound_by_trajectories(task)
    return Side(np.asarray(bound.value) ** 2 / task.span, bound.error)


# --- the claim ------------------------------------------------------------------------------------------------------

CONSISTENCY = Claim(
    "doc-consistency-and-information-gap",
    title="A latent that knows nothing of the dice is consistent; what it knows of them bounds the value missed",
    papers=("yang2022dichotomy",),
    provenance="our formalisation",
    statement=r"""
    An action draws an outcome $o \sim p(o | s, a)$ that determines reward and next state. Data of a behaviour $\beta$ carry a
    latent $z \sim q(z | \tau)$; let $\pi_z(a | h) = p(a | h, z)$, and $\pi_z = \beta$ at histories with $p(h | z) = 0$. For every
    $z$ of positive probability:

    (a) $$\mathrm{KL}(p(\tau | z) \,\|\, p^{\pi_z}(\tau)) = \sum_t \mathbb E_{p(\cdot | z)} \log
    \frac{p(o_t | h_t, a_t, z)}{p(o_t | h_t, a_t)},$$ which averages over $z$ to $\sum_t I(o_t; z \,|\, h_t, a_t)$;

    (b) if this information vanishes, $p(\tau | z) = p^{\pi_z}(\tau)$ and $V(\pi_z) = \mathbb E[R | z]$;

    (c) $|V(\pi_z) - \mathbb E[R | z]| \le (R_{\max} - R_{\min}) \sqrt{\mathrm{KL} / 2}$.

    (b) is the consistency of the paper, for labels that are the posterior of the policy behind the actions; (a) is the chain
    rule, (c) Pinsker's inequality.
    """,
    assumptions=(
        Assumption(
            "A1",
            r"$\beta$ depends on the history only: it does not see the luck before it acts",
            "a behaviour that saw the luck",
            lambda task: task.seen is None,
            wider=confounded_task,
        ),
        Assumption("A2", r"$\pi_z$ is fitted exactly", "a tenth of the behaviour in the fit"),
        Assumption(
            "A3",
            "in (b): no information between outcome and latent given history and action",
            "the label is the return",
            lambda task: task.weight == 0,
            wider=noisy_task,
        ),
    ),
    instance_family=noisy_task,
    witnesses=(BY_RETURN, WEAKLY_BY_RETURN),
    instances=100,
)
FINITE_SUM = "sums of at most a few hundred products of probabilities, all positive"

information_part = CONSISTENCY.part(
    "(a)",
    r"$\mathrm{KL}(p(\tau|z)\|p^{\pi_z})$ is the information of the outcomes on $z$; the average over $z$",
    Equal(divergences_by_trajectories, divergences_by_stage),
    resolution=1e-10,
    reason=FINITE_SUM,
    assumes=("A1", "A2"),
    exact=(exact.divergences_of_laws, exact.divergences_by_stage),
)
consistent_part = CONSISTENCY.part(
    "(b)",
    r"no information: $p(\tau|z) = p^{\pi_z}(\tau)$ and $V(\pi_z) = \mathbb E[R|z]$",
    Equal(obtained, asked_for),
    resolution=1e-10,
    reason=FINITE_SUM,
    family=controllable_task,
    witnesses=(BY_FIRST_ACTION,),
    exact=(exact.laws_obtained, exact.laws_asked_for),
)
gap_part = CONSISTENCY.part(
    "(c)",
    r"$|V(\pi_z) - \mathbb E[R|z]| \le (R_{\max} - R_{\min})\sqrt{\mathrm{KL}/2}$",
    AtMost(gaps_by_tables, bound_by_trajectories),
    cross_left=gaps_by_running,
    cross_right=bound_by_stage,
    resolution=1e-10,
    reason=FINITE_SUM,
    assumes=("A1", "A2"),
    specified_tightness="0.42",
    exact=(exact.gaps, exact.bounds),
)


def table_of(task: LatentTask) -> FloatArray:
    """Rows of ``p(z), E[R|z], V(pi_z), KL``."""
    divergence = np.asarray(divergences_by_trajectories(task).value)[:-1]
    columns = (
        task.probability,
        task.mean_return(task.given),
        task.mean_return(task.obtained()),
        divergence,
    )
    return np.stack(columns, axis=1)


@CONSISTENCY.known(BY_RETURN)
def _(task: LatentTask) -> Iterator[Known]:
    rows = table_of(task)
    names = "p(z), E[R|z], value, KL"
    yield Known(
        f"z = 0: {names}", "0.71125 1.2565905096660808 1.7405510768946157 0.3040364190169039", rows[0], 1e-15
    )
    yield Known(
        f"z = 1: {names}", "0.28875 3.3030303030303028 2.032857142857143 1.109651018512893", rows[1], 1e-15
    )
    deficient = task.mean_return(task.obtained(fallback=False))[1]
    yield Known("z = 1: value where paths of undefined decisions are deleted", "1.7996753", deficient)
    yield Known("z = 1: bound", "2.979", np.asarray(bound_by_trajectories(task).value)[1])


@CONSISTENCY.known(BY_FIRST_ACTION)
def _(task: LatentTask) -> Iterator[Known]:
    rows = table_of(task)
    yield Known(
        "z = first action: E[R|z], value, KL", "1.6125 1.6125 0 2.0825 2.0825 0", rows[:, 1:].ravel(), 2e-15
    )


@CONSISTENCY.known(WEAKLY_BY_RETURN)
def _(task: LatentTask) -> Iterator[Known]:
    yield Known("weight .1, z = 1: bound", "0.1730073658", np.asarray(bound_by_trajectories(task).value)[1])


# --- what must fail -------------------------------------------------------------------------------------------------


def gap_of_the_high_returns(outcome: Outcome) -> float:
    return float(outcome.right[-1] - outcome.left[-1])


def gap_and_bound(outcome: Outcome) -> FloatArray:
    return np.array([outcome.left[1], outcome.right[1]])


information_part.control(
    "the information of the first outcome alone",
    kind="mutation",
    instance=BY_RETURN,
    right=partial(divergences_by_stage, stages=1),
)
consistent_part.control("a behaviour that saw the luck", kind="assumption", drops="A1", instance=LUCKY)
consistent_part.control(
    "a tenth of the behaviour in the fit",
    kind="assumption",
    drops="A2",
    instance=BY_FIRST_ACTION,
    left=partial(obtained, trust=0.9),
)
consistent_part.control(
    "the label is the return",
    kind="assumption",
    drops="A3",
    instance=BY_RETURN,
    specified="1.2702",
    measure=gap_of_the_high_returns,
)
gap_part.control(
    "no square root",
    kind="constant",
    instance=WEAKLY_BY_RETURN,
    right=bound_without_root,
    specified="0.0744411692 0.0074828872",
    measure=gap_and_bound,
)


# --- the figure -----------------------------------------------------------------------------------------------------


@CONSISTENCY.figure(
    "Value missed by the conditioned policy against the root of the information of the outcomes on the latent, as the "
    "weight of the noise in the label grows from 0 to 1. Coloured lines: labels by the return in the handmade task; thin grey lines: "
    "the latents of random tasks. All start at the origin, the consistent case, and stay below the bound."
)
def _(ax: Any) -> None:
    weights = np.linspace(0, 1, 21)
    for seed in range(15):
        drawn = noisy_task(SeededDraw(seed))
        tasks = [replace(drawn, weight=float(w)) for w in weights]
        gaps = np.array([gaps_by_tables(task).value for task in tasks])
        roots = np.array([bound_by_trajectories(task).value for task in tasks]) / drawn.span
        for root, gap in zip(roots.T, gaps.T, strict=True):
            ax.plot(root, gap, color="0.7", linewidth=0.8, zorder=1)
    ax.plot([], [], color="0.7", linewidth=0.8, label="random tasks")
    tasks = [labelled_by_return(float(w)) for w in weights]
    gaps = np.array([gaps_by_tables(task).value for task in tasks])
    roots = np.array([bound_by_trajectories(task).value for task in tasks]) / BY_RETURN.span
    for z, (name, mark) in enumerate((("$z=0$: return below 3", "o"), ("$z=1$: return at least 3", "s"))):
        ax.plot(roots[:, z], gaps[:, z], mark + "-", color=f"C{z}", markersize=3.5, label=name)
    ax.plot([0, 0.8], [0, 0.8 * BY_RETURN.span], color="black", linewidth=1.2)
    ax.text(0.53, 2.02, r"bound $4\sqrt{\mathrm{KL}/2}$", va="top")
    ax.set(
        xlabel=r"$\sqrt{\mathrm{KL}/2}$",
        ylabel=r"value missed $|V(\pi_z) - \mathbb{E}[R|z]|$",
        xlim=(0, 0.8),
        ylim=(0, 2.6),
    )
    ax.legend(loc="upper left")
