"""Dual-Q (Sikchi, Zheng, Zhang and Niekum 2023).

For a fixed policy the occupancy program has one feasible point.  Its dual in action values therefore evaluates the policy
with a penalty, whichever conjugate is used.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.claims import HARMLESS, Assumption, AtMost, Claim, Equal, Known, Side, Undecided
from mdplab.claims.tolerances import rounding
from mdplab.convex import ConjugateDual, conic_occupancy_program
from mdplab.divergences import f_divergence
from mdplab.operators import occupancy, pair_flow_matrix
from proofs_check.dual_rl import exact_policies as exact
from proofs_check.dual_rl.instances import PlanningTask
from proofs_check.dual_rl.policy_tasks import (
    PolicyTask,
    crowd_task,
    policy_task,
    scale_of,
    two_state_policy_task,
    unreached_policy_task,
    unsupported_policy_task,
)

SMOOTH = ("kl", "chi-square")

# --- the routes -----------------------------------------------------------------------------------------------------


def newton(
    task: PolicyTask, divergence: str, policy: FloatArray | None = None, conjugate: str = "corrected"
) -> Any:
    """The dual-Q minimum of a policy."""
    return solvers.dual_q(
        task.mdp,
        task.policy if policy is None else policy,
        task.data,
        divergence=divergence,
        strength=task.strength,
        conjugate=conjugate,
    )


def minimum(task: PolicyTask, divergence: str) -> Side:
    """Minimum over Q by Newton's method."""
    found = newton(task, divergence)
    return Side(found.objective, found.certificate.bound, infinities=True)


def occupancy_error(task: PlanningTask) -> float:
    """Rounding of the occupancy of a policy: a solve whose inverse is at most 1 / (1 - gamma)."""
    n = task.mdp.n_states * (task.mdp.n_actions + 1)
    return float(rounding(1.0, n + 12)) / (1 - task.mdp.discount)


def penalised(task: PolicyTask, divergence: str, policy: FloatArray) -> tuple[float, float]:
    """``J(pi) - alpha D_f(d || d_O)`` and its error."""
    d, data, n = occupancy(task.mdp, policy), task.data, task.data.size
    with np.errstate(divide="ignore"):
        cost = float(f_divergence(divergence).divergence(d.ravel(), data.ravel()))
        # the occupancy errs by rounding over 1 - gamma; x f'(x) - f(x) and f' say what that and the sum do
        off = occupancy_error(task)
        steep = np.abs(np.log(np.maximum(d, off) / data)) + 1 if divergence == "kl" else 2 * d / data + 2
    size = float(np.abs(task.mdp.reward).max()) + task.strength * float((steep * (d + data)).sum())
    far = task.strength * float(steep.max())
    error = off * (float(np.abs(task.mdp.reward).max()) + far) + float(rounding(size, n + 12))
    return float((d * task.mdp.reward).sum()) - task.strength * cost, error if np.isfinite(cost) else 0.0


def regularised_value(task: PolicyTask, divergence: str) -> Side:
    """J(pi) - alpha D_f(d || d_O) from the occupancy of the policy (linear solve)."""
    return Side(*penalised(task, divergence, task.policy), infinities=True)


def both_minima(task: PolicyTask) -> Side:
    """Chi-square minimum over Q with the corrected and with the plain conjugate, by Newton's method."""
    found = [newton(task, "chi-square", conjugate=conjugate) for conjugate in ("corrected", "plain")]
    return Side([f.objective for f in found], [f.certificate.bound for f in found])


def twice_regularised(task: PolicyTask) -> Side:
    """J(pi) - alpha chi^2(d || d_O) from the occupancy, for both conjugates."""
    value, error = penalised(task, "chi-square", task.policy)
    return Side([value] * 2, error)


def function(task: PolicyTask, divergence: str) -> ConjugateDual:
    """The dual-Q objective."""
    start = (task.start[:, np.newaxis] * task.policy).ravel()
    matrix = pair_flow_matrix(task.mdp, task.policy)
    row = f_divergence(divergence)
    return ConjugateDual(matrix, start, task.data.ravel(), task.mdp.reward.ravel(), row, task.strength)


def closed_form(task: PolicyTask, divergence: str) -> Any:
    """The value of the policy under the reward R - alpha f'(d / d_O)."""
    reward = solvers.penalised_reward(
        task.mdp, task.policy, task.data, divergence=divergence, strength=task.strength
    )
    return solvers.policy_evaluation(task.mdp.replace(reward=reward), task.policy)


def closed_error(task: PolicyTask, divergence: str, found: Any) -> float:
    """How far the objective at the computed closed form is from that at the exact one."""
    d, off = occupancy(task.mdp, task.policy), occupancy_error(task)
    steep = 1 / np.maximum(d - off, 1e-300) if divergence == "kl" else 2 / task.data
    moved = float(np.max(found.q_error)) + task.strength * off * float(steep.max()) / (1 - task.mdp.discount)
    dual, q = function(task, divergence), np.asarray(found.q).ravel()
    mass, y = np.abs(dual.mass(q)), np.abs(dual.residual(q)) / task.strength
    # first order by the gradient, second by the curvature: the rows of B have 1-norm at most 2
    first = float(np.abs(dual.gradient(q)).sum()) * moved
    second = float((mass + task.data.ravel()).sum()) * 8 * moved**2 / task.strength
    terms = mass * (1 + y) * (1 + np.abs(q).max() / task.strength) + task.data.ravel()
    size = float(np.abs(dual.linear * q).sum()) + task.strength * float(terms.sum())
    return first + second + float(rounding(size, 4 * q.size + 16))


def closed_objective(task: PolicyTask) -> Side:
    """Objective at the closed form B^-1 (R - alpha f'(d / d_O)), which takes no minimisation (KL, chi-square)."""
    values, errors = [], []
    for divergence in SMOOTH:
        found = closed_form(task, divergence)
        values.append(function(task, divergence).objective(found.q.ravel()))
        errors.append(closed_error(task, divergence, found))
    return Side(values, errors)


def minima(task: PolicyTask) -> Side:
    """Minimum over Q by Newton's method (KL, chi-square)."""
    found = [newton(task, divergence) for divergence in SMOOTH]
    return Side([f.objective for f in found], [f.certificate.bound for f in found])


def outer(task: PolicyTask, divergence: str) -> Any:
    """The minimum over V."""
    found = solvers.dual_v(task.mdp, task.data, divergence=divergence, strength=task.strength)
    if not found.status.ok:
        raise Undecided(f"dual-V ended with {found.status.name}")
    return found


def best_policies(task: PolicyTask) -> Side:
    """Minimum over Q at the policy that dual-V recovers (KL, chi-square)."""
    found = [newton(task, divergence, outer(task, divergence).policy) for divergence in SMOOTH]
    return Side([f.objective for f in found], [f.certificate.bound for f in found])


def outer_minima(task: PolicyTask) -> Side:
    """Minimum over V (KL, chi-square)."""
    found = [outer(task, divergence) for divergence in SMOOTH]
    # the recovered policy loses at most the gap between the bounds
    return Side([f.objective for f in found], [f.certificate.bound + f.gap for f in found])


def crowd_values(task: PolicyTask) -> Side:
    """J(pi) - alpha D_f(d || d_O) of every policy from its occupancy (rows: KL, chi-square)."""
    table = np.array([[penalised(task, name, policy) for policy in task.policies] for name in SMOOTH])
    return Side(table[..., 0], table[..., 1])


def crowd_minima(task: PolicyTask) -> Side:
    """Minimum over Q of every policy by Newton's method (rows: KL, chi-square)."""
    found = [[newton(task, name, policy) for policy in task.policies] for name in SMOOTH]
    return Side(
        [[f.objective for f in row] for row in found], [[f.certificate.bound for f in row] for row in found]
    )


def crowd_ceiling(task: PolicyTask) -> Side:
    """Minimum over V, for every policy."""
    found = [outer(task, divergence) for divergence in SMOOTH]
    shape = (1, len(task.policies))
    return Side(
        np.tile([[f.objective] for f in found], shape), np.tile([[f.certificate.bound] for f in found], shape)
    )


def crowd_program(task: PolicyTask) -> Side:
    """Cone program over all occupancies (interior point), for every policy."""
    found = [
        conic_occupancy_program(task.mdp, task.data, divergence=name, strength=task.strength)
        for name in SMOOTH
    ]
    shape = (1, len(task.policies))
    return Side(
        np.tile([[f.objective] for f in found], shape), np.tile([[f.certificate.bound] for f in found], shape)
    )


# --- dual-Q ---------------------------------------------------------------------------------------------------------

M2 = two_state_policy_task()
GREEDY = two_state_policy_task(policy=np.array([[0.0, 1.0], [0.0, 1.0]]))


def supported(task: PolicyTask) -> bool:
    """Data on every pair."""
    return bool((task.data > 0).all())


def played(task: PolicyTask) -> bool:
    """Every policy plays every pair."""
    return all(bool((occupancy(task.mdp, policy) > 0).all()) for policy in task.policies)


def relative(tolerance: float) -> Any:
    """A tolerance relative to the size of the value of a policy."""
    return lambda task: tolerance * scale_of(task)


DUAL_Q = Claim(
    "dual-q-fixed-policy",
    title="Dual-Q evaluates a policy with a penalty, and needs no correction of the conjugate",
    papers=("sikchi2023dual",),
    provenance="as in the paper",
    theorem="primal-Q and dual-Q; the closed form of the minimiser is our addition",
    statement=r"""
    Let $d_O$ be a law on pairs, $\alpha > 0$, $\pi$ any policy, $B_\pi = I - \gamma P^\pi$ on pairs and
    $\mu_0^\pi(s,a) = \mu_0(s)\pi(a|s)$. Then, (a) for KL and (b) for chi-square with the corrected or with the plain
    conjugate,
    $$\min_Q\ (1-\gamma)\langle\mu_0^\pi, Q\rangle + \alpha\langle d_O, f^*((R - B_\pi Q)/\alpha)\rangle
      = J(\pi) - \alpha D_f(d^\pi\|d_O);$$
    (c) it is attained at $Q^* = B_\pi^{-1}\big(R - \alpha f'(d^\pi/d_O)\big)$; (d) at the policy recovered from dual-V it is
    the minimum of dual-V, which (e) no policy exceeds.
    """,
    assumptions=(
        Assumption("A1", r"$d_O > 0$ everywhere", HARMLESS, supported, unsupported_policy_task),
        Assumption(
            "A2",
            r"$d^\pi > 0$ everywhere, for the minimum to be attained (KL)",
            "KL: a policy that leaves pairs unplayed",
            played,
            unreached_policy_task,
        ),
    ),
    instance_family=policy_task,
    witnesses=(M2,),
    instances=40,
)
for name, divergence, text in (("(a)", "kl", "KL"), ("(b)", "chi-square", "chi-square")):
    DUAL_Q.part(
        name,
        rf"{text}: minimum over $Q$ = $J(\pi) - \alpha D_f(d^\pi\|d_O)$",
        Equal(partial(minimum, divergence=divergence), partial(regularised_value, divergence=divergence)),
        resolution=relative(1e-9),
        reason="Fenchel-Young gaps of the recovered mass; rounding of an occupancy over 1 - gamma: 1e-9",
        assumes=("A1",),
        witnesses=(M2, GREEDY),
        exact=(
            partial(exact.minimum, divergence=divergence),
            partial(exact.regularised_value, divergence=divergence),
        ),
    )
conjugates = DUAL_Q.part(
    "(b, conjugates)",
    "chi-square: the corrected and the plain conjugate have this minimum",
    Equal(both_minima, twice_regularised),
    resolution=relative(1e-9),
    reason="as for (b)",
    assumes=("A1",),
    exact=(exact.both_minima, exact.twice_regularised),
)
attained = DUAL_Q.part(
    "(c)",
    r"the objective at $B_\pi^{-1}(R - \alpha f'(d^\pi/d_O))$ is the minimum",
    Equal(closed_objective, minima),
    resolution=relative(1e-9),
    reason="a stationary point: rounding of the objective",
    exact=(exact.closed_objective, exact.minima),
)
DUAL_Q.part(
    "(d)",
    "at the policy recovered from dual-V the minimum is that of dual-V",
    Equal(best_policies, outer_minima),
    resolution=relative(1e-9),
    reason="certificates of both minima: 1e-9",
    assumes=("A1",),
    shared={"dual_v": "the statement: the policy read off V is evaluated by dual-Q"},
    exact="the policy is read off the minimiser of dual-V in floats",
)
DUAL_Q.part(
    "(e)",
    "no policy exceeds the minimum of dual-V",
    AtMost(crowd_values, crowd_ceiling),
    resolution=relative(1e-6),
    reason="the second route to the right side is an interior point, 1e-8",
    family=crowd_task,
    witnesses=(M2,),
    instances=6,
    assumes=("A1",),
    cross_left=crowd_minima,
    cross_right=crowd_program,
    exact="the right side is the minimum of dual-V; its exact routes are those of dual-v-strong-duality",
)


@DUAL_Q.known(M2)
def _(task: PolicyTask) -> Any:
    kl, square = (newton(task, divergence) for divergence in SMOOTH)
    yield Known("KL: value", "0.6536677208472", kl.objective, kl.certificate.bound)
    yield Known("KL: Q", "6.0463629563 6.2007371709 6.3940215477 7.1638859716", kl.q, kl.q_error)
    yield Known("chi-square: value", "0.5449475694161", square.objective, square.certificate.bound)
    yield Known(
        "chi-square: Q", "3.5006357557 3.4042946749 3.7443048135 3.9272831916", square.q, square.q_error
    )


def best_action_objective(task: PolicyTask) -> Side:
    """Objective at the closed form with gamma max_a Q in the place of gamma P^pi Q in the residual."""
    values = []
    for divergence in SMOOTH:
        q = np.asarray(closed_form(task, divergence).q)
        ahead = task.mdp.discount * np.asarray(task.mdp.to_dense().transition) @ q.max(axis=1)
        y = (task.mdp.reward + ahead - q) / task.strength
        linear = float((task.start[:, np.newaxis] * task.policy * q).sum())
        values.append(
            linear + task.strength * float((task.data * f_divergence(divergence).conjugate(y)).sum())
        )
    return Side(values, 1e-12)


def capped_objective(task: PolicyTask) -> Side:
    """Objective at the closed form with f' of at least -3, which is finite where the policy does not play."""
    values = []
    for divergence in SMOOTH:
        row = f_divergence(divergence)
        slope = np.maximum(row.derivative(occupancy(task.mdp, task.policy) / task.data), -3.0)
        dual = function(task, divergence)
        q = np.linalg.solve(dual.matrix.toarray(), (task.mdp.reward - task.strength * slope).ravel())
        values.append(dual.objective(q))
    return Side(values, 1e-12)


attained.control(
    r"$\gamma\max_a Q$ in the place of $\gamma P^\pi Q$",
    kind="mutation",
    instance=M2,
    left=best_action_objective,
    specified="0.5768602390",
    measure=lambda o: o.left[1],
)
attained.control(
    "KL: a policy that leaves pairs unplayed",
    kind="assumption",
    drops="A2",
    instance=GREEDY,
    left=capped_objective,
)
conjugates.control(
    "the divergence counted twice",
    kind="constant",
    instance=M2,
    right=lambda task: Side(
        [penalised(two_state_policy_task(2 * task.strength), "chi-square", task.policy)[0]] * 2, 1e-12
    ),
)


@DUAL_Q.figure(
    "Minimum over action values (vertical) against the penalised return from the occupancy (horizontal), KL and chi-square, "
    "for random policies of the two-state model at three strengths: every point lies on the diagonal. At the largest "
    "strength the penalty dominates the return."
)
def _(ax: Any) -> None:
    rng = np.random.default_rng(0)
    policies = rng.dirichlet(np.ones(2), (25, 2))
    low, high = np.inf, -np.inf
    for k, strength in enumerate((0.03, 0.1, 0.3)):
        for divergence, marker in zip(SMOOTH, "o^", strict=True):
            tasks = [two_state_policy_task(strength, policy) for policy in policies]
            left = [newton(task, divergence).objective for task in tasks]
            right = [penalised(task, divergence, task.policy)[0] for task in tasks]
            low, high = min(low, *left), max(high, *left)
            label = rf"{'KL' if divergence == 'kl' else 'chi-square'}, $\alpha = {strength}$"
            ax.plot(right, left, marker, color=f"C{k}", markersize=4, fillstyle="none", label=label)
    ax.plot([low, high], [low, high], color="0.5", linewidth=0.8, zorder=0)
    ax.set(xlabel=r"$J(\pi) - \alpha D_f(d^\pi\|d_O)$", ylabel=r"minimum over $Q$")
    ax.legend(fontsize="x-small")
