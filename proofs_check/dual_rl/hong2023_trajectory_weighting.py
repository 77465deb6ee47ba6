r"""Trajectory weighting (Hong, Agrawal, Tachet des Combes and Laroche 2023).

Sampling good trajectories more often is the same as having collected the data with a better policy, as long as chance
plays no part: with deterministic transitions the weight of a trajectory is a product of action probabilities.  A lucky
trajectory of a bad action, or a lucky initial state, is no merit of the policy.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdplab import solvers
from mdplab._typing import Array, FloatArray
from mdplab.claims import (
    DEFINITIONAL,
    Assumption,
    AtMost,
    Claim,
    Equal,
    Known,
    Method,
    Side,
)
from mdplab.claims.tolerances import rounding
from mdplab.operators import stage_occupancy
from proofs_check.dual_rl import exact_weighting as exact
from proofs_check.dual_rl.instances import (
    WeightingTask,
    lottery_task,
    start_blind_task,
    stochastic_task,
    two_step_task,
    weighting_task,
)
from proofs_check.dual_rl.weighted_set import (
    forward_error,
    induced_policy,
    mass,
    policy_return,
    ratio,
    visits,
    weighting_error,
)

# --- the routes -----------------------------------------------------------------------------------------------------


def rolled_forward(task: WeightingTask, policy: Array, inverse: float) -> tuple[list[float], list[float]]:
    """Visitation of every stage and return of a policy of the set, with their errors."""
    horizon = task.model.horizon
    off = 2 * horizon * weighting_error(task, inverse) + float(rounding(1.0, horizon * 16))
    row = [*stage_occupancy(task.model, policy).ravel(), policy_return(task.model, policy)]
    return row, [*np.full(policy.size, off), forward_error(task, inverse)]


def policy_side(task: WeightingTask) -> Side:
    """Induced policy, rolled forward: visitation of every stage and return (a row a temperature)."""
    rows = [rolled_forward(task, induced_policy(task, mass(task, b)), b) for b in 1 / task.temperatures]
    return Side(np.array([row for row, _ in rows]), np.array([error for _, error in rows]))


def weighted_side(task: WeightingTask) -> Side:
    """Re-weighted trajectories, counted: visitation of every stage and mean return (a row a temperature)."""
    rows, errors = [], []
    for inverse in 1 / task.temperatures:
        weights = mass(task, inverse)
        rows.append([*visits(task, weights).ravel(), weights @ task.paths.returns])
        off = 2 * weighting_error(task, inverse)
        errors.append([*np.full(task.behaviour.size, off), off * np.abs(task.paths.returns).max()])
    return Side(np.array(rows), np.array(errors))


def forward_returns(task: WeightingTask, inverses: Array) -> Side:
    """Forward recursion at given inverse temperatures."""
    values = [policy_return(task.model, induced_policy(task, mass(task, inverse))) for inverse in inverses]
    return Side(values, [forward_error(task, inverse) for inverse in inverses])


def mean_returns(task: WeightingTask, inverses: Array) -> Side:
    """Mean return of the re-weighted trajectories at given inverse temperatures."""
    values = [mass(task, inverse) @ task.paths.returns for inverse in inverses]
    largest = np.abs(task.paths.returns).max()
    return Side(values, [2 * largest * weighting_error(task, inverse) for inverse in inverses])


def warmer(task: WeightingTask) -> FloatArray:
    """Inverse temperatures 0 (the behaviour) and all but the coldest."""
    return np.array([0.0, *(1 / task.temperatures[:-1])])


def return_before(task: WeightingTask) -> Side:
    """Forward recursion: return of the behaviour, then of the policy at each temperature but the coldest."""
    return forward_returns(task, warmer(task))


def return_after(task: WeightingTask) -> Side:
    """Forward recursion: return of the policy at each temperature, from the warmest to the coldest."""
    return forward_returns(task, 1 / task.temperatures)


def mean_before(task: WeightingTask) -> Side:
    """Enumeration: mean return of the set without weights, then at each temperature but the coldest."""
    return mean_returns(task, warmer(task))


def mean_after(task: WeightingTask) -> Side:
    """Enumeration: mean return of the re-weighted set at each temperature."""
    return mean_returns(task, 1 / task.temperatures)


def derivative(task: WeightingTask) -> Side:
    """Complex step in 1/eta at 0 through the induced policy and the forward recursion."""
    step = 1e-30
    slope = policy_return(task.model, induced_policy(task, mass(task, step * 1j))).imag / step
    size = np.abs(task.paths.returns).max() ** 2
    return Side(slope, rounding(size, 4 * task.paths.n_trajectories))


def return_variance(task: WeightingTask) -> Side:
    """Variance of the return given the initial state, averaged over initial states."""
    p, returns, starts = task.paths.probability, task.paths.returns, task.starts
    centred = returns - starts @ ratio(returns * p @ starts, p @ starts)
    return Side(p @ centred**2, rounding(np.abs(returns).max() ** 2, 4 * task.paths.n_trajectories))


def best_paths(task: WeightingTask) -> tuple[float, float]:
    """Mean over initial states of the largest return, and of log 1/p of a trajectory that attains it."""
    paths, law = task.paths, task.model.start_law()
    surprise = -paths.action_log_probability.sum(axis=1)
    largest = rare = 0.0
    for s in np.flatnonzero(law):
        here = paths.states[:, 0] == s
        top = paths.returns[here].max()
        largest += law[s] * top
        rare += law[s] * surprise[here & (paths.returns >= top - 1e-12)].min()
    return float(largest), float(rare)


def limit_low(task: WeightingTask) -> Side:
    """Forward recursion: J, and the best mean return less eta log 1/p by enumeration."""
    after, (largest, rare) = return_after(task), best_paths(task)
    floors = largest - task.temperatures * rare
    return _stacked(after, floors, float(rounding(largest + task.temperatures.max() * rare, 24)))


def limit_high(task: WeightingTask) -> Side:
    """Enumeration: the best mean return; and J by the forward recursion."""
    after, (largest, _) = return_after(task), best_paths(task)
    ceiling = np.full(task.temperatures.size, largest)
    value = np.concatenate([ceiling, np.asarray(after.value)])
    return Side(
        value, np.concatenate([np.full(ceiling.size, rounding(largest, 16)), np.asarray(after.error)])
    )


def planned_paths(task: WeightingTask) -> tuple[float, float, float]:
    """Backward induction over the actions that the behaviour takes: mean value, mean log 1/p of the likeliest, error."""
    plan, law = solvers.backward_induction(task.taken_model), task.model.start_law()
    following = task.model.transition.argmax(axis=-1)
    surprise = np.zeros(task.model.n_states)
    for h in reversed(range(task.model.horizon)):
        # rewards in another order make ties, up to rounding
        taken = task.behaviour[h] > 0
        optimal = plan.q[h] >= plan.value[h][:, None] - 1e-12
        steps = surprise[following] - np.log(np.where(taken, task.behaviour[h], 1.0))
        surprise = np.where(optimal, steps, np.inf).min(axis=-1)
    value, rare = float(law @ plan.value[0]), float(law @ surprise)
    return value, rare, plan.certificate.bound + float(rounding(abs(value) + rare, 24))


def planned_low(task: WeightingTask) -> Side:
    """Enumeration: J; and backward induction: the optimal value less eta log 1/p along its path."""
    largest, rare, error = planned_paths(task)
    return _stacked(
        mean_after(task), largest - task.temperatures * rare, error * (1 + task.temperatures.max())
    )


def planned_high(task: WeightingTask) -> Side:
    """Backward induction: the optimal value; and J by enumeration."""
    after, (largest, _, error) = mean_after(task), planned_paths(task)
    value = np.concatenate([np.full(task.temperatures.size, largest), np.asarray(after.value)])
    return Side(value, np.concatenate([np.full(task.temperatures.size, error), np.asarray(after.error)]))


def _stacked(first: Side, second: FloatArray, error: float) -> Side:
    value = np.concatenate([np.asarray(first.value), second])
    return Side(value, np.concatenate([np.asarray(first.error), np.full(second.size, error)]))


# --- the claim ------------------------------------------------------------------------------------------------------

TWO_STEPS, LOTTERY = two_step_task(), lottery_task()

WEIGHTING = Claim(
    "trajectory-reweighting",
    title="In a deterministic world re-weighted trajectories are the data of a better policy",
    papers=("hong2023trajectory",),
    provenance="our formalisation",
    theorem=None,
    statement=r"""
    Let the next state be a function of state and action, $p(\tau)$ the law of the trajectories of a behaviour policy
    $\pi_b$ of horizon $H$, $G(\tau)$ the return, $w_\eta(\tau) = e^{G(\tau)/\eta} / \mathbb{E}_p[e^{G/\eta} \mid
    s_0(\tau)]$, and $\pi_{w,h}(a|s) = \Pr_{wp}(a_h = a \mid s_h = s)$ the policy of the re-weighted set. Then

    (i) the visitation of $\pi_w$ is that of the re-weighted set at every stage, hence
    $J(\pi_w) = \mathbb{E}_{wp}[G]$;

    (ii) $J(\pi_w) \ge J(\pi_b)$, nondecreasing in $1/\eta$;

    (iii) $\frac{d}{d(1/\eta)} J(\pi_w)\big|_0 = \mathbb{E}_{s_0} \operatorname{Var}(G \mid s_0)$;

    (iv) $0 \le \mathbb{E}_{s_0} \max_{\tau \ni s_0} G - J(\pi_w) \le \eta\, \mathbb{E}_{s_0} \log\frac{1}{p(\tau^*|s_0)}$
    with $\tau^*$ a best trajectory from $s_0$, both over the trajectories of positive probability under $\pi_b$: the return
    tends to the best one of these as $\eta \to 0$.
    """,
    assumptions=(
        Assumption(
            "A1",
            "deterministic transitions",
            "a risky action",
            lambda task: task.deterministic,
            stochastic_task,
        ),
        Assumption(
            "A2",
            "weights normalised per initial state",
            "weights normalised over all trajectories",
            lambda task: task.normalisation == "each start",
            start_blind_task,
        ),
        Assumption("A3", "the policy of the set may depend on the stage", "one policy for all stages"),
        Assumption("A4", "finite horizon, $\\eta > 0$", DEFINITIONAL),
    ),
    methods=(
        Method(
            "Trajectory weighting", "tilt", "KL", "the law of trajectories against the data, for each start"
        ),
    ),
    instance_family=weighting_task,
    witnesses=(TWO_STEPS,),
    instances=60,
)

REASON = "rounding of the exponents of the weights, and of sums over all trajectories: 1e-12"
identity = WEIGHTING.part(
    "(i)",
    r"visitation of $\pi_w$ = visitation of the re-weighted set; $J(\pi_w) = \mathbb{E}_{wp}[G]$",
    Equal(policy_side, weighted_side),
    resolution=1e-12,
    reason=REASON,
    exact=(exact.policy_side, exact.weighted_side),
)
improvement = WEIGHTING.part(
    "(ii)",
    r"$J(\pi_b) \le J(\pi_w)$, nondecreasing in $1/\eta$",
    AtMost(return_before, return_after),
    resolution=1e-12,
    reason=REASON,
    cross_left=mean_before,
    cross_right=mean_after,
    exact=(exact.return_before, exact.return_after),
)
slope = WEIGHTING.part(
    "(iii)",
    r"$dJ(\pi_w)/d(1/\eta)$ at $0$ is $\mathbb{E}_{s_0}\operatorname{Var}(G|s_0)$",
    Equal(derivative, return_variance),
    resolution=1e-11,
    reason="a complex step has no truncation: rounding of sums over all trajectories, far below 1e-8",
    exact=(exact.derivative, exact.return_variance),
)
limit = WEIGHTING.part(
    "(iv)",
    r"$\mathbb{E}\max G - \eta\,\mathbb{E}\log\frac{1}{p(\tau^*|s_0)} \le J(\pi_w) \le \mathbb{E}\max G$",
    AtMost(limit_low, limit_high),
    resolution=1e-12,
    reason=REASON,
    cross_left=planned_low,
    cross_right=planned_high,
    exact=(exact.limit_low, exact.limit_high),
)


@WEIGHTING.known(TWO_STEPS)
def _(task: WeightingTask) -> Any:
    weights = mass(task, 1.0)
    policy = induced_policy(task, weights)
    yield Known("return of the behaviour", "1.2925", policy_return(task.model, task.behaviour))
    yield Known("return of the induced policy", "2.7852446913796", policy_return(task.model, policy))
    yield Known("mean return of the re-weighted set", "2.7852446913796", weights @ task.paths.returns)
    yield Known("policy of the first step, action 1", "0.6956307123 0.9377819068", policy[0, :, 1])
    yield Known("policy of the second step, action 1", "0.4046096752 0.8175744762", policy[1, :, 1])


# --- what must fail -------------------------------------------------------------------------------------------------


def one_policy(task: WeightingTask) -> Side:
    """One policy for all stages: the visitation of the set, averaged over its stages, as a policy."""
    rows = []
    for inverse in 1 / task.temperatures:
        pooled = visits(task, mass(task, inverse)).sum(axis=0)
        policy = np.tile(pooled / pooled.sum(axis=-1, keepdims=True), (task.model.horizon, 1, 1))
        rows.append(rolled_forward(task, policy, inverse))
    return Side(np.array([row for row, _ in rows]), np.array([error for _, error in rows]))


def whole_variance(task: WeightingTask) -> Side:
    """Variance of the return over all trajectories, initial states included."""
    p, returns = task.paths.probability, task.paths.returns
    return Side(p @ (returns - p @ returns) ** 2, 1e-12)


identity.control(
    "a risky action",
    kind="assumption",
    drops="A1",
    instance=LOTTERY,
    specified="4.1127911259 0.6862210161 9.9692626285 0.5012300012",
    measure=lambda o: [o.right[0, -1], o.left[0, -1], o.right[1, -1], o.left[1, -1]],
)
improvement.control(
    "a risky action: the policy of lucky trajectories is worse",
    kind="assumption",
    drops="A1",
    instance=LOTTERY,
    specified="0.75 0.6862210161 0.5012300012",
    measure=lambda o: [o.left[0], *o.right],
)
identity.control(
    "weights normalised over all trajectories",
    kind="assumption",
    drops="A2",
    instance=two_step_task("all starts"),
    specified="0.1655371957 0.8344628043 3.2973426921 2.7852446914",
    measure=lambda o: [*o.right[0, :4].reshape(2, 2).sum(axis=1), o.right[0, -1], o.left[0, -1]],
)
identity.control(
    "weights normalised only to first order",
    kind="assumption",
    drops="A2",
    instance=two_step_task("first order"),
)
identity.control(
    "one policy for all stages", kind="assumption", drops="A3", instance=TWO_STEPS, left=one_policy
)
slope.control(
    "the variance over all initial states", kind="mutation", instance=TWO_STEPS, right=whole_variance
)


# --- the figure -----------------------------------------------------------------------------------------------------


@WEIGHTING.figure(
    "Return of the policy of the re-weighted trajectories (line) and mean return of the set (dashes) against the "
    "inverse temperature. Left: deterministic transitions, both coincide and rise to the best return. Right: a safe "
    "action that pays 1 and a risky one that pays 10 with probability 0.05; the set looks better and better, its "
    "policy gets worse than the behaviour.",
    panels=2,
)
def _(axes: Any) -> None:
    for ax, task in zip(axes, (TWO_STEPS, LOTTERY), strict=True):
        inverses = np.linspace(0.0, 4.0 if task is TWO_STEPS else 1.5, 60)
        forward = np.asarray(forward_returns(task, inverses).value, dtype=float)
        ax.plot(inverses, forward, color="C0", label=r"$J(\pi_w)$")
        mean = np.asarray(mean_returns(task, inverses).value, dtype=float)
        ax.plot(inverses, mean, "--", color="C1", label=r"$\mathbb{E}_{wp}[G]$")
        ax.axhline(forward[0], color="0.5", linestyle=":", label=r"behaviour $J(\pi_b)$")
        ax.set(xlabel=r"inverse temperature $1/\eta$", ylabel="return")
        ax.legend(fontsize="small")
    axes[0].axhline(best_paths(TWO_STEPS)[0], color="0.2", linewidth=0.8)
    axes[0].annotate(
        "best return", (0.1, best_paths(TWO_STEPS)[0]), xytext=(0, -4), textcoords="offset points", va="top"
    )
