"""Dual-V: printed values, strong duality against the cone solver, bounds that hold, reachability and coverage."""

from __future__ import annotations

import numpy as np
import pytest

from mdplab.convex import ConjugateDual, FlowPolytope, conic_occupancy_program, minimise_smooth
from mdplab.divergences import FDivergence, alpha_divergence, f_divergence
from mdplab.models import MDP
from mdplab.operators import occupancy, occupancy_residual
from mdplab.solution import Status
from mdplab.solvers import dual_v, policy_iteration
from small_models import as_sparse, m2

BEHAVIOUR = np.array([[0.7, 0.3], [0.6, 0.4]])
DATA = occupancy(m2(), BEHAVIOUR)
NAMES = ["kl", "swapped-kl", "jeffreys", "chi-square", "total-variation", "hellinger"]
ROWS = [
    *(f_divergence(name) for name in NAMES),
    *(alpha_divergence(order) for order in (-1.0, 0.3, 1.5, 3.0)),
]
SMOOTH = [row for row in ROWS if row.smooth]


def label(row: FDivergence) -> str:
    return row.name if row.name != "alpha" else f"alpha({row.order:g})"


def generator(seed: int) -> tuple[MDP, np.ndarray, float]:
    """Dirichlet model with occupancy data (even seeds) or arbitrary data, and a strength."""
    rng = np.random.default_rng(seed)
    n_states, n_actions = int(rng.integers(2, 6)), int(rng.integers(2, 4))
    mdp = MDP(
        rng.dirichlet(np.full(n_states, 0.5), (n_states, n_actions)),
        rng.uniform(size=(n_states, n_actions)),
        float(rng.uniform(0.5, 0.95)),
        rng.dirichlet(np.ones(n_states)),
    )
    behaviour = 0.9 * rng.dirichlet(np.ones(n_actions), n_states) + 0.1 / n_actions
    data = occupancy(mdp, behaviour)
    if seed % 2:
        data = np.maximum(rng.dirichlet(np.ones(n_states * n_actions)), 1e-3).reshape(n_states, n_actions)
    return mdp, data / data.sum(), float(10.0 ** rng.uniform(-1.0, 0.5))


@pytest.mark.parametrize("mdp", [m2(), as_sparse(m2())], ids=["dense", "csr"])
@pytest.mark.parametrize(
    ("name", "objective", "value"),
    [
        ("kl", 0.7101727798020, [6.7272374351, 7.6634633423]),
        ("chi-square", 0.5595209672683, [3.4856403372, 3.8900477732]),
        ("total-variation", 0.7698217694715, None),
    ],
)
def test_printed_values(mdp: MDP, name: str, objective: float, value: list[float] | None) -> None:
    solution = dual_v(mdp, DATA, divergence=name, strength=0.1)
    assert solution.status is Status.CONVERGED
    assert solution.objective == pytest.approx(objective, abs=6e-14)
    assert solution.certificate.bound < 1e-12
    assert solution.flow_residual < 1e-14
    if value is not None:
        np.testing.assert_allclose(solution.value, value, atol=6e-11)
        assert solution.value_error < 1e-10


@pytest.mark.parametrize(
    ("name", "occupancy_", "policy", "normalised_return"),
    [
        (
            "kl",
            [[0.0076880003, 0.1624850613], [0.0000390162, 0.8297879222]],
            [0.9548224599, 0.9999529827],
            0.8313372271410,
        ),
        (
            "chi-square",
            [[0.1642534396, 0.1142956450], [0.0, 0.7214509155]],
            [0.4103249708, 1.0],
            0.7543016033762,
        ),
    ],
)
def test_printed_recovery(
    name: str, occupancy_: list[list[float]], policy: list[float], normalised_return: float
) -> None:
    solution = dual_v(m2(), DATA, divergence=name, strength=0.1)
    np.testing.assert_allclose(solution.occupancy, occupancy_, atol=6e-11)
    np.testing.assert_allclose(solution.policy[:, 1], policy, atol=6e-11)
    assert solution.normalised_return == pytest.approx(normalised_return, abs=6e-13)
    np.testing.assert_allclose(occupancy(m2(), solution.policy), solution.feasible_occupancy, atol=1e-14)
    assert np.abs(solution.feasible_occupancy - solution.occupancy).sum() <= solution.occupancy_error < 1e-10


@pytest.mark.parametrize(
    ("strength", "corrected", "plain", "least"),
    [
        (1.0, 0.3664748057, 0.3664748057, 0.1537765448),
        # in rational arithmetic 0.41680409700523..., so the tenth digit is a 0
        (0.3, 0.4168040970, 0.4168040970, 0.1385738842),
        (0.1, 0.5595209673, 0.5606020720, -0.0304587504),
        (0.05, 0.6894685905, 0.7762990346, -0.3403335593),
        (0.02, 0.7768863373, 1.4233899222, -1.2699579857),
    ],
)
def test_plain_conjugate(strength: float, corrected: float, plain: float, least: float) -> None:
    right = dual_v(m2(), DATA, divergence="chi-square", strength=strength)
    relaxed = dual_v(m2(), DATA, divergence="chi-square", strength=strength, conjugate="plain")
    assert right.objective == pytest.approx(corrected, abs=6e-11)
    assert relaxed.objective == pytest.approx(plain, abs=6e-11)
    assert relaxed.occupancy.min() == pytest.approx(least, abs=6e-11)
    assert relaxed.certificate.bound < 1e-12
    np.testing.assert_allclose(relaxed.value, [3.3103086569, 3.6571647519], atol=1e-10)
    assert (relaxed.lower > right.upper) == (least < 0.0)


@pytest.mark.parametrize("row", [row for row in SMOOTH if np.isinf(row.slope_at_zero)], ids=label)
def test_positive_weights_need_no_correction(row: FDivergence) -> None:
    corrected = dual_v(m2(), DATA, divergence=row, strength=0.1)
    plain = dual_v(m2(), DATA, divergence=row, strength=0.1, conjugate="plain")
    assert plain.objective == corrected.objective
    assert corrected.occupancy.min() > 0.0


def test_a_wrong_start_weight_in_the_dual_is_seen() -> None:
    """``mu_0`` in the place of ``(1 - gamma) mu_0`` moves the chi-square minimum to the printed number."""
    flow = FlowPolytope.of(m2())
    wrong = ConjugateDual(
        flow.matrix, flow.start / 0.1, flow.vector(DATA), flow.reward, f_divergence("chi-square"), 0.1
    )
    minimum = minimise_smooth(wrong.objective, wrong.gradient, wrong.hessian, np.zeros(2))
    assert minimum.objective == pytest.approx(-4.435251942561, abs=1e-11)


@pytest.mark.parametrize(
    ("strength", "gap"),
    [(1.0, 0.4471203332), (0.3, 0.3464617506), (0.1, 0.0808632318), (0.0683693002645, 0.0)],
)
def test_vanishing_chi_square_regularisation(strength: float, gap: float) -> None:
    """Below ``alpha_0 = .0719676844890`` the chi-square solution is the optimal occupancy itself."""
    solution = dual_v(m2(), DATA, divergence="chi-square", strength=strength)
    assert 0.8351648351648 - solution.normalised_return == pytest.approx(gap, abs=1e-10)


@pytest.mark.parametrize("strength", [0.1, 0.05, 0.02, 0.005])
def test_kl_at_small_strength(strength: float) -> None:
    printed = {0.1: 0.7101727798, 0.05: 0.7722835639, 0.02: 0.8100111978}
    solution = dual_v(m2(), DATA, divergence="kl", strength=strength)
    assert solution.status is Status.CONVERGED
    if strength in printed:
        assert solution.objective == pytest.approx(printed[strength], abs=6e-11)


def check_the_gap(row: FDivergence, seeds: range) -> None:
    for seed in seeds:
        mdp, data, strength = generator(seed)
        dual = dual_v(mdp, data, divergence=row, strength=strength)
        assert dual.status is Status.CONVERGED
        assert 0.0 <= dual.gap <= 1e-9 * max(1.0, abs(dual.objective)), seed
        assert dual.flow_residual <= 1e-9


@pytest.mark.parametrize("row", ROWS, ids=label)
def test_relative_gaps(row: FDivergence) -> None:
    check_the_gap(row, range(8))


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS, ids=label)
def test_relative_gaps_on_two_hundred_instances(row: FDivergence) -> None:
    check_the_gap(row, range(200))


@pytest.mark.parametrize("row", ROWS, ids=label)
@pytest.mark.parametrize("seed", range(4))
def test_strong_duality_against_the_cone_solver(row: FDivergence, seed: int) -> None:
    """Even seeds: data everywhere; odd ones: some pairs without data."""
    mdp, data, strength = generator(seed)
    if seed % 2:
        data = np.where(np.random.default_rng(seed).random(data.shape) < 0.7, data, 0.0)
        data = data / data.sum()
    dual = dual_v(mdp, data, divergence=row, strength=strength)
    cone = conic_occupancy_program(mdp, data, divergence=row, strength=strength)
    assert dual.status is cone.status is Status.CONVERGED
    assert dual.certificate.bound <= 1e-11
    assert abs(dual.objective - cone.objective) <= cone.certificate.bound + dual.certificate.bound <= 1e-7
    # both intervals contain the optimal value
    assert max(dual.lower, cone.lower) <= min(dual.upper, cone.upper)
    assert np.abs(occupancy_residual(mdp, dual.occupancy)).max() <= 1e-9


@pytest.mark.parametrize("row", SMOOTH, ids=label)
@pytest.mark.parametrize("seed", range(3))
def test_no_policy_improves_on_the_recovered_occupancy(row: FDivergence, seed: int) -> None:
    """Frank-Wolfe gap: the MDP with the gradient as reward, solved by policy iteration, gains nothing."""
    mdp, data, strength = generator(seed)
    solution = dual_v(mdp, data, divergence=row, strength=strength)
    d = solution.feasible_occupancy
    gradient = mdp.reward - strength * row.derivative(d / data)
    best = policy_iteration(mdp.replace(reward=gradient))
    gain = (1.0 - mdp.discount) * float(mdp.start_law() @ best.value) - float((d * gradient).sum())
    assert -1e-10 <= gain <= 1e-8


@pytest.mark.parametrize("row", SMOOTH, ids=label)
@pytest.mark.filterwarnings("ignore::mdplab.solution.ConvergenceWarning")
def test_bounds_hold_for_an_unfinished_run(row: FDivergence) -> None:
    for seed in range(12):
        mdp, data, strength = generator(seed)
        max_steps = 1 + seed % 3
        exact = dual_v(mdp, data, divergence=row, strength=strength)
        rough = dual_v(mdp, data, divergence=row, strength=strength, max_steps=max_steps)
        assert rough.lower <= exact.upper
        assert exact.lower <= rough.upper
        assert abs(rough.objective - exact.objective) <= rough.certificate.bound + exact.certificate.bound
        if max_steps == 1 and row.name == "kl":
            assert rough.status is Status.MAX_STEPS
        distance = np.abs(rough.feasible_occupancy - exact.feasible_occupancy).sum()
        assert distance <= rough.occupancy_error + exact.occupancy_error
        off = float(np.linalg.norm(rough.value - exact.value))
        assert off <= rough.value_error + exact.value_error


def test_newton_bound_is_not_vacuous() -> None:
    """Near the minimiser the bounds cover the errors and exceed them by the condition number at most."""
    flow, rng = FlowPolytope.of(m2()), np.random.default_rng(0)
    for row in SMOOTH:
        exact = dual_v(m2(), DATA, divergence=row, strength=0.3)
        dual = ConjugateDual(flow.matrix, flow.start, flow.vector(DATA), flow.reward, row, 0.3)
        for _ in range(20):
            x = exact.value + 1e-5 * rng.normal(size=2)
            point_error, mass_error = dual.newton_bound(x)
            error = float(np.linalg.norm(x - exact.value))
            assert error <= point_error <= 1.1 * float(np.linalg.cond(dual.hessian(x))) * error
            assert np.abs(dual.mass(x) - exact.occupancy.ravel()).sum() <= mass_error < 1e-2


def test_the_mass_errs_by_the_root_of_the_condition() -> None:
    """A rare state makes the curvature small; a bound by its inverse would be a hundred times larger."""
    rng = np.random.default_rng(1)
    rare = np.array([1 - 1e-6, 1e-6])
    model = MDP(np.tile(rare, (2, 2, 1)), m2().reward, discount=0.9, initial=rare)
    flow, data = FlowPolytope.of(model), np.array([[0.5, 0.5 - 1e-6], [5e-7, 5e-7]])
    exact = dual_v(model, data, divergence="kl", strength=0.3)
    dual = ConjugateDual(flow.matrix, flow.start, flow.vector(data), flow.reward, f_divergence("kl"), 0.3)
    least = float(np.linalg.eigvalsh(dual.hessian(exact.value))[0])
    for _ in range(20):
        x = exact.value + 1e-7 * rng.normal(size=2)
        point_error, mass_error = dual.newton_bound(x)
        assert np.abs(dual.mass(x) - exact.occupancy.ravel()).sum() <= mass_error
        assert mass_error <= 1.2 * float(np.linalg.norm(dual.gradient(x))) / np.sqrt(0.3 * least)
        assert 100 * mass_error < point_error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"strength": -1.0}, "strength"),
        ({"divergence": "renyi"}, "divergence"),
        ({"conjugate": "other"}, "conjugate"),
        ({"divergence": "total-variation", "conjugate": "plain"}, "conjugate"),
        ({"divergence": alpha_divergence(3.0), "conjugate": "plain"}, "not defined for 'alpha'"),
    ],
)
def test_bad_arguments(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dual_v(m2(), DATA, **{"divergence": "kl", "strength": 1.0, **arguments})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"tol": -1.0}, "tol: -1.0"), ({"tol": np.nan}, "tol: nan"), ({"max_steps": 1.5}, "max_steps: 1.5")],
)
def test_tolerance_and_steps_are_checked(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dual_v(m2(), DATA, divergence="kl", strength=0.1, **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("scale", [1e20, 1e-12])
def test_total_variation_in_other_units(scale: float) -> None:
    """The objective is homogeneous in the rewards and the strength."""
    plain = dual_v(m2(), DATA, divergence="total-variation", strength=0.3)
    scaled = dual_v(
        m2().replace(reward=scale * m2().reward), DATA, divergence="total-variation", strength=0.3 * scale
    )
    assert scaled.status is Status.CONVERGED
    assert scaled.certificate.bound <= 1e-11 * scale
    assert scaled.objective / scale == pytest.approx(plain.objective, rel=1e-12)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("gap", [1e-10, 1e-12, 1e-15])
@pytest.mark.filterwarnings("ignore::mdplab.solution.ConvergenceWarning")
def test_discounts_near_one_never_break_the_certificate(name: str, gap: float) -> None:
    found = dual_v(
        MDP(m2().transition, m2().reward, 1.0 - gap, [0.5, 0.5]), DATA, divergence=name, strength=0.3
    )
    assert found.certificate.bound >= 0.0
    assert np.isfinite(found.certificate.bound) or found.status is Status.UNCERTIFIED
    assert np.isfinite(found.certificate.bound) or not found.status.ok
    assert not found.lower > found.upper
