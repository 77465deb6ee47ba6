"""A bug in any one solver makes the command line exit 1 and name the claim."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from injection import assert_seen
from mdplab import solvers
from mdplab.models import OutcomeModel

Bug = Callable[[Callable[..., Any]], Callable[..., Any]]


def discount_off_by_one_step(solver: Callable[..., Any]) -> Callable[..., Any]:
    """Discounts the first reward too."""

    def wrong(mdp: Any, *args: Any, **options: Any) -> Any:
        return solver(mdp.replace(reward=mdp.discount * mdp.reward), *args, **options)

    return wrong


def sign_of_the_reward(solver: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(mdp: Any, *args: Any, **options: Any) -> Any:
        return solver(mdp.replace(reward=-mdp.reward), *args, **options)

    return wrong


def missing_entropy(solver: Callable[..., Any]) -> Callable[..., Any]:
    """Evaluates without the entropy term."""

    def wrong(*args: Any, temperature: float = 0.0, **options: Any) -> Any:
        return solver(*args, temperature=0.0, **options)

    return wrong


def temperature_off(solver: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(*args: Any, temperature: float, **options: Any) -> Any:
        return solver(*args, temperature=1.01 * temperature, **options)

    return wrong


def prior_forgotten(solver: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(*args: Any, prior_weight: float, **options: Any) -> Any:
        return solver(*args, prior_weight=0.999 * prior_weight, **options)

    return wrong


def step_off(solver: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(*args: Any, step: Any, **options: Any) -> Any:
        return solver(*args, step=1.01 * step, **options)

    return wrong


def strength_off(solver: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(*args: Any, strength: float, **options: Any) -> Any:
        return solver(*args, strength=1.001 * strength, **options)

    return wrong


def players_exchanged(solver: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(preference: Any, *args: Any, **options: Any) -> Any:
        return solver(np.asarray(preference).T, *args, **options)

    return wrong


def objective_off(solver: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(*args: Any, **options: Any) -> Any:
        found = solver(*args, **options)
        return dataclasses.replace(found, objective=found.objective + 1e-6)

    return wrong


def share_off(solver: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(*args: Any, share: float, **options: Any) -> Any:
        return solver(*args, share=0.999 * share, **options)

    return wrong


def slope_halved(solver: Callable[..., Any]) -> Callable[..., Any]:
    """Charges half the derivative of the divergence."""

    def wrong(mdp: Any, *args: Any, **options: Any) -> Any:
        return 0.5 * (solver(mdp, *args, **options) + mdp.reward)

    return wrong


def goals_uniform(solver: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(mdp: Any, law: Any) -> Any:
        return solver(mdp, np.full(len(law), 1 / len(law)))

    return wrong


def weight_off(solver: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(*args: Any, weight: float, **options: Any) -> Any:
        return solver(*args, weight=weight + 1e-3 * (1 - weight), **options)

    return wrong


def potential_off(solver: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(*args: Any, **options: Any) -> Any:
        found = solver(*args, **options)
        return dataclasses.replace(found, potential=found.potential * (1 + 1e-6))

    return wrong


def coefficient_off(solver: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(*args: Any, **options: Any) -> Any:
        found = solver(*args, **options)
        return dataclasses.replace(found, coefficient=found.coefficient * (1 + 1e-6))

    return wrong


def radius_off(solver: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(*args: Any, radii: Any, **options: Any) -> Any:
        return solver(*args, radii=1.001 * np.asarray(radii), **options)

    return wrong


def threshold_off(solver: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(model: Any, threshold: float, **options: Any) -> Any:
        return solver(model, threshold + 1e-3 * (1 + abs(threshold)), **options)

    return wrong


def degree_off(solver: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(*args: Any, degree: float, **options: Any) -> Any:
        return solver(*args, degree=(1 + 1e-6) * degree, **options)

    return wrong


def reward_after_the_discount(solver: Callable[..., Any]) -> Callable[..., Any]:
    """The next stock is ``c / discount + r``, not ``(c + r) / discount``."""

    def wrong(model: Any, *args: Any, discount: float, **options: Any) -> Any:
        late = OutcomeModel(model.law, discount * model.rewards(), model.next_states())
        return solver(late, *args, discount=discount, **options)

    return wrong


BUGS: list[tuple[str, Bug, tuple[str, ...]]] = [
    (
        "soft_policy_iteration",
        temperature_off,
        ("kl-objective-balance", "parl-hypergradient", "rql-composition", "rql-tradeoff-monotone"),
    ),
    ("soft_value_iteration", discount_off_by_one_step, ("kl-objective-balance",)),
    (
        "residual_q_learning",
        prior_forgotten,
        ("rql-fixed-point", "rql-retempering", "rql-composition", "rql-tradeoff-monotone"),
    ),
    ("trust_region", radius_off, ("trpo-lagrangian-path", "tscac-closed-form")),
    ("soft_constrained", threshold_off, ("tscac-cmdp-lagrangian",)),
    ("linear_backward_induction", temperature_off, ("demreg-linear",)),
    ("stage_evaluation", missing_entropy, ("demreg-bellman-gap", "demreg-suboptimality")),
    ("residual_backward_induction", prior_forgotten, ("rql-finite-horizon",)),
    ("policy_evaluation", missing_entropy, ("soft-policy-gradient",)),
    ("policy_iteration", sign_of_the_reward, ("npg-one-over-t", "lp-duality-mdp")),
    ("mirror_descent", step_off, ("npg-one-over-t",)),
    ("occupancy_program", objective_off, ("lp-duality-mdp",)),
    ("value_program", sign_of_the_reward, ("lp-duality-mdp",)),
    ("dual_v", strength_off, ("dual-v-strong-duality",)),
    ("dual_q", strength_off, ("dual-q-fixed-policy", "cql-is-dual-q")),
    ("penalised_reward", slope_halved, ("dual-q-fixed-policy",)),
    ("mixture_dual", share_off, ("recoil-mixture-dual", "smore-mixture-dual")),
    (
        "implicit_maximiser",
        weight_off,
        ("xql-gumbel-is-dual-v", "fdvl-implicit-maximiser", "expectile-max-limit"),
    ),
    ("inverse_soft_q", potential_off, ("irl-limit-selects-potential",)),
    ("dice_fixed_point", coefficient_off, ("odice-fixed-points",)),
    ("trajectory_preference_fit", temperature_off, ("grape-trajectory-dpo",)),
    ("goal_conditioned", goals_uniform, ("smore-mixture-dual",)),
    ("homogeneous_stock_iteration", degree_off, ("dist-vector-homeostatic",)),
    ("homogeneous_stock_iteration", reward_after_the_discount, ("dist-vector-homeostatic",)),
    ("regularised_nash", players_exchanged, ("nlhf-nash-md-recursion",)),
]


@pytest.mark.parametrize(
    ("name", "bug", "victims"), BUGS, ids=[f"{name}-{bug.__name__}" for name, bug, _ in BUGS]
)
def test_a_bug_in_a_solver_is_seen(
    name: str,
    bug: Bug,
    victims: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(solvers, name, bug(getattr(solvers, name)))
    assert_seen(victims, capsys)
