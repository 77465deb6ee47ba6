"""Tests for reinforcement-learning code: assertions against certified answers, and suites for solvers and claims.

Assertions take a model and what the code under test has computed, compare it with an answer whose error is proven, and
fail with the place, both numbers, the gap and, where the mistake is a known one, its name.  A failure is proof: the proven
error is on top of the tolerance.
"""

from __future__ import annotations

from mdplab.testing.claim_conformance import check_claim
from mdplab.testing.optimality import (
    assert_is_optimal,
    assert_policies_equal_up_to_ties,
    assert_soft_optimal,
    assert_solution_certified,
)
from mdplab.testing.policies import assert_is_policy, assert_q_of_policy, assert_value_of_policy
from mdplab.testing.properties import (
    assert_constant_shift,
    assert_contraction,
    assert_equivariant,
    assert_monotone,
    check_operator,
    renamed,
)
from mdplab.testing.solver_conformance import check_solver, hard_models
from mdplab.testing.updates import Transition, assert_expected_update, transitions

__all__ = [
    "Transition",
    "assert_constant_shift",
    "assert_contraction",
    "assert_equivariant",
    "assert_expected_update",
    "assert_is_optimal",
    "assert_is_policy",
    "assert_monotone",
    "assert_policies_equal_up_to_ties",
    "assert_q_of_policy",
    "assert_soft_optimal",
    "assert_solution_certified",
    "assert_value_of_policy",
    "check_claim",
    "check_operator",
    "check_solver",
    "hard_models",
    "renamed",
    "transitions",
]
