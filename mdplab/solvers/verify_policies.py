"""Verification of finite horizons, recorded paths and stage evaluations: the kinds beside optima that :func:`verify` knows.

Values come from a linear solve refined in extended precision or from a plain recursion in extended precision; gradients
from *forward* sensitivities of the value (the derivative of the policy backup in one logit, solved for all logits at
once), where the solver multiplies an adjoint occupancy with an advantage.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdplab._typing import Array, BoolArray, FloatArray
from mdplab.models.finite_horizon import FiniteHorizonMDP
from mdplab.models.tabular import MDP
from mdplab.solution import Solution
from mdplab.solvers.backward_induction import HorizonSolution
from mdplab.solvers.mirror_descent import MirrorDescentSolution
from mdplab.solvers.policy_gradient_ascent import PolicyGradientSolution
from mdplab.solvers.stage_evaluation import StageEvaluation
from mdplab.solvers.stage_inputs import stage_mask
from mdplab.solvers.stage_mirror_descent import StageMirrorDescentSolution
from mdplab.solvers.verify import (
    Check,
    Verification,
    _cost_rounding,
    _need,
    _need_shape,
    _policy_checks,
    _q_check,
    _reward,
    _softmax_checks,
    _status_check,
    _verify,
)
from mdplab.solvers.verify_algebra import EPS, WIDE
from mdplab.solvers.verify_bellman import (
    _aggregate,
    _evaluation,
    _fixed_point,
    _lookahead,
    _plain_solve,
    _room,
)

__all__ = ["KINDS"]

KINDS = (
    HorizonSolution,
    MirrorDescentSolution,
    PolicyGradientSolution,
    StageEvaluation,
    StageMirrorDescentSolution,
)
"""The kinds that this module adds to :func:`mdplab.solvers.verify`."""


def _stage_reward(model: FiniteHorizonMDP, h: int) -> FloatArray:
    """Rewards of one stage, 0 at unavailable pairs."""
    return np.where(model.stage_available(h), model.stage_reward(h), 0.0)


def _stage_values(
    model: FiniteHorizonMDP, policy: Array, temperature: float, bonus: FloatArray
) -> tuple[Array, Array, float]:
    """Values ``(H + 1, S)`` and net action values ``(H, S, A)`` in extended precision, and their rounding."""
    taken = policy > 0
    logs = np.where(taken, np.log(np.where(taken, policy, 1)), 0)
    cost = WIDE(temperature) * logs - np.where(taken, bonus, 0.0).astype(WIDE)
    values = [np.asarray(model.terminal, dtype=WIDE)]
    entries = np.empty(policy.shape, dtype=WIDE)
    # The bonus is a double: a product that was rounded.
    room = 0.0
    for h in range(model.horizon - 1, -1, -1):
        expected = (model.stage_kernel(h).astype(WIDE) * values[-1]).sum(axis=2)
        reward = _stage_reward(model, h)
        entries[h] = reward.astype(WIDE) + WIDE(model.discount) * expected - cost[h]
        values.append(np.where(taken[h], policy[h] * entries[h], 0).sum(axis=1))
        room += _room(model, entries[h], reward, np.full(1, temperature))
        room += 1.2e-16 * float(np.abs(np.where(taken[h], bonus[h], 0.0)).max())
    return np.array(values[::-1]), entries, room


def _stage_lookahead(model: FiniteHorizonMDP, value: Array) -> Array:
    """Action values ``(H, S, A)`` of exact stage values."""
    return np.array(
        [
            _stage_reward(model, h).astype(WIDE)
            + WIDE(model.discount) * (model.stage_kernel(h).astype(WIDE) * value[h + 1]).sum(axis=2)
            for h in range(model.horizon)
        ]
    )


def _rows(log_policy: FloatArray) -> Array:
    """The recorded policy, its rows divided by their sums in extended precision."""
    policy = np.exp(log_policy).astype(WIDE)
    return np.asarray(policy / policy.sum(axis=-1, keepdims=True))


@_verify.register
def _(solution: HorizonSolution, model: Any) -> Verification:
    _need(model, FiniteHorizonMDP, solution)
    _need_shape(solution, solution.q.shape, (model.horizon, model.n_states, model.n_actions))
    last = model.terminal if solution.reward is None else solution.value[-1]
    checks = [_status_check(solution), *_policy_checks(solution.policy, solution.log_policy)]
    checks += [
        Check("value of the last stage", float(np.abs(solution.value[-1] - last).max()), 0.0),
        _within_bound(solution.value_errors, solution),
    ]
    beyond = float((solution.available & ~stage_mask(model)).any())
    checks.append(Check("admitted actions are the model's", beyond, 0.0))
    checks += _mask_checks(solution.available, policy=solution.policy, bonus=solution.bonus)
    optimum = own = np.asarray(last, dtype=WIDE)
    room = loss = 0.0
    errors = solution.value_errors
    worst = float(np.abs(solution.value[-1] - last).max()) - float(errors[-1])
    outside = float(np.maximum(solution.lower[-1] - last, last - solution.upper[-1]).max())
    q = np.empty(solution.q.shape, dtype=WIDE)
    for h in range(model.horizon - 1, -1, -1):
        reward = _stage_reward(model, h) if solution.reward is None else solution.reward[h]
        kernel, gain = model.stage_kernel(h).astype(WIDE), reward.astype(WIDE)
        bonus = None if solution.bonus is None else solution.bonus[h]
        discount = WIDE(model.discount)
        q[h] = gain + discount * (kernel * optimum).sum(axis=2)
        optimum = _aggregate(q[h], bonus, solution.temperature, solution.available[h])
        policy = solution.policy[h].astype(WIDE)
        entries = gain + discount * (kernel * own).sum(axis=2)
        magnitudes = [optimum, gain, np.full(1, solution.temperature)]
        if bonus is not None:
            taken = policy > 0
            logs = np.where(taken, solution.log_policy[h], 0.0).astype(WIDE)
            entries = entries - WIDE(solution.temperature) * logs + np.where(taken, bonus, 0.0)
            magnitudes.append(np.where(taken, bonus, 0.0))
        own = np.where(policy > 0, policy * entries, 0).sum(axis=1)
        room += _room(model, *magnitudes) + 4e-16 * solution.temperature
        worst = max(worst, float(np.abs(optimum - solution.value[h]).max()) - float(errors[h]))
        overshoot = np.maximum(solution.lower[h] - optimum, optimum - solution.upper[h])
        outside = max(outside, float(overshoot.max()))
        loss = float((optimum - own).max())
    checks.append(Check("stage values within value_errors", worst, room))
    checks.append(Check("lower <= values <= upper", outside, room))
    checks.append(_q_check(solution.q, q, solution.available, solution.q_error + room))
    checks += _softmax_checks(solution, q, solution.bonus, solution.available, room)
    checks.append(Check("policy loses at most suboptimality", loss, solution.suboptimality + 2 * room))
    return Verification("extended precision: plain recursion of optimum and policy", tuple(checks))


def _mask_checks(
    available: BoolArray, *, policy: FloatArray | None = None, bonus: FloatArray | None = None
) -> list[Check]:
    """Nothing is taken, and no weight given, where the mask ``(..., S, A)`` is false."""
    checks = []
    if policy is not None:
        taken = float(np.where(available, 0.0, policy).max())
        checks.append(Check("policy takes available actions", taken, 0.0))
    if bonus is not None:
        lost = float((~available & (bonus > -np.inf)).any())
        checks.append(Check("bonus excludes unavailable actions", lost, 0.0))
    return checks


def _within_bound(errors: FloatArray, solution: Solution) -> Check:
    return Check("value_errors within certificate.bound", float(errors.max()), solution.certificate.bound)


@_verify.register
def _(solution: MirrorDescentSolution, model: Any) -> Verification:
    _need(model, MDP, solution)
    _need_shape(solution, solution.q.shape[1:], model.reward.shape)
    admitted = np.ones(model.reward.shape, dtype=bool) if model.available is None else model.available
    reward = _reward(model)
    checks = [_status_check(solution), _within_bound(solution.value_errors, solution)]
    checks += _mask_checks(admitted, policy=solution.policies, bonus=solution.bonus)
    for t, (logs, claimed) in enumerate(zip(solution.log_policies, solution.values, strict=True)):
        policy = np.exp(logs)
        taken = policy > 0
        cost = solution.temperature * np.where(taken, logs, 0.0) - np.where(taken, solution.bonus, 0.0)
        deviation = float(np.abs(policy.sum(axis=1) - 1).max())
        operator = _evaluation(model, reward, policy.astype(WIDE), cost.astype(WIDE))
        value, error = _fixed_point(model, operator, claimed, deviation)
        # The logarithms of the rounded policy are off by a few units from those recorded.
        room = _room(model, value, reward, cost) + 4 * _cost_rounding(cost, solution.temperature)
        error += 2 * room / (1.0 - model.discount * (1.0 + deviation))
        allowed = float(solution.value_errors[t]) + error
        checks.append(Check(f"value of the policy at t = {t}", float(np.abs(claimed - value).max()), allowed))
        off = np.where(admitted, solution.q[t] - _lookahead(model, reward, value), 0)
        spans = np.where(admitted, off, -np.inf).max(axis=1) - np.where(admitted, off, np.inf).min(axis=1)
        span = float(solution.q_span_errors[t])
        level = model.discount * (1.0 + model.row_deviation) * float(solution.value_errors[t])
        checks += [
            Check(f"span of the error of q at t = {t}", float(spans.max()), span + 2 * (error + room)),
            Check(f"q at t = {t}", float(np.abs(off).max()), level + span + error + room),
        ]
        checks += _step_checks(solution, t)
    return Verification(
        "every recorded policy by a linear solve refined in extended precision", tuple(checks)
    )


def _step_checks(solution: MirrorDescentSolution | StageMirrorDescentSolution, t: int) -> list[Check]:
    """The log-policies of ``t`` and ``t + 1`` against the definition of the step."""
    if t >= solution.steps:
        return []
    size = 1 + float(np.abs(solution.step_sizes[t]).max())
    allowed = 1e-12 * size * (1 + _largest(solution.q[t]))
    return [Check(f"the step from t = {t}", _mirror_defect(solution, t), allowed)]


@_verify.register
def _(solution: StageEvaluation, model: Any) -> Verification:
    _need(model, FiniteHorizonMDP, solution)
    _need_shape(solution, solution.q.shape, (model.horizon, model.n_states, model.n_actions))
    available = stage_mask(model)
    value, _, room = _stage_values(model, solution.policy.astype(WIDE), solution.temperature, solution.bonus)
    excess = np.abs(value - solution.value).max(axis=1) - solution.value_errors
    checks = (
        _status_check(solution),
        *_mask_checks(available, policy=solution.policy, bonus=solution.bonus),
        Check("stage values within value_errors", float(excess.max()), room),
        _within_bound(solution.value_errors, solution),
        _q_check(solution.q, _stage_lookahead(model, value), available, solution.q_error + room),
        Check("lower <= values", float((solution.lower - value).max()), room),
        Check("values <= upper", float((value - solution.upper).max()), room),
    )
    return Verification("plain recursion in extended precision", checks)


@_verify.register
def _(solution: StageMirrorDescentSolution, model: Any) -> Verification:
    _need(model, FiniteHorizonMDP, solution)
    _need_shape(solution, solution.q.shape[1:], (model.horizon, model.n_states, model.n_actions))
    checks = [_status_check(solution), _within_bound(solution.value_errors, solution)]
    checks += _mask_checks(stage_mask(model), policy=solution.policies, bonus=solution.bonus)
    for t, logs in enumerate(solution.log_policies):
        value, _, room = _stage_values(model, _rows(logs), solution.temperature, solution.bonus)
        excess = np.abs(value - solution.values[t]).max(axis=1) - solution.value_errors[t]
        checks.append(Check(f"values of the policies at t = {t}", float(excess.max()), room))
        exact = _stage_lookahead(model, value)
        off = np.where(solution.q[t] > -np.inf, solution.q[t] - exact, 0)
        excess = np.abs(off).max(axis=(1, 2)) - solution.q_errors[t]
        checks.append(Check(f"action values at t = {t}", float(excess.max()), room))
        checks += _step_checks(solution, t)
    return Verification("every recorded policy by a plain recursion in extended precision", tuple(checks))


def _largest(x: FloatArray) -> float:
    """Largest modulus of the finite entries."""
    return float(np.abs(x[np.isfinite(x)]).max(initial=0.0))


def _mirror_defect(solution: MirrorDescentSolution | StageMirrorDescentSolution, t: int) -> float:
    """Largest span, over the rows, of what separates a recorded log-policy from the mirror step in its definition."""
    before, after = solution.log_policies[t], solution.log_policies[t + 1]
    step = solution.step_sizes[t][..., np.newaxis]
    kappa = np.minimum(step * solution.temperature, 1.0)
    inside = after > -np.inf
    old = np.where(inside & (before > -np.inf), before, 0.0)
    pull = step * np.where(inside, solution.bonus, 0.0)
    scale = np.maximum(np.abs(np.where(inside, after, 0.0)).max(axis=-1, keepdims=True), 1.0)
    expected = (1 - kappa) * old + pull + step * np.where(inside, solution.q[t], 0.0)
    defect = (np.where(inside, after, 0.0) - expected) / scale
    high = np.where(inside, defect, -np.inf).max(axis=-1)
    return float((high - np.where(inside, defect, np.inf).min(axis=-1)).max())


@_verify.register
def _(solution: PolicyGradientSolution, model: Any) -> Verification:
    if not isinstance(model, MDP | FiniteHorizonMDP):
        _need(model, MDP, solution)
    forward = _discounted_gradient if isinstance(model, MDP) else _stage_gradient
    mask = model.available
    checks = [] if mask is None else _mask_checks(mask, policy=solution.policies, bonus=solution.bonus)
    directions = solution.gradients
    if solution.normalised:
        norms = solution.gradient_norms
        spread = norms.reshape(-1, *(1,) * (directions.ndim - 1))
        directions = directions / np.where(spread > 0, spread, 1.0)
    for t, logs in enumerate(solution.log_policies):
        policy = _rows(logs)
        value, gradient, room, slack = forward(solution, model, policy, solution.values[t])
        finite = solution.logits[t] > -np.inf
        own = solution.logits[t].astype(WIDE)
        own = own - own.max(axis=-1, keepdims=True)
        own = own - np.log(np.exp(own).sum(axis=-1, keepdims=True))
        far = float(np.abs(np.where(finite, own, 0) - np.where(finite, logs, 0)).max())
        size = _largest(solution.logits[t]) + _largest(logs) + model.n_actions
        start, weight = solution.start_values[t], solution.initial.astype(WIDE)
        if solution.reference_action is not None:
            gradient[..., solution.reference_action] = 0
        gap = float(np.sqrt(((gradient - solution.gradients[t]) ** 2).sum()))
        checks += [
            Check(f"log-softmax of the logits at t = {t}", far, 1e-15 * size),
            Check(
                f"value at t = {t}",
                float(np.abs(value - solution.values[t]).max()),
                float(solution.value_errors[t]) + room,
            ),
            Check(
                f"start value at t = {t}",
                float(abs(weight @ (value if value.ndim == 1 else value[0]) - start)),
                float(solution.start_errors[t]) + room,
            ),
            Check(f"gradient at t = {t}", gap, float(solution.gradient_errors[t]) + slack),
        ]
        if t < solution.steps:
            before, after = (np.where(finite, solution.logits[k], 0.0) for k in (t, t + 1))
            found = float(np.abs(after - before - solution.step_sizes[t] * directions[t]).max())
            allowed = 1e-15 * (_largest(solution.logits[t + 1]) + _largest(solution.logits[t]))
            checks.append(Check(f"the step from t = {t}", found, allowed))
    return Verification("values and forward sensitivities in extended precision", tuple(checks))


def _discounted_gradient(
    solution: PolicyGradientSolution, mdp: MDP, policy: Array, claimed: FloatArray
) -> tuple[Array, Array, float, float]:
    """Value, gradient, and how far both may be off."""
    taken = policy > 0
    logs = np.where(taken, np.log(np.where(taken, policy, 1)), 0)
    bonus = np.where(taken, solution.bonus, 0.0)
    cost = WIDE(solution.temperature) * logs - bonus.astype(WIDE)
    reward = _reward(mdp)
    operator = _evaluation(mdp, reward, policy, cost)
    value, error = _fixed_point(mdp, operator, claimed)
    room = _room(mdp, value, reward, cost.astype(float)) + 1.2e-16 * float(np.abs(bonus).max())
    error += 2 * room / (1.0 - mdp.discount)
    entries = np.where(taken, _lookahead(mdp, reward, value) - cost, 0)
    advantage = np.where(taken, entries - (policy * entries).sum(axis=1, keepdims=True), 0)
    # d V / d theta_sa solves (I - discount P_pi) x = e_s pi A: sources of single states, then weights of the start.
    rows = policy.astype(float)
    sources = np.eye(mdp.n_states)
    response = _plain_solve(mdp, rows, sources).reshape(sources.shape).astype(WIDE)
    transition: Any = mdp.transition
    kernel = (transition.toarray() if mdp.is_sparse else transition).reshape(*rows.shape, -1).astype(WIDE)
    chain = (policy[..., np.newaxis] * kernel).sum(axis=1)
    residual = np.inf
    for _ in range(8):  # refinement: the residual in extended precision, the solve in double
        defect = sources - response + WIDE(mdp.discount) * (chain @ response)
        if float(np.abs(defect).max()) >= 0.5 * residual:
            break
        residual = float(np.abs(defect).max())
        response = response + _plain_solve(mdp, rows, defect.astype(float)).reshape(sources.shape)
    m = solution.initial.astype(WIDE) @ response
    gradient = m[:, np.newaxis] * policy * advantage
    off = (residual + 8 * mdp.n_states * EPS * float(np.abs(response).max())) / (1 - mdp.discount)
    size = float(np.abs(advantage).max())
    slack = off * mdp.n_states * size + 2 * (error + room) * float(m.max()) * mdp.n_states
    return value, gradient, error, slack


def _stage_gradient(
    solution: PolicyGradientSolution, mdp: FiniteHorizonMDP, policy: Array, claimed: FloatArray
) -> tuple[Array, Array, float, float]:
    """Value, gradient, and how far both may be off."""
    value, entries, room = _stage_values(mdp, policy, solution.temperature, solution.bonus)
    gradient = np.empty(policy.shape, dtype=WIDE)
    # Response of the values of stage 0 to a change of those of stage h: the product of the chains between them.
    response = np.eye(mdp.n_states, dtype=WIDE)
    for h in range(mdp.horizon):
        level = np.where(policy[h] > 0, entries[h], 0)
        advantage = np.where(policy[h] > 0, level - (policy[h] * level).sum(axis=1, keepdims=True), 0)
        gradient[h] = (solution.initial.astype(WIDE) @ response)[:, np.newaxis] * policy[h] * advantage
        chain = (policy[h][..., np.newaxis] * mdp.stage_kernel(h).astype(WIDE)).sum(axis=1)
        response = WIDE(mdp.discount) * (response @ chain)
    return value, gradient, room, 4 * room * mdp.horizon * mdp.n_states
