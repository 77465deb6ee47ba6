"""Goal-conditioned imitation by matching mixtures (Sikchi et al. 2023, SMORe).

The target is the law of transitions that reach their goal, which no policy need have.  Matching it in KL bounds the return
and the entropy of the occupancy from below.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.claims import DEFINITIONAL, Assumption, AtLeast, Claim, Equal, Known, Method, Side
from mdplab.claims.tolerances import rounding
from mdplab.divergences import entropy, f_divergence, kl
from mdplab.operators import occupancy
from proofs_check.dual_rl import exact_imitation as exact
from proofs_check.dual_rl.imitation_tasks import GoalTask, goal_task, two_state_goals

SMOOTH = ("kl", "chi-square")

# --- the routes -----------------------------------------------------------------------------------------------------


def target(task: GoalTask) -> FloatArray:
    """``q = r-bar / Z``, shape (G S, A)."""
    return np.asarray(task.expected / task.expected.sum())


def newton(task: GoalTask, divergence: str, aim: FloatArray) -> Any:
    """The minimum of the mixture dual on the model of states (g, s)."""
    return solvers.mixture_dual(
        task.product,
        task.policies.reshape(task.expected.shape),
        aim,
        task.joint(task.behaviours),
        share=task.share,
        divergence=divergence,
    )


def mixtures(task: GoalTask, aim: FloatArray) -> tuple[FloatArray, FloatArray]:
    """``beta d + (1 - beta) rho`` and ``beta aim + (1 - beta) rho``, flat."""
    data = (1 - task.share) * task.joint(task.behaviours).ravel()
    return task.share * task.joint(task.policies).ravel() + data, task.share * aim.ravel() + data


def input_error(task: GoalTask) -> float:
    """What the rounding of the occupancies moves a divergence."""
    n = task.mdp.n_states * (task.mdp.n_actions + 1)
    off = float(rounding(1.0, n + 12)) / (1 - task.mdp.discount)
    ours, theirs = mixtures(task, target(task))
    ratio = ours / theirs
    return off * float((ratio**2 + 2 * ratio + np.abs(np.log(ratio)) + 2).sum())


def minima(task: GoalTask) -> Side:
    """Minimum over Q in all goals at once by Newton's method (KL, chi-square)."""
    found = [newton(task, divergence, target(task)) for divergence in SMOOTH]
    return Side([f.objective for f in found], [f.certificate.bound + input_error(task) for f in found])


def negative_distances(task: GoalTask) -> Side:
    """-D_f of the mixtures, from the occupancies of the goals one by one (KL, chi-square)."""
    ours, theirs = mixtures(task, target(task))
    value = np.array([float(f_divergence(name).divergence(ours, theirs)) for name in SMOOTH])
    return Side(-value, input_error(task) + rounding(2 + value, 2 * ours.size + 12))


def mixed_error(task: GoalTask, d: FloatArray) -> float:
    """Rounding of a return and an entropy, with that of the occupancy: slopes are at most |log d| + 2."""
    n = task.mdp.n_states * (task.mdp.n_actions + 1)
    off = float(rounding(1.0, n + 12)) / (1 - task.mdp.discount)
    slopes = np.abs(np.log(np.maximum(d, off))) + np.abs(np.log(np.maximum(target(task), 1e-300))) + 2
    return off * float(slopes.sum()) + float(rounding((d * slopes).sum(), d.size + 12))


def sum_of(task: GoalTask, d: FloatArray) -> Side:
    """``J + H`` at an occupancy."""
    value = float((d * task.expected).sum()) + float(entropy(d.ravel()))
    return Side(value, mixed_error(task, d))


def bound_of(task: GoalTask, d: FloatArray) -> Side:
    """``1 + log Z - KL(d || q)`` at an occupancy."""
    value = 1 + float(np.log(task.expected.sum())) - float(kl(d.ravel(), target(task).ravel()))
    return Side(value, mixed_error(task, d) + float(rounding(4.0, 8)))


def whole(task: GoalTask) -> FloatArray:
    """The occupancy on the model of states (g, s)."""
    return occupancy(task.product, task.policies.reshape(task.expected.shape))


def entropic_return(task: GoalTask) -> Side:
    """J + H(d) from the occupancies of the goals one by one."""
    return sum_of(task, task.joint(task.policies))


def whole_entropic_return(task: GoalTask) -> Side:
    """J + H(d) from the occupancy on the model of states (g, s)."""
    return sum_of(task, whole(task))


def matching_bound(task: GoalTask) -> Side:
    """1 + log Z - KL(d || q) from the occupancies of the goals one by one."""
    return bound_of(task, task.joint(task.policies))


def whole_matching_bound(task: GoalTask) -> Side:
    """1 + log Z - KL(d || q) from the occupancy on the model of states (g, s)."""
    return bound_of(task, whole(task))


def sure_gap(task: GoalTask) -> Side:
    """J + H(d) - (1 + log Z - KL(d || q)) where every transition reaches its goal, r = 1."""
    sure = replace(task, reach=np.ones_like(task.reach))
    left, right = entropic_return(sure), matching_bound(sure)
    gap = float(np.asarray(left.value)) - float(np.asarray(right.value))
    return Side(1 + gap, float(np.asarray(left.error)) + float(np.asarray(right.error)))


def one(task: GoalTask) -> Side:
    """One."""
    return Side(1.0)


# --- the claim ------------------------------------------------------------------------------------------------------

M2 = two_state_goals()


def covered(task: GoalTask) -> bool:
    """Some chance to reach the goal wherever the policy plays."""
    return bool((task.expected[task.joint(task.policies) > 0] > 0).all())


SMORE = Claim(
    "smore-mixture-dual",
    title="Goal-conditioned mixture matching has a convex dual and bounds return and entropy from below",
    papers=("sikchi2023smore",),
    provenance="our formalisation",
    theorem="the constant of (ii) is our addition",
    statement=r"""
    Goals $g$ have the law $p(g)$, policies $\pi_g$ the joint occupancy $d^\pi(s,a,g) = p(g)\,d^{\pi_g}(s,a)$, and
    $\bar r(s,a,g) = \mathbb E\,r(s',g)$ with $r \in [0,1]$, $Z = \sum\bar r$, $q = \bar r/Z$. The offline joint $\rho$ is an
    occupancy for each $g$, and $0 < \beta < 1$. Then (i), for KL and chi-square,
    $$\min_Q\ \beta(1-\gamma)\mathbb E_{p(g),\mu_0,\pi_g}Q + \mathbb E_{\beta q+(1-\beta)\rho}[f^*(\gamma P^{\pi_g}Q - Q)]
      - (1-\beta)\mathbb E_\rho[\gamma P^{\pi_g}Q - Q]$$
    is $-D_f(\beta d^\pi + (1-\beta)\rho\,\|\,\beta q + (1-\beta)\rho)$, and (ii), with $J = \mathbb E_{d^\pi}\bar r$ and the
    Shannon entropy $H$,
    $$J(\pi) + H(d^\pi) \ge 1 + \log Z - D_{KL}(d^\pi\|q),$$
    because $\log x \le x - 1$; with equality where $\bar r = 1$ wherever $d^\pi > 0$.
    """,
    methods=(
        Method(
            "SMORe",
            "dual in Q",
            "KL or chi-square",
            "the mixture of policy and data against that of goal transitions and data",
        ),
    ),
    assumptions=(
        Assumption("A1", r"$\bar r > 0$ where $d^\pi > 0$", DEFINITIONAL, covered),
        Assumption(
            "A2", r"$\rho > 0$", DEFINITIONAL, lambda task: bool((task.joint(task.behaviours) > 0).all())
        ),
    ),
    instance_family=goal_task,
    witnesses=(M2,),
    instances=20,
)  # fmt: skip
duality = SMORE.part(
    "(i)",
    "minimum over $Q$ = minus the divergence of the mixtures",
    Equal(minima, negative_distances),
    resolution=lambda task: 1e-9 * (1 + float(np.max(np.abs(negative_distances(task).value)))),
    reason="Fenchel-Young gaps of the recovered mass; rounding of an occupancy over 1 - gamma: 1e-9",
    exact=(exact.goal_minima, exact.goal_distances),
)
reward = SMORE.part(
    "(ii)",
    r"$J(\pi) + H(d^\pi) \ge 1 + \log Z - D_{KL}(d^\pi\|q)$",
    AtLeast(entropic_return, matching_bound),
    resolution=1e-10,
    reason="rounding of an occupancy over 1 - gamma, times logarithms: 1e-10",
    instances=60,
    cross_left=whole_entropic_return,
    cross_right=whole_matching_bound,
    exact=(exact.entropic_return, exact.matching_bound),
)
SMORE.part(
    "(ii, equality)",
    r"$\bar r = 1$ everywhere: one plus the difference of both sides is one",
    Equal(sure_gap, one),
    resolution=1e-10,
    reason="rounding of an occupancy over 1 - gamma, times logarithms: 1e-10",
    exact=(exact.sure_gap, exact.one),
)


@SMORE.known(M2)
def _(task: GoalTask) -> Any:
    d, z = task.joint(task.policies), float(task.expected.sum())
    values = -np.asarray(minima(task).value)
    yield Known("divergences KL, chi-square", ".0370829954412 .0731390786710", values, 1e-13)
    yield Known("Z", "4", z, 1e-14)
    yield Known("J", ".6708207228058", (d * task.expected).sum(), 1e-14)
    yield Known("H", "1.8085794611848", entropy(d.ravel()), 1e-14)
    yield Known("KL to q", ".1736354200109", kl(d.ravel(), target(task).ravel()), 1e-14)
    slack = float(np.asarray(entropic_return(task).value)) - float(np.asarray(matching_bound(task).value))
    yield Known("slack of (ii)", ".2667412428816", slack, 1e-14)


def matched_to_data(task: GoalTask) -> Side:
    """Minimum over Q with the offline law in the place of q."""
    found = [newton(task, divergence, task.joint(task.behaviours)) for divergence in SMOOTH]
    return Side([f.objective for f in found], [f.certificate.bound for f in found])


duality.control(
    r"$\rho$ in the place of $q$ inside the mixture",
    kind="mutation",
    instance=M2,
    left=matched_to_data,
    specified=".0608629413 .1302833689",
    measure=lambda o: -o.left,
)
reward.control(
    "without the entropy",
    kind="mutation",
    instance=M2,
    left=lambda task: Side(float((task.joint(task.policies) * task.expected).sum()), 1e-14),
    specified=".6708207228 2.2126589411 1.5418382183",
    measure=lambda o: [o.left, o.right, o.right - o.left],
)


@SMORE.figure(
    "Both sides of (ii) on the two-state model with its states as goals, for policies between the uniform one (left) and the "
    "policies that go to their goal (right). The shaded slack is the expected distance of $\\log\\bar r$ from $\\bar r - 1$."
)
def _(ax: Any) -> None:
    shares = np.linspace(0.0, 0.98, 41)
    go = np.array([[[1.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [0.0, 1.0]]])
    tasks = [replace(M2, policies=(1 - share) * 0.5 + share * go) for share in shares]
    left = [float(np.asarray(entropic_return(task).value)) for task in tasks]
    right = [float(np.asarray(matching_bound(task).value)) for task in tasks]
    ax.plot(shares, left, color="C0", label=r"$J + H(d^\pi)$")
    ax.plot(shares, right, color="C1", linestyle="--", label=r"$1 + \log Z - D_{KL}(d^\pi\|q)$")
    ax.fill_between(shares, right, left, color="0.93", linewidth=0)
    ax.set(xlabel="share of the policies that go to their goal", ylabel="value")
    ax.legend(fontsize="small")
