"""Recovery of occupancy and policy from the dual (Sikchi, Zheng, Zhang and Niekum 2023).

The minimiser of the dual in V is one number per state.  The mass on the pairs, hence the policy, follows from it by one
evaluation of the inverse derivative of the divergence.  That the mass is optimal is checked without duality: by the best
linear improvement over all policies, a problem of control whose reward is the gradient of the objective.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.claims import DEFINITIONAL, HARMLESS, Assumption, Claim, Equal, Known, Side
from mdplab.claims.tolerances import rounding
from mdplab.convex import FlowPolytope
from mdplab.divergences import f_divergence
from mdplab.models import MDP
from mdplab.operators import policy_of_occupancy
from proofs_check.dual_rl import exact_recovery as exact
from proofs_check.dual_rl.instances import (
    OfflineTask,
    offline_task,
    partly_reached,
    partly_supported,
    two_state_task,
)
from proofs_check.dual_rl.recovered_mass import Recovered, policy_occupancy, recovered
from proofs_check.dual_rl.sikchi2023_dual_rl import SMOOTH, reachable, supported

# --- the routes -----------------------------------------------------------------------------------------------------


def recovered_mass(task: OfflineTask) -> Side:
    """Mass d_O w(delta / alpha) at the dual minimiser (KL, chi-square)."""
    found = [recovered(task, divergence) for divergence in SMOOTH]
    return Side(np.stack([r.mass for r in found]), np.array([r.mass_error for r in found])[:, None, None])


def occupancy_of_policy(task: OfflineTask) -> Side:
    """Linear solve: occupancy of the policy d(s, a) / sum_b d(s, b) (KL, chi-square)."""
    found = [policy_occupancy(task, recovered(task, divergence)) for divergence in SMOOTH]
    return Side(np.stack([d for d, _ in found]), np.array([error for _, error in found])[:, None, None])


def gradient(task: OfflineTask, divergence: str) -> tuple[Recovered, FloatArray, float]:
    """The mass d, ``g = R - alpha f'(d / d_O)`` on pairs with data in reached states, and the error of g."""
    found = recovered(task, divergence)
    open_pairs = (task.data > 0) & found.reached[:, np.newaxis]
    share = np.where(open_pairs, found.mass, 1.0) / np.where(open_pairs, task.data, 1.0)
    slope = np.where(open_pairs, f_divergence(divergence).derivative(share), 0.0)
    reward = np.where(open_pairs, np.asarray(task.mdp.reward) - task.strength * slope, 0.0)
    # f'(w(y)) is y, cut off at f'(0): it moves no more than y does; the share is rounded
    size = float(np.abs(task.mdp.reward).max()) + task.strength * float((np.abs(slope) + 2 * share + 2).max())
    return found, reward, found.residual_error + float(rounding(size, 8))


def best_improvement(task: OfflineTask) -> Side:
    """Policy iteration: largest <d', g> over the occupancies on the pairs with data (KL, chi-square)."""
    values, errors = [], []
    for divergence in SMOOTH:
        _, reward, error = gradient(task, divergence)
        covered = MDP(
            task.mdp.transition, reward, task.mdp.discount, task.mdp.initial, available=task.data > 0
        )
        optimum = solvers.policy_iteration(covered)
        value = float(task.start @ optimum.value)
        values.append(value)
        size = float(rounding(np.abs(task.start) @ np.abs(optimum.value), task.start.size + 2))
        errors.append(error + (1 - task.mdp.discount) * optimum.certificate.bound + size)
    return Side(values, errors)


def no_improvement(task: OfflineTask) -> Side:
    """<d, g> at the recovered mass itself (KL, chi-square)."""
    values, errors = [], []
    for divergence in SMOOTH:
        found, reward, error = gradient(task, divergence)
        largest = float(np.abs(reward).max())
        values.append(float((found.mass * reward).sum()))
        errors.append(error + found.mass_error * largest + float(rounding(largest, reward.size + 4)))
    return Side(values, errors)


# --- the claim ------------------------------------------------------------------------------------------------------

M2, SHARP = two_state_task(), two_state_task(0.01)

RECOVERY = Claim(
    "dual-v-recovery",
    title="The optimal occupancy and policy are read off the dual solution",
    papers=("sikchi2023dual",),
    provenance="as in the paper",
    theorem="recovery by the inverse derivative of f",
    statement=r"""
    Let $V^*$ minimise the dual of $\max_d \langle d, R\rangle - \alpha D_f(d\|d_O)$ over the occupancies $d \ge 0$,
    $B^\top d = (1-\gamma)\mu_0$, with $f$ strictly convex: (a) $f(x) = x\log x - x + 1$ (KL) or (b) $f(x) = (x-1)^2$
    (chi-square), $\delta_V = R - BV$, $(BV)(s,a) = V(s) - \gamma\sum_{s'}P(s'|s,a)V(s')$. Let
    $$d^*(s,a) = d_O(s,a)\,\max\{0, (f')^{-1}(\delta_{V^*}(s,a)/\alpha)\},\qquad
      \pi^*(a|s) = d^*(s,a) \big/ \textstyle\sum_b d^*(s,b).$$
    Then (i) $d^*$ is an occupancy, that of $\pi^*$: $d^{\pi^*} = d^*$; and (ii) it is optimal: with
    $g = R - \alpha f'(d^*/d_O)$, the gradient of the concave objective, $\max_\pi \langle d^\pi, g\rangle = \langle d^*,
    g\rangle$. (States without mass may play anything; the maximum is over policies on the pairs with data.)
    """,
    assumptions=(
        Assumption("A1", r"$d_O > 0$ everywhere", HARMLESS, supported, partly_supported),
        Assumption("A2", r"$0 \le \gamma < 1$", DEFINITIONAL, lambda task: task.mdp.discount < 1),
        Assumption(
            "A3", r"$f$ strictly convex and differentiable, $f(1) = 0$: $(f')^{-1}$ exists", DEFINITIONAL
        ),
        Assumption(
            "A4",
            r"every state is reachable from $\mu_0$, so that the minimum is attained",
            HARMLESS,
            reachable,
            partly_reached,
        ),
    ),
    instance_family=offline_task,
    witnesses=(M2, SHARP),
    instances=40,
)

SHARED = {"dual_v": "both sides speak of the mass that its minimiser gives, neither of the dual objective"}
own = RECOVERY.part(
    "(i)",
    r"$d^{\pi^*} = d^*$",
    Equal(occupancy_of_policy, recovered_mass),
    resolution=1e-8,
    reason="distance to the exact minimiser by the curvature of the dual, times 1 / (1 - discount): 1e-8",
    shared=SHARED,
    exact=(exact.occupancy_of_policy, exact.recovered_mass),
)
optimal = RECOVERY.part(
    "(ii)",
    r"$\max_\pi \langle d^\pi, g\rangle = \langle d^*, g\rangle$ with $g = R - \alpha f'(d^*/d_O)$",
    Equal(best_improvement, no_improvement),
    resolution=1e-8,
    reason="distance to the exact minimiser by the curvature of the dual: 1e-8",
    shared=SHARED,
    exact=(exact.best_improvement, exact.no_improvement),
)


@RECOVERY.known(M2)
def _(task: OfflineTask) -> Any:
    masses = np.asarray(recovered_mass(task).value)
    kl, square = (policy_of_occupancy(mass) for mass in masses)
    returns = (masses * np.asarray(task.mdp.reward)).sum(axis=(1, 2))
    yield Known("KL: occupancy", "0.0076880003 0.1624850613 0.0000390162 0.8297879222", masses[0])
    yield Known("KL: policy, action 1", "0.9548224599 0.9999529827", kl[:, 1])
    yield Known("KL: return", "0.8313372271410", returns[0], 1e-15)
    yield Known("chi-square: occupancy", "0.1642534396 0.1142956450 0 0.7214509155", masses[1])
    yield Known("chi-square: policy, action 1", "0.4103249708 1", square[:, 1])
    yield Known("chi-square: return", "0.7543016033762", returns[1], 1e-15)


# --- what must fail -------------------------------------------------------------------------------------------------


def uncut_mass(task: OfflineTask) -> Side:
    """Mass without the cut at 0, d_O (f')^{-1}(delta / alpha), at the same minimiser."""
    rows = []
    for divergence in SMOOTH:
        y = recovered(task, divergence).residual / task.strength
        rows.append(task.data * f_divergence(divergence).plain_weight(y))
    return Side(np.stack(rows), 1e-9)


def least_and_flow(mass: FloatArray) -> list[float]:
    """Smallest entry of a mass, and the largest violation of the flow constraint."""
    flow = FlowPolytope.of(SHARP.mdp)
    return [float(mass.min()), float(np.abs(flow.flow_residual(flow.vector(mass))[0]).max())]


def doubled_gradient(task: OfflineTask) -> Side:
    """Policy iteration for R - 2 alpha f'(d / d_O)."""
    values = []
    for divergence in SMOOTH:
        _, reward, _ = gradient(task, divergence)
        changed = task.mdp.replace(reward=2 * reward - np.asarray(task.mdp.reward))
        values.append(float(task.start @ solvers.policy_iteration(changed).value))
    return Side(values, 1e-9)


own.control(
    r"the recovery without $\max\{0, \cdot\}$",
    kind="mutation",
    instance=SHARP,
    right=uncut_mass,
    specified="-13.671804748829 6.806039514043",
    measure=lambda o: least_and_flow(o.right[1]),
)
optimal.control(
    "the gradient with the divergence counted twice", kind="constant", instance=M2, left=doubled_gradient
)


# --- the figure -----------------------------------------------------------------------------------------------------


@RECOVERY.figure(
    "Ratio of the optimal mass to the data (logarithmic) on the pairs of the two-state model as the strength falls from "
    "left to right. KL (left) leaves no pair; chi-square (right) gives exactly zero, marked by crosses, to one pair "
    "after the other until one action is left in each state.",
    panels=2,
)
def _(axes: Any) -> None:
    strengths = np.geomspace(2.0, 0.02, 25)
    edges = np.geomspace(2.0 * 1.1, 0.02 / 1.1, 26)
    for row, ax in enumerate(axes):
        ratios = []
        for strength in strengths:
            task = two_state_task(float(strength))
            mass = recovered(task, SMOOTH[row]).mass
            ratios.append((mass / task.data).ravel())
        table = np.array(ratios).T
        with np.errstate(divide="ignore"):
            shades = np.clip(np.log10(table), -4.0, 0.75)
        mesh = ax.pcolormesh(edges, np.arange(5) - 0.5, shades, cmap="cividis", vmin=-4.0, vmax=0.75)
        pair, column = np.nonzero(table == 0)
        ax.plot(strengths[column], pair, "x", color="white", markersize=4)
        ax.set(
            xscale="log",
            xlim=(edges[0], edges[-1]),
            xlabel=r"strength $\alpha$",
            yticks=range(4),
            yticklabels=[f"$({s},{a})$" for s in range(2) for a in range(2)],
            title=("KL", "chi-square")[row],
        )
    axes[0].set_ylabel("pair $(s,a)$")
    axes[1].figure.colorbar(mesh, ax=list(axes), label=r"$\log_{10} d^*/d_O$")
