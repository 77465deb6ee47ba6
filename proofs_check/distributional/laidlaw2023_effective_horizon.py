"""The effective horizon (Laidlaw, Zhu, Russell, Dragan 2023): greedy on a few steps of value iteration from random play.

Reinforcement learning often succeeds although it explores at random.  One measure of why: a few steps k of value
iteration from the values of random play already make every greedy policy optimal.  With k = T this is always so, but more
steps are not always better.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.claims import Claim, Equal, Known, Separates, Side, rounding
from mdplab.instances import Draw, SeededDraw
from mdplab.models import FiniteHorizonMDP
from mdplab.operators import lookahead_values, worst_greedy_value
from proofs_check.distributional import exact_lookahead as exact

TIES = 1e-12
"""Actions within this of the largest value count as greedy: more than rounding, so that no tie is missed."""

# --- instances ------------------------------------------------------------------------------------------------------


def start() -> FloatArray:
    """Start in state 0 of four."""
    return np.asarray(np.eye(4)[0])


def integer_mdp(draw: Draw) -> FiniteHorizonMDP:
    """S = 4, A = 2, T = 4, rows Dirichlet(.3), rewards integers 0..3 of the pair."""
    kernel = draw.weights((4, 2, 4), 0.3)
    return FiniteHorizonMDP(kernel, draw.integers(0, 3, (4, 2)).astype(float), 4, initial=start())


def binary_tree(leaves: ArrayLike) -> FiniteHorizonMDP:
    """A binary tree of depth 2 whose four leaves pay rewards ``(4, 2)`` of their two actions at the last of three stages."""
    successor = [[1, 2], [3, 4], [5, 6], [3, 3], [4, 4], [5, 5], [6, 6]]
    reward = np.zeros((7, 2))
    reward[3:] = leaves
    return FiniteHorizonMDP(np.eye(7)[successor], reward, 3, initial=np.eye(7)[0])


def nearly_tied(aside: float) -> FiniteHorizonMDP:
    """Both actions at the start lead to the state that pays, the second but for a small probability of staying."""
    kernel = np.eye(4)[[[1, 1]] * 4]
    kernel[0, 1] = [aside, 1 - aside, 0, 0]
    reward = np.zeros((4, 2))
    reward[1] = 3.0
    return FiniteHorizonMDP(kernel, reward, 4, initial=start())


TREE = binary_tree([[4, 1], [1, 5], [1, 1], [3, 4]])
TIED = binary_tree([[4, 0], [0, 0], [1, 1], [1, 1]])  # for random play both halves are worth 1


# --- routes -------------------------------------------------------------------------------------------------------


def backup_error(mdp: FiniteHorizonMDP, size: float = 0.0) -> float:
    """Rounding of ``T`` steps of value iteration over ``T`` stages."""
    largest = mdp.horizon * float(np.abs(mdp.reward).max()) + size
    return float(rounding(1 + largest, 2 * mdp.horizon * (mdp.n_states + mdp.n_actions + 4)))


def near_ties(mdp: FiniteHorizonMDP) -> float:
    """What actions that are not quite greedy may lose: at each stage, their distance from the largest value."""
    return mdp.horizon * (TIES + 2 * backup_error(mdp))


def last_lookahead(mdp: FiniteHorizonMDP, *, steps: int | None = None) -> Side:
    """Value iteration from the random policy: Q^T_0, and the value of the worst policy greedy for Q^T"""
    q = lookahead_values(mdp, mdp.horizon if steps is None else steps)[-1]
    error = np.full(q[0].size + 1, backup_error(mdp))
    error[-1] += near_ties(mdp)
    return Side(np.append(q[0].ravel(), worst_greedy_value(mdp, q, TIES)[0, 0]), error)


def optimum(mdp: FiniteHorizonMDP) -> Side:
    """Backward induction: Q*_0 and V*_0"""
    found = solvers.backward_induction(mdp)
    return Side(np.append(found.q[0].ravel(), found.value[0, 0]), found.q_error + found.value_errors[0])


def greedy_values(mdp: FiniteHorizonMDP) -> FloatArray:
    """Value of the worst greedy policy for k = 1, ..., T."""
    tables = lookahead_values(mdp, mdp.horizon)
    return np.array([worst_greedy_value(mdp, q, TIES)[0, 0] for q in tables])


def next_after_solvable(mdp: FiniteHorizonMDP, *, shift: int = 1) -> Side:
    """Worst greedy value with k + 1 steps where k steps solve the model, else the optimal value; k = 1, ..., T - 1"""
    values = greedy_values(mdp)
    best = values[-1]
    solved = values[:-1] >= best - near_ties(mdp)
    return Side(np.where(solved, np.roll(values, -shift)[:-1], best), backup_error(mdp) + near_ties(mdp))


def optimal_value(mdp: FiniteHorizonMDP) -> Side:
    """Backward induction: the optimal value, for each k"""
    found = solvers.backward_induction(mdp)
    return Side(np.full(mdp.horizon - 1, found.value[0, 0]), found.value_errors[0])


# --- the claim ------------------------------------------------------------------------------------------------

SOLVABILITY = Claim(
    "qvi-solvability",
    title="Value iteration from random play solves every model after T steps, and may unlearn the solution on the way",
    papers=("laidlaw2023stochastic", "laidlaw2023bridging"),
    provenance="our formalisation",
    statement=r"""
    For a finite horizon $T$ let $Q^1_t$ be the action values of the uniformly random policy and
    $Q^{i+1}_t = R + P \max_a Q^i_{t+1}$, with $Q_T = 0$. A model is *$k$-QVI-solvable* if every policy that is greedy for
    $(Q^k_t)_t$ is optimal from the start.

    (i) $Q^T_0 = Q^*_0$, hence every model is $T$-QVI-solvable.

    (ii) $k$-QVI-solvable does not imply $(k+1)$-QVI-solvable: the smallest $k$ is the quantity with a meaning.

    The definition is the paper's, (ii) is ours.
    """,
    assumptions=(),
    instance_family=integer_mdp,
    witnesses=(TREE, nearly_tied(1e-13), nearly_tied(1e-11)),
    instances=200,
)
FEW_STAGES = "rounding of backups over a few stages"

solved_part = SOLVABILITY.part(
    "(i)",
    r"$Q^T_0 = Q^*_0$, and every policy greedy for $Q^T$ is optimal from the start",
    Equal(last_lookahead, optimum),
    resolution=1e-11,
    reason=FEW_STAGES,
    exact=(exact.last_lookahead, exact.optimum),
)
unlearned_part = SOLVABILITY.part(
    "(ii)",
    r"on the tree $k = 1$ solves, and with $k = 2$ a greedy policy loses 1",
    Separates(next_after_solvable, optimal_value, margin=0.5),
    resolution=1e-11,
    reason=FEW_STAGES,
    quantifier="exists",
    witnesses=(TREE,),
    exact="a separation on one tree of integers, decided far above rounding",
)
SOLVABILITY.reading(
    "once-solved",
    title="More steps of value iteration keep a model solved",
    statement="If every policy greedy for $Q^k$ is optimal, so is every policy greedy for $Q^{k+1}$.",
    relation=Equal(next_after_solvable, optimal_value),
    counterexamples=(TREE,),
    repair=solved_part,
    resolution=1e-11,
    reason=FEW_STAGES,
)


@SOLVABILITY.known(TREE)
def _(mdp: FiniteHorizonMDP) -> Iterator[Known]:
    tables = lookahead_values(mdp, 3)
    yield Known("Q^1, Q^2, Q^3 at the root", "2.75 2.25 3 3.5 5 4", tables[:, 0, 0].ravel(), 1e-15)
    yield Known("solvable for k = 1, 2, 3", "1 0 1", (greedy_values(mdp) >= 5 - near_ties(mdp)).astype(float))


@SOLVABILITY.known(TIED)
def _(mdp: FiniteHorizonMDP) -> Iterator[Known]:
    yield Known("ties go to the worse action: worst greedy values", "1 4 4", greedy_values(mdp), 1e-15)


solved_part.control(
    "one step less", kind="constant", instance=TREE, left=partial(last_lookahead, steps=TREE.horizon - 1)
)
unlearned_part.control(
    "the same number of steps", kind="constant", instance=TREE, left=partial(next_after_solvable, shift=0)
)


@SOLVABILITY.figure(
    "Value of the worst policy greedy for $Q^k$, over the optimal value, against the number of steps $k$. Grey: random models "
    "of four stages. Blue: the tree, solved by one step, unlearned by the second. All are solved with $k = T$."
)
def _(ax: Any) -> None:
    for seed in range(40):
        values = greedy_values(integer_mdp(SeededDraw(seed)))
        if values[-1] > 0:
            ax.plot(np.arange(1, 5), values / values[-1], color="0.75", linewidth=0.8, zorder=1)
    ax.plot([], [], color="0.75", linewidth=0.8, label="random models, $T=4$")
    values = greedy_values(TREE)
    ax.plot(np.arange(1, 4), values / values[-1], "o-", color="C0", label="tree, $T=3$")
    ax.axhline(1, color="black", linewidth=0.8, linestyle=":")
    ax.set(xlabel="steps $k$ of value iteration", ylabel="worst greedy value / optimum", xticks=[1, 2, 3, 4])
    ax.legend(loc="lower right")
