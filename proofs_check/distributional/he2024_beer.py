"""Representations that solve the Bellman equation cannot all be alike (He, Zhou, Fang, Maghsudi 2024).

Where values are linear in features, ``w (phi - gamma phi') = r`` for the expected next features. By Cauchy and Schwarz the
difference is at least ``|r| / |w|`` long, and expanding its square bounds the inner product of consecutive features from above.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.claims import (
    DEFINITIONAL,
    Assumption,
    AtMost,
    Claim,
    Equal,
    Known,
    Side,
    both_sides,
    draw_instance,
    rounding,
)
from mdplab.instances import Draw
from mdplab.instances.garnet import dirichlet_mdp
from mdplab.models import MDP
from proofs_check.distributional import exact_features as exact

# --- instances ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class FeatureTask:
    """A model, a policy, and features with weights.

    Attributes
    ----------
    mdp : MDP
        The model.
    policy : ndarray (S, A)
        Probabilities.
    features : ndarray (S, A, d)
        Features of pairs.
    weights : ndarray (d,)
        The values are ``features @ weights``; not zero.
    """

    mdp: MDP
    policy: FloatArray
    features: FloatArray
    weights: FloatArray

    @property
    def rows(self) -> FloatArray:
        """Features (S A, d)."""
        return self.features.reshape(-1, self.weights.size)

    @property
    def following(self) -> FloatArray:
        """Expected next features (S A, d): averages under the policy, then over successors."""
        mean = np.einsum("sa,sad->sd", self.policy, self.features)
        return np.asarray(np.einsum("sat,td->sad", self.mdp.transition, mean).reshape(self.rows.shape))

    @property
    def rewards(self) -> FloatArray:
        return np.asarray(self.mdp.reward, dtype=np.float64).ravel()

    @property
    def residual(self) -> float:
        """Largest residual of the Bellman equation."""
        step = self.rows - self.mdp.discount * self.following
        return float(np.abs(step @ self.weights - self.rewards).max())

    @property
    def solved(self) -> bool:
        """Whether the features solve the Bellman equation, but for rounding."""
        return self.residual <= 1e-9 * (1 + self.size)

    @property
    def size(self) -> float:
        """Largest squared length of a feature, plus the largest squared reward over that of the weights."""
        return float(
            np.square(self.rows).sum(axis=1).max()
            + np.square(self.rewards).max() / (self.weights @ self.weights)
        )


def corrected(mdp: MDP, policy: FloatArray, features: FloatArray, weights: FloatArray) -> FloatArray:
    """The nearest features whose values with the weights are those of the policy."""
    q = solvers.policy_evaluation(mdp, policy).q
    return np.asarray(features + (q - features @ weights)[..., np.newaxis] * weights / (weights @ weights))


def drawn(draw: Draw, *, solved: bool) -> FeatureTask:
    mdp = dirichlet_mdp(draw, states=(4, 4), actions=(2, 2), concentration=(1.0,), discount=(0.3, 0.97))
    policy, features, weights = draw.weights((4, 2)), draw.normal((4, 2, 5)), draw.normal(5)
    if weights @ weights < 0.01:
        draw.reject("the weights almost vanish")
    if solved:
        features = corrected(mdp, policy, features, weights)
    task = FeatureTask(mdp, policy, features, weights)
    if min(np.abs(task.rows).max(axis=1).min(), np.abs(task.following).max(axis=1).min()) < 1e-3:
        draw.reject("a feature almost vanishes: its angle is not defined")
    return task


def feature_task(draw: Draw) -> FeatureTask:
    """Four states, two actions, five normal features corrected to solve the Bellman equation."""
    return drawn(draw, solved=True)


def unsolved_task(draw: Draw) -> FeatureTask:
    """As the family, but the features are not corrected."""
    return drawn(draw, solved=False)


def two_states(reward: float) -> FeatureTask:
    """Features (1, 2), then (1/2, 1) for ever, weights (1, 1/2), discount .8; the equation wants 1.2 and .2."""
    mdp = MDP([[[0.0, 1.0]], [[0.0, 1.0]]], [[reward], [0.2]], 0.8)
    return FeatureTask(mdp, np.ones((2, 1)), np.array([[[1.0, 2.0]], [[0.5, 1.0]]]), np.array([1.0, 0.5]))


PARALLEL, WRONG = two_states(1.2), two_states(2.0)
COIN = FeatureTask(
    MDP([[[0.0, 0.5, 0.5]], [[0.0, 1.0, 0.0]], [[0.0, 0.0, 1.0]]], [[1.0], [1.0], [-0.5]], 0.5),
    np.ones((3, 1)),
    np.array([[[1.25, 0.0]], [[2.0, 1.0]], [[-1.0, -1.0]]]),
    np.array([1.0, 0.0]),
)
"""Features whose first entry is the value: 5/4, then 2 or -1 for ever, discount 1/2."""

# --- routes ---------------------------------------------------------------------------------------------------------


def lengths(task: FeatureTask, following: FloatArray) -> FloatArray:
    ours, next_ones = np.square(task.rows).sum(axis=1), np.square(following).sum(axis=1)
    return np.asarray(ours + task.mdp.discount**2 * next_ones)


def error(task: FeatureTask) -> FloatArray:
    """Rounding, and what a residual of the equation does to the squared reward of the bound."""
    w = float(task.weights @ task.weights)
    largest = float(np.abs(task.rewards).max())
    residual = task.residual if task.solved else 0.0  # an assumption that fails is no rounding
    shift = residual * (2 * largest + residual) / (2 * task.mdp.discount * w)
    return np.asarray(shift + rounding(task.size / task.mdp.discount, 120))


def inner(task: FeatureTask) -> Side:
    """Inner products of features and expected next features, by averages of features."""
    return Side(np.einsum("nd,nd->n", task.rows, task.following), rounding(task.size, 60))


def inner_by_sums(task: FeatureTask) -> Side:
    """Inner products with each possible next feature, averaged."""
    gram, found = task.rows @ task.rows.T, []
    for s in range(task.mdp.n_states):
        for a in range(task.mdp.n_actions):
            odds = (task.mdp.row(s, a)[:, np.newaxis] * task.policy).ravel()
            found.append(float(odds @ gram[s * task.mdp.n_actions + a]))
    return Side(found, rounding(task.size, 60))


def bound_for(task: FeatureTask, following: FloatArray) -> FloatArray:
    free = lengths(task, following) - task.rewards**2 / (task.weights @ task.weights)
    return np.asarray(free / (2 * task.mdp.discount))


def bound(task: FeatureTask) -> Side:
    """Closed form (|phi|^2 + gamma^2 |phi'|^2 - r^2 / |w|^2) / (2 gamma)."""
    return Side(bound_for(task, task.following), error(task))


def norms(task: FeatureTask) -> FloatArray:
    return np.asarray(np.linalg.norm(task.rows, axis=1) * np.linalg.norm(task.following, axis=1))


def over_norms(task: FeatureTask, side: Side) -> Side:
    value = np.asarray(side.value) / norms(task)
    return Side(value, 1.01 * np.asarray(side.error) / norms(task) + rounding(value, 40))


def cosine(task: FeatureTask) -> Side:
    """Cosine similarity, by averages of features."""
    return over_norms(task, inner(task))


def cosine_by_sums(task: FeatureTask) -> Side:
    """Cosine similarity, by averages of inner products."""
    return over_norms(task, inner_by_sums(task))


def cosine_bound(task: FeatureTask) -> Side:
    """Closed form: the bound over both norms."""
    return over_norms(task, bound(task))


def slack(task: FeatureTask) -> Side:
    """Bound minus inner product."""
    found = bound(task)
    return Side(np.asarray(found.value) - np.asarray(inner(task).value), 2 * np.asarray(found.error))


def squared_distance(task: FeatureTask) -> Side:
    """Squared distance of phi - gamma phi' from the line of w, over 2 gamma."""
    step = task.rows - task.mdp.discount * task.following
    unit = task.weights / np.linalg.norm(task.weights)
    off = step - np.outer(step @ unit, unit)
    return Side(
        np.square(off).sum(axis=1) / (2 * task.mdp.discount), rounding(task.size / task.mdp.discount, 120)
    )


# --- the claim ------------------------------------------------------------------------------------------------------

COSINE = Claim(
    "beer-cosine-bound",
    title="The Bellman equation bounds the cosine similarity of consecutive representations",
    papers=("he2024beer",),
    provenance="our formalisation",
    statement=r"""
    Let $Q = \phi^\top w$ be the value of a policy, $\bar\phi' = E\, \phi(s', a')$ and $r$ the expected reward of a pair. Then

    (bound) $\langle \phi, \bar\phi' \rangle \le b = \frac{1}{2\gamma}\big(\lVert\phi\rVert^2 + \gamma^2\lVert\bar\phi'\rVert^2 - r^2/\lVert w\rVert^2\big)$;

    (cosine) $\cos(\phi, \bar\phi') \le b / (\lVert\phi\rVert\,\lVert\bar\phi'\rVert)$;

    (equality) the difference of both sides of the bound is the squared distance of $\phi - \gamma\bar\phi'$ from the line of $w$, over
    $2\gamma$: equality iff $w \parallel \phi - \gamma\bar\phi'$. The bound of the cosine can exceed one, and then says nothing.
    """,
    assumptions=(
        Assumption(
            "A1",
            "the values solve the Bellman equation at the pair",
            "features that do not solve the equation",
            lambda task: task.solved,
            wider=unsolved_task,
        ),
        Assumption("A2", "the next feature and the reward are expected ones", "a sampled next feature"),
        Assumption("A3", r"$\gamma > 0$ and $w \ne 0$", DEFINITIONAL),
    ),
    instance_family=feature_task,
    witnesses=(PARALLEL, COIN),
    instances=100,
)


def resolution(task: FeatureTask) -> FloatArray:
    """1e-12 of the squared lengths over discount and smallest norms."""
    return np.asarray(1e-12 * (1 + task.size) * (1 + 1 / norms(task).min()) / task.mdp.discount)


REASON = "rounding of squared lengths; the residual of the corrected features"
bound_part = COSINE.part(
    "(bound)",
    r"$\langle\phi, \bar\phi'\rangle \le \frac{1}{2\gamma}(\lVert\phi\rVert^2 + \gamma^2\lVert\bar\phi'\rVert^2 - r^2/\lVert w\rVert^2)$",
    AtMost(inner, bound),
    resolution=resolution,
    reason=REASON,
    cross_left=inner_by_sums,
    closed=("right",),
    exact=(exact.inner, exact.bound),
)
cosine_part = COSINE.part(
    "(cosine)",
    r"the cosine is at most the bound over both norms",
    AtMost(cosine, cosine_bound),
    resolution=resolution,
    reason=REASON,
    cross_left=cosine_by_sums,
    closed=("right",),
    exact=(exact.cosine, exact.cosine_bound),
)
equality_part = COSINE.part(
    "(equality)",
    r"the slack is the squared distance of $\phi - \gamma\bar\phi'$ from the line of $w$, over $2\gamma$",
    Equal(slack, squared_distance),
    resolution=resolution,
    reason=REASON,
    exact=(exact.slack, exact.distance),
)


def first(side: Side) -> float:
    return float(np.asarray(side.value)[0])


@COSINE.known(PARALLEL)
def _(task: FeatureTask) -> Iterator[Known]:
    yield Known("inner product and bound", "2.5 2.905", [first(inner(task)), first(bound(task))])
    yield Known("cosine and bound", "1 1.162", [first(cosine(task)), first(cosine_bound(task))], 1e-15)


# --- what must fail -------------------------------------------------------------------------------------------------


def worst_successor(task: FeatureTask) -> FloatArray:
    """The next feature of state 1, for every pair."""
    return np.broadcast_to(task.features[1, 0], task.rows.shape)


def sampled_inner(task: FeatureTask) -> Side:
    """Inner products with the feature of state 1."""
    return Side((task.rows * worst_successor(task)).sum(axis=1), rounding(task.size, 60))


def sampled_bound(task: FeatureTask) -> Side:
    """The bound with the feature of state 1."""
    return Side(bound_for(task, worst_successor(task)), error(task))


def bound_of_twice_the_reward(task: FeatureTask) -> Side:
    """The bound with twice the squared reward."""
    change = task.rewards**2 / (task.weights @ task.weights) / (2 * task.mdp.discount)
    return Side(np.asarray(bound(task).value) - change, error(task))


def half_the_cosine_bound(task: FeatureTask) -> Side:
    """The bound of the cosine divided by two."""
    found = cosine_bound(task)
    return Side(np.asarray(found.value) / 2, found.error)


def whole_distance(task: FeatureTask) -> Side:
    """Squared length of phi - gamma phi' over 2 gamma."""
    step = task.rows - task.mdp.discount * task.following
    return Side(np.square(step).sum(axis=1) / (2 * task.mdp.discount), error(task))


bound_part.control(
    "features that do not solve the equation",
    kind="assumption",
    drops="A1",
    instance=WRONG,
    specified="2.5 1.625",
    measure=both_sides,
)
bound_part.control(
    "a sampled next feature",
    kind="assumption",
    drops="A2",
    instance=COIN,
    left=sampled_inner,
    right=sampled_bound,
    both="the sample is put in the place of the mean on both sides",
)
bound_part.control(
    "twice the reward's square", kind="constant", instance=COIN, right=bound_of_twice_the_reward
)
cosine_part.control("half the bound", kind="constant", instance=PARALLEL, right=half_the_cosine_bound)
equality_part.control("the whole length", kind="mutation", instance=PARALLEL, right=whole_distance)


@COSINE.figure(
    "Inner product of consecutive features against its bound: features that solve the Bellman equation stay under the diagonal; "
    "features that do not, and sampled next features, do not."
)
def _(ax: Any) -> None:
    tasks = [draw_instance(COSINE, bound_part, index) for index in range(60)]
    rng = np.random.default_rng(0)
    groups: dict[str, list[FloatArray]] = {"unsolved": [], "sampled": [], "solved": []}
    for task in tasks:
        shaken = FeatureTask(task.mdp, task.policy, rng.normal(size=task.features.shape), task.weights)
        picked = task.rows[rng.integers(len(task.rows), size=len(task.rows))]
        groups["unsolved"].append(np.array([bound(shaken).value, inner(shaken).value]))
        groups["sampled"].append(np.array([bound_for(task, picked), (task.rows * picked).sum(axis=1)]))
        groups["solved"].append(np.array([bound(task).value, inner(task).value]))
    for (name, points), marker, color in zip(
        groups.items(), ("x", "+", "."), ("C1", "C2", "C0"), strict=True
    ):
        x, y = np.concatenate(points, axis=1)
        ax.plot(x, y, marker, color=color, markersize=4, linestyle="none", label=name)
    ax.plot([-10, 20], [-10, 20], color="0.3", linewidth=0.9)
    ax.set(xlabel="bound $b$", ylabel=r"$\langle\phi,\bar\phi'\rangle$", xlim=(-3, 10), ylim=(-6, 9))
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, markerscale=1.6)
