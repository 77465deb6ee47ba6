"""Fitted values under random exploration (Laidlaw, Zhu, Russell, Dragan 2023): what an error costs a step later.

Value iteration from random play is fitted on data of random play, so that each step is made with an error that is small in
the mean square over the states that random play visits.  The maximum of a step picks one action of A, which random play takes
with probability 1 / A: the error grows by at most the root of A with every step, and exponentially in nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray
from mdplab.claims import Assumption, AtMost, Claim, Known, Side, rounding
from mdplab.instances import Draw, SeededDraw
from mdplab.models import FiniteHorizonMDP
from mdplab.operators import lookahead_backup, lookahead_values, stage_laws
from proofs_check.distributional import exact_lookahead as exact
from proofs_check.distributional.laidlaw2023_effective_horizon import FEW_STAGES, backup_error, start

# --- instances ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class FittedTask:
    """A model and the errors of each step of value iteration.

    Attributes
    ----------
    mdp : FiniteHorizonMDP
        T stages, start in state 0.
    errors : ndarray, shape (T, T, S, A)
        ``e^i_t`` for the steps i = 1, ..., T and the stages t.
    exploration : ndarray, shape (S, A)
        The policy whose state laws weigh the errors.
    """

    mdp: FiniteHorizonMDP
    errors: FloatArray
    exploration: FloatArray


def _fitted(draw: Draw, explore: Callable[[Draw, int], FloatArray]) -> FittedTask:
    n_actions = draw.integer(2, 3)
    kernel = draw.weights((4, n_actions, 4), 0.3)
    mdp = FiniteHorizonMDP(kernel, draw.normal((4, n_actions)), 4, initial=start())
    shape = (4, 4, 4, n_actions)
    errors = draw.normal(shape, 0.1) * draw.boolean(0.3, shape)
    return FittedTask(mdp, errors, explore(draw, n_actions))


def fitted_task(draw: Draw) -> FittedTask:
    """S = T = 4, A in 2..3, rows Dirichlet(.3), normal rewards, normal errors of scale .1, three in ten not zero."""
    return _fitted(draw, lambda _, n_actions: np.full((4, n_actions), 1 / n_actions))


def unevenly_explored(draw: Draw) -> FittedTask:
    """A fitted task explored by a Dirichlet(1) policy."""
    return _fitted(draw, lambda own, n_actions: own.weights((4, n_actions)))


def tight_backup() -> FittedTask:
    """Both states lead to state 1, no rewards, one error: 1 at the first step, stage 1, state 1, action 0."""
    kernel = np.zeros((2, 2, 2))
    kernel[..., 1] = 1.0
    errors = np.zeros((2, 2, 2, 2))
    errors[0, 1, 1, 0] = 1.0
    mdp = FiniteHorizonMDP(kernel, np.zeros((2, 2)), 2, initial=[1.0, 0.0])
    return FittedTask(mdp, errors, np.full((2, 2), 0.5))


TIGHT = tight_backup()
RARELY_TRIED = replace(TIGHT, exploration=np.array([[0.1, 0.9], [0.1, 0.9]]))

# --- routes ------------------------------------------------------------------------------------------------------


def _norms(task: FittedTask, rows: FloatArray) -> FloatArray:
    """Norm of a table (T, S, A) at each stage under the exploration's laws."""
    laws = stage_laws(task.mdp, task.exploration)[:-1]
    return np.asarray(np.sqrt((laws[..., np.newaxis] * task.exploration * rows**2).sum(axis=(1, 2))))


def _norm_error(task: FittedTask) -> float:
    return 4 * backup_error(task.mdp, task.mdp.horizon * float(np.abs(task.errors).max()))


def _squared(norms: ArrayLike, error: ArrayLike) -> Side:
    """Squares of norms: equal roots are equal rationals in exact arithmetic."""
    root, slip = np.asarray(norms), np.asarray(error)
    return Side(root**2, slip * (2 * root + slip))


def fitted_errors(task: FittedTask) -> Side:
    """Value iteration with and without the errors: squared norms of the differences, for all k and t with t + k <= T"""
    horizon, norms = task.mdp.horizon, list[float]()
    plain = lookahead_values(task.mdp, horizon)
    fitted = plain[0] + task.errors[0]
    for k in range(1, horizon + 1):
        if k > 1:
            fitted = lookahead_backup(task.mdp, fitted) + task.errors[k - 1]
        norms.extend(_norms(task, fitted - plain[k - 1])[: horizon - k + 1])
    return _squared(norms, _norm_error(task))


def _laws_by_powers(task: FittedTask) -> list[FloatArray]:
    """State laws of the exploration by powers of its kernel."""
    chain = np.einsum("sa,sat->st", task.exploration, task.mdp.transition)
    initial = np.asarray(task.mdp.initial)
    return [initial @ np.linalg.matrix_power(chain, t) for t in range(task.mdp.horizon)]


def fitted_errors_by_state(task: FittedTask) -> Side:
    """Recursion from pair to pair; state laws by powers of the exploration's kernel"""
    mdp, horizon = task.mdp, task.mdp.horizon
    pairs = list(np.ndindex(mdp.n_states, mdp.n_actions))

    @cache
    def value(k: int, t: int, s: int, a: int, noisy: bool) -> float:
        found = float(mdp.reward[s, a] + noisy * task.errors[k - 1, t, s, a])
        for u in np.flatnonzero(mdp.transition[s, a]) if t + 1 < horizon else ():
            after = [value(max(k - 1, 1), t + 1, u, b, noisy and k > 1) for b in range(mdp.n_actions)]
            found += float(mdp.transition[s, a, u]) * (max(after) if k > 1 else sum(after) / mdp.n_actions)
        return found

    norms, laws = [], _laws_by_powers(task)
    for k in range(1, horizon + 1):
        for t in range(horizon - k + 1):
            squares = [(value(k, t, s, a, True) - value(k, t, s, a, False)) ** 2 for s, a in pairs]
            norms.append(np.sqrt(laws[t] @ (task.exploration * np.reshape(squares, mdp.reward.shape)).sum(1)))
    return _squared(norms, _norm_error(task))


def bounds(task: FittedTask, *, factor: bool = True) -> Side:
    """Square of the sum over the steps j of A^(j/2) times the norm of the error e^(k-j) at stage t + j"""
    horizon = task.mdp.horizon
    root = np.sqrt(task.mdp.n_actions) if factor else 1.0
    norms = np.array([_norms(task, rows) for rows in task.errors])
    value = [
        sum(root**j * norms[k - j - 1, t + j] for j in range(k))
        for k in range(1, horizon + 1)
        for t in range(horizon - k + 1)
    ]
    return _squared(value, rounding(1 + np.abs(value), 200))


def bounds_by_powers(task: FittedTask) -> Side:
    """State laws by powers of the exploration's kernel, the factor under the root"""
    mdp, horizon, laws = task.mdp, task.mdp.horizon, _laws_by_powers(task)
    value = []
    for k in range(1, horizon + 1):
        for t in range(horizon - k + 1):
            total = 0.0
            for step in range(1, k + 1):
                squares = (task.exploration * task.errors[step - 1, t + k - step] ** 2).sum(axis=1)
                total += float(np.sqrt(mdp.n_actions ** (k - step) * (laws[t + k - step] @ squares)))
            value.append(total)
    return _squared(value, rounding(1 + np.abs(value), 200))


# --- the claim -----------------------------------------------------------------------------------------------

FITTED = Claim(
    "random-exploration-fqi-error",
    title="Under random exploration the error of fitted values grows by at most the root of the number of actions per step",
    papers=("laidlaw2023stochastic",),
    provenance="our formalisation",
    statement=r"""
    For a finite horizon $T$ let $d_t$ be the state law of the uniformly random policy at stage $t$,
    $\|f\|_t^2 = \sum_s d_t(s) \frac1A \sum_a f(s, a)^2$, and let $Q^k$ be the values after $k - 1$ steps of value iteration from
    those of the random policy. If every step is made with an error, $\hat Q^1_t = Q^1_t + e^1_t$ and
    $\hat Q^{i+1}_t = R + P \max_a \hat Q^i_{t+1} + e^{i+1}_t$, then for $t + k \le T$
    $$\|\hat Q^k_t - Q^k_t\|_t \le \sum_{j=0}^{k-1} A^{j/2}\, \|e^{k-j}_{t+j}\|_{t+j}.$$
    This is the step behind the factor $A^k$ of the paper's sample complexity.
    """,
    assumptions=(
        Assumption(
            "A1",
            "the exploration is uniform",
            "an action that is rarely tried",
            lambda task: bool(np.all(np.abs(task.exploration * task.mdp.n_actions - 1) < 1e-12)),
            wider=unevenly_explored,
        ),
    ),
    instance_family=fitted_task,
    witnesses=(TIGHT,),
    instances=100,
)

growth_part = FITTED.part(
    "bound",
    r"$\|\hat Q^k_t - Q^k_t\|_t \le \sum_j A^{j/2} \|e^{k-j}_{t+j}\|_{t+j}$ for all $t + k \le T$, both sides squared",
    AtMost(fitted_errors, bounds),
    cross_left=fitted_errors_by_state,
    cross_right=bounds_by_powers,
    resolution=1e-11,
    reason=FEW_STAGES,
    specified_tightness="1",
    exact=(exact.fitted_errors, exact.bounds),
)


@FITTED.known(TIGHT)
def _(task: FittedTask) -> Iterator[Known]:
    yield Known("k = 2, t = 0: left", "1", fitted_errors(task).value[-1:], 1e-15)  # type: ignore[index]
    yield Known("k = 2, t = 0: right", "1", bounds(task).value[-1:], 1e-15)  # type: ignore[index]


growth_part.control(
    "no factor",
    kind="constant",
    instance=TIGHT,
    right=partial(bounds, factor=False),
    specified="1 0.7071",
    measure=lambda outcome: np.sqrt([outcome.left[-1], outcome.right[-1]]),
)
growth_part.control("an action that is rarely tried", kind="assumption", drops="A1", instance=RARELY_TRIED)


@FITTED.figure(
    "Norm of the error of the fitted values over the bound after $k$ steps, random tasks and all stages (dots), and the tight pair "
    "(square). With the factors $A^{j/2}$ the ratio stays below one; without them it does not."
)
def _(ax: Any) -> None:
    steps = np.array([k for k in range(1, 5) for _ in range(5 - k)])
    for shift, (factor, look) in zip(
        (-0.12, 0.12), ((True, "with $A^{j/2}$"), (False, "without")), strict=True
    ):
        places, ratios = [], []
        for seed in range(60):
            task = fitted_task(SeededDraw(seed))
            right = np.sqrt(np.asarray(bounds(task, factor=factor).value))
            counted = (right > 1e-9) & (steps > 1)
            ratios.extend((np.sqrt(np.asarray(fitted_errors(task).value)[counted]) / right[counted]).tolist())
            places.extend((steps[counted] + shift).tolist())
        color = "C0" if factor else "C1"
        ax.plot(places, ratios, ".", color=color, markersize=3, alpha=0.6, label=look)
        left, right = (
            np.sqrt(np.asarray(side.value)[-1])
            for side in (fitted_errors(TIGHT), bounds(TIGHT, factor=factor))
        )
        ax.plot([2 + shift], [left / right], "s", color=color, markersize=6, fillstyle="none")
    ax.axhline(1, color="black", linewidth=0.8, linestyle=":")
    ax.set(xlabel="steps $k$", ylabel="error / bound", xticks=[2, 3, 4])
    ax.legend(loc="upper right", markerscale=2)
