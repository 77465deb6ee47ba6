"""The log-ratio pseudo-reward and its need of coverage (Sikchi et al. 2023).

Earlier off-policy imitation maximises the log-ratio of expert and data.  That is the divergence to the expert where the data
cover it; else no policy on the data comes near the expert, whereas matching mixtures still does.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.claims import DEFINITIONAL, HARMLESS, Assumption, AtMost, Claim, Equal, Known, Side, both_sides
from mdplab.claims.tolerances import rounding
from mdplab.convex import conic_occupancy_program
from mdplab.divergences import kl
from mdplab.operators import occupancy, pair_flow_matrix
from proofs_check.dual_rl import exact_imitation as exact
from proofs_check.dual_rl.imitation_tasks import (
    MixtureTask,
    holed_task,
    three_policy_task,
    two_state_holes,
    two_state_opposites,
)

# --- the routes -----------------------------------------------------------------------------------------------------


def occupancy_error(task: MixtureTask) -> float:
    """Rounding of an occupancy, a solve."""
    n = task.mdp.n_states * (task.mdp.n_actions + 1)
    return float(rounding(1.0, n + 12)) / (1 - task.mdp.discount)


def logs_error(task: MixtureTask) -> float:
    """What rounding moves a sum of logarithms of occupancies: states have a relative error, their policies none."""
    least = min(float(d.sum(axis=1).min()) for d in (task.ours, task.theirs, task.offline))
    logs = sum(np.abs(np.log(d)) for d in (task.ours, task.theirs, task.offline))
    off = occupancy_error(task)
    size = float(rounding((task.ours * (1 + logs)).sum(), 2 * task.policy.size + 16))
    return 4 * off * (1 + 1 / least + float((task.policy * logs).sum())) + size


def negative_kl(task: MixtureTask) -> Side:
    """-KL(d || d_E) from the occupancies of learner and expert (solves in the states)."""
    return Side(-float(kl(task.ours.ravel(), task.theirs.ravel())), logs_error(task))


def pair_occupancy(task: MixtureTask, policy: FloatArray) -> FloatArray:
    """Occupancy by one solve in the pairs."""
    start = (task.start[:, np.newaxis] * policy).ravel()
    return np.asarray(np.linalg.solve(pair_flow_matrix(task.mdp, policy).toarray().T, start))


def pseudo_return_of(task: MixtureTask, clip: float) -> Side:
    """``E_d log(d_E / d_S) - KL(d || d_S)``, the log-ratio clipped."""
    ours, theirs, offline = (pair_occupancy(task, p) for p in (task.policy, task.expert, task.behaviour))
    ratio = np.clip(np.log(theirs) - np.log(offline), -clip, clip)
    pairs = 4 * occupancy_error(task) * (1 + float((ours * (1 / theirs + 1 / offline)).sum()))
    return Side(
        float(ours @ ratio) - float(ours @ (np.log(ours) - np.log(offline))), logs_error(task) + pairs
    )


def pseudo_return(task: MixtureTask) -> Side:
    """E_d log(d_E / d_S) - KL(d || d_S) from three occupancies (solves in the pairs)."""
    return pseudo_return_of(task, np.inf)


def log_overlap(task: MixtureTask) -> Side:
    """-log d_E(supp d_S)."""
    mass = float(task.theirs[task.behaviour > 0].sum())
    error = 2 * occupancy_error(task) / mass if mass > 0 else 0.0
    return Side(-np.log(mass) if mass > 0 else np.inf, error + float(rounding(1.0, 24)), infinities=True)


def law_distance(task: MixtureTask) -> Side:
    """KL(d || d_E) of a law d on the support of the data; infinite off the expert's."""
    value = float(kl(task.law.ravel(), task.theirs.ravel()))
    off = occupancy_error(task) * (1 + 1 / float(task.theirs.sum(axis=1).min()))
    return Side(
        value, 4 * off + float(rounding(4 + value, 64)) if np.isfinite(value) else 0.0, infinities=True
    )


def restricted(task: MixtureTask) -> tuple[FloatArray, float]:
    """The expert's law on the support of the data, normalised, and its mass there."""
    kept = task.theirs * (task.behaviour > 0)
    return kept / max(float(kept.sum()), 1e-300), float(kept.sum())


def least_of(task: MixtureTask, solve: Any) -> Side:
    """``-log mass - max_d -KL(d || q)`` on the support that both share."""
    law, mass = restricted(task)
    if not mass > 0:
        return Side(np.inf, infinities=True)
    model = task.mdp.replace(reward=np.zeros_like(task.mdp.reward))
    found = solve(model, law, divergence="kl", strength=1.0)
    if found.objective == -np.inf:
        return Side(np.inf, infinities=True)
    # relative error of the data where a state has little mass
    off = occupancy_error(task) * (1 + 1 / float(task.theirs.sum(axis=1).min()))
    return Side(-np.log(mass) - found.objective, found.certificate.bound + 8 * off + 1e-14, infinities=True)


def least_distance(task: MixtureTask) -> Side:
    """Least KL(d || d_E) over occupancies on the support of the data, by a cone program."""
    return least_of(task, conic_occupancy_program)


def least_dual_distance(task: MixtureTask) -> Side:
    """Least KL(d || d_E) over occupancies on the support of the data, by the minimum over V."""
    return least_of(task, solvers.dual_v)


def matched(task: MixtureTask) -> Side:
    """Expert's occupancy as recovered from the minimum of the mixture dual at its policy (mass less the data's share)."""
    found = solvers.mixture_dual(
        task.mdp, task.expert, task.theirs, task.offline, share=task.share, divergence="kl"
    )
    mass = (found.mass - (1 - task.share) * task.offline) / task.share
    error = (found.mass_error + 4 * occupancy_error(task)) / task.share
    return Side(np.append(mass.ravel(), 1 + found.objective), error + found.certificate.bound)


def wanted(task: MixtureTask) -> Side:
    """Occupancy of the expert, and one."""
    return Side(np.append(task.theirs.ravel(), 1.0), occupancy_error(task))


# --- the claim ------------------------------------------------------------------------------------------------------

HOLES, OPPOSITES = two_state_holes(), two_state_opposites()


def coverage(task: MixtureTask) -> bool:
    """Expert and data cover the learner."""
    inside = task.ours > 0
    return bool((task.theirs[inside] > 0).all() and (task.offline[inside] > 0).all())


COVERAGE = Claim(
    "il-pseudo-reward-coverage",
    title="The log-ratio pseudo-reward is exact under coverage; without it no policy on the data nears the expert",
    papers=("sikchi2023dual",),
    provenance="our formalisation",
    theorem="shortcoming of earlier off-policy imitation",
    statement=r"""
    Let $d^\pi$, $d_E$ and $d_S$ be occupancies of learner, expert and data.

    (identity) If $d^\pi \ll d_E$ and $d^\pi \ll d_S$, then
    $-D_{KL}(d^\pi\|d_E) = \mathbb E_{d^\pi}[\log\frac{d_E}{d_S}] - D_{KL}(d^\pi\|d_S)$.

    If the data do not cover the expert, then (laws) every law $d$ on $\mathrm{supp}(d_S)$ has
    $D_{KL}(d\|d_E) \ge -\log d_E(\mathrm{supp}\,d_S) > 0$, and (occupancies) every occupancy there has
    $D_{KL}(d\|d_E) \ge c \ge -\log d_E(\mathrm{supp}\,d_S)$ with the minimum $c$ over flow-feasible $d$ ($c = \infty$ if none
    of them lives on $\mathrm{supp}(d_E)$); while (mixture) matching mixtures has the optimum $d_E$ with value 0.
    """,
    assumptions=(
        Assumption("A1", r"$d^\pi \ll d_E$ and $d^\pi \ll d_S$, for (identity)", DEFINITIONAL, coverage),
        Assumption("A2", r"$\mu_0 > 0$", HARMLESS, lambda task: bool((task.start > 0).all())),
    ),
    instance_family=holed_task,
    witnesses=(HOLES,),
    instances=30,
)  # fmt: skip
identity = COVERAGE.part(
    "(identity)",
    r"$-D_{KL}(d^\pi\|d_E) = \mathbb E_{d^\pi}[\log\frac{d_E}{d_S}] - D_{KL}(d^\pi\|d_S)$",
    Equal(negative_kl, pseudo_return),
    resolution=1e-9,
    reason="rounding of occupancies over 1 - gamma, relative where a pair has little mass: 1e-10",
    family=three_policy_task,
    witnesses=(OPPOSITES,),
    instances=100,
    exact=(exact.negative_kl, exact.pseudo_return),
)
COVERAGE.part(
    "(laws)",
    r"$D_{KL}(d\|d_E) \ge -\log d_E(\mathrm{supp}\,d_S)$ for laws on $\mathrm{supp}(d_S)$",
    AtMost(log_overlap, law_distance),
    resolution=1e-9,
    reason="rounding of occupancies over 1 - gamma: 1e-9",
    assumes=("A2",),
    closed=("left", "right"),
    instances=60,
    exact=(exact.log_overlap, exact.law_distance),
)
stuck = COVERAGE.part(
    "(occupancies)",
    r"the least $D_{KL}(d\|d_E)$ over occupancies on $\mathrm{supp}(d_S)$ is at least that",
    AtMost(log_overlap, least_distance),
    resolution=1e-6,
    reason="an interior point reaches 1e-8",
    assumes=("A2",),
    closed=("left",),
    cross_right=least_dual_distance,
    exact="a conic program has no exact route; those of dual-v-strong-duality prove its values",
)
COVERAGE.part(
    "(mixture)",
    "the mixture dual at the expert's policy recovers $d_E$ and has the minimum 0",
    Equal(matched, wanted),
    resolution=1e-8,
    reason="the flow residual at the minimiser bounds the error of its mass: 1e-8",
    assumes=("A2",),
    exact="a certificate of the solver; the exact routes are those of recoil-mixture-dual",
)


@COVERAGE.known(HOLES)
def _(task: MixtureTask) -> Any:
    yield Known("expert", ".1260504202 .1260504202 0 .7478991597", task.theirs, 1e-15)
    yield Known("data", ".7173913043 0 .1413043478 .1413043478", task.offline, 1e-15)
    law, _ = restricted(task)
    model = task.mdp.replace(reward=np.zeros((2, 2)))
    found = solvers.dual_v(model, law, divergence="kl", strength=1.0)
    yield Known("only feasible law", ".5357142857 0 0 .4642857143", found.feasible_occupancy, 1e-13)
    value = least_dual_distance(task)
    yield Known("least divergence", ".5537785844", value.value, float(np.asarray(value.error)))
    yield Known("bound over laws", ".1347325940", log_overlap(task).value, 1e-14)
    mixture = solvers.mixture_dual(
        task.mdp, task.expert, task.theirs, task.offline, share=0.5, divergence="kl"
    )
    yield Known("mixture optimum", "0", mixture.objective, mixture.certificate.bound)


@COVERAGE.known(OPPOSITES)
def _(task: MixtureTask) -> Any:
    yield Known("true value", "-.0525330630", negative_kl(task).value, 1e-14)


identity.control(
    r"a bounded discriminator: the log-ratio clipped to $[-1, 1]$",
    kind="mutation",
    instance=OPPOSITES,
    right=lambda task: pseudo_return_of(task, 1.0),
    specified="-.0525330630 -2.1247541243",
    measure=both_sides,
)
stuck.control(
    "the expert's mass on one pair of the support alone",
    kind="mutation",
    instance=HOLES,
    left=lambda task: Side(-np.log(task.theirs[0, 0] / 2), 1e-12),
)


@COVERAGE.figure(
    "Two-state model in which expert and data share two pairs alone. Divergence from the expert: least over all laws on the "
    "data's support, least over occupancies there, and that of the policy found by matching mixtures, which is the expert."
)
def _(ax: Any) -> None:
    names = ["laws on the data", "occupancies\non the data", "mixture\nmatching"]
    found = float(kl(occupancy(HOLES.mdp, HOLES.expert).ravel(), HOLES.theirs.ravel()))
    heights = [
        float(np.asarray(log_overlap(HOLES).value)),
        float(np.asarray(least_dual_distance(HOLES).value)),
        found,
    ]
    bars = ax.bar(names, heights, color=["C0", "C1", "C2"], width=0.6)
    ax.bar_label(bars, fmt="%.4f", fontsize="small")
    ax.set(ylabel=r"$D_{KL}(d\|d_E)$ (nats)", ylim=(0, 0.65))
