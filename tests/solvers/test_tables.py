"""What people look at: the table of each kind of solution, with the names of the model, and the page of a notebook."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from mdplab import solvers
from mdplab.convex import linear_program
from mdplab.laws import FiniteLaw
from mdplab.models import (
    MDP,
    FiniteHorizonMDP,
    LinearMDP,
    MultiObjectiveMDP,
    OutcomeModel,
    TotalRewardMDP,
)
from mdplab.numerics import monotone_root, ridge_regression
from mdplab.solution import Solution

RNG = np.random.default_rng(0)
STATES, ACTIONS, OBJECTIVES = ("left end", "middle", "right end"), ("stay", "jump"), ("money", "time")
NAMES = {"state_names": STATES, "action_names": ACTIONS}
KERNEL = RNG.dirichlet(np.ones(3), (3, 2))
REWARDS = RNG.uniform(size=(2, 3, 2))
START = np.array([0.2, 0.3, 0.5])
UNIFORM = np.full((3, 2), 0.5)
MODEL = MDP(KERNEL, REWARDS[0], 0.9, START, **NAMES)
BARE = MDP(KERNEL, REWARDS[0], 0.9, START)
STAGED = FiniteHorizonMDP(KERNEL, REWARDS[0], 2, initial=START, **NAMES)
BOTH = MultiObjectiveMDP(KERNEL, REWARDS, 0.9, START, objective_names=OBJECTIVES, **NAMES)
FEATURES = np.eye(6).reshape(3, 2, 6)
LINEAR = LinearMDP(FEATURES, KERNEL.reshape(6, 3), REWARDS[0].ravel(), 0.9, initial=START, **NAMES)
OUTCOMES = OutcomeModel.from_transition_rewards(KERNEL, np.ones((3, 2, 3)), **NAMES)
VECTORS = OutcomeModel.from_transition_rewards(KERNEL, np.ones((3, 2, 3, 2)), **NAMES)
TOTAL = TotalRewardMDP(KERNEL, -1 - REWARDS[0], [False, False, True], **NAMES)
DATA = STAGED.sample(UNIFORM, 2, 20, seed=1)
GAME = np.array([[0.5, 0.9, 0.2], [0.1, 0.5, 0.7], [0.8, 0.3, 0.5]])


def of_actions(*columns: str) -> list[str]:
    return [f"{column}_{action}" for column in columns for action in ACTIONS]


BOUNDS = ["value", "lower", "upper"]
CONTROL = [*BOUNDS, "action", *of_actions("q", "policy")]
AVERAGE = ["gain", "lower", "upper", "bias", "action", "component"]

KINDS: dict[str, tuple[Callable[[], Solution], list[str], int, list[str]]] = {
    "control": (lambda: solvers.solve(MODEL), ["state"], 3, CONTROL),
    "control by sweeps": (lambda: solvers.value_iteration(MODEL), ["state"], 3, CONTROL),
    "soft control": (lambda: solvers.soft_policy_iteration(MODEL, temperature=0.5), ["state"], 3, CONTROL),
    "linear control": (lambda: solvers.linear_policy_iteration(LINEAR), ["state"], 3, CONTROL),
    "evaluation": (
        lambda: solvers.policy_evaluation(MODEL, UNIFORM),
        ["state"],
        3,
        [*BOUNDS, *of_actions("q", "policy")],
    ),
    "linear evaluation": (
        lambda: solvers.linear_policy_evaluation(LINEAR, UNIFORM),
        ["state"],
        3,
        [*BOUNDS, *of_actions("q", "policy")],
    ),
    "horizon": (lambda: solvers.backward_induction(STAGED), ["stage", "state"], 6, CONTROL),
    "residual horizon": (
        lambda: solvers.residual_backward_induction(
            STAGED, REWARDS[1], np.log(UNIFORM), prior_weight=1.0, temperature=1.0
        ),
        ["stage", "state"],
        6,
        CONTROL,
    ),
    "linear horizon": (
        lambda: solvers.linear_backward_induction(LINEAR, horizon=2),
        ["stage", "state"],
        6,
        CONTROL,
    ),
    "stage evaluation": (
        lambda: solvers.stage_evaluation(STAGED, UNIFORM),
        ["stage", "state"],
        6,
        [*BOUNDS, *of_actions("q", "policy")],
    ),
    "total reward": (
        lambda: solvers.total_reward(TOTAL),
        ["state"],
        3,
        [*BOUNDS, "action", "steps_to_stop", *of_actions("q")],
    ),
    "average": (lambda: solvers.average_reward(MODEL), ["state"], 3, AVERAGE),
    "average by sweeps": (lambda: solvers.relative_value_iteration(MODEL), ["state"], 3, AVERAGE),
    "average program": (lambda: solvers.average_reward_program(MODEL), ["state"], 3, AVERAGE),
    "value program": (
        lambda: solvers.value_program(MODEL),
        ["state"],
        3,
        ["primal", *of_actions("dual")],
    ),
    "occupancy program": (
        lambda: solvers.occupancy_program(MODEL),
        ["state"],
        3,
        [*of_actions("primal"), "dual"],
    ),
    "dual": (
        lambda: solvers.dual_v(MODEL, np.full((3, 2), 1 / 6), divergence="chi-square", strength=1.0),
        ["state"],
        3,
        ["value", *of_actions("occupancy", "policy")],
    ),
    "dual of a policy": (
        lambda: solvers.dual_q(MODEL, UNIFORM, np.full((3, 2), 1 / 6), divergence="chi-square", strength=1.0),
        ["state"],
        3,
        of_actions("q", "mass", "policy"),
    ),
    "implicit maximum": (
        lambda: solvers.implicit_maximiser(
            FiniteLaw.from_atoms([0, 1, 3], [0.5, 0.3, 0.2]), loss="gumbel", weight=0.9
        ),
        ["atom"],
        3,
        ["atoms", "masses", "slopes"],
    ),
    "constrained": (
        lambda: solvers.constrained(BOTH, [4.0]),
        ["objective"],
        2,
        ["return", "return_error", "threshold", "multiplier"],
    ),
    "front": (
        lambda: solvers.multi_objective(BOTH),
        ["vertex"],
        0,
        [f"{column}_{name}" for column in ("return", "return_error") for name in OBJECTIVES],
    ),
    "laws": (
        lambda: solvers.distributional_evaluation(OUTCOMES.reward_process(0, 0.5), steps=2, tol=10.0),
        ["state"],
        3,
        ["mean", "variance", "least", "most", "atoms"],
    ),
    "stock": (
        lambda: solvers.stock_value_iteration(OUTCOMES, FiniteLaw.mean, [(0, 0.0)], 1),
        ["node"],
        1,
        ["steps", "state", "stock", "action", "value", "mean", "atoms"],
    ),
    "vector stock": (
        lambda: solvers.homogeneous_stock_iteration(
            VECTORS, lambda x: -np.abs(x).max(axis=1), [(0, (0.0, 1.0))], 1, degree=1
        ),
        ["node"],
        1,
        ["steps", "state", "stock_0", "stock_1", "action", "value"],
    ),
    "value-at-risk": (
        lambda: solvers.cvar_control(OUTCOMES, 0.5, 0, 2),
        ["atom"],
        1,
        ["threshold", "outer"],
    ),
    "mirror descent": (
        lambda: solvers.mirror_descent(MODEL, step=1.0, steps=2),
        ["step", "state"],
        9,
        ["value", *of_actions("q", "policy")],
    ),
    "stage mirror descent": (
        lambda: solvers.stage_mirror_descent(STAGED, step=1.0, steps=2),
        ["step", "stage", "state"],
        18,
        ["value", *of_actions("q", "policy")],
    ),
    "ascent": (
        lambda: solvers.policy_gradient_ascent(MODEL, steps=2),
        ["step"],
        3,
        ["start_value", "start_error", "gradient_norm", "gradient_error"],
    ),
    "fixed point": (
        lambda: solvers.projected_fixed_point(MODEL, UNIFORM, np.eye(3)),
        ["state"],
        3,
        ["value"],
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_tables_carry_the_names(kind: str) -> None:
    call, index, rows, columns = KINDS[kind]
    solution = call()
    frame = solution.to_frame()
    assert list(frame.index.names) == index
    assert list(frame.columns) == columns
    assert len(frame) == (rows or len(frame)) > 0
    if "state" in index:
        assert tuple(frame.index.get_level_values("state")[:3]) == STATES
    if index == ["objective"]:
        assert tuple(frame.index) == OBJECTIVES
    if "action" in columns:
        assert set(frame["action"]) <= set(ACTIONS)
    page = solution._repr_html_()
    assert solution.status.name in page
    assert "<table" in page


def test_tables_without_names_have_numbers() -> None:
    frame = solvers.solve(BARE).to_frame()
    assert frame.index.tolist() == [0, 1, 2]
    assert list(frame.columns)[3:] == ["action", "q_0", "q_1", "policy_0", "policy_1"]
    assert set(frame["action"]) <= {0, 1}


def test_tables_hold_the_numbers_of_the_solution() -> None:
    """Entry by entry, axes in their order: one kind with one axis, one with three."""
    one = solvers.solve(MODEL)
    table = one.to_frame()
    path = solvers.stage_mirror_descent(STAGED, step=1.0, steps=2)
    long = path.to_frame()
    for s, state in enumerate(STATES):
        assert table.loc[state, "value"] == one.value[s]
        assert table.loc[state, "action"] == ACTIONS[int(one.policy[s].argmax())]
        for a, action in enumerate(ACTIONS):
            assert table.loc[state, f"q_{action}"] == one.q[s, a]
            for t, h in np.ndindex(3, 2):
                assert long.loc[(t, h, state), f"policy_{action}"] == path.policies[t, h, s, a]
                assert long.loc[(t, h, state), "value"] == path.values[t, h, s]


def test_tables_of_what_has_no_model() -> None:
    weights = np.array([[0, 7, 9], [3, 0, 6], [1, 4, 0]])
    rewards = solvers.bradley_terry_fit(weights)
    assert list(rewards.to_frame().columns) == ["reward", "component"]
    direct = solvers.direct_preference_fit(weights, [0.4, 0.3, 0.3], temperature=1.0).to_frame()
    assert direct["policy"].sum() == pytest.approx(1.0)
    program = linear_program([1.0, 2.0], at_least=(np.ones((1, 2)), [1.0])).to_frame()
    assert program["primal"].tolist() == [1.0, 0.0]
    assert program.index.name == "variable"
    game = solvers.matrix_game(np.array([[1.0, -1.0, 2.0], [-1.0, 1.0, 2.0]])).to_frame()
    assert game["column"].tolist() == pytest.approx([0.5, 0.5, 0.0])
    assert np.isnan(game["row"].tolist()).tolist() == [False, False, True]
    nash = solvers.regularised_nash(GAME, np.full(3, 1 / 3), temperature=1.0).to_frame()
    assert nash["policy"].sum() == pytest.approx(1.0)
    run = solvers.nash_md(GAME, np.full(3, 1 / 3), temperature=1.0, steps=2).to_frame()
    assert run.loc[2].sum() == pytest.approx(1.0)
    fit = ridge_regression(np.eye(2), np.eye(2), ridge=1.0).to_frame()
    assert list(fit.columns) == ["coefficient_0", "coefficient_1"]
    batch = solvers.solve_batch(KERNEL[np.newaxis], REWARDS[:1], 0.9).to_frame()
    assert list(batch.index.names) == ["model", "state"]
    learned = solvers.least_squares_value_iteration(DATA, FEATURES, ridge=1.0).to_frame()
    assert len(learned) == 6
    pairs = solvers.lstd(DATA, FEATURES, discount=0.5, policy=UNIFORM, ridge=1.0).to_frame()
    assert list(pairs.columns) == ["value_0", "value_1"]


def test_a_solution_of_numbers_is_a_table_of_them() -> None:
    frame = monotone_root(lambda x: x**2 - 2, 0.0, 2.0).to_frame()
    assert frame.index.name == "quantity"
    assert frame.loc["root", "value"] == pytest.approx(np.sqrt(2))


def test_pages_are_short_and_escaped() -> None:
    n = 1000
    model = MDP.from_successors(
        np.arange(n)[:, np.newaxis], np.zeros((n, 1)), 0.5, state_names=[f"<b>{i}" for i in range(n)]
    )
    page = solvers.value_iteration(model)._repr_html_()
    assert len(page) < 10_000
    assert "&lt;b&gt;0" in page
    assert "<b>0" not in page
    assert "suboptimality" in page


def test_every_kind_with_arrays_says_what_its_table_is() -> None:
    kinds, found = [Solution], []
    while kinds:
        subclasses = kinds.pop().__subclasses__()
        kinds += subclasses
        found += [kind for kind in subclasses if kind.__module__.startswith("mdplab.")]
    without = {kind.__name__ for kind in found if kind._layout is Solution._layout}
    assert without == {"RootSolution", "MaximumSolution"}
