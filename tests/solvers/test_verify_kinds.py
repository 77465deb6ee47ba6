"""Every kind of solution that the solvers return has a verification of its own."""

from __future__ import annotations

import inspect
from dataclasses import dataclass

import numpy as np
import pytest

from mdplab import solvers
from mdplab.convex import ProgramSolution
from mdplab.solution import Certificate, Solution, Status
from mdplab.solvers import verify
from mdplab.solvers.verify import _verify
from mdplab.solvers.verify_algebra import solve_wide

KINDS = [
    thing
    for name in solvers.__all__
    if inspect.isclass(thing := getattr(solvers, name)) and issubclass(thing, Solution)
] + [ProgramSolution]


def test_the_walk_finds_what_there_is() -> None:
    assert len(KINDS) > 25
    assert {solvers.BatchSolution, solvers.GameSolution, solvers.ControlSolution} <= set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_registered(kind: type) -> None:
    assert _verify.dispatch(kind) is not _verify.dispatch(object)


def annotated(function: object) -> str:
    return str(inspect.signature(function).return_annotation)  # type: ignore[arg-type]


def test_every_solver_returns_a_registered_kind() -> None:
    names = {kind.__name__ for kind in KINDS}
    found = {}
    for name in solvers.__all__:
        thing = getattr(solvers, name)
        if inspect.isfunction(thing):
            result = annotated(thing)
            if result.endswith("Solution") or result in names:
                found[name] = result
    assert len(found) > 25
    assert {name: kind for name, kind in found.items() if kind not in names} == {}


def test_an_unknown_kind_is_refused_by_name() -> None:
    @dataclass(frozen=True, kw_only=True, eq=False)
    class Riddle(Solution):
        answer: int

    riddle = Riddle(status=Status.CONVERGED, certificate=Certificate("error", 0.0, "none"), answer=42)
    with pytest.raises(TypeError, match="verify does not know solutions of type Riddle"):
        verify(None, riddle)


def test_wide_solves_are_certified() -> None:
    n = 8
    hilbert = 1 / (np.arange(n)[:, np.newaxis] + np.arange(n) + 1).astype(np.longdouble)
    exact = np.arange(1, n + 1).astype(np.longdouble)
    found, error = solve_wide(hilbert, hilbert @ exact)
    assert float(np.abs(found - exact).max()) <= error < 1e-6
    assert solve_wide(np.ones((2, 2)), np.ones(2))[1] == np.inf
    columns, _ = solve_wide(hilbert, np.column_stack([hilbert @ exact, hilbert @ -exact]))
    assert columns.shape == (n, 2)
