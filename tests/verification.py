"""What every test of verify() does: the solution passes, each field that is disturbed fails, and none is forgotten."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np

from mdplab.solution import Certificate, Solution
from mdplab.solvers import verify

SHARED = ("status", "certificate", "steps", "residuals", "names")
"""Fields of every kind: how the run went is not recomputed."""


def failures(model: Any, solution: Solution, **changes: Any) -> set[str]:
    """Names of the checks that fail after a change."""
    return {check.name for check in verify(model, replace(solution, **changes)).failures}


def with_bound(solution: Solution, bound: float) -> Certificate:
    """The certificate with another bound."""
    return replace(solution.certificate, bound=bound)


def shifted(by: float) -> Callable[[Any], Any]:
    """All numbers moved."""
    return lambda x: x + by


def moved(by: float) -> Callable[[Any], Any]:
    """The first number of an array moved."""

    def change(x: Any) -> Any:
        out = np.array(x, dtype=float)
        out.flat[0] += by
        return out

    return change


def assert_every_field_is_checked(
    model: Any,
    solution: Solution,
    changes: Mapping[str, Callable[[Any], Any]],
    *,
    inputs: tuple[str, ...] = (),
) -> None:
    """Pass as it is; fail for each change; every field is changed, shared by all kinds, or an input."""
    report = verify(model, solution)
    assert report.passed, report.failures
    assert report.checks
    for name, change in changes.items():
        assert failures(model, solution, **{name: change(getattr(solution, name))}), f"{name} is not checked"
    assert {f.name for f in fields(solution)} == {*changes, *inputs, *SHARED}
