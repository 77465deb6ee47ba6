"""Imitation by matching mixtures (Sikchi et al. 2023, ReCOIL).

Mixing offline data into both laws makes the divergence finite whatever the expert covers, and its dual needs neither a
density ratio nor a discriminator.  What the mixture costs is told by a bound on the regret.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.claims import DEFINITIONAL, Assumption, AtMost, Claim, Equal, Known, Method, Side
from mdplab.claims.tolerances import rounding
from mdplab.divergences import f_divergence
from mdplab.operators import pair_flow_matrix
from proofs_check.dual_rl import exact_imitation as exact
from proofs_check.dual_rl.imitation_tasks import MixtureTask, mixture_task, two_state_mixture

SMOOTH = ("kl", "chi-square")

# --- the routes -----------------------------------------------------------------------------------------------------


def newton(
    task: MixtureTask, divergence: str, policy: FloatArray | None = None, conjugate: str = "corrected"
) -> Any:
    """The minimum of the mixture dual."""
    return solvers.mixture_dual(
        task.mdp,
        task.policy if policy is None else policy,
        task.theirs,
        task.offline,
        share=task.share,
        divergence=divergence,
        conjugate=conjugate,
    )


def input_error(task: MixtureTask) -> float:
    """What the rounding of the occupancies moves a divergence: the slopes of its terms are at most 2 ratio + 2."""
    n = task.mdp.n_states * (task.mdp.n_actions + 1)
    off = float(rounding(1.0, n + 12)) / (1 - task.mdp.discount)
    theirs = task.mixed(task.theirs)
    ratio = task.mixed(task.ours) / np.where(theirs > 0, theirs, 1.0)
    return off * float((ratio**2 + 2 * ratio + np.abs(np.log(np.maximum(ratio, 1e-300))) + 2).sum())


def minima(task: MixtureTask) -> Side:
    """Minimum over Q by Newton's method (KL, chi-square corrected, chi-square plain)."""
    found = [newton(task, "kl"), newton(task, "chi-square"), newton(task, "chi-square", conjugate="plain")]
    error = np.array([f.certificate.bound for f in found])
    return Side([f.objective for f in found], error + input_error(task))


def distance(ours: FloatArray, theirs: FloatArray) -> FloatArray:
    """``D_f(ours || theirs)`` (KL, chi-square)."""
    return np.array([float(f_divergence(name).divergence(ours.ravel(), theirs.ravel())) for name in SMOOTH])


def distances(task: MixtureTask) -> Side:
    """D_f(m_pi || m_E) from the occupancies of the three policies (KL, chi-square)."""
    value = distance(task.mixed(task.ours), task.mixed(task.theirs))
    return Side(value, input_error(task) + rounding(2 + value, 4 * task.policy.size + 12))


def negative_distances(task: MixtureTask) -> Side:
    """-D_f(m_pi || m_E) from the occupancies of the three policies (KL, chi-square twice)."""
    found = distances(task)
    pick = [0, 1, 1]
    return Side(-np.asarray(found.value)[pick], np.asarray(found.error)[pick])


def dual_distances(task: MixtureTask) -> Side:
    """D_f(m_pi || m_E) as minus the minimum over Q (KL, chi-square)."""
    found = minima(task)
    return Side(-np.asarray(found.value)[:2], np.asarray(found.error)[:2])


def expert_minima(task: MixtureTask) -> Side:
    """Minimum over Q at the expert's policy by Newton's method (KL, chi-square)."""
    found = [newton(task, divergence, task.expert) for divergence in SMOOTH]
    return Side([f.objective for f in found], [f.certificate.bound + input_error(task) for f in found])


def expert_mass(task: MixtureTask) -> Side:
    """Mass d_E-mixture w(-B Q) recovered at the minimiser for the expert's policy (rows: KL, chi-square)."""
    found = [newton(task, divergence, task.expert) for divergence in SMOOTH]
    error = [f.mass_error + input_error(task) for f in found]
    return Side(np.array([f.mass for f in found]), np.reshape(error, (2, 1, 1)))


def expert_mixture(task: MixtureTask) -> Side:
    """beta d_E + (1 - beta) d_S from two occupancies."""
    return Side(np.tile(task.mixed(task.theirs), (2, 1, 1)), input_error(task))


def squared_distance(task: MixtureTask) -> Side:
    """beta^2 |d - d_E|_1^2 / 2 for KL, beta^2 |d - d_E|_1^2 for chi-square."""
    square = (task.share * float(np.abs(task.ours - task.theirs).sum())) ** 2
    return Side([square / 2, square], 8 * input_error(task) + float(rounding(1.0, 8)))


def unmixed(task: MixtureTask) -> Side:
    """beta D_f(d || d_E) from two occupancies (KL, chi-square); infinite without coverage."""
    d, theirs = task.ours, task.theirs
    value = task.share * distance(d, theirs)
    n = task.mdp.n_states * (task.mdp.n_actions + 1)
    off = float(rounding(1.0, n + 12)) / (1 - task.mdp.discount)
    # the policies are exact: a pair has the relative error of its state
    relative = sum(off / np.maximum(x.sum(axis=1, keepdims=True), 1e-300) for x in (d, theirs))
    ratio = np.maximum(d, 1e-300) / np.maximum(theirs, 1e-300)
    slopes = (d * (1 + np.abs(np.log(ratio))) + theirs, 2 * d * (ratio + 1) + theirs)
    with np.errstate(over="ignore"):  # where there is no coverage
        moved = np.array([float((slope * relative).sum()) for slope in slopes])
    size = np.array([float(slope.sum()) for slope in slopes])
    error = np.where(np.isfinite(value), 1.01 * moved + rounding(1 + size, 2 * d.size + 16), 0.0)
    return Side(value, error, infinities=True)


def regret(task: MixtureTask) -> Side:
    """|J(pi) - J(pi_E)| from the values of both policies."""
    found = [solvers.policy_evaluation(task.mdp, policy) for policy in (task.policy, task.expert)]
    error = float(task.start.sum()) * sum(float(np.max(f.certificate.bound)) for f in found) + 1e-15
    return Side(abs(float(task.start @ (found[0].value - found[1].value))), error)


def occupancy_regret(task: MixtureTask) -> Side:
    """|J(pi) - J(pi_E)| from two occupancies."""
    size = float(rounding(np.abs(task.mdp.reward).max(), 4 * task.policy.size + 24)) / (1 - task.mdp.discount)
    return Side(abs(float(((task.ours - task.theirs) * task.mdp.reward).sum())), size)


def bounded_by(task: MixtureTask, square: float, error: float) -> Side:
    """``(max R - min R) / (2 beta) sqrt(chi^2)`` with an error of chi-square."""
    factor = float(np.ptp(task.mdp.reward)) / (2 * task.share)
    # an error moves a square root most where it is least
    moved = np.sqrt(max(square, 0.0) + error) - np.sqrt(max(square - error, 0.0))
    return Side(factor * np.sqrt(max(square, 0.0)), factor * float(moved) + float(rounding(factor, 8)))


def regret_bound(task: MixtureTask) -> Side:
    """(max R - min R) / (2 beta) sqrt(chi^2(m_pi || m_E)), the divergence from occupancies."""
    found = distances(task)
    return bounded_by(task, float(np.asarray(found.value)[1]), float(np.asarray(found.error)[1]))


def dual_regret_bound(task: MixtureTask) -> Side:
    """(max R - min R) / (2 beta) sqrt(chi^2(m_pi || m_E)), the divergence as minus the minimum over Q."""
    found = dual_distances(task)
    return bounded_by(task, float(np.asarray(found.value)[1]), float(np.asarray(found.error)[1]))


# --- the claim ------------------------------------------------------------------------------------------------------

M2 = two_state_mixture()

RECOIL = Claim(
    "recoil-mixture-dual",
    title="Matching mixtures has a finite dual without coverage, and its divergence bounds the regret",
    papers=("sikchi2023dual",),
    provenance="as in the paper",
    theorem="ReCOIL; monotonicity and regret are our addition",
    statement=r"""
    Let $d_E$ be the expert's occupancy, which may vanish on many pairs, $d_S > 0$ an offline law, $0 < \beta < 1$,
    $m_\pi = \beta d^\pi + (1-\beta)d_S$ and $m_E = \beta d_E + (1-\beta)d_S$. For KL and chi-square:

    (i) for every $\pi$, with the corrected or the plain conjugate,
    $$\min_Q\ \beta(1-\gamma)\langle\mu_0^\pi, Q\rangle + \langle m_E, f^*(-B_\pi Q)\rangle
      + (1-\beta)\langle d_S, B_\pi Q\rangle = -D_f(m_\pi\|m_E);$$

    (ii) the maximum over $\pi$ is 0, attained only by $d^\pi = d_E$: $D_{KL}(m_\pi\|m_E) \ge
    \frac{\beta^2}2\|d^\pi - d_E\|_1^2$ and $\chi^2(m_\pi\|m_E) \ge \beta^2\|d^\pi - d_E\|_1^2$;

    (iii) $D_f(m_\pi\|m_E) \le \beta D_f(d^\pi\|d_E)$;

    (iv) for every reward, $|J(\pi) - J(\pi_E)| \le \frac{\max R - \min R}{2\beta}\sqrt{\chi^2(m_\pi\|m_E)}$.
    """,
    methods=(
        Method(
            "ReCOIL",
            "dual in Q",
            "KL or chi-square",
            "the mixture of policy and data against that of expert and data",
        ),
    ),
    assumptions=(
        Assumption(
            "A1", r"$d_S > 0$ everywhere, so that $m_E > 0$", DEFINITIONAL, lambda task: bool((task.offline > 0).all())
        ),
        Assumption("A2", r"$0 < \beta < 1$", DEFINITIONAL, lambda task: 0 < task.share < 1),
    ),
    instance_family=mixture_task,
    witnesses=(M2,),
    instances=30,
)  # fmt: skip
duality = RECOIL.part(
    "(i)",
    r"minimum over $Q$ = $-D_f(m_\pi\|m_E)$",
    Equal(minima, negative_distances),
    resolution=1e-9,
    reason="Fenchel-Young gaps of the recovered mass; rounding of an occupancy over 1 - gamma: 1e-9",
    exact=(exact.minima, exact.negative_distances),
)
RECOIL.part(
    "(ii)",
    r"at $\pi = \pi_E$ the mass recovered from $Q$ is $m_E$, where the divergence vanishes",
    Equal(expert_mass, expert_mixture),
    resolution=1e-8,
    reason="the flow residual at the minimiser bounds the error of its mass: 1e-8",
    exact=(exact.expert_mass, exact.expert_mixture),
)
RECOIL.part(
    "(ii, unique)",
    r"$D_f(m_\pi\|m_E)$ is at least $\frac{\beta^2}2\|d^\pi - d_E\|_1^2$ (KL), twice that (chi-square)",
    AtMost(squared_distance, distances),
    resolution=1e-9,
    reason="rounding of an occupancy over 1 - gamma: 1e-9",
    closed=("left",),
    cross_right=dual_distances,
    exact=(exact.squared_distance, lambda task: exact.distances(task)),
)
RECOIL.part(
    "(iii)",
    r"$D_f(m_\pi\|m_E) \le \beta D_f(d^\pi\|d_E)$",
    AtMost(distances, unmixed),
    resolution=lambda task: (
        1e-9 * np.maximum(1.0, np.nan_to_num(np.asarray(unmixed(task).value), posinf=1.0))
    ),
    reason="an expert that nearly leaves the support of the policy: relative 1e-9",
    closed=("right",),
    cross_left=dual_distances,
    exact=(lambda task: exact.distances(task), exact.unmixed),
)
worth = RECOIL.part(
    "(iv)",
    r"$|J(\pi) - J(\pi_E)| \le \frac{\max R - \min R}{2\beta}\sqrt{\chi^2(m_\pi\|m_E)}$",
    AtMost(regret, regret_bound),
    resolution=lambda task: 1e-10 / min(max(float(np.asarray(distances(task).value)[1]) ** 0.5, 1e-4), 1.0),
    reason="1e-10 over the square root of the divergence, whose error grows without bound near zero",
    specified_tightness=".807",
    cross_left=occupancy_regret,
    cross_right=dual_regret_bound,
    exact=(exact.regret, exact.regret_bound),
)


def ray(t: float) -> float:
    """Objective of plain imitation (beta = 1, KL) at Q(., 0) = -t, Q(., 1) = 0 on M2; 0 e^y = 0 where d_E = 0."""
    q = np.array([[-t, 0.0], [-t, 0.0]])
    y = -(pair_flow_matrix(M2.mdp, M2.policy) @ q.ravel()).reshape(q.shape)
    covered = M2.theirs > 0
    start = float((M2.start[:, np.newaxis] * M2.policy * q).sum())
    return start + float((M2.theirs[covered] * np.expm1(y[covered])).sum())


@RECOIL.known(M2)
def _(task: MixtureTask) -> Any:
    printed = {
        0.25: ".0029458813 .0058290356",
        0.5: ".0114282328 .0233738095",
        0.75: ".0338605618 .0776907633",
        0.9: ".0806951983 .2396365512",
    }
    for share, numbers in printed.items():
        value = -np.asarray(minima(two_state_mixture(share)).value)[:2]
        yield Known(f"KL and chi-square at share {share}", numbers, value, 1e-13)
    yield Known("regret", ".1070428839", regret(task).value, 1e-14)
    yield Known("bound", ".1528849550", regret_bound(task).value, 1e-13)
    yield Known("minimum at the expert", "0 0", expert_minima(task).value, 1e-13)
    path = [ray(t) for t in (0.0, 10.0, 100.0, 1000.0)]
    yield Known("plain imitation along a ray", "0 -.7936949296 -2.5999547333 -17.0", path, 1e-11)


duality.control(
    "share 1: plain imitation, far along a ray",
    kind="constant",
    instance=M2,
    left=lambda task: Side([ray(1000.0)] * 3, 1e-11),
    specified="-17.0",
    measure=lambda o: o.left[0],
)
worth.control(
    r"$\frac{1}{4\beta}$ in the place of $\frac{1}{2\beta}$",
    kind="constant",
    instance=M2,
    right=lambda task: Side(0.5 * float(np.asarray(regret_bound(task).value)), 1e-12),
)


@RECOIL.figure(
    "Two-state model with an expert that never takes action 0. Left: divergences of the mixtures against the share of the "
    "policies; without coverage both grow without limit as the share tends to one. Right: regret of random policies at share "
    "0.5 against the bound (iv); no point lies above the diagonal.",
    panels=2,
)
def _(axes: Any) -> None:
    left, right = axes
    shares = 1 - np.geomspace(0.9, 1e-4, 50)
    rows = np.array([np.asarray(distances(two_state_mixture(share)).value) for share in shares])
    for k, label in enumerate(("KL", "chi-square")):
        left.plot(1 - shares, rows[:, k], color=f"C{k}", linestyle=("-", "--")[k], label=label)
    left.set(xscale="log", yscale="log", xlabel=r"$1 - \beta$", ylabel=r"$D_f(m_\pi\|m_E)$")
    left.invert_xaxis()
    left.legend(fontsize="small")
    policies = np.random.default_rng(0).dirichlet(np.ones(2), (60, 2))
    tasks = [MixtureTask(M2.mdp, policy, M2.expert, M2.behaviour, 0.5, policy / 2) for policy in policies]
    ours = [float(np.asarray(occupancy_regret(task).value)) for task in tasks]
    most = [float(np.asarray(regret_bound(task).value)) for task in tasks]
    right.plot(most, ours, "o", color="C2", markersize=3)
    right.plot([0, max(most)], [0, max(most)], color="0.5", linewidth=0.8)
    right.set(xlabel="bound (iv)", ylabel="regret")
