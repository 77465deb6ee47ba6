r"""Verification of projected fixed points and of least-squares value iteration: the equations in extended precision.

Matrices and right-hand sides are formed anew from model or data and solved by
:func:`~mdplab.solvers.verify_algebra.solve_wide`; the distance of a projected value to the true one is taken from the
true value, where the solver bounds it by a residual.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdplab._typing import Array, FloatArray
from mdplab.models.dataset import LoggedDataset
from mdplab.models.tabular import MDP
from mdplab.solvers.least_squares_value_iteration import LeastSquaresSolution
from mdplab.solvers.projected import LinearFixedPoint
from mdplab.solvers.verify import Check, Verification, _need, _need_shape, _verify
from mdplab.solvers.verify_algebra import DOUBLE, EPS, WIDE, solve_wide

__all__ = ["KINDS"]

KINDS = (LeastSquaresSolution, LinearFixedPoint)
"""The kinds that this module adds to :func:`mdplab.solvers.verify`."""


@_verify.register
def _(solution: LinearFixedPoint, model: Any) -> Verification:
    if solution.method == "data":
        _need(model, LoggedDataset, solution)
        _need_shape(solution, solution.value.shape[:1], (model.n_states,))
        matrix, right, allowed = _data_equation(solution, model)
        checks: list[Check] = []
        doubt = 0.0
    else:
        _need(model, MDP, solution)
        _need_shape(solution, solution.value.shape, (model.n_states,))
        matrix, right, allowed, doubt, checks = _model_equation(solution, model)
    coefficients, error = solve_wide(matrix, right)
    if np.isfinite(error) and doubt > 0.0:
        inverse = float(np.abs(np.linalg.inv(matrix.astype(float))).sum(axis=1).max())
        error += 2 * inverse * doubt * (1.0 + float(np.abs(coefficients).sum()))
    length = float(np.abs(solution.features).sum(axis=-1).max())
    exact = solution.features.astype(WIDE) @ coefficients
    product = solution.features.astype(WIDE) @ solution.coefficients.astype(WIDE)
    rounding = (solution.coefficients.size + 2) * DOUBLE * length * float(np.abs(solution.coefficients).max())
    bound = solution.certificate.bound
    own = float(np.abs(solution.coefficients - coefficients).max())
    checks += [
        Check(
            "value within certificate.bound",
            float(np.abs(solution.value - exact).max()),
            bound + length * error,
        ),
        # the bound of the value is that of the coefficients times the length of a feature vector
        Check("coefficients", own, bound / length + error),
        Check("value = features @ coefficients", float(np.abs(solution.value - product).max()), rounding),
        Check("matrix", float((np.abs(solution.matrix - matrix) - allowed).max()), 0.0),
    ]
    return Verification("the equation formed and solved in extended precision", tuple(checks))


def _model_equation(
    solution: LinearFixedPoint, mdp: MDP
) -> tuple[Array, Array, FloatArray, float, list[Check]]:
    """Matrix, right-hand side, rounding of the solver's matrix, doubt of an entry, and the checks of the residuals."""
    assert solution.policy is not None
    assert solution.weights is not None
    policy, phi = solution.policy.astype(WIDE), solution.features.astype(WIDE)
    transition: Any = mdp.to_dense().transition
    taken = policy > 0
    kernel = (policy[..., np.newaxis] * transition.astype(WIDE)).sum(axis=1)
    reward = np.where(taken, policy * np.where(taken, mdp.reward, 0.0), 0).sum(axis=1)
    gamma, trace, n = WIDE(mdp.discount), WIDE(solution.trace), mdp.n_states
    value, error = solve_wide(np.eye(n) - gamma * kernel, reward)
    claimed = solution.value.astype(WIDE)
    residual = float(np.abs(reward + gamma * (kernel @ claimed) - claimed).max())
    room = 4 * (n + 8) * EPS * float(np.abs(claimed).max() + np.abs(reward).max())
    checks = [
        Check("value_error", float(np.abs(claimed - value).max()), solution.value_error + error),
        Check("bellman_error", residual, solution.bellman_error + room),
    ]
    difference = phi - gamma * (kernel @ phi)
    moduli = np.abs(phi) + gamma * (kernel @ np.abs(phi))
    weighted = solution.weights.astype(WIDE)[:, np.newaxis] * phi
    left, doubt, stretch, right = weighted, 0.0, 1.0, reward
    if solution.method == "residual":
        left = solution.weights.astype(WIDE)[:, np.newaxis] * difference
    elif solution.method == "projection":
        difference = moduli = phi
        right, doubt = value, error * float(np.abs(weighted).sum(axis=0).max())
    elif trace > 0:
        left, left_error = solve_wide(np.eye(n) - trace * gamma * kernel.T, weighted)
        doubt = n * left_error * float(np.abs(difference).max() + np.abs(reward).max())
        # a solve in double precision multiplies by the condition
        stretch = 1.0 + n / (1.0 - float(trace * gamma))
    size = np.abs(left) if solution.method != "residual" else solution.weights[:, np.newaxis] * moduli
    largest = size.max(axis=0, keepdims=True) if trace > 0 else size
    allowed = (
        4
        * (n + mdp.n_actions + 8)
        * DOUBLE
        * stretch
        * (np.broadcast_to(largest, size.shape).T @ np.abs(moduli))
    )
    return left.T @ difference, left.T @ right, allowed.astype(float), doubt, checks


def _data_equation(solution: LinearFixedPoint, data: LoggedDataset) -> tuple[Array, Array, FloatArray]:
    """Matrix, right-hand side and rounding of the solver's matrix: sums over all transitions, one at a time."""
    phi, gamma = solution.features.astype(WIDE), WIDE(solution.discount)
    d = phi.shape[-1]
    matrix = WIDE(solution.ridge) * np.eye(d, dtype=WIDE)
    moduli, right = matrix.copy(), np.zeros(d, dtype=WIDE)
    following = phi
    if solution.policy is not None:
        following = (solution.policy.astype(WIDE)[..., np.newaxis] * phi).sum(axis=1)
    for i, weight in enumerate(data.weights.astype(WIDE)):
        eligibility = size = np.zeros(d, dtype=WIDE)
        for h in range(data.horizon):
            s, t = data.states[i, h], data.states[i, h + 1]
            now = phi[s] if solution.policy is None else phi[s, data.actions[i, h]]
            eligibility = WIDE(solution.trace) * gamma * eligibility + now
            size = WIDE(solution.trace) * gamma * size + np.abs(now)
            matrix += weight * np.outer(eligibility, now - gamma * following[t])
            moduli += weight * np.outer(size, np.abs(now) + gamma * np.abs(following[t]))
            right += weight * eligibility * WIDE(data.rewards[i, h])
    count = data.rewards.size + data.horizon + data.n_actions + 8
    return matrix, right, (2 * count * DOUBLE * moduli).astype(float)


@_verify.register
def _(solution: LeastSquaresSolution, model: Any) -> Verification:
    _need(model, LoggedDataset, solution)
    horizon, states, actions = model.horizon, model.n_states, model.n_actions
    _need_shape(solution, solution.q.shape, (horizon, states, actions))
    phi = solution.features.astype(WIDE)
    flat = phi.reshape(-1, phi.shape[2])
    length, d = float(np.abs(phi).sum(axis=2).max()), phi.shape[2]
    value, error = solution.value[horizon].astype(WIDE), 0.0
    bound = solution.certificate.bound
    greedy = np.eye(actions)[solution.q.argmax(axis=2)]
    checks = [
        Check("value = max q", float(np.abs(solution.value[:-1] - solution.q.max(axis=2)).max()), 0.0),
        Check("policy is greedy for q", float(np.abs(solution.policy - greedy).max()), 0.0),
    ]
    for h in range(horizon - 1, -1, -1):
        part = slice(None) if solution.pooled else slice(h, h + 1)
        steps = horizon if solution.pooled else 1
        x = phi[model.states[:, :-1][:, part], model.actions[:, part]].reshape(-1, d)
        mass = np.repeat(model.weights.astype(WIDE), steps)
        gram = WIDE(solution.ridge) * np.eye(d) + x.T @ (mass[:, np.newaxis] * x)
        moduli = WIDE(solution.ridge) * np.eye(d) + np.abs(x).T @ (mass[:, np.newaxis] * np.abs(x))
        half, half_error = solve_wide(gram, flat.T)
        width = np.sqrt((flat * half.T).sum(axis=1)).reshape(states, actions)
        successors = model.states[:, 1:][:, part]
        logged = 0.0 if solution.reward is not None else model.rewards[:, part].reshape(-1, 1)
        # once for the exact values of the next stage, once for those of the solution
        both = np.column_stack([value, solution.value[h + 1].astype(WIDE)])
        targets = WIDE(solution.discount) * both[successors].reshape(-1, 2) + logged
        (weights, given), doubt = _regress(gram, x, mass, targets)
        stage = phi @ weights + WIDE(solution.bonus[h]) * width
        if solution.reward is not None:
            stage = stage + solution.reward[h]
        if solution.clip is not None:
            stage = np.clip(stage, *(WIDE(end) * (horizon - h) for end in solution.clip))
        # an error of the next values moves a prediction by at most sqrt(sum of masses) times the width (Cauchy-Schwarz)
        spread = float(np.sqrt(mass.sum()) * width.max())
        error = 2 * (
            length * doubt + abs(solution.bonus[h]) * length * half_error + spread * solution.discount * error
        )
        error += 8 * (d + 8) * EPS * (length * float(np.abs(weights).max()) + float(np.abs(stage).max()))
        value = stage.max(axis=1)
        off = float(np.abs(solution.weights[h] - given).max())
        rounded = 4 * DOUBLE * float(np.abs(targets).max()) * float(np.sqrt(mass.sum() / solution.ridge))
        condition = float(np.trace(gram)) / solution.ridge
        unsure = (
            4 * (x.shape[0] + 4 * d * d + 8) * DOUBLE * condition * float(width.max()) + length * half_error
        )
        gap = np.abs(solution.gram[h] - gram) - 2 * (x.shape[0] + 4) * DOUBLE * moduli
        checks += [
            Check(f"q of stage {h}", float(np.abs(solution.q[h] - stage).max()), bound + error),
            Check(f"weights of stage {h} for the next values", off, bound / length + doubt + rounded),
            Check(f"width of stage {h}", float(np.abs(solution.width[h] - width).max()), unsure),
            Check(f"gram of stage {h}", float(gap.max()), 0.0),
        ]
    return Verification("the recursion on the data in extended precision", tuple(checks))


def _regress(gram: Array, x: Array, mass: Array, targets: Array) -> tuple[Array, float]:
    """Coefficients of several regressions, one a row, and their largest error."""
    found, doubt = solve_wide(gram, x.T @ (mass[:, np.newaxis] * targets))
    return found.T, doubt
