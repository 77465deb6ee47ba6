"""The suites for operators, solvers and claims: the registries of the package pass, and each broken promise is seen."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from mdplab import operators, solvers
from mdplab.claims import Equal, Side
from mdplab.models import MDP
from mdplab.solution import Status
from mdplab.testing import (
    assert_constant_shift,
    assert_contraction,
    assert_monotone,
    check_claim,
    check_operator,
    check_solver,
    hard_models,
)
from tests import toy

TAU = 0.4
MODELS = hard_models()
each_model = pytest.mark.parametrize("name", MODELS)


def policy_of(mdp: MDP) -> Any:
    admitted = np.ones(mdp.reward.shape) if mdp.available is None else mdp.available
    return admitted / admitted.sum(axis=1, keepdims=True)


@each_model
def test_backups_have_their_properties(name: str) -> None:
    mdp = MODELS[name]
    declared = {"modulus": mdp.discount, "monotone": True, "shift": mdp.discount}
    check_operator(
        lambda v: operators.optimality_backup(mdp, v),
        shape=mdp.n_states,
        fixed_point=solvers.policy_iteration(mdp).value,
        **declared,
    )
    policy = policy_of(mdp)
    check_operator(
        lambda v: operators.policy_backup(mdp, policy, v),
        shape=mdp.n_states,
        fixed_point=solvers.policy_evaluation(mdp, policy).value,
        **declared,
    )
    with np.errstate(divide="ignore"):
        logs = np.log(policy)
    check_operator(
        lambda v: operators.soft_policy_backup(mdp, logs, v, temperature=TAU),
        shape=mdp.n_states,
        fixed_point=solvers.policy_evaluation(mdp, policy, temperature=TAU).value,
        **declared,
    )
    best = solvers.soft_policy_iteration(mdp, temperature=TAU)
    check_operator(
        lambda q: operators.soft_backup(mdp, q, temperature=TAU),
        shape=mdp.reward.shape,
        fixed_point=None if mdp.available is not None else best.q,
        **declared,
    )


@pytest.mark.parametrize(
    ("operator", "declared", "message"),
    [
        (lambda x: 0.95 * x, {"modulus": 0.9}, "no contraction of modulus 0.9: .* a factor 0.95"),
        (lambda x: 0.9 * np.abs(x), {"monotone": True}, "not monotone: entry .* falls by"),
        (lambda x: 0.9 * x - 0.2 * x[::-1], {"monotone": True}, "not monotone"),
        (lambda x: 0.9 * x, {"shift": 0.8}, "moves entry .* by 0.9, expected 0.8: the factor is 0.9"),
        (lambda x: 0.9 * x + 1, {"fixed_point": [10.0, 10.0, 11.0]}, r"entry \(2,\) moves by 0.1"),
        (lambda x: x[:1], {}, r"maps shape \(3,\) to \(1,\)"),
        (lambda x: x / 0 if x.any() else x, {}, "gives -?inf|gives nan"),
        (lambda x: np.add(x, 1, out=x), {}, "changes the table"),
        (lambda x, seen=[]: x + len(seen) + (seen.append(0) or 0), {}, "differently the second time"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*encountered:RuntimeWarning")
def test_a_property_that_fails_is_seen(operator: Any, declared: dict[str, Any], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_operator(operator, shape=3, **declared)


def test_single_properties() -> None:
    assert_contraction(np.sin, 1.0, shape=(2, 3))
    assert_monotone(np.arctan, shape=2)
    assert_constant_shift(lambda x: x - x.mean(), 0.0, shape=4)
    with pytest.raises(AssertionError):
        assert_contraction(np.sin, 0.5, shape=(2, 3))


SOLVERS: dict[str, tuple[Callable[..., Any], float]] = {
    name: (getattr(solvers, name), 0.0)
    for name in ("value_iteration", "policy_iteration", "modified_policy_iteration", "solve")
} | {
    name: (partial(getattr(solvers, name), temperature=TAU), TAU)
    for name in ("soft_value_iteration", "soft_policy_iteration")
}


@pytest.mark.parametrize("name", SOLVERS)
def test_solvers_keep_their_promises(name: str) -> None:
    solver, temperature = SOLVERS[name]
    check_solver(solver, temperature=temperature)


def altered(**change: Callable[[Any], Any]) -> Callable[..., Any]:
    """A solver whose solutions are changed field by field."""

    def solver(mdp: MDP, *, tol: float, max_steps: int = 1000, callback: Any = None) -> Any:
        found = solvers.policy_iteration(mdp, tol=tol, max_steps=max_steps, callback=callback)
        return dataclasses.replace(found, **{field: f(found) for field, f in change.items()})

    return solver


def reads_names(mdp: MDP, *, tol: float) -> Any:
    """Pays more where the states have certain names."""
    bonus = 1.0 if mdp.state_names == tuple(f"s{i}" for i in range(mdp.n_states)) else 0.0
    return solvers.policy_iteration(mdp.replace(reward=mdp.reward + bonus), tol=tol)


def hides_interruption(mdp: MDP, *, tol: float, callback: Any = None) -> Any:
    found = solvers.value_iteration(mdp, tol=tol, callback=callback)
    return (
        dataclasses.replace(found, status=Status.MAX_STEPS) if found.status is Status.INTERRUPTED else found
    )


@pytest.mark.parametrize(
    ("solver", "message"),
    [
        (
            altered(value=lambda f: f.value + 1e-3),
            "on the model 'one state'\n  the bound .* is broken at state 0",
        ),
        (altered(value=lambda f: f.value[:1] if f.value.size > 1 else f.value), "value has shape"),
        (altered(q=lambda f: f.q + 0.1), "q within q_error: found 0.1"),
        (altered(policy=lambda f: f.policy[:, ::-1].copy()), "on the model .*"),
        (
            altered(certificate=lambda f: dataclasses.replace(f.certificate, bound=1e-3)),
            "the bound is 0.001 for tol 1e-08, but the status CONVERGED",
        ),
        (
            altered(certificate=lambda f: dataclasses.replace(f.certificate, bound=np.inf)),
            "no bound is stated, but the status is",
        ),
        (reads_names, "with other names: state 0 's0' has value"),
        (hides_interruption, "callback returns True: the status is MAX_STEPS, expected INTERRUPTED"),
        (lambda mdp, tol: 3.0, "returned a float, expected a Solution"),
    ],
)
def test_a_broken_promise_is_seen(solver: Callable[..., Any], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_solver(solver)


def no_docstring(instance: Any) -> Side:
    return toy.product(instance)


def by_iteration(instance: Any) -> Side:
    """Policy iteration."""
    return Side(solvers.policy_iteration(MODELS["rows that mix"]).value, 1e-9)


def by_iteration_again(instance: Any) -> Side:
    """Policy iteration, again."""
    return by_iteration(instance)


class Lax(Equal):
    """An equality that always holds."""

    def compare(self, *sides: Any, **options: Any) -> Any:
        return dataclasses.replace(super().compare(*sides, **options), verdict="holds")


def small_claim_with(relation: Any) -> Any:
    claim = toy.small_claim()
    claim.part("extra", "another part", relation, resolution=1e-6, reason="rounding")
    return claim


@pytest.mark.usefixtures("empty_registry")
class TestClaims:
    """The suite of claims on a small one."""

    def test_a_good_claim_passes(self) -> None:
        check_claim(toy.small_claim())

    @pytest.mark.parametrize(
        ("relation", "message"),
        [
            (Equal(toy.product, no_docstring), "the route no_docstring has no docstring"),
            (Equal(toy.product, toy.sum_of_squares), "part extra: violated on an instance inside"),
            (Equal(by_iteration, by_iteration_again), "both routes enter policy_iteration; declare it"),
            (
                Lax(toy.product, toy.by_squares),
                "the verdict is holds, expected violated: the check cannot fail",
            ),
        ],
    )
    def test_a_bad_part_is_seen(self, relation: Any, message: str) -> None:
        with pytest.raises(AssertionError, match=message):
            check_claim(small_claim_with(relation))

    def test_what_is_missing_is_listed(self) -> None:
        claim = toy.small_claim()
        claim.parts[0].controls.clear()
        claim.parts[1].controls.clear()
        claim.parts[1].reason = ""
        with pytest.raises(
            AssertionError, match=r"not complete:\n  the claim has no control.*\n  part \(ii\) has no reason"
        ):
            check_claim(claim)
