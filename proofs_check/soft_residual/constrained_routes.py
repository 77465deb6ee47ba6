"""Routes of the second stage over the horizon: several priors at once, the constrained model, its cone program."""

from __future__ import annotations

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.claims import Side, Undecided, rounding
from mdplab.operators import policy_of_occupancy, state_occupancy
from proofs_check.soft_residual.multi_prior_instances import ConstrainedTask, MultiPriorTask


def second_stage_policy(task: MultiPriorTask) -> Side:
    """Policy iteration on the main return less the divergences, given the policies of stage one."""
    found = task.second_stage
    return Side(
        found.policy, found.policy_error + task.prior_error / (2 * task.total) + reference_error(task)
    )


def reference_error(task: MultiPriorTask) -> float:
    """Rounding of the geometric mean of the policies of stage one, in the log-policy."""
    logs = float(task.weights / task.total @ np.abs(task.log_priors).max(axis=(1, 2)))
    return float(rounding(logs, 2 * task.weights.size + 6)) / (1 - task.mdp.discount)


def max_ent_policy(task: MultiPriorTask) -> Side:
    """Soft value iteration on the weighted rewards at the temperature Lambda."""
    found = solvers.soft_value_iteration(task.full_mdp, temperature=task.total, tol=1e-12)
    return Side(found.policy, found.policy_error + full_error(task) / (2 * task.total))


def full_error(task: MultiPriorTask) -> float:
    """Error of a value that the rounding of the weighted rewards causes."""
    shares = task.weights / task.auxiliary_temperatures
    size = np.abs(task.mdp.reward).max() + shares @ np.abs(task.auxiliary_rewards).max(axis=(1, 2))
    return float(rounding(size, shares.size + 4)) / (1 - task.mdp.discount)


def value_difference(task: MultiPriorTask) -> Side:
    """Soft value iteration on the weighted rewards less policy iteration with the divergences."""
    full = solvers.soft_value_iteration(task.full_mdp, temperature=task.total, tol=1e-12)
    part = task.second_stage
    error = full.certificate.bound + part.certificate.bound + full_error(task) + 2 * task.prior_error
    size = np.abs(full.value).max() + np.abs(part.value).max()
    return Side(full.value - part.value, error + task.total * reference_error(task) + rounding(size, 2))


def auxiliary_values(task: MultiPriorTask) -> Side:
    """``sum_i lambda_i / alpha_i V_i`` of the policies of stage one."""
    shares = [auxiliary.reward_weight for auxiliary in task.auxiliaries]
    values = np.array([auxiliary.prior.value for auxiliary in task.auxiliaries])
    bounds = sum(share * a.prior.certificate.bound for share, a in zip(shares, task.auxiliaries, strict=True))
    return Side(shares @ values, bounds + rounding(shares @ np.abs(values).max(axis=1), len(shares) + 4))


def constrained_policy(task: ConstrainedTask) -> Side:
    """Policy of the constrained model, by the root of its multiplier."""
    found = task.solution
    if not np.isfinite(found.certificate.bound):
        raise Undecided("no policy is certified to keep the threshold")
    return Side(found.policy, optimum_error(task))


def optimum_error(task: ConstrainedTask) -> float:
    """How far the recorded policy is from the max-ent optimum at its multiplier, by the certificate of one that is near."""
    price, scale = task.solution.multiplier, 1 - task.mdp.discount
    model = task.model.scalarise([1.0, price])
    near = solvers.soft_policy_iteration(model, temperature=task.temperature, tol=1e-12)
    size = float(np.abs(task.mdp.reward).max() + price * np.abs(task.auxiliary_reward).max())
    rewards = float(rounding(size, 3)) / scale / (2 * task.temperature)
    return near.policy_error + rewards + float(np.abs(near.policy - task.solution.policy).max())


def residual_policy(task: ConstrainedTask) -> Side:
    """Residual soft Q iteration from the policy of stage one alone, with ``lambda = alpha nu`` and temperature ``T``."""
    one = task.stage_one
    found = solvers.residual_q_learning(
        one.mdp,
        one.residual_reward,
        one.prior.log_policy,
        prior_weight=one.prior_weight,
        temperature=one.temperature,
        tol=1e-12 * min(1.0, one.temperature),
    )
    return Side(found.policy, found.policy_error + one.prior_error / (2 * one.temperature))


def conic_point(task: ConstrainedTask) -> tuple[FloatArray, float, float]:
    """The cone program's policy, its certified objective, and by how much that may miss the optimum.

    The policy is optimal at most for the threshold that it keeps, which costs what is missing times the price; the price is at
    most what the safest policy lacks, over its margin (concavity).
    """
    found, start, scale = task.conic, task.mdp.start_law(), 1 - task.mdp.discount
    if not np.isfinite(found.upper):
        raise Undecided("the cone program has no point")
    policy = policy_of_occupancy(found.primal)
    ours, safe = (
        solvers.policy_evaluation(task.mdp, law, temperature=task.temperature)
        for law in (policy, task.safest.policy)
    )
    kept = solvers.policy_evaluation(task.mdp.replace(reward=task.auxiliary_reward), policy)
    objective, upper = float(start @ ours.value), found.upper / scale
    margin = float(start @ task.safest.value) - task.threshold
    missing = max(task.threshold - float(start @ kept.value) + 2 * kept.certificate.bound, 0.0)
    priced = missing * max(upper - float(start @ safe.value), 0.0) / margin
    error = 2 * ours.certificate.bound + float(rounding(abs(objective) + abs(upper), start.size + 8))
    return policy, objective, max(upper - objective, 0.0) + priced + error


def conic_objective(task: ConstrainedTask) -> Side:
    """Certified objective of the policy of the cone program over occupancies."""
    _, objective, missed = conic_point(task)
    return Side(objective, 1.01 * missed)


def constrained_objective(task: ConstrainedTask) -> Side:
    """Main return plus entropy of the constrained model, by the root of its multiplier."""
    return Side(task.solution.objective, 1.01 * task.solution.certificate.bound)


def conic_policy(task: ConstrainedTask) -> Side:
    """Policy of the cone program's occupancy; what it lacks of the Lagrangian is T times its divergence where it goes."""
    policy, _, missed = conic_point(task)
    doubt = rounding(1.0, task.mdp.n_states + 16) / (1 - task.mdp.discount)
    visits = np.maximum(state_occupancy(task.mdp, policy) - doubt, 0.0)
    with np.errstate(divide="ignore"):
        off = np.sqrt((1 - task.mdp.discount) * missed / (task.temperature * visits))
    return Side(policy, np.broadcast_to(1.01 * off[:, None], policy.shape))


def signs_around(task: ConstrainedTask, price: float) -> Side:
    """A price, and the distance within which the auxiliary return of the max-ent optimum passes the threshold."""
    for part in 10.0 ** np.arange(-12, -2, 0.5):
        sides = []
        for end in (price * (1 - part), price * (1 + part)):
            found = solvers.soft_value_iteration(
                task.mdp.replace(reward=task.mdp.reward + end * task.auxiliary_reward),
                temperature=task.temperature,
                tol=1e-12,
            )
            value = solvers.policy_evaluation(task.mdp.replace(reward=task.auxiliary_reward), found.policy)
            moved = (
                found.policy_error * 2 * task.mdp.n_actions * np.abs(value.q).max() / (1 - task.mdp.discount)
            )
            sides.append((float(task.mdp.start_law() @ value.value), value.certificate.bound + moved))
        if sides[0][0] + sides[0][1] < task.threshold < sides[1][0] - sides[1][1]:
            return Side(price, part * price)
    raise Undecided("the auxiliary return does not pass the threshold near the price")


def price_of_the_root(task: ConstrainedTask) -> Side:
    """Multiplier by the root."""
    return signs_around(task, task.solution.multiplier)


def price_of_the_cone(task: ConstrainedTask) -> Side:
    """Multiplier of the cone program."""
    return signs_around(task, float(task.conic.multipliers["threshold"][0]))
