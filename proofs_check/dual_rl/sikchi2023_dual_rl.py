"""Strong duality of regularised occupancy programs (Sikchi, Zheng, Zhang and Niekum 2023).

A concave program over all occupancies, with as many unknowns as pairs and with flow constraints, has the same value as
an unconstrained convex problem in one number per state.  The price of ``d >= 0`` is that the conjugate is taken over
``x >= 0``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from scipy import sparse

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.claims import DEFINITIONAL, HARMLESS, Assumption, Claim, Equal, Known, Side
from mdplab.claims.tolerances import rounding
from mdplab.convex import (
    ConjugateDual,
    FlowPolytope,
    conic_occupancy_program,
    linear_program,
    minimise_smooth,
)
from mdplab.divergences import f_divergence
from proofs_check.dual_rl import exact_programs as exact
from proofs_check.dual_rl.instances import (
    OfflineTask,
    offline_task,
    partly_reached,
    partly_supported,
    two_state_task,
)

SMOOTH = ("kl", "chi-square")
DIVERGENCES = (*SMOOTH, "total-variation")

# --- the routes -----------------------------------------------------------------------------------------------------


def primal_value(task: OfflineTask, divergence: str) -> Side:
    """Cone program over occupancies d (interior point)."""
    found = conic_occupancy_program(task.mdp, task.data, divergence=divergence, strength=task.strength)
    return Side(found.objective, found.certificate.bound)


def dual_value(task: OfflineTask, divergence: str) -> Side:
    """Minimum over V: Newton's method (KL, chi-square) or a linear program (total variation)."""
    found = solvers.dual_v(task.mdp, task.data, divergence=divergence, strength=task.strength)
    return Side(found.objective, found.certificate.bound)


def smooth_dual(task: OfflineTask, divergence: str, linear: FloatArray | None = None) -> ConjugateDual:
    """The dual function of V, as the paper writes it; ``linear`` replaces (1 - gamma) mu_0."""
    flow = FlowPolytope.of(task.mdp)
    start = flow.start if linear is None else linear
    return ConjugateDual(
        flow.matrix, start, flow.vector(task.data), flow.reward, f_divergence(divergence), task.strength
    )


def recovered(task: OfflineTask, divergence: str) -> tuple[FloatArray, FloatArray, ConjugateDual]:
    """The dual minimiser V, the mass d_O w(delta / alpha) that it recovers, and the dual function."""
    value = solvers.dual_v(task.mdp, task.data, divergence=divergence, strength=task.strength).value
    dual = smooth_dual(task, divergence)
    return value, dual.mass(value), dual


def recovered_flow(task: OfflineTask) -> Side:
    """Flow B'd of the recovered mass d = d_O w(delta / alpha) (rows: KL, chi-square)."""
    flow = FlowPolytope.of(task.mdp)
    rows, errors = [], []
    for divergence in SMOOTH:
        value, mass, dual = recovered(task, divergence)
        rows.append(flow.matrix.T @ mass)
        errors.append((1 + task.mdp.discount) * dual.newton_bound(value)[1] + rounding(2.0, mass.size + 4))
    return Side(np.array(rows), np.array(errors)[:, None])


def start_flow(task: OfflineTask) -> Side:
    """Flow of every occupancy, (1 - gamma) mu_0."""
    return Side(np.tile(task.start, (len(SMOOTH), 1)), rounding(1.0, 2))


def recovered_value(task: OfflineTask) -> Side:
    """Primal objective of the recovered mass, <d, R> - alpha D_f(d || d_O) (KL, chi-square)."""
    flow = FlowPolytope.of(task.mdp)
    data = flow.vector(task.data)
    rows, errors = [], []
    for divergence in SMOOTH:
        value, mass, dual = recovered(task, divergence)
        cost = task.strength * f_divergence(divergence).divergence(mass, data)
        rows.append(float(mass @ flow.reward - cost))
        # d maximises F(d) - V.(B'd - start) over d >= 0, the optimum does so at the exact minimiser: both differ from
        # F* by at most max |V| times the flow residual
        residual, doubt = flow.flow_residual(mass)
        price = np.abs(value).max() + dual.newton_bound(value)[0]
        # the terms of a divergence cancel: x log x - x + 1 with x = d/q
        delta = np.abs(dual.residual(value)) / task.strength
        size = mass @ np.abs(flow.reward) + task.strength * float(
            (mass * (1 + delta) + data).sum() + abs(cost)
        )
        errors.append(price * (np.abs(residual).sum() + doubt) + float(rounding(size, mass.size + 12)))
    return Side(rows, errors)


def least_upper_bound(task: OfflineTask) -> Side:
    """Dual objective at its minimiser (KL, chi-square)."""
    found = [dual_value(task, divergence) for divergence in SMOOTH]
    return Side(
        [float(np.asarray(side.value)) for side in found], [float(np.asarray(side.error)) for side in found]
    )


# --- the claim ------------------------------------------------------------------------------------------------------

M2 = two_state_task()


def supported(task: OfflineTask) -> bool:
    """Data on every pair."""
    return bool((task.data > 0).all())


def reachable(task: OfflineTask) -> bool:
    """Every state carries mass under some occupancy."""
    return bool(FlowPolytope.of(task.mdp).reachable().all())


DUALITY = Claim(
    "dual-v-strong-duality",
    title="The regularised occupancy program equals an unconstrained convex problem in the value",
    papers=("sikchi2023dual",),
    provenance="as in the paper",
    theorem="primal-V and dual-V",
    statement=r"""
    Let $d_O$ be a law on pairs (not necessarily an occupancy), $\alpha > 0$, $\delta_V = R - BV$ with
    $(BV)(s,a) = V(s) - \gamma\sum_{s'}P(s'|s,a)V(s')$, and $D_f(d\|d_O) = \sum d_O\, f(d/d_O)$. Then
    $$\max_{d \ge 0,\ B^\top d = (1-\gamma)\mu_0} \langle d, R\rangle - \alpha D_f(d\|d_O)
      = \min_V\ (1-\gamma)\mu_0^\top V + \alpha \sum_{s,a} d_O(s,a)\, f^*_p\big(\delta_V(s,a)/\alpha\big)$$
    with the corrected conjugate $f^*_p(y) = \sup_{x \ge 0}(xy - f(x))$, for (a) $f(x) = x\log x - x + 1$ (KL),
    (b) $f(x) = (x-1)^2$ (chi-square) and (c) $f(x) = \frac12|x-1|$ (total variation: $f^*_p(y) = \max(y, -\frac12)$ for
    $y \le \frac12$ and $+\infty$ beyond). For (a) and (b), whose $f^*_p$ has a derivative $w = (f^*_p)'$ everywhere, the
    mass $d = d_O\, w(\delta_V/\alpha)$ at the minimiser (d) has the flow $B^\top d = (1-\gamma)\mu_0$ and (e) attains the
    value of the minimum.
    """,
    assumptions=(
        Assumption("A1", r"$d_O > 0$ everywhere", HARMLESS, supported, partly_supported),
        Assumption("A2", r"$0 \le \gamma < 1$", DEFINITIONAL, lambda task: task.mdp.discount < 1),
        Assumption(
            "A3",
            r"$f$ convex, lower semicontinuous, $f(1) = 0$; total variation: $\delta_V \le \alpha/2$ is a constraint",
            "total variation without the constraint on the residual",
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
    witnesses=(M2,),
    instances=100,
)


def relative(tolerance: float) -> Callable[[OfflineTask], float]:
    """A tolerance relative to the largest reward, at least 1, which bounds the size of the values."""
    return lambda task: tolerance * max(1.0, float(np.abs(task.mdp.reward).max()))


def strong_duality(name: str, text: str, divergence: str) -> Any:
    """Declare the equality of both programs for one divergence."""
    return DUALITY.part(
        name,
        text,
        Equal(partial(primal_value, divergence=divergence), partial(dual_value, divergence=divergence)),
        resolution=relative(1e-6),
        reason="each program by the weak duality of its own pair of points; an interior point reaches 1e-8",
        instances=60,
        exact=(
            partial(exact.primal_value, divergence=divergence),
            partial(exact.dual_value, divergence=divergence),
        ),
    )


strong_duality("(a)", "KL: maximum over occupancies = minimum over $V$", "kl")
chi_square = strong_duality("(b)", "chi-square: maximum over occupancies = minimum over $V$", "chi-square")
variation = strong_duality(
    "(c)", "total variation: maximum over occupancies = minimum over $V$", "total-variation"
)
DUALITY.part(
    "(d)",
    r"KL and chi-square: $B^\top d = (1-\gamma)\mu_0$ for $d = d_O\,w(\delta_V/\alpha)$",
    Equal(recovered_flow, start_flow),
    resolution=1e-8,
    reason="distance to the exact minimiser by the curvature of the dual: 1e-8",
    exact=(exact.recovered_flow, exact.start_flow),
)
attained = DUALITY.part(
    "(e)",
    r"KL and chi-square: $\langle d, R\rangle - \alpha D_f(d\|d_O)$ at this $d$ is the minimum",
    Equal(recovered_value, least_upper_bound),
    resolution=1e-8,
    reason="flow residual of the recovered mass times the largest value, certificate of the minimum: 1e-8",
    exact=(exact.recovered_value, exact.least_upper_bound),
    shared={
        "dual_v": "a certificate: the primal objective at the mass read off V does not know the dual objective"
    },
)


def extrapolated(divergence: str) -> float:
    """The value at strength 0 by the line through two small strengths."""
    near, far = (dual_value(two_state_task(strength), divergence).value for strength in (0.005, 0.01))
    return 2 * float(np.asarray(near)) - float(np.asarray(far))


@DUALITY.known(M2)
def _(task: OfflineTask) -> Any:
    kl, square, variation = (
        solvers.dual_v(task.mdp, task.data, divergence=name, strength=task.strength) for name in DIVERGENCES
    )
    yield Known("KL: value", "0.7101727798020", kl.objective, kl.certificate.bound)
    yield Known("KL: V", "6.7272374351 7.6634633424", kl.value)
    yield Known("chi-square: value", "0.5595209672683", square.objective, square.certificate.bound)
    yield Known("chi-square: V", "3.4856403372 3.8900477732", square.value)
    yield Known("total variation: value", "0.7698217694715", variation.objective, variation.certificate.bound)
    limits = [extrapolated(name) for name in DIVERGENCES]
    yield Known("values as the strength vanishes", "0.8351648352 0.8351648352 0.8351648352", limits)
    behaviour = "0.374014598540 0.160291970803 0.279416058394 0.186277372263"
    yield Known("occupancy of the behaviour policy", behaviour, task.data)


# --- what must fail -------------------------------------------------------------------------------------------------


def without_normalisation(task: OfflineTask) -> Side:
    """Chi-square dual with mu_0 in the place of (1 - gamma) mu_0."""
    dual = smooth_dual(task, "chi-square", np.asarray(task.mdp.start_law()))
    found = minimise_smooth(
        dual.objective, dual.gradient, dual.hessian, np.zeros(task.mdp.n_states), tol=1e-13, max_steps=500
    )
    # convexity: the minimum lies below by at most the gradient times the distance
    return Side(found.objective, found.gradient_norm * dual.newton_bound(found.point)[0] + 1e-13)


def without_the_domain(task: OfflineTask) -> Side:
    """Total-variation dual without the constraint delta <= alpha / 2."""
    flow = FlowPolytope.of(task.mdp)
    data, states = flow.vector(task.data), task.mdp.n_states
    found = linear_program(
        np.concatenate([flow.start, data]),
        at_least=(
            sparse.block_array([[flow.matrix, sparse.eye_array(data.size)]], format="csr"),
            flow.reward,
        ),
        lower=np.concatenate([np.full(states, -np.inf), np.full(data.size, -0.5 * task.strength)]),
    )
    return Side(found.objective, 1e-9)


def plain_total(task: OfflineTask) -> Side:
    """Primal objective of the recovered mass with the divergence counted twice."""
    flow, data = FlowPolytope.of(task.mdp), FlowPolytope.of(task.mdp).vector(task.data)
    masses = [recovered(task, divergence)[1] for divergence in SMOOTH]
    costs = [
        2 * task.strength * f_divergence(name).divergence(mass, data)
        for name, mass in zip(SMOOTH, masses, strict=True)
    ]
    return Side([float(m @ flow.reward - c) for m, c in zip(masses, costs, strict=True)], 1e-9)


chi_square.control(
    r"the dual with the start law in the place of $(1-\gamma)\mu_0$",
    kind="constant",
    instance=M2,
    right=without_normalisation,
    specified="-4.435251942561 -4.994772909829",
    measure=lambda o: [float(o.right), float(o.right - o.left)],
)
variation.control(
    "total variation without the constraint on the residual",
    kind="assumption",
    drops="A3",
    instance=M2,
    right=without_the_domain,
)
attained.control("the divergence with the factor 2", kind="constant", instance=M2, left=plain_total)


# --- the figure -----------------------------------------------------------------------------------------------------


@DUALITY.figure(
    "Value of the regularised program of the two-state model against the strength of the divergence, for data of the "
    "behaviour policy. Lines: the minimum over the value; markers: the maximum over occupancies by a cone solver. As "
    "the strength vanishes every value tends to the optimal return."
)
def _(ax: Any) -> None:
    strengths = np.geomspace(1e-2, 10.0, 40)
    names = {"kl": "KL", "chi-square": "chi-square", "total-variation": "total variation"}
    for k, (divergence, label) in enumerate(names.items()):
        line = [float(np.asarray(dual_value(two_state_task(a), divergence).value)) for a in strengths]
        marks = [
            float(np.asarray(primal_value(two_state_task(a), divergence).value)) for a in strengths[2::6]
        ]
        ax.plot(strengths, line, color=f"C{k}", label=label)
        ax.plot(strengths[2::6], marks, "osD"[k], color=f"C{k}", markersize=5)
    best = float(M2.start @ solvers.policy_iteration(M2.mdp).value)
    ax.axhline(best, color="0.4", linestyle=":", label="optimal return $J^*$")
    ax.set(xscale="log", xlabel=r"strength $\alpha$", ylabel="value of the program")
    ax.legend(fontsize="small")
