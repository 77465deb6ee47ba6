"""How steep a value can be (Blonde, Strasser, Kalousis 2020): Lipschitz constants of reward and dynamics.

A step of dynamics that expands Wasserstein distances at most L_P times expands slopes of the value at most gamma L_P times and
adds the slope of the reward: a geometric series. Where gamma L_P reaches one, the series diverges and only finitely many steps
are bounded; and a policy that depends on the state brings a slope of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from mdplab._typing import FloatArray
from mdplab.claims import Assumption, AtMost, Claim, Known, Side, draw_instance, rounding
from mdplab.instances import Draw
from mdplab.instances.line import line_mdps, line_positions
from mdplab.models import MDP
from mdplab.operators import kernel_lipschitz_constant, optimality_backup
from proofs_check.distributional import exact_lines as exact
from proofs_check.distributional import line_routes as by

# --- instances ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class LineTask:
    """A model on a line.

    Attributes
    ----------
    mdp : MDP
        The model.
    positions : ndarray (S,)
        Where the states are.
    """

    mdp: MDP
    positions: FloatArray

    @property
    def expansion(self) -> float:
        """Discount times the Lipschitz constant of the dynamics."""
        return self.mdp.discount * float(
            np.max(kernel_lipschitz_constant(by.kernel_of(self.mdp), self.positions))
        )


def line_task(draw: Draw) -> LineTask:
    """Seven states on [0, 1], two actions, each kernel on the segment between two Dirichlet(1) laws, rewards a random walk."""
    return LineTask(*line_mdps(draw, states=(7, 7), actions=(2, 2), discount=(0.3, 0.95)))


def scattered_task(draw: Draw) -> LineTask:
    """As the family, but the rows of the kernel are independent: they may expand."""
    rows = draw.weights((7, 2, 7), 0.3)
    return LineTask(MDP(rows, draw.normal((7, 2)), draw.number(0.3, 0.95)), line_positions(draw, 7))


def moves(positions: list[float], successors: list[int], reward: list[list[float]]) -> LineTask:
    """Sure dynamics, the same for all actions; discount .9."""
    rewards = np.array(reward)
    kernel = np.repeat(np.eye(len(positions))[successors][:, np.newaxis], rewards.shape[1], axis=1)
    return LineTask(MDP(kernel, rewards, 0.9), np.array(positions))


IDENTITY = moves([0.0, 1.0], [0, 1], [[0.0], [1.0]])
POINTS = [0.0, 1.0, 2.0, 4.0, 8.0, 16.0]
EXPANDING = moves(POINTS, [0, 2, 3, 4, 5, 5], [[x] for x in POINTS])
SWITCH = moves([0.0, 1.0], [0, 1], [[0.0, 1.0], [0.0, 1.0]])
"""The reward of an action is the same in both states."""
STEPS = 6

# --- routes ---------------------------------------------------------------------------------------------------------


def reward_slope(task: LineTask, *, pairs: bool = False) -> Side:
    """Largest Lipschitz constant of the rewards of an action."""
    found = by.slope(Side(np.asarray(task.mdp.reward).T), task.positions, pairs=pairs)
    return Side(np.max(found.value), np.max(found.error))


def kernel_slope(task: LineTask) -> Side:
    """Largest Lipschitz constant of the dynamics of an action, by distribution functions of neighbours."""
    found = np.max(kernel_lipschitz_constant(by.kernel_of(task.mdp), task.positions))
    return Side(
        found, by.distance_error(task.positions) / by.smallest_cell(task.positions) + rounding(found, 4)
    )


def kernel_slope_by_quantiles(task: LineTask) -> Side:
    """Largest Lipschitz constant of the dynamics of an action, by couplings of quantiles of all pairs."""
    kernel = by.kernel_of(task.mdp)
    found = [by.quantile_slope(kernel[:, a], task.positions) for a in range(task.mdp.n_actions)]
    return Side(max(float(np.max(f.value)) for f in found), max(float(np.max(f.error)) for f in found))


def series(task: LineTask, reward: Side, kernel: Side) -> Side:
    """L_r / (1 - gamma L_P); the error is that of the end of both intervals."""
    (r, dr), (k, dk) = ((float(np.max(s.value)), float(np.max(s.error))) for s in (reward, kernel))
    low, high = (1 - task.mdp.discount * end for end in (k + dk, k - dk))
    value = r / (1 - task.mdp.discount * k)
    error = max(abs((r + dr) / end - value) for end in (low, high)) if low * high > 0 else np.inf
    return Side(value, 1.01 * error + dr / abs(low) + rounding(value / low, 8))


def bound(task: LineTask) -> Side:
    """L_r / (1 - gamma L_P), over neighbours and by distribution functions."""
    return series(task, reward_slope(task), kernel_slope(task))


def bound_by_pairs(task: LineTask) -> Side:
    """L_r / (1 - gamma L_P), over all pairs and by couplings of quantiles."""
    return series(task, reward_slope(task, pairs=True), kernel_slope_by_quantiles(task))


def optimal_slope(task: LineTask) -> Side:
    """Lipschitz constant of the optimal value, by policy iteration and neighbours."""
    return by.slope(by.optimal_value(task.mdp), task.positions)


def optimal_slope_by_enumeration(task: LineTask) -> Side:
    """Lipschitz constant of the optimal value, by all policies and all pairs."""
    return by.slope(by.best_enumerated_value(task.mdp), task.positions, pairs=True)


def constant_policies(task: LineTask) -> Any:
    return np.repeat(np.arange(task.mdp.n_actions)[:, np.newaxis], task.mdp.n_states, axis=1)


def constant_slopes(task: LineTask) -> Side:
    """Lipschitz constants of the values of constant actions, by policy evaluation and neighbours."""
    return by.slope(by.evaluated(task.mdp, constant_policies(task)), task.positions)


def constant_slopes_by_solve(task: LineTask) -> Side:
    """Lipschitz constants of the values of constant actions, by one linear solve and all pairs."""
    return by.slope(by.solved(task.mdp, constant_policies(task)), task.positions, pairs=True)


def for_actions(task: LineTask, side: Side) -> Side:
    return Side(np.full(task.mdp.n_actions, side.value), side.error)


def bounds(task: LineTask) -> Side:
    """The bound once an action, over neighbours and by distribution functions."""
    return for_actions(task, bound(task))


def bounds_by_pairs(task: LineTask) -> Side:
    """The bound once an action, over all pairs and by couplings of quantiles."""
    return for_actions(task, bound_by_pairs(task))


def stepped(task: LineTask, *, pairs: bool) -> Side:
    values, found = np.zeros(task.mdp.n_states), []
    reward, kernel = np.asarray(task.mdp.reward), by.kernel_of(task.mdp)
    for _ in range(STEPS):
        if pairs:
            values = np.max(reward + task.mdp.discount * np.einsum("sat,t->sa", kernel, values), axis=1)
        else:
            values = optimality_backup(task.mdp, values)
        found.append(values)
    table = np.array(found)
    size = STEPS * float(np.abs(reward).max())
    return by.slope(Side(table, rounding(size, STEPS * (task.mdp.n_states + 4))), task.positions, pairs=pairs)


def step_slopes(task: LineTask) -> Side:
    """Lipschitz constants of the values of one to six steps, by the optimality operator and neighbours."""
    return stepped(task, pairs=False)


def step_slopes_by_sums(task: LineTask) -> Side:
    """Lipschitz constants of the values of one to six steps, by sums over successors and all pairs."""
    return stepped(task, pairs=True)


def powers(task: LineTask, reward: Side, kernel: Side) -> Side:
    (r, dr), (k, dk) = ((float(np.max(s.value)), float(np.max(s.error))) for s in (reward, kernel))
    exponents = np.arange(STEPS)
    value = r * np.cumsum((task.mdp.discount * k) ** exponents)
    above = (r + dr) * np.cumsum((task.mdp.discount * (k + dk)) ** exponents)
    return Side(value, 1.01 * (above - value) + rounding(above, 40))


def step_bounds(task: LineTask) -> Side:
    """L_r times sums of powers of gamma L_P, over neighbours and by distribution functions."""
    return powers(task, reward_slope(task), kernel_slope(task))


def step_bounds_by_pairs(task: LineTask) -> Side:
    """L_r times sums of powers of gamma L_P, over all pairs and by couplings of quantiles."""
    return powers(task, reward_slope(task, pairs=True), kernel_slope_by_quantiles(task))


# --- the claim ------------------------------------------------------------------------------------------------------

SLOPES = Claim(
    "lipschitz-value-from-reward-and-dynamics",
    title="Values are Lipschitz where the discount outweighs the expansion of the dynamics",
    papers=("blonde2020lipschitzness",),
    provenance="our formalisation",
    statement=r"""
    States are at points $x_s$ of the line, $L_r = \max_a \mathrm{Lip}\, R(\cdot, a)$ and
    $L_P = \max_{a, i \ne j} w_1(P(i, a), P(j, a)) / |x_i - x_j|$. If $\gamma L_P < 1$ then
    $$\mathrm{Lip}\, V \le \frac{L_r}{1 - \gamma L_P}$$
    for (optimal) the optimal value and (policy) the value of each constant action. (steps) The value of $n$ steps has
    $\mathrm{Lip}\, V_n \le L_r \sum_{k < n} (\gamma L_P)^k$ for every $L_P$.
    """,
    assumptions=(
        Assumption(
            "A1",
            "the constants are those of each action, which is constant or optimal",
            "a policy that depends on the state",
        ),
        Assumption(
            "A2",
            r"$\gamma L_P < 1$",
            "expanding dynamics",
            lambda task: task.expansion < 1.0,
            wider=scattered_task,
        ),
    ),
    instance_family=line_task,
    witnesses=(IDENTITY, SWITCH),
    instances=80,
)


def stretched(task: LineTask, size: float) -> FloatArray:
    """1e-13 of a size, times range over smallest cell: what rounding does to a slope and to a Wasserstein distance over it."""
    return np.asarray(
        1e-13 * size * max(1.0, float(np.ptp(task.positions))) / by.smallest_cell(task.positions)
    )


def reward_size(task: LineTask) -> float:
    return 1 + float(np.abs(np.asarray(task.mdp.reward)).max())


def resolution(task: LineTask) -> FloatArray:
    """1e-13 of rewards over squared horizon, and of the bound over the gap of the series, by the smallest cell."""
    series_size = float(reward_slope(task).value) / (1 - task.expansion) ** 2  # type: ignore[arg-type]
    return stretched(task, reward_size(task) / (1 - task.mdp.discount) ** 2 + series_size)


def step_resolution(task: LineTask) -> FloatArray:
    """1e-13 of rewards and their slope, with the growth of five more steps, by the smallest cell."""
    size = reward_size(task) + float(reward_slope(task).value)  # type: ignore[arg-type]
    return stretched(task, STEPS * size * (1 + task.expansion) ** (STEPS - 1))


REASON = "rounding of values, magnified by the smallest distance of two states and by the horizon"
optimal_part = SLOPES.part(
    "(optimal)",
    r"$\mathrm{Lip}\,V^* \le L_r / (1 - \gamma L_P)$",
    AtMost(optimal_slope, bound),
    resolution=resolution,
    reason=REASON,
    cross_left=optimal_slope_by_enumeration,
    cross_right=bound_by_pairs,
    specified_tightness="0.963",
    exact=(exact.optimal_slope, exact.bound),
)
policy_part = SLOPES.part(
    "(policy)",
    r"$\mathrm{Lip}\,V^a \le L_r / (1 - \gamma L_P)$ for each constant action $a$",
    AtMost(constant_slopes, bounds),
    resolution=resolution,
    reason=REASON,
    cross_left=constant_slopes_by_solve,
    cross_right=bounds_by_pairs,
    exact=(exact.constant_slopes, exact.bounds),
)
steps_part = SLOPES.part(
    "(steps)",
    r"$\mathrm{Lip}\,V_n \le L_r \sum_{k<n} (\gamma L_P)^k$, $n = 1, \dots, 6$",
    AtMost(step_slopes, step_bounds),
    resolution=step_resolution,
    reason=REASON,
    family=scattered_task,
    witnesses=(IDENTITY, SWITCH, EXPANDING),
    assumes=("A1",),
    cross_left=step_slopes_by_sums,
    cross_right=step_bounds_by_pairs,
    exact=(exact.step_slopes, exact.step_bounds),
)


def number(side: Side) -> float:
    return float(np.max(np.asarray(side.value)))


@SLOPES.known(IDENTITY)
def _(task: LineTask) -> Iterator[Known]:
    yield Known("identity: slope and bound", "10 10", [number(optimal_slope(task)), number(bound(task))])


@SLOPES.known(EXPANDING)
def _(task: LineTask) -> Iterator[Known]:
    yield Known("expansion of the dynamics", "2", number(kernel_slope(task)))
    yield Known("optimal value", "0 116.848 128.72 140.8 152 160", by.optimal_value(task.mdp).value, 1e-9)
    yield Known("its Lipschitz constant", "116.848", number(optimal_slope(task)), 1e-9)
    yield Known("one to six steps", "1 2.8 6.04 11.872 22.3696 31.81744", step_slopes(task).value, 1e-9)
    yield Known("their bounds", "1 2.8 6.04 11.872 22.3696 41.26528", step_bounds(task).value, 1e-9)
    yield Known("bound without the dynamics", "10", number(bound_without_dynamics(task)), 1e-9)


@SLOPES.known(SWITCH)
def _(task: LineTask) -> Iterator[Known]:
    yield Known("reward slope", "0", number(reward_slope(task)))
    yield Known(
        "value of the policy (0, 1)", "0 10", np.ravel(by.solved(task.mdp, np.array([[0, 1]])).value), 1e-9
    )


# --- what must fail -------------------------------------------------------------------------------------------------


def bound_without_dynamics(task: LineTask) -> Side:
    """L_r / (1 - gamma)."""
    return series(task, reward_slope(task), Side(1.0))


def mixed_slopes(task: LineTask) -> Side:
    """Lipschitz constant of the value of the policy that takes action 0 in state 0 and 1 in state 1."""
    found = number(by.slope(by.solved(task.mdp, np.array([[0, 1]])), task.positions))
    return Side([found] * task.mdp.n_actions, 1e-12)


def one_step_less(task: LineTask) -> Side:
    """The bound of one step less."""
    found = step_bounds(task)
    return Side(np.append(0.0, np.asarray(found.value)[:-1]), found.error)


optimal_part.control(
    "expanding dynamics",
    kind="assumption",
    drops="A2",
    instance=EXPANDING,
    specified="116.848 -1.25",
    measure=lambda outcome: np.array([float(outcome.left), float(outcome.right)]),
)
optimal_part.control(
    "expanding dynamics, left out of the bound",
    kind="assumption",
    drops="A2",
    instance=EXPANDING,
    right=bound_without_dynamics,
    specified="106.848",
)
policy_part.control(
    "a policy that depends on the state",
    kind="assumption",
    drops="A1",
    instance=SWITCH,
    left=mixed_slopes,
    specified="10 0",
    measure=lambda outcome: np.array([outcome.left[0], outcome.right[0]]),
)
steps_part.control("one step less", kind="constant", instance=EXPANDING, right=one_step_less)


@SLOPES.figure(
    r"Lipschitz constant of the optimal value over that of the reward, against the expansion $\gamma L_P$ of the dynamics: random models "
    r"(dots), dynamics that stand still (circles), and the bound $1/(1-\gamma L_P)$."
)
def _(ax: Any) -> None:
    tasks = [draw_instance(SLOPES, optimal_part, index) for index in range(200)]
    ratios = [number(optimal_slope(task)) / number(reward_slope(task)) for task in tasks]
    ax.plot([task.expansion for task in tasks], ratios, ".", color="C0", markersize=4, label="random models")
    discounts = np.linspace(0.1, 0.9, 9)
    still = [LineTask(IDENTITY.mdp.replace(discount=float(d)), IDENTITY.positions) for d in discounts]
    ax.plot(
        [task.expansion for task in still],
        [number(optimal_slope(task)) / number(reward_slope(task)) for task in still],
        "o",
        color="C1",
        fillstyle="none",
        label="standing still",
    )
    grid = np.linspace(0.0, 0.92, 200)
    ax.plot(grid, 1 / (1 - grid), color="0.3", label=r"$1/(1-\gamma L_P)$")
    ax.set(xlabel=r"$\gamma L_P$", ylabel=r"$\mathrm{Lip}(V^*)/L_r$", yscale="log")
    ax.legend(loc="upper left")
