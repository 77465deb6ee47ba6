"""Families of instances: every one under every engine, with sizes one and laws on the faces of the simplex."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from inspect import isfunction, signature
from typing import Any

import numpy as np
import pytest

from mdplab import instances, solvers
from mdplab.instances import (
    Draw,
    LatticeDraw,
    Rejected,
    ReplayDraw,
    SeededDraw,
    bandits,
    comparison_weights,
    constrained_mdps,
    contextual_bandits,
    horizon_mdps,
    line_mdps,
    markov_chains,
    mdp_with_perturbation,
    mdp_with_policies,
    mdp_with_policy,
    mdps,
    multi_objective_mdps,
    outcome_models,
    perturbed_policy,
    preference_matrices,
    random_kernel,
    random_mask,
    random_policy,
    random_reward,
    random_start,
    rectangular_uncertainties,
    symmetric_games,
    total_reward_mdps,
)
from mdplab.instances.kernels import KERNEL_KINDS
from mdplab.instances.policies import POLICY_KINDS
from mdplab.instances.stored import encode
from mdplab.solution import Status

Family = Callable[[Draw], Any]

# Every public family with default ranges, and options that draw what the defaults leave out.
FAMILIES: dict[str, Family] = {
    name: getattr(instances, name)
    for name in (
        "acyclic_reward_process",
        "bandits",
        "comparison_data",
        "comparison_weights",
        "constrained_mdps",
        "contextual_bandits",
        "deterministic_horizon_mdp",
        "dirichlet_chain",
        "dirichlet_mdp",
        "dirichlet_reward_process",
        "finite_laws",
        "flow_networks",
        "horizon_mdps",
        "line_mdps",
        "logged_datasets",
        "markov_chains",
        "matrix_games",
        "mdp_with_perturbation",
        "mdp_with_policies",
        "mdp_with_policy",
        "mdp_with_values",
        "mdps",
        "multi_objective_mdps",
        "outcome_models",
        "preference_matrices",
        "random_linear_mdp",
        "random_successors",
        "rectangular_uncertainties",
        "safety_graph",
        "symmetric_games",
        "total_reward_mdps",
    )
} | {
    "bandits with features": partial(bandits, dimension=(1, 3)),
    "chains of one kernel": partial(markov_chains, staged=False),
    "comparison_weights of any graph": partial(comparison_weights, connected=False),
    "discounted horizon_mdps": partial(horizon_mdps, discount=(0.1, 1.0)),
    "garnet": partial(instances.garnet, n_states=4, n_actions=2, branching=2, discount=(0.0, 0.9)),
    "linear by stage": partial(instances.random_linear_mdp, states=(1, 3), dimension=(1, 3), horizon=(1, 3)),
    "linear, signed": partial(instances.random_linear_mdp, signed=True),
    "logged_datasets with weights": partial(instances.logged_datasets, weighted=True),
    "masked horizon_mdps": partial(horizon_mdps, staged=True, terminal=True, masked=True, start="full"),
    "masked mdps": partial(mdps, masked=True, reward="integer", start="state"),
    "masked mdp_with_policies": partial(mdp_with_policies, model=partial(mdps, masked=True)),
    "masked horizon_mdps with a policy": partial(mdp_with_policy, model=partial(horizon_mdps, masked=True)),
    "masked total_reward_mdps": partial(total_reward_mdps, masked=True, ending=(0.0, 1.0)),
    "mdps without start": partial(mdps, start="none"),
    "outcome_models with vectors": partial(outcome_models, dimension=(1, 2)),
    "rectangular balls": partial(rectangular_uncertainties, strength=None, horizon=None),
}
each_family = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)


def drawn(family: Family, engine: Callable[[int], Draw], count: int) -> list[Any]:
    found = []
    for seed in range(count):
        try:
            found.append(family(engine(seed)))
        except Rejected:
            continue
    assert 3 * len(found) > count
    return found


@each_family
def test_every_engine_gives_instances(family: Family) -> None:
    """Models validate what they are given: no engine makes a family raise anything but ``Rejected``."""
    drawn(family, SeededDraw, 15)
    drawn(family, LatticeDraw, 60)


@each_family
@pytest.mark.parametrize("engine", [SeededDraw, LatticeDraw])
def test_the_tape_gives_the_instance_back_bit_by_bit(family: Family, engine: Callable[[int], Draw]) -> None:
    """So no family writes into what it was answered, and none depends on anything but its answers."""
    for seed in range(5):
        draw = engine(seed)
        try:
            instance = family(draw)
        except Rejected:
            continue
        assert encode(family(ReplayDraw(draw.tape))) == encode(instance)


@each_family
def test_cut_and_changed_tapes_give_instances(family: Family) -> None:
    def altered(seed: int) -> Draw:
        source = LatticeDraw(seed)
        family(source)
        rng = np.random.default_rng(seed)
        tape = list(source.tape)
        if seed % 2:
            tape = tape[: rng.integers(0, len(tape))]
        else:  # sizes and choices lowered
            for i, entry in enumerate(tape):
                if entry.kind in ("integers", "choice") and rng.integers(2):
                    tape[i] = type(entry)(entry.kind, entry.parameters, np.maximum(entry.value - 1, 0))
        return ReplayDraw(tape, dropped=int(rng.integers(0, 3)))

    drawn(family, altered, 40)


def test_the_public_families_are_all_here() -> None:
    """A new family with default ranges must be in the table of this file."""
    public = {}
    for name in instances.__all__:
        member = getattr(instances, name)
        if isfunction(member):
            first, *rest = [*signature(member).parameters.values()] or [None]
            if first is not None and first.name == "draw" and all(p.default is not p.empty for p in rest):
                public[name] = member
    assert set(public) <= set(FAMILIES)


# --- edge cases are reached -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", [SeededDraw, LatticeDraw])
def test_one_state_one_action_and_one_stage_occur(engine: Callable[[int], Draw]) -> None:
    models = drawn(mdps, engine, 80)
    assert {model.n_states for model in models} == {1, 2, 3, 4}
    assert {model.n_actions for model in models} == {1, 2, 3}
    assert any(model.n_states == model.n_actions == 1 for model in models)
    staged = drawn(partial(horizon_mdps, staged=True), engine, 80)
    assert {model.horizon for model in staged} == {1, 2, 3}
    assert {model.n_states for model in staged} == {1, 2, 3, 4}


def test_the_grid_reaches_deterministic_and_absorbing_models_with_ties() -> None:
    models = drawn(partial(mdps, states=(2, 3), actions=(2, 3), kernel="dense"), LatticeDraw, 300)
    assert any(np.isin(model.transition, (0.0, 1.0)).all() for model in models)
    assert any(instances.absorbing_states(model).any() for model in models)
    assert any(model.discount == 0.0 for model in models)
    assert any((np.ptp(model.reward, axis=1) == 0).any() for model in models)
    assert any((model.initial == 0).any() for model in models)


# --- kernels --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stages", [None, 3])
@pytest.mark.parametrize("n_actions", [None, 2])
@pytest.mark.parametrize("kind", KERNEL_KINDS)
def test_kernels_are_of_their_kind(kind: Any, n_actions: int | None, stages: int | None) -> None:
    for seed in range(10):
        kernel = random_kernel(SeededDraw(seed), 4, n_actions, stages=stages, kind=kind)
        shape = (4, 4) if n_actions is None else (4, n_actions, 4)
        assert kernel.shape == (shape if stages is None else (stages, *shape))
        np.testing.assert_allclose(kernel.sum(axis=-1), 1.0, atol=1e-15)
        successors = (kernel > 0).sum(axis=-1)
        match kind:
            case "sparse":
                assert successors.max() <= 3
                assert np.ptp(successors) == 0
            case "deterministic":
                assert (successors == 1).all()
            case "absorbing":
                assert (kernel[..., 3, 3] == 1 if n_actions is None else kernel[..., 3, :, 3] == 1).all()
            case "ergodic":
                assert kernel.min() >= 0.1 / 4


def test_an_absorbing_state_absorbs_at_all_stages_under_all_actions() -> None:
    kernel = random_kernel(SeededDraw(4), 5, 3, stages=4, kind="absorbing")
    stays = np.einsum("hsas->hsa", kernel) == 1
    assert (stays.all(axis=(0, 2)) == stays.any(axis=(0, 2))).all()
    assert 1 < stays.all(axis=(0, 2)).sum() < 5


def test_absorbing_states_pay_nothing() -> None:
    for seed in range(30):
        model = mdps(SeededDraw(seed), kernel="absorbing", reward="normal")
        ends = instances.absorbing_states(model)
        assert ends[-1]
        assert not model.reward[ends].any()
        assert model.reward[~ends].all()


def test_masks_leave_an_action_and_keep_others_by_chance() -> None:
    masks = np.concatenate([random_mask(SeededDraw(seed), 5, 4, keep=0.3) for seed in range(400)])
    assert masks.any(axis=1).all()
    share = 1 / 4 + 3 / 4 * 0.3  # forced, or kept
    assert abs(masks.mean() - share) < 5 * np.sqrt(share * (1 - share) / masks.size)


def test_unknown_kinds_and_laws_are_named() -> None:
    draw = SeededDraw(0)
    with pytest.raises(ValueError, match="kind 'full': expected one of dense"):
        random_kernel(draw, 2, kind="full")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="kind 'greedy': expected one of dirichlet"):
        random_policy(draw, 2, 2, kind="greedy")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="law 'cauchy': expected 'normal'"):
        random_reward(draw, 2, "cauchy")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="law 'uniform': expected 'dirichlet'"):
        random_start(draw, 2, "uniform")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="dense kernels"):
        mdp_with_perturbation(draw, model=partial(instances.garnet, n_states=2, n_actions=2, branching=1))


@pytest.mark.parametrize(
    ("law", "mean", "variance"),
    [
        ("normal", 0.0, 1.0),
        ("unit", 0.5, 1 / 12),
        ("symmetric", 0.0, 1 / 3),
        ("binary", 0.5, 0.25),
        ("integer", 0.0, 4.0),
        ("zero", 0.0, 0.0),
    ],
)
def test_rewards_follow_their_law(law: Any, mean: float, variance: float) -> None:
    rewards = random_reward(SeededDraw(5), 20_000, law)
    assert abs(rewards.mean() - mean) <= 5 * np.sqrt(variance / rewards.size)
    np.testing.assert_allclose(rewards.var(), variance, rtol=0.05)


def test_start_laws_are_of_their_kind() -> None:
    starts = {law: random_start(SeededDraw(2), 5, law) for law in ("dirichlet", "full", "state", "none")}
    assert starts["none"] is None
    assert sorted(starts["state"]) == [0, 0, 0, 0, 1]
    assert starts["full"].min() >= 0.02
    assert all(abs(law.sum() - 1) < 1e-15 for law in starts.values() if law is not None)


# --- policies and couples -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", POLICY_KINDS)
@pytest.mark.parametrize("engine", [SeededDraw, LatticeDraw])
def test_policies_are_laws_on_the_available_actions(engine: Callable[[int], Draw], kind: Any) -> None:
    for seed in range(40):
        draw = engine(seed)
        available = random_mask(draw, 3, 4)
        policy = random_policy(draw, 3, 4, stages=2, kind=kind, available=available)
        assert policy.shape == (2, 3, 4)
        assert policy.min() >= 0.0
        assert not policy[:, ~available].any()
        np.testing.assert_allclose(policy.sum(axis=-1), 1.0, atol=4e-16)
        if kind == "nearly deterministic":
            assert (policy[:, available] > 0).all()


def test_deterministic_and_nearly_deterministic_policies() -> None:
    policies = [random_policy(SeededDraw(seed), 3, 3, kind="deterministic") for seed in range(50)]
    assert all(set(np.unique(policy)) == {0.0, 1.0} for policy in policies)
    np.testing.assert_allclose(np.mean(policies, axis=(0, 1)), 1 / 3, atol=0.2)
    slips = [
        1 - random_policy(SeededDraw(seed), 1, 2, kind="nearly deterministic").max() for seed in range(200)
    ]
    assert min(slips) < 1e-7
    assert 1e-3 < max(slips) <= 0.05


def test_perturbations_stay_near() -> None:
    policy = random_policy(SeededDraw(1), 4, 3, kind="dirichlet")
    for seed in range(20):
        near = perturbed_policy(SeededDraw(seed), policy, mixture=(0.0, 0.1))
        assert 0.5 * np.abs(near - policy).sum(axis=1).max() <= 0.1
        tilted = perturbed_policy(SeededDraw(seed), policy, mixture=(0.0, 0.0), scale=0.01)
        assert 0 < np.abs(np.log(tilted / policy)).max() < 0.1


def test_couples_fit_together() -> None:
    for seed in range(20):
        mdp, policy = mdp_with_policy(SeededDraw(seed), model=partial(mdps, masked=True))
        assert policy.shape == mdp.reward.shape
        assert not policy[~mdp.available].any()
        mdp, policies = mdp_with_policies(SeededDraw(seed), count=3)
        assert [pi.shape for pi in policies] == [mdp.reward.shape] * 3
        model, stage = mdp_with_policies(SeededDraw(seed), model=horizon_mdps)
        assert stage[0].shape == (model.horizon, model.n_states, model.n_actions)


def test_a_perturbed_model_keeps_its_distance() -> None:
    for seed in range(30):
        mdp, other = mdp_with_perturbation(LatticeDraw(seed), weight=(0.1, 0.3), reward=(0.0, 0.2))
        assert 0.5 * np.abs(mdp.transition - other.transition).sum(axis=-1).max() <= 0.3 + 1e-15
        assert np.abs(mdp.reward - other.reward).max() <= 0.2 + 1e-15
        assert mdp.discount == other.discount
        np.testing.assert_array_equal(mdp.initial, other.initial)


# --- constraints of the other families ------------------------------------------------------------------------------


def test_constrained_problems_have_a_solution_with_slack() -> None:
    for seed in range(10):
        model, thresholds = constrained_mdps(LatticeDraw(seed))
        assert thresholds.shape == (model.n_objectives - 1,)
        found = solvers.constrained(model, thresholds)
        assert found.status in (Status.CONVERGED, Status.SLACK, Status.NOT_UNIQUE)


def test_the_first_signal_is_the_reward_of_the_model() -> None:
    draw = SeededDraw(6)
    model = multi_objective_mdps(draw, objectives=(2, 2), reward="binary")
    assert model.n_objectives == 2
    np.testing.assert_array_equal(model.rewards[0], mdps(SeededDraw(6)).reward)
    assert set(np.unique(model.rewards[1])) <= {0.0, 1.0}


def test_all_policies_of_a_terminating_model_are_proper() -> None:
    for seed in range(20):
        model = total_reward_mdps(LatticeDraw(seed), ending=(0.2, 0.5))
        assert model.terminal.tolist() == [False] * (model.n_states - 1) + [True]
        assert model.transition[:-1, :, -1].min() >= 0.2
        assert not model.reward[-1].any()


def test_a_contextual_bandit_forgets_its_context() -> None:
    model = contextual_bandits(SeededDraw(3), contexts=(3, 3))
    assert model.discount == 0.0
    assert (model.transition == model.initial).all()


def test_models_on_a_line_have_the_stated_lipschitz_constants() -> None:
    for seed in range(10):
        mdp, x = line_mdps(LatticeDraw(seed), states=(3, 5), length=2.0, slope=0.7)
        assert x[0] == 0.0
        assert x[-1] == pytest.approx(2.0)
        assert np.diff(x).min() > 0
        gaps = np.abs(np.diff(mdp.reward, axis=0)) / np.diff(x)[:, np.newaxis]
        assert gaps.max() <= 0.7 + 1e-12
        for a in range(mdp.n_actions):
            rows = mdp.transition[:, a]
            whole = np.abs(np.cumsum(rows[0] - rows[-1])[:-1]) @ np.diff(x)
            part = np.abs(np.cumsum(rows[0] - rows[1])[:-1]) @ np.diff(x)
            assert part == pytest.approx(whole * x[1] / 2.0, abs=1e-12)


def test_games_and_preferences_of_their_kind() -> None:
    for seed in range(20):
        game = symmetric_games(LatticeDraw(seed))
        assert (game.payoff == -game.payoff.T).all()
        assert comparison_weights(LatticeDraw(seed)).is_strongly_connected
        assert 2 <= preference_matrices(LatticeDraw(seed), responses=(2, 3)).n_responses <= 3
    assert {symmetric_games(SeededDraw(seed)).shape[0] for seed in range(40)} == {1, 2, 3, 4}


def test_uncertainties_have_a_price_or_a_radius() -> None:
    priced = rectangular_uncertainties(SeededDraw(1))
    assert priced.radius is None
    assert np.ptp(priced.strength) == 0
    assert 0.08 <= priced.strength.min() <= priced.strength.max() <= 1.6
    balls = rectangular_uncertainties(SeededDraw(1), strength=None, radius=(0.1, 0.2))
    assert balls.radius.min() >= 0.1
