"""Feasibility-dependent extraction as weighted behaviour cloning (Zheng et al. 2024, FISOR).

Where an action is safe for ever, maximise reward over such actions; elsewhere, get as near to safety as the data allow. Under a
divergence penalty or constraint both are tilts of the behaviour, hence behaviour cloning with weights.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdplab import convex
from mdplab._typing import FloatArray
from mdplab.claims import DEFINITIONAL, Assumption, Claim, Equal, Known, Method, Side
from mdplab.claims.tolerances import rounding
from mdplab.divergences import kl
from mdplab.numerics import monotone_root
from mdplab.operators import feasible_tilt_log, log_tilt
from proofs_check.dual_rl import exact_extraction as exact
from proofs_check.dual_rl.extraction_tasks import (
    FeasibleTask,
    ball_task,
    feasible_task,
    hopeless_task,
    three_way_task,
    wide_ball_task,
)

# --- the routes -----------------------------------------------------------------------------------------------------


def cloned(task: FeasibleTask, temperature: float | None = None) -> FloatArray:
    """The policy in closed form."""
    return np.asarray(
        np.exp(
            feasible_tilt_log(
                task.advantage,
                task.feasibility,
                temperature=task.temperature if temperature is None else temperature,
                log_reference=np.log(task.base),
            )
        )
    )


def size_of(task: FeasibleTask) -> float:
    """Size of scores and of the divergence."""
    return 1 + float(np.abs(task.score).max()) + task.temperature * (1 - float(np.log(task.base.min())))


def penalised(task: FeasibleTask, p: FloatArray) -> Side:
    """Score less divergence over alpha of a policy."""
    value = float(p @ task.score) - task.temperature * float(kl(p, task.base))
    return Side(value, rounding(size_of(task), 8 * p.size + 24))


def attained(task: FeasibleTask) -> Side:
    """Penalised objective of the policy in closed form."""
    return penalised(task, cloned(task))


def conic(task: FeasibleTask, radius: float | None = None) -> Side:
    """Cone program over what may be taken: penalised, or within a divergence ball."""
    mass = float(task.base[task.allowed].sum())
    score, logs = task.score[task.allowed], np.log(task.base[task.allowed] / mass)
    # within the allowed actions the divergence from the behaviour is that from its restriction, and -log of the mass
    if radius is None:
        found = convex.conic_region_program(score, logs[np.newaxis], penalties=[task.temperature])
        shift = task.temperature * np.log(mass)
    else:
        found = convex.conic_region_program(score, logs[np.newaxis], radii=[radius + np.log(mass)])
        shift = 0.0
    error = found.certificate.bound + float(rounding(size_of(task), 16))
    return Side(found.objective + shift, error)


def conic_penalised(task: FeasibleTask) -> Side:
    """Cone program: largest score less divergence over alpha."""
    return conic(task)


def conic_ball(task: FeasibleTask) -> Side:
    """Cone program: largest score within the divergence ball."""
    return conic(task, task.radius)


def bound_policy(task: FeasibleTask) -> Side:
    """Score of the policy in closed form at the alpha that makes its divergence the radius."""

    def excess(temperature: float) -> float:
        return float(kl(cloned(task, temperature), task.base)) - task.radius

    root = monotone_root(excess, 0.1, 10.0, bounds=(0.0, np.inf), log=True)
    values = [float(cloned(task, t) @ task.score) for t in (root.root, root.lower, root.upper)]
    # the score falls with the temperature, by the temperature for each unit of divergence
    error = float(np.ptp(values)) + (1 + root.upper) * float(rounding(size_of(task), 16 * task.base.size))
    return Side(values[0], error)


def highest_score(task: FeasibleTask) -> Side:
    """The highest score of what may be taken."""
    return Side(task.score[task.allowed].max())


# --- the claim ------------------------------------------------------------------------------------------------------

THREE = three_way_task()
HOPELESS = FeasibleTask(THREE.base, THREE.advantage, np.array([0.3, 0.1, 0.7]), 0.5)
WIDE = FeasibleTask(THREE.base, THREE.advantage, THREE.feasibility, 0.5, 1.5)
SOLVER = "certified interval of the cone program, 1e-8"

FISOR = Claim(
    "fisor-weighted-bc",
    title="The feasibility-dependent objective is solved by weighted behaviour cloning",
    papers=("zheng2024fisor",),
    provenance="as in the paper",
    theorem="closed-form solution of the feasibility-dependent objective; the constrained form is our formalisation",
    statement=r"""
    At a state let $\pi_b > 0$ be the behaviour, $A$ the reward advantage and $Q_h$ the feasibility value.

    (feasible) If some action has $Q_h \le 0$, then $\max_p\ \langle A, p\rangle - \frac1\alpha D_{KL}(p\|\pi_b)$ subject to
    $p(a) = 0$ for $Q_h(a) > 0$ is attained by $p \propto \pi_b e^{\alpha A} 1\{Q_h \le 0\}$.

    (infeasible) Otherwise the score is $-A_h$, that is $-Q_h$ up to a constant, and $p \propto \pi_b e^{-\alpha A_h}$.

    (constrained) With $D_{KL}(p\|\pi_b) \le \epsilon$ in the place of the penalty,
    $-\log\pi_b(\text{allowed}) < \epsilon < -\log\pi_b(\text{best})$, the solution is the member of the same family whose
    divergence is $\epsilon$. "Best" are the allowed actions of highest score.

    (slack) From $\epsilon = -\log\pi_b(\text{best})$ on the value is the highest score.
    """,
    assumptions=(
        Assumption(
            "A1",
            r"$\pi_b > 0$ on an action that may be taken",
            DEFINITIONAL,
            lambda task: bool((task.base[task.allowed] > 0).any()),
        ),
        Assumption(
            "A2",
            r"$\epsilon$ is at least $-\log\pi_b(\text{allowed})$: below it nothing is feasible",
            DEFINITIONAL,
            lambda task: task.fraction >= 0,
        ),
    ),
    methods=(
        Method(
            "FISOR", "tilt", "KL", "the policy against the behaviour, over safe actions where there are any"
        ),
    ),
    instance_family=feasible_task,
    witnesses=(THREE,),
    instances=40,
)  # fmt: skip
feasible = FISOR.part(
    "(feasible)",
    r"$p \propto \pi_b e^{\alpha A} 1\{Q_h \le 0\}$ where an action is allowed",
    Equal(attained, conic_penalised),
    resolution=1e-6,
    reason=SOLVER,
    exact=(exact.attained, exact.variational),
)
hopeless = FISOR.part(
    "(infeasible)",
    r"$p \propto \pi_b e^{-\alpha A_h}$ where none is",
    Equal(attained, conic_penalised),
    resolution=1e-6,
    reason=SOLVER,
    family=hopeless_task,
    witnesses=(HOPELESS,),
    exact=(exact.attained, exact.variational),
)
constrained = FISOR.part(
    "(constrained)",
    r"within a ball: the same family at the $\alpha$ whose divergence is $\epsilon$",
    Equal(bound_policy, conic_ball),
    resolution=1e-6,
    reason=SOLVER,
    family=ball_task,
    exact=(exact.bound_value, exact.dual_value),
)
slack = FISOR.part(
    "(slack)",
    r"the highest score from $\epsilon = -\log\pi_b(\text{best})$ on",
    Equal(conic_ball, highest_score),
    resolution=1e-6,
    reason=SOLVER,
    family=wide_ball_task,
    witnesses=(WIDE,),
    exact="a conic solver on one side; the other side is an entry of the data",
)


def without_mask(task: FeasibleTask) -> FloatArray:
    """The tilt by the advantage over all actions."""
    return np.asarray(
        np.exp(log_tilt(task.advantage, temperature=task.temperature, log_reference=np.log(task.base)))
    )


@FISOR.known(THREE)
def _(task: FeasibleTask) -> Any:
    yield Known("policy", "0.4282060054 0.5717939946 0", cloned(task), 1e-15)
    yield Known("its mean advantage", "0.3287175978", cloned(task) @ task.advantage, 1e-15)
    yield Known("policy without the mask", "0.0494662631 0.0660535159 0.8844802211", without_mask(task))
    yield Known("its mass on the forbidden action", "0.884", without_mask(task)[2])


# --- what must fail -------------------------------------------------------------------------------------------------


def by_reward(task: FeasibleTask) -> Side:
    """Penalised objective of the tilt by the advantage over all actions."""
    return penalised(task, without_mask(task))


feasible.control("the mask omitted", kind="mutation", instance=THREE, left=by_reward)
hopeless.control(
    "reward in the place of feasibility",
    kind="mutation",
    instance=HOPELESS,
    left=by_reward,
)
constrained.control(
    "a ball about the behaviour restricted to what is allowed",
    kind="mutation",
    instance=THREE,
    right=lambda task: conic(task, task.radius + task.ends[0]),
)
slack.control(
    "a radius below the threshold",
    kind="constant",
    instance=WIDE,
    left=lambda task: conic(task, sum(task.ends) / 2),
)


# --- the figure -----------------------------------------------------------------------------------------------------


@FISOR.figure(
    "Policies over three actions of which the third is forbidden, on the simplex: the closed form as alpha grows from 0 (line), "
    "policies of the cone program within balls of growing radius (circles), and the tilt without mask (dashed), which ends at "
    "the forbidden action."
)
def _(ax: Any) -> None:
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(0.75)]])
    ax.plot(*corners[[0, 1, 2, 0]].T, color="0.5", linewidth=0.8)
    for corner, name, shift in zip(
        corners, ("action 0", "action 1", "action 2 (forbidden)"), (-12, -12, 4), strict=True
    ):
        ax.annotate(name, corner, xytext=(0, shift), textcoords="offset points", ha="center")
    inverses = np.geomspace(0.01, 40.0, 80)
    tasks = [FeasibleTask(THREE.base, THREE.advantage, THREE.feasibility, 1 / alpha) for alpha in inverses]
    ax.plot(*(np.array([without_mask(t) for t in tasks]) @ corners).T, "--", color="C1", label="without mask")
    ax.plot(*(np.array([cloned(t) for t in tasks]) @ corners).T, color="C0", label="closed form")
    low, high = THREE.ends
    found = [
        convex.conic_region_program(
            THREE.advantage[:2], np.log(THREE.base[np.newaxis, :2] / 0.8), radii=[f * (high - low)]
        ).policy[0]
        for f in (0.02, 0.1, 0.3, 0.6, 0.9)
    ]
    ax.plot(
        *(np.array(found) @ corners[:2]).T, "o", color="C0", markerfacecolor="white", label="cone program"
    )
    ax.plot(*(THREE.base @ corners), "s", color="black", label=r"behaviour $\pi_b$")
    ax.set(xlim=(-0.1, 1.1), ylim=(-0.12, 1.0), aspect="equal")
    ax.axis("off")
    ax.legend(fontsize="small", loc="upper left", bbox_to_anchor=(-0.15, 1.0))
