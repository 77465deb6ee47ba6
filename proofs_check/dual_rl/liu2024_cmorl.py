"""Pareto fronts by constrained programs (Liu et al. 2024, C-MORL).

Every Pareto point is the answer to a constrained program for each of its objectives, with few randomised actions; linear
weights return vertices only.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.claims import HARMLESS, Assumption, AtMost, Claim, Equal, Known, Separates, Side
from mdplab.claims.tolerances import rounding
from mdplab.models import MultiObjectiveMDP
from mdplab.numerics import hypervolume
from mdplab.solvers.constrained import best_return, certified_returns
from proofs_check.dual_rl import exact_fronts as exact
from proofs_check.dual_rl.front_tasks import (
    RELAXED,
    FrontTask,
    SegmentTask,
    edge_task,
    front_task,
    partly_reached_task,
    segment_task,
    three_arm_task,
    two_state_front_task,
    unpushed_task,
    weak_arm_task,
)

# --- the routes -----------------------------------------------------------------------------------------------------


def program_values(task: FrontTask) -> Side:
    """Value of the constrained program of every objective: its certified interval.

    From below the target itself is a proof, since it meets the thresholds; the statement is the bound from above.
    """
    found, target = task.solved, task.target
    low = np.maximum([task.scale * f.lower for f in found], target.returns - target.errors)
    high = np.array([task.scale * f.upper for f in found])
    return Side(0.5 * (low + high), 0.5 * (high - low) + 1e-15)


def target_returns(task: FrontTask) -> Side:
    """Returns of the target, a mixture pushed to the front by one program for the sum of all returns."""
    return Side(task.target.returns, task.target.errors + task.target.excess)


def supports(task: FrontTask) -> list[FloatArray]:
    """Occupancies ``(S, A)`` of the solutions with what is below 1e-10 left out."""
    return [np.where(f.occupancy > 1e-10, f.occupancy, 0.0) for f in task.solved]


def randomisations(task: FrontTask) -> Side:
    """Positive entries of the solutions of the simplex method beyond one for each state visited."""
    found = [(d > 0).sum() - (d > 0).any(axis=1).sum() for d in supports(task)]
    return Side(np.array(found, dtype=float))


def independent_columns(task: FrontTask) -> Side:
    """Rank of the constraints on the support, less the states visited."""
    found = []
    for k, d in enumerate(supports(task)):
        rows = np.concatenate([task.flow.matrix.toarray().T, np.delete(task.rewards, k, axis=0)])
        taken = rows[:, (d > 0).ravel()]
        found.append(np.linalg.matrix_rank(taken) - (d > 0).any(axis=1).sum())
    return Side(np.array(found, dtype=float))


def most(task: FrontTask) -> Side:
    """m - 1 for every program."""
    m = task.model.n_objectives
    return Side(np.full(m, m - 1.0))


def image_error(task: FrontTask) -> float:
    """Error of the returns of deterministic policies: one linear system of condition 2 / (1 - gamma)."""
    return float(rounding(4 / task.scale, 8 * task.model.n_states**2))


def scalarised_returns(task: FrontTask) -> Side:
    """Returns of the policies that policy iteration finds for both weights."""
    policies = [solvers.policy_iteration(task.model.scalarise(w)).policy for w in task.weights]
    found = [certified_returns(task.model, policy) for policy in policies]
    return Side([task.scale * v for v, _ in found], [task.scale * e + 1e-15 for _, e in found])


def best_images(task: FrontTask) -> Side:
    """Returns of the best deterministic policies by enumeration (of several the one nearest to policy iteration's)."""
    rows = []
    for weights, point in zip(task.weights, np.asarray(scalarised_returns(task).value), strict=True):
        heights = task.images @ weights
        best = task.images[heights >= heights.max() - 1e-11]
        rows.append(best[np.abs(best - point).max(axis=1).argmin()])
    return Side(np.array(rows), image_error(task))


def edge_optimum(task: FrontTask) -> Side:
    """Optimal return at the weights normal to the longest edge of the front, by policy iteration (three times)."""
    return optimum(task, task.edge[2])


def optimum(task: FrontTask, weights: FloatArray) -> Side:
    """Optimal scalarised return, by policy iteration (three times)."""
    value, error, _ = best_return(task.model, weights)
    return Side(np.full(3, task.scale * value), task.scale * error + 1e-15)


def edge_returns(task: FrontTask) -> Side:
    """Scalarised returns of both ends of the edge and of a point between, by enumeration."""
    first, second, weights = task.edge
    found = np.array([first @ weights, second @ weights, task.between @ weights])
    return Side(found, image_error(task) + 2e-12)  # points within 1e-12 of the front may be left out of it


def nearest_image(task: FrontTask) -> Side:
    """Returns of the deterministic policy that is nearest."""
    distance = np.abs(task.images - task.between).max(axis=1)
    return Side(task.images[distance.argmin()], image_error(task))


def inner_point(task: FrontTask) -> Side:
    """A point inside the longest edge of the front."""
    return Side(task.between, image_error(task))


def volume(task: SegmentTask) -> Side:
    """Hypervolume of the points above (-.1, -.1), in slabs."""
    return Side(hypervolume(task.points, [-0.1, -0.1]), rounding(1.0, 4 * task.size + 8))


def volume_formula(task: SegmentTask) -> Side:
    """.71 - 1 / (2 (n - 1))."""
    return Side(0.71 - 0.5 / (task.size - 1), rounding(1.0, 4))


# --- the claim ------------------------------------------------------------------------------------------------------

M2, BANDIT, TIE, WEAK = two_state_front_task(), three_arm_task(0.45), three_arm_task(0.5), weak_arm_task()
SHARED = {
    "policy_iteration": "the two optima that are mixed are an input of the claim",
    "constrained": "two readings of one solution: its positive entries and the rank of their columns",
}
CERTIFIED = "certified intervals of the programs, thresholds lowered by 1e-11"

FRONT = Claim(
    "cmorl-constrained-recovers-front",
    title="Constrained programs return every Pareto point with few randomised actions; linear weights return vertices only",
    papers=("liu2024cmorl",),
    provenance="our formalisation",
    theorem="the abstract: Pareto fronts by constrained policy optimisation",
    statement=r"""
    Let $v(\pi) = (\langle d^\pi, R_j\rangle)_{j \le m}$ and let $LP_k(c)$ maximise $\langle d, R_k\rangle$ over occupancies with
    $\langle d, R_j\rangle \ge c_j$ for $j \ne k$.

    (i) If $v$ is Pareto-optimal then $LP_k(v_{-k})$ has the value $v_k$, for each $k$.

    (ii) A basic solution randomises at most $m - 1$ times: $\sum_s (\#\{a : d(s,a) > 0\} - 1) \le m - 1$ over the states
    visited.

    (iii) Weights with a unique maximiser return vertices of the image polytope. At the weights normal to an edge all of its
    points are optimal, both ends too; a point inside the edge is never the only maximiser, and all but finitely many of them,
    the images of deterministic policies, need randomisation.

    (iv) Of $n$ evenly spaced points of the segment from $(1,0)$ to $(0,1)$ the hypervolume above $(-.1,-.1)$ is
    $.71 - \frac{1}{2(n-1)}$.
    """,
    assumptions=(
        Assumption(
            "A1",
            "the target is Pareto-optimal, not only weakly so",
            "a target that is weakly Pareto-optimal",
            lambda task: task.pushed,
            unpushed_task,
        ),
        Assumption(
            "A2",
            "every state is visited",
            HARMLESS,
            lambda task: bool((task.model.initial > 0).all()),
            partly_reached_task,
        ),
        Assumption("A3", "the solution is basic", "a solution inside the optimal face"),
    ),
    instance_family=front_task,
    witnesses=(M2, BANDIT, TIE),
    instances=24,
)  # fmt: skip
values = FRONT.part(
    "(i)",
    "$LP_k(v_{-k})$ has the value $v_k$ for each $k$",
    Equal(program_values, target_returns),
    resolution=1e-7,
    reason=CERTIFIED,
    shared=SHARED,
    exact=(exact.values, exact.returns),
)
basic = FRONT.part(
    "(ii)",
    "a basic solution randomises at most $m - 1$ times",
    AtMost(randomisations, most),
    resolution=0.5,
    reason="whole numbers",
    instances=16,
    cross_left=independent_columns,
    closed=("right",),
    shared=SHARED,
    exact=(exact.randomisations, exact.most),
)
vertices = FRONT.part(
    "(iii)",
    "weights return vertices: images of deterministic policies",
    Equal(scalarised_returns, best_images),
    resolution=1e-9,
    reason="certified evaluation; one linear system for each deterministic policy",
    shared=SHARED,
    assumes=(),
    exact=(exact.scalarised_returns, exact.best_images),
)
flat = FRONT.part(
    "(iii, edge)",
    "at the weights normal to an edge its ends and all points between are optimal",
    Equal(edge_optimum, edge_returns),
    resolution=1e-9,
    reason="certified policy iteration; one linear system for each deterministic policy",
    family=edge_task,
    assumes=(),
    exact=(exact.edge_optimum, exact.edge_returns),
)
FRONT.part(
    "(iii, randomised)",
    "points inside an edge that no deterministic policy has",
    Separates(inner_point, nearest_image, margin=0.04),
    resolution=1e-9,
    reason="one linear system for each deterministic policy",
    quantifier="exists",
    witnesses=(M2, BANDIT),
    assumes=(),
    exact="a separation has no exact routes",
)
volumes = FRONT.part(
    "(iv)",
    r"hypervolume $.71 - \frac{1}{2(n-1)}$",
    Equal(volume, volume_formula),
    resolution=1e-12,
    reason="rounding of a sum of n products",
    family=segment_task,
    witnesses=tuple(SegmentTask(n) for n in (2, 3, 5, 9, 17)),
    assumes=(),
    exact=(exact.staircase, exact.closed_form),
)


def answer(model: MultiObjectiveMDP, threshold: float) -> solvers.ConstrainedSolution:
    """``max v_1`` subject to ``v_2 >= threshold``, normalised."""
    return solvers.constrained(model, [threshold / (1 - model.discount)])


@FRONT.known(BANDIT)
def _(task: FrontTask) -> Any:
    places = np.linspace(0, 1, 5)
    chosen = [int((task.images @ [w, 1 - w]).argmax()) == 2 for w in places]
    yield Known("times that weights choose the third arm", "0", sum(chosen))
    admitted = np.flatnonzero(task.images[:, 1] >= 0.45)
    yield Known("best deterministic arm with v2 >= .45", "2", admitted[task.images[admitted, 0].argmax()])
    found = [answer(task.model, c).objective for c in (0.25, 0.45, 0.5)]
    yield Known("best v1 with v2 >= .25, .45, .5", "0.75 0.55 0.5", found, 1e-12)


@FRONT.known(M2)
def _(task: FrontTask) -> Any:
    printed = (
        "0.2203125 0.8390625 0.5714285714 0.4821428571 0.1795275591 0.5196850394 0.8351648352 0.0659340659"
    )
    yield Known("returns of the deterministic policies 00, 01, 10, 11", printed, task.images.ravel(), 1e-14)
    found = [answer(task.model, c) for c in (0.3, 0.45, 0.6)]
    best = [task.scale * f.objective for f in found]
    yield Known("best v1 with v2 >= .3, .45, .6", "0.6868458274 0.5917963225 0.4554878049", best, 1e-12)
    chance = [found[0].policy[0, 1], found[0].policy[1, 1], found[1].policy[0, 1], found[1].policy[1, 1]]
    yield Known("their chances of action 1", "0.1931818182 1 0.0251046025 1", chance, 1e-11)
    last = [found[2].policy[0, 0], found[2].policy[1, 0]]
    yield Known("chances of action 0 at .6", "1 0.1774193548", last, 1e-11)


@FRONT.known(SegmentTask(17))
def _(_: SegmentTask) -> Any:
    found = [float(np.asarray(volume(SegmentTask(n)).value)) for n in (2, 3, 5, 9, 17)]
    yield Known("hypervolumes of 2, 3, 5, 9, 17 points", "0.21 0.46 0.585 0.6475 0.67875", found, 1e-14)


# --- what must fail -------------------------------------------------------------------------------------------------


def inside_the_face(task: FrontTask) -> Side:
    """Randomisations of the mean of two optimal occupancies: the mixture of two arms, and the arm with the same returns."""
    arm = np.eye(task.images.shape[0])[np.abs(task.images - task.target.returns).max(axis=1).argmin()]
    d = 0.5 * task.mixture + 0.5 * arm
    if np.abs(task.rewards @ d - task.target.returns).max() > 1e-9:
        raise ValueError("the mean is not optimal")
    return Side(np.full(task.model.n_objectives, (d > 0).sum() - 1.0))


def deterministic_values(task: FrontTask) -> Side:
    """Value of every constrained program over deterministic policies alone."""
    found, goals = [], task.target.returns - RELAXED
    for k in range(goals.size):
        kept = (np.delete(task.images, k, axis=1) >= np.delete(goals, k)).all(axis=1)
        found.append(task.images[kept, k].max())
    return Side(np.array(found), image_error(task))


values.control(
    "a target that is weakly Pareto-optimal", kind="assumption", drops="A1", instance=WEAK, specified="0.5"
)
values.control(
    "deterministic policies only",
    kind="mutation",
    instance=M2,
    left=deterministic_values,
    specified="0.5714285714 0.6868458274",
    measure=lambda o: [o.left[0], o.right[0]],
)
basic.control(
    "a solution inside the optimal face",
    kind="assumption",
    drops="A3",
    instance=TIE,
    left=inside_the_face,
)
vertices.control(
    "the worst of all deterministic policies",
    kind="mutation",
    instance=M2,
    right=lambda task: Side(task.images[(task.images @ task.weights.T).argmin(axis=0)], 1e-12),
)
flat.control(
    "the weights of the first reward",
    kind="mutation",
    instance=M2,
    left=lambda task: optimum(task, np.array([1.0, 0.0])),
)
volumes.control(
    "n in the place of n - 1",
    kind="constant",
    instance=SegmentTask(5),
    right=lambda task: Side(0.71 - 0.5 / task.size, 1e-15),
)

FRONT.reading(
    "edge-points-need-randomisation",
    title="Every point inside an edge of the front needs randomisation",
    statement=r"""
    No point inside an edge is the image of a deterministic policy. With ties one may be: of the arms $(1,0)$, $(0,1)$,
    $(.5,.5)$ the third is deterministic, lies inside the edge between the others, and is one of three maximisers at equal
    weights.
    """,
    relation=Separates(inner_point, nearest_image, margin=1e-6),
    counterexamples=(TIE,),
    repair=flat,
    resolution=1e-9,
    reason="one linear system for each deterministic policy",
)


# --- the figure -----------------------------------------------------------------------------------------------------


@FRONT.figure(
    "Left: returns of all policies of a model with two states and two rewards (grey), the four deterministic ones (squares) and "
    "the answers of the constrained program as its threshold falls (line, circles): the whole front, most of it randomised. "
    "Right: hypervolume of n evenly spaced points of a segment (circles), its closed form (line) and its limit.",
    panels=2,
)
def _(axes: Any) -> None:
    plane, growth = axes
    hull = M2.images[[0, 1, 3, 2]]
    plane.fill(*hull.T, color="0.9")
    answers = np.array([M2.scale * answer(M2.model, c).returns for c in np.linspace(0.07, 0.83, 12)])
    plane.plot(*answers.T, "-o", color="C0", markerfacecolor="white", label="constrained program")
    plane.plot(*M2.images.T, "s", color="black", label="deterministic policies")
    for name, point in zip(("00", "01", "10", "11"), M2.images, strict=True):
        plane.annotate(name, point, xytext=(6, 4), textcoords="offset points")
    plane.set(xlabel="$v_1$", ylabel="$v_2$", ylim=(0, 1.1))
    plane.legend(fontsize="small")
    sizes = list(range(2, 33))
    growth.plot(sizes, [volume_formula(SegmentTask(n)).value for n in sizes], color="C1", label="closed form")
    growth.plot(
        sizes, [volume(SegmentTask(n)).value for n in sizes], "o", color="C0", markersize=4, label="slabs"
    )
    growth.axhline(0.71, color="0.4", linestyle=":", label="limit 0.71")
    growth.set(xlabel="number of points $n$", ylabel="hypervolume")
    growth.legend(fontsize="small", loc="lower right")
