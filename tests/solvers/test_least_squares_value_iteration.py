"""Least-squares value iteration against plain loops, and against exact planning on exact data."""

from __future__ import annotations

import numpy as np
import pytest

from mdplab.instances.draw import SeededDraw
from mdplab.instances.linear import one_hot_features, random_linear_mdp
from mdplab.models import LoggedDataset
from mdplab.solvers import backward_induction
from mdplab.solvers.least_squares_value_iteration import least_squares_value_iteration


def logged(seed: int) -> tuple[LoggedDataset, np.ndarray]:
    draw = SeededDraw([seed, 51])
    model = random_linear_mdp(draw, horizon=(3, 3))
    policy = draw.weights((model.n_states, model.n_actions))
    table = model.to_finite_horizon()
    return table.sample(policy, 3, 40, seed=seed), np.asarray(model.features)


def naive(data: LoggedDataset, phi: np.ndarray, ridge: float, bonus: float, clip: bool) -> list[np.ndarray]:
    value, tables = np.zeros(data.n_states), []
    for h in (2, 1, 0):
        x = phi[data.states[:, h], data.actions[:, h]]
        gram = ridge * np.eye(x.shape[1]) + (x.T * data.weights) @ x
        w = np.linalg.solve(
            gram, x.T @ (data.weights * (data.rewards[:, h] + 0.9 * value[data.states[:, h + 1]]))
        )
        q = phi @ w + bonus * np.sqrt(np.einsum("sai,ij,saj->sa", phi, np.linalg.inv(gram), phi))
        q = np.clip(q, 0.0, 3 - h) if clip else q
        value = q.max(axis=1)
        tables.append(q)
    return tables[::-1]


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize(("bonus", "clip"), [(0.0, False), (0.5, True), (-0.5, True)])
def test_recursion_is_that_of_plain_loops(seed: int, bonus: float, clip: bool) -> None:
    data, phi = logged(seed)
    data = data.reweighted(np.linspace(0.5, 1.5, 40))
    found = least_squares_value_iteration(
        data, phi, ridge=0.3, bonus=bonus, discount=0.9, clip=(0.0, 1.0) if clip else None
    )
    np.testing.assert_allclose(found.q, naive(data, phi, 0.3, bonus, clip), atol=1e-11)
    assert found.certificate.bound < 1e-8
    np.testing.assert_array_equal(found.policy.argmax(axis=2), found.q.argmax(axis=2))


def test_bonuses_order_the_estimates() -> None:
    data, phi = logged(3)
    low, mid, high = (
        least_squares_value_iteration(data, phi, ridge=1.0, bonus=b).value[0] for b in (-0.3, 0.0, 0.3)
    )
    assert (low < mid).all()
    assert (mid < high).all()


def test_exact_data_give_exact_planning() -> None:
    """Every transition once, weighted by its probability; the ridge is below rounding."""
    model = random_linear_mdp(SeededDraw(7), states=(4, 4), actions=(2, 2))
    table = model.to_finite_horizon(3)
    n, a = 4, 2
    s, b, t = (index.ravel() for index in np.indices((n, a, n)))
    kernel = table.stage_kernel(0)
    data = LoggedDataset(
        np.tile(s[:, None], 4) * np.array([1, 0, 0, 0]) + t[:, None] * np.array([0, 1, 0, 0]),
        np.tile(b[:, None], 3),
        np.tile(table.stage_reward(0)[s, b][:, None], 3),
        kernel[s, b, t],
        n_states=n,
        n_actions=a,
    )
    # Only the first transition of each trajectory is real: one stage, its value against one backup.
    first = LoggedDataset(
        data.states[:, :2], data.actions[:, :1], data.rewards[:, :1], data.weights, n_states=n, n_actions=a
    )
    values = backward_induction(table).value
    for features in (one_hot_features(n, a), model.features):
        found = least_squares_value_iteration(
            first, features, ridge=1e-12, discount=table.discount, terminal=values[1]
        )
        np.testing.assert_allclose(found.value[0], values[0], atol=1e-7)
    known = least_squares_value_iteration(
        first,
        model.features,
        ridge=1e-12,
        discount=table.discount,
        terminal=values[1],
        reward=table.stage_reward(0),
    )
    np.testing.assert_allclose(known.value[0], values[0], atol=1e-7)


def test_pooled_uses_all_stages() -> None:
    data, phi = logged(5)
    found = least_squares_value_iteration(data, phi, ridge=0.5, pooled=True)
    x = phi[data.states[:, :-1], data.actions].reshape(-1, phi.shape[2])
    for h in range(3):
        np.testing.assert_allclose(found.gram[h], 0.5 * np.eye(phi.shape[2]) + x.T @ x, rtol=1e-12)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ridge": 0.0}, "ridge is 0.0"),
        ({"features": np.ones((2, 2))}, "features has shape"),
        ({"clip": (1.0, 0.0)}, "clip is"),
        ({"discount": 1.5}, "discount must be"),
    ],
)
def test_bad_input_is_named(changes: dict[str, object], message: str) -> None:
    data, phi = logged(0)
    with pytest.raises(ValueError, match=message):
        least_squares_value_iteration(data, **({"features": phi, "ridge": 1.0} | changes))  # type: ignore[arg-type]
