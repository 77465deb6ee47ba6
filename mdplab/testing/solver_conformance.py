"""What every solver of discounted models must do: a suite for solvers of mdplab and for those of other people."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.models.tabular import MDP
from mdplab.solution import Solution, Status
from mdplab.solvers.control import ControlSolution
from mdplab.testing._report import check_tolerance, fail, names_of
from mdplab.testing.properties import renamed

__all__ = ["check_solver", "hard_models"]


def hard_models() -> dict[str, MDP]:
    """Small models that are hard on solvers.

    Returns
    -------
    dict of str to MDP
        One state; discount zero; ties everywhere; a tie that rounding does not decide; a deterministic cycle at discount
        .999; an absorbing goal; unreachable states; large rewards of both signs; a mask; and rows that mix.
    """
    cycle = np.roll(np.eye(5), 1, axis=1)[:, np.newaxis, :]
    two = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.5, 0.5], [0.1, 0.9]]])
    thirds = np.array([[[1, 1, 1], [3, 0, 0]], [[1, 2, 0], [0, 1, 2]], [[2, 0, 1], [1, 1, 1]]]) / 3.0
    goal = np.array([[[0, 1, 0], [1, 0, 0]], [[0, 0, 1], [1, 0, 0]], [[0, 0, 1], [0, 0, 1]]], dtype=float)
    return {
        "one state": MDP([[[1.0], [1.0]]], [[0.3, 0.1]], 0.9),
        "discount zero": MDP(two, [[0.2, 0.0], [0.3, 1.0]], 0.0),
        "ties everywhere": MDP(thirds, np.zeros((3, 2)), 0.9),
        "an undecided tie": MDP(np.full((2, 3, 2), 0.5), [[0.1, 0.3 - 0.2, 0.1], [0.7, 0.6, 0.7]], 0.95),
        "a cycle at .999": MDP(cycle, np.arange(5.0)[:, np.newaxis], 0.999),
        "an absorbing goal": MDP(goal, [[-1.0, -1.0], [-1.0, -1.0], [0.0, 0.0]], 0.95),
        "unreachable states": MDP(
            np.eye(3)[[[0, 0], [1, 1], [2, 2]]], [[1.0, 0.0], [0.0, -1.0], [5.0, 5.0]], 0.8
        ),
        "large rewards": MDP(two, [[1e6, -1e6], [3.0, 1e5]], 0.97),
        "a mask": MDP(
            thirds,
            [[1.0, 50.0], [0.5, 0.2], [-30.0, 0.1]],
            0.9,
            available=[[True, False], [True, True], [False, True]],
        ),
        "rows that mix": MDP(
            thirds,
            [[1.0, 0.0], [0.2, 0.5], [-0.3, 0.8]],
            0.95,
            state_names=["low", "middle", "high"],
            action_names=["stay", "go"],
        ),
    }


def check_solver(
    solver: Callable[..., Any],
    *,
    temperature: float = 0.0,
    models: Mapping[str, MDP] | None = None,
    tol: float = 1e-8,
) -> None:
    """Check that a solver of discounted control keeps what a certified solver promises.

    On every model: the bound of the certificate contains the optimal value, as an independent solver encloses it; the
    status fits the bound; :func:`mdplab.verify` confirms all other fields; sparse and dense kernels, renamed and reordered
    states, and arbitrary rewards at unavailable pairs give the same value within the bounds.  Where the solver takes
    ``max_steps`` or ``callback``, bounds must hold after an early end too, and the status must say why it ended.

    Parameters
    ----------
    solver : callable
        ``solver(mdp, tol=...)`` returns a :class:`~mdplab.Solution` with a ``value`` of shape (S,) whose sup-norm error
        ``certificate.bound`` bounds.
    temperature : float, default 0
        Of the entropy that is added to the problem which the solver solves.
    models : mapping of str to MDP, optional
        By default :func:`hard_models`.
    tol : float, default 1e-8
        Accuracy asked for.

    Raises
    ------
    AssertionError
        At the first promise that is broken; the message names the solver, the model and the numbers.
    """
    check_tolerance(tol)
    check = _SolverCheck(solver, temperature, tol)
    for name, mdp in (hard_models() if models is None else models).items():
        check.everything(name, mdp)


class _SolverCheck:
    """The checks of one solver; what is wrong is said with the name of the model."""

    def __init__(self, solver: Callable[..., Any], temperature: float, tol: float) -> None:
        inner = solver
        while isinstance(inner, partial):
            inner = inner.func
        self.solver, self.temperature, self.tol = solver, temperature, tol
        self.name = getattr(inner, "__name__", repr(inner))
        self.takes = set(inspect.signature(solver).parameters)

    def solve(self, mdp: MDP, **options: Any) -> Any:
        """Run the solver without its warnings."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = self.solver(mdp, tol=self.tol, **options)
        if not isinstance(found, Solution):
            fail([f"{self.name} returned a {type(found).__name__}, expected a Solution"])
        return found

    def everything(self, name: str, mdp: MDP) -> None:
        """All checks on one model."""
        low, high = self.truth(mdp)
        found = self.solve(mdp)
        self.right(name, mdp, found, low, high)
        reached = found.certificate.bound <= self.tol
        if reached != found.status.ok:
            self.wrong(
                name,
                f"the bound is {found.certificate.bound:.3g} for tol {self.tol:.3g}, but the status {found.status.name}",
            )
        for text, early in self.early(mdp):
            self.right(f"{name}, {text}", mdp, early, low, high)
            if not early.status.ok and early.status is not Status.PRECISION_LIMIT:
                expected = Status.INTERRUPTED if "callback" in text else Status.MAX_STEPS
                if early.status is not expected:
                    self.wrong(name, f"{text}: the status is {early.status.name}, expected {expected.name}")
        for text, other, order in self.variants(mdp):
            again = self.solve(other)
            gap = np.abs(again.value - found.value[order])
            allowed = again.certificate.bound + found.certificate.bound
            if not gap.max() <= allowed:
                state = int(gap.argmax())
                place = names_of(other).place(("state",), [state])
                self.wrong(
                    name,
                    f"{text}: {place} has value {again.value[state]:.10g}, before {found.value[order][state]:.10g}, allowed gap {allowed:.3g}",
                )

    def wrong(self, name: str, text: str) -> None:
        fail([f"{self.name} on the model {name!r}", text])

    def truth(self, mdp: MDP) -> tuple[FloatArray, FloatArray]:
        """An enclosure of the optimal value by another solver."""
        if self.temperature > 0:
            first, second = solvers.soft_policy_iteration, solvers.soft_value_iteration
            other = second if self.name == first.__name__ else first
            best = other(mdp, temperature=self.temperature)
        else:
            best = (solvers.value_iteration if self.name == "policy_iteration" else solvers.policy_iteration)(
                mdp
            )
        return best.lower, best.upper

    def right(self, name: str, mdp: MDP, found: Any, low: FloatArray, high: FloatArray) -> None:
        """The bound contains the truth, unavailable actions are not taken, and all other fields are confirmed."""
        value, bound = np.asarray(found.value), found.certificate.bound
        if value.shape != low.shape:
            self.wrong(name, f"value has shape {value.shape}, expected {low.shape}")
        if not np.isfinite(bound) and found.status is not Status.UNCERTIFIED:
            self.wrong(name, f"no bound is stated, but the status is {found.status.name}")
        beyond = np.maximum(value - bound - high, low - bound - value)
        if not beyond.max() <= 0:
            state = int(np.nan_to_num(beyond, nan=np.inf).argmax())
            self.wrong(
                name,
                f"the bound {bound:.3g} is broken at {names_of(mdp).place(('state',), [state])}: value {value[state]:.10g}, the "
                f"optimal one is between {low[state]:.10g} and {high[state]:.10g}",
            )
        if mdp.available is not None and hasattr(found, "policy") and found.policy[~mdp.available].any():
            self.wrong(name, "the policy takes an unavailable action")
        if isinstance(found, ControlSolution):
            report = solvers.verify(mdp, found)
            for failed in report.failures:
                self.wrong(name, f"{failed.name}: found {failed.found:.6g}, allowed {failed.allowed:.6g}")

    def early(self, mdp: MDP) -> Iterator[tuple[str, Any]]:
        """Runs that end before their time."""
        if "max_steps" in self.takes:
            yield "max_steps=1", self.solve(mdp, max_steps=1)
        if "callback" in self.takes:
            yield "callback returns True", self.solve(mdp, callback=lambda *_: True)

    def variants(self, mdp: MDP) -> Iterator[tuple[str, MDP, Any]]:
        """The same model in other clothes, with the order of its states."""
        states, actions = (np.arange(n)[::-1] for n in mdp.reward.shape)
        same = states[::-1]
        yield "as CSR", mdp.to_sparse(), same
        yield "in reverse order", renamed(mdp, states, actions), states
        options: dict[str, Any] = {"available": mdp.available}
        labels = {
            "state_names": [f"s{i}" for i in same],
            "action_names": [f"a{i}" for i in range(mdp.n_actions)],
        }
        yield "with other names", MDP(mdp.transition, mdp.reward, mdp.discount, **options, **labels), same
        if mdp.available is not None:
            reward = np.where(mdp.available, mdp.reward, -7e3)
            yield (
                "other rewards at unavailable pairs",
                MDP(mdp.transition, reward, mdp.discount, **options),
                same,
            )
